"""Bugs of subscribers and cleanup: progress that was not made, or not kept, and records removed too early."""

from collections.abc import Sequence
from dataclasses import replace

from chaoswal.engines.bugs.entry import bug
from chaoswal.engines.bugs.sync_order import ANY, CACHED
from chaoswal.vfs.protocol import File
from chaoswal.wal.cursor import Cursor, CursorBirth
from chaoswal.wal.frames import Record
from chaoswal.wal.log import Log, Parts
from chaoswal.wal.manifest import Manifest, ManifestBirth
from chaoswal.wal.reading import read_frames
from chaoswal.wal.retention import Cleaner
from chaoswal.wal.subscriber import Feed
from chaoswal.wal.walfile import WalFile


@bug("ack-counted-before-delivery", kinds="cursor-ahead early-cleanup", profiles=ANY)
class CountsDeliveries(Feed):
    """What was handed out counts as finished: Kafka's enable.auto.commit, committing what poll returned."""

    def cursor(self) -> Cursor:
        return replace(super().cursor(), position=self.upcoming, acked=())


@bug("progress-not-synced", kinds="unopenable cursor-lost", profiles=CACHED, site="CursorBirth.write")
class ProgressNotSynced(CursorBirth):
    """Progress gets its name before its bytes are durable: persist-queue 1.1.0, ``info``."""

    def sync(self, file: File) -> None:
        pass


class ReadsAll(WalFile):
    """Reads what is written, synced or not."""

    def read(self, sequence: int, max_bytes: int) -> list[Record]:
        end = (self.size, self.next)
        return read_frames(self.file, self.name, self._codec, self.seed, self.locate(sequence), end, max_bytes)[0]


@bug("progress-ahead-of-data", kinds="phantom unopenable", profiles=f"{CACHED} prefix", site="WalFile.write")
class DeliversUnsynced(Log):
    """Subscribers are given, and finish, what no sync has covered: readers under SQLite's synchronous=NORMAL."""

    parts = Parts(wal_file=ReadsAll)

    def _durable(self) -> int:
        return super()._durable() if self._wal.held else self._wal.next  # what is held has not been written at all


@bug("cleanup-ignores-slowest", kinds="early-cleanup unopenable", profiles=ANY)
class FollowsTheFastest(Cleaner):
    """What one has finished is deleted for all: PostgreSQL's WAL under a slow standby without a replication slot."""

    def floor(self, positions: Sequence[int]) -> int:
        return max(positions)


@bug("cleanup-ignores-inactive", kinds="early-cleanup unopenable", profiles=ANY)
class ForgetsInactive(Log):
    """Whoever has not come back since the restart is not asked: Pulsar #22794, subscriptions expired too early."""

    def _finished(self) -> int:
        feeds = [feed for feed in self._feeds.values() if feed.active()]
        self._flush_progress(feeds)
        return self._cleaner.finished(self._segments, [feed.flushed.position for feed in feeds])


@bug("cleanup-before-progress-durable", kinds="unopenable cursor-lost", profiles=ANY)
class CleansFirst(Log):
    """Records are deleted while the progress that allows it is in memory only: known of the logs studied."""

    def _finished(self) -> int:
        feeds = [self._feed(name) for name in self._manifest.names]
        return self._cleaner.finished(self._segments, [feed.position for feed in feeds])


@bug("unlink-resurrects", kinds="resurrected unopenable", profiles=CACHED, site="ManifestBirth.rename")
class CleanupNotSynced(ManifestBirth):
    """Cleanup returns before it is durable, and what was deleted comes back: a lost unlink in the logs studied."""

    cleaning = False

    def draft(self, manifest: Manifest) -> File:
        self.cleaning = manifest.start > 0
        return super().draft(manifest)

    def sync_directory(self) -> None:
        if not self.cleaning:
            super().sync_directory()


@bug("claim-not-released-after-crash", kinds="cursor-ahead stuck dishonest", profiles=ANY)
class KeepsClaims(Feed):
    """What somebody held at the crash is never given to anybody again: Sidekiq's basic fetch."""

    def cursor(self) -> Cursor:
        return replace(super().cursor(), acked=tuple(sorted(self.acked | self.held)))


@bug("defer-drops", kinds="stuck cursor-ahead", profiles=ANY)
class DeferDrops(Feed):
    """A record that was handed back is not delivered again: RabbitMQ's reject with requeue=false, taken for a retry."""

    def defer(self, sequence: int) -> None:
        self.held.remove(sequence)


class MayNotSync(ManifestBirth):
    """Leaves the directory alone when somebody is in a hurry."""

    hurried = False

    def sync_directory(self) -> None:
        if not self.hurried:
            super().sync_directory()


@bug("unregistration-not-durable", kinds="resurrected", profiles=CACHED, site="ManifestBirth.rename")
class ComesBack(Log):
    """A subscriber that was unregistered is there again after a power cut: nats-server #5032, zombie consumers."""

    parts = Parts(manifest_birth=MayNotSync)

    def _unregister(self, name: str) -> None:
        birth = self._manifest_birth
        assert isinstance(birth, MayNotSync)
        birth.hurried = True
        super()._unregister(name)
        birth.hurried = False
