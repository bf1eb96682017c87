"""The open segment without a WAL, for durability "segment-only": its frames are held in memory until it is finished.

Theory of operation
-------------------
On the disk there is nothing but segments, and behind the last of them the empty WAL with which every session begins.
The frames that a WAL would hold are in memory, so that an append costs no call; a rotation makes a segment of them by
the steps of ``finalize.py``, from memory instead of a file. To recovery this is a log that crashed before its first
append, whatever was lost, and it needs no rule of its own; the next session may choose either durability.

Nothing is durable, and nothing is shown to readers, before it is in a segment. So whoever makes something durable has
to rotate, and a segment that could not be finished is lost with the process.
"""

from chaoswal.vfs.protocol import Copied, File, Map
from chaoswal.wal.files import HEADER_BYTES
from chaoswal.wal.frames import Codec
from chaoswal.wal.walfile import WalFile


class HeldFile:
    """A file that is not there: bytes in memory, which can never be made durable."""

    def __init__(self) -> None:
        self._data = bytearray(HEADER_BYTES)

    def read(self, offset: int, length: int) -> bytes:
        with memoryview(self._data) as view:
            return bytes(view[offset : offset + length])

    def map(self) -> Map:
        return Copied(self._data)

    def write(self, offset: int, *data: bytes) -> int:
        end = offset
        for piece in data:
            self._data[end : end + len(piece)] = piece
            end += len(piece)
        return end - offset

    def truncate(self, size: int) -> None:
        del self._data[size:]

    def size(self) -> int:
        return len(self._data)

    def sync(self, *, data_only: bool = False) -> None:
        raise AssertionError("what is in memory only cannot be made durable: it is to be finalized")

    def close(self) -> None:
        self._data = bytearray()


class HeldWal(WalFile):
    """What would be in the WAL."""

    held = True

    def __init__(self, file: File, first: int, seed: int, codec: Codec, growth_bytes: int = 0) -> None:
        """``file`` is the empty WAL; it stays as it is, and does not grow."""
        file.close()
        super().__init__(HeldFile(), first, seed, codec)
