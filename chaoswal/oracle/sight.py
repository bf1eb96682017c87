"""What an engine promises, what a recovered one shows, and the words for both."""

import ast
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from chaoswal.engines.adapter import Record
from chaoswal.ops import Append, Batch, Done, Enqueue, OpenAgain, Operation, PutBatch, Read, Reopen, Take, Unsubscribe
from chaoswal.verdict import Fault

ERROR = "error "
"""How the result of an operation that raised begins; the rest is the error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What an engine promises, as its adapter states it."""

    promise: frozenset[str]
    contract: str = "log"
    promise_order: bool = True
    """Whether of what is not promised nothing may survive but what came first."""
    promise_reads: bool = False
    capabilities: frozenset[str] = frozenset()
    retention: tuple[tuple[str, float], ...] = ()
    """The arguments of the model's ``Retention``."""
    refusals: frozenset[str] = frozenset()
    """The errors by which it refuses an operation and changes nothing."""
    locks: frozenset[str] = frozenset()
    """The errors by which it refuses to be opened a second time."""
    window_seconds: float = 0
    """After so long everything is durable without being asked for; 0: it never is."""
    reports: frozenset[str] = frozenset()
    """The errors by which it honestly reports that what was durable is damaged; without any it promises no report."""
    torn_tails: tuple[str, ...] = ()
    """Globs of files at whose end damage may be taken for a torn tail, where nothing testifies against it."""


@dataclass(slots=True, kw_only=True)
class Observed:
    """What a recovered engine shows."""

    records: list[bytes] = field(default_factory=list)
    items: tuple[tuple[bytes, bytes], ...] = ()
    """The keys of a key-value store with their values, in the order of the keys."""
    next_position: int | None = None
    deliveries: dict[str, list[Record]] = field(default_factory=dict)
    registered: tuple[str, ...] | None = None
    """The subscribers, where the engine names them."""
    counts: dict[str, tuple[int, int]] = field(default_factory=dict)
    """What each subscriber says it has rejected and skipped, where it does."""
    lost: int | None = None
    """The records it says were dropped before all had finished them, where it does."""
    fault: Fault | None = None
    """It could not be opened or read, or did not come to an end; the rest is what was seen before that."""
    raised: str = ""
    """The class of the exception by which it said so."""

    def key(self) -> Hashable:
        """Equal for two that show the same."""
        given = tuple([(name, *records) for name, records in self.deliveries.items()])
        told = self.registered, tuple(self.counts.items()), self.lost, self.fault, self.raised
        return tuple(self.records), self.items, self.next_position, given, *told

    def differs(self, other: "Observed") -> str:
        """In what two sights differ, or the empty string."""
        if self == other:
            return ""
        for name in ("fault", "records", "items", "next_position", "deliveries", "registered", "counts", "lost"):
            if getattr(self, name) != getattr(other, name):
                return name
        return ""


def value_of(result: str) -> Any:
    """The value that an operation returned, whose result is no error."""
    return int(result) if result.isdecimal() else ast.literal_eval(result)  # most are numbers, and parsing takes longer


_WORDS = {
    Append: "append",
    Batch: "append_batch",
    PutBatch: "put_batch",
    Enqueue: "put",
    Take: "get",
    Done: "ack",
    Reopen: "close",
    OpenAgain: "open",
    Read: "read_outside",
    Unsubscribe: "unregister",
}


def promise_word(operation: Operation) -> str:
    """The adapter's method that an operation calls, as a promise names it."""
    return _WORDS.get(type(operation), type(operation).__name__.lower())
