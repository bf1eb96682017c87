"""Key-value stores, small enough to be checked by reading: a sound one, the others each with one well-known mistake."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from chaoswal.vfs.protocol import Vfs
from tests.contracts.frames import BeginningAnew, Believing, Cutting, Frames, InPlace, Reporting, Unchecked

Changes = Mapping[bytes, bytes | None]


class Store:
    """A frame for each commit; sound."""

    contract = "kv"
    promise = "put delete put_batch sync"
    promise_reads = True
    takes_vfs = True
    frames_class: type[Frames] = Frames

    def __init__(self, root: str = "", *, vfs: Vfs, runtime: Any = None) -> None:
        self.frames = self.frames_class(vfs, "store")
        self.state: dict[bytes, bytes] = {}
        for body in self.frames.bodies:
            self.apply(decoded(body))

    def apply(self, changes: Changes) -> None:
        for key, value in changes.items():
            if value is None:
                self.state.pop(key, None)
            else:
                self.state[key] = value

    def commit(self, changes: Changes, *, durable: bool = True) -> None:
        self.frames.append(encoded(changes), durable=durable)
        self.apply(changes)

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
        self.frames.sync()

    def close(self) -> None:
        self.frames.file.close()


def encoded(changes: Changes) -> bytes:
    """The changes of one commit as bytes."""
    return json.dumps({k.hex(): v if v is None else v.hex() for k, v in changes.items()}).encode()


def decoded(body: bytes) -> Changes:
    """And back."""
    pairs = json.loads(body).items()
    return {bytes.fromhex(key): None if value is None else bytes.fromhex(value) for key, value in pairs}


class LazyStore(Store):
    """Promises nothing but by ``sync``, and nothing of what is read; sound."""

    promise = "sync"
    promise_reads = False

    def commit(self, changes: Changes, *, durable: bool = False) -> None:
        super().commit(changes, durable=durable)


class Rot(Store):
    """Reports damage, but for that of the end of its file; sound."""

    reports = ("Damaged",)
    torn_tails: tuple[str, ...] = ("store",)
    frames_class = Reporting


class RotLazily(Rot, LazyStore):
    """The same, and promises nothing but by ``sync``; sound."""

    promise = "sync"


class RotAtTheEnd(Rot):
    """Says that it reports damage of the end of its file too."""

    torn_tails = ()


class RotCut(Rot):
    """Cuts from the first damage on."""

    frames_class = Cutting


class RotGone(Rot):
    """Begins anew where its file is gone."""

    frames_class = BeginningAnew


class RotBelieved(Rot):
    """Believes what is damaged."""

    frames_class = Unchecked


class NoSync(LazyStore):
    """Acknowledges before the bytes are durable."""

    promise = Store.promise


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
    """Believes whatever the disk gives back, if it is long enough."""

    frames_class = Believing


class ServesOldValues(Store):
    """What was put first is what is got."""

    def __init__(self, root: str = "", *, vfs: Vfs, runtime: Any = None) -> None:
        self.first: dict[bytes, bytes] = {}
        super().__init__(vfs=vfs)

    def apply(self, changes: Changes) -> None:
        super().apply(changes)
        self.first = {**self.state, **self.first}

    def get(self, key: bytes) -> bytes | None:
        return self.first.get(key)


class ServesTheCache(Store):
    """Shows what is in the file when it is opened, without making it durable."""

    frames_class = InPlace
