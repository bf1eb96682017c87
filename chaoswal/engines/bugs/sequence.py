"""Bugs of sequence numbers and state files: a number is given twice, or the state is half one and half the other."""

from collections.abc import Sequence

from chaoswal.engines.bugs.entry import bug
from chaoswal.engines.bugs.subscribers import ReadsAll
from chaoswal.engines.bugs.sync_order import ANY, CACHED
from chaoswal.engines.wal import WalEngine
from chaoswal.vfs.protocol import File
from chaoswal.wal.log import Log, Parts
from chaoswal.wal.manifest import Manifest, ManifestBirth
from chaoswal.wal.recovery import Action, Recovered, Recovery
from chaoswal.wal.subscriber import Feed


@bug("sequence-restarts-after-cleanup", kinds="duplicated", profiles=ANY)
class RestartsAtZero(Recovery):
    """With every record cleaned up, numbers begin again at 0: Quiver #4024 and #1855, Chronicle."""

    def run(self) -> Recovered:
        found = super().run()
        if not found.segments and found.wal.first > 0:
            found.wal = self.make_wal(0)
            found.manifest = Manifest(names=found.manifest.names)
        return found


@bug("state-file-rewritten-in-place", kinds="unopenable cursor-lost", profiles=ANY, site="RewritesInPlace.create")
class RewritesInPlace(ManifestBirth):
    """The state is written over the one before, and a crash finds neither: an ``index.meta`` of the logs studied."""

    def create(self, temporary: str) -> File:
        name = temporary.removesuffix(".tmp")
        if name not in self._vfs.list():
            return super().create(temporary)
        file = self._vfs.open(name, write=True)
        file.truncate(0)
        return file

    def rename(self, temporary: str, name: str) -> None:
        if temporary in self._vfs.list():
            super().rename(temporary, name)


@bug("failed-flush-then-success-skips-records", kinds="unopenable lost stuck", profiles=ANY, faults=True)
class SkipsTheFailed(Log):
    """A segment fails to be written, and the log goes on behind it: known of the logs studied."""

    def _rotate(self) -> None:
        self._sync()
        try:
            super()._rotate()
        except OSError:
            self._poisoned = ""
            self._wal = self._finalizer.make_wal(self._wal.next)


class SyncsForProgress(Log):
    """Shows what no sync has covered, and promises nothing by that: it is synced before progress over it is."""

    parts = Parts(wal_file=ReadsAll)

    def _durable(self) -> int:
        return self._wal.next

    def _flush(self, feed: Feed) -> None:
        self._sync()
        super()._flush(feed)


class ShowingEngine(WalEngine):
    """The sound variant: readers are promised nothing."""

    promise_reads = False
    log_class = SyncsForProgress


class BelievesProgress(Recovery):
    """Takes the progress of a subscriber as it is, though it is ahead of the log."""

    def refuse(self, actions: Sequence[Action]) -> None:
        super().refuse([action for action in actions if not action.label.startswith("C5")])


class HurriesProgress(SyncsForProgress):
    """Makes progress durable before what it is about."""

    parts = Parts(wal_file=ReadsAll, recovery=BelievesProgress)

    def _flush(self, feed: Feed) -> None:
        super(SyncsForProgress, self)._flush(feed)


@bug(
    "sequence-reused-after-truncation",
    kinds="cursor-ahead stuck",
    profiles=CACHED,
    site="WalFile.write",
    options="sync=explicit",
)
class ReusesNumbers(ShowingEngine):
    """A record gets the number of one that was acknowledged, and then lost: Typhon #712, two records of one LSN."""

    log_class = HurriesProgress
