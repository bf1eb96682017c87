"""Queues, small enough to be checked by reading: sound ones, the others each with one well-known mistake."""

from collections.abc import Iterator
from typing import Any

from chaoswal.vfs.protocol import Vfs
from tests.contracts.frames import BeginningAnew, Cutting, Frames, Reporting


class Items:
    """A frame for each item (``+``), and for how many from the beginning are done with (``-``); sound."""

    contract = "queue"
    promise = "put ack sync"
    promise_reads = True
    takes_vfs = True
    durable = True
    frames_class: type[Frames] = Frames

    def __init__(self, root: str = "", *, vfs: Vfs, runtime: Any = None) -> None:
        self.frames = self.frames_class(vfs, "queue")
        self.all: list[bytes] = []
        self.done = 0
        for body in self.frames.bodies:
            self.take_in(body)
        self.next = self.done

    def take_in(self, body: bytes) -> None:
        if body.startswith(b"+"):
            self.all.append(body[1:])
        else:
            self.done = int(body[1:])

    def append(self, body: bytes, *, durable: bool) -> None:
        self.frames.append(body, durable=durable)
        self.take_in(body)

    def put(self, payload: bytes) -> None:
        self.append(b"+" + payload, durable=self.durable)

    def get(self) -> bytes | None:
        if self.next == len(self.all):
            return None
        self.next += 1
        return self.all[self.next - 1]

    def ack(self) -> None:
        self.append(b"-%d" % self.next, durable=self.durable)

    def items(self) -> Iterator[bytes]:
        return iter(self.all[self.done :])

    def sync(self) -> None:
        self.frames.sync()

    def close(self) -> None:
        self.frames.file.close()


class Lazy(Items):
    """Promises nothing but by ``sync``, and nothing of what is read; sound."""

    promise = "sync"
    promise_reads = False
    durable = False


class HandsOver(Items):
    """Is done with an item when it hands it out; sound."""

    promise = "put get sync"
    at_most_once = True

    def get(self) -> bytes | None:
        item = super().get()
        if item is not None:
            super().ack()
        return item


class Rot(Items):
    """Reports damage, but for that of the end of its file; sound."""

    reports = ("Damaged",)
    torn_tails: tuple[str, ...] = ("queue",)
    frames_class = Reporting


class RotLazily(Rot, Lazy):
    """The same, and promises nothing but by ``sync``; sound."""


class RotHandsOver(Rot, HandsOver):
    """The same, and is done with an item when it hands it out; sound."""


class RotAtTheEnd(Rot):
    """Says that it reports damage of the end of its file too."""

    torn_tails = ()


class RotCut(Rot):
    """Cuts from the first damage on."""

    frames_class = Cutting


class RotGone(Rot):
    """Begins anew where its file is gone."""

    frames_class = BeginningAnew


class NoSync(Items):
    """Acknowledges before the bytes are durable."""

    durable = False


class GivesAgain(Items):
    """Does not sync what its consumer is done with: it is handed out again."""

    def ack(self) -> None:
        self.append(b"-%d" % self.next, durable=False)


class ForgetsWhatItHandsOut(HandsOver):
    """Is done with an item when it hands it out, and does not say so."""

    promise = "put ack sync"
    at_most_once = False


class LastIn(Items):
    """Shows the last item first."""

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
