"""Upkeep: the half of the log that lets records go: cleanup, retention, limits, and all of it in one call."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from chaoswal.vfs.runtime import Runtime
from chaoswal.wal.errors import AtCapacity
from chaoswal.wal.files import HEADER_BYTES
from chaoswal.wal.manifest import REASONS, Loss, Manifest
from chaoswal.wal.options import Options
from chaoswal.wal.reading import PlainFiles
from chaoswal.wal.retention import Cleaner, Limits
from chaoswal.wal.segment import ENTRY_BYTES, FOOTER_BYTES, Segment
from chaoswal.wal.subscriber import Feed
from chaoswal.wal.walfile import WalFile

BUDGET, AGE = REASONS


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintained:
    """What ``maintain`` did: progress files written; segments cleaned because they were finished, expired, and
    dropped for the budget; subscribers moved ahead, and to where; those unregistered; files deleted that could not be
    before, and those still waiting for that; and the first record that is left.
    """

    flushed: int
    cleaned: int
    expired: int
    dropped: int
    skipped: tuple[tuple[str, int], ...]
    unregistered: tuple[str, ...]
    deleted: int
    waiting: int
    first: int


class Upkeep(ABC):
    """What a log does to keep small. The mutex is held wherever a name begins with an underscore."""

    options: Options
    _runtime: Runtime
    _mutex: AbstractContextManager[object]
    _manifest: Manifest
    _segments: list[Segment]
    _wal: WalFile
    _cleaner: Cleaner
    _limits: Limits
    _files: PlainFiles
    _cleaned = _dropped = 0

    @property
    def losses(self) -> dict[str, Loss]:
        """What was dropped before all had finished it, by reason, since the log was made."""
        return dict(zip(REASONS, self._manifest.losses, strict=True))

    @property
    def used_bytes(self) -> int:
        """What the segments take up, and the WAL once it is one. Files whose deletion failed do not count."""
        return sum(segment.size for segment in self._segments) + self._wal_bytes()

    def cleanup(self) -> int:
        """Delete the segments that all registered subscribers have finished; returns the first number left."""
        with self._mutex:
            self._check_writable()
            self._clean()
            return self._manifest.start

    def maintain(self) -> Maintained:
        """Flush progress, clean what is finished, expire, enforce the budget and the limits, retry deletes."""
        with self._mutex:
            self._check_writable()
            now = self._runtime.now()
            flushed = sum(feed.cursor() != feed.flushed for feed in self._registered())
            cleaned = self._clean()  # which flushes
            expired = self._give_up(self._cleaner.expired(self._segments, self.options.age_seconds, now), AGE)
            dropped = self._drop_excess(0) if self.options.budget_policy == "drop-oldest" else 0
            skipped, unregistered = self._hold_to_limits(now)
            return Maintained(
                flushed=flushed,
                cleaned=cleaned,
                expired=expired,
                dropped=dropped,
                skipped=skipped,
                unregistered=unregistered,
                deleted=self._cleaner.retry(now),
                waiting=self._cleaner.waiting,
                first=self._manifest.start,
            )

    def _clean(self) -> int:
        if self.options.budget_bytes:
            self._finish_wal()
        count = self._finished()
        if count:
            self._forget(count, self._manifest.with_start(self._segments[count - 1].end))
            self._cleaned += count
        return count

    def _finished(self) -> int:
        """How many segments may go, given the progress of all, active or not, which is durable when this returns."""
        feeds = self._registered()
        self._flush_progress(feeds)
        return self._cleaner.finished(self._segments, [feed.flushed.position for feed in feeds])

    def _finish_wal(self) -> None:
        """Finalize the WAL if all have finished what is in it."""
        feeds = self._registered()
        if feeds and min(feed.position for feed in feeds) >= self._wal.next > self._wal.first:
            self._rotate()

    def _flush_progress(self, feeds: Sequence[Feed]) -> None:
        for feed in feeds:
            self._flush(feed)

    def _registered(self) -> list[Feed]:
        return [self._feed(name) for name in self._manifest.names]

    def _forget(self, count: int, manifest: Manifest) -> None:
        """Let the oldest segments go, as a manifest says."""
        self._put_manifest(manifest)
        gone, self._segments = self._segments[:count], self._segments[count:]
        names = [segment.name for segment in gone]
        self._cleaner.delete(names, self._runtime.now())
        self._files.forget(names)

    def _give_up(self, count: int, reason: str) -> int:
        """Let the oldest segments go, finished or not, and count what is lost by that."""
        if not count:
            return 0
        feeds = self._registered()
        self._flush_progress(feeds)
        gone = self._segments[:count]
        loss = self._cleaner.loss(gone, feeds)
        self._forget(count, self._manifest.with_loss(gone[-1].end, reason, loss))
        self._dropped += count
        for feed in feeds:
            feed.skip(self._manifest.start)
        return count

    # -- the budget ------------------------------------------------------------------------------------------

    def _make_room(self, frame_bytes: int, count: int) -> None:
        """See that one more frame of so many records fits the budget, as the policy says; else AtCapacity."""
        budget = self.options.budget_bytes
        needed = frame_bytes + ENTRY_BYTES * count + 2 * HEADER_BYTES + FOOTER_BYTES  # two rotations, at most
        used = self.used_bytes
        if used + needed <= budget:
            return
        if self.options.budget_policy == "backpressure" or needed + HEADER_BYTES > budget:
            raise AtCapacity(needed, used, budget)
        self._drop_excess(needed)

    def _drop_excess(self, needed_bytes: int) -> int:
        """Drop the oldest segments until so much more fits; the WAL too, as a segment, if there is no other way."""
        budget = self.options.budget_bytes
        excess = self.used_bytes + needed_bytes - budget if budget else 0
        if excess > 0 and self._wal_bytes() + needed_bytes > budget:
            self._rotate()
            excess = self.used_bytes + needed_bytes - budget
        return self._give_up(self._cleaner.excess(self._segments, excess), BUDGET)

    def _wal_bytes(self) -> int:
        """Of the WAL, and of what finishing it will add."""
        wal = self._wal
        return wal.size + (ENTRY_BYTES * (wal.next - wal.first) + FOOTER_BYTES if wal.next > wal.first else 0)

    # -- slow subscribers ------------------------------------------------------------------------------------

    def _hold_to_limits(self, now: float) -> tuple[tuple[tuple[str, int], ...], tuple[str, ...]]:
        """Move on, or unregister, who is too far behind or too slow."""
        skipped: list[tuple[str, int]] = []
        unregistered: list[str] = []
        for feed in [] if self._limits.idle else self._registered():
            to = self._limits.late(feed, self._wal.durable, now)
            if to <= feed.position:
                continue
            if self.options.slow == "unregister":
                self._unregister(feed.name)
                unregistered.append(feed.name)
            else:
                feed.skip(to)
                self._flush(feed)
                skipped.append((feed.name, to))
        return tuple(skipped), tuple(unregistered)

    # -- what the other half does ----------------------------------------------------------------------------

    @abstractmethod
    def _check_writable(self) -> None: ...

    @abstractmethod
    def _rotate(self) -> None: ...

    @abstractmethod
    def _feed(self, name: str) -> Feed: ...

    @abstractmethod
    def _flush(self, feed: Feed) -> None: ...

    @abstractmethod
    def _put_manifest(self, manifest: Manifest) -> None: ...

    @abstractmethod
    def _unregister(self, name: str) -> None: ...
