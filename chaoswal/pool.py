"""Worker processes that do tasks in any order and give the results in the order of the tasks.

What is drawn from a pool does not depend on how many workers it has. Each worker is given a task only when it has
nothing to do, but for one in advance, so that a task can be made with what is known by then. With no workers the tasks
are done here.
"""

import os
import traceback
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

import multiprocess
from multiprocess.connection import wait

from chaoswal.errors import ChaoswalError, HarnessFault
from chaoswal.processes import deafen, die_with, signals_held

AHEAD = 2
"""How many tasks a worker has at a time: the one it does, and the next."""

LEAD = 64
"""No task is given out before the one so many before it has had its turn: what is known by then, a task may use."""

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

        HarnessFault where a worker dies, and the error itself where a task raised one of the checker's.
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
        ready = wait(list(self._workers), seconds)
        return dict(self._workers[connection].take() for connection in ready)


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
        self._process = context.Process(target=_serve, args=(theirs, work, os.getpid()))
        self._process.start()
        theirs.close()

    def give(self, task: tuple[int, Any]) -> None:
        self.connection.send(task)
        self.busy += 1

    def take(self) -> tuple[int, Any]:
        try:
            number, result = self.connection.recv()
        except (EOFError, OSError) as error:
            self._process.join(2)
            status = self._process.exitcode
            raise HarnessFault(f"a worker died while the engine ran in it (status {status})") from error
        self.busy -= 1
        if isinstance(result, ChaoswalError):
            raise result
        return number, result

    def end(self) -> None:
        self._process.kill()
        self._process.join()
        self._process.close()
        self.connection.close()


def _serve(connection: Any, work: Callable[[Any], Any], parent: int) -> None:
    deafen()
    die_with(parent)
    while True:
        number, task = connection.recv()
        try:
            result = work(task)
        except ChaoswalError as error:
            result = error
        except Exception as error:  # noqa: BLE001 - a bug of ours: it is told where the task was given
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{os.path.basename(place.filename)}:{place.lineno}"
            result = HarnessFault(f"internal error in a worker at {where}: {type(error).__name__}: {error}")
        connection.send((number, result))
