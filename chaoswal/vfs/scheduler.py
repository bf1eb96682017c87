"""The deterministic scheduler: real threads that take turns, and whose turns follow from a seed.

Of all threads exactly one runs; the others each wait for their baton. The running one calls ``step()`` before
each call to the file system, and so do the mutexes, conditions, sleeps and joins made here; at a step one
candidate is chosen and the baton handed over. Between two steps nothing else runs, so the same choices give the
same run, byte for byte. The candidates stand in a fixed order: the running thread, the others that could run by
number, and last the thread whose timer is next, for time may always pass while the others are slow (choosing it
moves the virtual clock to its timer; where nobody else can run it is the only candidate). Place 0 thus means
"no switch", and a schedule is told by its switches (``turns.py``): fewer of them are a simpler one.

How restless a schedule is follows from its seed too: some bugs need a switch at every step, and others one
thread that is held up while another does all its work.

From ``begin`` to ``end`` is the life of a process; ``run`` is one around a function. Its end is the end of all threads:
those still alive have ``Stopped`` raised in them at the step where they wait, and in every step they try while they
unwind, so that they change nothing more. Within a life ``at_once`` runs some functions in threads that take turns by
a schedule of their own.
"""

import random
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Self, TypeVar

from chaoswal.errors import EngineFault, HarnessFault
from chaoswal.vfs.turns import Point

T = TypeVar("T")

RESTLESS = (0.02, 0.1, 0.3, 0.7, 1.0)
"""How often a step is a chance to switch at all; one of these for each seed."""


class Deadlock(EngineFault):
    """Every thread waits for another; the message says who waits for what."""


class Stopped(BaseException):
    """Raised in a thread that is alive when the run ends; an engine's ``except Exception`` must not swallow it."""


class _Mutex(AbstractContextManager[object]):
    def __init__(self, scheduler: "Scheduler", number: int) -> None:
        self._scheduler = scheduler
        self._number = number
        self.owner: SimulatedTask | None = None

    def __enter__(self) -> Self:
        self._scheduler.step()
        self.take()
        return self

    def __exit__(self, *_: object) -> None:
        self.give()

    def take(self) -> None:
        while self.owner is not None:
            self._scheduler.block(self)
        self.owner = self._scheduler.current

    def give(self) -> None:
        if self.owner is self._scheduler.current:  # it is not where a wait ended by Stopped or Deadlock unwinds
            self.owner = None
            self._scheduler.wake(self)

    def __str__(self) -> str:
        return f"mutex {self._number}, which {self.owner.name if self.owner else 'nobody'} holds"


class _Condition:
    def __init__(self, scheduler: "Scheduler", mutex: _Mutex, number: int) -> None:
        self._scheduler = scheduler
        self._mutex = mutex
        self._number = number

    def wait(self, timeout: float | None = None) -> bool:
        """Release the mutex, sleep until notified or timed out, take it again; False on time-out."""
        self._must_be_held()
        self._mutex.give()
        notified = self._scheduler.block(self, timeout)
        self._mutex.take()
        return notified

    def notify_all(self) -> None:
        """Wake every waiter."""
        self._must_be_held()
        self._scheduler.wake(self)

    def _must_be_held(self) -> None:
        self._scheduler.check()
        if self._mutex.owner is not self._scheduler.current:
            raise RuntimeError("the mutex of a condition must be held by who waits or notifies")

    def __str__(self) -> str:
        return f"condition {self._number}"


class _Gate:
    def __init__(self, scheduler: "Scheduler", number: int) -> None:
        self._scheduler = scheduler
        self._number = number
        self._is_open = False

    def wait(self, timeout: float | None = None) -> bool:
        """Sleep until it is open or timed out; False if it is not open."""
        self._scheduler.step()
        if not self._is_open:
            self._scheduler.block(self, timeout)
        return self._is_open

    def open(self) -> None:
        """Let who waits, or will, go through."""
        self._scheduler.step()
        self._is_open = True
        self._scheduler.wake(self)

    def __str__(self) -> str:
        return f"gate {self._number}"


class SimulatedTask:
    """A thread under the scheduler; number 0 is the one that called ``run``."""

    def __init__(self, scheduler: "Scheduler", name: str, target: Callable[[], object] | None = None) -> None:
        self._scheduler = scheduler
        self._target = target
        self.name = name
        self.baton = threading.Semaphore(0)
        self.waits_for: object = None
        self.deadline: float | None = None
        self.timed_out = False
        self.done = False
        self.error: BaseException | None = None
        self.thread = (
            threading.Thread(target=self._run, name=name, daemon=True) if target else threading.current_thread()
        )

    def join(self) -> None:
        """Wait for its end; raises what it ended with."""
        self._scheduler.step()
        if not self.done:
            self._scheduler.block(self)
        self.hand_over()

    def hand_over(self) -> None:
        """Raise what it ended with, once."""
        error, self.error = self.error, None
        if error is not None:
            raise error

    def _run(self) -> None:
        assert self._target is not None
        self.baton.acquire()
        try:
            self._scheduler.check()
            self._target()
        except Stopped:
            pass  # the run has ended, and this thread with it
        except BaseException as error:  # noqa: BLE001  raised again by whoever joins
            self.error = error
        self.done = True
        self._scheduler.retire(self)

    def __str__(self) -> str:
        return f"the end of {self.name}"


class _Company:
    """Threads that somebody waits for, all of them."""

    def __init__(self, tasks: list[SimulatedTask]) -> None:
        self._tasks = tasks

    @property
    def over(self) -> bool:
        return all(task.done for task in self._tasks)

    def __str__(self) -> str:
        return " and ".join(map(str, self._tasks))


class Scheduler:
    """A Runtime whose schedule, clock and entropy follow from ``seed``; ``switches`` replays a recorded schedule.

    ``switches`` grows as the run makes them, and ``points`` with every moment when it could.
    """

    def __init__(self, seed: int = 0, switches: Iterable[tuple[int, int]] | None = None) -> None:
        self._replay = None if switches is None else dict(switches)
        self._chance = random.Random(f"schedule {seed}")
        self._entropy = random.Random(f"entropy {seed}")
        self._restless = self._chance.choice(RESTLESS)
        self._now = 1_000_000_000.0
        self._made = 0
        self._tasks: list[SimulatedTask] = []
        self._stopping = False
        self._deadlock: Deadlock | None = None
        self.current: SimulatedTask | None = None
        self.switches: list[tuple[int, int]] = []
        self.points: list[Point] = []

    def run(self, main: Callable[[], T]) -> T:
        """Run ``main`` here, with what it spawns; then stop what still runs. Raises what any thread raised."""
        self.begin()
        try:
            result = main()
        finally:
            errors = self.end()
        for error in errors:
            raise error
        return result

    def begin(self) -> None:
        """Begin a life whose first thread is the calling one."""
        if self.current is not None:
            raise HarnessFault("this scheduler is running already: one life at a time")
        self.current = SimulatedTask(self, "main")
        self._tasks, self._stopping, self._deadlock = [self.current], False, None

    def end(self) -> list[BaseException]:
        """End every thread but the caller, one after the other; what they had raised, and no one has seen."""
        errors = [task.error for task in self._tasks if task.error is not None]
        self._stopping = True
        for task in self._tasks[1:]:
            if not task.done:
                self._hand_to(task)
            task.thread.join()
        self.current = None
        return [self._deadlock, *errors] if self._deadlock else errors

    def at_once(self, targets: Mapping[str, Callable[[], object]], switches: Iterable[tuple[int, int]] = ()) -> None:
        """Run functions at once, each in a thread of this name, until all have ended; raise what the first one raised.

        They take turns by these switches: their points are counted from here, and so are ``points`` and ``switches``.
        Behind the last one no thread is switched without need, nor is one later.
        """
        self._replay, self.switches, self.points = dict(switches), [], []
        tasks = [self._start(target, name) for name, target in targets.items()]
        if tasks:
            self.block(_Company(tasks))
        self._replay = {}
        for task in tasks:
            task.hand_over()

    def step(self) -> None:
        """A point where another thread may go on first; does nothing outside ``run``."""
        if self.current is not None:
            self.check()
            self._switch()

    def now(self) -> float:
        """Seconds since the epoch, in virtual time."""
        return self._now

    def monotonic(self) -> float:
        """Seconds in virtual time, which never goes back."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Let virtual time pass."""
        if self.current is None:
            self._now += max(0.0, seconds)
        else:
            self.block("a timer", max(0.0, seconds))

    def entropy(self, length: int) -> bytes:
        """Bytes that follow from the seed."""
        return self._entropy.randbytes(length)

    def mutex(self) -> AbstractContextManager[object]:
        """A new mutex."""
        self._made += 1
        return _Mutex(self, self._made)

    def condition(self, mutex: AbstractContextManager[object]) -> _Condition:
        """A new condition variable on a mutex of this scheduler."""
        if not isinstance(mutex, _Mutex):
            raise HarnessFault(f"a condition needs a mutex made by the same scheduler, not {mutex!r}")
        self._made += 1
        return _Condition(self, mutex, self._made)

    def gate(self) -> _Gate:
        """A new gate, which is closed."""
        self._made += 1
        return _Gate(self, self._made)

    def spawn(self, target: Callable[[], object], name: str) -> SimulatedTask:
        """Start a thread."""
        if self.current is None:
            raise HarnessFault("threads live within Scheduler.run: call what spawns them from there")
        task = self._start(target, name)
        self.step()
        return task

    def _start(self, target: Callable[[], object], name: str) -> SimulatedTask:
        """A thread that waits for its first turn."""
        task = SimulatedTask(self, name, target)
        self._tasks.append(task)
        task.thread.start()
        return task

    def check(self) -> None:
        """Raise where the calling thread must not go on."""
        if self._stopping:
            raise Stopped
        if self.current is None or self.current.thread is not threading.current_thread():
            name = threading.current_thread().name
            raise HarnessFault(f"thread {name!r} was not started by the scheduler and cannot be put in order")

    def block(self, target: object, timeout: float | None = None) -> bool:
        """Hold the running thread up until ``wake(target)``; False when ``timeout`` seconds passed first."""
        self.check()
        task = self.current
        assert task is not None
        task.waits_for, task.timed_out = target, False
        task.deadline = None if timeout is None else self._now + max(0.0, timeout)
        self._switch()
        return not task.timed_out

    def wake(self, target: object) -> None:
        """Make all that wait for ``target`` able to run."""
        for task in self._tasks:
            if task.waits_for is target:
                task.waits_for = task.deadline = None

    def retire(self, task: SimulatedTask) -> None:
        """The last act of a thread: free who joins it and hand the baton on."""
        if not self._stopping:
            self.wake(task)
            for other in self._tasks:
                if isinstance(other.waits_for, _Company) and other.waits_for.over:
                    other.waits_for = None
            self._hand_to(self._choose())

    def _switch(self) -> None:
        task, chosen = self.current, self._choose()
        if chosen is not task:
            assert task is not None
            self._hand_to(chosen)
            task.baton.acquire()
        if self._stopping:
            raise Stopped
        if self._deadlock is not None and task is self._tasks[0]:
            raise self._deadlock

    def _hand_to(self, task: SimulatedTask) -> None:
        self.current = task
        task.baton.release()

    def _choose(self) -> SimulatedTask:
        ready = [task for task in self._tasks if task.waits_for is None and not task.done]
        ready.sort(key=lambda task: task is not self.current)
        free = 1 if ready and ready[0] is self.current else len(ready)
        sleeping = [task for task in self._tasks if task.deadline is not None]
        if sleeping:
            ready.append(min(sleeping, key=lambda task: task.deadline or 0.0))
        if not ready:
            return self._found_deadlock()
        task = ready[self._place(Point(candidates=len(ready), free=free)) if len(ready) > 1 else 0]
        if task.deadline is not None:
            self._now = max(self._now, task.deadline)
            task.waits_for, task.deadline, task.timed_out = None, None, True
        return task

    def _place(self, point: Point) -> int:
        self.points.append(point)
        number, count = len(self.points), point.candidates
        if self._replay is not None:
            place = self._replay.get(number, 0) % count
        else:
            place = self._chance.randrange(count) if self._chance.random() < self._restless else 0
        if place:
            self.switches.append((number, place))
        return place

    def _found_deadlock(self) -> SimulatedTask:
        waits = [f"{task.name} waits for {task.waits_for}" for task in self._tasks if not task.done]
        self._deadlock = Deadlock("no thread can go on: " + "; ".join(waits))
        main = self._tasks[0]
        main.waits_for = None
        return main
