"""Turning a WAL into a segment: the one way to finish a WAL, in rotation and in recovery alike.

Theory of operation
-------------------
1. The good frames of the WAL are copied into a segment, born whole; its name is durable when that returns.
2. An empty WAL for the number that follows is born whole.
3. The old WAL is unlinked. That needs no sync: a WAL that has a segment, or begins below the manifest's start, is never
   read again, and recovery unlinks it as often as it comes back.

Every step is durable before the next one begins. So what a crash can leave is: the old WAL alone; the old WAL and
its segment (superseded: do 2 and 3); both WALs and the segment (do 3); or the end. The records are written freshly
and synced once, which makes them durable even where the old WAL's bytes are only in the cache, be it that an earlier
sync of them failed. The torn tail stays behind in the old WAL, and goes with it.
"""

from chaoswal.vfs.protocol import Vfs
from chaoswal.wal.extent import Extent
from chaoswal.wal.segment import Segment, SegmentBirth
from chaoswal.wal.walfile import WalBirth, WalFile


class Finalizer:
    """Finishes WALs."""

    def __init__(self, vfs: Vfs, segment_birth: SegmentBirth, wal_birth: WalBirth) -> None:
        self._vfs = vfs
        self._segment_birth = segment_birth
        self._wal_birth = wal_birth

    def finalize(self, extent: Extent) -> tuple[Segment, WalFile]:
        """Replace a WAL, of which this is good, by a segment and a new WAL."""
        segment = self.make_segment(extent)
        wal = self.make_wal(segment.end)
        try:
            self.unlink(extent.name)
        except BaseException:
            wal.close()
            raise
        return segment, wal

    def make_segment(self, extent: Extent) -> Segment:
        """Step 1."""
        return self._segment_birth.make(extent)

    def make_wal(self, first: int) -> WalFile:
        """Step 2."""
        return self._wal_birth.make(first)

    def unlink(self, name: str) -> None:
        """Step 3."""
        self._vfs.unlink(name)
