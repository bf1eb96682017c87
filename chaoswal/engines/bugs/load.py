"""Bugs that need neither a crash nor an error to show: what runs goes wrong, or comes to a halt."""

from chaoswal.engines.bugs.entry import bug
from chaoswal.engines.bugs.sync_order import ANY
from chaoswal.wal.reader import LogReader


@bug("reader-never-refreshes", kinds="stuck", profiles=ANY)
class LooksOnce(LogReader):
    """A reader shows for ever what was there when it was opened: Chronicle Queue #1480, listed only at the opening."""

    def refresh(self) -> None:
        if self._wal is None:
            super().refresh()
