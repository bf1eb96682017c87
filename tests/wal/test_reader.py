"""A reader beside the writer: it shows what is durable and nothing else, and changes nothing."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaoswal.disk.crashes import Bound, cuts
from chaoswal.disk.disk import Disk
from chaoswal.disk.profiles import PROFILES
from chaoswal.disk.volume import Volume
from chaoswal.vfs.memory import MemoryVfs
from chaoswal.vfs.real import RealVfs
from chaoswal.vfs.runtime import RealRuntime
from chaoswal.wal import CorruptLog, ForeignFile, Log, LogReader, Options, RecordGone
from chaoswal.wal.files import HEADER_BYTES, wal_name
from chaoswal.wal.segment import FOOTER_BYTES
from tests.wal.disks import disk_of, files_of, filled, open_log, payload

# -- what it shows -------------------------------------------------------------------------------------------------


class Beside:
    """The disk of a writer as another process sees it: nothing can be changed, and no call of it is recorded."""

    def __init__(self, vfs: MemoryVfs) -> None:
        self.vfs = vfs

    def _now(self) -> MemoryVfs:
        return MemoryVfs(Disk(image=self.vfs.image()))

    def open(self, path: str, *, write: bool = False) -> Any:
        assert not write
        return self._now().open(path)

    def list(self, path: str = "") -> list[str]:
        return self._now().list(path)

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a reader calls {name}")


def test_the_last_append_is_shown_when_the_next_one_testifies_for_it() -> None:
    vfs = MemoryVfs()
    log = open_log(vfs)
    reader, eager = LogReader(Beside(vfs)), LogReader(Beside(vfs), unsynced=True)
    assert list(reader.records()) == []
    log.append(b"a")
    assert list(reader.records()) == []
    assert list(eager.records()) == [(0, b"a")]
    log.append(b"b")
    assert list(reader.records()) == [(0, b"a")]
    log.rotate()
    assert list(reader.records()) == [(0, b"a"), (1, b"b")]
    assert list(reader.records(1)) == [(1, b"b")]


def test_a_wal_that_recovery_has_replaced_is_another_one() -> None:
    killed = MemoryVfs()
    open_log(killed)
    killed.open(wal_name(0), write=True).write(HEADER_BYTES, b"half a frame")
    beside = Beside(killed)
    reader = LogReader(beside)
    beside.vfs = MemoryVfs(killed.killed())
    log = open_log(beside.vfs, seed=1)
    log.append_batch([b"a", b"b"])
    log.append(b"c")
    assert list(reader.records()) == [(0, b"a"), (1, b"b")]


def test_what_was_never_synced_is_not_shown() -> None:
    vfs = MemoryVfs()
    log = open_log(vfs, sync="explicit", wal_bytes=10_000)
    for number in range(5):
        log.append(payload(number))
    reader = LogReader(Beside(vfs))
    assert list(reader.records()) == []
    log.sync()
    assert reader.read(0) == []
    log.append(payload(5))
    assert [number for number, _ in reader.read(0)] == [0, 1, 2, 3, 4]


@given(st.lists(st.sampled_from(["append", "large", "batch", "rotate", "reopen", "consume", "sync"]), max_size=30))
def test_it_follows_whatever_the_writer_does(words: list[str]) -> None:
    vfs = MemoryVfs()
    log = open_log(vfs, sync="explicit")
    readers = [LogReader(Beside(vfs)), LogReader(Beside(vfs), read_mode="mmap")]
    written: list[bytes] = []
    for step, word in enumerate(words):
        match word:
            case "append" | "large":
                written.append(payload(len(written), 20 if word == "append" else 2000))
                log.append(written[-1])
            case "batch":
                written += [payload(len(written)), payload(len(written) + 1)]
                log.append_batch(written[-2:])
            case "rotate":
                log.rotate()
            case "sync":
                log.sync()
            case "reopen":
                log.close()
                log = open_log(vfs, seed=step, sync="explicit")
            case "consume":
                subscriber = log.subscribe("s")
                for number, _ in subscriber.poll(4):
                    subscriber.ack(number)
                subscriber.close()
                log.cleanup()
        for reader in [*readers, LogReader(Beside(vfs))]:
            shown = list(reader.records())
            assert shown == list(enumerate(written))[log.start_sequence : reader.durable_sequence]
            assert reader.durable_sequence <= log.durable_sequence
            if word in ("rotate", "reopen"):
                assert reader.durable_sequence == len(written)


def test_records_that_are_cleaned_up_are_gone() -> None:
    vfs = MemoryVfs()
    log = open_log(vfs)
    for number in range(12):
        log.append(payload(number))
    reader = LogReader(Beside(vfs))
    shown = reader.records()
    assert next(shown) == (0, payload(0))
    subscriber = log.subscribe("s")
    for number, _ in subscriber.poll(10):
        subscriber.ack(number)
    start = log.cleanup()
    assert start > 1
    with pytest.raises(RecordGone) as caught:
        list(reader.records(1))
    assert caught.value.start == start
    assert next(iter(reader.records()))[0] == start


def test_a_file_that_went_since_the_last_look_is_looked_for_again() -> None:
    vfs = MemoryVfs()
    log = open_log(vfs)
    for number in range(12):
        log.append(payload(number))
    reader = LogReader(Beside(vfs))
    log.rotate()
    assert reader.read(10)[0] == (10, payload(10))  # it was in the WAL, and is in a segment
    subscriber = log.subscribe("s")
    for number, _ in subscriber.poll(12):
        subscriber.ack(number)
    log.cleanup()
    with pytest.raises(RecordGone):
        reader.read(11)


class HalfWritten(Beside):
    """One frame of the WAL is seen half written, once, and what stands behind it whole."""

    half = False

    def open(self, path: str, *, write: bool = False) -> Any:
        file = super().open(path, write=write)
        if path.endswith(".wal"):
            file = _HalfWritten(self, file)
        return file


class _HalfWritten:
    def __init__(self, vfs: HalfWritten, file: Any) -> None:
        self._vfs, self._file = vfs, file

    def read(self, offset: int, length: int) -> bytes:
        data: bytes = self._file.read(offset, length)
        if offset == 40 and self._vfs.half:
            self._vfs.half = False
            data = data[:32] + bytes(20) + data[52:]
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def test_a_frame_that_is_being_written_is_not_taken_for_damage() -> None:
    vfs = MemoryVfs()
    log = open_log(vfs, wal_bytes=10_000)
    beside = HalfWritten(vfs)
    reader = LogReader(beside)
    for number in range(4):
        log.append(payload(number))
    beside.half = True
    reader.refresh()
    assert not beside.half
    assert reader.durable_sequence == 0
    assert len(list(reader.records())) == 3


def test_an_append_that_was_taken_back_is_forgotten() -> None:
    vfs = MemoryVfs()
    log = open_log(vfs, wal_bytes=10_000, sync="explicit")
    log.append(b"a")
    size = len(files_of(vfs)[wal_name(0)])
    log.append(b"taken back")
    eager = LogReader(Beside(vfs), unsynced=True)
    assert (eager.end_sequence, eager.read(1)) == (2, [(1, b"taken back")])
    log._wal.rewind(1)
    assert len(files_of(vfs)[wal_name(0)]) == size
    assert eager.read(1) == []
    assert eager.end_sequence == 1
    log._wal.append((b"another",), 0)
    assert eager.read(1) == [(1, b"another")]


# -- what a power cut may take -------------------------------------------------------------------------------------


class Witness(MemoryVfs):
    """A disk beside which a reader looks before every call of the writer, and notes how far it would show records."""

    def __init__(self, disk: Disk | None = None) -> None:
        super().__init__(disk, step=self.watch)
        self.seen: list[tuple[int, int, int]] = []
        self.reader: LogReader | None = None
        self.watching = False

    def watch(self) -> None:
        if not self.watching:
            self.watching = True
            self.reader = self.reader or LogReader(Beside(self))
            self.reader.refresh()
            self.seen.append((len(self), self.reader.start_sequence, self.reader.durable_sequence))
            self.watching = False


def lived(seed: int) -> Iterator[tuple[Witness, list[bytes]]]:
    """Sessions that end by a kill, each going on with what the one before left, nothing of it durable by itself."""
    disk, written = Disk(), list[bytes]()
    for session in range(3):
        vfs = Witness(disk)
        log = open_log(
            vfs, seed=seed + session, sync=["each", "explicit"][seed % 2], wal_bytes=[150, 400][seed % 3 % 2]
        )
        del written[log.next_sequence :]
        for number in range(9):
            written.append(b"%d:%d" % (session, len(written)))
            log.append(written[-1])
            if (number + seed) % 4 == 3:
                log.sync()
        yield vfs, list(written)
        disk = vfs.killed()


@pytest.mark.parametrize("profile", ["posix", "ext4-ordered"])
@pytest.mark.parametrize("seed", range(6))
def test_no_power_cut_takes_away_what_a_reader_was_shown(seed: int, profile: str) -> None:
    promised = 0
    for vfs, written in lived(seed):
        for point, _, durable in sorted({(point, 0, durable) for point, _, durable in vfs.seen}):
            promised = max(promised, durable)
            volume = Volume(vfs.disk.after(vfs.events()[:point]), PROFILES[profile])
            for cut, torn in cuts(volume, Bound(deviations=1, random_states=2, states_per_point=25), seed):
                log = open_log(MemoryVfs(Disk(image=volume.image(cut, torn))), seed=99)
                assert log.durable_sequence >= durable, (point, durable)
                kept = [record for _, record in log.records()]
                assert kept[:durable] == written[:durable]
    assert promised > 5


# -- damage, and what is no log ------------------------------------------------------------------------------------


def test_every_damage_is_reported_or_beyond_what_it_shows() -> None:
    files = files_of(filled(12))
    sound = list(LogReader(disk_of(files)).records())
    for name in files:
        if name.endswith(".cur"):
            continue
        for offset in range(len(files[name])):
            damaged = bytearray(files[name])
            damaged[offset] ^= 1 << offset % 8
            try:
                shown = list(LogReader(disk_of({**files, name: bytes(damaged)})).records())
            except CorruptLog:
                continue  # reported
            index = (
                name.endswith(".seg") and offset >= len(damaged) - FOOTER_BYTES - 5 * 16
            )  # not needed to read in order
            assert shown == sound or (name.endswith(".wal") and shown == sound[: len(shown)]), (name, offset)
            assert not name.endswith(".wal") or offset >= len(damaged) - 52, offset  # the frame nobody testifies for
            assert index or name.endswith(".wal"), (name, offset)


@pytest.mark.parametrize(
    "missing", ["log.manifest", "segment-00000000000000000005.seg", "wal-00000000000000000010.wal"]
)
def test_a_missing_file_is_reported(missing: str) -> None:
    files = files_of(filled(12))
    assert missing in files
    waited: list[float] = []
    with pytest.raises(CorruptLog, match="missing"):
        LogReader(disk_of({name: data for name, data in files.items() if name != missing}), pause=waited.append)
    assert waited


def test_a_log_that_is_not_there_yet_is_empty_and_another_directory_is_refused() -> None:
    assert list(LogReader(MemoryVfs()).records()) == []
    with pytest.raises(ForeignFile):
        LogReader(disk_of({"holiday.jpg": b""}))


@pytest.mark.parametrize("left", [0, 4])
def test_a_log_that_goes_back_is_reported(left: int) -> None:
    vfs, earlier = MemoryVfs(), MemoryVfs()
    log, short = open_log(vfs), open_log(earlier)
    for number in range(9):
        log.append(payload(number))
        if number < left:
            short.append(payload(number))
    beside = Beside(vfs)
    reader = LogReader(beside)
    assert reader.durable_sequence == 8
    beside.vfs = earlier if left else MemoryVfs()
    with pytest.raises(CorruptLog, match="missing"):
        reader.refresh()


# -- real directories ----------------------------------------------------------------------------------------------


def state_of(directory: Path) -> dict[str, tuple[bytes, int, int]]:
    """Bytes and times of change of every file, and of the directory."""
    found = {
        path.name: (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino) for path in directory.iterdir()
    }
    return {**found, ".": (b"", directory.stat().st_mtime_ns, 0)}


@pytest.mark.parametrize("mode", ["plain", "mmap"])
@pytest.mark.parametrize("change", [lambda path: None, lambda path: path.chmod(0o555)])
def test_nothing_on_the_disk_is_changed(tmp_path: Path, mode: str, change: Callable[[Path], object]) -> None:
    directory = tmp_path / "log"
    directory.mkdir()
    with Log(RealVfs(directory), RealRuntime(), Options(wal_bytes=300)) as log:
        for number in range(20):
            log.append(payload(number))
        before = state_of(directory)
        change(directory)
        reader = LogReader(RealVfs(directory), read_mode=mode)
        assert [number for number, _ in reader.records()] == list(range(19))
        reader.refresh()
        reader.close()
        directory.chmod(0o755)
        assert state_of(directory) == before


def test_no_descriptor_is_left(tmp_path: Path) -> None:
    with Log(RealVfs(tmp_path), RealRuntime(), Options(wal_bytes=300)) as log:
        for number in range(20):
            log.append(payload(number))
        before = sorted(os.listdir("/proc/self/fd"))
        for mode in ("plain", "mmap"):
            reader = LogReader(RealVfs(tmp_path), read_mode=mode)
            list(reader.records())
            if mode == "mmap":
                subscriber = log.subscribe("s")
                for number, _ in subscriber.poll(20):
                    subscriber.ack(number)
                log.rotate()
                log.cleanup()
                assert list(reader.records()) == []
                before = sorted(os.listdir("/proc/self/fd"))
            reader.close()
        assert sorted(os.listdir("/proc/self/fd")) == before
