"""Operations: what a workload asks of an engine, one frozen type each, with a text form.

The payload of a record follows from the number of its operation and its place in a batch, so a program is
no more than a list of short lines and a record tells where it came from.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """Append one record of ``size`` bytes."""

    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Append several records as one atomic unit, of these sizes in bytes."""

    sizes: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync:
    """Make everything appended so far durable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotate:
    """Finalize the open segment and begin another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleanup:
    """Delete what every subscriber has finished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribe:
    """Register the subscriber ``name`` (earliest record first), or take it up again."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscribeLatest:
    """Register the subscriber ``name`` behind the last durable record, or take it up again."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsubscribe:
    """Unregister a subscriber: nobody waits for it any more."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Activate:
    """Take a registered subscriber up again, strictly: it is refused where what it would get next is gone."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deactivate:
    """Close a subscriber's handle; it stays registered."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintain:
    """Do all that is due: flush, clean, expire, enforce limits, retry deletes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Let the clock go on by so many milliseconds, on a simulated disk."""

    milliseconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """Ask for up to ``count`` records on behalf of a subscriber."""

    name: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    """Acknowledge deliveries, by their place among those the subscriber now holds; places beyond are ignored."""

    name: str
    places: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """Set deliveries aside for good, by their place as in Ack."""

    name: str
    places: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Defer:
    """Hand deliveries back to be delivered again, by their place as in Ack."""

    name: str
    places: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flush:
    """Make a subscriber's acknowledgements durable."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reopen:
    """Close the engine cleanly and open it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """Close the engine cleanly, and leave it closed: whatever else is asked of it opens it first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAgain:
    """Open the engine a second time while it is open, which it must refuse if it says that it locks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """Ask somebody who only reads, as another process would, for every record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """Give a key of a key-value store a value of ``size`` bytes."""

    key: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PutBatch:
    """Give several keys a value each as one atomic unit: pairs of a key and a size in bytes."""

    pairs: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """Delete a key of a key-value store; one that is not there stays away."""

    key: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Get:
    """Ask a key-value store for the value of a key."""

    key: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Enqueue:
    """Put one item of ``size`` bytes at the end of a queue."""

    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """Get the next item of a queue, if there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The consumer of a queue is done with all that it has got."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """Perform the next ``count`` operations at once, each in a thread of its own, as far as they are ``CONCURRENT``.

    The threads take turns as ``vfs/turns.py`` tells: in the plainest way, but for these switches. Where there is no
    scheduler the operations follow each other.
    """

    count: int
    switches: tuple[tuple[int, int], ...]


Operation: TypeAlias = (
    Append
    | Batch
    | Sync
    | Rotate
    | Cleanup
    | Maintain
    | Wait
    | Subscribe
    | SubscribeLatest
    | Unsubscribe
    | Activate
    | Deactivate
    | Poll
    | Ack
    | Reject
    | Defer
    | Flush
    | Reopen
    | Close
    | OpenAgain
    | Read
    | Put
    | PutBatch
    | Delete
    | Get
    | Enqueue
    | Take
    | Done
    | Together
)
OPERATIONS: tuple[type[Operation], ...] = (
    Append,
    Batch,
    Sync,
    Rotate,
    Cleanup,
    Maintain,
    Wait,
    Subscribe,
    SubscribeLatest,
    Unsubscribe,
    Activate,
    Deactivate,
    Poll,
    Ack,
    Reject,
    Defer,
    Flush,
    Reopen,
    Close,
    OpenAgain,
    Read,
    Put,
    PutBatch,
    Delete,
    Get,
    Enqueue,
    Take,
    Done,
    Together,
)

CONCURRENT = (Append, Batch, Sync, Rotate, Cleanup, Subscribe, Poll, Ack, Flush, Read, Wait)
"""What may be performed at once: what is promised and allowed meanwhile is known for these."""


def company(steps: Sequence[object], place: int) -> int:
    """How many of the steps behind the one at ``place`` are performed at once: none unless that is a Together.

    One handle is for one thread: there is one operation for each subscriber, and one for the reader.
    """
    step, count, handles = steps[place], 0, set[str]()
    for other in steps[place + 1 : place + 1 + step.count] if isinstance(step, Together) else ():
        handle = "a reader" if isinstance(other, Read) else getattr(other, "name", "")
        if not isinstance(other, CONCURRENT) or handle in handles:
            break
        handles.update([handle] if handle else [])
        count += 1
    return count


def payload(op_index: int, place: int, size: int) -> bytes:
    """The ``size`` bytes of the record at ``place`` in operation ``op_index``: a readable label, then noise."""
    label = b"%d.%d|" % (op_index, place)
    return (label + hashlib.shake_128(label).digest(max(0, size - len(label))))[:size]


def payloads(op_index: int, operation: Append | Batch | Enqueue) -> list[bytes]:
    """The payloads an operation appends, in order."""
    sizes = operation.sizes if isinstance(operation, Batch) else (operation.size,)
    return [payload(op_index, place, size) for place, size in enumerate(sizes)]


def key_bytes(key: int) -> bytes:
    """A key of a key-value store."""
    return b"key%d" % key


def changes(op_index: int, operation: Put | PutBatch | Delete) -> dict[bytes, bytes | None]:
    """What an operation makes of the keys it changes; None: it is deleted. Of a key named twice the last counts."""
    match operation:
        case Delete(key=key):
            return {key_bytes(key): None}
        case Put(key=key, size=size):
            return {key_bytes(key): payload(op_index, 0, size)}
        case PutBatch(pairs=pairs):
            return {key_bytes(key): payload(op_index, place, size) for place, (key, size) in enumerate(pairs)}
