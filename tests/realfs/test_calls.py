"""Calls: whatever a trace did to the simulated disk, its calls do to a real directory."""

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings

from chaoswal.disk.directory import load
from chaoswal.disk.disk import apply_name
from chaoswal.disk.image import EMPTY, Image
from chaoswal.realfs.calls import Calls, is_made
from chaoswal.realfs.loopfs import EXT4, SCRATCH, Act, loop_file_system, why_not
from chaoswal.trace import NOWHERE, Create, Event, Link, NameEvent, Rename, SyncBegin, SyncRange
from tests.disk.traces import TRACES, Trace, traces


def shown(image: Image, events: list[Event]) -> dict[str, bytes | None]:
    """What an ordinary directory holds after these events."""
    with TemporaryDirectory(dir=SCRATCH) as name:
        root, calls = Path(name), Calls(image)
        calls.lay(root)
        try:
            for event in events:
                if is_made(event, events):
                    calls.make(root, event)
        finally:
            calls.close()
        return load(name).files()


@pytest.mark.parametrize("name", TRACES)
def test_calls_do_what_the_events_say(name: str) -> None:
    trace = TRACES[name]
    assert shown(trace.image, trace.events) == trace.disk.view.files()


def renames_onto_itself(trace: Trace) -> bool:
    """Whether a name is moved over another name of the same file, which rename(2) does not do."""
    names = dict(trace.image.names)
    for event in trace.events:
        if isinstance(event, Rename) and names.get((event.to_directory, event.to_name)) == event.inode:
            return True
        if isinstance(event, NameEvent):
            apply_name(names, event)
    return False


@settings(max_examples=40)
@given(traces().filter(lambda trace: not renames_onto_itself(trace)))
def test_calls_of_drawn_traces(trace: Trace) -> None:
    assert shown(trace.image, trace.events) == trace.disk.view.files()


def test_a_part_of_a_file_is_synced() -> None:
    trace = Trace().write("old", 700, b"x" * 5000).sync_range("old", 700, 5000)
    assert any(isinstance(event, SyncRange) and is_made(event, trace.events) for event in trace.events)
    assert shown(trace.image, trace.events) == trace.disk.view.files()


@pytest.mark.root
@pytest.mark.parametrize("synced", [True, False], ids=["synced", "not synced"])
def test_a_part_that_is_synced_survives(*, synced: bool) -> None:
    if reason := why_not(EXT4):
        pytest.skip(reason)
    trace = Trace().fsync("old").write("old", 4128, b"kept")
    trace = trace.sync_range("old", 4128, 4) if synced else trace
    calls = Calls(trace.image)
    acts: list[Act] = [
        calls.lay,
        *(partial(calls.make, event=one) for one in trace.events if is_made(one, trace.events)),
    ]
    with loop_file_system(EXT4) as file_system:
        left = file_system.after_crash(acts, "now", 0, release=calls.close)
    assert ((left["old"] or b"")[4128:] == b"kept") == synced


def test_a_file_without_a_name_gets_one() -> None:
    events: list[Event] = [
        Create(directory=NOWHERE, name="7", inode=7, site=""),
        *Trace(image=EMPTY, names={"x": 7}).write("x", 0, b"late").events,
        Link(directory=0, name="x", inode=7, site=""),
    ]
    assert shown(EMPTY, events) == {"x": b"late"}


def test_only_syncs_that_returned_well_are_made() -> None:
    trace = Trace().fsync("old").fsync("old", ok=False)
    trace.begin("old")
    made = [event for event in trace.events if is_made(event, trace.events)]
    assert [event.ticket for event in made if isinstance(event, SyncBegin)] == [1]


def test_a_file_is_written_on_that_has_lost_its_name() -> None:
    trace = Trace()
    inode = trace.names["old"]
    trace.unlink("old")
    trace.names["old"] = inode
    trace.write("old", 0, b"nobody reads this")
    assert shown(trace.image, trace.events) == {"dir": None, "other": b""}
