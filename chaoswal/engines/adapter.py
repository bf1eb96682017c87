"""What an adapter looks like to the checker: a plain class; no base class, no registration.

Only ``append``, ``sync``, ``records`` and ``close`` are required of a log. Everything in ``LogEngine`` below is
found by name; what an adapter does not have, no workload asks of it.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeAlias

Record: TypeAlias = tuple[int, bytes]
"""A record with its sequence number."""


class MinimalEngine(Protocol):
    """The least an engine must offer."""

    contract: str
    """``"log"``; ``"queue"`` and ``"kv"`` are named by the design and not yet judged."""

    promise: str
    """The methods whose return promises that everything before it is durable, by name, with spaces between:
    ``"append"``, ``"sync"``, ``"append sync rotate"`` …, or ``"none"``."""

    def append(self, payload: bytes) -> object:
        """Append one record. May return its sequence number."""

    def sync(self) -> None:
        """Make everything appended so far durable."""

    def records(self) -> Iterable[bytes] | Iterable[Record]:
        """Every record it shows to readers, in order, oldest first: payloads, or (sequence, payload) pairs."""

    def close(self) -> None:
        """Close cleanly."""


class Subscription(Protocol):
    """A named subscriber's handle."""

    def poll(self, count: int) -> Sequence[Record]:
        """Up to ``count`` records not yet handed out, in order; they are now held by the caller."""

    def ack(self, sequence: int) -> None:
        """Finished with one held record, in any order."""

    def defer(self, sequence: int) -> None:
        """Hand one held record back; it is delivered again before later ones."""

    def flush(self) -> None:
        """Make the acknowledgements given so far durable: when this returns they are promised."""


class LogEngine(MinimalEngine, Protocol):
    """All that a log may offer."""

    promise_reads: bool
    """True: what a reader was shown is promised too."""

    scratch: tuple[str, ...]
    """Globs of files that hold nothing durable: absent or arbitrary after a crash."""

    places: dict[str, str]
    """Globs of files to the place in the engine that works on them, for naming where a kill landed."""

    def append_batch(self, payloads: Sequence[bytes]) -> object:
        """Append several records as one atomic unit. May return the first one's sequence number."""

    def rotate(self) -> None:
        """Finalize the open segment and begin another."""

    def cleanup(self) -> int:
        """Delete what every subscriber has finished; durable on return.

        Returns the sequence number of the first record that is left.
        """

    def subscribe(self, name: str) -> Subscription:
        """Register a subscriber, durable on return, or take up the one of that name."""

    def next_sequence(self) -> int:
        """The sequence number the next record will get: never one that a promised record had."""
