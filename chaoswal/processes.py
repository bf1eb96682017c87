"""Processes that end with whoever started them, and signals that only the one at the terminal hears."""

import ctypes
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

_FOR_COORDINATOR = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LIBC = ctypes.CDLL(None)  # found once, before anything forks
_PR_SET_PDEATHSIG = 1
_PR_SET_PTRACER, _PR_SET_PTRACER_ANY = 0x59616D61, ctypes.c_ulong(-1)


def die_with(parent: int) -> None:
    """Let the kernel kill this process as soon as its parent is dead (prctl(2), PR_SET_PDEATHSIG)."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked
        die()


def let_trace() -> None:
    """Let processes trace this one that it does not descend from, where Yama would not (prctl(2), PR_SET_PTRACER)."""
    _LIBC.prctl(_PR_SET_PTRACER, _PR_SET_PTRACER_ANY, 0, 0, 0)


def ending(code: int) -> str:
    """How a process ended, by its exit code, which is negative where that was a signal."""
    if code >= 0:
        return f"exited with {code}"
    known = -code in set(signal.Signals)
    return f"was ended by {signal.Signals(-code).name if known else f'signal {-code}'}"


def die() -> None:
    """The real thing: no handler, no flush, no return."""
    os.kill(os.getpid(), signal.SIGKILL)


def deafen() -> None:
    """In a worker: what the keyboard says is for the coordinator alone."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _FOR_COORDINATOR)


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
