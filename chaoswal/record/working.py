"""What a process does that is watched: it opens an engine on a real directory, looks at it, and asks it for operations.

It says in marks (``marks``) what it is at, and ends as a kill would end it: nothing is closed.
"""

import importlib
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import lru_cache

from chaoswal.engines.registry import EngineRef, Factory
from chaoswal.errors import StepLimit, said
from chaoswal.ops import OPERATIONS, Operation, Wait
from chaoswal.oracle import ERROR, Observed, promise_word
from chaoswal.processes import childless
from chaoswal.record.marks import BEGIN, END, HOLDS, OPENED, Entry, mark
from chaoswal.text import parse
from chaoswal.workload import Driver, below, look, told_below


@lru_cache(64)
def factory_of(engine: str) -> Factory:
    """The engine of this name and options, loaded once, with what its adapter says is worth loading (``preload``)."""
    factory = EngineRef.parse(engine).factory()
    for module in getattr(factory.kind, "preload", ()):
        with suppress(ImportError):  # that it is not there is told where it is used
            importlib.import_module(module)
    return factory


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
    observed.fault = told_below(root, observed.fault)
    mark([OPENED])
    yield observed
    if until_error and observed.fault:
        return
    driver.resume(observed)
    said: list[Entry] = []  # the end of an operation is said with the begin of the next: every mark takes time
    for op_index, operation in enumerate(program, first_index):
        mark(*said, [BEGIN, op_index, promise_word(operation)])
        result = _performed(driver, op_index, operation)
        result = below(root, result) if result.startswith(ERROR) else result
        said = [[END, op_index, result]]
        if until_error and result.startswith(ERROR):
            break
    if said:
        mark(*said)
    _let_rest()


_alive: list[Driver] = []
"""What a kill must find alive: a destructor would save what is lost."""


REST_SECONDS, LOOK_SECONDS, LOOKS = 2.0, 0.002, 3
"""So long an engine's threads and processes are waited for; at rest is who sleeps in so many looks so far apart."""


def _let_rest() -> None:
    """Wait until the engine's threads and processes rest: of a call that the end cuts off nobody knows what it did."""
    deadline, quiet = time.monotonic() + REST_SECONDS, 0
    while quiet < LOOKS and time.monotonic() < deadline and (others := _others()):
        time.sleep(LOOK_SECONDS)
        quiet = quiet + 1 if all(_state(other) == b"S" for other in others) else 0


def _others() -> list[str]:
    """Every other thread of this process, and of those of its session, by its directory in /proc."""
    own = f"/proc/self/task/{threading.get_native_id()}"
    return [task for process in ("self", *_session()) for task in _tasks(process) if task != own]


def _session() -> list[str]:
    """The other processes of this one's session, if it has any children."""
    if childless():
        return []
    return [process for process in os.listdir("/proc") if process.isdigit() and _in_session(int(process))]


def _in_session(process: int) -> bool:
    with suppress(ProcessLookupError):
        return process != os.getpid() and os.getsid(process) == os.getsid(0)
    return False


def _tasks(process: str) -> list[str]:
    try:
        return [f"/proc/{process}/task/{task}" for task in os.listdir(f"/proc/{process}/task")]
    except FileNotFoundError:
        return []  # it has ended meanwhile


def _state(task: str) -> bytes:
    """As in proc(5), where ``S`` sleeps until something happens; that also where it has ended meanwhile."""
    try:
        file = os.open(os.path.join(task, "stat"), os.O_RDONLY)  # by hand: every call is looked at by strace
    except FileNotFoundError:
        return b"S"
    try:
        return os.read(file, 200).rpartition(b") ")[2][:1]
    except ProcessLookupError:
        return b"S"
    finally:
        os.close(file)


def _descriptors() -> list[int]:
    return sorted(map(int, os.listdir("/proc/self/fd")))


def _performed(driver: Driver, op_index: int, operation: Operation) -> str:
    if isinstance(operation, Wait):
        time.sleep(operation.milliseconds / 1000)
        return repr(None)
    try:
        return driver.perform(op_index, operation)
    except StepLimit as error:
        return f"{ERROR}{type(error).__name__}: {said(error)}"
