"""The open WAL: appended to by the session that made it, and by no other.

Theory of operation
-------------------
A WAL is born as a header alone and grows by frames (``frames.py``). In memory stand the offset and number of every
frame, the end of what was written, and the end of what was synced; readers see only up to the latter.

A failed or interrupted append is rewound: the file is truncated to the end of the last good frame, so that no bytes
of it stay behind a shorter record. Where that fails too the WAL is ``broken``. A failed sync is not retried: after
it, nobody knows what the disk holds, and a second sync that succeeds proves nothing.
"""

from array import array
from bisect import bisect_right
from collections.abc import Callable

from chaoswal.vfs.protocol import File, Vfs
from chaoswal.wal.files import HEADER_BYTES, IDENTITY_BYTES, WAL_MAGIC, Birth, header_seed, pack_header, wal_name
from chaoswal.wal.frames import Codec, Record
from chaoswal.wal.reading import read_frames


class WalFile:
    """A WAL that this session appends to. ``next`` is the number of the next record, ``durable`` what is synced."""

    def __init__(self, file: File, first: int, seed: int, codec: Codec) -> None:
        self.file = file
        self.name = wal_name(first)
        self.first = self.next = self.durable = first
        self.seed = seed
        self.size = self.durable_size = HEADER_BYTES
        self.broken = False
        self._codec = codec
        self._sequences = array("Q")
        self._offsets = array("Q")

    def append(self, payload: bytes, count: int) -> int:
        """Write one frame behind the last; returns its sequence number. Not durable yet."""
        sequence = self.next
        frame = self._codec.encode(payload, count, sequence, self.durable, self.seed, self.size)
        try:
            self.write_whole(frame)
            self._sequences.append(sequence)
            self._offsets.append(self.size)
            self.size, self.next = self.size + len(frame), sequence + (count or 1)
        except BaseException:
            self.rewind(sequence)
            raise
        return sequence

    def write_whole(self, frame: bytes) -> None:
        """Write a frame at the end, however little a call takes."""
        done = self.write(self.size, frame)
        while done < len(frame):
            done += self.write(self.size + done, frame[done:])

    def rewind(self, sequence: int) -> None:
        """Undo an append that did not come to its end."""
        while len(self._offsets) > 0 and self._sequences[-1] >= sequence:
            self._sequences.pop()
            self.size = self._offsets.pop()
        self.next = sequence
        try:
            self.truncate()
        except OSError:
            self.broken = True

    def sync_all(self) -> None:
        """Make everything written so far durable."""
        size, following = self.size, self.next
        self.sync()
        self.durable_size, self.durable = size, following

    def read(self, sequence: int, max_bytes: int) -> list[Record]:
        """Durable records from number ``sequence`` on, at least one, about ``max_bytes`` of them."""
        at = self.locate(sequence)
        end = (self.durable_size, self.durable)
        records, _ = read_frames(self.file, self.name, self._codec, self.seed, at, end, max_bytes)
        return records if records[0][0] == sequence else [record for record in records if record[0] >= sequence]

    def locate(self, sequence: int) -> tuple[int, int]:
        """Number and offset of the frame that holds a durable record."""
        index = bisect_right(self._sequences, sequence) - 1
        return self._sequences[index], self._offsets[index]

    def write(self, offset: int, data: bytes) -> int:
        return self.file.write(offset, data)

    def truncate(self) -> None:
        self.file.truncate(self.size)

    def sync(self) -> None:
        self.file.sync(data_only=True)

    def close(self) -> None:
        self.file.close()


class WalBirth(Birth):
    """Makes a WAL: a header and nothing more, under its final name, durable."""

    def __init__(self, vfs: Vfs, codec: Codec, entropy: Callable[[int], bytes], wal_file: type[WalFile]) -> None:
        self._vfs = vfs
        self._codec = codec
        self._entropy = entropy
        self._wal_file = wal_file

    def make(self, first: int) -> WalFile:
        """A new WAL; it replaces one of the same name."""
        name = wal_name(first)
        header = pack_header(WAL_MAGIC, self._entropy(IDENTITY_BYTES), first)
        file = self.prepare(name, (header,))
        try:
            self.commit(file, name)
        finally:
            file.close()
        return self._wal_file(self._vfs.open(name, write=True), first, header_seed(header), self._codec)

    def adopt(self, first: int, seed: int) -> WalFile:
        """A WAL that holds nothing behind its header.

        An earlier session may have cut away an append that failed, and that cut need not be durable: sync.
        """
        file = self._vfs.open(wal_name(first), write=True)
        try:
            self.sync_cut(file)
        except BaseException:
            file.close()
            raise
        return self._wal_file(file, first, seed, self._codec)

    def sync_cut(self, file: File) -> None:
        """Make the end of an empty WAL durable."""
        file.sync(data_only=True)

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
