"""Frames: what is written is read back, and whatever is not exactly that is seen."""

import sys
from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaoswal.wal import Log, MissingPackage, frames
from chaoswal.wal.errors import CorruptLog
from chaoswal.wal.frames import FRAME_BYTES, HASH_BYTES, MAGIC, Codec, Resealer, batch, blake3_digest, split_batch
from tests.wal.disks import disk_of, files_of, open_log
from tests.wal.windows import window_of

CODEC = Codec()
CODECS = {"1": CODEC, "2": Codec("2")}
VERSIONS = st.text("12", min_size=1, max_size=3)
SEEDS = st.integers(0, 2**32 - 1)
FRAMES = st.lists(
    st.one_of(st.binary(max_size=60), st.lists(st.binary(max_size=9), min_size=1, max_size=4)), max_size=6
)


def encode(codec: Codec, body: bytes, count: int, sequence: int, synced: int, seed: int, offset: int) -> bytes:
    """A frame, in one piece."""
    return b"".join(codec.encode((body,), count, sequence, synced, seed, offset))


def join_batch(parts: list[bytes]) -> bytes:
    """The payload of a batch frame, in one piece."""
    return b"".join(batch(parts))


def write(
    frames: list[bytes | list[bytes]], seed: int, versions: str, first: int = 0, base: int = 0
) -> tuple[bytes, list[bytes]]:
    """The bytes of the frames, of these versions in turn, and the records. Nothing was durable when it began."""
    data, records = b"", list[bytes]()
    for frame, version in zip(frames, cycle(versions), strict=False):
        parts = frame if isinstance(frame, list) else [frame]
        body, count = (join_batch(parts), len(parts)) if isinstance(frame, list) else (parts[0], 0)
        data += encode(CODECS[version], body, count, first + len(records), first, seed, base + len(data))
        records += parts
    return data, records


@given(FRAMES, SEEDS, VERSIONS, st.integers(0, 2**40), st.integers(0, 2**40))
def test_what_is_written_is_read_back(
    frames: list[bytes | list[bytes]], seed: int, versions: str, first: int, base: int
) -> None:
    data, records = write(frames, seed, versions, first, base)
    found, end, following = CODEC.decode(data, seed, first, base)
    assert found == list(enumerate(records, first))
    assert (end, following) == (len(data), first + len(records))


@given(FRAMES.filter(bool), SEEDS, VERSIONS, st.data())
def test_any_flipped_bit_ends_the_good_frames(
    frames: list[bytes | list[bytes]], seed: int, versions: str, draw: st.DataObject
) -> None:
    data, _ = write(frames, seed, versions)
    bit = draw.draw(st.integers(0, 8 * len(data) - 1))
    damaged = bytearray(data)
    damaged[bit // 8] ^= 1 << bit % 8
    sound, broken = CODEC.scan(data, seed, 0, 0), CODEC.scan(bytes(damaged), seed, 0, 0)
    whole = [
        offset for offset, end in zip(sound.offsets, [*sound.offsets[1:], sound.end], strict=True) if end <= bit // 8
    ]
    assert broken.offsets == whole


@given(FRAMES, SEEDS, VERSIONS, st.data())
def test_a_cut_ends_the_good_frames(
    frames: list[bytes | list[bytes]], seed: int, versions: str, draw: st.DataObject
) -> None:
    data, _ = write(frames, seed, versions)
    cut = draw.draw(st.integers(0, len(data)))
    sound, broken = CODEC.scan(data, seed, 0, 0), CODEC.scan(data[:cut], seed, 0, 0)
    assert broken.offsets == sound.offsets[: len(broken.offsets)]
    assert broken.end == max([end for end in [0, *sound.offsets, sound.end] if end <= cut])


@given(st.binary(max_size=60), SEEDS, SEEDS, st.integers(0, 2**31), st.integers(0, 2**31))
def test_a_frame_is_good_only_in_its_place(body: bytes, seed: int, other: int, here: int, there: int) -> None:
    data = encode(CODEC, body, 0, 7, 7, seed, here)
    assert CODEC.scan(data, seed, 7, 0, here).next == 8
    assert (CODEC.scan(data, seed, 7, 0, there).next == 8) == (here == there)
    assert (CODEC.scan(data, other, 7, 0, here).next == 8) == (seed == other)
    assert CODEC.scan(data, seed, 6, 0, here).next == 6


@given(st.binary(max_size=300), SEEDS)
def test_noise_is_no_frame_and_no_error(noise: bytes, seed: int) -> None:
    assert CODEC.scan(noise, seed, 0, 0).offsets == []
    assert list(CODEC.later_frames(window_of(MAGIC + noise), seed, 0, 0, "x")) == []


@given(st.lists(st.binary(max_size=9), min_size=1))
def test_batches_split_as_they_were_joined(parts: list[bytes]) -> None:
    assert split_batch(join_batch(parts), len(parts)) == parts


def test_a_batch_that_does_not_add_up_is_bad_even_with_a_good_checksum() -> None:
    short = join_batch([b"ab", b"c"])[:-1]
    assert CODEC.scan(encode(CODEC, short, 2, 0, 0, 5, 0), 5, 0, 0).next == 0
    assert CODEC.scan(encode(CODEC, b"", 2**32 - 1, 0, 0, 5, 0), 5, 0, 0).next == 0


@given(FRAMES.filter(lambda frames: len(frames) > 1), SEEDS, VERSIONS)
def test_successors_are_found_behind_a_bad_frame(frames: list[bytes | list[bytes]], seed: int, versions: str) -> None:
    data, _ = write(frames, seed, versions)
    sound = CODEC.scan(data, seed, 0, 0)
    damaged = bytes(4) + data[4:]
    later = list(CODEC.later_frames(window_of(damaged), seed, 0, 0, "x"))
    assert later == [(number, 0) for number in sound.sequences[1:]]


def test_what_claims_to_have_been_durable_before_it_was_written_is_no_frame() -> None:
    for synced, found in ((4, 1), (5, 1), (6, 0)):
        assert len(CODEC.scan(encode(CODEC, b"a", 0, 5, synced, 1, 0), 1, 5, 0).offsets) == found


def test_a_huge_length_is_not_believed() -> None:
    data = bytearray(encode(CODEC, b"abc", 0, 0, 0, 1, 0))
    data[8:12] = b"\xff\xff\xff\xff"
    assert CODEC.scan(bytes(data), 1, 0, 0).next == 0
    assert CODEC.frame_length(bytes(data)) == 0


def test_the_search_gives_up_rather_than_become_quadratic() -> None:
    decoy = MAGIC + bytes(4) + (900_000).to_bytes(4, "little") + bytes(20)
    with pytest.raises(CorruptLog, match="looks like frames"):
        list(CODEC.later_frames(window_of(bytes(FRAME_BYTES) + decoy * 40_000), 1, 0, 0, "x"))


@given(FRAMES.filter(bool), SEEDS, SEEDS, VERSIONS)
def test_resealed_frames_are_good_in_the_other_file(
    frames: list[bytes | list[bytes]], old: int, new: int, versions: str
) -> None:
    data, records = write(frames, old, versions)
    scan = CODEC.scan(data, old, 0, 0)
    again, places = Resealer(CODEC, old, new).reseal(data, 0, len(data), 0, 0)
    assert [record for _, record in CODEC.decode(bytes(again), new, 0, 0)[0]] == records
    assert places == [number for pair in zip(scan.sequences, scan.offsets, strict=True) for number in pair]


# -- version 2 -----------------------------------------------------------------------------------------------------


@given(st.binary(max_size=60), SEEDS)
def test_the_hash_is_looked_at_besides_the_checksum(body: bytes, seed: int) -> None:
    frame = bytearray(encode(CODECS["2"], body, 0, 0, 0, seed, 40))
    assert frame[FRAME_BYTES : FRAME_BYTES + HASH_BYTES] == blake3_digest()(body)
    frame[FRAME_BYTES] ^= 1
    frame[4:8] = CODEC.checksum(bytes(frame[8:]), seed, 40).to_bytes(4, "little")
    assert CODEC.scan(bytes(frame), seed, 0, 0, 40).next == 0


@given(st.binary(max_size=60), SEEDS)
def test_a_frame_says_how_long_it_is(body: bytes, seed: int) -> None:
    for codec in CODECS.values():
        frame = encode(codec, body, 0, 0, 0, seed, 40)
        assert len(frame) == codec.size(len(body)) == codec.frame_length(frame + b"more")
        assert CODEC.scan(frame[:-1], seed, 0, 0, 40).next == 0


def test_sessions_of_both_versions_follow_each_other() -> None:
    files = dict[str, bytes]()
    for session, frame in enumerate("1221"):
        vfs = disk_of(files)
        with open_log(vfs, seed=session, frame=frame) as log:
            log.append_batch([b"batch", bytes([session])])
            log.append(bytes([session]) * 400)
            log.append(b"")
        files = files_of(vfs)
    kept = [record for session in range(4) for record in (b"batch", bytes([session]), bytes([session]) * 400, b"")]
    assert [record for _, record in open_log(disk_of(files)).records()] == kept


def test_without_the_package_version_2_is_refused_and_version_1_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    vfs = disk_of({})
    with open_log(vfs, frame="2") as log:
        log.append(b"x")
    hashed = files_of(vfs)
    monkeypatch.setitem(sys.modules, "blake3", None)
    frames.blake3_digest.cache_clear()
    for files, frame in ((hashed, "1"), (dict[str, bytes](), "2")):
        vfs = disk_of(files)
        with pytest.raises(MissingPackage, match=r"chaoswal\[blake3\]"):
            open_log(vfs, frame=frame)
        assert files_of(vfs) == files
    with open_log(disk_of({})) as log:
        log.append(b"y")
        assert isinstance(log, Log)
