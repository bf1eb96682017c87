"""Cleanup: deleting what every registered subscriber has finished, a segment at a time, oldest first.

Theory of operation
-------------------
1. The subscribers' progress is made durable: what is deleted must not be wanted again after a crash.
2. The manifest's start moves behind the last segment that all have finished, durably. From now on those segments are
   gone: recovery deletes whatever begins below the start, so that none of them can come back.
3. They are unlinked. That needs no sync of its own.

A delete that fails costs space and nothing else: it is tried again at the next cleanup, and found at the next
opening. The WAL is never deleted, and its name carries the next sequence number: cleaning everything restarts nothing.
With no subscriber registered nothing is deleted: nobody has said that it may be.
"""

from collections.abc import Sequence

from chaoswal.vfs.protocol import Vfs
from chaoswal.wal.segment import Segment


class Cleaner:
    """Decides what may go, and deletes it."""

    def __init__(self, vfs: Vfs) -> None:
        self._vfs = vfs
        self._doomed: list[str] = []

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

    def delete(self, segments: Sequence[Segment]) -> None:
        """Unlink segments that the manifest gives up, and those that could not be unlinked before."""
        self._doomed += [segment.name for segment in segments]
        self._doomed = [name for name in self._doomed if not self.deleted(name)]

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
