"""What a machine may do with an engine, one class of rules for each contract."""

from collections.abc import Mapping

import hypothesis.strategies as st
from hypothesis.stateful import precondition, rule

from chaoswal.contracts import KV, LOG, QUEUE
from chaoswal.ops import (
    Ack,
    Activate,
    Append,
    Batch,
    Cleanup,
    Deactivate,
    Defer,
    Delete,
    Done,
    Enqueue,
    Flush,
    Get,
    Maintain,
    Poll,
    Put,
    PutBatch,
    Reject,
    Rotate,
    Subscribe,
    SubscribeLatest,
    Take,
    Unsubscribe,
    Wait,
)
from chaoswal.stateful.life import CrashMachine

SIZES = st.one_of(st.integers(0, 200), st.sampled_from([0, 1, 487, 512, 1500, 5000]))
"""Sizes of records in bytes: mostly small, some around a sector, some larger than several segments."""

NAMES = st.sampled_from(["s", "t"])
PLACES = st.lists(st.integers(0, 4), min_size=1, max_size=3, unique=True).map(tuple)

KEYS = st.integers(0, 3)
"""Few: what is put again, and deleted, is where stores go wrong."""


class LogMachine(CrashMachine):
    """What is asked of a log."""

    @rule(size=SIZES)
    def append(self, size: int) -> None:
        """Append one record."""
        self.do(Append(size=size))

    @precondition(lambda self: self.offers("append_batch"))
    @rule(sizes=st.lists(SIZES, min_size=1, max_size=4).map(tuple))
    def batch(self, sizes: tuple[int, ...]) -> None:
        """Append several records as one atomic unit."""
        self.do(Batch(sizes=sizes))

    @precondition(lambda self: self.offers("rotate"))
    @rule()
    def rotate(self) -> None:
        """Finalize the open segment."""
        self.do(Rotate())

    @precondition(lambda self: self.offers("cleanup"))
    @rule()
    def cleanup(self) -> None:
        """Delete what every subscriber has finished."""
        self.do(Cleanup())

    @precondition(lambda self: self.offers("subscribe"))
    @rule(name=NAMES)
    def subscribe(self, name: str) -> None:
        """Register a subscriber, or take it up."""
        self.do(Subscribe(name=name))

    @precondition(lambda self: self.offers("subscribe_latest"))
    @rule(name=NAMES)
    def subscribe_latest(self, name: str) -> None:
        """Register a subscriber behind the last record, or take it up."""
        self.do(SubscribeLatest(name=name))

    @precondition(lambda self: self.offers("unregister") and self.history.subscribers)
    @rule(data=st.data())
    def unsubscribe(self, data: st.DataObject) -> None:
        """Unregister a subscriber."""
        self.do(Unsubscribe(name=self._subscriber(data)))

    @precondition(lambda self: self.offers("activate") and self.history.subscribers)
    @rule(data=st.data(), up=st.booleans())
    def take_up(self, data: st.DataObject, up: bool) -> None:  # noqa: FBT001  Hypothesis passes it by name
        """Close a subscriber's handle, and perhaps take it up again, strictly."""
        name = self._subscriber(data)
        self.do(Activate(name=name) if up else Deactivate(name=name))

    @precondition(lambda self: self.offers("maintain"))
    @rule()
    def maintain(self) -> None:
        """Do all that is due."""
        self.do(Maintain())

    @precondition(lambda self: self.offers("maintain"))
    @rule(milliseconds=st.sampled_from([1, 500, 2000, 60_000]))
    def wait(self, milliseconds: int) -> None:
        """Let time pass."""
        self.do(Wait(milliseconds=milliseconds))

    @precondition(lambda self: self.history.subscribers)
    @rule(data=st.data(), count=st.integers(1, 6))
    def poll(self, data: st.DataObject, count: int) -> None:
        """Ask for records on behalf of a subscriber."""
        self.do(Poll(name=self._subscriber(data), count=count))

    @precondition(lambda self: self.history.subscribers)
    @rule(data=st.data(), places=PLACES)
    def ack(self, data: st.DataObject, places: tuple[int, ...]) -> None:
        """Finish held records, in any order."""
        self.do(Ack(name=self._subscriber(data), places=places))

    @precondition(lambda self: self.offers("activate") and self.history.subscribers)
    @rule(data=st.data(), places=PLACES)
    def reject(self, data: st.DataObject, places: tuple[int, ...]) -> None:
        """Set deliveries aside for good."""
        self.do(Reject(name=self._subscriber(data), places=places))

    @precondition(lambda self: self.history.subscribers)
    @rule(data=st.data(), places=PLACES)
    def defer(self, data: st.DataObject, places: tuple[int, ...]) -> None:
        """Hand held records back."""
        self.do(Defer(name=self._subscriber(data), places=places))

    @precondition(lambda self: self.history.subscribers)
    @rule(data=st.data())
    def flush(self, data: st.DataObject) -> None:
        """Make a subscriber's acknowledgements durable."""
        self.do(Flush(name=self._subscriber(data)))

    def _subscriber(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(self.history.subscribers)), label="subscriber")


class KvMachine(CrashMachine):
    """What is asked of a key-value store."""

    @rule(key=KEYS, size=SIZES)
    def put(self, key: int, size: int) -> None:
        """Give a key a value."""
        self.do(Put(key=key, size=size))

    @precondition(lambda self: self.offers("put_batch"))
    @rule(sizes=st.dictionaries(KEYS, SIZES, min_size=1, max_size=3))
    def put_batch(self, sizes: dict[int, int]) -> None:
        """Give several keys their values as one atomic unit."""
        self.do(PutBatch(pairs=tuple(sizes.items())))

    @precondition(lambda self: self.offers("delete"))
    @rule(key=KEYS)
    def delete(self, key: int) -> None:
        """Delete a key."""
        self.do(Delete(key=key))

    @precondition(lambda self: self.offers("get"))
    @rule(key=KEYS)
    def get(self, key: int) -> None:
        """Ask for a key's value."""
        self.do(Get(key=key))


class QueueMachine(CrashMachine):
    """What is asked of a queue."""

    @rule(size=SIZES)
    def put(self, size: int) -> None:
        """Put one item in."""
        self.do(Enqueue(size=size))

    @rule()
    def take(self) -> None:
        """Take the next item."""
        self.do(Take())

    @precondition(lambda self: self.offers("ack"))
    @rule()
    def done(self) -> None:
        """Be done with what was taken."""
        self.do(Done())


MACHINES: Mapping[str, type[CrashMachine]] = {LOG.name: LogMachine, KV.name: KvMachine, QUEUE.name: QueueMachine}
"""By contract."""
