"""The frame: how one append lies in a file, and how a good frame is told from a bad one.

Theory of operation
-------------------
A WAL and a segment hold frames, one behind the other, from byte 40 on. One append is one frame: a single record,
or an atomic batch of several. All numbers are little-endian.

     0        4        8        12       16               24               32
    +--------+--------+--------+--------+----------------+----------------+-----------
    | "CWf1" | crc    | length | count  | sequence       | synced         | payload ...
    +--------+--------+--------+--------+----------------+----------------+-----------

Version 2 has the magic "CWf2" and, between header and payload, the BLAKE3 of the payload, all else being equal:

     0                            32                               64
    +----------------------------+--------------------------------+-----------
    | header, as above, "CWf2"   | BLAKE3 of the payload          | payload ...
    +----------------------------+--------------------------------+-----------

A CRC finds every accident of up to a few bits and lets one in 2**32 of the others pass; the hash lets none pass that
anybody will see, and nobody can make another payload for it. It is computed by the package blake3, which is imported
where a frame of version 2 is written or read, and not before. Versions may be mixed within a file.

``crc`` is the CRC-32C of everything behind it: from byte 8 to the end of the payload. (The magic, which also carries
the version, is compared with a constant.) The CRC does not start at zero but at ``seed ^ offset``, where the seed is
the checksum of the file's header with its 16 random bytes, and the offset is the frame's own. A CRC with different
starts over equal bytes always differs, so that a frame at the wrong offset never passes, and one from another file,
recycled or misdirected, passes once in 2**32.

``count`` is 0 for a single record. Otherwise the payload is a batch: ``count`` lengths of 4 bytes each, and the
records one behind the other. Record i of the batch has the number ``sequence + i``; the next frame goes on behind
the last. Records of no bytes are legal.

``synced`` says how much was durable when the frame was written: every record below that number.

A frame is good when its magic is right, its length fits in what remains of the file (it is looked at before
anything is done with it), its sequence is the expected one, ``synced`` is not above it, its CRC holds, its hash too
if it has one, and its batch table adds up.

Where the frames of a WAL stop before the end of the file
---------------------------------------------------------
Zeros up to the end were written there to be written over (``walfile.py``), or a crash left them: the frames end there.
Otherwise, either the tail is torn: frames that were never synced and survived in part; sectors survive independently,
so that good frames behind a hole are legal. Or synced bytes are damaged. The two are told apart by evidence only:
search behind the bad frame for its successors (the magic, then the whole test at that offset); if one of them says by
``synced`` that the bad one was durable, it is damage, and is reported; otherwise it is a torn tail, and is cut. A
cut never loses a promised record, with one honest limit: rot in the very last synced frames, which no later frame
testifies for, looks like a torn tail. (Recovery takes one more witness, see ``recovery.py``: a subscriber that has
acknowledged the record.)

The search is linear in the file. Payloads that are full of magics with large lengths could make it quadratic; it
gives up, and reports, when it has checked 16 times the file.

From file to file
-----------------
A segment has its frames from a WAL, at the same offsets. Their checksums start elsewhere, and they are *moved*, not
computed again: a CRC is linear, so that what two starts make of equal bytes differs by something that depends on the
starts and the length alone, and can be had from any bytes. It is quicker, and no step of it makes a bad frame good:
bytes that are damaged after they were tested are as bad in the segment as they would be in the WAL.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import TypeAlias

from crc32c import crc32c

from chaoswal.wal.errors import CorruptLog, MissingPackage
from chaoswal.wal.window import Window

MAGIC = b"CWf1"
MAGIC_HASHED = b"CWf2"
MAGIC_START = b"CWf"
FRAME_BYTES = 32
"""The header that all versions share."""
HASH_BYTES = 32
PAYLOAD_BYTES_MAX = 1 << 30
"""Of one frame; a larger length is not believed."""

SEARCH_FACTOR = 16

GATHER_BYTES = 128 * 1024
"""A payload of so much is not copied into its frame: new memory for it would cost more than writing it does."""

Record: TypeAlias = tuple[int, bytes]
Pieces: TypeAlias = tuple[bytes, ...]
"""Bytes that lie, or are to lie, one behind the other."""
Header: TypeAlias = tuple[bytes, int, int, int, int, int]
Digest: TypeAlias = Callable[[bytes], bytes]

_HEADER = struct.Struct("<4sIIIQQ")
_BODY = struct.Struct("<IIQQ")
_SEAL = struct.Struct("<4sI")
_CRC = struct.Struct("<I")
_unpack_header = _HEADER.unpack_from
_unpack_sizes = struct.Struct("<4sIII").unpack_from


class Scan:
    """The good frames at the start of a file's frames: where each begins, its number, and where they end."""

    __slots__ = ("end", "mixed", "next", "offsets", "sequences")

    def __init__(self, offset: int, sequence: int) -> None:
        self.offsets: list[int] = []
        self.sequences: list[int] = []
        self.end = offset
        self.next = sequence
        self.mixed = False
        """Whether any frame is a batch, or of version 2."""


@cache
def blake3_digest() -> Digest:
    """The function from bytes to their BLAKE3; MissingPackage where it is not installed."""
    try:
        from blake3 import blake3  # an extra: chaoswal[blake3]
    except ImportError as error:
        raise MissingPackage("blake3", "frames of version 2 carry a BLAKE3") from error
    return lambda data: blake3(data).digest()


def batch(payloads: Sequence[bytes]) -> Pieces:
    """The payload of a batch frame; in one piece unless it is large."""
    lengths = list(map(len, payloads))
    pieces = (struct.pack(f"<{len(lengths)}I", *lengths), *payloads)
    return (b"".join(pieces),) if sum(lengths) < GATHER_BYTES else pieces


def length_of(pieces: Pieces) -> int:
    """How many bytes there are."""
    return len(pieces[0]) if len(pieces) == 1 else sum(map(len, pieces))


def batch_adds_up(data: bytes, start: int, end: int, count: int) -> bool:
    """Whether the batch of ``count`` records in ``data[start:end]`` fills it exactly."""
    table = 4 * count
    return start + table <= end and start + table + sum(struct.unpack_from(f"<{count}I", data, start)) == end


def split_batch(payload: bytes, count: int) -> list[bytes]:
    """The records of the payload of a good batch frame."""
    records = []
    offset = 4 * count
    for length in struct.unpack_from(f"<{count}I", payload):
        records.append(payload[offset : offset + length])
        offset += length
    return records


class Codec:
    """Encodes and recognises frames. ``seed`` is always the one of the file, ``base`` the offset of ``data`` in it."""

    _direct = True
    """Whether frames may be made and tested without calling: what that is built of is as it stands here."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._direct = cls.checksum is Codec.checksum and cls.plausible is Codec.plausible

    def __init__(self, frame: str = "1") -> None:
        """``frame``: the version to write; all are read. MissingPackage if version 2 cannot be."""
        self._digest = blake3_digest() if frame == "2" else None

    def checksum(self, body: bytes, seed: int, offset: int) -> int:
        """The CRC of a frame at ``offset``, of everything behind its crc field."""
        return crc32c(body, seed ^ (offset & 0xFFFFFFFF))

    def size(self, payload_bytes: int) -> int:
        """How long a frame is that is written."""
        return FRAME_BYTES + payload_bytes if self._digest is None else FRAME_BYTES + HASH_BYTES + payload_bytes

    def encode(self, payload: Pieces, count: int, sequence: int, synced: int, seed: int, offset: int) -> Pieces:
        """A whole frame; in one piece unless it is large."""
        length = length_of(payload)
        magic, head = MAGIC, _BODY.pack(length, count, sequence, synced)
        if self._digest is not None:
            magic, head = MAGIC_HASHED, head + self._digest(b"".join(payload))
        if self._direct:
            crc = crc32c(head, seed ^ (offset & 0xFFFFFFFF))
            for piece in payload:
                crc = crc32c(piece, crc)
        else:
            crc = self.checksum(head + b"".join(payload), seed, offset)
        pieces = (_SEAL.pack(magic, crc), head, *payload)
        return (b"".join(pieces),) if length < GATHER_BYTES else pieces

    def plausible(self, header: Header, sequence: int, room: int) -> bool:
        """Whether a header may be believed so far as to compute the CRC of what follows, with ``room`` bytes for it."""
        magic, _, length, _, number, synced = header
        if number != sequence or synced > number:
            return False
        return (magic == MAGIC and length <= room) or (magic == MAGIC_HASHED and length + HASH_BYTES <= room)

    def scan(self, data: bytes, seed: int, sequence: int, at: int, base: int = 0) -> Scan:
        """The good frames from ``data[at:]`` on, up to the first bad one or the end. Offsets are those in ``data``."""
        checksum, plausible, direct = self.checksum, self.plausible, self._direct
        found = Scan(at, sequence)
        offsets, sequences = found.offsets, found.sequences
        last = len(data) - FRAME_BYTES
        while at <= last:
            header = _unpack_header(data, at)
            magic, crc, length, count, number, synced = header
            end = at + FRAME_BYTES + length
            # The commonest frame is tested where it stands: calls would be half the time of every opening.
            if direct and magic == MAGIC and number == sequence and synced <= number and length <= last - at:
                if crc32c(data[at + 8 : end], seed ^ (base + at & 0xFFFFFFFF)) != crc:
                    break
            else:
                if not plausible(header, sequence, last - at):
                    break
                if magic != MAGIC:
                    end += HASH_BYTES
                if checksum(data[at + 8 : end], seed, base + at) != crc:
                    break
            if count or magic != MAGIC:
                if not self.adds_up(data, end - length, end, magic, count):
                    break
                found.mixed = True
            offsets.append(at)
            sequences.append(sequence)
            sequence += count or 1
            at = end
        found.end, found.next = at, sequence
        return found

    def adds_up(self, data: bytes, start: int, end: int, magic: bytes, count: int) -> bool:
        """Whether the hash of a payload holds, if the frame has one, and a batch fills it exactly, if it is one."""
        if magic == MAGIC_HASHED and blake3_digest()(data[start:end]) != data[start - HASH_BYTES : start]:
            return False
        return not count or batch_adds_up(data, start, end, count)

    def decode(self, data: bytes, seed: int, sequence: int, base: int) -> tuple[list[Record], int, int]:
        """The records of the good frames that lie whole in ``data``, where they end, and the number that follows."""
        found = self.scan(data, seed, sequence, 0, base)
        if not found.offsets:
            return [], 0, sequence
        stops = [*found.offsets[1:], found.end]
        frames = zip(found.sequences, found.offsets, stops, strict=True)
        if not found.mixed:
            return [(number, data[at + FRAME_BYTES : end]) for number, at, end in frames], found.end, found.next
        records: list[Record] = []
        for number, at, end in frames:
            _, _, length, count, _, _ = _unpack_header(data, at)
            payload = data[end - length : end]
            records += enumerate(split_batch(payload, count), number) if count else [(number, payload)]
        return records, found.end, found.next

    def synced(self, data: bytes, at: int) -> int:
        """What the good frame at ``data[at:]`` says was durable: every record below this number."""
        header: Header = _unpack_header(data, at)
        return header[5]

    def frame_length(self, data: bytes) -> int:
        """What the frame at the start of ``data`` says of its own length, not yet to be believed; 0 if it is none."""
        if len(data) < FRAME_BYTES:
            return 0
        header: Header = _unpack_header(data)
        magic, length = header[0], header[2]
        if magic not in (MAGIC, MAGIC_HASHED) or length > PAYLOAD_BYTES_MAX:
            return 0
        return FRAME_BYTES + length + (HASH_BYTES if magic == MAGIC_HASHED else 0)

    def later_frames(
        self, window: Window, seed: int, sequence: int, offset: int, name: str
    ) -> Iterator[tuple[int, int]]:
        """(sequence, synced) of each good frame behind the bad one at ``offset``; ``name`` is that of the file."""
        budget = SEARCH_FACTOR * window.size
        spot = window.find(MAGIC_START, offset + 1, FRAME_BYTES)
        while spot >= 0:
            header = _unpack_header(window.data, spot - window.base)
            magic, crc, length, _, number, synced = header
            following = spot + 1
            if number >= sequence and self.plausible(header, number, window.size - FRAME_BYTES - spot):
                budget -= length
                whole = FRAME_BYTES + length + (HASH_BYTES if magic == MAGIC_HASHED else 0)
                at = window.cover(spot, whole)
                if self.checksum(window.data[at + 8 : at + whole], seed, spot) == crc:
                    yield number, synced
                    following = spot + whole
            if budget < 0:
                raise CorruptLog(name, offset, sequence, sequence, "too much that looks like frames behind a bad one")
            spot = window.find(MAGIC_START, following, FRAME_BYTES)


class Resealer:
    """Takes good frames over into another file, to the same offsets, for which they need other checksums."""

    def __init__(self, codec: Codec, old_seed: int, new_seed: int) -> None:
        self._checksum = codec.checksum
        self._seeds = old_seed, new_seed
        self._differences: dict[int, int] = {}

    def reseal(self, data: bytes, at: int, end: int, base: int, number: int) -> tuple[bytearray, list[int]]:
        """The frames ``data[at:end]`` from this number on, and number and offset of each.

        ValueError where they do not end at ``end``.
        """
        piece, places = bytearray(memoryview(data)[at:end]), list[int]()
        differences, pack_into = self._differences, _CRC.pack_into
        back, last = at - 4, end - FRAME_BYTES
        while at <= last:
            magic, crc, length, count = _unpack_sizes(data, at)
            length += FRAME_BYTES if magic == MAGIC else FRAME_BYTES + HASH_BYTES
            difference = differences.get(length)
            if difference is None:
                difference = differences[length] = self.difference(length - 8)
            pack_into(piece, at - back, crc ^ difference)
            places += number, base + at
            number += count or 1
            at += length
        if at != end:
            raise ValueError("the frames do not end where they did")
        return piece, places

    def difference(self, length: int) -> int:
        """What the checksums of as many equal bytes at equal offsets in the two files differ by."""
        some = b"\xff" * length
        old, new = self._seeds
        return self._checksum(some, old, 0) ^ self._checksum(some, new, 0)
