"""The manifest: what must be there, so that a file that is missing is noticed.

Theory of operation
-------------------
The other files say what they hold; only the manifest says what the log *should* hold: the number ``start`` of the
first record that cleanup has left, and the names of the registered subscribers. It is replaced whole and durably
before anything that it allows is done: before cleanup deletes a segment below ``start``, before a subscriber's
progress is deleted. So cleanup, registration and its undoing each take effect at one moment, the moment the manifest
does; what a crash leaves of the rest (a segment below ``start``, progress of a name not listed) is removed by
recovery; and an oldest segment or a subscriber's file that has vanished is damage that is reported.

     0          8          16        20                                  crc
    +----------+----------+---------+---------+------+---------+------+--------+
    | magic    | start    | names   | length  | name | length  | name | crc    |
    |          |          | u32     | u32     |      | ...     |      | u32    |
    +----------+----------+---------+---------+------+---------+------+--------+

``crc`` is the CRC-32C of everything before it, and the last four bytes of the file.
"""

import struct
from dataclasses import dataclass

from crc32c import crc32c

from chaoswal.vfs.protocol import File, Vfs
from chaoswal.wal.errors import CorruptLog
from chaoswal.wal.files import MANIFEST_NAME, Birth

MAGIC = b"CWlogM1\n"

_HEAD = struct.Struct("<8sQI")
_U32 = struct.Struct("<I")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The first record cleanup has left, and who is registered, sorted."""

    start: int = 0
    names: tuple[str, ...] = ()

    def with_start(self, start: int) -> "Manifest":
        """The same with another start."""
        return Manifest(start=start, names=self.names)

    def with_name(self, name: str) -> "Manifest":
        """The same with one more subscriber."""
        return Manifest(start=self.start, names=tuple(sorted({*self.names, name})))

    def without_name(self, name: str) -> "Manifest":
        """The same with one subscriber less."""
        return Manifest(start=self.start, names=tuple(other for other in self.names if other != name))


def pack_manifest(manifest: Manifest) -> bytes:
    """The bytes of the file."""
    names = [_U32.pack(len(name)) + name.encode("ascii") for name in manifest.names]
    body = _HEAD.pack(MAGIC, manifest.start, len(names)) + b"".join(names)
    return body + _U32.pack(crc32c(body))


def parse_manifest(data: bytes) -> Manifest:
    """The manifest in the bytes of the file; CorruptLog if it is damaged."""
    body = data[:-4]
    if len(body) < _HEAD.size or crc32c(body) != _U32.unpack_from(data, len(body))[0]:
        raise CorruptLog(MANIFEST_NAME, 0, 0, -1, "the manifest is damaged")
    magic, start, count = _HEAD.unpack_from(body)
    if magic != MAGIC:
        raise CorruptLog(MANIFEST_NAME, 0, 0, -1, "the manifest is of another version or another file")
    names = []
    at = _HEAD.size
    for _ in range(count):
        (length,) = _U32.unpack_from(body, at)
        names.append(body[at + 4 : at + 4 + length].decode("ascii"))
        at += 4 + length
    return Manifest(start=start, names=tuple(names))


def load_manifest(vfs: Vfs) -> Manifest:
    """Read the manifest; CorruptLog if it is damaged."""
    file = vfs.open(MANIFEST_NAME)
    try:
        return parse_manifest(file.read(0, file.size()))
    finally:
        file.close()


class ManifestBirth(Birth):
    """Replaces the manifest."""

    def __init__(self, vfs: Vfs) -> None:
        self._vfs = vfs

    def draft(self, manifest: Manifest) -> File:
        """Write it under its temporary name; ``publish`` is to follow."""
        return self.prepare(MANIFEST_NAME, (pack_manifest(manifest),))

    def publish(self, file: File) -> None:
        """Make the draft the manifest, durably."""
        try:
            self.commit(file, MANIFEST_NAME)
        finally:
            file.close()

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
