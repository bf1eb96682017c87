"""A block device that remembers: one file, served through FUSE, whose every write and flush is noted in order.

A loop device on this file makes of each request of the file system one write here, and of each flush (and of each
forced write) one sync. Two files take part: ``image`` holds the bytes as they are, ``log`` has one entry for each
request: offset and length in bytes, eight each, and the bytes; a flush is an entry of length 0 at ``FLUSH``. What a
disk with a volatile cache may hold when the power goes is then: everything before the last flush, and of what came
after it any part (``surviving``).

The server is a process of its own, for a process that waits for an answer of its own thread cannot be killed. It ends
when the file is unmounted, or with the process that started it. Only what a loop device asks for is answered.
"""

import ctypes
import errno
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

FLUSH = 1 << 62
"""The offset in an entry that is a flush."""

Request: TypeAlias = tuple[int, bytes]
"""Offset in bytes, and the bytes written; a flush is no bytes at ``FLUSH``."""

_ENTRY = struct.Struct("<QQ")
_REQUEST = struct.Struct("<IIQQIIIHH")
_ANSWER = struct.Struct("<IiQ")
_ATTRIBUTES = struct.Struct("<QII 6Q 10I")
_INIT, _GETATTR, _SETATTR, _OPEN, _READ, _WRITE, _RELEASE, _FSYNC, _FLUSH, _FORGET, _INTERRUPT = (
    26, 3, 4, 14, 15, 16, 18, 20, 25, 2, 36,
)  # fmt: skip
_WRITE_BYTES = 1 << 20
_END_SECONDS = 20.0
_DIRECT = 1

_libc = ctypes.CDLL(None, use_errno=True)


def start(image: Path, log: Path, at: Path) -> "subprocess.Popen[bytes]":
    """Serve ``image`` at the path ``at`` (an empty file) until it is unmounted; returns when it can be used."""
    words = [sys.executable, __file__, str(image), str(log), str(at)]
    server = subprocess.Popen(words, start_new_session=True)  # whoever interrupts us must not take the disk away
    while at.stat().st_dev == log.stat().st_dev and server.poll() is None:
        time.sleep(0.002)
    if server.poll() is not None:
        raise OSError(f"the block log ended with {server.returncode}")
    return server


def end(server: "subprocess.Popen[bytes]") -> None:
    """Wait for the end of a server whose file was unmounted; one that does not come to it is made to."""
    try:
        server.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def requests(log: bytes) -> Iterator[Request]:
    """The entries of a log."""
    place = 0
    while place < len(log):
        offset, length = _ENTRY.unpack_from(log, place)
        place += _ENTRY.size + length
        yield offset, log[place - length : place]


def surviving(noted: Sequence[Request], choose: Callable[[], bool], atom_bytes: int) -> Iterator[Request]:
    """The writes that a power cut after these requests leaves, in order: all before the last flush, and of what came
    later those pieces of so many bytes for which ``choose`` says so.
    """
    flushed = max((place for place, (offset, _) in enumerate(noted) if offset == FLUSH), default=0)
    for offset, data in noted[:flushed]:
        if offset != FLUSH:
            yield offset, data
    for offset, data in noted[flushed:]:
        for start in range(0, len(data), atom_bytes):
            if choose():
                yield offset + start, data[start : start + atom_bytes]


class _Server:
    def __init__(self, image: int, log: int) -> None:
        self._image = image
        self._log = log
        self._size = os.fstat(image).st_size

    def answer(self, code: int, body: memoryview) -> bytes | int | None:
        """The answer to one request: bytes, an error number, or None where none is expected."""
        match code:
            case 26:
                major, minor, read_ahead, _flags = struct.unpack_from("<IIII", body)
                fields = (major, min(minor, 31), read_ahead, 1 << 5, 16, 12, _WRITE_BYTES, 1, 256, 0)
                return struct.pack("<IIIIHHIIHH28x", *fields)  # flag 5: writes of more than a page
            case 3 | 4:
                return self._attributes()
            case 14:
                return struct.pack("<QII", 0, _DIRECT, 0)
            case 15:
                _, offset, length = struct.unpack_from("<QQI", body)
                return os.pread(self._image, length, offset)
            case 16:
                _, offset, length = struct.unpack_from("<QQI", body)
                return self._write(offset, bytes(body[40 : 40 + length]))
            case 20:
                os.write(self._log, _ENTRY.pack(FLUSH, 0))
                return b""
            case 18 | 25:
                return b""
            case 2 | 36:
                return None
            case _:
                return errno.ENOSYS

    def _attributes(self) -> bytes:
        regular = 0o100600
        times = (0, 0, 0, 0, 0, 0)
        return _ATTRIBUTES.pack(1, 0, 0, 1, self._size, self._size // 512, *times, regular, 1, 0, 0, 0, 4096, 0)

    def _write(self, offset: int, data: bytes) -> bytes:
        os.pwrite(self._image, data, offset)
        os.write(self._log, _ENTRY.pack(offset, len(data)) + data)
        return struct.pack("<II", len(data), 0)


def serve(image: str, log: str, at: str) -> None:
    """Mount and answer until unmounted."""
    _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=100600,user_id=0,group_id=0,max_read={_WRITE_BYTES}"
    if _libc.mount(b"blocklog", at.encode(), b"fuse", 0, options.encode()) != 0:
        raise OSError(ctypes.get_errno(), "mount", at)
    server = _Server(os.open(image, os.O_RDWR), os.open(log, os.O_WRONLY | os.O_APPEND))
    while True:
        try:
            request = memoryview(os.read(device, _WRITE_BYTES + 4096))
        except OSError as error:
            if error.errno == errno.ENODEV:
                return
            raise
        _, code, unique, *_ = _REQUEST.unpack_from(request)
        answer = server.answer(code, request[_REQUEST.size :])
        if isinstance(answer, int):
            os.write(device, _ANSWER.pack(_ANSWER.size, -answer, unique))
        elif answer is not None:
            os.write(device, _ANSWER.pack(_ANSWER.size + len(answer), 0, unique) + answer)


if __name__ == "__main__":
    serve(*sys.argv[1:])
