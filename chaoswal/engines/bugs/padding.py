"""A bug of padded frames: the sum covers a slot of fixed steps, and how much of the slot is record stands in it.

Where a length alone says which bytes are summed, a damaged one never fits its sum. In this variant it does not: a
single record is kept as its length, itself, and zeros up to the next step, and the frame's own length is that of all.
The variant is sound as it stands (``PaddingEngine``): the sum covers the inner length like the rest.
"""

import struct

from chaoswal.engines.bugs.entry import bug
from chaoswal.engines.bugs.sync_order import ANY
from chaoswal.engines.wal import WalEngine
from chaoswal.wal.frames import FRAME_BYTES, Codec, Pieces, Record, length_of, split_batch
from chaoswal.wal.log import Log, Parts
from chaoswal.wal.reader import LogReader

STEP_BYTES = 16

_INNER = struct.Struct("<I")
_COUNT = struct.Struct("<12xI")


class Padded(Codec):
    """Keeps single records in slots; batches are as ever. Frames are of version 1."""

    def size(self, payload_bytes: int) -> int:
        return super().size(_INNER.size + payload_bytes + STEP_BYTES)

    def encode(self, payload: Pieces, count: int, sequence: int, synced: int, seed: int, offset: int) -> Pieces:
        if not count:
            length = length_of(payload)
            payload = (_INNER.pack(length), *payload, bytes(-(_INNER.size + length) % STEP_BYTES))
        return super().encode(payload, count, sequence, synced, seed, offset)

    def decode(self, data: bytes, seed: int, sequence: int, base: int) -> tuple[list[Record], int, int]:
        found = self.scan(data, seed, sequence, 0, base)
        records: list[Record] = []
        for number, at, end in zip(found.sequences, found.offsets, [*found.offsets[1:], found.end], strict=False):
            slot, count = data[at + FRAME_BYTES : end], _COUNT.unpack_from(data, at)[0]
            if count:
                records += enumerate(split_batch(slot, count), number)
            else:
                length = _INNER.unpack_from(slot)[0]
                records.append((number, slot[_INNER.size : _INNER.size + length]))
        return records, found.end if found.offsets else 0, found.next


class PaddedReader(LogReader):
    """Reads them from outside."""

    codec_type = Padded


class PaddingLog(Log):
    """A log of such frames."""

    parts = Parts(codec=Padded)


class PaddingEngine(WalEngine):
    """The sound variant."""

    log_class: type[Log] = PaddingLog
    reader_class = PaddedReader


class SkipsLength(Padded):
    """Sums all of a frame but the inner length."""

    def checksum(self, body: bytes, seed: int, offset: int) -> int:
        """The CRC of a frame without its inner length."""
        inner = FRAME_BYTES - 8  # the body begins behind magic and crc
        return super().checksum(body[:inner] + body[inner + _INNER.size :], seed, offset)


class SkippingLog(Log):
    """A log that does."""

    parts = Parts(codec=SkipsLength)


@bug("checksum-skips-length", kinds="invented", profiles=ANY, by="damage", options="frame=1")
class SkippingEngine(PaddingEngine):
    """The checksum covers a record and not the length of it: pogreb #30, libcsp #46."""

    log_class = SkippingLog
