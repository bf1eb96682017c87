"""The open WAL: appended to by the session that made it, and by no other.

Theory of operation
-------------------
A WAL is born as a header alone and grows by frames (``frames.py``). In memory stand the offset and number of every
frame, the end of what was written, and the end of what was synced; readers see only up to the latter.

On a real disk a sync is quicker when it has no new size to make durable. So the file is made to grow by many zeros at
once (``preallocate_bytes``), written behind the frame that needs them by the same call; later frames are written
over them. Zeros are no frame, whatever their offset, so that what is read ends where the frames do. They are written
twice, so they pay only where a sync is for little beside them, and a file that stays small does without.

A failed or interrupted append is rewound: the file is truncated to the end of the last good frame, so that no bytes
of it stay behind a shorter record. Where that fails too the WAL is ``broken``. A failed sync is not retried: after
it, nobody knows what the disk holds, and a second sync that succeeds proves nothing.
"""

from array import array
from bisect import bisect_right
from collections.abc import Callable

from chaoswal.vfs.protocol import File, Vfs
from chaoswal.wal.files import HEADER_BYTES, IDENTITY_BYTES, WAL_MAGIC, Birth, header_seed, pack_header, wal_name
from chaoswal.wal.frames import Codec, Pieces, Record, length_of
from chaoswal.wal.reading import read_frames

GROWTH_SHARE = 4
"""A WAL grows ahead once it holds this share of a growth, for frames and syncs of no more than this share of it."""

Mark = tuple[int, int]
"""The size of a WAL at some moment, and the number of its next record then."""


class WalFile:
    """A WAL that this session appends to.

    ``next`` is the number of the next record, ``durable`` the first that no sync has covered; ``size`` is the end
    of what is written, ``begun_size`` how much of that the last sync to begin covers, ``durable_size`` the last to end.
    """

    held = False
    """Whether it is in memory only (``held.py``), so that nothing but a rotation makes it durable."""

    def __init__(self, file: File, first: int, seed: int, codec: Codec, growth_bytes: int = 0) -> None:
        self.file = file
        self.name = wal_name(first)
        self.first = self.next = self.durable = first
        self.seed = seed
        self.size = self.durable_size = self.begun_size = HEADER_BYTES
        self.broken = False
        self._codec = codec
        self._growth_bytes = growth_bytes
        self._allocated = HEADER_BYTES
        self._synced_bytes = 0
        self._sequences = array("Q")
        self._offsets = array("Q")

    def append(self, payload: Pieces, count: int) -> int:
        """Write one frame behind the last; returns its sequence number. Not durable yet."""
        sequence = self.next
        frame = self._codec.encode(payload, count, sequence, self.durable, self.seed, self.size)
        end = self.size + length_of(frame)
        try:
            if end > self._allocated and self._growth_bytes:
                room = self.room(end)
                self._allocated = self.write_whole((*frame, bytes(room)) if room else frame, end)
            else:
                self.write_whole(frame, end)
            self._sequences.append(sequence)
            self._offsets.append(self.size)
            self.size, self.next = end, sequence + (count or 1)
        except BaseException:
            self.rewind(sequence)
            raise
        return sequence

    def room(self, end: int) -> int:
        """How many zeros are to follow a frame that ends at ``end``, beyond what is there."""
        growth = self._growth_bytes
        most = growth // GROWTH_SHARE
        if end - self.begun_size > most or self._synced_bytes > most or self.size < most:
            return 0
        return -end % growth

    def write_whole(self, frame: Pieces, end: int) -> int:
        """Write at the end, up to ``end`` however little a call takes, beyond it as much as the first call takes.

        Returns how far it came.
        """
        offset = self.size
        done = offset + self.write(offset, *frame)
        if done < end:
            left = b"".join(frame)[: end - offset]
            while done < end:
                done += self.write(done, left[done - offset :])
        return done

    def rewind(self, sequence: int) -> None:
        """Undo an append that did not come to its end."""
        while len(self._offsets) > 0 and self._sequences[-1] >= sequence:
            self._sequences.pop()
            self.size = self._offsets.pop()
        self.next = sequence
        self._allocated = self.size
        try:
            self.truncate()
        except OSError:
            self.broken = True

    def mark(self) -> Mark:
        """What a sync that begins now will cover; ``settle`` with it once that sync has returned."""
        self._synced_bytes = self.size - self.begun_size
        self.begun_size = self.size
        return self.size, self.next

    def settle(self, mark: Mark) -> None:
        """Count as durable what was written before a sync began."""
        self.durable_size, self.durable = mark

    def sync_all(self) -> None:
        """Make everything written so far durable."""
        mark = self.mark()
        self.sync()
        self.settle(mark)

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

    def write(self, offset: int, *data: bytes) -> int:
        return self.file.write(offset, *data)

    def truncate(self) -> None:
        self.file.truncate(self.size)

    def sync(self) -> None:
        self.file.sync(data_only=True)

    def close(self) -> None:
        self.file.close()


class WalBirth(Birth):
    """Makes a WAL: a header and nothing more, under its final name, durable."""

    def __init__(
        self,
        vfs: Vfs,
        codec: Codec,
        entropy: Callable[[int], bytes],
        wal_file: type[WalFile],
        growth_bytes: int = 0,
    ) -> None:
        self._vfs = vfs
        self._codec = codec
        self._entropy = entropy
        self._wal_file = wal_file
        self._growth_bytes = growth_bytes

    def make(self, first: int) -> WalFile:
        """A new WAL; it replaces one of the same name."""
        name = wal_name(first)
        header = pack_header(WAL_MAGIC, self._entropy(IDENTITY_BYTES), first)
        file = self.prepare(name, ((0, header),))
        try:
            self.commit(file, name)
        finally:
            file.close()
        return self.hand_out(self._vfs.open(name, write=True), first, header_seed(header))

    def adopt(self, first: int, seed: int) -> WalFile:
        """A WAL that holds nothing behind its header, or zeros.

        An earlier session may have cut away an append that failed, and that cut need not be durable: sync.
        """
        file = self._vfs.open(wal_name(first), write=True)
        try:
            self.sync_cut(file)
        except BaseException:
            file.close()
            raise
        return self.hand_out(file, first, seed)

    def hand_out(self, file: File, first: int, seed: int) -> WalFile:
        """A WAL that holds nothing, to be appended to."""
        return self._wal_file(file, first, seed, self._codec, self._growth_bytes)

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
