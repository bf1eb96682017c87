"""Damage at rest: every flipped byte and every cut of every file is reported, or was the tail nothing testifies for."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaoswal.vfs.memory import MemoryVfs
from chaoswal.vfs.runtime import StillRuntime
from chaoswal.wal import CorruptLog, Log, LogReader, Options
from chaoswal.wal.files import HEADER_BYTES, wal_name
from chaoswal.wal.frames import Codec
from tests.wal.disks import Files, disk_of, files_of, filled, open_log, payload, shown

COUNT = 12
FILES = files_of(filled(COUNT))
RECORDS = [payload(number) for number in range(COUNT)]
WAL = max(name for name in FILES if name.endswith(".wal"))
"""It holds the records from number 10 on; the one before the last is testified for by the last."""


def sight(files: Files) -> list[bytes] | None:
    """All records, every segment checked and the subscriber looked at; None where damage is reported."""
    vfs = disk_of(files)
    try:
        log = open_log(vfs, seed=5)
        records = [data for _, data in log.records()]
        for segment in log._segments:
            segment.verify(vfs, Codec())
        given_out = log.subscribe("s").poll(100)
    except CorruptLog as error:
        within = error.file in files and 0 <= error.offset <= len(files[error.file])
        return None if within else [b"an error of no place"]
    assert [number for number, _ in given_out] == [n for n in range(3, len(records)) if n != 5]
    return records


def test_the_sound_log_shows_everything() -> None:
    assert sight(FILES) == RECORDS


@pytest.mark.parametrize("name", sorted(FILES))
def test_every_flipped_byte_is_reported(name: str) -> None:
    last_frame = len(FILES[WAL]) - 52
    for offset in range(len(FILES[name])):
        damaged = bytearray(FILES[name])
        damaged[offset] ^= 1 << offset % 8
        seen = sight({**FILES, name: bytes(damaged)})
        if name == WAL and offset >= last_frame:
            assert seen == RECORDS[:-1], offset
        else:
            assert seen is None, offset


@pytest.mark.parametrize("name", sorted(FILES))
def test_every_cut_is_reported(name: str) -> None:
    for size in range(len(FILES[name])):
        seen = sight({**FILES, name: FILES[name][:size]})
        if name == WAL and size >= HEADER_BYTES:
            assert seen == RECORDS[: 10 + (size - HEADER_BYTES) // 52]
        else:
            assert seen is None, size


@pytest.mark.parametrize("name", sorted(FILES))
@given(st.data())
def test_any_garbage_in_place_of_some_bytes_is_reported(name: str, draw: st.DataObject) -> None:
    data = FILES[name]
    start = draw.draw(st.integers(0, len(data) - 1))
    noise = draw.draw(st.binary(min_size=1, max_size=600))
    damaged = (data[:start] + noise + data[start + len(noise) :])[: len(data)]
    seen = sight({**FILES, name: damaged})
    if damaged == data:
        assert seen == RECORDS
    elif name == WAL:
        assert seen is None or seen == RECORDS[: len(seen)]
    else:
        assert seen is None


def test_files_that_changed_places_are_reported() -> None:
    first, second = sorted(name for name in FILES if name.endswith(".seg"))[:2]
    assert sight({**FILES, first: FILES[second]}) is None
    assert sight({**FILES, first: FILES[second], second: FILES[first]}) is None


def test_damage_before_durable_records_names_what_is_affected() -> None:
    files = {**FILES, WAL: FILES[WAL][:60] + b"????" + FILES[WAL][64:]}
    with pytest.raises(CorruptLog) as caught:
        open_log(disk_of(files))
    error = caught.value
    assert (error.file, error.offset, error.first, error.last) == (WAL, HEADER_BYTES, 10, 10)


def test_a_hole_in_what_was_never_synced_is_cut() -> None:
    vfs = MemoryVfs()
    log = open_log(vfs, sync="explicit", wal_bytes=3000)
    for number in range(2):
        log.append(payload(number))
    log.sync()
    for number in range(2, 6):
        log.append(payload(number))
    files = files_of(vfs)
    name, hole = wal_name(0), HEADER_BYTES + 3 * 52 + 10
    files[name] = files[name][:hole] + bytes(8) + files[name][hole + 8 :]
    assert [data for _, data in open_log(disk_of(files)).records()] == [payload(number) for number in range(3)]


def test_what_stands_before_and_behind_damage_in_a_segment_can_be_read() -> None:
    vfs = MemoryVfs()
    log = open_log(vfs, wal_bytes=10_000)
    for number in range(9):
        log.append(payload(number))
    log.rotate()
    files = files_of(vfs)
    name = min(files, key=lambda name: not name.endswith(".seg"))
    at = HEADER_BYTES + 4 * 52 + 40
    files[name] = files[name][:at] + b"?" + files[name][at + 1 :]
    log = open_log(disk_of(files))
    before: list[int] = []
    with pytest.raises(CorruptLog) as caught:
        before.extend(number for number, _ in log.records())
    assert (before, caught.value.first, caught.value.last) == ([0, 1, 2, 3], 4, 4)
    assert [number for number, _ in log.records(caught.value.last + 1)] == [5, 6, 7, 8]


def test_a_damaged_cursor_does_not_keep_the_log_from_opening() -> None:
    name = "subscriber-s.cur"
    log = open_log(disk_of({**FILES, name: FILES[name][:-1]}))
    assert len(list(log.records())) == COUNT
    refused: list[Callable[[Log], object]] = [lambda log: log.subscribe("s"), lambda log: log.cleanup()]
    for act in refused:
        with pytest.raises(CorruptLog):
            act(log)
    log.unregister("s")
    assert log.subscribe("s").poll(1) == [(0, RECORDS[0])]


# -- zeros that frames are to be written over ----------------------------------------------------------------------


def grown() -> Files:
    """A log in one WAL that was made to grow ahead, as a crash leaves it."""
    vfs = MemoryVfs()
    log = Log(vfs, StillRuntime(), Options(preallocate_bytes=500))
    for number in range(4):
        log.append(payload(number))
    return files_of(vfs)


def test_zeros_behind_the_last_frame_are_the_end() -> None:
    files = grown()
    assert files[wal_name(0)].endswith(bytes(500 - HEADER_BYTES - 4 * 52))
    assert shown(open_log(disk_of(files))) == [payload(number) for number in range(4)]


def test_damage_among_the_zeros_costs_no_record() -> None:
    files, end = grown(), HEADER_BYTES + 4 * 52
    for offset in range(end, 500):
        damaged = bytearray(files[wal_name(0)])
        damaged[offset] ^= 1 << offset % 8
        assert len(shown(open_log(disk_of({**files, wal_name(0): bytes(damaged)})))) == 4
        assert len(shown(open_log(disk_of({**files, wal_name(0): files[wal_name(0)][:offset]})))) == 4


def test_zeros_in_place_of_durable_records_are_reported() -> None:
    files = grown()
    data = bytearray(files[wal_name(0)])
    data[HEADER_BYTES : HEADER_BYTES + 2 * 52] = bytes(2 * 52)
    with pytest.raises(CorruptLog, match="damage before records that were durable"):
        open_log(disk_of({**files, wal_name(0): bytes(data)}))


def test_a_wal_of_zeros_is_gone_on_with() -> None:
    vfs = MemoryVfs()
    Log(vfs, StillRuntime(), Options()).close()
    files = files_of(vfs)
    files[wal_name(0)] += bytes(3000)
    log = Log(disk_of(files), StillRuntime(), Options(preallocate_bytes=400))
    for number in range(20):
        log.append(payload(number))
    assert shown(log) == [payload(number) for number in range(20)]


def test_an_append_that_fails_within_the_zeros_is_undone() -> None:
    vfs = disk_of({}, "short write of wal-*.wal nth 2 at 30", "fail EIO on write of wal-*.wal nth 3 once")
    log = Log(vfs, StillRuntime(), Options(preallocate_bytes=500))
    log.append(payload(0))
    with pytest.raises(OSError, match="Input/output"):
        log.append(payload(1))
    assert len(files_of(vfs)[wal_name(0)]) == HEADER_BYTES + 52
    for number in (1, 2):
        log.append(payload(number))
    assert len(files_of(vfs)[wal_name(0)]) == 500
    assert shown(Log(MemoryVfs(vfs.killed()), StillRuntime(7))) == [payload(number) for number in range(3)]


@pytest.mark.parametrize("frame", ["1", "2"])
def test_a_reader_in_another_process_takes_the_zeros_for_the_end_too(frame: str) -> None:
    vfs = MemoryVfs()
    options: Any = {"preallocate_bytes": 700, "frame": frame, "sync": "explicit"}
    log = Log(vfs, StillRuntime(), Options(**options))
    reader = LogReader(vfs)
    for number in range(12):
        log.append(payload(number))
        log.sync()
        for _ in range(2):
            assert [data for _, data in reader.records()] == [payload(seen) for seen in range(number)]
    log.close()
    assert len(shown(Log(MemoryVfs(vfs.killed()), StillRuntime(7)))) == 12
