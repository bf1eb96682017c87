"""A program that is spoken to line by line through its standard input and output, with a deadline for every answer.

Nothing it does can hang or break whoever speaks to it: one that says nothing in time is killed and told as
``StepLimit``, as an engine that hangs is; one that ends, or says what nobody could read, is told as ``ProgramError``,
with the last line it wrote to its standard error.
"""

import os
import select
import subprocess
import time
from collections.abc import Sequence
from functools import partial

from chaoswal.errors import StepLimit
from chaoswal.processes import die_with, ending

LINE_BYTES_MAX = 64 << 20
"""An answer that is longer than this is none."""

_SHOWN_CHARACTERS = 120
_PIECE_BYTES = 1 << 16


class ProgramError(Exception):
    """A program under test has failed, or ended, or has not said what was to be said."""


class Talk:
    """A started program, and what passes between it and us."""

    def __init__(self, words: Sequence[str], seconds: float) -> None:
        """Start it. ``seconds``: it has so long for each answer. OSError where there is no such program."""
        self._what = words[0]
        self._seconds = seconds
        self._heard = b""
        self._said = os.memfd_create("stderr")
        try:
            self._process = subprocess.Popen(
                words,
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                preexec_fn=partial(die_with, os.getpid()),  # noqa: PLW1509 - nobody here has threads; it must not be left
            )
        except OSError:
            os.close(self._said)
            raise
        assert self._process.stdin
        assert self._process.stdout
        self._input, self._output = self._process.stdin, self._process.stdout
        os.set_blocking(self._input.fileno(), False)  # a program that reads nothing must not make us wait for ever

    def say(self, line: bytes) -> None:
        """Tell it one line."""
        self._must_live()
        left, end = memoryview(line + b"\n"), self._end()
        while left:
            self._wait(self._input.fileno(), select.POLLOUT, end)
            try:
                left = left[os.write(self._input.fileno(), left) :]
            except BrokenPipeError:
                raise self._gone() from None

    def hear(self) -> bytes:
        """The next line it says, without its end."""
        end = self._end()
        while b"\n" not in self._heard:
            if not self._more(end):
                raise self._gone()
        line, _, self._heard = self._heard.partition(b"\n")
        return line

    def finish(self) -> bytes:
        """Say no more, and let it end by itself; all that it has still said. ProgramError where it did not end well."""
        self._must_live()
        self._input.close()
        end = self._end()
        while self._more(end):
            pass
        code = self._ended()
        if code:
            raise self._failed(ending(code))
        self._close()
        return self._heard

    def stop(self) -> None:
        """End it now, whatever it is at."""
        self._process.kill()
        self._process.wait()
        self._close()

    def strange(self, line: bytes, wanted: str) -> ProgramError:
        """It is stopped, for having said this where something else was wanted; what to raise."""
        self.stop()
        return ProgramError(f"{self._what} said {shown(line)} where it was to say {wanted}")

    def _must_live(self) -> None:
        if self._input.closed:
            raise ProgramError(f"{self._what} has ended before")

    def _more(self, end: float) -> bool:
        """Whether there is more to read, and now has been."""
        self._wait(self._output.fileno(), select.POLLIN, end)
        piece = os.read(self._output.fileno(), _PIECE_BYTES)
        self._heard += piece
        if len(self._heard) > LINE_BYTES_MAX:
            raise self.strange(self._heard, f"at most {LINE_BYTES_MAX >> 20} MiB at a time")
        return bool(piece)

    def _end(self) -> float:
        return time.monotonic() + self._seconds

    def _wait(self, descriptor: int, what: int, end: float) -> None:
        poll = select.poll()
        poll.register(descriptor, what)
        if not poll.poll(max(0.0, end - time.monotonic()) * 1000):
            raise self._hung()

    def _hung(self) -> StepLimit:
        self.stop()
        return StepLimit(f"{self._what} did not answer within {self._seconds:g} s")

    def _ended(self) -> int:
        """The exit code of one that has nothing more to say, and as long for its end as for an answer."""
        try:
            return self._process.wait(self._seconds)
        except subprocess.TimeoutExpired:
            raise self._hung() from None

    def _gone(self) -> ProgramError:
        """It has closed an end of its: how it ended."""
        return self._failed(f"{ending(self._ended())} without an answer")

    def _failed(self, how: str) -> ProgramError:
        last = os.pread(self._said, _PIECE_BYTES, max(0, os.fstat(self._said).st_size - _PIECE_BYTES)).splitlines()
        self._close()
        return ProgramError(f"{self._what} {how}" + (f"; last it printed: {shown(last[-1])}" if last else ""))

    def _close(self) -> None:
        self._input.close()
        self._output.close()
        if self._said >= 0:
            os.close(self._said)
            self._said = -1


def shown(line: bytes) -> str:
    """What a program said, as a short text."""
    text = line.decode(errors="backslashreplace")
    return repr(text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…")
