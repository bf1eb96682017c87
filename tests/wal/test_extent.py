"""A WAL gone through by pieces: the frames, the verdict and the segment of one look at the whole, in less memory."""

import tracemalloc
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaoswal.vfs.memory import MemoryVfs
from chaoswal.vfs.real import RealVfs
from chaoswal.vfs.runtime import RealRuntime, StillRuntime
from chaoswal.wal import CorruptLog, Log, Options, segment
from chaoswal.wal.extent import Extent, scans
from chaoswal.wal.files import HEADER_BYTES
from chaoswal.wal.frames import FRAME_BYTES, MAGIC, Codec
from chaoswal.wal.reader import LogReader
from chaoswal.wal.segment import SegmentBirth
from chaoswal.wal.survey import DAMAGED, Surveyor, Tail
from chaoswal.wal.window import Window
from tests.wal.disks import files_of
from tests.wal.test_frames import encode, join_batch
from tests.wal.windows import Bytes, window_of

CODEC = Codec()
SEED = 77
SIZES = st.lists(st.one_of(st.integers(0, 60), st.just(300), st.tuples(st.integers(0, 9), st.just(3))), max_size=12)
PIECES = st.integers(32, 300)
MIB = 1 << 20


def wal_of(sizes: list[int | tuple[int, int]]) -> bytes:
    """A WAL with frames of such payloads or batches; each says that those two before it are durable."""
    data, number = bytearray(HEADER_BYTES), 0
    for place, size in enumerate(sizes):
        parts = [bytes([number % 256, 65 + place]) * (size[0] // 2)] * size[1] if isinstance(size, tuple) else []
        body = join_batch(parts) if isinstance(size, tuple) else MAGIC[: size % 4] + bytes([place % 256]) * size
        codec = Codec("2") if place % 3 == 2 else CODEC
        data += encode(codec, body, len(parts), number, max(0, number - 2), SEED, len(data))
        number += len(parts) or 1
    return bytes(data)


@st.composite
def wals(draw: st.DrawFn) -> bytes:
    """A WAL that is sound, cut, damaged in places, with noise or zeros behind it."""
    data = bytearray(wal_of(draw(SIZES)))
    for place in draw(st.lists(st.integers(HEADER_BYTES, len(data) + 100), max_size=2)):
        if place < len(data):
            data[place] ^= draw(st.sampled_from([1, 0x80]))
    kept = draw(st.integers(HEADER_BYTES, len(data))) if draw(st.booleans()) else len(data)
    return bytes(data[:kept]) + draw(st.sampled_from([b"", bytes(400), MAGIC * 30, b"CWf1 and no more"]))


def later(data: bytes, sequence: int, at: int) -> Iterator[tuple[int, int]]:
    """The good frames behind a bad one, by trying every offset."""
    at += 1
    while at <= len(data) - FRAME_BYTES:
        for number in range(sequence, 100):
            found = CODEC.scan(data[: at + CODEC.frame_length(data[at:])], SEED, number, at)
            if found.offsets:
                yield number, CODEC.synced(data, at)
                at = found.end - 1
                break
        at += 1


@given(wals(), PIECES)
def test_the_frames_are_those_of_the_whole(data: bytes, piece_bytes: int) -> None:
    whole = CODEC.scan(data, SEED, 0, HEADER_BYTES)
    window = window_of(data, piece_bytes)
    offsets, sequences, end = [], [], (HEADER_BYTES, 0)
    for found in scans(window, CODEC, SEED, 0, HEADER_BYTES):
        offsets += [window.base + at for at in found.offsets]
        sequences += found.sequences
        end = window.base + found.end, found.next
    assert (offsets, sequences, end) == (whole.offsets, whole.sequences, (whole.end, whole.next))


@settings(max_examples=40)
@given(wals(), PIECES)
def test_the_search_behind_a_bad_frame_finds_what_is_in_the_whole(data: bytes, piece_bytes: int) -> None:
    whole = CODEC.scan(data, SEED, 0, HEADER_BYTES)
    found = list(CODEC.later_frames(window_of(data, piece_bytes), SEED, whole.next, whole.end, "x"))
    assert found == list(CODEC.later_frames(window_of(data, MIB), SEED, whole.next, whole.end, "x"))
    assert found == list(later(data, whole.next, whole.end))


@given(wals(), PIECES)
def test_the_verdict_is_that_on_the_whole(data: bytes, piece_bytes: int) -> None:
    verdicts = []
    for size in (piece_bytes, MIB):
        tail = Tail(0, DAMAGED, window_of(data, size))
        with mock.patch("chaoswal.wal.survey.check_header", return_value=SEED):
            try:
                Surveyor(MemoryVfs(), CODEC).judge(tail)
            except CorruptLog as error:
                tail.error = error
        why = tail.error and (tail.error.offset, tail.error.first, tail.error.last, tail.error.reason)
        verdicts.append((tail.content, tail.blank, tail.end, tail.next, tail.count, why))
    assert verdicts[0] == verdicts[1]


# -- copying it into a segment -------------------------------------------------------------------------------------


def gathered(data: bytes, piece_bytes: int) -> Extent:
    extent = Extent("wal", 0, window_of(data, piece_bytes))
    extent.gather(CODEC, SEED)
    return extent


def segment_of(extent: Extent) -> tuple[bytes, segment.Segment]:
    """The bytes of the segment that an extent makes."""
    vfs, runtime = MemoryVfs(), StillRuntime()
    made = SegmentBirth(vfs, CODEC, runtime.entropy, runtime.now).make(extent)
    return files_of(vfs)[made.name], made


@given(SIZES.filter(bool), PIECES, st.integers(32, 300))
def test_the_segment_is_the_same_byte_for_byte(
    sizes: list[int | tuple[int, int]], piece_bytes: int, written_bytes: int
) -> None:
    data = wal_of(sizes)
    whole, described = segment_of(gathered(data, MIB))
    with mock.patch.object(segment, "PIECE_BYTES", written_bytes):
        again, made = segment_of(gathered(data, piece_bytes))
    assert again == whole
    assert (made.index_crc, made.count, made.size) == (described.index_crc, described.count, len(whole))


def test_a_short_wal_is_written_by_one_call() -> None:
    vfs, runtime = MemoryVfs(), StillRuntime()
    SegmentBirth(vfs, CODEC, runtime.entropy, runtime.now).make(gathered(wal_of([50] * 500), MIB))
    assert [type(event).__name__ for event in vfs.events()].count("Write") == 1


@given(SIZES.filter(bool), PIECES, st.data())
def test_bytes_that_change_between_two_looks_never_become_a_good_frame(
    sizes: list[int | tuple[int, int]], piece_bytes: int, draw: st.DataObject
) -> None:
    data = wal_of(sizes)
    file = Bytes(data)
    extent = Extent("wal", 0, Window(file, len(data), piece_bytes=piece_bytes))
    extent.gather(CODEC, SEED)
    bit = draw.draw(st.integers(8 * HEADER_BYTES, 8 * len(data) - 1))
    damaged = bytearray(data)
    damaged[bit // 8] ^= 1 << bit % 8
    file.data = bytes(damaged)
    extent.window.data = file.data[extent.window.base : extent.window.end]
    try:
        made, described = segment_of(extent)
    except CorruptLog:
        return
    good = CODEC.decode(made[HEADER_BYTES : described.index_offset], described.seed, 0, HEADER_BYTES)[0]
    sound = CODEC.decode(data[HEADER_BYTES:], SEED, 0, HEADER_BYTES)[0]
    assert good == sound[: len(good)]
    assert len(good) < len(sound)


def test_a_length_that_changes_between_two_looks_is_damage() -> None:
    data = wal_of([20, 20, 20])
    extent = gathered(data, MIB)
    extent.window.data = data[: HEADER_BYTES + 8] + b"\x15" + data[HEADER_BYTES + 9 :]
    with pytest.raises(CorruptLog, match="do not end where they did") as caught:
        segment_of(extent)
    assert (caught.value.offset, caught.value.first, caught.value.last) == (HEADER_BYTES, 0, 2)


# -- memory --------------------------------------------------------------------------------------------------------


@settings(max_examples=20)
@given(SIZES, PIECES)
def test_no_more_is_read_at_once_than_a_piece_or_a_frame(sizes: list[int | tuple[int, int]], piece_bytes: int) -> None:
    data = wal_of(sizes)
    file = Bytes(data)
    extent = Extent("wal", 0, Window(file, len(data), piece_bytes=piece_bytes))
    extent.gather(CODEC, SEED)
    stops = [*CODEC.scan(data, SEED, 0, HEADER_BYTES).offsets, len(data)]
    largest = max([piece_bytes, *(end - start for start, end in pairwise(stops))])
    assert all(length <= largest for _, length in file.reads)


def peak_bytes(directory: Path, records: int) -> tuple[int, int]:
    """The most memory at once of a rotation, and of a recovery, of a WAL with so many records of 1,000 bytes."""
    log = Log(RealVfs(directory), RealRuntime(), Options(sync="explicit", wal_bytes=1 << 40))
    for _ in range(records):
        log.append(bytes(1000))
    tracemalloc.start()
    log.rotate()
    rotation = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    for _ in range(records):
        log.append(bytes(1000))
    log._wal.sync_all()
    log._release()
    tracemalloc.start()
    with Log(RealVfs(directory), RealRuntime()) as again:
        recovery = tracemalloc.get_traced_memory()[1]
        assert again.next_sequence == 2 * records
    tracemalloc.stop()
    return rotation, recovery


def test_memory_does_not_grow_with_the_wal(tmp_path: Path) -> None:
    short, long = tmp_path / "short", tmp_path / "long"
    short.mkdir()
    long.mkdir()
    small, large = peak_bytes(short, 2_000), peak_bytes(long, 10_000)
    assert max(large) < 3 * MIB, "a third of the WAL"
    assert max(large) < 1.3 * max(small)


@pytest.mark.parametrize("size", [0, 100, 400_000])
def test_readers_go_through_a_long_wal_by_pieces(tmp_path: Path, size: int) -> None:
    count = 2_000_000 // (size + 1000)
    log = Log(RealVfs(tmp_path), RealRuntime(), Options(sync="explicit"))
    for number in range(count):
        log.append(b"%d" % number * (1 + size // len(b"%d" % number)))
    log.sync()
    log.append(b"witness")
    assert len(list(LogReader(RealVfs(tmp_path)).records())) == count
    log.sync()
    log._release()
    with Log(RealVfs(tmp_path), RealRuntime()) as again:
        found = list(again.records())
    assert len(found) == count + 1
    assert all(data.startswith(b"%d" % number) for number, data in found[:-1])
    assert again.counters().segments_written == 1


def test_a_frame_as_long_as_several_pieces_is_read_whole() -> None:
    data = wal_of([20, 300, 20])
    extent = gathered(data, 40)
    assert (extent.end, extent.count) == (len(data), 3)
