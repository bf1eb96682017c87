"""Subscribers: who has been given which records, and what they have finished.

Theory of operation
-------------------
A record is, for one subscriber, in one of these states; only the last is ever on the disk:

    upcoming --poll, claim--> held --ack, reject--> finished
                 ^             |                       ^
                 +--- defer ---+                       |     (deferred: delivered again before later ones)
                 +------------- skip ------------------+     (dropped, or given up, before it was finished)

A rejected record is set aside for good: finished, and counted. A skipped one is gone or given up: finished too, and
counted; whoever holds or takes up the handle is told how many. ``upcoming`` is the first record not yet handed out in
order; records below it are held, deferred or finished. Closing the handle, or dropping it, defers all it held. After a
restart everything that is not finished on the disk is upcoming again: delivery is at least once. Polling reads ahead a
piece of the log; what was durable does not change.
"""

import weakref
from bisect import insort
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Self, TypeAlias

from chaoswal.wal.cursor import Cursor
from chaoswal.wal.errors import LogClosed, NotHeld, RecordsMissed
from chaoswal.wal.frames import Record

READ_AHEAD_BYTES = 64 * 1024

Reading: TypeAlias = Callable[[int, int], list[Record]]
"""Of the log: records from this number on, at least one, and as many as these bytes hold."""


class Feed:
    """The state of one subscriber. Not thread safe; a call that raises has changed nothing."""

    def __init__(self, name: str, cursor: Cursor, read: "weakref.WeakMethod[Reading]") -> None:
        """``read``: the log's, held weakly, as the log holds this: one that nobody holds is gone at once."""
        self.name = name
        self.flushed = cursor
        self.position = self.upcoming = cursor.position
        self.gone = 0
        self.acked = set(cursor.acked)
        self.acks = 0
        self.rejected = cursor.rejected
        self.rejections = cursor.rejections
        self.skipped = cursor.skipped
        self.untold = cursor.untold
        self.held: set[int] = set()
        self.deferred: list[int] = []
        self.handle: weakref.ref[Subscriber] | None = None
        self._read = read
        self._ahead: list[Record] = []

    def poll(self, count: int, end: int) -> list[Record]:
        """Up to ``count`` records below ``end``: deferred ones first, then upcoming ones. They are held from now on."""
        count = max(count, 0)
        again = [self.fetch(sequence) for sequence in self.deferred[:count]]
        fresh, upcoming = self.fresh(count - len(again), end)
        del self.deferred[: len(again)]
        given = again + fresh
        self.held.update([record[0] for record in given])
        self.upcoming = upcoming
        return given

    def fresh(self, count: int, end: int) -> tuple[list[Record], int]:
        """Up to ``count`` upcoming records, and what will be upcoming then."""
        given: list[Record] = []
        at = self.upcoming
        while len(given) < count and at < end:
            run = self.run(at, min(count - len(given), end - at))
            at += len(run)
            if self.acked or self.held:
                run = [record for record in run if record[0] not in self.acked and record[0] not in self.held]
            given += run
        return given, at

    def run(self, sequence: int, count: int) -> list[Record]:
        """At least one and at most ``count`` records that follow each other, from number ``sequence`` on."""
        ahead = self._ahead
        if not ahead or not ahead[0][0] <= sequence <= ahead[-1][0]:
            read = self._read()
            if read is None:
                raise LogClosed
            ahead = self._ahead = read(sequence, READ_AHEAD_BYTES)
        start = sequence - ahead[0][0]
        return ahead[start : start + count]

    def fetch(self, sequence: int) -> Record:
        """One record."""
        return self.run(sequence, 1)[0]

    def claim(self, sequence: int, end: int) -> Record:
        """Hold one record that nobody has: deferred, or not yet handed out."""
        waiting = sequence in self.deferred
        free = self.upcoming <= sequence < end and sequence not in self.acked and sequence not in self.held
        if not waiting and not free:
            raise NotHeld(self.name, sequence)
        record = self.fetch(sequence)
        if waiting:
            self.deferred.remove(sequence)
        self.held.add(sequence)
        return record

    def ack(self, sequence: int) -> None:
        """Finished with a held record; nothing happens if it is acknowledged already."""
        if sequence in self.held:
            self.held.remove(sequence)
            self.finish(sequence)
        elif sequence >= self.position and sequence not in self.acked:
            raise NotHeld(self.name, sequence)

    def reject(self, sequence: int, start: int) -> None:
        """Set a held record aside for good; of those rejected before, what is below ``start`` is listed no more."""
        if sequence in self.held:
            self.rejected = (*(number for number in self.rejected if number >= start), sequence)
            self.rejections += 1
        self.ack(sequence)

    def skip(self, to: int) -> int:
        """Give up everything below ``to`` that is not finished; returns how many records that were."""
        if to <= self.position:
            return 0
        passed = to - self.position - sum(number < to for number in self.acked)
        self.acked = {number for number in self.acked if number >= to}
        self.held = {number for number in self.held if number >= to}
        self.deferred = [number for number in self.deferred if number >= to]
        self.position = self.gone = to
        self.skipped += passed
        self.untold += passed
        self.advance()
        return passed

    def tell(self) -> int:
        """How many were skipped since this was last asked."""
        count, self.untold = self.untold, 0
        return count

    def finish(self, sequence: int) -> None:
        """Count a record as acknowledged, and move on past all that are."""
        self.acks += 1
        self.acked.add(sequence)
        self.advance()

    def advance(self) -> None:
        """Move on past all that is finished."""
        while self.position in self.acked:
            self.acked.remove(self.position)
            self.position += 1
        self.upcoming = max(self.upcoming, self.position)

    def defer(self, sequence: int) -> None:
        """Hand a held record back; nothing happens if it was skipped meanwhile."""
        if sequence not in self.held:
            if sequence < self.gone:
                return
            raise NotHeld(self.name, sequence)
        self.held.remove(sequence)
        if sequence < self.upcoming:
            insort(self.deferred, sequence)

    def release(self) -> None:
        """Hand back everything that is held; the handle is no more."""
        self.handle = None
        for sequence in sorted(self.held):
            self.defer(sequence)

    def active(self) -> bool:
        """Whether somebody has a handle; one that was dropped without closing hands back what it held."""
        if self.handle is not None and self.handle() is None:
            self.release()
        return self.handle is not None

    def cursor(self) -> Cursor:
        """What is finished."""
        rejected = tuple(sorted(self.rejected))
        return Cursor(self.position, tuple(sorted(self.acked)), rejected, self.rejections, self.skipped, self.untold)


class Subscriber:
    """A handle on a registered subscriber; there is one at a time. Thread safe."""

    __slots__ = ("__weakref__", "_durable", "_feed", "_flush", "_mutex", "_oldest", "_strict", "name", "skipped")

    def __init__(
        self,
        feed: Feed,
        mutex: AbstractContextManager[object],
        durable: Callable[[], int],
        flush: Callable[[Feed], None],
        oldest: Callable[[], int],
        *,
        strict: bool = False,
    ) -> None:
        """``durable`` and ``oldest`` bound the records there are. ``strict``: raise RecordsMissed rather than skip."""
        if strict and feed.untold:
            raise RecordsMissed(feed.name, feed.untold)
        self.name = feed.name
        self.skipped = feed.tell()
        self._feed = feed
        self._mutex = mutex
        self._durable = durable
        self._oldest = oldest
        self._flush = flush
        self._strict = strict
        feed.handle = weakref.ref(self)

    def poll(self, count: int = 1) -> list[Record]:
        """Up to ``count`` records not yet handed out, deferred ones first; held until ack, reject or defer.

        ``skipped`` says afterwards how many this handle has had to skip: they are gone. A strict one raises.
        """
        with self._mutex:
            feed = self._mine()
            if feed.untold:
                if self._strict:
                    raise RecordsMissed(self.name, feed.untold)
                self.skipped += feed.tell()
            return feed.poll(count, self._durable())

    def claim(self, sequence: int) -> Record:
        """One record by its number, out of turn. NotHeld if it cannot be had."""
        with self._mutex:
            return self._mine().claim(sequence, self._durable())

    def ack(self, sequence: int) -> None:
        """Finished with a held record, in any order; durable with the next ``flush``."""
        with self._mutex:
            self._mine().ack(sequence)

    def reject(self, sequence: int) -> None:
        """Set a held record aside for good: finished, and counted; durable with the next ``flush``."""
        with self._mutex:
            self._mine().reject(sequence, self._oldest())

    def counts(self) -> tuple[int, int]:
        """How many records this subscriber has rejected, and how many were skipped, ever."""
        with self._mutex:
            return self._mine().rejections, self._feed.skipped

    @property
    def position(self) -> int:
        """Every record below this number is finished."""
        with self._mutex:
            return self._mine().position

    @property
    def rejected(self) -> tuple[int, ...]:
        """The numbers of the rejected records, sorted, as far as they were in the log at the last rejection."""
        with self._mutex:
            return tuple(sorted(self._mine().rejected))

    def defer(self, sequence: int) -> None:
        """Hand a held record back: it is delivered again before later ones."""
        with self._mutex:
            self._mine().defer(sequence)

    def flush(self) -> None:
        """Make the acknowledgements so far durable."""
        with self._mutex:
            self._flush(self._mine())

    def close(self) -> None:
        """Hand back what is held; the subscriber stays registered."""
        with self._mutex:
            if self._feed.handle is not None and self._feed.handle() is self:
                self._feed.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _mine(self) -> Feed:
        if self._feed.handle is None or self._feed.handle() is not self:
            raise LogClosed
        return self._feed
