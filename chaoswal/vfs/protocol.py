"""What an engine may ask of a file system: fifteen calls, all positional, nothing hidden.

Paths are relative to the root of the file system, with ``/`` between the parts; ``""`` is the root. Every call
raises OSError with the errno a POSIX system would give. Nothing is durable before a sync: a file's bytes and
size before ``File.sync``, a name (creation, rename, unlink) before ``sync_directory`` of the directory it is in.
"""

from typing import Protocol


class Map(Protocol):
    """The bytes of a file, read where they lie; it outlives the file it was made from."""

    def __len__(self) -> int:
        """The size of the file when it was mapped."""

    def __getitem__(self, part: slice, /) -> bytes:
        """Some of the bytes, copied."""

    def close(self) -> None:
        """Give the map back; not to be used any more."""


class Copied(bytes):
    """A map that is a copy."""

    __slots__ = ()

    def close(self) -> None:
        """There is nothing to give back."""


class File(Protocol):
    """An open regular file; there is no file position."""

    def read(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes at ``offset``; fewer only at the end of the file (as pread(2))."""

    def map(self) -> Map:
        """The bytes the file has now, mapped for reading (as mmap(2)). Only for files that nobody changes any more."""

    def write(self, offset: int, *data: bytes) -> int:
        """Write, one piece behind the other, from ``offset`` on; returns how many bytes were taken (as pwritev(2)).

        They may be fewer.
        """

    def truncate(self, size: int) -> None:
        """Set the size in bytes; new bytes read as zeros (as ftruncate(2))."""

    def size(self) -> int:
        """The size in bytes."""

    def sync(self, *, data_only: bool = False) -> None:
        """Make the bytes and size durable (as fsync(2), or fdatasync(2) with ``data_only``)."""

    def close(self) -> None:
        """Give the descriptor back; makes nothing durable."""


class Lock(Protocol):
    """An exclusive lock held by this process; it vanishes with the process."""

    previous: str
    """What the holder before left there: its text if it died without a release, otherwise nothing."""

    def tell(self, owner: str) -> None:
        """Leave another text for whoever finds the lock taken."""

    def release(self) -> None:
        """Give the lock up, and take the text away."""


class Vfs(Protocol):
    """A directory tree."""

    def open(self, path: str, *, write: bool = False) -> File:
        """Open an existing file."""

    def create(self, path: str) -> File:
        """Create a file that must not exist and open it for reading and writing."""

    def list(self, path: str = "") -> list[str]:
        """The names in a directory, sorted."""

    def rename(self, path: str, to: str) -> None:
        """Move a name, atomically replacing a file at the target."""

    def unlink(self, path: str) -> None:
        """Remove a file's name."""

    def make_directory(self, path: str) -> None:
        """Create a directory that must not exist."""

    def sync_directory(self, path: str = "") -> None:
        """Make the names in a directory durable."""

    def lock(self, path: str, owner: str) -> Lock:
        """Take the exclusive lock at ``path`` and leave ``owner`` there for whoever finds it taken.

        Raises BlockingIOError, with the owner's text as its ``strerror``, where another holds it. The file of
        a lock holds nothing durable and need not survive a crash.
        """
