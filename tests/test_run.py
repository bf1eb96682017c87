"""Runs: operations at once, threads that end with their session, and what comes to no end."""

import threading
from collections.abc import Sequence

import pytest

from chaoswal.disk.disk import Disk
from chaoswal.engines.registry import EngineRef
from chaoswal.engines.wal import WalEngine
from chaoswal.ops import Append, Close, Operation, Poll, Read, Rotate, Subscribe, Sync, Together, Wait, company
from chaoswal.run import Run, Session, record
from chaoswal.trace import Begin, End, Write
from chaoswal.vfs.protocol import Vfs
from chaoswal.vfs.runtime import Runtime
from chaoswal.vfs.turns import Switches
from chaoswal.wal.errors import NotHeld
from tests import toys

SWITCHES: list[Switches] = [
    (),
    ((1, 1),),
    ((2, 1), (4, 2)),
    tuple((point, 1 + point % 3) for point in range(1, 25)),
    tuple((point, 1) for point in range(1, 33) if point % 4 < 2),
]


def played(steps: Sequence[Operation], engine: str = "wal") -> Run:
    return record(EngineRef.parse(engine).factory(), steps)


def markers(run: Run) -> list[tuple[str, int]]:
    """Which operations began and ended, in order."""
    return [(type(event).__name__, event.op_index) for event in run.events if isinstance(event, Begin | End)]


def results(run: Run) -> dict[int, str]:
    return {event.op_index: event.result for event in run.events if isinstance(event, End)}


@pytest.mark.parametrize("switches", SWITCHES, ids=str)
def test_operations_at_once_lie_between_the_markers_of_what_asked_for_them(switches: Switches) -> None:
    run = played([Append(size=5), Together(count=3, switches=switches), *[Append(size=9)] * 3, Sync()])
    told = markers(run)
    assert (told[2], told[9]) == (("Begin", 1), ("End", 1))
    assert sorted(told[3:9]) == sorted((word, number) for word in ("Begin", "End") for number in (2, 3, 4))
    assert {results(run)[number] for number in (2, 3, 4)} == {"1", "2", "3"}


def test_the_same_switches_are_the_same_events_and_others_are_others() -> None:
    found = set()
    for switches in SWITCHES:
        steps: list[Operation] = [Together(count=3, switches=switches), Append(size=9), Append(size=8), Append(size=7)]
        assert played(steps).events == played(steps).events
        found.add(str(markers(played(steps))))
    assert len(found) >= 4


def test_without_a_scheduler_they_follow_each_other() -> None:
    with Session(EngineRef(name="wal").factory(), Disk()) as session:
        session.perform_together(0, Together(count=2, switches=((1, 1), (2, 1))), [Append(size=1), Append(size=1)])
        told = [(event.op_index, type(event)) for event in session.run().events if isinstance(event, Begin | End)]
    assert told == [(0, Begin), (1, Begin), (1, End), (2, Begin), (2, End), (0, End)]


def test_who_is_closed_is_opened_once_for_all() -> None:
    run = played(
        [Append(size=1), Close(), Together(count=2, switches=((1, 1), (2, 1), (3, 1))), Append(size=1), Append(size=1)]
    )
    assert not any(result.startswith("error") for result in results(run).values())


class HangsAgain(WalEngine):
    """Comes to no end where it is opened again."""

    def __init__(self, root: str = "", *, vfs: Vfs, runtime: Runtime, **options: str) -> None:
        while vfs.list():
            pass
        super().__init__(root, vfs=vfs, runtime=runtime, **options)


def test_where_it_hangs_when_it_is_opened_for_several_each_of_them_is_told() -> None:
    steps: list[Operation] = [Append(size=1), Close(), Together(count=2, switches=()), Append(size=1), Append(size=1)]
    told = results(record(EngineRef(name="tests/test_run.py:HangsAgain").factory(), steps))
    assert all(told[number].startswith("error StepLimit") for number in (3, 4))


def test_a_company_ends_at_what_cannot_be_at_once() -> None:
    together = Together(count=3, switches=())
    subscribe = Subscribe(name="s")
    assert company([together, Append(size=1), Rotate(), Sync(), Sync()], 0) == 3
    assert company([together, Append(size=1), Close(), Sync()], 0) == 1
    assert company([together, subscribe, subscribe], 0) == 1
    assert company([together, subscribe, Poll(name="t", count=1), Poll(name="s", count=1)], 0) == 2
    assert company([together, Read(), Append(size=1), Read()], 0) == 2
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


def test_who_does_not_take_back_what_was_looked_at_does_not_stop_us(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_self: object, sequence: int) -> None:
        raise NotHeld("s", sequence)

    before = played([Subscribe(name="s"), Append(size=1), Sync()])
    monkeypatch.setattr("chaoswal.wal.subscriber.Subscriber.defer", refuse)
    disk = Disk(image=Disk(image=before.start.image, events=tuple(before.events)).view)
    run = record(EngineRef.parse("wal").factory(), [Poll(name="s", count=1)], disk, names=("s",))
    assert run.observed.deliveries == {"s": [(0, b"1")]}
    assert results(run) == {0: "[]"}
