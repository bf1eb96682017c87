"""Runs: operations at once, threads that end with their session, and what comes to no end."""

import threading
from collections.abc import Sequence

import pytest

from chaoswal.disk.disk import Disk
from chaoswal.engines.registry import EngineRef
from chaoswal.ops import Append, Close, Operation, Poll, Rotate, Subscribe, Sync, Together, Wait, company
from chaoswal.run import Run, Session, record
from chaoswal.trace import Begin, End, Write
from tests import toys

CHOICES = [(), (1,), (0, 1, 0, 2), (3, 1, 2) * 8, (0, 0, 1, 1) * 8]


def played(steps: Sequence[Operation], engine: str = "wal") -> Run:
    return record(EngineRef.parse(engine).factory(), steps)


def markers(run: Run) -> list[tuple[str, int]]:
    """Which operations began and ended, in order."""
    return [(type(event).__name__, event.op_index) for event in run.events if isinstance(event, Begin | End)]


def results(run: Run) -> dict[int, str]:
    return {event.op_index: event.result for event in run.events if isinstance(event, End)}


@pytest.mark.parametrize("choices", CHOICES, ids=str)
def test_operations_at_once_lie_between_the_markers_of_what_asked_for_them(choices: tuple[int, ...]) -> None:
    run = played([Append(size=5), Together(count=3, choices=choices), *[Append(size=9)] * 3, Sync()])
    told = markers(run)
    assert (told[2], told[9]) == (("Begin", 1), ("End", 1))
    assert sorted(told[3:9]) == sorted((word, number) for word in ("Begin", "End") for number in (2, 3, 4))
    assert {results(run)[number] for number in (2, 3, 4)} == {"1", "2", "3"}


def test_the_same_choices_are_the_same_events_and_others_are_others() -> None:
    found = set()
    for choices in CHOICES:
        steps: list[Operation] = [Together(count=3, choices=choices), Append(size=9), Append(size=8), Append(size=7)]
        assert played(steps).events == played(steps).events
        found.add(str(markers(played(steps))))
    assert len(found) >= 4


def test_without_a_scheduler_they_follow_each_other() -> None:
    with Session(EngineRef(name="wal").factory(), Disk()) as session:
        session.perform_together(0, Together(count=2, choices=(1, 1)), [Append(size=1), Append(size=1)])
        told = [(event.op_index, type(event)) for event in session.run().events if isinstance(event, Begin | End)]
    assert told == [(0, Begin), (1, Begin), (1, End), (2, Begin), (2, End), (0, End)]


def test_who_is_closed_is_opened_once_for_all() -> None:
    run = played([Append(size=1), Close(), Together(count=2, choices=(1, 1, 1)), Append(size=1), Append(size=1)])
    assert not any(result.startswith("error") for result in results(run).values())


def test_a_company_ends_at_what_cannot_be_at_once() -> None:
    together = Together(count=3, choices=())
    subscribe = Subscribe(name="s")
    assert company([together, Append(size=1), Rotate(), Sync(), Sync()], 0) == 3
    assert company([together, Append(size=1), Poll(name="s", count=1), Sync()], 0) == 1
    assert company([together, subscribe, subscribe], 0) == 1
    assert company([Append(size=1), Append(size=1)], 0) == 0
    assert company([together], 0) == 0


def test_threads_of_the_engine_end_with_its_session() -> None:
    before = threading.active_count()
    run = played([Append(size=5), Wait(milliseconds=100)], "wal sync=interval")
    assert threading.active_count() == before
    written = next(place for place, event in enumerate(run.events) if isinstance(event, Write) and event.offset > 0)
    waited = next(place for place, event in enumerate(run.events) if event == Begin(op_index=1))
    assert written < waited < len(run.events) - 2, "it syncs while the time passes"


def test_what_comes_to_no_end_is_told() -> None:
    class Endless(toys.ToyLog):
        def append(self, payload: bytes) -> int:
            while True:
                self.vfs.list()

    session = Session(toys.factory(Endless), Disk())
    assert session.perform(0, Append(size=1)).startswith("error StepLimit: ")
