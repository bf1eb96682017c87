"""Bugs in the order of syncs: something is relied upon before it is durable. A power cut shows most of them."""

from chaoswal.engines.bugs.entry import bug
from chaoswal.vfs.protocol import File
from chaoswal.wal.cursor import CursorBirth
from chaoswal.wal.extent import Extent
from chaoswal.wal.finalize import Finalizer
from chaoswal.wal.log import Log, Parts
from chaoswal.wal.manifest import ManifestBirth
from chaoswal.wal.segment import Segment, SegmentBirth
from chaoswal.wal.walfile import WalBirth, WalFile

CACHED = "ext4-ordered posix"
"""Under these a sync of one file says nothing about others. A bug's first profile is that of its corpus file."""

ANY = "kill prefix ext4-ordered posix"
"""All profiles: whatever survives, a kill at the wrong moment is enough."""


@bug("no-sync-before-ack", kinds="lost", profiles="ext4-ordered posix prefix", site="WalFile.write")
class NoSync(WalFile):
    """Appends are acknowledged and never synced: nats-server 2.9.10 JetStream, by default."""

    def sync(self) -> None:
        pass


@bug("ack-before-sync-of-the-same-bytes", kinds="lost", profiles="ext4-ordered posix prefix", site="WalFile.write")
class AcksFirst(WalFile):
    """Acknowledges, and syncs when the next write comes: Redis with appendfsync everysec, taken for always."""

    owed = False

    def sync(self) -> None:
        self.owed = True

    def write(self, offset: int, *data: bytes) -> int:
        self.pay()
        return super().write(offset, *data)

    def pay(self) -> None:
        """Do the sync that was acknowledged before."""
        if self.owed:
            super().sync()
        self.owed = False


class RotatingBirth(WalBirth):
    """Knows the first WAL, which is made before anything is promised, from later ones."""

    rotating = False

    def make(self, first: int) -> WalFile:
        self.rotating = first > 0
        return super().make(first)


@bug("no-dir-sync-after-new-wal", kinds="unopenable lost", profiles="posix", site="WalBirth.rename")
class WalNameNotSynced(RotatingBirth):
    """The name of a new WAL is not made durable at rotation: cqlite #399; LevelDB (ALICE, OSDI 2014)."""

    def sync_directory(self) -> None:
        if not self.rotating:
            super().sync_directory()


@bug("no-dir-sync-after-segment", kinds="unopenable lost", profiles="posix", site="SegmentBirth.rename")
class SegmentNameNotSynced(SegmentBirth):
    """The name of a segment is not durable when the next WAL is there: tantivy 0.27.0, ``meta.json``."""

    def sync_directory(self) -> None:
        pass


@bug("no-dir-sync-after-rename", kinds="cursor-lost unopenable", profiles=CACHED, site="CursorBirth.rename")
class RenameNotSynced(CursorBirth):
    """A file is replaced by a rename and the directory never synced: tantivy 0.27.0, ``meta.json``; cqlite #399."""

    def sync_directory(self) -> None:
        pass


@bug("rename-before-sync", kinds="unopenable lost", profiles=CACHED, site="SegmentBirth.write")
class RenamedBeforeSync(SegmentBirth):
    """A file gets its final name before its bytes are durable: persist-queue 1.1.0, ``info``."""

    def commit(self, file: File, name: str) -> None:
        self.rename(f"{name}.tmp", name)
        self.sync_directory()
        self.sync(file)


@bug("unlink-old-before-new-durable", kinds="unopenable lost", profiles=ANY, site="UnlinksFirst.make_segment")
class UnlinksFirst(Finalizer):
    """The old file goes before the new one is there: CPython's dbm.dumb, from ``.dir`` to ``.bak``."""

    def make_segment(self, extent: Extent) -> Segment:
        self._vfs.unlink(extent.name)
        return super().make_segment(extent)

    def unlink(self, name: str) -> None:
        pass


@bug("sync-wrong-descriptor", kinds="lost", profiles=CACHED, site="WalFile.write")
class SyncsTheFirstWal(Log):
    """After a rotation the file that was finished is synced, not the new one: go-ethereum #26490."""

    def _rotate(self) -> None:
        stale = self._wal
        super()._rotate()
        if self._wal is not stale:
            finished = self._vfs.open(self._segments[-1].name, write=True)
            self._wal.sync = finished.sync  # type: ignore[method-assign]


BUFFER_BYTES = 64
"""What a writer with a buffer holds back at most."""


class NeverSynced(SegmentBirth):
    """Leaves the syncing to others."""

    def sync(self, file: File) -> None:
        pass


@bug("fsync-of-the-directory-instead-of-the-file", kinds="unopenable lost", profiles=CACHED, site="SegmentBirth.write")
class SyncsTheDirectory(NeverSynced):
    """Syncs the directory, never the file: a name outlives its bytes, as in persist-queue 1.1.0."""

    def sync(self, file: File) -> None:
        self.sync_directory()


@bug(
    "wal-purged-before-segment-durable",
    kinds="unopenable lost",
    profiles=CACHED,
    site="SegmentBirth.write",
    parts=Parts(segment_birth=NeverSynced),
)
class PurgesFirst(Finalizer):
    """The WAL goes before the segment that replaces it is synced: ArcadeDB #4509."""

    def finalize(self, extent: Extent) -> tuple[Segment, WalFile]:
        segment, wal = super().finalize(extent)
        file = self._vfs.open(segment.name, write=True)
        file.sync()
        file.close()
        return segment, wal


@bug("cursor-durable-before-data", kinds="unopenable lost", profiles=ANY, site="WalBirth.rename")
class NewWalFirst(Finalizer):
    """The WAL moves on before what it leaves behind is in a segment: known of the logs studied."""

    def finalize(self, extent: Extent) -> tuple[Segment, WalFile]:
        wal = self.make_wal(extent.next)
        segment = self.make_segment(extent)
        self.unlink(extent.name)
        return segment, wal


@bug("header-not-synced", kinds="unopenable lost", profiles=CACHED, site="WalBirth.write")
class HeaderNotSynced(RotatingBirth):
    """A rotation gives a new WAL its name before its header is durable: known of the logs studied."""

    def sync(self, file: File) -> None:
        if not self.rotating:
            super().sync(file)


@bug("syncs-before-the-last-write", kinds="unopenable lost", profiles=CACHED, site="SegmentBirth.write")
class FlushesLate(SegmentBirth):
    """The end of a file is still in a buffer when the file is synced: CockroachDB #50831."""

    held = (0, b"")

    def write_whole(self, file: File, offset: int, data: bytes) -> None:
        keep = max(0, len(data) - BUFFER_BYTES)
        super().write_whole(file, offset, data[:keep])
        self.held = (offset + keep, data[keep:])

    def sync(self, file: File) -> None:
        super().sync(file)
        super().write_whole(file, *self.held)


@bug("unlinks-before-renaming", kinds="unopenable", profiles=ANY, site="NothingBetween.rename")
class NothingBetween(ManifestBirth):
    """The old file goes before the new one takes its name, and recovery removes what is temporary: Tarsnap #817."""

    def rename(self, temporary: str, name: str) -> None:
        if name in self._vfs.list():
            self._vfs.unlink(name)
        super().rename(temporary, name)
