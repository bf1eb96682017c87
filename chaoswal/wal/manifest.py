"""The manifest: what must be there, so that a file that is missing is noticed.

Theory of operation
-------------------
The other files say what they hold; only the manifest says what the log *should* hold: the number ``start`` of the
first record that cleanup has left, and the names of the registered subscribers. It is replaced whole and durably
before anything that it allows is done: before cleanup deletes a segment below ``start``, before a subscriber's
progress is deleted. So cleanup, registration and its undoing each take effect at one moment, the moment the manifest
does; what a crash leaves of the rest (a segment below ``start``, progress of a name not listed) is removed by
recovery; and an oldest segment or a subscriber's file that has vanished is damage that is reported.

     0       8       16      24        32               56               80       84                        crc
    +-------+-------+-------+---------+----------------+----------------+--------+--------+------+--------+-----+
    | magic | start | epoch | dropped | lost to the    | lost to age:   | names  | length | name | length | crc |
    |       |       |       |         | budget: 3 u64  | 3 u64          | u32    | u32    |      | ...    | u32 |
    +-------+-------+-------+---------+----------------+----------------+--------+--------+------+--------+-----+

``crc`` is the CRC-32C of everything before it, and the last four bytes of the file.

``epoch`` grows each time a writer takes the lock over from one that died. Where segments were dropped that somebody had
not finished, ``dropped`` is the start that this made, and the segments, records and bytes lost are counted, in the same
replacement: what is lost is counted once, whatever crashes. A subscriber behind the start is one that was left behind
by that, and it is skipped ahead, while ``dropped`` and ``start`` are the same. Cleanup moves ``start`` only when the
progress of all is durable; so a subscriber behind any other start is damaged. Version 1, which is read and no longer
written, has none of the four.
"""

import struct
from dataclasses import dataclass, replace
from functools import lru_cache

from crc32c import crc32c

from chaoswal.vfs.protocol import File, Vfs
from chaoswal.wal.errors import CorruptLog
from chaoswal.wal.files import MANIFEST_NAME, Birth

MAGIC = b"CWlogM2\n"
MAGIC_1 = b"CWlogM1\n"
REASONS = ("budget", "age")
"""Why segments may be dropped that somebody has not finished."""

_HEAD = struct.Struct("<8sQQQ6QI")
_HEAD_1 = struct.Struct("<8sQI")
_U32 = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Loss:
    """Segments dropped before all had finished them, the records in them that somebody lost, and the files' bytes."""

    segments: int = 0
    records: int = 0
    size_bytes: int = 0

    def __add__(self, other: "Loss") -> "Loss":
        return Loss(self.segments + other.segments, self.records + other.records, self.size_bytes + other.size_bytes)


NOTHING_LOST = (Loss(), Loss())


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The first record that is left, who is registered, sorted, and what was lost, for each of REASONS."""

    start: int = 0
    names: tuple[str, ...] = ()
    epoch: int = 0
    dropped: int = 0
    losses: tuple[Loss, ...] = NOTHING_LOST

    def with_start(self, start: int) -> "Manifest":
        """The same with another start."""
        return replace(self, start=start)

    def with_epoch(self, epoch: int) -> "Manifest":
        """The same in another epoch."""
        return replace(self, epoch=epoch)

    def with_loss(self, start: int, reason: str, loss: Loss) -> "Manifest":
        """The same with another start, and what getting there has cost."""
        losses = tuple(old + loss if why == reason else old for why, old in zip(REASONS, self.losses, strict=True))
        return replace(self, start=start, dropped=start if loss.records else self.dropped, losses=losses)

    def with_name(self, name: str) -> "Manifest":
        """The same with one more subscriber."""
        return replace(self, names=tuple(sorted({*self.names, name})))

    def without_name(self, name: str) -> "Manifest":
        """The same with one subscriber less."""
        return replace(self, names=tuple(other for other in self.names if other != name))


def pack_manifest(manifest: Manifest) -> bytes:
    """The bytes of the file."""
    names = [_U32.pack(len(name)) + name.encode("ascii") for name in manifest.names]
    losses = [number for loss in manifest.losses for number in (loss.segments, loss.records, loss.size_bytes)]
    head = _HEAD.pack(MAGIC, manifest.start, manifest.epoch, manifest.dropped, *losses, len(names))
    body = head + b"".join(names)
    return body + _U32.pack(crc32c(body))


@lru_cache(64)  # those who open logs by the thousand find the same few
def parse_manifest(data: bytes) -> Manifest:
    """The manifest in the bytes of the file; CorruptLog if it is damaged."""
    body = data[:-4]
    head = _HEAD_1 if body.startswith(MAGIC_1) else _HEAD
    if len(body) < head.size or crc32c(body) != _U32.unpack_from(data, len(body))[0]:
        raise CorruptLog(MANIFEST_NAME, 0, 0, -1, "the manifest is damaged")
    magic, start, *counts, count = head.unpack_from(body)
    if magic not in (MAGIC, MAGIC_1):
        raise CorruptLog(MANIFEST_NAME, 0, 0, -1, "the manifest is of another version or another file")
    names = []
    at = head.size
    for _ in range(count):
        (length,) = _U32.unpack_from(body, at)
        names.append(body[at + 4 : at + 4 + length].decode("ascii"))
        at += 4 + length
    epoch, dropped, *losses = counts or [0] * 8
    lost = (Loss(*losses[:3]), Loss(*losses[3:])) if any(losses) else NOTHING_LOST
    return Manifest(start=start, names=tuple(names), epoch=epoch, dropped=dropped, losses=lost)


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
        return self.prepare(MANIFEST_NAME, ((0, pack_manifest(manifest)),))

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
