"""Group commit: who appends at once shares a sync, and nobody is told "durable" by a sync that began too early."""

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from chaoswal.trace import SyncBegin, SyncEnd
from chaoswal.vfs.memory import MemoryVfs
from chaoswal.vfs.real import RealVfs
from chaoswal.vfs.runtime import Gate, RealGate, RealRuntime, StillRuntime
from chaoswal.vfs.scheduler import Deadlock
from chaoswal.wal import Log, LogClosed, LogPoisoned, Options, SequenceConflict
from chaoswal.wal.commit import Committer, Turn
from chaoswal.wal.log import Parts
from chaoswal.wal.walfile import WalFile
from tests.wal.disks import shown
from tests.wal.promises import Life

SEEDS = range(40)
EACH = 3
"""Appends of each thread."""


def configured(seed: int) -> Options:
    """Options that go with a seed."""
    return Options(
        wal_bytes=(160, 400, 10_000)[seed % 3], group_delay_ms=(0, None, 3)[seed // 3 % 3], group_max=2 + seed % 3
    )


def all_at_once(life: Life, act: Callable[[str], None], names: str = "abc") -> None:
    """Run ``act`` in a thread for each name."""
    tasks = [life.scheduler.spawn(partial(act, name), name) for name in names]
    for task in tasks:
        task.join()


def append_some(life: Life, name: str) -> None:
    """One thread's work."""
    for number in range(EACH):
        life.append(f"{name}{number}".encode())


def concurrent(seed: int, log_class: type[Log] = Log, faults: tuple[str, ...] = ()) -> Life:
    """Three threads that append to one log."""
    life = Life(configured(seed), seed, faults=faults, log_class=log_class)
    life.run(partial(run_all, life))
    return life


def run_all(life: Life, _: Log) -> None:
    """Three threads that append."""
    all_at_once(life, partial(append_some, life))


def data_syncs(life: Life) -> int:
    """How many syncs of data there were."""
    return sum(isinstance(event, SyncBegin) and event.data_only for event in life.vfs.events())


@pytest.mark.parametrize("seed", SEEDS)
def test_every_receipt_holds_in_every_crash(seed: int) -> None:
    life = concurrent(seed)
    assert not life.errors
    assert sorted(life.given.values()) == sorted(f"{name}{n}".encode() for name in "abc" for n in range(EACH))
    assert sorted(life.given) == list(range(3 * EACH))
    assert life.broken_promise() == ""


def test_syncs_are_shared() -> None:
    assert sum(data_syncs(concurrent(seed)) for seed in SEEDS) < 0.9 * len(SEEDS) * 3 * EACH
    assert min(data_syncs(concurrent(seed)) for seed in SEEDS) <= 2 * EACH


class _CountsTheLate(Committer):
    """Looks how far the log is written when the sync has ended: who joined while it ran is told "durable"."""

    def _sync(self, wal: WalFile) -> None:
        super()._sync(wal)
        late = wal.mark()
        wal.settle = lambda mark: WalFile.settle(wal, late)  # type: ignore[method-assign]


class _WaitsForAnySync(Committer):
    """Who waited for a sync takes it for its own, whenever that one began."""

    def commit(self, wal: WalFile, sequence: int, turn: Turn) -> None:
        if turn is None or turn[1] is not None:
            super().commit(wal, sequence, turn)
        else:
            self._wait(turn[0])
            wal.durable = max(wal.durable, sequence + 1)


@pytest.mark.parametrize("wrong", [_CountsTheLate, _WaitsForAnySync])
def test_the_classic_mistakes_are_found(wrong: type[Committer]) -> None:
    broken = type("Broken", (Log,), {"parts": Parts(committer=wrong)})
    assert any("promised" in concurrent(seed, broken).broken_promise() for seed in SEEDS)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_failed_sync_fails_all_it_would_have_covered_each_with_an_error_of_its_own(seed: int) -> None:
    life = concurrent(seed, faults=(f"fail EIO on fdatasync of wal-*.wal nth {1 + seed % 3} once",))
    assert len({id(error) for error in life.errors}) == len(life.errors)
    assert sum(type(error) is OSError for error in life.errors) == 1, "whose sync it was hears what happened"
    assert all(isinstance(error, OSError | LogPoisoned) for error in life.errors)
    assert len(life.given) + len(life.errors) == 3 * EACH + 1, "the last error is that of closing"
    assert life.broken_promise() == ""
    assert_no_sync_after_a_failed_one(life)


@pytest.mark.parametrize("seed", SEEDS)
def test_after_a_failed_sync_there_is_no_other(seed: int) -> None:
    options = Options(sync="interval", sync_interval_ms=1, rotate_age_s=0.002)
    life = Life(options, seed, faults=(f"fail EIO on fdatasync of wal-*.wal nth {1 + seed % 2} once",))

    def main(_: Log) -> None:
        for number in range(4):
            life.append(b"%d" % number)
            life.scheduler.sleep(0.001)
        life.scheduler.sleep(1)

    life.run(main)
    assert_no_sync_after_a_failed_one(life)


def assert_no_sync_after_a_failed_one(life: Life) -> None:
    """What a second sync says after a first that failed proves nothing, so none may be asked for."""
    events = life.vfs.events()
    failed = [number for number, event in enumerate(events) if isinstance(event, SyncEnd) and not event.ok]
    assert not [event for event in events[max(failed, default=len(events)) :] if isinstance(event, SyncBegin)]


@pytest.mark.parametrize("seed", SEEDS)
def test_an_append_that_fails_while_others_sync_harms_nobody(seed: int) -> None:
    life = concurrent(seed, faults=(f"fail ENOSPC on write of wal-*.wal nth {1 + seed % 7} once",))
    assert len(life.errors) == 1
    assert sorted(life.given) == list(range(3 * EACH - 1))
    assert life.broken_promise() == ""


@pytest.mark.parametrize("seed", SEEDS)
def test_explicit_syncs_rotations_and_a_close_at_any_moment(seed: int) -> None:
    life = Life(Options(sync="explicit", wal_bytes=configured(seed).wal_bytes), seed)

    def work(log: Log, name: str) -> None:
        for number in range(EACH):
            receipt = life.append(f"{name}{number}".encode())
            try:
                (log.sync, log.rotate)[(number + ord(name)) % 2]()
            except LogClosed:
                return
            if receipt is not None:
                life.promise(receipt.sequence + 1)
        if name == "c":
            log.close()

    life.run(lambda log: all_at_once(life, partial(work, log)))
    assert all(isinstance(error, LogClosed) for error in life.errors)
    assert life.broken_promise() == ""


@pytest.mark.parametrize("seed", SEEDS)
def test_a_close_leaves_nobody_waiting(seed: int) -> None:
    life = Life(configured(seed), seed)

    def work(log: Log, name: str) -> None:
        append_some(life, name)
        if name == "c":
            log.close()

    life.run(lambda log: all_at_once(life, partial(work, log)))
    assert all(isinstance(error, LogClosed) for error in life.errors)
    assert life.broken_promise() == ""


def test_a_lone_appender_waits_for_nobody() -> None:
    log = Log(MemoryVfs(), StillRuntime(), Options(group_delay_ms=1000, group_max=8, wal_bytes=300))
    assert all(log.append(b"x" * 20).durable for _ in range(20))
    log.close()


def test_lingering_gathers_more_appends_for_a_sync() -> None:
    syncs = []
    for delay_ms in (0.0, 5.0):
        syncs.append(0)
        for seed in SEEDS:
            life = Life(Options(group_delay_ms=delay_ms, group_max=3), seed)
            life.run(partial(run_all, life))
            syncs[-1] += data_syncs(life)
    assert syncs[1] < 0.95 * syncs[0]


@pytest.mark.parametrize(("group_max", "waited_s"), [(2, 0), (3, 1)])
def test_no_more_are_waited_for_than_are_wanted(group_max: int, waited_s: int) -> None:
    life = Life(Options(group_delay_ms=1000, group_max=group_max))

    def append_once(name: str) -> None:
        life.append(name.encode())

    def main(log: Log) -> float:
        log._committer._expected = 3  # of whom two come
        before = life.scheduler.now()
        all_at_once(life, append_once, "ab")
        return life.scheduler.now() - before

    assert waited_s <= life.run(main) < waited_s + 0.5


class _TakesTime(WalFile):
    """A sync of this WAL takes a millisecond."""

    life: Life

    def sync(self) -> None:
        self.life.scheduler.sleep(0.001)
        super().sync()


def timed(
    seed: int | None,
    names: str,
    work: Callable[[Life, str], None],
    committer: type[Committer] = Committer,
    **options: Any,
) -> Life:
    """The threads' life, where a sync takes a millisecond."""
    wal_file = type("TakesTime", (_TakesTime,), {})
    parts = Parts(wal_file=wal_file, committer=committer)
    life = wal_file.life = Life(Options(**options), seed, log_class=type("Timed", (Log,), {"parts": parts}))  # type: ignore[attr-defined]
    life.run(lambda _: all_at_once(life, partial(work, life), names))
    assert not life.errors
    return life


def test_appenders_that_come_back_at_once_are_gathered() -> None:
    names = "abcdefgh"
    apart = [data_syncs(timed(seed, names, append_some, group_delay_ms=0)) for seed in SEEDS]
    together = [data_syncs(timed(seed, names, append_some)) for seed in SEEDS]
    assert sum(together) < 0.9 * sum(apart)
    assert min(together) <= EACH + 1, "everybody's appends by one sync, but for the first, which nobody could expect"


class _CountsWaits(Committer):
    """Counts how often a leader waits for company."""

    waits = 0

    def _wait(self, gate: Gate, seconds: float | None = None) -> bool:
        self.waits += seconds is not None
        return super()._wait(gate, seconds)


def append_and_go(life: Life, name: str) -> None:
    """Once at the same time as all others, and then with something else to do in between, for ever longer."""
    life.append(name.encode())
    for number in range(EACH):
        life.scheduler.sleep(0.1 * (1.0 + "abc".index(name) / 3))
        life.append(f"{name}{number}".encode())


def test_who_does_not_come_back_is_waited_for_no_longer_than_a_sync_and_then_forgotten() -> None:
    life = timed(None, "abc", append_and_go, committer=_CountsWaits)
    waits = life.log._committer
    assert isinstance(waits, _CountsWaits)
    assert waits.waits == 1, "the second sync knows of one before it only, and the third expects two"
    assert data_syncs(life) == 2 + 3 * EACH
    slowest, syncs, in_vain = 0.1 * (1 + 2 / 3) * EACH, 0.001 * (2 + EACH), 0.001
    assert round(life.scheduler.now() - 1_000_000_000, 4) <= round(slowest + syncs + in_vain, 4)


class _Forgets(Committer):
    """Whoever comes through a gate forgets those behind."""

    def _wait(self, gate: Gate, seconds: float | None = None) -> bool:
        return gate.wait(seconds)


def test_a_lost_wake_up_is_found() -> None:
    forgetful = type("Forgetful", (Log,), {"parts": Parts(committer=_Forgets)})
    stuck = 0
    for seed in SEEDS:
        life = Life(Options(), seed, log_class=forgetful)
        with suppress(Deadlock, AssertionError):
            life.run(partial(run_all, life))
            continue
        stuck += 1
    assert stuck


def test_an_interrupt_while_others_are_awaited_stops_nobody_else() -> None:
    """As Ctrl-C in the thread that leads: whatever ends it, the next one can lead."""

    class Interrupted(RealGate):
        def wait(self, timeout: float | None = None) -> bool:
            raise KeyboardInterrupt

    class Interrupts(RealRuntime):
        def gate(self) -> Gate:
            return Interrupted()

    log = Log(MemoryVfs(), Interrupts(), Options(group_delay_ms=1))
    log._committer._expected = 2
    with pytest.raises(KeyboardInterrupt):
        log.append(b"a")
    log._committer._expected = 1
    assert log.append(b"b").durable
    log.close()


def test_real_threads(tmp_path: Path) -> None:
    log = Log(RealVfs(tmp_path), RealRuntime(), Options(wal_bytes=3000))
    sequences: list[int] = []

    def work() -> None:
        for _ in range(25):
            receipt = log.append(b"x" * 50)
            assert receipt.durable
            assert log.durable_sequence > receipt.sequence
            sequences.append(receipt.sequence)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(sequences) == list(range(200))
    assert log._committer.syncs < 200
    log.close()
    assert len(shown(Log(RealVfs(tmp_path), RealRuntime()))) == 200


# -- conditional appends -------------------------------------------------------------------------------------------


def test_an_append_on_a_condition() -> None:
    log = Log(MemoryVfs(), StillRuntime(), Options(wal_bytes=200))
    assert log.append(b"a", expected=0).sequence == 0
    assert log.append_batch([b"b", b"c"], expected=1).sequence == 1
    for wrong in (0, 2, 4):
        with pytest.raises(SequenceConflict) as caught:
            log.append(b"x", expected=wrong)
        assert (caught.value.expected, caught.value.actual) == (wrong, 3)
        with pytest.raises(SequenceConflict):
            log.append_batch([b"x"], expected=wrong)
        with pytest.raises(SequenceConflict):
            log.append_batch([], expected=wrong)
    assert shown(log) == [b"a", b"b", b"c"]
    assert log.append_batch([], expected=3).count == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_of_those_who_expect_the_same_number_one_gets_it(seed: int) -> None:
    life = Life(configured(seed), seed)
    won: list[tuple[int, str]] = []
    conflicts: list[SequenceConflict] = []

    def work(log: Log, name: str) -> None:
        for _ in range(EACH):
            expected = log.next_sequence
            try:
                sequence = log.append(name.encode() * 30, expected=expected).sequence
            except SequenceConflict as conflict:
                conflicts.append(conflict)
            else:
                assert sequence == expected
                won.append((sequence, name))

    def main(log: Log) -> Any:
        all_at_once(life, partial(work, log))
        return list(log.records())

    records = life.run(main)
    assert all(conflict.actual > conflict.expected for conflict in conflicts)
    assert len(won) + len(conflicts) == 3 * EACH
    assert [(number, payload[:1].decode()) for number, payload in records] == sorted(won)


class _ChecksTooEarly(Log):
    """Compares, and appends after having waited for others."""

    def append(self, payload: bytes, expected: int | None = None) -> Any:
        if expected is not None and self.next_sequence != expected:
            raise SequenceConflict(expected, self.next_sequence)
        return super().append(payload)


def test_a_comparison_that_is_not_atomic_is_found() -> None:
    agreed: list[bool] = []

    def work(log: Log, name: str) -> None:
        for _ in range(EACH):
            expected = log.next_sequence
            try:
                agreed.append(log.append(name.encode(), expected=expected).sequence == expected)
            except SequenceConflict:
                continue  # what an honest log says

    def main(log: Log) -> None:
        all_at_once(life, partial(work, log))

    for seed in SEEDS:
        life = Life(configured(seed), seed, log_class=_ChecksTooEarly)
        life.run(main)
    assert not all(agreed)
