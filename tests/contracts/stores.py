"""Key-value stores, small enough to be checked by reading: a sound one, the others each with one well-known mistake."""

import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from chaoswal.vfs.protocol import Vfs

_HEAD = struct.Struct("<II")

Changes = Mapping[bytes, bytes | None]


class Store:
    """One file of checksummed commits; sound."""

    contract = "kv"
    promise = "put delete put_batch sync"
    promise_reads = True
    takes_vfs = True

    def __init__(self, root: str = "", *, vfs: Vfs, runtime: Any = None) -> None:
        self.file = vfs.open("store", write=True) if "store" in vfs.list() else vfs.create("store")
        vfs.sync_directory()
        self.state: dict[bytes, bytes] = {}
        self.end = 0
        self.failed = False
        self.recover()

    def recover(self) -> None:
        for changes, size in self.read():
            self.apply(changes)
            self.end += size
        self.file.truncate(self.end)
        self.file.sync()

    def read(self) -> Iterator[tuple[Changes, int]]:
        data, at = self.file.read(0, self.file.size()), 0
        while at + _HEAD.size <= len(data):
            length, checksum = _HEAD.unpack_from(data, at)
            body = data[at + _HEAD.size : at + _HEAD.size + length]
            if len(body) < length or checksum != zlib.crc32(body, at + 1):
                return
            yield decoded(body), _HEAD.size + length
            at += _HEAD.size + length

    def apply(self, changes: Changes) -> None:
        for key, value in changes.items():
            if value is None:
                self.state.pop(key, None)
            else:
                self.state[key] = value

    def commit(self, changes: Changes, *, durable: bool = True) -> None:
        body = json.dumps({k.hex(): v if v is None else v.hex() for k, v in changes.items()}).encode()
        frame = _HEAD.pack(len(body), zlib.crc32(body, self.end + 1)) + body
        with self.whole():
            if self.file.write(self.end, frame) != len(frame):
                raise OSError("the disk took only a part of it")
            if durable:
                self.flush()
        self.end += len(frame)
        self.apply(changes)

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

    def put(self, key: bytes, value: bytes) -> None:
        self.commit({key: value})

    def delete(self, key: bytes) -> None:
        self.commit({key: None})

    def put_batch(self, values: Mapping[bytes, bytes]) -> None:
        self.commit(values)

    def get(self, key: bytes) -> bytes | None:
        return self.state.get(key)

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        return iter(self.state.items())

    def sync(self) -> None:
        with self.whole():
            self.flush()

    def close(self) -> None:
        self.file.close()


def decoded(body: bytes) -> Changes:
    """The changes of one commit."""
    pairs = json.loads(body).items()
    return {bytes.fromhex(key): None if value is None else bytes.fromhex(value) for key, value in pairs}


class LazyStore(Store):
    """Promises nothing but by ``sync``, and nothing of what is read; sound."""

    promise = "sync"
    promise_reads = False

    def commit(self, changes: Changes, *, durable: bool = False) -> None:
        super().commit(changes, durable=durable)


class NoSync(Store):
    """Acknowledges before the bytes are durable."""

    def flush(self) -> None:
        pass


class ForgetsDeletes(Store):
    """Does not sync a deletion: the key comes back."""

    def delete(self, key: bytes) -> None:
        self.commit({key: None}, durable=False)


class HalfBatch(Store):
    """Writes a batch as one commit for each key."""

    def put_batch(self, values: Mapping[bytes, bytes]) -> None:
        for key, value in values.items():
            self.commit({key: value})


class NoChecksum(Store):
    """Believes whatever the disk gives back, as far as it can be read at all."""

    def read(self) -> Iterator[tuple[Changes, int]]:
        data, at = self.file.read(0, self.file.size()), 0
        while at + _HEAD.size <= len(data):
            length, _ = _HEAD.unpack_from(data, at)
            body = data[at + _HEAD.size : at + _HEAD.size + length]
            yield decoded(body or b"{}"), _HEAD.size + len(body)
            at += _HEAD.size + length


class ServesOldValues(Store):
    """What was put last is not what is got."""

    def get(self, key: bytes) -> bytes | None:
        for changes, _ in self.read():
            if changes.get(key) is not None:
                return changes[key]
        return None


class CutsNothing(Store):
    """Leaves the torn end of the file, behind which the next commits are not found."""

    def recover(self) -> None:
        for changes, _ in self.read():
            self.apply(changes)
        self.end = self.file.size()


class Reporting(Store):
    """Says that it reports damage; sound."""

    reports = ("CorruptStore",)
