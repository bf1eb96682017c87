"""Records that are let go, under the checker: what is lost is counted once, what goes too early is found."""

from collections.abc import Sequence

import pytest

from chaoswal import text
from chaoswal.check import Depth, Found, Judge, check
from chaoswal.disk.crashes import Bound
from chaoswal.disk.profiles import PROFILES
from chaoswal.engines.registry import EngineRef, Factory
from chaoswal.engines.wal import WalEngine
from chaoswal.ops import OPERATIONS, Operation
from chaoswal.oracle import History
from chaoswal.replay import simulated
from chaoswal.run import record
from chaoswal.verdict import Violation
from chaoswal.wal.cursor import Cursor
from chaoswal.wal.errors import AtCapacity
from chaoswal.wal.log import Log, Parts
from chaoswal.wal.manifest import Loss, Manifest
from chaoswal.wal.retention import Cleaner, Limits
from chaoswal.wal.segment import Segment
from chaoswal.wal.subscriber import Feed
from chaoswal.workload import Generator

DROPS = "wal wal_bytes=200 budget_bytes=2000 budget_policy=drop-oldest"
FULL = "wal wal_bytes=200 budget_bytes=2000"
AGES = "wal wal_bytes=200 age_seconds=1"
SKIPS = "wal wal_bytes=300 lag_records=3 lag_seconds=1"
FORGETS = "wal wal_bytes=300 lag_records=3 slow=unregister"
PLAIN = "wal wal_bytes=300"


def explore(engine: str, log: type[Log], seed: int, profile: str, program: Sequence[Operation] = ()) -> Found | None:
    """One random program, every crash within a small bound, crashes in recovery too."""
    reference = EngineRef.parse(engine)
    sound, traits = simulated(reference)
    kind = type("Engine", (WalEngine,), {"log_class": log})
    factory = Factory(kind=kind, options=sound.options, name=engine)
    operations = list(program) or Generator(seed, traits.capabilities, waits=True).program(30)
    run = record(factory, operations)
    bound, depth = Bound(deviations=1, random_states=2, states_per_point=30), Depth(levels=1, samples=3)
    history = History(operations, traits)
    return check(run, history, Judge(factory), PROFILES[profile], bound=bound, depth=depth, seed=seed)


@pytest.mark.parametrize("profile", ["kill", "posix"])
@pytest.mark.parametrize("engine", [DROPS, FULL, AGES, SKIPS, FORGETS])
def test_no_crash_makes_a_count_wrong(engine: str, profile: str) -> None:
    for seed in range(4):
        assert explore(engine, Log, seed, profile) is None


class _DropsAll(Cleaner):
    def excess(self, segments: Sequence[Segment], excess_bytes: int) -> int:
        return len(segments) if excess_bytes > 0 else 0


class _ExpiresAll(Cleaner):
    def expired(self, segments: Sequence[Segment], age_seconds: float, now: float) -> int:
        return len(segments)


class _CountsSegmentsWhole(Cleaner):
    def unfinished(self, segment: Segment, feeds: Sequence[Feed]) -> int:
        return segment.end - segment.first


class _CountsAfterwards(Log):
    """The loss is made durable by a replacement of its own."""

    def _forget(self, count: int, manifest: Manifest) -> None:
        before = self._manifest.losses
        super()._forget(count, Manifest(start=manifest.start, names=manifest.names, losses=before))
        self._put_manifest(manifest)


class _SkipsAll(Limits):
    def late(self, feed: Feed, end: int, now: float) -> int:
        return end if super().late(feed, end, now) > feed.position else feed.position


class _SkipsInTime(Limits):
    def late(self, feed: Feed, end: int, now: float) -> int:
        return end


class _ForgetsRejections(Feed):
    def cursor(self) -> Cursor:
        return Cursor(self.position, tuple(sorted(self.acked)), (), 0, self.skipped, self.untold)


class _TellsNobody(Feed):
    def skip(self, to: int) -> int:
        passed = super().skip(to)
        self.untold = 0
        return passed


class _FullTooEarly(Log):
    def _make_room(self, frame_bytes: int, count: int) -> None:
        if self.used_bytes > self.options.budget_bytes // 4:
            raise AtCapacity(frame_bytes, self.used_bytes, self.options.budget_bytes)


class _UnregistersInMemory(Log):
    def _unregister(self, name: str) -> None:
        self._feed(name).release()
        del self._feeds[name]
        self._manifest = self._manifest.without_name(name)


class _NothingLost(Cleaner):
    def loss(self, segments: Sequence[Segment], feeds: Sequence[Feed]) -> Loss:
        return Loss()


def _with(**parts: type) -> type[Log]:
    return type("Wrong", (Log,), {"parts": Parts(**parts)})


WRONG: tuple[tuple[str, type[Log], str], ...] = (
    (DROPS, _with(cleaner=_DropsAll), "early-cleanup"),
    (DROPS, _with(cleaner=_CountsSegmentsWhole), "dishonest"),
    (DROPS, _with(cleaner=_NothingLost), "dishonest unopenable stuck"),
    (DROPS, _CountsAfterwards, "dishonest unopenable"),
    (AGES, _with(cleaner=_ExpiresAll), "early-cleanup"),
    (SKIPS, _with(limits=_SkipsAll), "cursor-ahead"),
    (FORGETS, _with(limits=_SkipsInTime), "cursor-lost dishonest"),
    (FULL, _FullTooEarly, "stuck"),
    (PLAIN, _UnregistersInMemory, "resurrected cursor-lost unopenable"),
)


@pytest.mark.parametrize(("engine", "wrong", "kinds"), WRONG)
def test_a_wrong_one_is_found(engine: str, wrong: type[Log], kinds: str) -> None:
    for seed in range(60):
        found = explore(engine, wrong, seed, "posix")
        if found:
            assert found.fault.kind in map(Violation, kinds.split()), found.fault
            return
    raise AssertionError("not found")


MANY = "append 700, append 700, append 700"
TOLD: tuple[tuple[str, type[Log], str, str], ...] = (
    (DROPS, _with(feed=_TellsNobody), "cursor-ahead", "activate s, batch 400 400, append 400, append 400, poll s 1"),
    (PLAIN, _with(feed=_ForgetsRejections), "dishonest", "batch 1 1 1, sync, poll s 2, reject s 1, flush s"),
    (PLAIN, Log, "", "batch 1 1 1, sync, poll s 2, reject s 1, flush s, unsubscribe s, subscribe-latest s, append 3"),
    (DROPS, Log, "", "batch 400 400, append 400, append 400, poll s 1, reject s 0, append 400, append 400, maintain"),
    (DROPS, Log, "", "activate s, append 700, append 700, append 700, poll s 1, deactivate s, poll s 1, append 400"),
    (DROPS, Log, "", f"{MANY}, reopen, ack s 0, activate s, poll s 1"),
    (DROPS, Log, "", f"{MANY}, deactivate s, subscribe s, activate s, poll s 1"),
    (DROPS, Log, "", f"{MANY}, reopen, activate s, poll s 1"),
    (DROPS, _with(feed=_TellsNobody), "cursor-ahead", f"{MANY}, reopen, activate s, poll s 1"),
)


@pytest.mark.parametrize(("engine", "log", "kind", "program"), TOLD)
@pytest.mark.parametrize("profile", ["prefix", "posix"])
def test_told_step_by_step(engine: str, log: type[Log], kind: str, program: str, profile: str) -> None:
    lines = ["subscribe s", *program.split(", ")]
    found = explore(engine, log, 0, profile, [text.parse(line, OPERATIONS) for line in lines])
    assert (found.fault.kind if found else "") == kind
