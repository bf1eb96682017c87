"""One workload of an engine as it is, recorded both ways: what strace saw is what the patched functions recorded."""

import re
import shutil
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaoswal.contracts import contract_of
from chaoswal.disk.disk import Disk
from chaoswal.engines.registry import EngineRef
from chaoswal.ops import Append, Done, Enqueue, Operation, Put, Reopen, Sync, Take
from chaoswal.run import Run
from chaoswal.runners import record
from chaoswal.trace import Event

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")

ENGINES = (
    "dbm.dumb",
    "persist-queue chunksize=1",
    "persist-queue chunksize=3 autosave=no",
    "tests.patched.toys:OsLog",
    "tests.patched.toys:StreamLog",
    "tests.patched.toys:WritesThrough",
)

SIZES = st.sampled_from((0, 1, 40, 600, 5_000, 9_000))
OPERATIONS = st.one_of(SIZES.map(lambda size: Append(size=size)), st.just(Sync()), st.just(Reopen()))


def for_store(operation: Operation) -> Operation:
    """A value put under one of a few keys, for an append."""
    return Put(key=operation.size % 7, size=operation.size) if isinstance(operation, Append) else operation


def for_queue(operation: Operation) -> Operation:
    """An item put, or now and then one got, for an append; and for a sync that its consumer is done."""
    if isinstance(operation, Append):
        return Enqueue(size=operation.size) if operation.size != 1 else Take()
    return Done() if isinstance(operation, Sync) else operation


AS_ASKED: dict[str, Callable[[Operation], Operation]] = {
    "log": lambda operation: operation,
    "queue": for_queue,
    "kv": for_store,
}
"""What takes the place of an operation, by contract."""


def both(engine: str, operations: list[Operation]) -> tuple[Run, Run]:
    """The runs of the two recorders, from an empty disk on."""
    asked = EngineRef.parse(engine)
    operations = [AS_ASKED[contract_of(asked.factory().kind).name](operation) for operation in operations]
    runs = [
        record(asked.with_options(recorder=name).factory(), operations, Disk(), reverts=False)
        for name in ("patched", "syscalls")
    ]
    return runs[0], runs[1]


def plain(events: list[Event]) -> list[str]:
    """Without what belongs to one run only: call sites, and the names of temporary files."""
    found = []
    for event in events:
        fields = [f"{name}={getattr(event, name)}" for name in event.__slots__ if name != "site"]
        found.append(re.sub(r"tmp[a-z0-9_]{8}", "tmp#", f"{type(event).__name__} {fields}"))
    return found


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=2, deadline=None)
@given(operations=st.lists(OPERATIONS, min_size=2, max_size=12))
def test_the_same_events(engine: str, operations: list[Operation]) -> None:
    patched, syscalls = both(engine, operations)
    assert plain(patched.events) == plain(syscalls.events)
    assert (patched.opened, patched.observed) == (syscalls.opened, syscalls.observed)
    assert not [event for event in patched.events if "error" in getattr(event, "result", "")]


def test_every_kind_of_call() -> None:
    patched, syscalls = both("tests.patched.toys:Everything", [Append(size=1)] * 11)
    assert plain(patched.events) == plain(syscalls.events)
    assert not [event for event in patched.events if "error" in getattr(event, "result", "")]
    assert len(patched.events) > 70
