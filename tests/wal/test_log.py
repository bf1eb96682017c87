"""The log as a whole: any operations against a list, and what it does when the disk says no."""

import errno
import gc
import os
import pickle
import re
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import chaoswal.wal
from chaoswal.disk.disk import Disk
from chaoswal.disk.faults import Fault, FaultPlan
from chaoswal.disk.image import Image
from chaoswal.vfs.memory import MemoryVfs
from chaoswal.vfs.real import RealVfs
from chaoswal.vfs.runtime import RealRuntime, StillRuntime
from chaoswal.wal import (
    CorruptLog,
    Counters,
    Log,
    LogClosed,
    LogError,
    LogLocked,
    LogPoisoned,
    Options,
    Receipt,
    RecordGone,
)
from chaoswal.wal.files import wal_name
from tests.wal.disks import disk_of, files_of, filled, open_log, payload, shown

# -- any operations against a list ---------------------------------------------------------------------------------

OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 150)),
        st.tuples(st.just("batch"), st.lists(st.integers(0, 60), max_size=4)),
        st.tuples(st.sampled_from(["sync", "rotate", "reopen", "cleanup", "kill", "read"]), st.none()),
        st.tuples(st.just("consume"), st.integers(1, 8)),
    ),
    max_size=25,
)


@given(OPERATIONS, st.sampled_from(["each", "explicit"]), st.integers(60, 400))
def test_any_operations_agree_with_a_list(operations: list[tuple[str, Any]], sync: str, wal_bytes: int) -> None:
    vfs = MemoryVfs()
    log = open_log(vfs, sync=sync, wal_bytes=wal_bytes)
    subscriber = log.subscribe("s")
    written: list[bytes] = []
    start = finished = 0
    for step, (word, argument) in enumerate(operations):
        match word:
            case "append":
                record = bytes([step % 256]) * argument
                assert log.append(record).sequence == len(written)
                written.append(record)
            case "batch":
                batch = [bytes([step % 256]) * size for size in argument]
                receipt = log.append_batch(batch)
                assert (receipt.sequence, receipt.count) == (len(written), len(batch))
                written += batch
            case "sync":
                log.sync()
            case "rotate":
                log.rotate()
            case "consume":
                for number, data in subscriber.poll(argument):
                    assert (number, data) == (finished, written[finished])
                    subscriber.ack(number)
                    finished += 1
            case "cleanup":
                start = log.cleanup()
                assert start <= finished
            case "reopen" | "kill":
                if word == "reopen":
                    log.close()
                else:
                    subscriber.flush()
                vfs = MemoryVfs(vfs.killed())
                log = open_log(vfs, seed=step, sync=sync, wal_bytes=wal_bytes)
                subscriber = log.subscribe("s")
        assert log.start_sequence == start
        assert log.next_sequence == len(written)
        assert shown(log) == written[start : log.durable_sequence]
        if word in {"sync", "rotate", "reopen", "kill"} or sync == "each":
            assert log.durable_sequence == len(written)


@given(st.integers(0, 30), st.integers(0, 32))
def test_reading_begins_anywhere(count: int, start: int) -> None:
    log = open_log(MemoryVfs(), wal_bytes=500)
    for number in range(count // 2):
        log.append(payload(number))
    log.append_batch([payload(number) for number in range(count // 2, count)])
    assert list(log.records(start)) == [(number, payload(number)) for number in range(start, count)]


def test_a_record_of_a_long_segment_is_found_by_a_few_short_reads() -> None:
    plan = FaultPlan(tally=True)
    vfs = MemoryVfs(faults=plan)
    log = open_log(vfs, sync="explicit", wal_bytes=1 << 20)
    for number in range(1000):
        log.append(payload(number))
    log.rotate()
    plan.seen.clear()
    assert log._read(700, 100)[0] == (700, payload(700))
    reads = [call.length for call in plan.seen if call.call == "read"]
    assert len(reads) <= 10 + 3, "the search among a thousand; the header, what was found, and the frames"
    assert sum(reads) < 500


def test_large_records_and_many_pieces() -> None:
    log = open_log(MemoryVfs(), wal_bytes=3 << 20)
    records = [bytes([number]) * size for number, size in enumerate([5, 2_500_000, 0, 1 << 20, 7, 4_000_000, 3])]
    for record in records:
        log.append(record)
    assert shown(log) == records
    subscriber = log.subscribe("s")
    assert [subscriber.poll(1)[0][1] for _ in records] == records
    log.rotate()
    assert shown(log) == records
    assert [data for _, data in log.records(3)] == records[3:]


# -- what it promises ----------------------------------------------------------------------------------------------


def test_receipts_say_whether_it_is_durable() -> None:
    log = open_log(MemoryVfs(), sync="explicit")
    assert log.append(b"a") == Receipt(0, durable=False)
    assert list(log.records()) == []
    assert log.subscribe("s").poll(5) == []
    log.sync()
    assert [data for _, data in log.records()] == [b"a"]
    assert open_log(MemoryVfs()).append_batch([b"", b"b"]) == Receipt(0, durable=True, count=2)
    assert open_log(MemoryVfs()).append_batch([]) == Receipt(0, durable=True, count=0)


def test_nothing_restarts_when_everything_was_cleaned() -> None:
    vfs = MemoryVfs()
    log = open_log(vfs)
    subscriber = log.subscribe("s")
    for number in range(7):
        log.append(payload(number))
    log.rotate()
    for number, _ in subscriber.poll(99):
        subscriber.ack(number)
    assert log.cleanup() == 7
    log.close()
    assert not [name for name in files_of(vfs) if name.endswith(".seg")]
    log = open_log(disk_of(files_of(vfs)))
    assert (log.start_sequence, log.next_sequence, shown(log)) == (7, 7, [])
    assert log.append(b"on").sequence == 7
    with pytest.raises(RecordGone):
        list(log.records(3))


def test_a_clean_opening_changes_nothing() -> None:
    vfs = MemoryVfs()
    open_log(vfs).close()
    again = disk_of(files_of(vfs))
    open_log(again, seed=9).close()
    assert not again.changed()


def test_opening_the_same_files_twice_leaves_the_same_files() -> None:
    vfs = MemoryVfs()
    log = open_log(vfs)
    for number in range(8):
        log.append(payload(number))
    ends = []
    for _ in range(2):
        again = disk_of(files_of(vfs))
        open_log(again, seed=5)
        ends.append(files_of(again))
    assert ends[0] == ends[1]


# -- when the disk says no -----------------------------------------------------------------------------------------


def appended(log: Log, count: int = 3) -> list[int]:
    """Append some records."""
    return [log.append(payload(number)).sequence for number in range(count)]


@pytest.mark.parametrize("sync", ["each", "explicit"])
def test_a_failed_sync_poisons(sync: str) -> None:
    vfs = disk_of({}, "fail EIO on fdatasync of wal-*.wal nth 2 once")
    log = open_log(vfs, sync=sync)
    subscriber = log.subscribe("s")
    log.append(b"good")
    log.sync()
    with pytest.raises(OSError, match="Input/output"):  # noqa: PT012  which of the two syncs is the option's business
        log.append(b"lost")
        log.sync()
    for act in (lambda: log.append(b"x"), log.sync, log.rotate, log.cleanup, subscriber.flush):
        with pytest.raises(LogPoisoned):
            act()
    assert shown(log) == [b"good"]
    assert subscriber.poll(9) == [(0, b"good")]
    with pytest.raises(LogPoisoned):
        log.close()
    again = open_log(MemoryVfs(vfs.killed()))
    assert shown(again) in ([b"good"], [b"good", b"lost"])


@pytest.mark.parametrize(
    "fault",
    [
        "fail ENOSPC on create of segment-*.tmp nth 1 once",
        "fail ENOSPC on write of segment-*.tmp nth 1 once",
        "fail EIO on fsync of segment-*.tmp nth 1 once",
        "fail EIO on rename of segment-*.tmp nth 1 once",
        "fail EIO on fsync of wal-*.tmp nth 2 once",
        "fail EIO on unlink of wal-*.wal nth 1 once",
        "fail EIO on read of wal-*.wal nth 1 once",
    ],
)
def test_a_failed_finalize_poisons_and_loses_nothing(fault: str) -> None:
    vfs = disk_of({}, fault)
    log = open_log(vfs)
    appended(log)
    with pytest.raises(OSError, match=r"Input/output|No space"):
        log.rotate()
    with pytest.raises(LogPoisoned, match="finalize"):
        log.append(b"x")
    assert len(shown(log)) == 3 if "read" not in fault else True
    assert len(shown(open_log(MemoryVfs(vfs.killed())))) == 3


def test_a_failed_directory_sync_poisons() -> None:
    poisoned = 0
    for nth in range(6, 14):
        log = open_log(disk_of({}, f"fail EIO on fsync of * nth {nth} once"))
        log.append(b"a")
        try:
            log.subscribe("s")
            log.rotate()
        except OSError:
            poisoned += 1
            with pytest.raises(LogPoisoned):
                log.append(b"x")
    assert poisoned == 8


def test_nobody_is_told_to_be_registered_once_that_is_not_known() -> None:
    """The manifest without the name is there, and may go again with the sync of the directory that failed."""
    vfs = disk_of({}, "fail EIO on fsync of . nth 6 once")
    log = open_log(vfs)
    log.subscribe("s").close()
    with pytest.raises(OSError, match="Input/output"):
        log.unregister("s")
    for ask in (log.subscribe, log.register):
        with pytest.raises(LogPoisoned, match="manifest"):
            ask("s")
    assert open_log(MemoryVfs(vfs.killed())).subscribers == ()


@pytest.mark.parametrize("error", ["ENOSPC", "EIO", "EDQUOT", "EINTR"])
def test_a_failed_append_leaves_no_ghost(error: str) -> None:
    vfs = disk_of({}, "short write of wal-*.wal nth 2 at 60", f"fail {error} on write of wal-*.wal nth 3 once")
    log = open_log(vfs, wal_bytes=10_000)
    log.append(b"first")
    size = len(files_of(vfs)["wal-00000000000000000000.wal"])
    with pytest.raises(OSError, match=re.escape(os.strerror(getattr(errno, error)))) as caught:
        log.append(bytes(300))
    assert caught.value.errno == getattr(errno, error)
    assert len(files_of(vfs)["wal-00000000000000000000.wal"]) == size
    assert log.append(b"second").sequence == 1
    assert shown(open_log(MemoryVfs(vfs.killed()))) == [b"first", b"second"]


def test_an_append_that_cannot_be_undone_poisons() -> None:
    faults = ["fail ENOSPC on write of wal-*.wal nth 2 once", "fail EIO on truncate of * nth 1 once"]
    vfs = disk_of({}, *faults)
    log = open_log(vfs)
    log.append(b"first")
    with pytest.raises(OSError, match="No space"):
        log.append(b"second")
    with pytest.raises(LogPoisoned, match="undoing"):
        log.append(b"third")


@pytest.mark.parametrize("frame", ["1", "2"])
def test_what_is_too_large_to_be_copied_is_written_from_where_it_lies(frame: Any, tmp_path: Path) -> None:
    """More pieces than a call takes, whose numbers and bytes must come out right on a real file too."""
    payloads = [b"%d" % number * 30 for number in range(3000)]
    lengths = set()
    for vfs in (MemoryVfs(), RealVfs(tmp_path), disk_of({}, "short write of wal-*.wal nth 2 at 60000")):
        log = Log(vfs, StillRuntime(), Options(frame=frame))
        log.append(b"before")
        log.append_batch(payloads)
        log.append(b"x" * 200_000)
        log.append(b"behind")
        assert shown(log) == [b"before", *payloads, b"x" * 200_000, b"behind"]
        lengths.add(vfs.open(wal_name(0)).size())
        log.close()
        assert len(shown(Log(vfs, StillRuntime()))) == 3003
    assert len(lengths) == 1


@pytest.mark.parametrize("at", [0, 1, 31, 32, 51])
def test_short_writes_are_continued(at: int) -> None:
    vfs = disk_of({}, f"short write of wal-*.wal nth 1 at {at}", f"short write of * nth 3 at {at}")
    log = open_log(vfs)
    appended(log)
    assert len(shown(open_log(MemoryVfs(vfs.killed())))) == 3


def test_an_error_of_reading_is_not_the_end_of_the_log() -> None:
    vfs = MemoryVfs()
    log = open_log(vfs)
    appended(log, 12)
    for name in files_of(vfs):
        again = disk_of(files_of(vfs), f"fail EIO on read of {name} nth 1 once")
        with pytest.raises(OSError, match="Input/output"):
            list(open_log(again).records())
        assert len(shown(open_log(MemoryVfs(again.killed())))) == 12


def test_a_failed_flush_that_wrote_nothing_may_be_tried_again() -> None:
    vfs = disk_of({}, "fail ENOSPC on write of subscriber-*.tmp nth 2 once")
    log = open_log(vfs)
    appended(log)
    subscriber = log.subscribe("s")
    subscriber.poll(3)
    subscriber.ack(0)
    with pytest.raises(OSError, match="No space"):
        subscriber.flush()
    assert not [name for name in files_of(vfs) if name.endswith(".tmp")]
    subscriber.flush()
    assert open_log(MemoryVfs(vfs.killed())).subscribe("s").poll(1)[0][0] == 1


def test_every_call_may_fail_at_opening_and_nothing_is_lost_or_left() -> None:
    vfs = MemoryVfs()
    log = open_log(vfs)
    appended(log, 12)
    log.subscribe("s")
    files = {**files_of(vfs), "wal-00000000000000000001.wal.tmp": b"", "subscriber-x.cur": b""}
    failed = 0
    for call in ("open", "readdir", "read", "write", "fsync", "rename", "unlink"):
        for nth in range(1, 12):
            again = _Counting(files, f"fail EIO on {call} of * nth {nth} once")
            try:
                log = open_log(again)
            except OSError:
                failed += 1
                assert again.open_files == 0, (call, nth)
                assert not again._locks
            assert len(shown(open_log(MemoryVfs(again.killed()), seed=1))) == 12
    assert failed > 20


class _Counting(MemoryVfs):
    """A disk that counts the files that are open."""

    def __init__(self, files: dict[str, bytes], fault: str) -> None:
        super().__init__(Disk(image=Image.of_files(files)), faults=FaultPlan((Fault.parse(fault),)))
        self.open_files = 0

    def open(self, path: str, *, write: bool = False) -> Any:
        return self._counted(super().open(path, write=write))

    def create(self, path: str) -> Any:
        return self._counted(super().create(path))

    def _counted(self, file: Any) -> Any:
        self.open_files += 1
        return _Counted(self, file)


class _Counted:
    def __init__(self, vfs: _Counting, file: Any) -> None:
        self._vfs, self._file = vfs, file

    def close(self) -> None:
        self._vfs.open_files -= 1
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


# -- what it counts ------------------------------------------------------------------------------------------------


def test_counters_say_what_was_done_and_what_there_is() -> None:
    vfs = disk_of(files_of(filled(2)), "fail EIO on fdatasync of wal-*.wal nth 9 once")
    log = open_log(vfs, wal_bytes=150)
    found = log.counters()
    assert found == Counters(
        appended=0,
        consumed=0,
        buffered=0,
        bytes_appended=0,
        syncs=0,
        flush_failures=0,
        rotations=0,
        segments_written=1,
        segments_active=1,
        segments_cleaned=0,
        segments_dropped=0,
    )
    subscriber = log.subscribe("s")
    appended(log, 5)
    log.append_batch([b"a", b"b"])
    assert log.counters().buffered == 7
    for number, _ in subscriber.poll(4):
        subscriber.ack(number)
    log.cleanup()
    found = log.counters()
    assert (found.appended, found.consumed, found.buffered) == (7, 4, 3)
    assert found.bytes_appended == 5 * 52 + 32 + 8 + 2
    assert (found.rotations, found.segments_written, found.syncs) == (2, 3, 6)
    assert (found.segments_active, found.segments_cleaned, found.segments_dropped) == (0, 3, 0)
    log.unregister("s")
    assert log.counters().consumed == 4
    assert log.counters().buffered == 3, "with nobody registered, all there are"
    with pytest.raises(OSError, match="Input/output"):
        appended(log, 20)
    assert log.counters().flush_failures == 1


# -- one writer, many threads, real files --------------------------------------------------------------------------


def test_a_second_writer_is_told_who_has_it() -> None:
    vfs = MemoryVfs()
    log = open_log(vfs)
    with pytest.raises(LogLocked, match="pid"):
        open_log(vfs)
    log.close()
    open_log(vfs).close()


def test_a_log_that_is_dropped_needs_no_garbage_collector() -> None:
    log = open_log(MemoryVfs())
    log.append(b"a")
    handle = log.subscribe("s")
    ref = weakref.ref(log)
    gc.disable()
    try:
        del log
        assert handle.poll(1) == [(0, b"a")], "who has a handle keeps the log"
        del handle
        assert ref() is None, "a part keeps a method of its log"
    finally:
        gc.enable()


def test_closed_is_closed() -> None:
    log = open_log(MemoryVfs())
    subscriber = log.subscribe("s")
    log.close()
    log.close()
    for act in (lambda: log.append(b"x"), log.sync, log.rotate, log.cleanup, lambda: subscriber.poll(1)):
        with pytest.raises(LogClosed):
            act()
    with pytest.raises(LogClosed):
        list(log.records())


def test_real_files(tmp_path: Path) -> None:
    options = Options(wal_bytes=2000)
    with Log(RealVfs(str(tmp_path)), RealRuntime(), options) as log:
        subscriber = log.subscribe("s")
        for number in range(100):
            log.append(payload(number))
        for number, _ in subscriber.poll(70):
            subscriber.ack(number)
        start = log.cleanup()
        assert 0 < start <= 70
    with Log(RealVfs(str(tmp_path)), RealRuntime(), options) as log:
        assert [number for number, _ in log.records()] == list(range(start, 100))
        assert [number for number, _ in log.subscribe("s").poll(99)] == list(range(70, 100))


def test_a_missing_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="missing"):
        Log(RealVfs(str(tmp_path / "missing")), RealRuntime())


def test_threads_append_read_and_clean_at_once(tmp_path: Path) -> None:
    log = Log(RealVfs(str(tmp_path)), RealRuntime(), Options(sync="explicit", wal_bytes=4000))
    subscriber = log.subscribe("s")
    taken: list[int] = []

    def write(label: int) -> None:
        for number in range(100):
            log.append(b"%d:%d" % (label, number))
            log.sync()

    def consume() -> None:
        while len(taken) < 300:
            for number, _ in subscriber.poll(7):
                taken.append(number)
                subscriber.ack(number)
            log.cleanup()

    threads = [threading.Thread(target=write, args=(label,)) for label in range(3)]
    threads.append(threading.Thread(target=consume))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert taken == list(range(300))
    log.close()


# -- errors and options --------------------------------------------------------------------------------------------


def test_errors_say_what_where_and_what_to_do_and_pickle() -> None:
    arguments = {
        "CorruptLog": ("f", 1, 2, 3, "why"),
        "AtCapacity": (3, 2, 1),
        "MissingPackage": ("p", "why"),
        "NotHeld": ("s", 1),
        "RecordGone": (1, 2),
        "RecordsMissed": ("s", 3),
        "RecordTooLarge": (2, 1),
        "SequenceConflict": (3, 4),
    }
    kinds = [getattr(chaoswal.wal, name) for name in chaoswal.wal.__all__]
    errors = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, LogError) and kind is not LogError]
    for kind in errors:
        given_arguments = arguments.get(kind.__name__, () if kind is LogClosed else ("x",))
        error = kind(*given_arguments)
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is kind
        assert str(again) == str(error)
        assert again.__dict__ == error.__dict__
        assert len(str(error)) > 20
    assert CorruptLog in errors


@pytest.mark.parametrize("wrong", [{"sync": "sometimes"}, {"wal_bytes": 0}])
def test_wrong_options_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Options(**wrong)


def test_a_kill_before_anything_leaves_a_new_log() -> None:
    assert shown(open_log(MemoryVfs(Disk()))) == []
