"""What an adapter looks like to the checker: a plain class; no base class, no registration.

Only ``append``, ``sync``, ``records`` and ``close`` are required of a log. Everything in ``LogEngine`` below is
found by name; what an adapter does not have, no workload asks of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, TypeAlias

Record: TypeAlias = tuple[int, bytes]
"""A record with its sequence number."""


class MinimalEngine(Protocol):
    """The least an engine must offer."""

    contract: str
    """``"log"`` here; what others offer is told in ``QueueEngine`` and ``KvEngine``."""

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

    def reject(self, sequence: int) -> None:
        """Set one held record aside for good: finished, and counted (where the engine offers ``maintain``)."""

    def counts(self) -> tuple[int, int]:
        """How many records this subscriber has rejected, and how many were skipped, ever; as ``reject``."""

    def close(self) -> None:
        """Give the handle back; the subscriber stays registered (where the engine offers ``activate``)."""

    def defer(self, sequence: int) -> None:
        """Hand one held record back; it is delivered again before later ones."""

    def flush(self) -> None:
        """Make the acknowledgements given so far durable: when this returns they are promised."""


class LogEngine(MinimalEngine, Protocol):
    """All that a log may offer."""

    takes_vfs: bool
    """True: it is opened as ``Engine(vfs=..., runtime=..., **options)``, and asks these for files, time and chance."""

    decisions: tuple[str, ...]
    """The labels of what its recovery may decide: functions that return something with such a ``label`` decide it."""

    promise_reads: bool
    """True: what a reader was shown is promised too."""

    promise_window: float
    """After so many seconds everything appended is durable, asked for or not; it needs no other operation for that."""

    scratch: tuple[str, ...]
    """Globs of files that hold nothing durable: absent or arbitrary after a crash."""

    runner: str
    """Without a ``vfs``: what opens it on an image, ``forked`` (the default), ``fresh`` or ``in-process``."""

    preload: tuple[str, ...]
    """Without a ``vfs``: modules that its processes load before they are forked, so that none has to do it again. They
    begin no threads."""

    recorder: str
    """``"patched"`` or ``"syscalls"`` (the default): how it is run, without a ``vfs``, where disks are crashed."""

    def stop(self) -> None:
        """End at once what it has begun, processes for one: nobody will look at it again. Without, it is closed."""

    package: str
    """The distribution that it comes with, for its version."""

    version: str
    """Without a distribution of its own: its version."""

    documented: str
    """Where the promise is made: an address."""

    places: dict[str, str]
    """Globs of files to the place in the engine that works on them, for naming where a kill landed."""

    concurrent: bool
    """True: several real threads may ask it for something at a time, and every append returns its number."""

    draws: Sequence[Mapping[str, Sequence[str]]]
    """Tables of options, each with the texts that may be drawn for it, for every process of the kill loop anew, for
    every program of an exploration and for every life of the Hypothesis machine. Where an option fits one choice of
    another only, that choice has a table of its own, with that text alone for it. A text that stands more than once is
    drawn more often, and so is a table."""

    @staticmethod
    def needs_threads(options: Mapping[str, str]) -> bool:
        """Whether it has threads of its own with these options: its runtime has to have some then."""

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

    def subscribe_latest(self, name: str) -> tuple[Subscription, int]:
        """Register a subscriber behind the last durable record, or take it up; and where it begins or goes on."""

    def activate(self, name: str) -> Subscription:
        """Take up a registered subscriber; what ``refusals`` names is raised if what is next for it is gone."""

    def unregister(self, name: str) -> None:
        """Forget a subscriber, durable on return."""

    def registered(self) -> Sequence[str]:
        """The names of the registered subscribers."""

    def maintain(self) -> Mapping[str, object]:
        """Do what is due, durable on return: at least ``first`` (as ``cleanup`` returns it), ``skipped`` (pairs of a
        subscriber and the position it was moved to) and ``unregistered`` (names).
        """

    def losses(self) -> Mapping[str, tuple[int, int, int]]:
        """Segments, records and bytes dropped before all had finished them, by reason, ever."""

    def first_sequence(self) -> int:
        """The sequence number of the first record that is left."""

    retention: Mapping[str, float]
    """Which records may be dropped and when, and when an append may be refused: the arguments of
    ``chaoswal.models.retention.Retention``."""

    refusals: tuple[str, ...]
    """The names of the exceptions by which it refuses an operation and changes nothing: an append where ``retention``
    says that it may be full, an activation where something is gone."""

    lock_errors: tuple[str, ...]
    """The names of the exceptions by which it refuses to be opened a second time while it is open."""

    def read_outside(self) -> Sequence[Record]:
        """Every record that somebody sees who opened it for reading long ago, in another process maybe: all that are
        promised, and perhaps more.
        """

    reports: tuple[str, ...]
    """The names of the exceptions by which it reports that what was durable is damaged or missing: when it is opened,
    or when the affected part is read. What does not state any promises nothing about damage, and is not judged by it.
    """

    torn_tails: tuple[str, ...]
    """Globs of files at whose end damage may be taken for the torn tail of a crash: a record that is cut from there
    without a report must have nothing to testify for it, neither a later record in the file that was appended when it
    was promised and is undamaged, nor a subscriber that durably finished it. Elsewhere all damage is reported."""

    def next_sequence(self) -> int:
        """The sequence number the next record will get: never one that a promised record had."""


class QueueEngine(Protocol):
    """All that a queue with one consumer may offer of its own; ``ack`` and ``sync`` only if it has them.

    Besides, what ``KvEngine`` may say of how it is run, opened and judged.
    """

    contract: str
    """``"queue"``."""

    promise: str
    """As a log's: ``"put ack"``, ``"sync"``, …"""

    at_most_once: bool
    """True: what was handed out need not be handed out again after a restart, be it done with or not. Where ``get`` is
    promised, it never is."""

    def put(self, payload: bytes) -> None:
        """Put one item at the end."""

    def get(self) -> bytes | None:
        """Hand out the next item; None where there is none."""

    def items(self) -> Iterable[bytes]:
        """Every item that would be handed out by an engine just opened, in order; nothing is handed out by that."""

    def close(self) -> None:
        """Close cleanly; what was handed out and not done with is handed out again."""

    def ack(self) -> None:
        """The consumer is done with all that was handed out since it was opened."""

    def sync(self) -> None:
        """Make everything done so far durable."""


class KvEngine(Protocol):
    """All that a key-value store may offer of its own; ``get``, ``put_batch`` and ``sync`` only if it has them.

    Besides, all that a log may say of how it is run, opened and judged: ``promise``, ``promise_reads``, ``takes_vfs``,
    ``recorder``, ``runner``, ``scratch``, ``draws``, ``decisions``, ``lock_errors``, ``reports``, ``torn_tails``.
    """

    contract: str
    """``"kv"``."""

    promise: str
    """As a log's: ``"put delete"``, ``"sync"``, …"""

    promise_order: bool
    """False: of what is not promised, anything may survive of each key, whatever became of the others. Otherwise, the
    default, it shows the state after some number of its commits, each put, delete and batch being one."""

    def put(self, key: bytes, value: bytes) -> None:
        """Give a key a value, in the place of any it had."""

    def delete(self, key: bytes) -> None:
        """Delete a key; nothing happens where there is none."""

    def items(self) -> Iterable[tuple[bytes, bytes]]:
        """Every key with its value, in any order."""

    def close(self) -> None:
        """Close cleanly."""

    def get(self, key: bytes) -> bytes | None:
        """The value of a key; None where there is none."""

    def put_batch(self, values: Mapping[bytes, bytes]) -> None:
        """Give several keys their values as one atomic unit."""

    def sync(self) -> None:
        """Make everything done so far durable."""
