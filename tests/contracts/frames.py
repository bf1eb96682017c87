"""A file of checksummed frames for toy engines: small enough to be checked by reading, and sound."""

import struct
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager

from chaoswal.vfs.protocol import File, Vfs

_HEAD, _DURABLE = struct.Struct("<II"), struct.Struct("<I")


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

    def read(self, data: bytes, at: int = 0) -> Iterator[bytes]:
        """The bodies of the frames from there on."""
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


class Damaged(Exception):
    """What was durable is damaged."""


class Reporting(Frames):
    """Cuts a torn end where it is, durably, and reports other damage. Sound.

    A frame says how far the file was durable when it was written: a bad one before that is damaged. That the file is
    gone another file tells.
    """

    def __init__(self, vfs: Vfs, name: str) -> None:
        names, mark = vfs.list(), f"{name}.begun"
        if mark in names and name not in names:
            raise Damaged(f"{name} is gone")
        super().__init__(vfs, name)
        self.bodies = [body[_DURABLE.size :] for body in self.bodies]
        self.durable = self.end
        if mark not in names:
            vfs.create(mark).close()
            vfs.sync_directory()

    def settled(self, vfs: Vfs, name: str, data: bytes) -> File:
        file = vfs.open(name, write=True) if name in vfs.list() else vfs.create(name)
        file.truncate(len(data))
        file.sync()
        vfs.sync_directory()
        return file

    def append(self, body: bytes, *, durable: bool) -> None:
        super().append(_DURABLE.pack(self.durable) + body, durable=durable)
        if durable:
            self.durable = self.end

    def sync(self) -> None:
        super().sync()
        self.durable = self.end

    def read(self, data: bytes, at: int = 0) -> Iterator[bytes]:
        for body in super().read(data, at):
            yield body
            at += _HEAD.size + len(body)
        short = [start for start in range(at + 1, len(data) - _HEAD.size) if data[start + 2 : start + 4] == b"\0\0"]
        good = (next(super(Reporting, self).read(data, start), b"") for start in short)
        if any(body and _DURABLE.unpack_from(body)[0] > at for body in good):
            raise Damaged(f"the frame at {at} is bad, and was durable when one behind it was written")


class Cutting(Reporting):
    """Cuts from the first bad frame on, whatever is behind it."""

    def read(self, data: bytes, at: int = 0) -> Iterator[bytes]:
        return Frames.read(self, data, at)


class BeginningAnew(Reporting):
    """Takes a file that is gone for one that was not there yet."""

    def __init__(self, vfs: Vfs, name: str) -> None:
        if name not in vfs.list() and f"{name}.begun" in vfs.list():
            vfs.unlink(f"{name}.begun")
        super().__init__(vfs, name)


class Unchecked(Reporting):
    """Reports nothing but that a file is gone, and looks at no checksum."""

    def good(self, body: bytes, length: int, matches: bool) -> bool:
        return len(body) == length
