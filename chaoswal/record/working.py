"""What a process does that is watched: it opens an engine on a real directory, looks at it, and asks it for operations.

It says in marks (``marks``) what it is at, and ends as a kill would end it: nothing is closed.
"""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from functools import lru_cache

from chaoswal.engines.registry import EngineRef, Factory
from chaoswal.errors import StepLimit
from chaoswal.ops import OPERATIONS, Operation, Wait
from chaoswal.oracle import ERROR, Observed, promise_word
from chaoswal.record.marks import BEGIN, END, HOLDS, OPENED, Entry, mark
from chaoswal.text import parse
from chaoswal.workload import Driver, look


@lru_cache(64)
def factory_of(engine: str) -> Factory:
    """The engine of this name and options, loaded once."""
    return EngineRef.parse(engine).factory()


def live(
    engine: str,
    root: str,
    operations: Sequence[str],
    first_index: int,
    names: Sequence[str],
    until_error: bool = False,  # noqa: FBT001, FBT002 - the arguments of a job have no names
) -> Iterator[Observed]:
    """One life, from the opening on, as a job: what the engine showed when it was opened, then the operations.

    ``until_error``: the opening or the first operation that fails is the last of it.
    """
    factory = factory_of(engine)
    program = [parse(line, OPERATIONS) for line in operations]
    mark([HOLDS, os.getcwd(), *_descriptors()])
    driver = Driver(lambda: factory.open_directory(root))
    _alive.append(driver)
    observed = look(driver, names)
    mark([OPENED])
    yield observed
    if until_error and observed.fault:
        return
    driver.resume(observed)
    said: list[Entry] = []  # the end of an operation is said with the begin of the next: every mark takes time
    for op_index, operation in enumerate(program, first_index):
        mark(*said, [BEGIN, op_index, promise_word(operation)])
        result = _performed(driver, op_index, operation)
        said = [[END, op_index, result]]
        if until_error and result.startswith(ERROR):
            break
    if said:
        mark(*said)
    _let_rest()


_alive: list[Driver] = []
"""What a kill must find alive: a destructor would save what is lost."""


REST_SECONDS, LOOK_SECONDS, LOOKS = 2.0, 0.002, 3
"""For so long an engine's threads are waited for; at rest is who sleeps in so many looks, so long one after another."""


def _let_rest() -> None:
    """Wait until the engine's threads have come to rest: of a call that the end cuts off nobody knows what it did."""
    deadline, quiet = time.monotonic() + REST_SECONDS, 0
    while quiet < LOOKS and time.monotonic() < deadline and len(os.listdir(_TASKS)) > 1:
        time.sleep(LOOK_SECONDS)
        quiet = quiet + 1 if _at_rest() else 0


_TASKS = "/proc/self/task"


def _at_rest() -> bool:
    """Whether every other thread sleeps until something happens: state S of proc(5)."""
    others = set(os.listdir(_TASKS)) - {str(threading.get_native_id())}
    return all(_state(os.path.join(_TASKS, other, "stat")) == "S" for other in others)


def _state(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read().rpartition(") ")[2][:1]
    except FileNotFoundError:
        return "S"  # it has ended meanwhile


def _descriptors() -> list[int]:
    return sorted(map(int, os.listdir("/proc/self/fd")))


def _performed(driver: Driver, op_index: int, operation: Operation) -> str:
    if isinstance(operation, Wait):
        time.sleep(operation.milliseconds / 1000)
        return repr(None)
    try:
        return driver.perform(op_index, operation)
    except StepLimit as error:
        return f"{ERROR}{type(error).__name__}: {error}"
