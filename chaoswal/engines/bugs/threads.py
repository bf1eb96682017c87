"""Bugs that need several threads: what one has begun, another takes for done."""

from errno import EIO
from typing import cast

from chaoswal.engines.bugs.entry import bug
from chaoswal.engines.bugs.sync_order import ANY, CACHED
from chaoswal.engines.wal import WalEngine
from chaoswal.wal.commit import Committer, Turn
from chaoswal.wal.cursor import Cursor
from chaoswal.wal.frames import Pieces
from chaoswal.wal.log import Log, Parts
from chaoswal.wal.timer import Timer
from chaoswal.wal.walfile import Mark, WalFile


@bug(
    "group-commit-acks-waiters-that-joined-after-the-sync-began",
    kinds="lost unopenable",
    profiles=f"{CACHED} prefix",
    site="WalFile.write",
)
class CountsLatecomers(WalFile):
    """What was appended while a sync was under way counts as synced when it returns: d-engine #446, last index."""

    def settle(self, mark: Mark) -> None:
        super().settle((self.size, self.next))


@bug(
    "interval-flush-acks-at-once",
    kinds="lost",
    profiles=f"{CACHED} prefix",
    site="WalFile.write",
    options="sync=interval",
)
class LeavesItToTheTimer(Log):
    """With a thread that syncs now and then, a sync that is asked for reports success at once: hiqlite #361."""

    def sync(self) -> None:
        self._check_writable()
        self._wal.settle(self._wal.mark())

    def _sync(self) -> None:
        self._wal.sync_all()


class NeverWakes(Timer):
    """Does nothing in a thread of its own."""

    def start(self) -> None:
        pass


@bug(
    "interval-checked-at-the-next-append",
    kinds="lost",
    profiles=f"{CACHED} prefix",
    site="WalFile.write",
    options="sync=interval",
)
class LooksWhenAsked(Log):
    """Whether a sync is due is looked at by the next append, and after the last one by none: YugabyteDB #25239."""

    parts = Parts(timer=NeverWakes)

    def _arm(self, timer: Timer) -> None:
        job = self._sync_job
        assert job is not None
        timer.arm(job)
        if job.due is not None and job.due <= self._runtime.monotonic():
            job.due = None
            job.act()


class Reserves(WalFile):
    """Moves its end on when a place is taken, and leaves writing to ``join``."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.coming: list[tuple[int, bytes]] = []

    def write_whole(self, frame: Pieces, end: int) -> int:
        self.coming.append((self.size, b"".join(frame)))
        return end

    def join(self, coming: list[tuple[int, bytes]]) -> None:
        """Write what was only announced."""
        for offset, frame in coming:
            self.write(offset, frame)


@bug(
    "cursor-set-before-record-joined",
    kinds="lost hole unopenable stuck",
    profiles=f"prefix {CACHED}",
    parts=Parts(wal_file=Reserves),
    options="sync=each",
)
class JoinsLate(Committer):
    """The end of the WAL is moved on, and the record written without the mutex, behind a rotation: TidesDB #609."""

    def commit(self, wal: WalFile, sequence: int, turn: Turn) -> None:
        assert isinstance(wal, Reserves)
        coming, wal.coming = wal.coming, []
        wal.join(coming)
        super().commit(wal, sequence, turn)


@bug("subscriber-misses-segment-finalized-while-it-starts", kinds="cursor-ahead early-cleanup", profiles=ANY)
class LooksThenRegisters(Log):
    """Where a subscriber begins is found out first, and it is registered then: cdk #1023, state before subscription."""

    def _register(self, name: str, start: str) -> None:
        if start != "earliest" or self._segments:
            return super()._register(name, start)
        self._mutex.__exit__(None, None, None)
        try:
            self._vfs.list()
        finally:
            self._mutex.__enter__()
        position = self._wal.first  # there are no segments, so that the oldest record is in the WAL
        self._put_cursor(name, Cursor(position))
        self._put_manifest(self._manifest.with_name(name))
        self._cursors[name] = Cursor(position)
        return None


class Attempt:
    """An append that is to be made durable: in which WAL, and how many syncs had failed when it was written."""

    def __init__(self, wal: WalFile, failures: int) -> None:
        self.wal = wal
        self.failures = failures

    @property
    def durable(self) -> int:
        """That of the WAL."""
        return self.wal.durable


class TakesBack(Committer):
    """After a sync that failed, undoes the appends that wait for it, and tells them, instead of giving up."""

    def _failed(self, wal: WalFile, error: BaseException) -> None:
        self.failures += 1
        wal.rewind(wal.durable)
        wal.mark()

    def commit(self, wal: WalFile | Attempt, sequence: int, turn: Turn) -> None:
        attempt = wal if isinstance(wal, Attempt) else Attempt(wal, self.failures)
        while True:
            if turn is None or self._waits_in_vain(*turn):
                self._lead(attempt.wal)
            with self._mutex:
                if self.failures > attempt.failures:
                    raise OSError(EIO, "the sync failed that this append had joined")
                if attempt.durable > sequence:
                    return
                turn = self._turn()


class TakingBackLog(Log):
    """The sound variant: what is undone is cut off, and nobody takes what another wrote there since for his own."""

    parts = Parts(committer=TakesBack)

    def _append(self, payload: Pieces, count: int, expected: int | None) -> tuple[WalFile, int, bool]:
        wal, sequence, due = super()._append(payload, count, expected)
        return cast("WalFile", Attempt(wal, self._committer.failures)), sequence, due


class TakingBackEngine(WalEngine):
    """Its adapter."""

    log_class = TakingBackLog


class LeavesAborted(WalFile):
    """Undoes in memory only."""

    def truncate(self) -> None:
        """What is written stays."""


@bug(
    "ghost-behind-a-shorter-record",
    kinds="invented resurrected duplicated lost",
    profiles=ANY,
    faults=True,
    options="sync=each",
)
class LeavesGhosts(TakingBackLog):
    """Appends that failed are undone in memory only, and stay behind the one that is written next: ArcadeDB #4936."""

    parts = Parts(committer=TakesBack, wal_file=LeavesAborted)


@bug("waiters-not-told-of-a-failed-sync", kinds="hung", profiles=ANY, faults=True, options="sync=each")
class ForgetsWaiters(Committer):
    """Those who wait for a sync that another one makes are not woken when it fails: Tarantool #11796."""

    def _failed(self, wal: WalFile, error: BaseException) -> None:
        super()._failed(wal, error)
        self._parked = ()
