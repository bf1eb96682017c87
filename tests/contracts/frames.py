"""A file of checksummed frames for toy engines: small enough to be checked by reading, and sound."""

import struct
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager

from chaoswal.vfs.protocol import File, Vfs

_HEAD = struct.Struct("<II")


class Frames:
    """What was appended, in order, as far as it is whole.

    An opening copies it to a new file, so that it rests on nothing but what is durable: of a sync that has failed
    nobody knows what it has left in the cache. What fails once fails until the file is opened anew.
    """

    def __init__(self, vfs: Vfs, name: str) -> None:
        self.failed = False
        data = b""
        if name in vfs.list():
            with closing(vfs.open(name)) as before:
                data = before.read(0, before.size())
        self.bodies = list(self.read(data))
        self.end = sum(_HEAD.size + len(body) for body in self.bodies)
        self.file = self.settled(vfs, name, data[: self.end])

    def settled(self, vfs: Vfs, name: str, data: bytes) -> File:
        """The file with these bytes, durable."""
        if f"{name}.new" in vfs.list():
            vfs.unlink(f"{name}.new")
        file = vfs.create(f"{name}.new")
        self.write(file, 0, data)
        file.sync()
        vfs.rename(f"{name}.new", name)
        vfs.sync_directory()
        return file

    def write(self, file: File, offset: int, data: bytes) -> None:
        """All of it, or an error."""
        if file.write(offset, data) != len(data):
            raise OSError("the disk took only a part of it")

    def read(self, data: bytes) -> Iterator[bytes]:
        """The bodies of the frames."""
        at = 0
        while at + _HEAD.size <= len(data):
            length, checksum = _HEAD.unpack_from(data, at)
            body = data[at + _HEAD.size : at + _HEAD.size + length]
            if not self.good(body, length, checksum == zlib.crc32(body, at + 1)):
                return
            yield body
            at += _HEAD.size + length

    def good(self, body: bytes, length: int, matches: bool) -> bool:
        """Whether a frame is whole, and what was written."""
        return len(body) == length and matches

    def append(self, body: bytes, *, durable: bool) -> None:
        """One more frame, durable on return where that is asked for."""
        frame = _HEAD.pack(len(body), zlib.crc32(body, self.end + 1)) + body
        with self.whole():
            self.write(self.file, self.end, frame)
            if durable:
                self.file.sync(data_only=True)
        self.end += len(frame)

    def sync(self) -> None:
        """Make what was appended durable."""
        with self.whole():
            self.file.sync(data_only=True)

    @contextmanager
    def whole(self) -> Iterator[None]:
        """What fails here fails from now on: nobody knows how far it came."""
        if self.failed:
            raise OSError("an earlier operation failed")
        self.failed = True
        yield
        self.failed = False


class InPlace(Frames):
    """Cuts the file where it is, and does not sync what it believes from then on."""

    def settled(self, vfs: Vfs, name: str, data: bytes) -> File:
        file = vfs.open(name, write=True) if name in vfs.list() else vfs.create(name)
        vfs.sync_directory()
        file.truncate(len(data))
        return file


class Believing(Frames):
    """Looks at no checksum."""

    def good(self, body: bytes, length: int, matches: bool) -> bool:
        return len(body) == length
