"""Work done by processes that are forked from a warm one, so that what hangs or crashes there does no harm here.

Theory of operation
-------------------
A *server* is a fresh Python process that has loaded what the work needs, and works no more than that. For each batch of
work it forks a child: a job costs no start of Python and no import, and a child that has done its share takes along
whatever was left behind in it. Jobs come one by one, so nobody needs to know of the next while one is done::

    client ── jobs ──► server ── fork ──► child      tells up to ``batch`` items
           ◄─ outcome ─       ◄─ items ──

A job is a function that yields what it has to tell; what it has told arrives even if it is never heard of again after.
A child that dies ends its job, and one that takes too long for an item is killed, together with all that it has
started. What they print is kept, for the last words of one that died. In each job three processes wait for each other:
one job that tells several items takes less time than several jobs.

What is asked and told passes through the server as it is: it reads nothing but the head of a job (``_HEAD``).

The server ends when its client does: there is nothing to read any more. It may run under another program, like strace.
"""

import atexit
import gc
import os
import pickle
import select
import struct
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NoReturn, TypeAlias

from multiprocess.connection import Connection, Pipe

from chaoswal.errors import ChaoswalError, Exit, HarnessFault, Inconclusive, place_and_text
from chaoswal.processes import adopt_orphans, alive, bury_orphans, deafen, die, die_with, ending, kill_group
from chaoswal.tamper import Seal

Job: TypeAlias = Callable[..., Iterable[Any]]

OUTPUT_BYTES = 2000
"""So much is kept of the end of what a job prints."""

_ANSWER_BYTES_MAX = (1 << 31) - 1
"""What says to be longer is no answer, but what an engine wrote into the pipe."""

_ANSWER_SECONDS = 30.0
"""A server that has not answered so long after the end of what a job may take does not go on."""

_GONE_SECONDS = 1.0
"""A child whose end of the pipe is closed is gone after so long, or was made to close it and is killed."""

_HEAD = struct.Struct("<dI")
"""Before each job: the seconds that an item may take, 0 where the server does it itself; how many items there are."""

_ITEM, _LAST, _ERROR = b"i", b"l", b"e"
"""Before what a child says: an item, its end, or one of the checker's own errors."""

PATIENCE, PATIENCE_SECONDS_MIN = 20, 2.0

_STDERR = 2

_START = "import sys; sys.path[:] = {path!r}; from chaoswal.warm import serve; serve({reading}, {writing}, {batch})"


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What came of a job."""

    items: list[Any] = field(default_factory=list)
    """What it told."""
    died: str = ""
    """How it ended, if not by itself: ``was ended by SIGSEGV``, ``exited with 3``."""
    hung: bool = False
    """Whether it took too long, and was killed."""
    output: str = ""
    """The end of what it printed, if it died or hung."""

    @property
    def whole(self) -> bool:
        """Whether it came to its end."""
        return not self.died and not self.hung


@dataclass(slots=True, kw_only=True)
class Patience:
    """How long one kind of work is waited for, by what it has taken until now.

    All of the time it may take, until it has hung once: from then on no more than ``PATIENCE`` times what the slowest
    took that did not, or ``PATIENCE_SECONDS_MIN`` if that is more. Of an engine that hangs somewhere, many states hang.
    """

    longest: float = 0.0
    hung: bool = False

    def seconds(self, whole: float) -> float:
        """How long the next is waited for, where it may take so long."""
        return self.short_seconds(whole) if self.hung else whole

    def short_seconds(self, whole: float) -> float:
        """What it does not take unless it hangs, or is slower than any was."""
        return min(whole, max(PATIENCE_SECONDS_MIN, PATIENCE * self.longest))

    def learn(self, seconds: float) -> None:
        """One took so long."""
        self.longest = max(self.longest, seconds)

    def do(
        self, server: "Warm", job: Job, *arguments: object, seconds: float, items: int = 1, asleep: float = 0.0
    ) -> Outcome:
        """As ``Warm.do``, within ``seconds`` or less; ``asleep``: so many more it was asked to wait."""
        begun = time.monotonic()
        outcome = server.do(job, *arguments, seconds=self.seconds(seconds) + asleep, items=items)
        self.note(time.monotonic() - begun - asleep, hung=outcome.hung, whole=outcome.whole)
        return outcome

    def note(self, seconds: float, *, hung: bool, whole: bool) -> None:
        """One took so long, and hung, came to its end, or neither."""
        self.hung = self.hung or hung
        if whole:
            self.learn(seconds)


@cache
def patience_with(_work: str, _engine: str) -> Patience:
    """One for each kind of work of each engine."""
    return Patience()


class _ServerGone(Exception):
    """It has ended, or says what nobody understands."""


class Warm:
    """A server, and the way to it; for the process that made it alone. Close it."""

    def __init__(self, *, batch: int, under: Sequence[str] = ()) -> None:
        """``batch``: so many items are told by one child, and those that belong to the same job.

        ``under``: the words of a program that runs the server, on one processor with it: the two take turns, and were
        they on two, each turn would wake another processor, which takes longer than most of what they do.
        """
        self._owner = os.getpid()
        theirs, self._jobs = Pipe(duplex=False)
        self._outcomes, back = Pipe(duplex=False)
        ends = (theirs.fileno(), back.fileno())
        start = _START.format(path=sys.path, reading=ends[0], writing=ends[1], batch=batch)
        command = [*under, sys.executable, "-c", start]
        self._program = command[0]
        self._prepared: set[bytes] = set()
        with _one_processor() if under else nullcontext():
            self._process = subprocess.Popen(command, pass_fds=ends, stdin=subprocess.DEVNULL, stdout=_STDERR)
        theirs.close()
        back.close()
        atexit.register(self.close)

    def prepare(self, function: Callable[..., object], *arguments: object) -> None:
        """Let the server itself do this once, so that every child has it done."""
        job = _HEAD.pack(0.0, 0) + pickle.dumps((function, arguments))
        if job not in self._prepared:
            self._prepared.add(job)
            try:
                self._ask(job)
            except _ServerGone as error:
                raise HarnessFault(str(error)) from error

    def do(self, job: Job, *arguments: object, seconds: float, items: int = 1) -> Outcome:
        """Do a job in a child, so long at most for each item that it tells and for what comes behind the last.

        ``items``: how many those are. What it raises of the checker's own errors is raised here.
        """
        alive(seconds * (items + 1))
        try:
            outcome = self._ask(_HEAD.pack(seconds, items) + pickle.dumps((job, arguments)), seconds * (items + 1))
        except _ServerGone as error:
            raise Inconclusive(f"{error} while an engine was at work: nothing is said of that") from error
        try:
            outcome.items = [pickle.loads(item) for item in outcome.items]
        except Exception as error:
            raise Inconclusive(
                "an engine wrote where the checker is told what it shows: nothing is said of it"
            ) from error
        return outcome

    def _ask(self, job: bytes, seconds: float | None = None) -> Outcome:
        try:
            self._jobs.send_bytes(job)
            if not self._outcomes.poll(None if seconds is None else seconds + _ANSWER_SECONDS):
                raise EOFError  # it was stopped by an engine
            answer = pickle.loads(self._outcomes.recv_bytes(_ANSWER_BYTES_MAX))
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            self._process.kill()
            status = self._process.wait()
            raise _ServerGone(f"{self._program} {ending(status)}") from error
        if isinstance(answer, ChaoswalError):
            raise answer
        outcome: Outcome = answer
        return outcome

    def close(self) -> None:
        """End the server; nothing in a process that was forked from its client."""
        atexit.unregister(self.close)
        if os.getpid() == self._owner:
            self._jobs.close()
            self._outcomes.close()
            self._process.wait()


@contextmanager
def _one_processor() -> Iterator[None]:
    """What is started in the block has one processor, of those that this process may use."""
    every = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(every)[os.getpid() % len(every)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, every)


# -- the server --------------------------------------------------------------------------------------------------


def serve(reading: int, writing: int, batch: int) -> None:
    """The whole life of a server."""
    deafen()
    adopt_orphans()
    jobs, outcomes = Connection(reading, writable=False), Connection(writing, readable=False)
    output, seal = os.memfd_create("output"), Seal()
    child: _Child | None = None
    with suppress(EOFError, OSError, _ClientGone):  # the client is gone, or speaks what nobody could, and all is over
        while True:
            job = jobs.recv_bytes()
            child = child or _Child(batch, output, seal, jobs, outcomes)
            answer = _answered(job, child)
            if child.left <= 0:
                child.end()
                child = None
            outcomes.send_bytes(pickle.dumps(answer))
    if child:
        child.end()


def _answered(job: bytes, child: "_Child") -> object:
    """What came of a job: done here, if it is to take no time, or else by a child."""
    seconds, items = _HEAD.unpack_from(job)
    try:
        if seconds:
            return child.do(job[_HEAD.size :], seconds, items)
        function, arguments = pickle.loads(job[_HEAD.size :])
        function(*arguments)
    except ChaoswalError as error:
        return error
    except Exception as error:  # noqa: BLE001 - a bug of ours: it is told where the work was asked for
        return HarnessFault(place_and_text(error))
    child.left = 0  # it was forked before this was done
    gc.collect()
    gc.freeze()  # what is here by now a child need not look through, nor copy for that
    return Outcome()


class _ClientGone(Exception):
    """There is nobody to answer."""


class _Child:
    """A forked process that does jobs, as the server sees it."""

    def __init__(self, batch: int, output: int, seal: Seal, jobs: Connection, outcomes: Connection) -> None:
        self.left = batch
        self._output, self._seal = output, seal
        self._jobs, self._outcomes = jobs, outcomes
        self._pid = 0

    def _start(self) -> None:
        self._items, theirs = Pipe()
        server = os.getpid()
        self._pid = os.fork()
        if not self._pid:
            _work(theirs, self._output, server, self._seal, [self._jobs, self._outcomes, self._items])
        theirs.close()
        self._death = os.pidfd_open(self._pid)
        self._heard = select.poll()
        for one in (self._items.fileno(), self._death, self._jobs.fileno()):
            self._heard.register(one, select.POLLIN)

    def do(self, job: bytes, seconds: float, items: int) -> Outcome:
        """Let it do one."""
        if not self._pid:
            self._start()
        self.left -= items
        os.ftruncate(self._output, 0)
        os.lseek(self._output, 0, os.SEEK_SET)  # which it shares
        outcome = Outcome()
        try:
            self._items.send_bytes(job)
            while self._speaks(seconds):
                said = self._items.recv_bytes()
                kind, item = said[:1], said[1:]
                if kind == _ERROR:
                    raise pickle.loads(item)
                if kind == _LAST:
                    return outcome
                outcome.items.append(item)
            outcome.hung = True
            self.end()
        except (EOFError, OSError):
            self._gone(_GONE_SECONDS)
            outcome.died = self.end()
        outcome.output = os.pread(self._output, 1 << 20, 0)[-OUTPUT_BYTES:].decode(errors="replace")
        return outcome

    def _speaks(self, seconds: float) -> bool:
        """Wait for what it says; False where that takes too long, EOFError where there will be nothing."""
        ready = {one for one, _ in self._heard.poll(seconds * 1000)}
        if self._jobs.fileno() in ready:
            raise _ClientGone  # nobody asks for anything before he was answered
        if ready and self._items.fileno() not in ready:
            raise EOFError  # somebody it has started keeps the other end open
        return bool(ready)

    def _gone(self, seconds: float) -> None:
        """Give it time to end."""
        death = select.poll()
        death.register(self._death, select.POLLIN)
        death.poll(seconds * 1000)

    def end(self) -> str:
        """End it and all that it has started; how it ended, if it had before."""
        self.left = 0
        if not self._pid:
            return ""
        kill_group(self._pid)  # which changes nothing about how it ended, if it had
        _, status = os.waitpid(self._pid, 0)
        bury_orphans()
        self._items.close()
        os.close(self._death)
        self._pid = 0
        return ending(os.waitstatus_to_exitcode(status))


def _work(jobs: Connection, output: int, server: int, seal: Seal, others: Iterable[Connection]) -> NoReturn:
    """The whole life of a child: its jobs, until there are no more; no finalizer, no flush at its end."""
    os.setsid()
    die_with(server)
    for connection in others:
        connection.close()
    os.dup2(output, 1)
    os.dup2(output, 2)
    try:
        _do_jobs(jobs, seal)
    finally:  # nothing that an engine has made of this process comes back to where it was forked
        die()


def _do_jobs(jobs: Connection, seal: Seal) -> NoReturn:
    while True:
        try:
            function, arguments = pickle.loads(jobs.recv_bytes())
        except EOFError:
            os._exit(Exit.CLEAN)
        try:
            for item in function(*arguments):
                jobs.send_bytes(_ITEM + pickle.dumps(item))
            answer = _LAST
        except Exception as error:  # noqa: BLE001 - it is told where the work was asked for
            answer = _ERROR + pickle.dumps(seal.failure(error, "in a process of its own"))
        except BaseException:  # noqa: BLE001 - an engine that exits ends this process, and no more than that
            traceback.print_exc()
            os._exit(Exit.INTERNAL)
        jobs.send_bytes(answer)
