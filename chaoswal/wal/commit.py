"""Making appends durable: one sync at a time, outside of the log's mutex, shared by all who wait for it.

Theory of operation
-------------------
Whoever needs a record durable says so with the mutex held (``join``) and then, without, calls ``commit``. Finding no
sync under way it begins one, as the *leader*: it notes with the mutex held how far the WAL is written (the *mark*),
syncs without, takes the mutex again, and only then counts what lay below the mark as durable. Finding one under way it
waits. What is appended in the meantime lies above the mark, and that sync says nothing of it, however late it ends:
those who wait for such records look again when it ends, and one of them begins the next sync, for all of them::

    appender 1   write 1, mark --- sync ---+ 1 is durable
    appender 2        write 2, wait -------+ mark --- sync ---+ 2 and 3 are durable
    appender 3             write 3, wait --+ wait ------------+

Left at that, appenders that come back at once fall into two parties that sync by turns: whoever is acknowledged first
is back first, and begins a sync for itself alone. So a leader *gathers* before its mark: it waits until as many have
come as were about the last time, which is those whom the last sync served and those who came while it ran. Whoever
completes them leads in its place, being awake. It waits no longer than a sync took (the shorter of the last two), or
``group_delay_ms``. Who was expected and has other things to do is not expected again; a lone appender expects nobody
and never waits.

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
from contextlib import AbstractContextManager
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


Turn = tuple[Gate, float | None] | None
"""What to wait for before looking again, and for how many seconds at most; nothing for who leads."""


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
    """Of the leader that waits for company."""
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

    def join(self) -> Turn:
        """Say that a record was written and is to be made durable; ``commit`` must follow."""
        self._came += 1
        return self._turn()

    def commit(self, wal: WalFile, sequence: int, turn: Turn) -> None:
        """Return when the record of this number, for which there was a ``join``, is durable; raise if it may not be.

        The mutex must not be held.
        """
        while True:
            if turn is None or self._waits_in_vain(*turn):
                self._lead(wal)
            if wal.durable > sequence:
                return
            with self._mutex:
                if wal.durable > sequence:
                    return
                self._standing.check()
                turn = self._turn()

    def commit_held(self, wal: WalFile, sequence: int) -> None:
        """As ``join`` and ``commit``, with the mutex held, which is given back meanwhile."""
        if wal.durable <= sequence:
            self._outside(partial(self.commit, wal, sequence, self.join()))

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
                self._outside(partial(self._wait, self._park()))
        finally:
            self._claims -= 1
            self._let_through()  # who was kept from beginning a sync waits for nobody else

    def _turn(self) -> Turn:
        if self._gathering is not None and self._came >= self._enough():
            self._parked += (self._gathering,)
            self._gathering = None
            return None  # who completes the group leads it: it is awake
        if self._busy or self._claims:
            return self._park(), None
        self._busy = True
        if self._came < self._expected and self._came < self._enough():
            delay_ms = self._options.group_delay_ms
            seconds = self._patience_s if delay_ms is None else delay_ms / 1000
            if seconds > 0:
                self._gathering = self._runtime.gate()
                return self._gathering, seconds
        return None

    def _enough(self) -> int:
        """For how many a sync is begun without waiting for more."""
        return min(self._expected, self._options.group_max)

    def _lead(self, wal: WalFile) -> None:
        """Sync for all who have come; without the mutex."""
        try:
            with self._mutex:
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

    def _park(self) -> Gate:
        gate = self._runtime.gate()
        self._parked += (gate,)
        return gate

    def _wait(self, gate: Gate, seconds: float | None = None) -> bool:
        """Come through a gate, or give up waiting after a time (False); without the mutex."""
        try:
            through = gate.wait(seconds)
            if through:
                self._open_next()
        except BaseException:
            self._give_up(gate)
            raise
        return through

    def _waits_in_vain(self, gate: Gate, seconds: float | None) -> bool:
        """Wait; whether so long for company that this thread leads without."""
        if self._wait(gate, seconds):
            return False
        with self._mutex:
            if self._gathering is gate:
                self._gathering = None
                return True
        self._wait(gate)  # somebody has completed the group at the last moment, and leads it
        return False

    def _give_up(self, gate: Gate) -> None:
        """Whoever was to wait here is interrupted: it neither leads nor opens a gate, so that others have to look."""
        with self._mutex:
            if self._gathering is gate:
                self._gathering, self._busy = None, False
            self._let_through()
        while self._leaving:
            self._open_next()

    def _let_through(self) -> None:
        """Have all that are parked look again, one after the other."""
        self._leaving.extend(self._parked)
        self._parked = ()
        self._open_next()

    def _open_next(self) -> None:
        """Let one of those through who are leaving; with or without the mutex."""
        try:
            gate = self._leaving.popleft()
        except IndexError:
            return  # that was the last one
        gate.open()

    def _outside(self, act: Callable[[], object]) -> None:
        """Do something without the mutex."""
        self._mutex.__exit__(None, None, None)
        try:
            act()
        finally:
            self._mutex.__enter__()
