"""``open`` on a simulated disk: raw files of ours under the buffers and text layers of CPython itself.

What an engine writes through a file object reaches the disk when CPython's own buffers give it up, in the pieces in
which they do: so the events are those that system calls would have been.
"""

import errno
import io
import os
import sys
import warnings
from collections.abc import Callable
from typing import IO, Any

from chaoswal.patched import calls
from chaoswal.patched.attributes import BLOCK_BYTES
from chaoswal.patched.mounts import close_descriptor, open_file, place_of

_ACCESS = {"r": os.O_RDONLY, "w": os.O_WRONLY, "a": os.O_WRONLY, "x": os.O_WRONLY}
_CREATES = {"r": 0, "w": os.O_CREAT | os.O_TRUNC, "a": os.O_CREAT | os.O_APPEND, "x": os.O_CREAT | os.O_EXCL}


class Raw(io.RawIOBase):
    """A file without a buffer, as ``io.FileIO``."""

    def __init__(self, descriptor: int, name: object, mode: str, *, closes: bool) -> None:
        """``mode``: one of r, w, a, x, with + where it is both read and written."""
        if open_file(descriptor).file is None:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
        self.name = name
        self.mode = _raw_mode(mode)
        self.closefd = closes
        self._descriptor = descriptor
        self._reads = mode[0] == "r" or "+" in mode
        self._writes = mode[0] != "r" or "+" in mode
        if mode[0] == "a":
            calls.seek(open_file(descriptor), 0, os.SEEK_END)

    def fileno(self) -> int:
        """The descriptor."""
        self._check()
        return self._descriptor

    def readable(self) -> bool:
        """Whether it may be read."""
        self._check()
        return self._reads

    def writable(self) -> bool:
        """Whether it may be written."""
        self._check()
        return self._writes

    def seekable(self) -> bool:
        """Files are."""
        self._check()
        return True

    def isatty(self) -> bool:
        """Files are not."""
        self._check()
        return False

    def readinto(self, buffer: Any) -> int:
        """Read up to so many bytes as fit in."""
        self._check(reads=True)
        data = calls.read(open_file(self._descriptor), len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        """Read to the end."""
        self._check(reads=True)
        file = open_file(self._descriptor)
        parts = []
        while data := calls.read(file, max(1, (file.mount.vfs.size(file.inode) or 0) - file.position + 1)):
            parts.append(data)
        return b"".join(parts)

    def write(self, data: Any) -> int:
        """Write once; how many bytes were taken."""
        self._check(writes=True)
        return calls.write(open_file(self._descriptor), data)

    def seek(self, position: int, whence: int = os.SEEK_SET) -> int:
        """Go to another position."""
        self._check()
        return calls.seek(open_file(self._descriptor), position, whence)

    def tell(self) -> int:
        """Where it is."""
        return self.seek(0, os.SEEK_CUR)

    def truncate(self, size: int | None = None) -> int:
        """Set the size, by default to where it is."""
        self._check(writes=True)
        length = self.tell() if size is None else size
        calls.truncate_open(open_file(self._descriptor), length)
        return length

    def close(self) -> None:
        """Close it, and give the descriptor back if it is its own."""
        if not self.closed:
            super().close()
            if self.closefd:
                close_descriptor(self._descriptor)

    def _check(self, *, reads: bool = False, writes: bool = False) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")
        if (reads and not self._reads) or (writes and not self._writes):
            raise io.UnsupportedOperation(f"File not open for {'reading' if reads else 'writing'}")


def _raw_mode(mode: str) -> str:
    """How ``io.FileIO`` tells what it was opened for."""
    if "+" not in mode:
        return {"r": "rb", "w": "wb", "a": "ab", "x": "xb"}[mode[0]]
    return {"r": "rb+", "w": "rb+", "a": "ab+", "x": "xb+"}[mode[0]]


def open_stream(
    file: Any,
    mode: str,
    buffering: int,
    encoding: str | None,
    errors: str | None,
    newline: str | None,
    *,
    closes: bool,
    opener: Callable[[Any, int], int] | None = None,
) -> IO[Any]:
    """What ``io.open`` gives; ``file``: a simulated path, or a descriptor."""
    plain, binary = _checked(mode, buffering, encoding, errors, newline)
    descriptor = file if isinstance(file, int) else _descriptor(file, plain, opener)
    try:
        raw = Raw(descriptor, file, plain, closes=closes)
    except BaseException:
        if file is not descriptor:
            close_descriptor(descriptor)
        raise
    try:
        return _layered(raw, mode, plain, buffering, encoding, errors, newline, binary=binary)
    except BaseException:
        raw.close()
        raise


def flags_of(plain: str) -> int:
    """The flags of open(2) for a mode without b and t."""
    access = os.O_RDWR if "+" in plain else _ACCESS[plain[0]]
    return access | _CREATES[plain[0]] | os.O_CLOEXEC


def _descriptor(file: Any, plain: str, opener: Callable[[Any, int], int] | None) -> int:
    flags = flags_of(plain)
    if opener is not None:
        return opener(file, flags)
    place = place_of(file)
    assert place is not None
    return calls.open_at(place, flags, 0o666)


def _checked(
    mode: str, buffering: int, encoding: str | None, errors: str | None, newline: str | None
) -> tuple[str, bool]:
    """The mode without b and t, and whether it is binary; ValueError where ``open`` itself would refuse."""
    binary = "b" in mode
    plain = mode.replace("b", "", 1).replace("t", "", 1)
    if plain.replace("+", "", 1) not in _ACCESS or ("b" in mode and "t" in mode):
        raise ValueError(f"invalid mode: {mode!r}")
    if binary and (encoding is not None or errors is not None or newline is not None):
        raise ValueError("binary mode doesn't take an encoding, errors or newline argument")
    if binary and buffering == 1:
        warnings.warn("line buffering is not supported in binary mode", RuntimeWarning, stacklevel=4)
    return plain.replace("+", "") + ("+" if "+" in plain else ""), binary


def _layered(
    raw: Raw,
    mode: str,
    plain: str,
    buffering: int,
    encoding: str | None,
    errors: str | None,
    newline: str | None,
    *,
    binary: bool,
) -> IO[Any]:
    if buffering == 0:
        if not binary:
            raise ValueError("can't have unbuffered text I/O")  # by now the file was created, or cut
        return raw  # type: ignore[return-value]
    size = _buffer_bytes() if buffering in (-1, 1) else buffering
    buffered: Any
    if "+" in plain:
        buffered = io.BufferedRandom(raw, size)
    else:
        buffered = io.BufferedReader(raw, size) if plain == "r" else io.BufferedWriter(raw, size)
    if binary:
        return buffered  # type: ignore[no-any-return]
    text = io.TextIOWrapper(buffered, encoding, errors, newline, line_buffering=buffering == 1)
    text.mode = mode  # type: ignore[misc]
    return text


def _buffer_bytes() -> int:
    """The size of a buffer where none is asked for: it went by the file system's block alone until Python 3.14."""
    return BLOCK_BYTES if sys.version_info < (3, 14) else max(BLOCK_BYTES, io.DEFAULT_BUFFER_SIZE)
