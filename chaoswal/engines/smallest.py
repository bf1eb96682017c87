"""A log in one file: length, checksum, payload.

What is yours begins here: put your engine behind these five methods, and leave out of ``promise`` what it does not
promise.
"""

import os
import struct
import zlib

HEAD = struct.Struct("<II")


class Engine:
    """The log, opened on a directory."""

    contract = "log"
    promise = "append sync"
    recorder = "patched"  # Python as it is; without this line every system call is recorded, also of C and of others

    def __init__(self, root: str) -> None:
        self.fd = os.open(os.path.join(root, "log"), os.O_RDWR | os.O_CREAT, 0o644)
        directory = os.open(root, os.O_RDONLY)
        os.fsync(directory)  # the name is durable before anything is promised in the file
        os.close(directory)
        self.payloads, self.end = self._read()
        os.ftruncate(self.fd, self.end)  # what a crash tore is cut before anything is appended
        os.fsync(self.fd)  # and what is served from now on is durable

    def _read(self) -> tuple[list[bytes], int]:
        data = os.pread(self.fd, os.fstat(self.fd).st_size, 0)
        payloads, at = [], 0
        while at + HEAD.size <= len(data):
            length, checksum = HEAD.unpack_from(data, at)
            payload = data[at + HEAD.size : at + HEAD.size + length]
            if len(payload) < length or checksum != zlib.crc32(payload, at + 1):
                break  # the checksum starts from the place, so that zeros or a misplaced record do not pass
            payloads.append(payload)
            at += HEAD.size + length
        return payloads, at

    def append(self, payload: bytes) -> int:
        """Append one record; its number."""
        frame = HEAD.pack(len(payload), zlib.crc32(payload, self.end + 1)) + payload
        if os.pwrite(self.fd, frame, self.end) != len(frame):
            raise OSError("the disk took only a part of the record")
        os.fsync(self.fd)  # the promise: nobody hears of the record before it is durable
        self.end += len(frame)
        self.payloads.append(payload)
        return len(self.payloads) - 1

    def sync(self) -> None:
        """Make everything appended durable."""
        os.fsync(self.fd)

    def records(self) -> list[bytes]:
        """Every record, oldest first."""
        return list(self.payloads)

    def close(self) -> None:
        """Close the log."""
        os.close(self.fd)
