"""Bugs that need several threads: what one has begun, another takes for done."""

from chaoswal.engines.bugs.entry import bug
from chaoswal.engines.bugs.sync_order import CACHED
from chaoswal.wal.walfile import Mark, WalFile


@bug(
    "group-commit-acks-waiters-that-joined-after-the-sync-began",
    kinds="lost",
    profiles=f"{CACHED} prefix",
    site="WalFile.write",
)
class CountsLatecomers(WalFile):
    """What was appended while a sync was under way counts as synced when it returns: TODO."""

    def settle(self, mark: Mark) -> None:
        super().settle((self.size, self.next))
