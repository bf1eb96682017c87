"""The pipeline: sound engines pass, each toy's mistake is found under its own name, and what was judged is counted."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from chaoswal.check import Coverage, Depth, Found, Judge, check
from chaoswal.disk.crashes import Bound
from chaoswal.disk.disk import Disk
from chaoswal.disk.faults import Fault as DiskFault
from chaoswal.disk.image import Image
from chaoswal.disk.profiles import EXT4_ORDERED, KILL, POSIX, PREFIX, PROFILES, Profile
from chaoswal.engines.registry import EngineRef, Factory
from chaoswal.errors import Inconclusive
from chaoswal.ops import Append, Operation, Reopen, Subscribe, Sync, Unsubscribe
from chaoswal.oracle import ERROR, History, Traits
from chaoswal.outside import Recovered
from chaoswal.replay import simulated
from chaoswal.run import Session, record
from chaoswal.runners import recover
from chaoswal.trace import Begin, Create, End, Write
from chaoswal.verdict import Violation
from chaoswal.vfs.protocol import Vfs
from tests import toys

PROGRAM: list[Operation] = [Append(size=100), Append(size=700), Sync(), Append(size=20), Append(size=600), Reopen()]


def checked(
    kind: type[Any],
    profile: Profile,
    operations: Sequence[Operation] = PROGRAM,
    *,
    depth: Depth | None = None,
    bound: Bound | None = None,
    points: range | None = None,
    ahead: int = 0,
) -> tuple[Found | None, Coverage]:
    factory = toys.factory(kind)
    judge = Judge(factory)
    judge.ahead = ahead
    found = check(
        record(factory, operations),
        History(operations, _traits(kind)),
        judge,
        profile,
        bound=bound or Bound(),
        depth=depth,
        points=points,
    )
    return found, judge.coverage


def _traits(kind: type[Any]) -> Traits:
    return simulated(EngineRef(name=f"tests/toys.py:{kind.__name__}"))[1] if hasattr(toys, kind.__name__) else EACH


EACH = Traits(promise=frozenset({"append", "sync"}), promise_reads=True, capabilities=frozenset({"next_sequence"}))


class Fussy(toys.ToyLog):
    """Sound, but where a crash came between the two steps that make it: then it cannot be opened."""

    def __init__(self, root: str = "", *, vfs: Vfs, runtime: Any = None) -> None:
        made = "made" in vfs.list()
        if "log" in vfs.list() and not made:
            raise ValueError("half made")
        super().__init__(vfs=vfs)
        if not made:
            vfs.create("made").close()
            vfs.sync_directory()


@pytest.mark.parametrize("depth", [None, Depth()])
def test_a_recovery_that_fails_before_the_first_promise_takes_nothing_from_anybody(depth: Depth | None) -> None:
    """Trap 8: before there is an ack, whoever is killed while he makes his table or index has lost nothing."""
    found, _ = checked(Fussy, PREFIX, depth=depth)
    assert found
    assert found.fault.kind is Violation.UNOPENABLE
    assert found.at_creation


class MakesItsTable(toys.ToyLog):
    """Makes its file when it is opened, and sees to its name only when something is appended."""

    def __init__(self, root: str = "", *, vfs: Vfs, runtime: Any = None) -> None:
        self.vfs = vfs
        self.file = vfs.open("log", write=True) if "log" in vfs.list() else vfs.create("log")
        self.payloads, self.end = self.read()
        self.cut()

    def append(self, payload: bytes) -> int:
        self.vfs.sync_directory()
        return super().append(payload)


class ForgetsItsTable(MakesItsTable):
    """Never sees to its name."""

    def append(self, payload: bytes) -> int:
        return toys.ToyLog.append(self, payload)


def test_what_was_created_is_promised_with_the_first_ack_and_not_before() -> None:
    """Trap 8: the table, stream or index has no ack of its own, so its loss before the first one is none; after is."""
    assert checked(MakesItsTable, POSIX)[0] is None
    found, _ = checked(ForgetsItsTable, POSIX)
    assert found
    assert (found.fault.kind, found.at_creation) == (Violation.LOST, False)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_the_sound_toy_passes(profile: Profile) -> None:
    found, coverage = checked(toys.ToyLog, profile, depth=Depth())
    assert found is None
    assert coverage.judged >= coverage.distinct > 0
    assert coverage.nested > 0


@pytest.mark.parametrize(
    ("kind", "profile", "violation"),
    [
        (toys.NoSync, PREFIX, Violation.LOST),
        (toys.NoSync, EXT4_ORDERED, Violation.LOST),
        (toys.NoSync, POSIX, Violation.LOST),
        (toys.NoChecksum, POSIX, Violation.INVENTED),
        (toys.NoChecksum, EXT4_ORDERED, Violation.INVENTED),
        (toys.NoCut, POSIX, Violation.PHANTOM),
        (toys.ServesBeforeSync, POSIX, Violation.PHANTOM),
        (toys.ServesBeforeSync, EXT4_ORDERED, Violation.PHANTOM),
    ],
)
def test_each_mistake_goes_by_its_name(kind: type[Any], profile: Profile, violation: Violation) -> None:
    found, _ = checked(kind, profile, depth=Depth(levels=2, samples=40))
    assert found is not None
    assert found.fault.kind is violation
    assert len(found.crashes) == (2 if violation is Violation.PHANTOM else 1)


def test_a_kill_loses_nothing() -> None:
    assert checked(toys.NoSync, KILL, depth=Depth())[0] is None


def test_a_mistake_in_recovery_needs_depth() -> None:
    assert checked(toys.ServesBeforeSync, POSIX)[0] is None
    assert checked(toys.ServesBeforeSync, POSIX, depth=Depth(levels=0))[0] is None


def test_only_the_points_asked_for() -> None:
    run = record(toys.factory(toys.NoSync), PROGRAM)
    early = range(run.opened + 1)
    assert checked(toys.NoSync, POSIX, points=early)[0] is None
    assert checked(toys.NoSync, POSIX)[0] is not None


def test_the_acknowledgement_is_judged_though_the_image_is_the_same() -> None:
    """Nothing of NoSync's disk changes between the write and the return of the append: only the history does."""
    found, _ = checked(toys.NoSync, POSIX, [Append(size=5)])
    assert found is not None
    run = record(toys.factory(toys.NoSync), [Append(size=5)])
    assert found.crashes[0].point == len(run.events)


def test_the_bound_is_kept() -> None:
    few, many = (checked(toys.ToyLog, POSIX, bound=Bound(states_per_point=n))[1].judged for n in (1, 50))
    run = record(toys.factory(toys.ToyLog), PROGRAM)
    assert few <= len(run.events) + 1 < many


def test_the_same_again() -> None:
    assert checked(toys.ToyLog, POSIX, depth=Depth())[1] == checked(toys.ToyLog, POSIX, depth=Depth())[1]


# -- engines that misbehave while they are looked at -----------------------------------------------------------------


class Raises(toys.ToyLog):
    """Cannot be opened where its file is empty."""

    def read(self) -> tuple[list[bytes], int]:
        if self.vfs.list() != ["log"] or not self.file.size():
            raise RuntimeError("no header")
        return super().read()


class Hangs(toys.ToyLog):
    """Reads for ever where the end is torn."""

    def cut(self) -> None:
        while self.file.size() > self.end:
            self.file.read(0, 1)
        super().cut()


class Forgets(toys.ToyLog):
    """Drops its last record each time it is opened."""

    def cut(self) -> None:
        if self.payloads:
            self.end -= toys._HEAD.size + len(self.payloads.pop())
        super().cut()


class Refuses(toys.ToyLog):
    """Cannot append after its second opening."""

    def append(self, payload: bytes) -> int:
        if payload.startswith(b"probe|"):
            raise OSError("read only")
        return super().append(payload)


@pytest.mark.parametrize(
    ("kind", "violation", "why"),
    [
        (Raises, Violation.UNOPENABLE, "recovery raised RuntimeError: no header"),
        (Hangs, Violation.HUNG, "the engine made more calls than it may"),
        (Refuses, Violation.STUCK, "going on raised OSError: read only"),
    ],
)
def test_what_an_engine_does_is_contained(kind: type[Any], violation: Violation, why: str) -> None:
    found, _ = checked(kind, POSIX, [Append(size=30)])
    assert found is not None
    assert (found.fault.kind, found.fault.explanation[: len(why)]) == (violation, why)


def test_recovering_twice_must_be_as_recovering_once() -> None:
    none = History([], Traits(promise=frozenset()))
    start = Session(toys.factory(toys.ToyLog), Disk())
    for op_index in range(3):
        start.perform(op_index, Append(size=5))
    judge = Judge(toys.factory(Forgets))
    image = start.vfs.image()
    sight = judge.sight(image.key, lambda: image, ())
    assert sight.fault is not None
    assert sight.fault.kind is Violation.UNSTABLE
    assert sight.fault.explanation == "recovering twice differs from once in records"
    assert none.judge(sight.observed) is not None


def test_recovery_is_remembered_by_image_and_subscribers() -> None:
    judge = Judge(toys.factory(toys.ToyLog))
    made: list[int] = []

    def image() -> Image:
        made.append(1)
        return Image({}, {})

    key = Image({}, {}).key
    assert judge.sight(key, image, ()) is judge.sight(key, image, ())
    assert (judge.coverage.judged, judge.coverage.distinct, len(made)) == (2, 1, 1)


@pytest.mark.parametrize("kind", [toys.ToyLog, toys.NoSync, Forgets], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("ends_at", [None, 1], ids=["whole", "hangs"])
def test_what_is_foreseen_changes_nothing(
    kind: type[Any], ends_at: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked for many at once, or one by one: also where some are not foreseen, since one before them hung."""
    asked: list[int] = []

    def at_once(
        factory: Factory, images: Sequence[Image], names: Sequence[str], *, probing: bool
    ) -> Iterator[Recovered]:
        asked.append(len(images))
        for number, image in enumerate(images):
            if number == ends_at:
                raise Inconclusive("not now")
            yield recover(factory, image, names, generation=1 + probing, probing=probing)

    monkeypatch.setattr("chaoswal.check.recover_ahead", at_once)
    before, coverage = checked(kind, POSIX)
    assert not asked
    found, again = checked(kind, POSIX, ahead=5)
    assert max(asked) >= 5
    assert again == coverage
    assert (found and (found.fault, found.crashes)) == (before and (before.fault, before.crashes))


# -- runs ------------------------------------------------------------------------------------------------------------


def test_a_reopen_that_failed_forgets_no_subscriber() -> None:
    session = Session(EngineRef(name="wal").factory(), Disk())
    session.perform(0, Subscribe(name="t"))
    session.arm(DiskFault.parse("fail EIO on fdatasync of * nth 1 once"))
    assert session.perform(1, Reopen()).startswith(ERROR)
    assert session.perform(2, Reopen()) == "None"
    session.perform(3, Unsubscribe(name="t"))
    assert session._driver.engine.registered() == ()


def test_a_run_is_a_trace_with_markers() -> None:
    run = record(toys.factory(toys.ToyLog), [Append(size=5), Sync()], first_index=3)
    markers = [event for event in run.events if isinstance(event, Begin | End)]
    assert markers == [
        Begin(op_index=3),
        End(op_index=3, result="0"),
        Begin(op_index=4),
        End(op_index=4, result="None"),
    ]
    assert isinstance(run.events[0], Create)
    assert run.opened == run.events.index(Begin(op_index=3))
    writes = [event.site for event in run.events if isinstance(event, Write)]
    assert [site.partition(":")[0] for site in writes] == ["toys.py"]
    assert not run.faulty


def test_a_run_goes_on_from_a_disk() -> None:
    first = record(toys.factory(toys.ToyLog), [Append(size=5)])
    second = record(toys.factory(toys.ToyLog), [Append(size=6)], first.start.after(first.events), first_index=1)
    assert [len(payload) for payload in second.observed.records] == [5]
    assert second.start.events == tuple(first.events)
    assert second.events[-1] == End(op_index=1, result="1")


def test_faults_strike_from_where_they_stand() -> None:
    fault = DiskFault(call="write", glob="log", nth=1, error="EIO")
    run = record(toys.factory(toys.ToyLog), [Append(size=5), fault, Append(size=6), Append(size=7)])
    results = [event.result for event in run.events if isinstance(event, End)]
    assert results == ["0", "error OSError: [Errno 5] Input/output error: 'log'", "1"]
    assert run.faulty


def test_a_fault_in_front_of_all_strikes_in_the_opening() -> None:
    fault = DiskFault(call="fsync", glob=".", nth=1, error="EIO")
    run = record(toys.factory(toys.ToyLog), [fault, Append(size=5)])
    assert run.struck
    assert run.observed.raised == "OSError"
    assert [event.result for event in run.events if isinstance(event, End)] == ["0"], "whoever asks opens it"
    later = record(toys.factory(toys.ToyLog), [fault, DiskFault(call="write", glob="log", nth=1, error="EIO")])
    assert later.struck
    tolerant = record(toys.factory(toys.ToyLog), [DiskFault(call="write", glob="log", nth=1, error="EIO")])
    assert tolerant.faulty
    assert not tolerant.struck


def test_a_sync_that_lies_is_told() -> None:
    fault = DiskFault(call="fdatasync", glob="log", nth=1)
    assert record(toys.factory(toys.ToyLog), [fault, Append(size=5)]).lied
    assert not record(toys.factory(toys.ToyLog), [fault]).lied


class ReadsUntil:
    """Shows two records and then fails."""

    promise = "append"
    takes_vfs = True

    def __init__(self, root: str = "", *, vfs: Vfs, runtime: object = None) -> None:
        pass

    def records(self) -> Iterator[tuple[int, bytes]]:
        yield 0, b"a"
        yield 1, b"b"
        raise KeyError("gone")


def test_what_was_seen_before_an_error_is_kept() -> None:
    observed = record(toys.factory(ReadsUntil), []).observed
    assert observed.fault is not None
    assert observed.records == [b"a", b"b"]
    assert observed.raised == "KeyError"


class NeverOpens:
    """Fails in its constructor."""

    promise = "append"
    takes_vfs = True

    def __init__(self, root: str = "", *, vfs: Vfs, runtime: object = None) -> None:
        raise ValueError("not today")


def test_an_engine_that_does_not_open_is_an_observation() -> None:
    run = record(toys.factory(NeverOpens), [Append(size=5), Reopen()])
    assert run.observed.fault is not None
    assert run.observed.fault.explanation == "recovery raised ValueError: not today"
    results = [event.result for event in run.events if isinstance(event, End)]
    assert results == ["error ValueError: not today"] * 2


def test_whoever_lists_states_and_asks_no_engine_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    factory, beats = toys.factory(toys.ToyLog), list[int]()
    run = record(factory, PROGRAM)
    monkeypatch.setattr("chaoswal.check.alive", lambda: beats.append(1))
    check(run, History(PROGRAM, EACH), Judge(factory), POSIX, bound=Bound())
    assert len(beats) == len(run.events) + 1
