"""Workloads: what an engine is asked and how its answers are noted; random programs follow from their seed."""

from collections import Counter

import pytest

from chaoswal.contracts.log import observe_log, probe
from chaoswal.disk.disk import Disk
from chaoswal.ops import (
    Ack,
    Append,
    Batch,
    Close,
    Defer,
    Flush,
    OpenAgain,
    Operation,
    Poll,
    Reopen,
    Rotate,
    Subscribe,
    Sync,
    Wait,
)
from chaoswal.oracle import Observed
from chaoswal.run import Session
from chaoswal.verdict import Violation
from chaoswal.vfs.memory import MemoryVfs
from chaoswal.workload import Driver, Generator, traits_of
from tests import toys

EVERYTHING = frozenset({"append_batch", "rotate", "cleanup", "subscribe", "next_sequence"})


class Numbered(toys.ToyLog):
    """Shows records with their numbers, from ``base`` on."""

    base = 0
    gap = 0

    def records(self):  # type: ignore[no-untyped-def]
        return iter([(self.base + place, payload) for place, payload in enumerate(self.payloads)])

    def next_sequence(self) -> int:
        return self.base + len(self.payloads) + self.gap


def test_traits() -> None:
    traits = traits_of(toys.ToyLog(vfs=MemoryVfs()))  # type: ignore[arg-type]
    assert traits.promise == {"append", "sync"}
    assert traits.promise_reads
    assert traits.capabilities == {"next_sequence"}


def test_numbers_that_do_not_fit_are_duplicates() -> None:
    engine = Numbered(vfs=MemoryVfs())
    engine.append(b"a")
    engine.base = 4
    assert observe_log(engine) == Observed(records=[b"a"], next_position=5)  # type: ignore[arg-type]
    engine.gap = 1
    fault = observe_log(engine).fault  # type: ignore[arg-type]
    assert fault is not None
    assert fault.kind is Violation.DUPLICATED
    assert fault.explanation == "1 records are numbered 4 to 4, and the next is 6"


def test_the_probe() -> None:
    engine = toys.ToyLog(vfs=MemoryVfs())
    engine.append(b"a")
    assert probe(engine, Observed(records=[b"a"])) is None  # type: ignore[arg-type]
    fault = probe(engine, Observed(records=[b"a"]))  # type: ignore[arg-type]
    assert fault is not None
    assert fault.kind is Violation.STUCK


class Handle:
    """A subscriber's handle that notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[object] = []
        self.next = 0

    def poll(self, count: int) -> list[tuple[int, bytes]]:
        given = [(self.next + place, b"r") for place in range(count)]
        self.next += count
        return given

    def ack(self, sequence: int) -> None:
        self.asked.append(("ack", sequence))

    def defer(self, sequence: int) -> None:
        self.asked.append(("defer", sequence))

    def flush(self) -> None:
        self.asked.append("flush")


class WithSubscribers(toys.ToyLog):
    """A toy with handles."""

    def subscribe(self, name: str) -> Handle:
        self.handle = Handle()
        return self.handle


def test_places_are_those_among_what_is_held() -> None:
    engine = WithSubscribers(vfs=MemoryVfs())
    driver = Driver(lambda: engine)  # type: ignore[arg-type, return-value]
    steps: list[tuple[Operation, str]] = [
        (Poll(name="s", count=2), "[]"),
        (Ack(name="s", places=(0,)), "None"),
        (Subscribe(name="s"), "None"),
        (Poll(name="s", count=3), "[(0, b'r'), (1, b'r'), (2, b'r')]"),
        (Ack(name="s", places=(1, 1, 9)), "None"),
        (Defer(name="s", places=(1, 0)), "None"),
        (Flush(name="s"), "None"),
    ]
    assert [driver.perform(0, operation) for operation, _ in steps] == [result for _, result in steps]
    assert engine.handle.asked == [("ack", 1), ("defer", 2), ("defer", 0), "flush"]


def test_what_an_engine_raises_is_a_result() -> None:
    vfs = MemoryVfs()
    driver = Driver(lambda: toys.ToyLog(vfs=vfs))  # type: ignore[arg-type, return-value]
    assert driver.perform(0, Append(size=3)) == "0"
    assert driver.perform(1, Sync()) == "None"
    assert driver.perform(2, Rotate()).startswith("error AttributeError: ")
    assert driver.perform(3, Wait(milliseconds=1)) == "error TypeError: waiting is for whoever has the clock"


def test_what_was_closed_is_opened_by_the_next_operation() -> None:
    opened: list[toys.ToyLog] = []
    vfs = MemoryVfs()

    def opening() -> toys.ToyLog:
        opened.append(toys.ToyLog(vfs=vfs))
        return opened[-1]

    driver = Driver(opening)  # type: ignore[arg-type]
    counts = []
    for operation in (Append(size=3), Close(), Close(), Append(size=3), Reopen(), OpenAgain(), Close()):
        assert not driver.perform(0, operation).startswith("error")
        counts.append(len(opened))
    assert counts == [1, 1, 1, 2, 3, 4, 4]


def test_a_session_opens_again() -> None:
    session = Session(toys.factory(toys.ToyLog), Disk())
    steps: list[Operation] = [Append(size=3), Reopen(), Append(size=3)]
    results = [session.perform(place, step) for place, step in enumerate(steps)]
    assert results == ["0", "None", "1"]


# -- random programs -------------------------------------------------------------------------------------------------


def test_programs_follow_from_their_seed() -> None:
    for seed in range(20):
        assert Generator(seed, EVERYTHING).program(40) == Generator(seed, EVERYTHING).program(40)
    programs = {tuple(Generator(seed, EVERYTHING).program(20)) for seed in range(40)}
    assert len(programs) == 40


@pytest.mark.parametrize("length", [0, 1, 2, 30])
def test_programs_have_the_length_asked_for(length: int) -> None:
    assert all(len(Generator(seed, EVERYTHING).program(length)) == length for seed in range(20))


def test_only_what_an_engine_offers_is_asked() -> None:
    for seed in range(30):
        words = {type(step) for step in Generator(seed, frozenset(), reopen=False).program(60)}
        assert words <= {Append, Sync}


def test_every_operation_is_drawn_and_rhythms_differ() -> None:
    drawn: Counter[type] = Counter()
    shares = []
    for seed in range(60):
        program = Generator(seed, EVERYTHING).program(50)
        drawn.update(type(step) for step in program)
        shares.append(sum(isinstance(step, Sync) for step in program))
        names = {step.name for step in program if isinstance(step, Subscribe)}
        assert all(step.name in names for step in program if isinstance(step, Poll | Ack | Defer | Flush))
    assert len(drawn) == 12
    assert drawn[Batch] > 20
    assert max(shares) > 4 * (min(shares) + 1)
