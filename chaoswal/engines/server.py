"""Engines that are servers: begun for each opening, ready or not within a deadline, and ended by their own process.

Theory of operation
-------------------
A server is a child process that prints to a file in memory. It is ready when it has printed so; it is asked by a client
of its own over a socket that nobody else has. A crash takes it along: it dies with whoever began it.

What can go wrong with it is of three kinds, and only the last says something about the engine:

    could not start    it ended before it was ready, and does so on an empty directory too: Inconclusive
    timed out          it was not ready, did not answer, or did not end within the deadline: Inconclusive
    failed             it ended on what it was given, though it starts on an empty directory; or while it was asked
"""

import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import ClassVar

from chaoswal.engines.talk import ProgramError, shown
from chaoswal.errors import Inconclusive, UsageError
from chaoswal.processes import die_with, ending

DEADLINE_SECONDS = 8.0
"""A server has so long to be ready, for each answer, and to end; an opening as a whole has longer."""

_LOOK_MILLISECONDS = 1
"""What it prints is looked at so often until it is ready."""

_PRINTED_BYTES = 1 << 16


class Ended(Exception):
    """A server has ended before it was ready."""


class Server:
    """A process that serves one directory."""

    def __init__(self, words: Sequence[str], ready: re.Pattern[str], preface: re.Pattern[str], seconds: float) -> None:
        """Begin it, and wait until it has printed what ``ready`` finds; Ended, or Inconclusive, where it does not.

        ``preface``: what stands in front of each line that it prints, and is another in every run.
        """
        self.what, self.seconds = os.path.basename(words[0]), seconds
        self._preface = preface
        self._printed = os.memfd_create("printed")
        self._process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=self._printed,
            stderr=self._printed,
            preexec_fn=partial(die_with, os.getpid()),  # noqa: PLW1509 - nobody here has threads; it must not be left
        )
        self._death = os.pidfd_open(self._process.pid)
        self.said = self._await(ready)

    def _await(self, ready: re.Pattern[str]) -> re.Match[str]:
        """What it says when it is ready."""
        end = time.monotonic() + self.seconds
        while True:
            ended = self._wait(_LOOK_MILLISECONDS)
            found = ready.search(self._all_printed())
            if ended:
                raise Ended(self._how_ended())
            if found:
                return found
            if time.monotonic() > end:
                raise self.timed_out("was not ready")

    @contextmanager
    def kept(self) -> Iterator[None]:
        """It is stopped where the block fails."""
        try:
            yield
        except BaseException:
            self.stop()
            raise

    def close(self) -> None:
        """Ask it to end, and wait until it has."""
        self._process.send_signal(signal.SIGTERM)
        if not self._wait(self.seconds * 1000):
            raise self.timed_out("did not end")
        self.stop()

    def stop(self) -> None:
        """End it now, whatever it is at; it may have ended, and been stopped, before."""
        self._process.kill()
        self._process.wait()
        if self._death >= 0:
            os.close(self._death)
            os.close(self._printed)
        self._death = -1

    def timed_out(self, what: str) -> Inconclusive:
        """It is stopped, for not having done this in time; what to raise."""
        self.stop()
        return Inconclusive(f"timed out: {self.what} {what} within {self.seconds:g} s")

    def gone(self, error: Exception) -> Exception:
        """What to raise where a client can speak to it no more: how it ended, if it did."""
        return ProgramError(self._how_ended()) if self._wait(self.seconds * 1000) else error

    def _wait(self, milliseconds: float) -> bool:
        """Whether it has ended, for which it has so long."""
        poll = select.poll()
        poll.register(self._death, select.POLLIN)
        return bool(poll.poll(milliseconds))

    def _all_printed(self) -> str:
        return os.pread(self._printed, _PRINTED_BYTES, 0).decode(errors="replace")

    def _how_ended(self) -> str:
        """How it ended, and its last line; it has."""
        code, last = self._process.wait(), self._all_printed().splitlines()[-1:]
        self.stop()
        how = f"{self.what} {ending(code)}"
        return how + (f"; last it printed: {shown(self._preface.sub('', last[0]).encode())}" if last else "")


class Served:
    """What adapters of servers have in common."""

    contract = "log"
    _server: Server
    server: ClassVar[str]
    """The program."""
    ready: ClassVar[re.Pattern[str]]
    preface: ClassVar[re.Pattern[str]]

    def begun(self, words: Callable[[str], Sequence[str]], root: str, seconds: float) -> Server:
        """The server of a directory, by its words for that, ready to be asked.

        UsageError where it is not installed, Inconclusive where it could not start or was not ready in time,
        ProgramError where it is the directory that keeps it from starting.
        """
        require(self.server)
        try:
            return self._started(words, root, seconds)
        except Ended as error:
            with short_directory() as empty:
                try:
                    self._started(words, empty, seconds).stop()
                except Ended as without:
                    raise Inconclusive(f"could not start, on an empty directory either: {without}") from error
            raise ProgramError(str(error)) from error

    def stop(self) -> None:
        """End the server, whatever it is at."""
        self._server.stop()

    def _started(self, words: Callable[[str], Sequence[str]], root: str, seconds: float) -> Server:
        return Server([require(self.server), *words(root)], self.ready, self.preface, seconds)


def require(program: str) -> str:
    """The path of a program; UsageError where it is not installed."""
    path = shutil.which(program)
    if path is None:
        raise UsageError(f"there is no program {program!r} here: install the server, e.g. apt-get install {program}")
    return path


def version(program: str) -> str:
    """What a server says of its version; the empty string where it is not installed, or says nothing."""
    path = shutil.which(program)
    if path is None:
        return ""
    said = subprocess.run([path, "--version"], capture_output=True, check=False, timeout=DEADLINE_SECONDS).stdout
    found = re.search(rb"\d+(\.\d+)+", said)
    return found[0].decode() if found else ""


@contextmanager
def short_directory() -> Iterator[str]:
    """A directory of the block alone, whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="chaoswal-", dir=_SHORT) as directory:
        yield directory


_SHORT = "/dev/shm" if os.path.isdir("/dev/shm") else None
