"""A run that strace is attached to, so that it strikes one call: with a signal, or with an error in its place.

Theory of operation
-------------------
strace takes what it is to strike when it starts, so there is one for each run. It need not start Python: the run is a
fork of a warm server (``warm``), which waits until strace is attached, and only then opens the engine::

    server ── fork ──► job ── fork ──► run      waits; then opens the engine, and works
                        └─ strace -p ──┘        counts the calls of the run from the moment it is attached

strace is started when the run has nothing left to do but to wait: what it did before would be counted in one run and
not in the next. How does the run know that it is attached? It makes a call that changes nothing again and again until
strace has written it down. From then on every call is seen. That call is none that is ever struck, so it does not
matter how often it was made.

The job waits until strace has ended, which it does when there is nobody left to trace: then its lines are complete.
What the engine showed when it was opened goes through a socket, which the death of the run does not take along.
"""

import faulthandler
import os
import pickle
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NoReturn

from chaoswal.disk.image import Image
from chaoswal.engines.registry import EngineRef, Factory
from chaoswal.errors import ChaoswalError, Exit, Inconclusive, UsageError
from chaoswal.oracle import Observed
from chaoswal.processes import die_with, let_trace
from chaoswal.record.calls import FCNTL, TRACED, Recording
from chaoswal.record.points import Step, walk
from chaoswal.record.strace import calls, whole_lines
from chaoswal.record.traced import strace_command
from chaoswal.record.tree import Tree
from chaoswal.record.working import factory_of, live
from chaoswal.tmpfs import fresh_directory
from chaoswal.warm import OUTPUT_BYTES, Warm

_NOWHERE = "/dev/null/chaoswal"
"""No directory, and so nobody can go there."""

_LOOK_SECONDS = 0.0005

_WAITS = b"w"
"""What a run tells first: from now on it waits for strace, and makes no call that is counted."""

ASKS = "signal=SIGUSR1"
"""What strace is told of a call at which the run is to say on which lines of Python it is."""

KILLS = "signal=SIGKILL"
"""What strace is told of a call at whose entry it kills. Who speaks to a program that was killed goes no further."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """One run."""

    steps: list[Step]
    recording: Recording
    observed: Observed | None
    """What the engine showed when it was opened; None where it did not come to that."""
    code: int
    """The exit code of the process, negative where a signal ended it."""
    hung: bool
    """Whether it took too long, and was killed."""
    output: str
    """The end of what it printed."""
    stack: str
    """Where it was when it was sent ``ASKS``, innermost first, as faulthandler writes that; empty where it was not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    """What the job tells of the run."""

    told: list[Any]
    code: int
    output: str
    complaint: str
    """What strace printed, if it could not be attached."""


class Attached:
    """Makes such runs. Close it."""

    def __init__(self, what: str) -> None:
        """``what`` needs it; UsageError where there is no strace."""
        self._directory = fresh_directory()
        self._lines, self._stack = self._directory / "strace", self._directory / "stack"
        self._strace = strace_command(what, TRACED | {FCNTL}, self._lines)
        self.server = Warm(batch=1)
        """Each of its jobs is done by a process of its own."""

    def run(
        self,
        factory: Factory,
        root: str,
        words: Sequence[str],
        inject: Sequence[str] = (),
        *,
        file_bytes: int | None = None,
        seconds: float,
    ) -> Lived:
        """Let an engine work on an empty directory; ``inject``: what strace is told to do to its calls.

        ``file_bytes``: no file may grow beyond this.

        UsageError where strace cannot be attached; Inconclusive where a call was not seen.
        """
        self.server.prepare(factory_of, factory.name)
        for file in (self._lines, self._stack):
            file.write_bytes(b"")
        told = [word for one in inject for word in ("-e", f"inject={one}")]
        task = _Task(
            engine=factory.name,
            root=root,
            operations=tuple(words),
            lines=str(self._lines),
            until_error=EngineRef.parse(factory.name).is_program and any(KILLS in one for one in inject),
            file_bytes=file_bytes,
            stack=str(self._stack),
        )
        outcome = self.server.do(watched, task, [*self._strace, *told], seconds=seconds)
        ended: _Ended | None = outcome.items[0] if outcome.items else None
        if ended and ended.complaint:
            raise UsageError(f"strace cannot be attached here: {ended.complaint}; is ptrace(2) allowed?")
        recording = Recording(Tree(Image({}, {})), root)
        steps = walk(recording, calls(whole_lines(self._lines.read_text(encoding="ascii"))))
        if recording.strange:
            raise Inconclusive(f"{factory.name} uses a descriptor that came from where it was not seen")
        return Lived(
            steps=steps,
            recording=recording,
            observed=next((one for one in ended.told if isinstance(one, Observed)), None) if ended else None,
            code=ended.code if ended else -signal.SIGKILL,
            hung=outcome.hung,
            output=ended.output if ended else outcome.output,
            stack=self._stack.read_text(errors="replace"),
        )

    def close(self) -> None:
        """End the server."""
        self.server.close()
        shutil.rmtree(self._directory, ignore_errors=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """What a run does."""

    engine: str
    root: str
    operations: tuple[str, ...]
    lines: str
    """The file that strace writes to."""
    until_error: bool
    file_bytes: int | None
    stack: str
    """The file for that of Python."""


def watched(task: _Task, strace: Sequence[str]) -> Iterator[_Ended]:
    """A run under strace, from its first call to its end, as a job."""
    here, there = socket.socketpair()  # which is struck by no fault; an empty directory shows less than it holds
    job, pid = os.getpid(), os.fork()
    if not pid:
        _work(task, there, job)
    there.close()
    here.recv(len(_WAITS))  # nothing comes from one that has ended, and strace will say so
    done = subprocess.run([*strace, "-p", str(pid)], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    attached = os.path.getsize(task.lines) > 0
    if not attached:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    told = _told(here)
    for error in told:
        if isinstance(error, ChaoswalError):
            raise error
    complaint = "" if attached else done.stderr.decode(errors="replace").strip() or f"it exited with {done.returncode}"
    output = os.pread(1, 1 << 20, 0)[-OUTPUT_BYTES:].decode(errors="replace")  # which the run shares
    yield _Ended(told=told, code=os.waitstatus_to_exitcode(status), output=output, complaint=complaint)


def _told(here: socket.socket) -> list[Any]:
    """What the run has told, as far as it came."""
    told = []
    with here, here.makefile("rb") as file, suppress(EOFError, pickle.UnpicklingError):
        while True:
            told.append(pickle.load(file))
    return told


def _work(task: _Task, there: socket.socket, job: int) -> NoReturn:
    """The whole life of a run."""
    try:
        die_with(job)
        let_trace()
        sys.dont_write_bytecode = True  # what the first run compiles the next would not, and count otherwise
        asked = open(task.stack, "wb")  # noqa: SIM115 - as long as the process lives
        faulthandler.register(signal.SIGUSR1, file=asked, all_threads=False)
        there.sendall(_WAITS)
        while not os.path.getsize(task.lines):
            with suppress(OSError):  # it fails, as it must
                os.chdir(_NOWHERE)
            time.sleep(_LOOK_SECONDS)
        if task.file_bytes is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (task.file_bytes, task.file_bytes))
        for observed in live(task.engine, task.root, task.operations, 0, (), task.until_error):
            there.sendall(pickle.dumps(observed))
    except ChaoswalError as error:
        there.sendall(pickle.dumps(error))
    except BaseException:  # noqa: BLE001 - an engine that exits ends this process, and no more than that
        traceback.print_exc()
        os._exit(Exit.INTERNAL)
    os._exit(Exit.CLEAN)
