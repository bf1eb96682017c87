"""Retention: what may go although somebody has not finished it, what is counted then, and who is moved on."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaoswal.disk.faults import Fault, FaultPlan
from chaoswal.vfs.memory import MemoryVfs
from chaoswal.vfs.runtime import StillRuntime
from chaoswal.wal import AtCapacity, CorruptLog, Log, NotHeld, Options, RecordsMissed
from chaoswal.wal.files import cursor_name
from chaoswal.wal.manifest import Loss
from chaoswal.wal.upkeep import Maintained
from tests.wal.disks import disk_of, files_of, payload, shown

BUDGET = 2000
SEGMENT_BYTES = 40 + 3 * (32 + 50 + 16) + 56
"""Of three records of 50 bytes."""


def opened(vfs: MemoryVfs, **options: Any) -> Log:
    """A log with these options."""
    return Log(vfs, StillRuntime(1), Options(**{"wal_bytes": 300, **options}))


def fill(log: Log, count: int, first: int = 0) -> int:
    """Append until there is no more room, at most so often; returns how many went in."""
    for number in range(first, first + count):
        try:
            log.append(payload(number, 50))
        except AtCapacity:
            return number - first
    return count


def consume(log: Log, name: str, count: int) -> list[int]:
    """Take a subscriber up, finish so many records, and put it down."""
    with log.subscribe(name) as subscriber:
        taken = [number for number, _ in subscriber.poll(count)]
        for number in taken:
            subscriber.ack(number)
    return taken


def stored_bytes(vfs: MemoryVfs) -> int:
    """What WAL and segments take up."""
    return sum(len(data) for name, data in files_of(vfs).items() if name.endswith((".wal", ".seg")))


# -- back pressure -------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.sampled_from(["append", "batch", "consume", "cleanup", "rotate"]), st.integers(0, 300))))
def test_the_budget_is_kept_and_nothing_is_lost(steps: list[tuple[str, int]]) -> None:
    vfs = MemoryVfs()
    log = opened(vfs, budget_bytes=BUDGET)
    log.register("s")
    written: list[bytes] = []
    refused: list[AtCapacity] = []
    for word, size in steps:
        try:
            match word:
                case "append":
                    log.append(bytes(size))
                    written.append(bytes(size))
                case "batch":
                    log.append_batch([b"1", bytes(size)])
                    written += [b"1", bytes(size)]
                case "consume":
                    consume(log, "s", size % 4)
                case "cleanup":
                    log.cleanup()
                case _:
                    log.rotate()
        except AtCapacity as error:
            refused.append(error)
        assert stored_bytes(vfs) <= log.used_bytes <= BUDGET
        assert shown(log) == written[log.start_sequence :]
    assert log.losses == {"budget": Loss(), "age": Loss()}
    assert all(error.used_bytes + error.needed_bytes > error.budget_bytes == BUDGET for error in refused)


def test_appends_go_on_after_cleanup_even_where_the_wal_alone_is_in_the_way() -> None:
    for wal_bytes in (300, 10_000):
        log = opened(MemoryVfs(), budget_bytes=BUDGET, wal_bytes=wal_bytes)
        log.register("s")
        first = 0
        for _ in range(4):
            count = fill(log, 100, first)
            assert count > 5
            first += count
            assert fill(log, 1, first) == 0
            consume(log, "s", count)
            assert log.cleanup() == first


def test_a_full_log_is_recovered_under_any_budget() -> None:
    vfs = MemoryVfs()
    log = opened(vfs, budget_bytes=BUDGET)
    log.register("s")
    count = fill(log, 100)
    for budget in (BUDGET, BUDGET // 2, 1):
        log = opened(MemoryVfs(vfs.killed()), budget_bytes=budget)
        assert len(shown(log)) == count
        with pytest.raises(AtCapacity):
            log.append(bytes(50))
        assert len(consume(log, "s", count)) == count
        assert log.maintain().first == count
    assert fill(opened(MemoryVfs(vfs.killed()), budget_bytes=BUDGET), 3) == 0


# -- dropping the oldest -------------------------------------------------------------------------------------------


def test_the_oldest_are_dropped_and_the_loss_is_exact() -> None:
    vfs = MemoryVfs()
    log = opened(vfs, budget_bytes=BUDGET, budget_policy="drop-oldest")
    fast, slow = log.subscribe("fast"), log.subscribe("slow")
    fill(log, 6)
    for subscriber, finished in ((fast, (0, 1, 2, 3, 4)), (slow, (1, 3, 4, 5))):
        subscriber.poll(6)
        for number in finished:
            subscriber.ack(number)
    for number in range(100):
        log.append(payload(number + 6, 50))
        assert log.used_bytes <= BUDGET
    gone = log.start_sequence
    assert 0 < gone < 106 == log.next_sequence
    dropped = log.counters().segments_dropped
    assert log.losses["budget"] == Loss(dropped, gone - 3, dropped * SEGMENT_BYTES)
    assert gone == 3 * dropped


@pytest.mark.parametrize("killed", [False, True])
def test_who_is_behind_is_skipped_ahead_and_told(killed: bool) -> None:
    vfs = MemoryVfs()
    log = opened(vfs, budget_bytes=BUDGET, budget_policy="drop-oldest")
    log.register("slow")
    fill(log, 5)
    slow = log.subscribe("slow")
    assert [number for number, _ in slow.poll(3)] == [0, 1, 2]
    slow.ack(1)
    fill(log, 60, 5)
    start = log.start_sequence
    assert start > 5
    if killed:
        vfs = MemoryVfs(vfs.killed())
        log = opened(vfs, budget_bytes=BUDGET, budget_policy="drop-oldest")
    else:
        slow.ack(0)
        slow.reject(2)
        slow.defer(0)
        slow.close()
    with pytest.raises(RecordsMissed, match=f"{start - 1} records"):
        log.subscribe("slow", "resume")
    slow = log.subscribe("slow", "skip")
    assert (slow.skipped, slow.counts(), slow.position) == (start - 1, (0, start - 1), start)
    assert slow.poll(1)[0][0] == start
    assert log.losses["budget"].records == start - 1
    slow.close()
    assert log.subscribe("slow", "resume").skipped == 0


def test_a_strict_handle_does_not_go_on_behind_a_gap() -> None:
    log = opened(MemoryVfs(), budget_bytes=BUDGET, budget_policy="drop-oldest")
    log.register("s")
    strict = log.subscribe("s", "resume")
    fill(log, 60)
    with pytest.raises(RecordsMissed):
        strict.poll(1)
    strict.close()
    lax = log.subscribe("s", "earliest")
    fill(log, 60, 60)
    lax.poll(1)
    assert lax.skipped == log.start_sequence
    with pytest.raises(NotHeld):
        lax.defer(log.start_sequence + 1)


def test_a_subscriber_behind_a_start_that_no_drop_made_is_damaged() -> None:
    vfs = MemoryVfs()
    log = opened(vfs, budget_bytes=BUDGET, budget_policy="drop-oldest")
    log.register("s")
    before = files_of(vfs)[cursor_name("s")]
    fill(log, 60)
    assert log.subscribe("s").skipped == log.start_sequence
    consume_all = log.subscribe("t")
    log.unregister("t")
    del consume_all
    consume(log, "s", 10)
    start = log.start_sequence
    assert log.cleanup() > start
    files = files_of(vfs) | {cursor_name("s"): before}
    with pytest.raises(CorruptLog, match="has not had records"):
        opened(disk_of(files)).subscribe("s")


def test_what_never_fits_is_refused_before_anything_is_dropped() -> None:
    log = opened(MemoryVfs(), budget_bytes=BUDGET, budget_policy="drop-oldest")
    fill(log, 5)
    with pytest.raises(AtCapacity):
        log.append(bytes(BUDGET))
    assert log.start_sequence == 0
    log.append(bytes(BUDGET - 300))
    assert (log.start_sequence, log.losses["budget"].records) == (5, 5)


def test_a_smaller_budget_is_enforced_by_maintenance() -> None:
    vfs = MemoryVfs()
    fill(opened(vfs), 40)
    log = opened(MemoryVfs(vfs.killed()), budget_bytes=BUDGET, budget_policy="drop-oldest")
    assert log.used_bytes > BUDGET
    done = log.maintain()
    assert done.dropped > 0
    assert log.used_bytes <= BUDGET
    assert log.losses["budget"].records == done.first == log.start_sequence


# -- age, and slow subscribers -------------------------------------------------------------------------------------


def test_old_segments_expire() -> None:
    runtime = StillRuntime(1)
    log = Log(MemoryVfs(), runtime, Options(age_seconds=10))
    for number in range(3):
        log.append(payload(number))
        log.rotate()
        runtime.sleep(5)
    log.append(payload(3))
    assert log.maintain() == Maintained(
        flushed=0, cleaned=0, expired=2, dropped=0, skipped=(), unregistered=(), deleted=0, waiting=0, first=2
    )
    assert (log.losses["age"].segments, log.losses["age"].records) == (2, 2)
    runtime.sleep(4.9)
    assert log.maintain().expired == 0
    log.register("s")
    consume(log, "s", 4)
    runtime.sleep(99)
    assert (log.maintain().cleaned, log.losses["age"].records) == (1, 2)


@pytest.mark.parametrize("slow", ["skip", "unregister"])
@pytest.mark.parametrize("limit", [{"lag_records": 4}, {"lag_seconds": 3}])
def test_who_is_too_slow_is_moved_on_or_unregistered(slow: Any, limit: dict[str, Any]) -> None:
    runtime = StillRuntime(1)
    vfs = MemoryVfs()
    log = Log(vfs, runtime, Options(slow=slow, **limit))
    for name in ("fast", "slow"):
        log.register(name)
    fill(log, 10)
    log.maintain() if "lag_seconds" in limit else None
    consume(log, "fast", 8)
    runtime.sleep(2.9)
    if "lag_seconds" in limit:
        early = log.maintain()
        assert not early.skipped
        assert not early.unregistered
    runtime.sleep(0.2)
    done = log.maintain()
    to = 6 if "lag_records" in limit else 10
    if slow == "skip":
        assert (done.skipped, done.unregistered) == ((("slow", to),), ())
        again = Log(MemoryVfs(vfs.killed()), runtime).subscribe("slow")
        assert (again.skipped, again.counts(), again.position) == (to, (0, to), to)
    else:
        assert (done.skipped, done.unregistered) == ((), ("slow",))
        assert log.subscribers == ("fast",)


# -- deletes that fail ---------------------------------------------------------------------------------------------


def finished_log(vfs: MemoryVfs) -> Log:
    """Three segments that all have finished."""
    log = opened(vfs)
    log.register("s")
    for number in range(3):
        log.append(payload(number))
        log.rotate()
    consume(log, "s", 3)
    return log


def test_a_delete_is_retried_after_one_second_then_two_up_to_a_minute() -> None:
    vfs = MemoryVfs()
    log = finished_log(vfs)
    tried: list[float] = []

    def failing(path: str) -> None:
        tried.append(log._runtime.now())
        raise OSError(5, "Input/output error")

    unlink, vfs.unlink = vfs.unlink, failing  # type: ignore[method-assign]
    assert log.cleanup() == 3
    for _ in range(4000):
        assert log.maintain().waiting == 3
        log._runtime.sleep(0.1)
    times = sorted(set(tried))
    waits = [round(after - before) for before, after in itertools.pairwise(times)]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60]
    vfs.unlink = unlink  # type: ignore[method-assign]
    log._runtime.sleep(60)
    done = log.maintain()
    assert (done.deleted, done.waiting) == (3, 0)
    assert not [name for name in files_of(vfs) if name.endswith(".seg")]


def test_what_could_not_be_deleted_is_found_at_the_next_opening_and_never_served() -> None:
    vfs = MemoryVfs()
    log = finished_log(vfs)
    plan = FaultPlan((Fault.parse("fail EIO on unlink of * nth 1 from then on"),))
    vfs.inject(plan)
    assert log.cleanup() == 3
    left = files_of(vfs)
    assert sum(name.endswith(".seg") for name in left) == 3
    again = disk_of(left)
    assert (shown(opened(again)), opened(disk_of(left)).start_sequence) == ([], 3)
    assert not [name for name in files_of(again) if name.endswith(".seg")]
    stubborn = disk_of(left)
    stubborn.inject(plan)
    log = opened(stubborn)
    assert (shown(log), log.start_sequence, log.maintain().waiting) == ([], 3, 3)
    stubborn.inject(FaultPlan(()))
    log._runtime.sleep(1)
    assert log.maintain().deleted == 3


# -- all in one ----------------------------------------------------------------------------------------------------


def test_maintenance_does_all_that_is_due() -> None:
    vfs = MemoryVfs()
    log = finished_log(vfs)
    done = log.maintain()
    assert (done.flushed, done.cleaned, done.first) == (1, 3, 3)
    events = len(vfs.events())
    assert log.maintain() == Maintained(
        flushed=0, cleaned=0, expired=0, dropped=0, skipped=(), unregistered=(), deleted=0, waiting=0, first=3
    )
    assert len(vfs.events()) == events
