"""Toy engines, small enough to be checked by reading: one sound, the others each with one well-known mistake."""

import struct
import zlib
from collections.abc import Iterator
from typing import Any

from chaoswal.engines.registry import Factory
from chaoswal.vfs.protocol import Vfs
from chaoswal.vfs.real import RealVfs

_HEAD = struct.Struct("<II")


class ToyLog:
    """One file of checksummed records; sound."""

    contract = "log"
    promise = "append sync"
    promise_reads = True
    takes_vfs = True

    def __init__(self, root: str = "", *, vfs: Vfs, runtime: Any = None) -> None:
        self.vfs = vfs
        if "log" in vfs.list():
            self.file = vfs.open("log", write=True)
        else:
            self.file = vfs.create("log")
        vfs.sync_directory()
        self.payloads, self.end = self.read()
        self.cut()

    def read(self) -> tuple[list[bytes], int]:
        data, at, payloads = self.file.read(0, self.file.size()), 0, []
        while at + _HEAD.size <= len(data):
            length, crc = _HEAD.unpack_from(data, at)
            payload = data[at + _HEAD.size : at + _HEAD.size + length]
            if len(payload) < length or crc != self.checksum(at, payload):
                break
            payloads.append(payload)
            at += _HEAD.size + length
        return payloads, at

    def checksum(self, at: int, payload: bytes) -> int:
        return zlib.crc32(payload, at + 1)

    def cut(self) -> None:
        self.file.truncate(self.end)
        self.file.sync()

    def append(self, payload: bytes) -> int:
        frame = _HEAD.pack(len(payload), self.checksum(self.end, payload)) + payload
        self.file.write(self.end, frame)
        self.end += len(frame)
        self.sync()
        self.payloads.append(payload)
        return len(self.payloads) - 1

    def sync(self) -> None:
        self.file.sync(data_only=True)

    def records(self) -> Iterator[bytes]:
        return iter(self.payloads)

    def next_sequence(self) -> int:
        return len(self.payloads)

    def close(self) -> None:
        self.file.close()


class NoSync(ToyLog):
    """Acknowledges before the bytes are durable."""

    def sync(self) -> None:
        pass


class NoChecksum(ToyLog):
    """Believes whatever the disk gives back."""

    def checksum(self, at: int, payload: bytes) -> int:
        return 0


class NoCut(ToyLog):
    """Appends behind a torn tail, and serves a restart's records before they are durable."""

    def cut(self) -> None:
        self.end = self.file.size()


class ServesBeforeSync(ToyLog):
    """Cuts the tail, but does not sync what it serves: a phantom after a kill and a power cut."""

    def cut(self) -> None:
        self.file.truncate(self.end)


class AcksBeforeWriting(ToyLog):
    """Keeps what it acknowledges in memory until the next call."""

    def __init__(self, root: str = "", *, vfs: Vfs | None = None, runtime: Any = None) -> None:
        super().__init__(vfs=RealVfs(root) if vfs is None else vfs)
        self.waiting: list[bytes] = []

    def append(self, payload: bytes) -> int:
        self.waiting.append(payload)
        while len(self.waiting) > 1:
            super().append(self.waiting.pop(0))
        return len(self.payloads) + len(self.waiting) - 1

    def records(self) -> Iterator[bytes]:
        return iter([*self.payloads, *self.waiting])

    def next_sequence(self) -> int:
        return len(self.payloads) + len(self.waiting)


class Forgets(ToyLog):
    """Starts anew at every opening."""

    def __init__(self, root: str = "", *, vfs: Vfs | None = None, runtime: Any = None) -> None:
        super().__init__(vfs=RealVfs(root) if vfs is None else vfs)

    def cut(self) -> None:
        self.payloads, self.end = [], 0
        super().cut()


def factory(kind: type) -> Factory:
    """A toy, ready to be opened."""
    return Factory(kind=kind, options={}, name=kind.__name__)
