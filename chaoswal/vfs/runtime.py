"""Time, chance and threads as arguments: what an engine may use of them, for real and standing still.

Two engines run with equal runtimes on equal files do exactly the same. The deterministic scheduler
(``vfs/scheduler.py``) is a third runtime, whose threads take turns by a seed.
"""

import os
import random
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Protocol


class Condition(Protocol):
    """A condition variable; its mutex must be held for every call."""

    def wait(self, timeout: float | None = None) -> bool:
        """Release the mutex, sleep until notified or for ``timeout`` seconds, take it again; False on time-out."""

    def notify_all(self) -> None:
        """Wake every waiter."""


class Gate(Protocol):
    """What one thread waits for once, without a mutex."""

    def wait(self, timeout: float | None = None) -> bool:
        """Sleep until it is open or for ``timeout`` seconds; False if it is not."""

    def open(self) -> None:
        """Let who waits, or will, go through. Only once."""


class Task(Protocol):
    """A thread that was spawned."""

    def join(self) -> None:
        """Wait for its end."""


class Runtime(Protocol):
    """What an engine may know of time and chance, and how it runs threads."""

    def now(self) -> float:
        """Seconds since the epoch."""

    def monotonic(self) -> float:
        """Seconds since some moment in the past; it never goes back: for timers."""

    def sleep(self, seconds: float) -> None:
        """Let time pass."""

    def entropy(self, length: int) -> bytes:
        """Random bytes."""

    def mutex(self) -> AbstractContextManager[object]:
        """A new mutex."""

    def condition(self, mutex: AbstractContextManager[object]) -> Condition:
        """A new condition variable on ``mutex``."""

    def gate(self) -> Gate:
        """A new gate, which is closed."""

    def spawn(self, target: Callable[[], None], name: str) -> Task:
        """Start a thread."""


class RealGate:
    """A gate for a thread of the machine: a lock that is held until it is open."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def wait(self, timeout: float | None = None) -> bool:
        """Sleep until it is open or for ``timeout`` seconds; False if it is not."""
        return self._lock.acquire(timeout=-1 if timeout is None else timeout)

    def open(self) -> None:
        """Let who waits, or will, go through."""
        self._lock.release()


class RealRuntime:
    """The clock of the machine, its randomness, and its threads."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def entropy(self, length: int) -> bytes:
        return os.urandom(length)

    def mutex(self) -> AbstractContextManager[object]:
        return threading.Lock()

    def condition(self, mutex: AbstractContextManager[object]) -> Condition:
        return threading.Condition(mutex)  # type: ignore[arg-type]

    def gate(self) -> Gate:
        return RealGate()

    def spawn(self, target: Callable[[], None], name: str) -> Task:
        thread = threading.Thread(target=target, name=name, daemon=True)
        thread.start()
        return thread


_STREAM_BYTES_MIN = 256


@lru_cache(64)  # to seed it takes longer than all that most recoveries draw
def _stream(seed: int, size: int) -> bytes:
    """So many bytes that follow from a seed; more of them begin with fewer."""
    return random.Random(seed).randbytes(size)


class StillRuntime:
    """One thread, a clock that moves only by sleeping, and bytes that follow from a seed."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._drawn = 0
        self._now = 1_000_000_000.0

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += seconds

    def entropy(self, length: int) -> bytes:
        start, self._drawn = self._drawn, self._drawn + length
        return _stream(self._seed, max(_STREAM_BYTES_MIN, 1 << self._drawn.bit_length()))[start : self._drawn]

    def mutex(self) -> AbstractContextManager[object]:
        return nullcontext()

    def condition(self, mutex: AbstractContextManager[object]) -> Condition:
        raise RuntimeError("this runtime has one thread: run the engine under the scheduler")

    def gate(self) -> Gate:
        raise RuntimeError("this runtime has one thread: run the engine under the scheduler")

    def spawn(self, target: Callable[[], None], name: str) -> Task:
        raise RuntimeError("this runtime has one thread: run the engine under the scheduler")
