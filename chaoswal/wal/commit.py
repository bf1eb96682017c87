"""Making appends durable: one sync at a time, outside of the log's mutex, shared by all who wait for it.

Theory of operation
-------------------
Whoever needs a record durable calls ``commit`` with the mutex held. Finding no sync under way it begins one: it notes
how far the WAL is written (the *mark*), gives the mutex back, syncs, takes the mutex again, and only then counts what
lay below the mark as durable. Finding one under way it waits. What is appended in the meantime lies above the mark, and
that sync says nothing of it, however late it ends: those who wait for such records look again when it ends, and one
of them begins the next sync, for all of them::

    appender 1   write 1, mark --- sync ---+ 1 is durable
    appender 2        write 2, wait -------+ mark --- sync ---+ 2 and 3 are durable
    appender 3             write 3, wait --+ wait ------------+

Who finds others waiting, or had company the last time, may linger a little before its mark (``group_delay_ms``), so
that those whose records have just become durable can come along again. A lone appender never waits, and needs no
runtime with threads: the condition is made when somebody first has to wait.

A sync that failed has failed for everything that is not yet durable: it poisons the log, and all who wait are told.

A rotation and the end of the log need a WAL nobody is syncing and nobody is about to. They wait for the sync under way,
keep others from beginning one before them (``quiesce``), and do their own with the mutex held.
"""

from contextlib import AbstractContextManager

from chaoswal.vfs.runtime import Condition, Runtime
from chaoswal.wal.errors import LogClosed, LogPoisoned
from chaoswal.wal.options import Options
from chaoswal.wal.walfile import WalFile


class Standing:
    """Whether a log may be changed: shared by the log and whoever waits on its behalf.

    (A part that kept a method of its log would make every log a cycle, which only the garbage collector ends.)
    """

    __slots__ = ("closed", "reason")

    def __init__(self) -> None:
        self.closed = False
        self.reason = ""
        """Why it is poisoned; empty where it is not."""

    def check(self) -> None:
        """Raise where nothing may be written any more."""
        if self.closed:
            raise LogClosed
        if self.reason:
            raise LogPoisoned(self.reason)

    def poison(self, doing: str, error: BaseException) -> None:
        """Refuse every change from now on."""
        self.reason = f"{doing}: {type(error).__name__}: {error}"


class Committer:
    """Syncs the WAL. The mutex must be held for every call."""

    # What most logs never change stands in the class: they are opened by the thousand.
    syncs = failures = 0
    _condition: Condition | None = None
    _busy = _lingering = False
    _waiting = _company = _claims = 0

    def __init__(
        self,
        runtime: Runtime,
        mutex: AbstractContextManager[object],
        options: Options,
        standing: Standing,
    ) -> None:
        self._runtime = runtime
        self._mutex = mutex
        self._options = options
        self._standing = standing

    def commit(self, wal: WalFile, sequence: int) -> None:
        """Return when the record of this number, which is written, is durable; raise if it may not be.

        The log must have been found writable before.
        """
        while wal.durable <= sequence:
            if self._busy or self._claims:
                self._follow()
                if wal.durable <= sequence:
                    self._standing.check()
            else:
                self._lead(wal)

    def finish(self, wal: WalFile) -> None:
        """Make all of a WAL durable with the mutex held all the time; nobody else may be syncing (``quiesce``)."""
        if wal.durable != wal.next:
            try:
                wal.sync_all()
            except BaseException as error:
                self._failed(wal, error)
                raise
            self.syncs += 1

    def quiesce(self) -> None:
        """Wait until no sync is under way; none begins before the caller gives the mutex back."""
        if not self._busy:
            return
        self._claims += 1
        try:
            while self._busy:
                self._wait()
        finally:
            self._claims -= 1
            self._wake()  # who was kept from beginning a sync waits for nobody else

    def _lead(self, wal: WalFile) -> None:
        self._busy = True
        try:
            if (self._waiting or self._company) and self._options.group_delay_ms:
                self._linger()
            mark, self._company = wal.mark(), self._waiting
            try:
                self._outside(wal)
            except BaseException as error:
                self._failed(wal, error)
                raise
            wal.settle(mark)
            self.syncs += 1
        finally:
            self._busy = False
            if self._condition is not None:
                self._condition.notify_all()

    def _outside(self, wal: WalFile) -> None:
        """Sync while others append."""
        self._mutex.__exit__(None, None, None)
        try:
            wal.sync()
        finally:
            self._mutex.__enter__()

    def _failed(self, wal: WalFile, error: BaseException) -> None:
        self.failures += 1
        self._standing.poison(f"sync of {wal.name}", error)

    def _follow(self) -> None:
        self._waiting += 1
        try:
            if self._lingering and self._waiting >= self._options.group_max - 1:
                self._wake()
            self._wait()
        finally:
            self._waiting -= 1

    def _linger(self) -> None:
        """Let others come along: for the delay, or until enough have."""
        until = self._runtime.monotonic() + self._options.group_delay_ms / 1000
        enough = self._options.group_max - 1
        self._lingering = True
        try:
            while self._waiting < enough and (left := until - self._runtime.monotonic()) > 0:
                self._wait(left)
        finally:
            self._lingering = False
        self._standing.check()

    def _wait(self, seconds: float | None = None) -> None:
        if self._condition is None:
            self._condition = self._runtime.condition(self._mutex)
        self._condition.wait(seconds)

    def _wake(self) -> None:
        if self._condition is not None:
            self._condition.notify_all()
