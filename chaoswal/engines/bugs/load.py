"""Bugs that need neither a crash nor an error to show: what runs goes wrong, or comes to a halt."""

from chaoswal.engines.bugs.entry import bug
from chaoswal.engines.bugs.sync_order import ANY
from chaoswal.wal.errors import AtCapacity
from chaoswal.wal.log import Log
from chaoswal.wal.reader import LogReader


@bug("reader-never-refreshes", kinds="stuck", profiles=ANY)
class LooksOnce(LogReader):
    """A reader shows for ever what was there when it was opened: Chronicle Queue #1480, listed only at the opening."""

    def refresh(self) -> None:
        if self._wal is None:
            super().refresh()


@bug("stalls-when-full", kinds="hung", profiles=ANY, options="budget_bytes=1500")
class WaitsForRoom(Log):
    """An append that does not fit waits for room, which none will make: CockroachDB #21752, with its disk full."""

    def _make_room(self, frame_bytes: int, count: int) -> None:
        while True:
            try:
                return super()._make_room(frame_bytes, count)
            except AtCapacity:
                self._vfs.list()  # somebody may have deleted something
                self._runtime.sleep(0.01)
