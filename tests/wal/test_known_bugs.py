"""The known bugs of logs like this one, each as a scenario that ours survives and a small wrong version does not.

The wrong versions are those of the zoo where it has them. A scenario is given the class of the log, and is told of a
failure by any exception.
"""

import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from chaoswal.disk.disk import Disk
from chaoswal.disk.faults import Fault, FaultPlan
from chaoswal.engines.bugs import ENTRIES
from chaoswal.engines.bugs.frames import NoChecksum
from chaoswal.vfs.memory import MemoryVfs
from chaoswal.vfs.runtime import StillRuntime
from chaoswal.wal import AtCapacity, Log, LogPoisoned, Options
from chaoswal.wal.files import IDENTITY_BYTES, WAL_MAGIC, header_seed, pack_header, segment_name, wal_name
from chaoswal.wal.frames import FRAME_BYTES, MAGIC
from chaoswal.wal.log import Parts
from chaoswal.wal.survey import Survey, Surveyor
from chaoswal.wal.walfile import WalBirth, WalFile
from tests.wal.disks import disk_of, files_of, open_log, payload, shown

Scenario = Callable[[type[Log]], None]


def planted(name: str) -> type[Log]:
    """The log with a bug of the zoo."""
    return ENTRIES[name].adapter.log_class


def with_parts(**parts: Any) -> type[Log]:
    """The log with a wrong part."""
    return type("Wrong", (Log,), {"parts": Parts(**parts)})


def log_of(count: int, vfs: MemoryVfs, kind: type[Log], **options: Any) -> Log:
    """A log with so many records, and a subscriber."""
    log = open_log(vfs, log_class=kind, **options)
    log.register("s")
    for number in range(count):
        log.append(payload(number))
    return log


def consume(log: Log) -> None:
    """Let the subscriber finish everything."""
    with log.subscribe("s") as subscriber:
        for number, _ in subscriber.poll(1000):
            subscriber.ack(number)


def after_each_kill(vfs: MemoryVfs, start: int, kind: type[Log]) -> Iterator[Log]:
    """The log, recovered after a kill at each event from number ``start`` on."""
    events = vfs.events()
    for point in range(start, len(events) + 1):
        yield open_log(MemoryVfs(Disk().after(events[:point])), seed=5, log_class=kind)


def sequence_restarts_after_cleaning_everything(kind: type[Log]) -> None:
    """Quiver #4024 and #1855: with no segment left the next one was number 0 again, below what all had finished."""
    vfs = MemoryVfs()
    log = log_of(5, vfs, kind)
    log.rotate()
    consume(log)
    assert log.cleanup() == 5
    log.close()
    log = open_log(MemoryVfs(vfs.killed()), log_class=kind)
    assert log.append(payload(5)).sequence == 5
    assert [number for number, _ in log.subscribe("s").poll(9)] == [5]


def lost_unlink_redelivers_a_dropped_segment(kind: type[Log]) -> None:
    """Quiver #1792: a segment was deleted, the directory not synced; after a power cut it was there, and served."""
    vfs = MemoryVfs()
    log = log_of(20, vfs, kind)
    consume(log)
    before = files_of(vfs)
    start = log.cleanup()
    assert start > 0
    log.close()
    again = disk_of(before | files_of(vfs))
    log = open_log(again, log_class=kind)
    assert shown(log) == [payload(number) for number in range(start, 20)]
    assert segment_name(0) not in files_of(again)


def retry_after_a_failed_directory_sync_reports_success(kind: type[Log]) -> None:
    """Quiver: the rename was done, the sync of the directory failed; the retry found nothing to do and said success."""
    vfs = MemoryVfs()
    log = log_of(3, vfs, kind)
    vfs.inject(FaultPlan((Fault.parse("fail EIO on fsync of * nth 2 once"),)))
    with suppress(OSError):
        log.rotate()
        raise AssertionError("the failure was not reported")
    with suppress(LogPoisoned):
        log.rotate()
        raise AssertionError("the retry was a success")


def wal_is_written_and_never_replayed(kind: type[Log]) -> None:
    """SparrowDB #303; Quiver's first version: recovery opened the segments and left the WAL alone."""
    vfs = MemoryVfs()
    log_of(7, vfs, kind, wal_bytes=1000)
    assert len(shown(open_log(MemoryVfs(vfs.killed()), log_class=kind))) == 7


def append_after_torn_garbage(kind: type[Log]) -> None:
    """StemeDB: after a crash the next record was appended behind the torn tail, where no recovery reads."""
    vfs = MemoryVfs()
    log_of(2, vfs, kind)
    files = files_of(vfs)
    files[wal_name(0)] += b"CWf1 and then nothing that makes sense"
    vfs = disk_of(files)
    open_log(vfs, log_class=kind).append(payload(2))
    assert len(shown(open_log(MemoryVfs(vfs.killed()), seed=5, log_class=kind))) == 3


def replay_deadlocks_under_a_tight_budget(kind: type[Log]) -> None:
    """Quiver: replay needed room that only cleanup could give, and cleanup came after replay."""
    vfs = MemoryVfs()
    options = Options(budget_bytes=1000)
    log = kind(vfs, StillRuntime(), options)
    log.register("s")
    for generation in range(2):
        with suppress(AtCapacity):
            for number in range(100):
                log.append(payload(number))
        vfs = MemoryVfs(vfs.killed())
        log = kind(vfs, StillRuntime(generation), options)
        for size in (500, 400):  # the first is in the WAL, and in the way of the second
            consume(log)
            assert log.cleanup() == log.next_sequence
            assert log.append(bytes(size)).durable


def finalize_error_is_swallowed(kind: type[Log]) -> None:
    """Quiver: a segment that could not be finished was logged as a warning, and its WAL was deleted."""
    vfs = MemoryVfs()
    log = log_of(3, vfs, kind)
    vfs.inject(FaultPlan((Fault.parse("fail ENOSPC on write of *.seg.tmp nth 1 once"),)))
    with suppress(OSError):
        log.rotate()
        raise AssertionError("the failure was swallowed")
    assert len(shown(open_log(MemoryVfs(vfs.killed()), log_class=kind))) == 3


def failed_flush_then_success_moves_the_cursor_past_the_lost_records(kind: type[Log]) -> None:
    """Quiver: segment 1 failed, segment 2 was written, and the WAL's cursor moved behind both."""
    vfs = MemoryVfs()
    log = log_of(3, vfs, kind)
    vfs.inject(FaultPlan((Fault.parse("fail EIO on write of *.seg.tmp nth 1 once"),)))
    for act in (log.rotate, lambda: log.append(payload(3)), log.rotate):
        with suppress(OSError, LogPoisoned):
            act()
    records = shown(open_log(MemoryVfs(vfs.killed()), seed=5, log_class=kind))
    assert records[:3] == [payload(number) for number in range(3)]


def cursor_is_set_before_the_record_is_in_the_segment(kind: type[Log]) -> None:
    """Quiver: the WAL's cursor was moved when a segment was begun; a kill before its end lost what it was to hold."""
    vfs = MemoryVfs()
    log = log_of(3, vfs, kind)
    start = len(vfs.events())
    log.rotate()
    for recovered in after_each_kill(vfs, start, kind):
        assert len(shown(recovered)) == 3


def kill_between_rename_and_new_header(kind: type[Log]) -> None:
    """Quiver: the WAL was renamed away and the new one had no header yet; nothing could be opened after that."""
    vfs = MemoryVfs()
    log = log_of(3, vfs, kind)
    start = len(vfs.events())
    log.rotate()
    log.append(payload(3))
    for recovered in after_each_kill(vfs, start, kind):
        assert len(shown(recovered)) >= 3
        assert recovered.append(b"on").durable


def cleanup_without_a_progress_flush(kind: type[Log]) -> None:
    """Quiver #4137: segments were deleted while the progress that allowed it was in memory only."""
    vfs = MemoryVfs()
    log = log_of(20, vfs, kind)
    consume(log)
    start = log.cleanup()
    assert start > 0
    log = open_log(MemoryVfs(vfs.killed()), log_class=kind)
    assert [number for number, _ in log.subscribe("s").poll(99)] == list(range(20, 20))
    assert log.start_sequence == start


def state_file_is_rewritten_in_place(kind: type[Log]) -> None:
    """Chronicle, ``index.meta``: truncated and written again; a kill in between left an empty one."""
    vfs = MemoryVfs()
    log = log_of(20, vfs, kind)
    consume(log)
    start = len(vfs.events())
    log.cleanup()
    for recovered in after_each_kill(vfs, start, kind):
        assert recovered.subscribers == ("s",)
        assert recovered.next_sequence == 20


def aborted_append_becomes_a_ghost_behind_a_shorter_record(kind: type[Log]) -> None:
    """StemeDB: an append failed half-way; the next record was shorter, and behind it the old bytes made another one."""
    vfs = MemoryVfs()
    log = log_of(1, vfs, kind, wal_bytes=100_000)
    short = b"short"
    ghost = struct.pack("<4sIIIQQ", MAGIC, 0, 5, 0, 2, 0) + b"ghost"
    vfs.inject(FaultPlan(tuple(map(Fault.parse, _TORN))))
    with suppress(OSError):
        log.append(short + ghost + bytes(200))
        raise AssertionError("the append was to fail")
    with suppress(LogPoisoned):
        log.append(short)
    records = shown(open_log(MemoryVfs(vfs.killed()), seed=5, log_class=kind))
    assert records in ([payload(0)], [payload(0), short])


_TORN = (
    f"short write of *.wal nth 1 at {FRAME_BYTES + 5 + FRAME_BYTES + 5}",
    "fail ENOSPC on write of *.wal nth 2 once",
)


class ServesWhatIsThere(Surveyor):
    """Any segment that is found is served, whatever the manifest says of it."""

    def look_at_manifest(self, found: Survey) -> None:
        super().look_at_manifest(found)
        if found.manifest is not None:
            found.manifest = found.manifest.with_start(0)


class Forgiving(Log):
    """A failure is reported once, and then forgotten."""

    def _poison(self, doing: str, error: BaseException) -> None:
        pass


class KeepsWal(Log):
    """Cleanup frees segments only."""

    def _finish_wal(self) -> None:
        pass


class NamesFirst(WalBirth):
    """A WAL has its name before it has its header."""

    def make(self, first: int) -> WalFile:
        if not first:
            return super().make(first)
        header = pack_header(WAL_MAGIC, self._entropy(IDENTITY_BYTES), first)
        file = self._vfs.create(wal_name(first))
        file.write(0, header)
        return self._wal_file(file, first, header_seed(header), self._codec)


class LeavesStaleBytes(WalFile):
    """What an aborted append has written stays where it is, and is written over."""

    def truncate(self) -> None:
        pass


CASES: tuple[tuple[Scenario, type[Log]], ...] = (
    (sequence_restarts_after_cleaning_everything, planted("sequence-restarts-after-cleanup")),
    (lost_unlink_redelivers_a_dropped_segment, with_parts(surveyor=ServesWhatIsThere)),
    (retry_after_a_failed_directory_sync_reports_success, Forgiving),
    (wal_is_written_and_never_replayed, planted("replays-none")),
    (append_after_torn_garbage, planted("tail-not-truncated")),
    (replay_deadlocks_under_a_tight_budget, KeepsWal),
    (finalize_error_is_swallowed, planted("swallows-finalize-error")),
    (
        failed_flush_then_success_moves_the_cursor_past_the_lost_records,
        planted("failed-flush-then-success-skips-records"),
    ),
    (cursor_is_set_before_the_record_is_in_the_segment, planted("cursor-durable-before-data")),
    (kill_between_rename_and_new_header, with_parts(wal_birth=NamesFirst)),
    (cleanup_without_a_progress_flush, planted("cleanup-before-progress-durable")),
    (state_file_is_rewritten_in_place, planted("state-file-rewritten-in-place")),
    (aborted_append_becomes_a_ghost_behind_a_shorter_record, with_parts(codec=NoChecksum, wal_file=LeavesStaleBytes)),
)


@pytest.mark.parametrize("scenario", [scenario for scenario, _ in CASES], ids=lambda scenario: scenario.__name__)
def test_ours_survives(scenario: Scenario) -> None:
    scenario(Log)


@pytest.mark.parametrize(("scenario", "wrong"), CASES, ids=[scenario.__name__ for scenario, _ in CASES])
def test_a_wrong_one_does_not(scenario: Scenario, wrong: type[Log]) -> None:
    with pytest.raises(Exception) as caught:
        scenario(wrong)
    assert not isinstance(caught.value, TypeError | AttributeError | NameError)
