"""Making appends durable: one sync at a time, outside of the log's mutex, shared by all who wait for it.

Theory of operation
-------------------
Whoever needs a record durable calls ``commit``, without the mutex. Finding no sync under way it begins one, as the
*leader*: it notes with the mutex held how far the WAL is written (the *mark*), syncs without, takes the mutex again,
and only then counts what lay below the mark as durable. Finding one under way it waits. What is appended in the
meantime lies above the mark, and that sync says nothing of it, however late it ends: those who wait for such records
look again when it ends, and one of them begins the next sync, for all of them::

    appender 1   write 1, mark --- sync ---+ 1 is durable
    appender 2        write 2, wait -------+ mark --- sync ---+ 2 and 3 are durable
    appender 3             write 3, wait --+ wait ------------+

Left at that, appenders that come back at once fall into two parties that sync by turns: whoever is acknowledged first
is back first, and begins a sync for itself alone. So a leader *gathers* before its mark: it waits until as many have
come as were about the last time, which is those whom the last sync served and those who came while it ran. It waits no
longer than a sync took (the shorter of the last two), or ``group_delay_ms``. Who was expected and has other things to
do is not expected again; a lone appender expects nobody and never waits.

Each waiter has a gate of its own, and they are let through one by one: whoever has come through opens the next gate.
(All at once they would fight for the mutex and for the interpreter's lock, and be put to sleep again several times.)
Once through, a waiter finds its record durable and goes its way without the mutex, or it looks again. Waiters are
parked only while a sync is under way or somebody claims the WAL, and the end of either lets all of them through.

A sync that failed has failed for everything that is not yet durable: it poisons the log, and all who wait are told.

A rotation and the end of the log need a WAL nobody is syncing and nobody is about to. They wait for the sync under way,
keep others from beginning one before them (``quiesce``), and do their own with the mutex held.
"""

from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from functools import partial

from chaoswal.vfs.runtime import Gate, Runtime
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
    """Syncs the WAL. The mutex must be held for every call but ``commit``."""

    # What most logs never change stands in the class: they are opened by the thousand.
    syncs = failures = 0
    _busy = False
    _claims = 0
    _parked: tuple[Gate, ...] = ()
    """Whom the end of the sync under way, or of the last claim, is to let through."""
    _came = 0
    """How many appends the next sync is for, as far as they have said so."""
    _expected = 1
    """How many were about the last time."""
    _gathering: Gate | None = None
    _sync_s = _patience_s = 0.0

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
        self._leaving: deque[Gate] = deque()
        """Who is to be let through by whoever comes through next."""

    def commit(self, wal: WalFile, sequence: int) -> None:
        """Return when the record of this number, which is written, is durable; raise if it may not be.

        The mutex must not be held.
        """
        came = 1
        while wal.durable <= sequence:
            with self._mutex:
                if wal.durable > sequence:
                    return
                self._standing.check()
                self._came += came
                gate = self._turn()
            came = 0
            if gate is None:
                self._lead(wal)
            else:
                self._wait(gate)

    def commit_held(self, wal: WalFile, sequence: int) -> None:
        """``commit`` for those who hold the mutex; it is given back meanwhile."""
        self._outside(lambda: self.commit(wal, sequence))

    def finish(self, wal: WalFile) -> None:
        """Make all of a WAL durable with the mutex held all the time; nobody else may be syncing (``quiesce``)."""
        if wal.durable != wal.next:
            try:
                wal.sync_all()
            except BaseException as error:
                self._failed(wal, error)
                raise
            self.syncs += 1
            self._came = 0

    def quiesce(self) -> None:
        """Wait until no sync is under way; none begins before the caller gives the mutex back."""
        if not self._busy:
            return
        self._claims += 1
        try:
            while self._busy:
                gate = self._park()
                self._outside(partial(self._wait, gate))
        finally:
            self._claims -= 1
            self._let_through()  # who was kept from beginning a sync waits for nobody else

    def _turn(self) -> Gate | None:
        """What to wait for before looking again; None: lead."""
        if self._gathering is not None and self._came >= self._enough():
            self._gathering.open()
            self._gathering = None
        if self._busy or self._claims:
            return self._park()
        self._busy = True
        return None

    def _lead(self, wal: WalFile) -> None:
        try:
            if self._came < self._expected:
                self._gather()
            with self._mutex:
                self._gathering = None
                mark, came, self._came = wal.mark(), self._came, 0
            begun = self._runtime.monotonic()
            try:
                self._sync(wal)
            except BaseException as error:
                with self._mutex:
                    self._failed(wal, error)
                raise
            took = self._runtime.monotonic() - begun
            with self._mutex:
                wal.settle(mark)
                self.syncs += 1
                self._expected = came + self._came
                self._sync_s, self._patience_s = took, min(took, self._sync_s)
        finally:
            with self._mutex:
                self._busy = False
                if self._parked:
                    self._let_through()

    def _sync(self, wal: WalFile) -> None:
        """Sync while others append."""
        wal.sync()

    def _failed(self, wal: WalFile, error: BaseException) -> None:
        self.failures += 1
        self._standing.poison(f"sync of {wal.name}", error)

    def _enough(self) -> int:
        """For how many a sync is begun without waiting for more."""
        return min(self._expected, self._options.group_max)

    def _gather(self) -> None:
        """Let others come along."""
        delay_ms = self._options.group_delay_ms
        seconds = self._patience_s if delay_ms is None else delay_ms / 1000
        if seconds > 0:
            with self._mutex:
                if self._came >= self._enough():
                    return
                gate = self._gathering = self._runtime.gate()
            gate.wait(seconds)

    def _park(self) -> Gate:
        gate = self._runtime.gate()
        self._parked += (gate,)
        return gate

    def _wait(self, gate: Gate) -> None:
        """Come through a gate; without the mutex."""
        try:
            gate.wait()
        except BaseException:
            with self._mutex:
                self._let_through()
            while self._leaving:  # it is not known whether the gate was open, and others may count on this thread
                self._open_next()
            raise
        self._open_next()

    def _let_through(self) -> None:
        """Have all that are parked look again."""
        self._leaving.extend(self._parked)
        self._parked = ()
        self._open_next()

    def _open_next(self) -> None:
        """Let one of those through who are leaving; needs no mutex."""
        with suppress(IndexError):
            self._leaving.popleft().open()

    def _outside(self, act: Callable[[], object]) -> None:
        """Do something without the mutex."""
        self._mutex.__exit__(None, None, None)
        try:
            act()
        finally:
            self._mutex.__enter__()
