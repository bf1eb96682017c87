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
        path = os.path.join(root, "log")
        data = b""
        if os.path.exists(path):
            with open(path, "rb") as file:
                data = file.read()
        self.payloads, self.end = self._read(data)
        # All is written anew: without what a crash tore, and with what an fsync that failed has left in memory only.
        self.fd = os.open(path + ".new", os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
        self._write(data[: self.end], 0)
        os.fsync(self.fd)
        os.rename(path + ".new", path)
        directory = os.open(root, os.O_RDONLY)
        os.fsync(directory)  # the name is durable before anything is promised in the file
        os.close(directory)
        self.failed = False

    @staticmethod
    def _read(data: bytes) -> tuple[list[bytes], int]:
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
        if self.failed:
            raise OSError("an append has failed, so what is in the file is not known: open the log again")
        self.failed = True  # until it has not
        frame = HEAD.pack(len(payload), zlib.crc32(payload, self.end + 1)) + payload
        self._write(frame, self.end)
        os.fsync(self.fd)  # the promise: nobody hears of the record before it is durable
        self.failed = False
        self.end += len(frame)
        self.payloads.append(payload)
        return len(self.payloads) - 1

    def _write(self, data: bytes, offset: int) -> None:
        if os.pwrite(self.fd, data, offset) != len(data):
            raise OSError("the disk took only a part of the bytes")

    def sync(self) -> None:
        """Everything appended is durable: each append was."""

    def records(self) -> list[bytes]:
        """Every record, oldest first."""
        return list(self.payloads)

    def close(self) -> None:
        """Close the log."""
        os.close(self.fd)
