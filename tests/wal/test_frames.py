"""Frames: what is written is read back, and whatever is not exactly that is seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaoswal.wal.errors import CorruptLog
from chaoswal.wal.frames import FRAME_BYTES, MAGIC, Codec, join_batch, split_batch

CODEC = Codec()
SEEDS = st.integers(0, 2**32 - 1)
FRAMES = st.lists(
    st.one_of(st.binary(max_size=60), st.lists(st.binary(max_size=9), min_size=1, max_size=4)), max_size=6
)


def write(frames: list[bytes | list[bytes]], seed: int, first: int = 0, base: int = 0) -> tuple[bytes, list[bytes]]:
    """The bytes of the frames, and the records in them. Nothing was durable when the first was written."""
    data, records = b"", list[bytes]()
    for frame in frames:
        parts = frame if isinstance(frame, list) else [frame]
        body, count = (join_batch(parts), len(parts)) if isinstance(frame, list) else (parts[0], 0)
        data += CODEC.encode(body, count, first + len(records), first, seed, base + len(data))
        records += parts
    return data, records


@given(FRAMES, SEEDS, st.integers(0, 2**40), st.integers(0, 2**40))
def test_what_is_written_is_read_back(frames: list[bytes | list[bytes]], seed: int, first: int, base: int) -> None:
    data, records = write(frames, seed, first, base)
    found, end, following = CODEC.decode(data, seed, first, base)
    assert found == list(enumerate(records, first))
    assert (end, following) == (len(data), first + len(records))


@given(FRAMES.filter(bool), SEEDS, st.data())
def test_any_flipped_bit_ends_the_good_frames(
    frames: list[bytes | list[bytes]], seed: int, draw: st.DataObject
) -> None:
    data, _ = write(frames, seed)
    bit = draw.draw(st.integers(0, 8 * len(data) - 1))
    damaged = bytearray(data)
    damaged[bit // 8] ^= 1 << bit % 8
    sound, broken = CODEC.scan(data, seed, 0, 0), CODEC.scan(bytes(damaged), seed, 0, 0)
    whole = [
        offset for offset, end in zip(sound.offsets, [*sound.offsets[1:], sound.end], strict=True) if end <= bit // 8
    ]
    assert broken.offsets == whole


@given(FRAMES, SEEDS, st.data())
def test_a_cut_ends_the_good_frames(frames: list[bytes | list[bytes]], seed: int, draw: st.DataObject) -> None:
    data, _ = write(frames, seed)
    cut = draw.draw(st.integers(0, len(data)))
    sound, broken = CODEC.scan(data, seed, 0, 0), CODEC.scan(data[:cut], seed, 0, 0)
    assert broken.offsets == sound.offsets[: len(broken.offsets)]
    assert broken.end == max([end for end in [0, *sound.offsets, sound.end] if end <= cut])


@given(st.binary(max_size=60), SEEDS, SEEDS, st.integers(0, 2**31), st.integers(0, 2**31))
def test_a_frame_is_good_only_in_its_place(body: bytes, seed: int, other: int, here: int, there: int) -> None:
    data = CODEC.encode(body, 0, 7, 7, seed, here)
    assert CODEC.scan(data, seed, 7, 0, here).next == 8
    assert (CODEC.scan(data, seed, 7, 0, there).next == 8) == (here == there)
    assert (CODEC.scan(data, other, 7, 0, here).next == 8) == (seed == other)
    assert CODEC.scan(data, seed, 6, 0, here).next == 6


@given(st.binary(max_size=300), SEEDS)
def test_noise_is_no_frame_and_no_error(noise: bytes, seed: int) -> None:
    assert CODEC.scan(noise, seed, 0, 0).offsets == []
    assert list(CODEC.later_frames(MAGIC + noise, seed, 0, 0, 0, "x")) == []


@given(st.lists(st.binary(max_size=9), min_size=1))
def test_batches_split_as_they_were_joined(parts: list[bytes]) -> None:
    assert split_batch(join_batch(parts), len(parts)) == parts


def test_a_batch_that_does_not_add_up_is_bad_even_with_a_good_checksum() -> None:
    short = join_batch([b"ab", b"c"])[:-1]
    assert CODEC.scan(CODEC.encode(short, 2, 0, 0, 5, 0), 5, 0, 0).next == 0
    assert CODEC.scan(CODEC.encode(b"", 2**32 - 1, 0, 0, 5, 0), 5, 0, 0).next == 0


@given(FRAMES.filter(lambda frames: len(frames) > 1), SEEDS)
def test_successors_are_found_behind_a_bad_frame(frames: list[bytes | list[bytes]], seed: int) -> None:
    data, _ = write(frames, seed)
    sound = CODEC.scan(data, seed, 0, 0)
    damaged = bytes(4) + data[4:]
    later = list(CODEC.later_frames(damaged, seed, 0, 0, 0, "x"))
    assert later == [(number, 0) for number in sound.sequences[1:]]


def test_a_huge_length_is_not_believed() -> None:
    data = bytearray(CODEC.encode(b"abc", 0, 0, 0, 1, 0))
    data[8:12] = b"\xff\xff\xff\xff"
    assert CODEC.scan(bytes(data), 1, 0, 0).next == 0
    assert CODEC.frame_length(bytes(data)) == 0


def test_the_search_gives_up_rather_than_become_quadratic() -> None:
    decoy = MAGIC + bytes(4) + (900_000).to_bytes(4, "little") + bytes(20)
    with pytest.raises(CorruptLog, match="looks like frames"):
        list(CODEC.later_frames(bytes(FRAME_BYTES) + decoy * 40_000, 1, 0, 0, 0, "x"))


@given(FRAMES.filter(bool), SEEDS, SEEDS)
def test_resealed_frames_are_good_in_the_other_file(frames: list[bytes | list[bytes]], old: int, new: int) -> None:
    data, records = write(frames, old)
    scan = CODEC.scan(data, old, 0, 0)
    again = bytes(CODEC.reseal(data, scan.offsets, scan.end, new))
    assert [record for _, record in CODEC.decode(again, new, 0, 0)[0]] == records
