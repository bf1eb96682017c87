"""A file seen through a window: of a file of any length a piece is in memory, and moved on as it is needed.

A file that is no longer than a piece is read by one call and stays. ``offset`` is always one in the file; where it lies
in ``data`` follows from ``base``.
"""

from typing import Protocol

from chaoswal.vfs.protocol import Vfs

PIECE_BYTES = 1 << 18
"""As much of a file as is held at once, unless one frame is longer."""


class Readable(Protocol):
    """As much of a file as reading needs."""

    def read(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes at ``offset``; fewer only at the end."""

    def close(self) -> None:
        """Done with it."""


class NamedFile:
    """A file that is opened whenever it is read: nothing has to be closed."""

    __slots__ = ("_name", "_vfs")

    def __init__(self, vfs: Vfs, name: str) -> None:
        self._vfs = vfs
        self._name = name

    def read(self, offset: int, length: int) -> bytes:
        file = self._vfs.open(self._name)
        try:
            return file.read(offset, length)
        finally:
            file.close()

    def close(self) -> None:
        """There is nothing to close."""


class Window:
    """What is in memory of a file: ``data``, from ``base`` to ``end``; ``size`` is that of the whole file."""

    __slots__ = ("base", "data", "end", "file", "piece_bytes", "size")

    def __init__(self, file: Readable, size: int, offset: int = 0, piece_bytes: int = PIECE_BYTES) -> None:
        """The first piece is the one at ``offset``. ``piece_bytes`` is at least the length of a frame's header."""
        self.file = file
        self.size = size
        self.piece_bytes = piece_bytes
        self.move(offset)

    @property
    def whole(self) -> bool:
        """Whether all of the file is in memory, and stays there."""
        return len(self.data) == self.size

    def move(self, offset: int, length: int = 0) -> None:
        """Read the file from ``offset`` on: a piece, or ``length`` bytes if that is more."""
        want = self.size - offset
        if want > self.piece_bytes:
            want = min(want, max(length, self.piece_bytes))
        self.data = b""  # before the next is there: two are never held
        if want > 0:
            self.data = self.file.read(offset, want)
            if len(self.data) < want:
                self.size = offset + len(self.data)  # somebody has cut it meanwhile
        self.base, self.end = offset, offset + len(self.data)

    def cover(self, offset: int, length: int) -> int:
        """Have the bytes from ``offset`` on in memory, as many of ``length`` as there are; where they begin in it."""
        if not self.base <= offset or min(offset + length, self.size) > self.end:
            self.move(offset, length)
        return offset - self.base

    def find(self, wanted: bytes, offset: int, room: int) -> int:
        """The next offset at which these bytes stand, with ``room`` bytes from there on in memory; -1 if none."""
        self.cover(offset, room)
        while True:
            spot = self.data.find(wanted, offset - self.base)
            if spot >= 0 and spot + room <= len(self.data):
                return self.base + spot
            if self.end >= self.size:
                return -1
            offset = self.base + spot if spot >= 0 else max(offset, self.end - len(wanted) + 1)
            self.move(offset)

    def blank(self, offset: int) -> bool:
        """Whether there is nothing but zeros from ``offset`` to the end of the file, if anything."""
        while offset < self.size:
            start = self.cover(offset, 1)
            if self.data.count(0, start) < len(self.data) - start:
                return False
            offset = self.end
        return True
