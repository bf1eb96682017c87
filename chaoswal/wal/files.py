"""Names, the header that WALs and segments share, and how a file is born whole.

Every file of a log is written under a temporary name, synced, renamed to its final name, and the directory is
synced. So a final name never stands for a torn file: a bad header under a final name is damage, not a crash.

     0                 8                                 24               32       36       40
    +-----------------+---------------------------------+----------------+--------+--------+
    | magic           | identity (16 random bytes)      | first          | 0      | crc    |
    +-----------------+---------------------------------+----------------+--------+--------+

``magic`` tells the kind and the version, ``first`` is the number of the first record the file may hold, ``crc`` is
the CRC-32C of the 36 bytes before it. It differs from file to file with the identity, and is the seed of every
checksum in the file.
"""

import re
import struct
from abc import ABC, abstractmethod
from collections.abc import Iterable
from functools import lru_cache

from crc32c import crc32c

from chaoswal.vfs.protocol import File
from chaoswal.wal.errors import CorruptLog

LOCK_NAME = "LOCK"
MANIFEST_NAME = "log.manifest"
TEMPORARY = ".tmp"
WAL_MAGIC = b"CWlogW1\n"
SEGMENT_MAGIC = b"CWlogS1\n"
HEADER_BYTES = 40
IDENTITY_BYTES = 16

_HEADER = struct.Struct("<8s16sQI")
_CRC = struct.Struct("<I")

_NAMED = r"wal-\d{20}\.wal|segment-\d{20}\.seg|subscriber-[A-Za-z0-9_-]{1,64}\.cur|log\.manifest"
KNOWN = re.compile(rf"(?:{_NAMED})(?:\.tmp)?|LOCK", re.ASCII)
"""Every name a log may leave behind."""
ALL_KNOWN = re.compile(rf"(?:(?:{KNOWN.pattern})(?:/(?:{KNOWN.pattern}))*)?", re.ASCII)
"""Any number of them with slashes between."""


@lru_cache(1024)
def wal_name(first: int) -> str:
    """The name of the WAL whose first record is number ``first``."""
    return f"wal-{first:020d}.wal"


@lru_cache(1024)
def segment_name(first: int) -> str:
    """The name of the segment whose first record is number ``first``."""
    return f"segment-{first:020d}.seg"


def cursor_name(subscriber: str) -> str:
    """The name of a subscriber's progress."""
    return f"subscriber-{subscriber}.cur"


def pack_header(magic: bytes, identity: bytes, first: int) -> bytes:
    """A file's header."""
    body = _HEADER.pack(magic, identity, first, 0)
    return body + _CRC.pack(crc32c(body))


def header_seed(header: bytes) -> int:
    """The seed of the checksums in the file with this header."""
    seed: int = _CRC.unpack_from(header, HEADER_BYTES - 4)[0]
    return seed


def check_header(data: bytes, magic: bytes, first: int, name: str) -> int:
    """The seed of a file that begins with ``data``; CorruptLog if its header is not good, or not of that file."""
    if len(data) < HEADER_BYTES:
        raise CorruptLog(name, len(data), first, first - 1, "the file is shorter than its header")
    seed = header_seed(data)
    if crc32c(data[: HEADER_BYTES - 4]) != seed:
        raise CorruptLog(name, 0, first, first - 1, "the header's checksum does not hold")
    found_magic, _, found_first, _ = _HEADER.unpack_from(data)
    if found_magic != magic or found_first != first:
        raise CorruptLog(name, 0, first, first - 1, "the header is that of another file")
    return seed


class Birth(ABC):
    """The steps by which a file is born whole.

    Each kind of file does the steps in its own class, so that a trace of calls tells by the line what was made.
    """

    def prepare(self, name: str, pieces: Iterable[tuple[int, bytes]]) -> File:
        """Write everything, each piece at its offset, under the temporary name; nobody sees anything yet."""
        file = self.create(name + TEMPORARY)
        try:
            for offset, piece in pieces:
                self.write_whole(file, offset, piece)
        except BaseException:
            self.abandon(file, name + TEMPORARY)
            raise
        return file

    def commit(self, file: File, name: str) -> None:
        """Make it durable under its final name. Whatever fails here leaves unknown what is on the disk."""
        self.sync(file)
        self.rename(name + TEMPORARY, name)
        self.sync_directory()

    def write_whole(self, file: File, offset: int, data: bytes) -> None:
        """Write all of ``data``, however little a call takes."""
        done = self.write(file, offset, data)
        while done < len(data):
            done += self.write(file, offset + done, data[done:])

    def abandon(self, file: File, temporary: str) -> None:
        """Remove what could not be written; should that fail too, the next recovery removes it."""
        try:
            file.close()
            self.unlink(temporary)
        except OSError:
            pass  # what failed first is what the caller is to hear of

    @abstractmethod
    def create(self, temporary: str) -> File: ...

    @abstractmethod
    def write(self, file: File, offset: int, data: bytes) -> int: ...

    @abstractmethod
    def sync(self, file: File) -> None: ...

    @abstractmethod
    def rename(self, temporary: str, name: str) -> None: ...

    @abstractmethod
    def sync_directory(self) -> None: ...

    @abstractmethod
    def unlink(self, temporary: str) -> None: ...
