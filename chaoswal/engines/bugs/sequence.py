"""Bugs of sequence numbers and state files: a number is given twice, or the state is half one and half the other."""

from chaoswal.engines.bugs.entry import bug
from chaoswal.engines.bugs.sync_order import ANY
from chaoswal.vfs.protocol import File
from chaoswal.wal.log import Log
from chaoswal.wal.manifest import Manifest, ManifestBirth
from chaoswal.wal.recovery import Recovered, Recovery


@bug("sequence-restarts-after-cleanup", kinds="duplicated", profiles=ANY)
class RestartsAtZero(Recovery):
    """With every record cleaned up, numbers begin again at 0: Quiver #4024 and #1855, Chronicle."""

    def run(self) -> Recovered:
        found = super().run()
        if not found.segments and found.wal.first > 0:
            found.wal = self.make_wal(0)
            found.manifest = Manifest(names=found.manifest.names)
        return found


@bug("state-file-rewritten-in-place", kinds="unopenable", profiles=ANY, site="RewritesInPlace.create")
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
