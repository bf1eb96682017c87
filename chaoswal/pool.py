"""Worker processes that do tasks in any order and give the results in the order of the tasks.

What is drawn from a pool does not depend on how many workers it has. Each worker is given a task only when it has
nothing to do, but for one in advance, so that a task can be made with what is known by then. With no workers the tasks
are done here.

Engines may run in a worker, and do there what they like: end it, hang, close the pipe it is heard through, or write
into that. Then nothing is known of the task, nor of those behind it: Inconclusive, with the reason.
"""

import gc
import os
from collections.abc import Callable, Iterator
from typing import Any, Generic, NoReturn, TypeVar

import multiprocess
from multiprocess.connection import wait
from multiprocess.reduction import ForkingPickler

from chaoswal.errors import ChaoswalError, Exit, Inconclusive
from chaoswal.processes import (
    Pulse,
    deafen,
    die,
    die_with,
    gone,
    is_exposed,
    kill_group,
    lives_by,
    signals_held,
    silence,
)
from chaoswal.tamper import Seal

AHEAD = 2
"""How many tasks a worker has at a time: the one it does, and the next."""

LEAD = 64
"""No task is given out before the one so many before it has had its turn: what is known by then, a task may use."""

RESULT_BYTES_MAX = 1 << 28
"""What says to be longer was not sent by a worker."""

Task = TypeVar("Task")
Result = TypeVar("Result")


class Pool(Generic[Task, Result]):
    """So many workers that do one kind of work; use it in a ``with`` block."""

    def __init__(self, work: Callable[[Task], Result], workers: int) -> None:
        self._work = work
        self._workers: dict[Any, _Worker] = {}
        self._count = workers

    def __enter__(self) -> "Pool[Task, Result]":
        context = multiprocess.get_context("fork")
        with signals_held():
            for _ in range(self._count):
                worker = _Worker(context, self._work)
                self._workers[worker.connection] = worker
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers.values():
            worker.end()
        self._workers = {}

    def ordered(self, tasks: Iterator[Task], wake: Callable[[], object] = lambda: None) -> Iterator[Result]:
        """The result of each task, in the order of the tasks; ``wake`` is called now and then while waiting.

        Inconclusive where a worker dies or hangs, and the error itself where a task raised one of the checker's.
        """
        if not self._count:
            yield from map(self._work, tasks)
            return
        done: dict[int, Result] = {}
        numbered = _Counted(tasks)
        following = 0
        while True:
            self._feed(numbered, following + LEAD)
            if not any(worker.busy for worker in self._workers.values()) and following not in done:
                return
            done.update(self._collect(0.0 if following in done else 0.2))
            wake()
            while following in done:
                yield done.pop(following)
                following += 1

    def _feed(self, tasks: "_Counted[Task]", end: int) -> None:
        for _ in range(AHEAD):
            for worker in self._workers.values():
                if worker.busy < AHEAD and tasks.count < end:
                    task = next(tasks, None)
                    if task is None:
                        return
                    worker.give(task)

    def _collect(self, seconds: float) -> dict[int, Result]:
        deaths = {worker.death: worker for worker in self._workers.values()}
        ready = {deaths.get(one) or self._workers[one] for one in wait([*self._workers, *deaths], seconds)}
        for worker in self._workers.values():
            if worker not in ready:  # what it has said may have lain here for long
                worker.must_live()
        return dict(worker.take() for worker in ready)


def apart(work: Callable[[], Result]) -> Result:
    """The result of one piece of work, done in another process where this one is to be kept from what engines do.

    It raises what ``Pool.ordered`` does.
    """
    if not is_exposed():
        return work()
    pool: Pool[int, Result] = Pool(lambda _: work(), 1)
    with pool:
        return next(pool.ordered(iter([0])))


class _Counted(Iterator[tuple[int, Task]]):
    """Tasks with their numbers, and how many there were."""

    def __init__(self, tasks: Iterator[Task]) -> None:
        self.count = 0
        self._tasks = tasks

    def __next__(self) -> tuple[int, Task]:
        task = next(self._tasks)
        self.count += 1
        return self.count - 1, task


class _Worker:
    """One process."""

    def __init__(self, context: Any, work: Callable[[Any], Any]) -> None:
        self.connection, theirs = context.Pipe()
        self.busy = 0
        self._pulse = Pulse()
        self._process = context.Process(target=_serve, args=(theirs, work, os.getpid(), self._pulse))
        self._process.start()
        theirs.close()
        self.death = self._process.sentinel

    def give(self, task: tuple[int, Any]) -> None:
        if not self.busy:
            self._pulse.beat(_START_SECONDS)  # whoever has nothing to do says nothing
        try:
            self.connection.send(task)
        except OSError:
            self._lost()
        self.busy += 1

    def take(self) -> tuple[int, Any]:
        try:
            number, result = ForkingPickler.loads(self.connection.recv_bytes(RESULT_BYTES_MAX))
        except Exception:  # noqa: BLE001 - what an engine wrote into the pipe may be read as anything
            self._lost()
        self.busy -= 1
        if isinstance(result, ChaoswalError):
            raise result
        return number, result

    def must_live(self) -> None:
        """Inconclusive where it was not heard of for too long."""
        if self.busy and self._pulse.late:
            raise Inconclusive("an engine hangs in the process that it shares with the checker: nothing is said of it")

    def _lost(self) -> NoReturn:
        raise Inconclusive(f"a worker {gone(self._process)} while an engine ran in it: nothing is said of that engine")

    def end(self) -> None:
        kill_group(self._process.pid)
        self._process.join()
        self._process.close()
        self.connection.close()


_START_SECONDS = 60.0
"""So long until a worker is heard of that had nothing to do."""

_GARBAGE_OBJECTS = 50_000
"""So many more objects than have gone must have come until cycles are looked for: openings leave few, and looking after
every 700 takes a twentieth of all time."""


def _serve(connection: Any, work: Callable[[Any], Any], parent: int, pulse: Pulse) -> NoReturn:
    """The whole life of a worker; nothing that an engine left in it gets to run at its end.

    What an engine prints goes nowhere, as that of engines in processes of their own: the output is the checker's.
    """
    os.setsid()
    deafen()
    silence()
    die_with(parent)
    lives_by(pulse)
    gc.freeze()  # what is here by now stays
    gc.set_threshold(_GARBAGE_OBJECTS, *gc.get_threshold()[1:])
    seal = Seal()
    try:
        while True:
            number, task = connection.recv()
            connection.send((number, _result(work, task, seal)))
    except (EOFError, OSError):  # an engine has closed the pipe: whoever waits will see that
        os._exit(Exit.INCONCLUSIVE)
    finally:  # nothing that an engine has made of this process comes back to where it was forked
        die()


def _result(work: Callable[[Any], Any], task: Any, seal: Seal) -> Any:
    try:
        result = work(task)
        broken = seal.broken()
        return seal.changed(broken) if broken else result
    except Exception as error:  # noqa: BLE001 - told where the task was given
        return seal.failure(error, "in a worker")
    except BaseException as error:  # noqa: BLE001 - only an engine raises these here
        return Inconclusive(f"an engine raised {type(error).__name__}, past all that contains what engines do")
