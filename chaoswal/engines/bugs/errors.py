"""Bugs that show only when a call fails: the error is retried, swallowed, or taken for something else."""

from contextlib import suppress
from errno import EIO

from chaoswal.engines.bugs.entry import bug
from chaoswal.engines.bugs.sync_order import ANY, CACHED
from chaoswal.vfs.protocol import Lock
from chaoswal.wal.errors import LogLocked
from chaoswal.wal.files import wal_name
from chaoswal.wal.frames import Pieces
from chaoswal.wal.log import Log
from chaoswal.wal.manifest import Manifest
from chaoswal.wal.survey import TORN, Surveyor, Tail
from chaoswal.wal.walfile import WalFile
from chaoswal.wal.window import NamedFile, Window


@bug("retries-failed-sync", kinds="lost", profiles=f"{CACHED} prefix", site="WalFile.write", faults=True)
class RetriesSync(WalFile):
    """A sync that failed is tried again, succeeds, and has written nothing: PostgreSQL's fsyncgate, 2018."""

    def sync(self) -> None:
        try:
            super().sync()
        except OSError:
            super().sync()


@bug("swallows-finalize-error", kinds="lost unopenable stuck", profiles=ANY, faults=True)
class SwallowsFinalize(Log):
    """A rotation fails half-way, and the log goes on in a WAL that has a segment: known of the logs studied."""

    def _rotate(self) -> None:
        self._sync()
        try:
            super()._rotate()
        except OSError:
            self._poisoned = ""


@bug("short-write-ignored", kinds="lost stuck hole unopenable", profiles=ANY, site="WalFile.write", faults=True)
class IgnoresShortWrite(WalFile):
    """A write that took half of the record is taken for a whole one: intel/psst #3."""

    def write_whole(self, frame: Pieces, end: int) -> int:
        self.write(self.size, *frame)
        return end


@bug("enospc-leaves-half-frame", kinds="lost phantom stuck unopenable", profiles=ANY, site="WalFile.write", faults=True)
class LeavesHalfFrame(WalFile):
    """With the disk full half a frame stays, and later ones go behind it: ScyllaDB #6653."""

    def truncate(self) -> None:
        self.size = self.file.size()


@bug("eio-on-read-treated-as-end-of-log", kinds="lost", profiles=ANY, site="WalBirth.rename", faults=True)
class TakesErrorForEnd(Surveyor):
    """A WAL that cannot be read is taken for one that ends there: MonetDB #1135."""

    def look_at_tail(self, first: int) -> Tail:
        try:
            return super().look_at_tail(first)
        except OSError:
            return Tail(first, TORN, Window(NamedFile(self._vfs, wal_name(first)), 0))


@bug("close-error-ignored", kinds="lost", profiles=f"{CACHED} prefix", faults=True)
class IgnoresCloseError(Log):
    """Closing reports success though its sync failed: ArcadeDB #4934."""

    def close(self) -> None:
        with suppress(OSError):
            super().close()


class HeldLock:
    """A lock that somebody else has."""

    previous = ""

    def tell(self, owner: str) -> None:
        """Whose it is stands there already."""

    def release(self) -> None:
        """It is not ours."""


@bug("second-writer-let-in", kinds="dishonest", profiles=ANY)
class TakesLockForStale(Log):
    """A lock that is held is taken for one that a dead process has left: translate #3582, over Xapian's flintlock."""

    def take_lock(self, owner: str) -> Lock:
        """Take the lock, or do as if it had been."""
        try:
            return super().take_lock(owner)
        except LogLocked:
            return HeldLock()


@bug(
    "deletes-though-the-manifest-failed",
    kinds="unopenable lost early-cleanup",
    profiles=ANY,
    faults=True,
    site="Cleaner.unlink",
)
class DeletesAnyway(Log):
    """Segments are deleted though the manifest that lets them go could not be written: RocksDB #5379."""

    def _forget(self, count: int, manifest: Manifest) -> None:
        with suppress(OSError):
            return super()._forget(count, manifest)
        self._poisoned = ""
        self._cleaner.delete([segment.name for segment in self._segments[:count]], self._runtime.now())
        raise OSError(EIO, "the manifest could not be written")
