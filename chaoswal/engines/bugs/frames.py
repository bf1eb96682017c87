"""Bugs of frames: what was never written whole is taken for a record, or a whole record for its end."""

from collections.abc import Sequence

from chaoswal.engines.bugs.entry import bug
from chaoswal.engines.bugs.sync_order import ANY, CACHED
from chaoswal.limits import PAGE_BYTES, SECTOR_BYTES
from chaoswal.vfs.protocol import Vfs
from chaoswal.wal.frames import HASH_BYTES, MAGIC, Codec, Header, Scan, batch, length_of
from chaoswal.wal.log import Log, Parts, Receipt
from chaoswal.wal.survey import Surveyor
from chaoswal.wal.walfile import WalFile


@bug("no-checksum", kinds="invented hole unopenable", profiles=CACHED, site="WalFile.write")
class NoChecksum(Codec):
    """Whatever the disk gives back is believed: Turso #5013; persist-queue 1.1.0 unpickles zeros."""

    def checksum(self, body: bytes, seed: int, offset: int) -> int:
        return 0


@bug("length-trusted-before-checksum", kinds="unopenable", profiles="kill ext4-ordered posix", site="WalFile.write")
class TrustsLength(Codec):
    """A length that runs past the end of the file is an error and not a torn tail: Pebble #737, DuckDB #8592."""

    def plausible(self, header: Header, sequence: int, room: int) -> bool:
        if header[0] == MAGIC and header[2] > room:
            raise EOFError(f"a frame of {header[2]} bytes, of which {room} are there")
        return super().plausible(header, sequence, room)


@bug("zero-length-means-end", kinds="lost stuck unopenable", profiles=ANY)
class ZeroEnds(Codec):
    """A record of no bytes is taken for the end: a reader that stops at the first length of 0, as mysticeti's."""

    def plausible(self, header: Header, sequence: int, room: int) -> bool:
        return header[2] > 0 and super().plausible(header, sequence, room)


class ShortSighted(Codec):
    """Looks at all of a file but its last byte."""

    def scan(self, data: bytes, seed: int, sequence: int, at: int, base: int = 0) -> Scan:
        return super().scan(data[:-1], seed, sequence, at, base)


@bug("off-by-one-at-the-end-of-file", kinds="lost duplicated stuck unopenable", profiles=ANY, site="WalBirth.rename")
class OffByOne(Surveyor):
    """A record that ends exactly where the file does is taken for torn: an end of log as in WiredTiger WT-2356."""

    def __init__(self, vfs: Vfs, codec: Codec) -> None:
        super().__init__(vfs, ShortSighted())


class FirstSectorOnly(Codec):
    """Sums the beginning of a frame."""

    def checksum(self, body: bytes, seed: int, offset: int) -> int:
        return super().checksum(body[:SECTOR_BYTES], seed, offset)


@bug(
    "torn-large-frame-accepted",
    kinds="invented hole unopenable",
    profiles="kill ext4-ordered posix",
    site="WalFile.write",
    parts=Parts(codec=FirstSectorOnly),
)
class GrowsFirst(WalFile):
    """The file is grown before it is written, and the checksum covers a part: SQLite's journal sums 1 byte in 200."""

    def write(self, offset: int, *data: bytes) -> int:
        length = length_of(data)
        if length > PAGE_BYTES:
            self.file.truncate(offset + length)
        return super().write(offset, *data)


@bug("batch-written-record-by-record", kinds="hole", profiles=ANY, site="WalFile.write")
class RecordByRecord(Log):
    """A batch is a frame for each record, and a crash leaves some of them: SlateDB #762."""

    def append_batch(self, payloads: Sequence[bytes], expected: int | None = None) -> Receipt:
        receipts = [self.append(payload) for payload in payloads]
        return Receipt(receipts[0].sequence, durable=receipts[-1].durable, count=len(payloads))


@bug(
    "preallocated-tail-read-as-records",
    kinds="invented unstable unopenable",
    profiles=ANY,
    options="preallocate_bytes=256",
)
class ReadsZeros(Codec):
    """The zeros behind the last record are read on as if they were records: Pebble #107, which stumbled over them."""

    def checksum(self, body: bytes, seed: int, offset: int) -> int:
        return super().checksum(body, seed, offset) if any(body) else 0

    def plausible(self, header: Header, sequence: int, room: int) -> bool:
        if not any(header[0]) and header[2] == 0:
            return room >= HASH_BYTES  # of a frame that is not of version 1
        return super().plausible(header, sequence, room)


@bug("batch-split-by-rotation", kinds="hole", profiles=ANY, site="WalFile.write", options="wal_bytes=300")
class SplitsBatches(Log):
    """A batch that does not fit the WAL is begun in it and ended in the next: SlateDB #762, across several SSTs."""

    def append_batch(self, payloads: Sequence[bytes], expected: int | None = None) -> Receipt:
        if self.options.budget_bytes:  # a refusal of the second half would be another bug
            return super().append_batch(payloads, expected)
        parts = list(payloads)
        done: list[Receipt] = []
        while len(parts) > 1 and self.is_full(self._codec.size(length_of(batch(parts)))):
            fitting = max(1, sum(self._wal.size + 4 + len(part) < self.options.wal_bytes for part in parts) - 1)
            done.append(super().append_batch(parts[:fitting], expected))
            parts, expected = parts[fitting:], None
        done.append(super().append_batch(parts, expected))
        return Receipt(done[0].sequence, durable=done[-1].durable, count=len(payloads))
