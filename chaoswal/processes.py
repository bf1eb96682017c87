"""Processes that end with whoever started them, and signals that only the one at the terminal hears."""

import ctypes
import math
import mmap
import os
import signal
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

from chaoswal.patience import SILENCE

_KILL, _GETPID = os.kill, os.getpid  # as they were before an engine could put others in their place
_FOR_COORDINATOR = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LIBC = ctypes.CDLL(None)  # found once, before anything forks
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_PR_SET_PTRACER, _PR_SET_PTRACER_ANY = 0x59616D61, ctypes.c_ulong(-1)

PASSED_ON = _FOR_COORDINATOR
"""What whoever stands above the coordinator passes on to it."""


def die_with(parent: int) -> None:
    """Let the kernel kill this process as soon as its parent is dead (prctl(2), PR_SET_PDEATHSIG)."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked
        die()


def let_trace() -> None:
    """Let processes trace this one that it does not descend from, where Yama would not (prctl(2), PR_SET_PTRACER)."""
    _LIBC.prctl(_PR_SET_PTRACER, _PR_SET_PTRACER_ANY, 0, 0, 0)


def adopt_orphans() -> None:
    """Become the parent of all that is orphaned below (prctl(2), PR_SET_CHILD_SUBREAPER)."""
    _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1)


def children() -> list[int]:
    """The processes whose parent is this one, dead or alive."""
    found = []
    for entry in filter(str.isdecimal, os.listdir("/proc")):
        with suppress(OSError), open(f"/proc/{entry}/stat", encoding="ascii", errors="replace") as file:
            if int(file.read().rpartition(")")[2].split()[1]) == os.getpid():
                found.append(int(entry))
    return found


def bury_orphans() -> None:
    """Kill all that was orphaned below this process, which adopts orphans, and has no other children by now."""
    while not childless():
        pids = _children_of_main_thread()
        for pid in pids:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        for pid in pids:
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)


def childless() -> bool:
    """Whether this process has no children, dead or alive."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    return False


def _children_of_main_thread() -> list[int]:
    """Those whom it has adopted, too; quickly, where the kernel tells (CONFIG_PROC_CHILDREN).

    One that is orphaned meanwhile may be missing (proc_pid_children(5)).
    """
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except FileNotFoundError:
        return children()


class Pulse:
    """What a process says of itself to the one that waits for it: until when it will be heard of again."""

    def __init__(self) -> None:
        """Before the fork."""
        # One aligned store for each beat: ``struct`` clears the place before it writes, which may be seen.
        self._until = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("d")

    def beat(self, seconds: float) -> None:
        """Say that the next beat comes within so long."""
        self._until[0] = time.monotonic() + seconds

    def rest(self) -> None:
        """Say that nobody should wait for the next one."""
        self._until[0] = math.inf

    @property
    def late(self) -> bool:
        """Whether the next beat should have come."""
        return time.monotonic() > self._until[0]


_pulse: Pulse | None = None
_watched: tuple[int, Pulse] | None = None
_exposed = False


def expose(watched: Pulse | None = None) -> None:
    """From now on this process is one that no engine may run in; those that are forked and live by a pulse may be.

    ``watched``: by this another one sees how long an engine takes that has to be loaded here all the same.
    """
    global _exposed, _watched  # noqa: PLW0603 - one for the process
    _exposed = True
    _watched = (os.getpid(), watched) if watched else None


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """What runs in the block may take so long, if this process is watched by another, or is ended."""
    if _watched is None or _watched[0] != os.getpid():
        yield
        return
    _watched[1].beat(seconds)
    try:
        yield
    finally:
        _watched[1].rest()


def is_exposed() -> bool:
    """Whether this process has to be kept from what engines do."""
    return _exposed and _pulse is None


def lives_by(pulse: Pulse) -> None:
    """From now on this process beats on that."""
    global _pulse  # noqa: PLW0603 - one for the process
    _pulse = pulse
    alive()


def alive(seconds: float = 0.0) -> None:
    """Say that this process goes on, and will say so again within ``patience.SILENCE``, besides the seconds named."""
    if _pulse is not None:
        _pulse.beat(SILENCE.seconds + seconds)


def ending(code: int) -> str:
    """How a process ended, by its exit code, which is negative where that was a signal."""
    if code >= 0:
        return f"exited with {code}"
    known = -code in set(signal.Signals)
    return f"was ended by {signal.Signals(-code).name if known else f'signal {-code}'}"


def gone(process: Any) -> str:
    """How a process ended whose end of a pipe is closed: one of ``multiprocess``."""
    process.join(_GONE_SECONDS)
    return "can no longer be understood" if process.exitcode is None else ending(process.exitcode)


_GONE_SECONDS = 1.0
"""So long a process that speaks no more may take to end."""


def die() -> NoReturn:
    """The real thing: no handler, no flush, no return."""
    while True:
        _KILL(_GETPID(), signal.SIGKILL)


def close_pipes(*, kept: int = -1, sockets_only: bool = False) -> None:
    """Close the pipes and sockets that were inherited: what runs here must not write into what others speak through."""
    for number in map(int, os.listdir("/proc/self/fd")):
        with suppress(OSError):  # of the listing itself
            mode = os.fstat(number).st_mode
            pipe = stat.S_ISSOCK(mode) or (stat.S_ISFIFO(mode) and not sockets_only)
            if pipe and number > _STDERR and number != kept:
                os.close(number)


_STDERR = 2


def kill_group(pid: int) -> None:
    """Kill a process and those of its group, if it has come to make one."""
    for kill in (os.killpg, os.kill):
        with suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


def deafen() -> None:
    """In a worker: what the keyboard says is for the coordinator alone."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _FOR_COORDINATOR)


def silence() -> None:
    """In a worker: what an engine prints is not for whoever reads what the coordinator says."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)


@contextmanager
def signals_held() -> Iterator[None]:
    """Let no signal for the coordinator come through before the block is over."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _FOR_COORDINATOR)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def interruptible() -> Iterator[None]:
    """Make every signal that asks for the end a KeyboardInterrupt."""
    before = {number: signal.signal(number, _interrupt) for number in _FOR_COORDINATOR}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt
