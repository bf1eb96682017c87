"""The segment: a finished run of records that is never changed again, only read and, in the end, deleted.

Theory of operation
-------------------
A segment is the copy of what was good in one WAL (``finalize.py``); its frames lie at the same offsets, with
checksums seeded anew. Behind the frames come an index and, at the very end, a footer of fixed size:

    +--------+--------+--------+-----+-------------------------------------+--------+
    | header | frame  | frame  | ... | index: sequence u64, offset u64 ... | footer |
    +--------+--------+--------+-----+-------------------------------------+--------+

     0         8         16             24         32      36       40       44      48              56
    +---------+---------+--------------+----------+-------+--------+--------+-------+---------------+
    | first   | end     | index offset | finished | count | index  | header | crc   | magic         |
    |         |         |              | at       |       | crc    | crc    |       |               |
    +---------+---------+--------------+----------+-------+--------+--------+-------+---------------+

``first`` and ``end`` bound the record numbers (``end`` is the first one not in it), ``count`` is the number of
frames, and of index entries. ``finished at`` is the time, in milliseconds since the epoch, at which the segment was
made. ``crc`` is the CRC-32C of the 44 bytes before it. A footer of version 1, which is read and no longer written, is
the same without that time.

Opening reads the footer only, whatever the size. A segment is never empty; header, frames, index and footer fill the
file exactly. A reader begins at the first frame, or where it stopped, or looks the frame up by binary search in the
index on disk; it believes nothing that the frame it finds does not confirm. Damage is reported when it is read.
"""

import struct
from collections.abc import Callable, Iterator

from crc32c import crc32c

from chaoswal.vfs.protocol import File, Vfs
from chaoswal.wal.errors import CorruptLog
from chaoswal.wal.extent import Extent
from chaoswal.wal.files import (
    HEADER_BYTES,
    IDENTITY_BYTES,
    SEGMENT_MAGIC,
    Birth,
    check_header,
    header_seed,
    pack_header,
    segment_name,
)
from chaoswal.wal.frames import Codec, Record, Resealer
from chaoswal.wal.reading import Opener, read_frames
from chaoswal.wal.window import PIECE_BYTES, Readable

FOOTER_MAGIC = b"CWsegF2\n"
FOOTER_BYTES = 56
FOOTER_MAGIC_1 = b"CWsegF1\n"
FOOTER_BYTES_1 = 48
ENTRY_BYTES = 16

_FOOTER = struct.Struct("<QQQQIII")
_FOOTER_1 = struct.Struct("<QQQIII")
_SEAL = struct.Struct("<I8s")
_ENTRY = struct.Struct("<QQ")


class Segment:
    """What the footer says of a segment, and where its last reader stopped."""

    __slots__ = (
        "count",
        "end",
        "finished_at",
        "first",
        "hint",
        "index_crc",
        "index_offset",
        "name",
        "seed",
        "verified",
    )

    def __init__(
        self, first: int, end: int, index_offset: int, finished_at: int, count: int, index_crc: int, seed: int
    ) -> None:
        self.name = segment_name(first)
        self.first = first
        self.end = end
        self.index_offset = index_offset
        self.finished_at = finished_at
        self.count = count
        self.index_crc = index_crc
        self.seed = seed
        self.verified = False
        self.hint = (first, HEADER_BYTES)

    @property
    def size(self) -> int:
        """Of the file, in bytes."""
        footer_bytes = FOOTER_BYTES if self.finished_at else FOOTER_BYTES_1
        return self.index_offset + ENTRY_BYTES * self.count + footer_bytes

    def read(self, files: Opener, codec: Codec, sequence: int, max_bytes: int) -> list[Record]:
        """Records from number ``sequence`` on, at least one, about ``max_bytes`` of them."""
        file = files.open(self.name)
        try:
            if not self.verified:
                self.verify_header(file)
            at = self.locate(file, sequence)
            records, stop = read_frames(file, self.name, codec, self.seed, at, (self.index_offset, self.end), max_bytes)
        finally:
            file.close()
        self.hint = (records[-1][0] + 1, stop)
        return records if records[0][0] == sequence else [record for record in records if record[0] >= sequence]

    def verify_header(self, file: Readable) -> None:
        """Check the header, once."""
        if check_header(file.read(0, HEADER_BYTES), SEGMENT_MAGIC, self.first, self.name) != self.seed:
            raise CorruptLog(self.name, 0, self.first, self.end - 1, "header and footer are of different files")
        self.verified = True

    def locate(self, file: Readable, sequence: int) -> tuple[int, int]:
        """Number and offset of the frame that holds a record."""
        if sequence == self.hint[0]:
            return self.hint
        if sequence == self.first:
            return sequence, HEADER_BYTES
        low, high = 0, self.count
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.entry(file, middle)[0] <= sequence else (low, middle)
        number, offset = self.entry(file, low)
        if not (number <= sequence and HEADER_BYTES <= offset < self.index_offset):
            raise CorruptLog(self.name, self.index_offset, sequence, sequence, "the index is damaged")
        return number, offset

    def entry(self, file: Readable, index: int) -> tuple[int, int]:
        """Number and offset of the frame with that index."""
        at = self.index_offset + ENTRY_BYTES * index
        data = file.read(at, ENTRY_BYTES)
        if len(data) < ENTRY_BYTES:
            raise CorruptLog(self.name, at, self.first, self.end - 1, "the index ends too early")
        number, offset = _ENTRY.unpack(data)
        return number, offset

    def verify(self, files: Opener, codec: Codec) -> None:
        """Read everything, the index too; CorruptLog at the first damage."""
        sequence = self.first
        while sequence < self.end:
            sequence = self.read(files, codec, sequence, PIECE_BYTES)[-1][0] + 1
        file = files.open(self.name)
        try:
            if crc32c(file.read(self.index_offset, ENTRY_BYTES * self.count)) != self.index_crc:
                raise CorruptLog(self.name, self.index_offset, self.first, self.first - 1, "the index is damaged")
        finally:
            file.close()


def load_segment(vfs: Vfs, first: int) -> Segment:
    """Read a segment's footer; CorruptLog if it is not one."""
    name = segment_name(first)
    file = vfs.open(name)
    try:
        size = file.size()
        footer = file.read(max(0, size - FOOTER_BYTES), FOOTER_BYTES)
    finally:
        file.close()
    return parse_footer(name, first, size, footer)


def parse_footer(name: str, first: int, size: int, footer: bytes) -> Segment:
    """The segment that a footer describes: the last bytes of the file, as many as the longest footer has."""
    old = footer.endswith(FOOTER_MAGIC_1)
    layout, magic, length = (
        (_FOOTER_1, FOOTER_MAGIC_1, FOOTER_BYTES_1) if old else (_FOOTER, FOOTER_MAGIC, FOOTER_BYTES)
    )
    at = max(0, size - length)
    if len(footer) < length:
        raise CorruptLog(name, at, first, first, "the file is shorter than its footer")
    body = footer[len(footer) - length :]
    if _SEAL.unpack_from(body, layout.size) != (crc32c(body[: layout.size]), magic):
        raise CorruptLog(name, at, first, first, "the footer is damaged or missing")
    found, end, index_offset, *time, count, index_crc, seed = layout.unpack_from(body)
    segment = Segment(first, end, index_offset, time[0] if time else 0, count, index_crc, seed)
    if found != first or segment.size != size:
        raise CorruptLog(name, at, first, first, "the footer is that of another file, or of another size of it")
    return segment


class SegmentBirth(Birth):
    """Writes segments."""

    def __init__(self, vfs: Vfs, codec: Codec, entropy: Callable[[int], bytes], now: Callable[[], float]) -> None:
        self._vfs = vfs
        self._codec = codec
        self._entropy = entropy
        self._now = now

    def make(self, extent: Extent) -> Segment:
        """The segment with the good frames of a WAL, durable."""
        header = pack_header(SEGMENT_MAGIC, self._entropy(IDENTITY_BYTES), extent.first)
        finished_at = round(self._now() * 1000)
        segment = Segment(extent.first, extent.next, extent.end, finished_at, extent.count, 0, header_seed(header))
        file = self.prepare(segment.name, self.pieces(header, extent, segment))
        try:
            self.commit(file, segment.name)
        finally:
            file.close()
        return segment

    def pieces(self, header: bytes, extent: Extent, segment: Segment) -> Iterator[tuple[int, bytes]]:
        """The whole file, in pieces at their offsets; one, if it is short. The checksum of the index is found out."""
        frames, at = header, 0
        index, index_at = b"", segment.index_offset
        resealer = Resealer(self._codec, extent.seed, segment.seed)
        for run in extent.runs:
            resealed, places = extent.reseal(run, resealer)
            frames += resealed
            index += struct.pack(f"<{len(places)}Q", *places)
            if len(frames) >= PIECE_BYTES:
                yield at, frames
                frames, at = b"", at + len(frames)
            if len(index) >= PIECE_BYTES:
                yield index_at, index
                segment.index_crc = crc32c(index, segment.index_crc)
                index, index_at = b"", index_at + len(index)
        segment.index_crc = crc32c(index, segment.index_crc)
        rest = index + pack_footer(segment)
        if index_at == segment.index_offset:
            yield at, frames + rest
        else:
            if frames:
                yield at, frames
            yield index_at, rest

    def create(self, temporary: str) -> File:
        return self._vfs.create(temporary)

    def write(self, file: File, offset: int, data: bytes) -> int:
        return file.write(offset, data)

    def sync(self, file: File) -> None:
        file.sync()

    def rename(self, temporary: str, name: str) -> None:
        self._vfs.rename(temporary, name)

    def sync_directory(self) -> None:
        self._vfs.sync_directory()

    def unlink(self, temporary: str) -> None:
        self._vfs.unlink(temporary)


def pack_footer(segment: Segment) -> bytes:
    """The last bytes of a segment."""
    places = (segment.first, segment.end, segment.index_offset, segment.finished_at)
    body = _FOOTER.pack(*places, segment.count, segment.index_crc, segment.seed)
    return body + _SEAL.pack(crc32c(body), FOOTER_MAGIC)
