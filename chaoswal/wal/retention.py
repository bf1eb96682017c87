"""Retention: which segments may go, and the deletes that are still to be done. Decisions only, but for the unlinking.

Theory of operation
-------------------
Segments go oldest first, and as wholes, for one of these reasons:

* **finished**: every registered subscriber has finished them. With no subscriber registered nothing is deleted for
  this reason: nobody has said that it may be.
* **age**: they are older than ``age_seconds``.
* **budget**: there is no room for the next append, and the policy is to drop the oldest.

The last two do not wait for anybody. What they take from somebody who had not finished it is lost, and counted: the
records, and the number and bytes of the segments that held them. How it is done is the same for all (``upkeep.py``):

1. The subscribers' progress is made durable: what is deleted must not be wanted again after a crash, and the loss is
   counted by what is known to be finished.
2. The manifest's start moves behind the last segment that goes, durably, and the loss with it. From now on those
   segments are gone: recovery deletes whatever begins below the start, so that none of them can come back, and
   subscribers that are behind are skipped ahead.
3. They are unlinked. That needs no sync of its own.

A delete that fails costs space and nothing else: it is tried again by ``maintain`` after a second, then two, and so
on up to a minute, and found at the next opening, whatever was forgotten. The WAL is never deleted, and its name
carries the next sequence number: cleaning everything restarts nothing. Where there is a budget, cleanup finishes a WAL
that all have read, so that its room can be had too: else a log whose budget is spent by its WAL would stay full.
"""

from collections.abc import Sequence

from chaoswal.vfs.protocol import Vfs
from chaoswal.wal.manifest import Loss
from chaoswal.wal.options import Options
from chaoswal.wal.segment import Segment
from chaoswal.wal.subscriber import Feed

RETRY_SECONDS = 1.0
RETRY_SECONDS_MAX = 60.0


class Cleaner:
    """Decides what may go, and deletes it."""

    def __init__(self, vfs: Vfs) -> None:
        self._vfs = vfs
        self._doomed: dict[str, tuple[float, float]] = {}
        """Files to be deleted: when to try again, in seconds since the epoch, and how long to wait after that."""

    def finished(self, segments: Sequence[Segment], positions: Sequence[int]) -> int:
        """How many of the oldest segments all subscribers have finished, given the position of each."""
        if not positions:
            return 0
        floor = self.floor(positions)
        count = 0
        while count < len(segments) and segments[count].end <= floor:
            count += 1
        return count

    def floor(self, positions: Sequence[int]) -> int:
        """Everything below this number is finished."""
        return min(positions)

    def expired(self, segments: Sequence[Segment], age_seconds: float, now: float) -> int:
        """How many of the oldest segments are older than that; one without a time, of format 1, is not."""
        count = 0
        limit = (now - age_seconds) * 1000
        while age_seconds and count < len(segments) and 0 < segments[count].finished_at <= limit:
            count += 1
        return count

    def excess(self, segments: Sequence[Segment], excess_bytes: int) -> int:
        """How many of the oldest segments take up so much."""
        count = 0
        while count < len(segments) and excess_bytes > 0:
            excess_bytes -= segments[count].size
            count += 1
        return count

    def loss(self, segments: Sequence[Segment], feeds: Sequence[Feed]) -> Loss:
        """What somebody loses if these segments go now; with nobody registered, all of it."""
        total = Loss()
        for segment in segments:
            records = self.unfinished(segment, feeds)
            if records:
                total += Loss(1, records, segment.size)
        return total

    def unfinished(self, segment: Segment, feeds: Sequence[Feed]) -> int:
        """How many records of a segment not all have finished."""
        if not feeds:
            return segment.end - segment.first
        slowest = min(feeds, key=lambda feed: feed.position)
        begin = max(segment.first, slowest.position)
        done = sum(
            all(number < feed.position or number in feed.acked for feed in feeds)
            for number in slowest.acked
            if begin <= number < segment.end
        )
        return max(0, segment.end - begin) - done

    def delete(self, names: Sequence[str], now: float) -> int:
        """Unlink files that nothing refers to any more; those that cannot be unlinked now are due in a second."""
        failed = [name for name in names if not self.deleted(name)]
        self._doomed.update(dict.fromkeys(failed, (now + RETRY_SECONDS, 2 * RETRY_SECONDS)))
        return len(names) - len(failed)

    def retry(self, now: float) -> int:
        """Try the deletes again that are due; returns how many files are gone."""
        gone = 0
        for name, (due, wait) in list(self._doomed.items()):
            if now < due:
                continue
            del self._doomed[name]
            if self.deleted(name):
                gone += 1
            else:
                self._doomed[name] = (now + wait, min(2 * wait, RETRY_SECONDS_MAX))
        return gone

    @property
    def waiting(self) -> int:
        """How many deletes are still to be done."""
        return len(self._doomed)

    def deleted(self, name: str) -> bool:
        """Unlink one file; False if it has to be tried again."""
        try:
            self.unlink(name)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True

    def unlink(self, name: str) -> None:
        self._vfs.unlink(name)


class Limits:
    """Says which subscribers are too slow. It looks when it is asked: idle time counts from one look to the next."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._seen: dict[str, tuple[int, float]] = {}
        """How much a subscriber had finished, and when that was first seen."""

    @property
    def idle(self) -> bool:
        """Whether there are no limits."""
        return not (self._options.lag_records or self._options.lag_seconds)

    def late(self, feed: Feed, end: int, now: float) -> int:
        """Up to where a subscriber is to be moved ahead; its own position if it is in time. Records end at ``end``."""
        options = self._options
        if options.lag_seconds and self.idle_seconds(feed, end, now) >= options.lag_seconds:
            return end
        if options.lag_records:
            return max(feed.position, end - options.lag_records)
        return feed.position

    def idle_seconds(self, feed: Feed, end: int, now: float) -> float:
        """For how long it has had something to do and finished nothing."""
        done = feed.position + len(feed.acked)
        seen, since = self._seen.get(feed.name, (-1, now))
        if done != seen or feed.position >= end:
            since = now
        self._seen[feed.name] = (done, since)
        return now - since
