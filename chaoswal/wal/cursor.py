"""The cursor: how far a subscriber has come, as a file that is replaced whole.

     0       8          16           24        32       40       44         48                             crc
    +-------+----------+------------+---------+--------+--------+----------+-----------+--------------+-----+
    | magic | position | rejections | skipped | untold | acked  | rejected | acked     | rejected     | crc |
    |       |          |            |         |        | u32    | u32      | u64 ...   | u64 ...      | u32 |
    +-------+----------+------------+---------+--------+--------+----------+-----------+--------------+-----+

Every record below ``position`` is finished, and so are the ``acked`` ones listed, in rising order, all above
``position``. Finished is what was acknowledged, what was rejected (``rejections`` counts them; those that were still
in the log are listed), and what was skipped: dropped, or given up, before it was acknowledged. ``skipped`` counts the
latter, ``untold`` those of them that whoever takes the subscriber up has not been told of. ``crc`` is the CRC-32C of
everything before it, starting from that of the subscriber's name, so that one subscriber's progress is never taken for
another's.

A cursor names durable records only: subscribers see no others. So one that is ahead of the log proves that durable
records are missing.

Version 1, which is read and no longer written, has none of the three counts and no rejected.
"""

import struct
from contextlib import suppress
from dataclasses import dataclass

from crc32c import crc32c

from chaoswal.vfs.protocol import File, Vfs
from chaoswal.wal.errors import CorruptLog
from chaoswal.wal.files import Birth, cursor_name

MAGIC = b"CWlogC2\n"
MAGIC_1 = b"CWlogC1\n"

_HEAD = struct.Struct("<8sQQQQII")
_HEAD_1 = struct.Struct("<8sQI")
_CRC = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Cursor:
    """All records below ``position`` are finished, and those in ``acked``, sorted."""

    position: int
    acked: tuple[int, ...] = ()
    rejected: tuple[int, ...] = ()
    """The rejected ones, sorted, that were still in the log when the last was rejected."""
    rejections: int = 0
    """All that were ever rejected."""
    skipped: int = 0
    """All that were ever skipped."""
    untold: int = 0
    """How many of them nobody has been told of."""

    @property
    def reach(self) -> int:
        """One more than the highest record finished."""
        return self.acked[-1] + 1 if self.acked else self.position


def pack_cursor(name: str, cursor: Cursor) -> bytes:
    """The bytes of the file."""
    numbers = cursor.acked + cursor.rejected
    counts = (cursor.rejections, cursor.skipped, cursor.untold, len(cursor.acked), len(cursor.rejected))
    body = _HEAD.pack(MAGIC, cursor.position, *counts) + struct.pack(f"<{len(numbers)}Q", *numbers)
    return body + _CRC.pack(crc32c(body, crc32c(name.encode("ascii"))))


def parse_cursor(name: str, data: bytes) -> Cursor:
    """The cursor in the bytes of the file; CorruptLog if it is damaged."""
    body = data[:-4]
    head = _HEAD_1 if body.startswith(MAGIC_1) else _HEAD
    if len(body) < head.size or crc32c(body, crc32c(name.encode("ascii"))) != _CRC.unpack_from(data, len(body))[0]:
        raise CorruptLog(cursor_name(name), 0, 0, -1, f"the progress of subscriber {name!r} is damaged")
    magic, position, *counts = head.unpack_from(body)
    rejections, skipped, untold, acked, rejected = counts if head is _HEAD else (0, 0, 0, *counts, 0)
    if magic not in (MAGIC, MAGIC_1) or len(body) != head.size + 8 * (acked + rejected):
        raise CorruptLog(cursor_name(name), 0, 0, -1, "the progress is of another version or another file")
    numbers = struct.unpack_from(f"<{acked + rejected}Q", body, head.size)
    return Cursor(position, numbers[:acked], numbers[acked:], rejections, skipped, untold)


def load_cursor(vfs: Vfs, name: str) -> Cursor:
    """Read a subscriber's progress; CorruptLog if it is damaged."""
    file = vfs.open(cursor_name(name))
    try:
        return parse_cursor(name, file.read(0, file.size()))
    finally:
        file.close()


class CursorBirth(Birth):
    """Replaces subscribers' progress."""

    def __init__(self, vfs: Vfs) -> None:
        self._vfs = vfs

    def draft(self, name: str, cursor: Cursor) -> File:
        """Write it under its temporary name; ``publish`` is to follow."""
        return self.prepare(cursor_name(name), ((0, pack_cursor(name, cursor)),))

    def publish(self, name: str, file: File) -> None:
        """Make the draft the subscriber's progress, durably."""
        try:
            self.commit(file, cursor_name(name))
        finally:
            file.close()

    def remove(self, name: str) -> None:
        """Delete the progress of a subscriber that the manifest does not list any more; recovery would do it too."""
        with suppress(OSError):
            self.unlink(cursor_name(name))

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
