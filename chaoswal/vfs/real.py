"""The file system of the machine: the protocol over one directory, with nothing between it and the kernel.

Every call is one system call wherever POSIX has one, so that an engine on a ``RealVfs`` does to the disk exactly
what it does to the simulated one on a ``MemoryVfs``. Paths are checked before they are used: relative, without
``..``, so nothing outside the root is ever touched. Descriptors are closed on exec, so that a program started
meanwhile keeps neither a file nor a lock.

A sync goes as deep as the machine lets it. On macOS fsync(2) leaves the bytes in the drive's cache, and
``F_FULLFSYNC`` is what other systems call fsync; there is no fdatasync(2) there, and a full sync stands in for it.

A lock is flock(2) on a file that stays where it is: the lock ends with the last descriptor, so the death of
its holder frees it, and a text left behind by a dead holder is overwritten by the next.
"""

import errno
import fcntl
import mmap
import os
import stat
from contextlib import suppress

from chaoswal.vfs.protocol import Copied, Map

_CLOSED = (1 << 31) - 1  # no process has so many: every call raises EBADF (Python refuses -1 with ValueError)
_PIECES_MAX = os.sysconf("SC_IOV_MAX")
_UNKNOWN_OWNER = "its holder has not said who it is"


def _full_sync(descriptor: int) -> None:
    fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)  # type: ignore[attr-defined,unused-ignore]


_sync = _full_sync if hasattr(fcntl, "F_FULLFSYNC") else os.fsync
_sync_data = getattr(os, "fdatasync", _sync) if _sync is os.fsync else _sync


class RealFile:
    """An open regular file."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes at ``offset``; fewer only at the end of the file."""
        data = os.pread(self._descriptor, length, offset)
        while data and len(data) < length:  # the kernel may give less than it has, above all beyond 2 GiB
            more = os.pread(self._descriptor, length - len(data), offset + len(data))
            if not more:
                break
            data += more
        return data

    def map(self) -> Map:
        """The bytes the file has now, mapped; the map keeps a descriptor of its own until it is closed."""
        if self.size() == 0:
            return Copied()  # mmap(2) refuses to map nothing
        return mmap.mmap(self._descriptor, 0, access=mmap.ACCESS_READ)

    def write(self, offset: int, *data: bytes) -> int:
        """Write, one piece behind the other, from ``offset`` on; returns how many bytes were taken, maybe fewer."""
        if len(data) == 1:
            return os.pwrite(self._descriptor, data[0], offset)
        return os.pwritev(self._descriptor, data[:_PIECES_MAX], offset)

    def truncate(self, size: int) -> None:
        """Set the size in bytes."""
        os.ftruncate(self._descriptor, size)

    def size(self) -> int:
        """The size in bytes."""
        return os.fstat(self._descriptor).st_size

    def sync(self, *, data_only: bool = False) -> None:
        """Make the bytes and size durable."""
        (_sync_data if data_only else _sync)(self._descriptor)

    def close(self) -> None:
        """Give the descriptor back; closing twice does nothing."""
        descriptor, self._descriptor = self._descriptor, _CLOSED
        if descriptor != _CLOSED:
            os.close(descriptor)


class RealLock:
    """A lock that is held."""

    def __init__(self, descriptor: int, previous: str) -> None:
        self._descriptor = descriptor
        self.previous = previous

    def tell(self, owner: str) -> None:
        """Leave another text for whoever finds the lock taken."""
        text = f"{owner}\n".encode()
        os.pwrite(self._descriptor, text, 0)
        os.ftruncate(self._descriptor, len(text))

    def release(self) -> None:
        """Give the lock up, and take the text away; releasing twice does nothing."""
        descriptor, self._descriptor = self._descriptor, _CLOSED
        if descriptor == _CLOSED:
            return
        try:
            with suppress(OSError):  # a text that stays makes the next holder think that this one died, no worse
                os.ftruncate(descriptor, 0)
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # also for a forked child that holds the same descriptor
        finally:
            os.close(descriptor)


class RealVfs:
    """The directory ``root`` of the machine's file system, which must exist."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        """Raises FileNotFoundError or NotADirectoryError, with the path as its ``filename``."""
        self.root = os.path.abspath(root)
        if not stat.S_ISDIR(os.stat(self.root).st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), self.root)

    def open(self, path: str, *, write: bool = False) -> RealFile:
        """Open an existing file."""
        full = self._full(path)
        descriptor = os.open(full, (os.O_RDWR if write else os.O_RDONLY) | os.O_CLOEXEC)
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):  # which open(2) allows for reading
            os.close(descriptor)
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), full)
        return RealFile(descriptor)

    def create(self, path: str) -> RealFile:
        """Create a file that must not exist and open it for reading and writing."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        return RealFile(os.open(self._full(path), flags, 0o666))

    def list(self, path: str = "") -> list[str]:
        """The names in a directory, sorted."""
        return sorted(os.listdir(self._full(path)))

    def rename(self, path: str, to: str) -> None:
        """Move a name, atomically replacing a file at the target."""
        os.rename(self._full(path), self._full(to))

    def unlink(self, path: str) -> None:
        """Remove a file's name."""
        os.unlink(self._full(path))

    def make_directory(self, path: str) -> None:
        """Create a directory that must not exist."""
        os.mkdir(self._full(path))

    def sync_directory(self, path: str = "") -> None:
        """Make the names in a directory durable."""
        descriptor = os.open(self._full(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _sync(descriptor)
        finally:
            os.close(descriptor)

    def lock(self, path: str, owner: str) -> RealLock:
        """Take the exclusive lock at ``path``; raises BlockingIOError with its owner's text where it is taken."""
        full = self._full(path)
        descriptor = os.open(full, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            _take(descriptor, full)
            lock = RealLock(descriptor, _text(descriptor))
            lock.tell(owner)
        except BaseException:
            os.close(descriptor)
            raise
        return lock

    def _full(self, path: str) -> str:
        if path.startswith("/") or ".." in path.split("/"):
            reason = "a path must be relative to the root and must not climb out of it"
            raise OSError(errno.EINVAL, reason, path)
        return os.path.join(self.root, path) if path else self.root


def _take(descriptor: int, full: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BlockingIOError(errno.EAGAIN, _text(descriptor) or _UNKNOWN_OWNER, full) from None


def _text(descriptor: int) -> str:
    """What stands there, up to the end of the line: of a longer text, the end may not be cut off yet."""
    return os.pread(descriptor, 4096, 0).decode(errors="replace").partition("\n")[0]
