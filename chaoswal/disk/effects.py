"""What an event does to a disk, piece by piece: effects, the chains that order them, cuts, and torn pieces."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from chaoswal.disk.profiles import Kind
from chaoswal.limits import PAGE_BYTES, SECTOR_BYTES
from chaoswal.trace import Event, Write

STEPS = 1 << 20
"""Moments within one event: no write touches more pages."""

KEEP = 1 << 90
"""A moment after every event: nothing of the chain is lost."""

NEVER = -1
"""Before the first event, and before the first moment."""


class Chain:
    """Pending effects in order of time, of which a crash keeps a beginning."""

    __slots__ = ("effects", "key")

    def __init__(self, key: Hashable) -> None:
        self.key = key
        self.effects: list[Effect] = []


NO_CHAIN = Chain(None)
"""That of an effect which nothing can lose."""


class Effect:
    """What one event does to one sector, one size, or the names."""

    __slots__ = (
        "chain", "data", "durable", "event", "free", "index", "inode", "kind", "moment", "offset", "since", "syncable",
    )  # fmt: skip

    def __init__(
        self, index: int, kind: Kind, inode: int, offset: int, data: bytes, event: Event, step: int = 0
    ) -> None:
        self.index = index
        self.moment = index * STEPS + step  # when it took effect: a growth goes page by page, all else at once
        self.kind = kind
        self.inode = inode
        self.offset = offset  # of DATA: where it starts; of GROWTH and SIZE: the new size in bytes
        self.data = data
        self.event = event
        self.since = 0  # of GROWTH: the moment from which on it needs the bytes of its page
        self.chain = NO_CHAIN
        self.durable = False
        self.syncable = True  # False once a sync of it has failed: a later sync proves nothing for it
        self.free = False  # True once a sync has begun that commits its file without the metadata before it

    @property
    def page(self) -> int:
        """The page a piece of data lies in, or that a size reaches into."""
        return (self.offset if self.kind is Kind.DATA else max(0, self.offset - 1)) // PAGE_BYTES

    @property
    def part(self) -> str:
        """What of the event this is: ``sector N``, ``name``, ``old name`` and ``replaced name`` (of a rename: that the
        one went, that the other was taken away), ``size``, or ``size N``: grown so far on its way.
        """
        if self.kind is Kind.DATA:
            return f"sector {self.offset // SECTOR_BYTES}"
        if self.kind is Kind.NAME:
            return ("name", "old name", "replaced name")[self.moment % STEPS]
        grown_on = isinstance(self.event, Write) and self.offset < self.event.offset + len(self.event.data)
        return f"size {self.offset}" if grown_on else "size"


Cut: TypeAlias = Mapping[Chain, int]
"""For each chain that loses something: the moment of the first effect it loses."""


GARBAGE = bytes((0xA5 ^ (place * 29)) & 0xFF for place in range(SECTOR_BYTES))
"""What a torn piece may read: bytes that nobody wrote."""


@dataclass(frozen=True, slots=True)
class Torn:
    """One effect on a sector kept only in part: its first ``keep`` bytes, then garbage or what was there."""

    effect: Effect
    keep: int
    garbage: bool

    def piece(self) -> bytes:
        """The bytes of the effect as the crash left them."""
        kept = self.effect.data[: self.keep]
        lost = len(self.effect.data) - self.keep
        return kept + GARBAGE[:lost] if self.garbage else kept
