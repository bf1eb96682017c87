"""Subscribers: each record to each of them, in order, until it is acknowledged."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaoswal.vfs.memory import MemoryVfs
from chaoswal.wal import BadName, Log, LogClosed, NotHeld, Subscriber, SubscriberBusy, UnknownSubscriber
from chaoswal.wal.cursor import Cursor, pack_cursor, parse_cursor
from chaoswal.wal.manifest import Loss, Manifest, pack_manifest, parse_manifest
from tests.wal.disks import files_of, open_log, payload

NUMBERS = st.integers(0, 2**63)
NAMES = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)


def log_of(count: int, vfs: MemoryVfs | None = None) -> Log:
    """A log with so many records."""
    log = open_log(MemoryVfs() if vfs is None else vfs)
    for number in range(count):
        log.append(payload(number))
    return log


def numbers(subscriber: Subscriber, count: int) -> list[int]:
    """What a poll gives, by number; the payloads must be right."""
    given_out = subscriber.poll(count)
    assert [data for _, data in given_out] == [payload(number) for number, _ in given_out]
    return [number for number, _ in given_out]


@given(NAMES, NUMBERS, st.sets(NUMBERS, max_size=5))
def test_cursors_parse_back(name: str, position: int, acked: set[int]) -> None:
    cursor = Cursor(position, tuple(sorted(acked)), (1, 5), 7, 8, 9)
    assert parse_cursor(name, pack_cursor(name, cursor)) == cursor


@given(NUMBERS, st.sets(NAMES, max_size=5))
def test_manifests_parse_back(start: int, names: set[str]) -> None:
    losses = (Loss(1, 2, 3), Loss(4, 5, 6))
    manifest = Manifest(start=start, names=tuple(sorted(names)), epoch=7, dropped=8, losses=losses)
    assert parse_manifest(pack_manifest(manifest)) == manifest


def test_records_come_in_order_and_deferred_ones_first() -> None:
    subscriber = log_of(10).subscribe("s")
    assert numbers(subscriber, 4) == [0, 1, 2, 3]
    subscriber.defer(2)
    subscriber.ack(3)
    subscriber.defer(1)
    assert numbers(subscriber, 4) == [1, 2, 4, 5]
    assert numbers(subscriber, 0) == numbers(subscriber, -1) == []
    assert numbers(subscriber, 100) == [6, 7, 8, 9]
    assert numbers(subscriber, 1) == []


def test_a_record_may_be_claimed_out_of_turn() -> None:
    subscriber = log_of(6).subscribe("s")
    assert subscriber.claim(2) == (2, payload(2))
    assert numbers(subscriber, 3) == [0, 1, 3]
    subscriber.defer(1)
    assert subscriber.claim(1) == (1, payload(1))
    subscriber.claim(5)
    subscriber.defer(5)
    assert numbers(subscriber, 9) == [4, 5]
    for wrong in (0, 6, 99):
        with pytest.raises(NotHeld):
            subscriber.claim(wrong)


def test_only_what_is_held_can_be_acknowledged_or_deferred() -> None:
    subscriber = log_of(6).subscribe("s")
    numbers(subscriber, 3)
    subscriber.ack(0)
    subscriber.ack(0)
    subscriber.ack(2)
    subscriber.ack(2)
    for act in (subscriber.ack, subscriber.defer):
        with pytest.raises(NotHeld):
            act(4)
    with pytest.raises(NotHeld):
        subscriber.defer(0)


def test_closing_or_dropping_a_handle_defers_what_it_held() -> None:
    log = log_of(5)
    with log.subscribe("s") as subscriber:
        numbers(subscriber, 3)
        subscriber.ack(1)
        with pytest.raises(SubscriberBusy):
            log.subscribe("s")
    with pytest.raises(LogClosed):
        subscriber.poll(1)
    dropped = log.subscribe("s")
    assert numbers(dropped, 2) == [0, 2]
    del dropped
    assert numbers(log.subscribe("s"), 9) == [0, 2, 3, 4]


@pytest.mark.parametrize("name", ["", "a/b", "a.b", "x" * 65, "ü", "a\n"])
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(BadName):
        log_of(0).subscribe(name)


def test_where_a_new_subscriber_begins() -> None:
    log = log_of(5)
    assert numbers(log.subscribe("all"), 9) == [0, 1, 2, 3, 4]
    latest = log.subscribe("new", "latest")
    assert numbers(latest, 9) == []
    log.append(payload(5))
    assert numbers(latest, 9) == [5]
    with pytest.raises(ValueError, match="earliest"):
        log.subscribe("x", "middle")


def test_subscribers_are_remembered_and_forgotten() -> None:
    vfs = MemoryVfs()
    log = log_of(5, vfs)
    handle = log.subscribe("a")
    log.subscribe("b")
    log.unregister("a")
    with pytest.raises(LogClosed):
        handle.poll(1)
    with pytest.raises(UnknownSubscriber):
        log.unregister("a")
    log = open_log(MemoryVfs(vfs.killed()))
    assert log.subscribers == ("b",)
    assert "subscriber-a.cur" not in files_of(vfs)


def test_cleanup_waits_for_all_who_are_registered_active_or_not() -> None:
    vfs = MemoryVfs()
    log = log_of(20, vfs)
    assert log.cleanup() == 0
    fast, slow = log.subscribe("fast"), log.subscribe("slow")
    for number in numbers(fast, 20):
        fast.ack(number)
    assert log.cleanup() == 0
    for number in numbers(slow, 7):
        slow.ack(number)
    slow.close()
    start = log.cleanup()
    assert 0 < start <= 7
    log = open_log(MemoryVfs(vfs.killed()))
    assert log.cleanup() == start
    log.unregister("slow")
    assert log.cleanup() == 20


def test_a_delete_that_fails_is_tried_again() -> None:
    vfs = MemoryVfs()
    log = log_of(20, vfs)
    subscriber = log.subscribe("s")
    for number in numbers(subscriber, 20):
        subscriber.ack(number)
    unlink, failing = vfs.unlink, [True]

    def faulty(path: str) -> None:
        if failing[0]:
            raise OSError(5, "Input/output error")
        unlink(path)

    vfs.unlink = faulty  # type: ignore[method-assign]
    start = log.cleanup()
    assert start == log.start_sequence > 0
    assert "segment-00000000000000000000.seg" in files_of(vfs)
    failing[0] = False
    assert log.cleanup() == start
    assert "segment-00000000000000000000.seg" in files_of(vfs)
    assert log.maintain().waiting > 0
    log._runtime.sleep(1)
    assert log.maintain().waiting == 0
    assert "segment-00000000000000000000.seg" not in files_of(vfs)


def test_a_rejected_record_is_finished_and_counted_for_ever() -> None:
    vfs = MemoryVfs()
    log = log_of(20, vfs)
    subscriber = log.subscribe("s")
    numbers(subscriber, 20)
    subscriber.reject(3)
    subscriber.reject(3)
    subscriber.ack(1)
    subscriber.reject(0)
    with pytest.raises(NotHeld):
        subscriber.reject(25)
    assert (subscriber.counts(), subscriber.rejected, subscriber.position) == ((2, 0), (0, 3), 2)
    before = open_log(MemoryVfs(vfs.killed())).subscribe("s")
    assert (before.counts(), numbers(before, 2)) == ((0, 0), [0, 1])
    subscriber.flush()
    after = open_log(MemoryVfs(vfs.killed())).subscribe("s")
    assert (after.counts(), after.rejected, numbers(after, 2)) == ((2, 0), (0, 3), [2, 4])
    for number in {*range(20)} - {0, 1, 3, 19}:
        subscriber.ack(number)
    assert log.cleanup() > 3
    subscriber.reject(19)
    assert (subscriber.counts(), subscriber.rejected) == ((3, 0), (19,))


def test_a_subscriber_is_registered_taken_up_put_down_and_forgotten() -> None:
    log = log_of(5)
    for start in ("resume", "skip"):
        with pytest.raises(UnknownSubscriber):
            log.subscribe("s", start)
    with pytest.raises(ValueError, match="earliest"):
        log.register("s", "resume")
    log.register("s", "latest")
    log.register("s", "earliest")
    handle = log.subscribe("s", "resume")
    assert (handle.position, numbers(handle, 9)) == (5, [])
    log.append(payload(5))
    assert numbers(handle, 9) == [5]
    log.deactivate("s")
    with pytest.raises(LogClosed):
        handle.ack(5)
    assert log.subscribers == ("s",)
    assert numbers(log.subscribe("s", "skip"), 9) == [5]
    with pytest.raises(UnknownSubscriber):
        log.deactivate("x")
    log.unregister("s")
    with pytest.raises(UnknownSubscriber):
        log.subscribe("s", "skip")


def test_a_flush_without_news_writes_nothing() -> None:
    vfs = MemoryVfs()
    subscriber = log_of(5, vfs).subscribe("s")
    numbers(subscriber, 3)
    before = len(vfs.events())
    subscriber.flush()
    assert len(vfs.events()) == before
    subscriber.ack(1)
    subscriber.flush()
    assert len(vfs.events()) > before


@given(st.lists(st.tuples(st.sampled_from(["poll", "ack", "defer", "claim", "flush", "crash"]), st.integers(0, 11))))
def test_any_use_agrees_with_sets(steps: list[tuple[str, int]]) -> None:
    """A model: what is acknowledged, held, deferred; a crash goes back to what was flushed."""
    vfs = MemoryVfs()
    log = log_of(12, vfs)
    subscriber = log.subscribe("s")
    acked, held, deferred, flushed, fresh = set[int](), set[int](), set[int](), set[int](), 0
    for word, number in steps:
        match word:
            case "poll":
                due = sorted(deferred) + [n for n in range(fresh, 12) if n not in acked | held]
                got = numbers(subscriber, number % 4)
                assert got == due[: number % 4]
                fresh = max([fresh, *(n + 1 for n in got)])
                held |= set(got)
                deferred -= set(got)
            case "claim" if number in deferred or (number >= fresh and number not in acked | held):
                subscriber.claim(number)
                held.add(number)
                deferred.discard(number)
            case "ack" if number in held:
                subscriber.ack(number)
                held.remove(number)
                acked.add(number)
            case "defer" if number in held:
                subscriber.defer(number)
                held.remove(number)
                deferred |= {number} if number < fresh else set()
            case "flush":
                subscriber.flush()
                flushed = set(acked)
            case "crash":
                vfs = MemoryVfs(vfs.killed())
                log = open_log(vfs)
                subscriber = log.subscribe("s")
                acked, held, deferred, fresh = set(flushed), set(), set(), 0
            case _:
                _refused(subscriber, word, number, acked)


def _refused(subscriber: Any, word: str, number: int, acked: set[int]) -> None:
    if word == "ack" and number in acked:
        subscriber.ack(number)
        return
    with pytest.raises(NotHeld):
        getattr(subscriber, word)(number)
