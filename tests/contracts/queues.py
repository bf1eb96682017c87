"""Queues, small enough to be checked by reading: a sound one, the others each with one well-known mistake."""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from chaoswal.vfs.protocol import Vfs

_HEAD = struct.Struct("<II")
_COUNT = struct.Struct("<I")


class Items:
    """One file of checksummed frames: an item (``+``), or how many from the beginning are done with (``-``); sound."""

    contract = "queue"
    promise = "put ack sync"
    promise_reads = True
    takes_vfs = True

    def __init__(self, root: str = "", *, vfs: Vfs, runtime: Any = None) -> None:
        self.file = vfs.open("queue", write=True) if "queue" in vfs.list() else vfs.create("queue")
        vfs.sync_directory()
        self.all: list[bytes] = []
        self.done = self.end = 0
        self.failed = False
        for body in self.read():
            self.take_in(body)
            self.end += _HEAD.size + len(body)
        self.file.truncate(self.end)
        self.file.sync()
        self.next = self.done

    def read(self) -> Iterator[bytes]:
        data, at = self.file.read(0, self.file.size()), 0
        while at + _HEAD.size <= len(data):
            length, checksum = _HEAD.unpack_from(data, at)
            body = data[at + _HEAD.size : at + _HEAD.size + length]
            if len(body) < length or checksum != zlib.crc32(body, at + 1):
                return
            yield body
            at += _HEAD.size + length

    def take_in(self, body: bytes) -> None:
        if body[:1] == b"+":
            self.all.append(body[1:])
        else:
            (self.done,) = _COUNT.unpack(body[1:])

    def append(self, body: bytes, *, durable: bool = True) -> None:
        frame = _HEAD.pack(len(body), zlib.crc32(body, self.end + 1)) + body
        with self.whole():
            if self.file.write(self.end, frame) != len(frame):
                raise OSError("the disk took only a part of it")
            if durable:
                self.flush()
        self.end += len(frame)
        self.take_in(body)

    @contextmanager
    def whole(self) -> Iterator[None]:
        """What fails here fails for good: nobody knows how far it came."""
        if self.failed:
            raise OSError("an earlier operation failed")
        self.failed = True
        yield
        self.failed = False

    def flush(self) -> None:
        self.file.sync(data_only=True)

    def put(self, payload: bytes) -> None:
        self.append(b"+" + payload)

    def get(self) -> bytes | None:
        if self.next == len(self.all):
            return None
        self.next += 1
        return self.all[self.next - 1]

    def ack(self) -> None:
        self.append(b"-" + _COUNT.pack(self.next))

    def items(self) -> Iterator[bytes]:
        return iter(self.all[self.done :])

    def sync(self) -> None:
        with self.whole():
            self.flush()

    def close(self) -> None:
        self.file.close()


class Lazy(Items):
    """Promises nothing but by ``sync``, and nothing of what is read; sound."""

    promise = "sync"
    promise_reads = False

    def append(self, body: bytes, *, durable: bool = False) -> None:
        super().append(body, durable=durable)


class HandsOver(Items):
    """Is done with an item when it hands it out; sound."""

    promise = "put get sync"
    at_most_once = True

    def get(self) -> bytes | None:
        item = super().get()
        if item is not None:
            super().ack()
        return item


class NoSync(Items):
    """Acknowledges before the bytes are durable."""

    def flush(self) -> None:
        pass


class GivesAgain(Items):
    """Does not sync what its consumer is done with: it is handed out again."""

    def ack(self) -> None:
        self.append(b"-" + _COUNT.pack(self.next), durable=False)


class ForgetsWhatItHandsOut(HandsOver):
    """Is done with an item when it hands it out, and does not say so."""

    promise = "put ack sync"
    at_most_once = False


class LastIn(Items):
    """Hands out the last item first, when it has been opened anew."""

    def items(self) -> Iterator[bytes]:
        return reversed(self.all[self.done :])


class Repeats(Items):
    """Hands out the first item twice where there are several."""

    def get(self) -> bytes | None:
        if self.next == 1 and len(self.all) > 1 and not self.done:
            self.next = 2
            return self.all[0]
        return super().get()


class Skips(Items):
    """Passes over an item without a byte."""

    def get(self) -> bytes | None:
        item = super().get()
        return super().get() if item == b"" else item
