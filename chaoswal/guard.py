"""A process above the one that checks, which an engine cannot end, and which leaves nobody and nothing behind.

Theory of operation
-------------------
Engines are anybody's code, and some of it runs where the checker does: while its class is loaded, and wherever a file
system is simulated. It may end that process, with an exit code that reads like a verdict. So the command runs in a
child, which says in shared memory that it has come to its end by itself, and how long an engine may take that it is
just loading::

    guard ── fork ──► the command ── fork ──► workers, engines, and whom they start
      │ its child is gone: was the word given?      yes: its exit code      no: UNKNOWN, with how it ended
      └ it adopts whoever is orphaned below (prctl(2), PR_SET_CHILD_SUBREAPER), and kills those that are left

The child has a process group of its own, so that what the keyboard says is heard by the guard alone, and told once. It
may have so much memory and no more: an engine that eats all there is meets a MemoryError, before the machine does.
"""

import contextlib
import mmap
import os
import resource
import signal
import sys
from collections.abc import Callable

from chaoswal.errors import Exit
from chaoswal.limits import MEMORY_BYTES_MAX, MEMORY_SHARE
from chaoswal.processes import (
    PASSED_ON,
    Pulse,
    adopt_orphans,
    bury_orphans,
    deafen,
    die_with,
    ending,
    expose,
    signals_held,
)
from chaoswal.tmpfs import remove_campaigns, remove_left


def guarded(command: Callable[[], int]) -> int:
    """Run a command in a child, and come back with its exit code when nobody is left below.

    In the child it comes back too, for the interpreter to end as it does; the word is given by then.
    """
    if not sys.platform.startswith("linux"):
        return command()
    adopt_orphans()
    word, watched = mmap.mmap(-1, mmap.PAGESIZE), Pulse()
    watched.rest()
    with signals_held():
        guard, child = os.getpid(), os.fork()
        if child:
            for number in PASSED_ON:
                signal.signal(number, lambda number, _: _pass_on(child, number))
            signal.signal(signal.SIGTSTP, lambda *_: _rest(child))
    if not child:
        return _checked(command, word, watched, guard)
    how, code = _buried(child, watched)
    _clear()
    if word[0]:
        return int(word[1]) if code is None else code
    remove_campaigns(child)
    sys.stderr.write(f"chaoswal: UNKNOWN: the process that checks {how}: no verdict\n")
    return Exit.INCONCLUSIVE


def _checked(command: Callable[[], int], word: mmap.mmap, watched: Pulse, guard: int) -> int:
    """In the child."""
    for number in (*PASSED_ON, signal.SIGTSTP):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # of a group in the background, which may print all the same
    os.setpgid(0, 0)
    die_with(guard)
    _limit_memory()
    expose(watched)
    code = command()
    word[0], word[1] = 1, code
    return code


def _limit_memory() -> None:
    """Of data, not of addresses: databases map files, and reserve what they never touch."""
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = min(MEMORY_BYTES_MAX, there // MEMORY_SHARE)
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    if most == resource.RLIM_INFINITY or most > limit:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, most))


def _pass_on(child: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, number)


def _rest(child: int) -> None:
    """Stop with all that work, and go on with them."""
    os.killpg(child, signal.SIGSTOP)
    os.kill(os.getpid(), signal.SIGSTOP)
    os.killpg(child, signal.SIGCONT)


_MEANWHILE = " while an engine ran in it"
_LATE = "was ended, for its engine hangs while it is loaded, or takes longer than --patience allows"

_LOOKS_SECONDS = 0.5
"""So often the guard looks whether the child takes too long."""


def _buried(child: int, watched: Pulse) -> tuple[str, int | None]:
    """How the child ended, and its exit code, if it was one; those it has orphaned are buried as they end.

    One that was stopped, but not by ``_rest``, is ended: it would check no more, and nobody would know. So is one that
    loads an engine and takes too long.
    """
    signal.signal(signal.SIGALRM, lambda *_: _end_late(child, watched))
    signal.setitimer(signal.ITIMER_REAL, _LOOKS_SECONDS, _LOOKS_SECONDS)
    try:
        return _waited_for(child, watched)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _end_late(child: int, watched: Pulse) -> None:
    if watched.late:
        _pass_on(child, signal.SIGKILL)


def _waited_for(child: int, watched: Pulse) -> tuple[str, int | None]:
    while True:
        pid, status = os.waitpid(-1, os.WUNTRACED)
        if pid == child and os.WIFSTOPPED(status):
            return f"was stopped by {signal.Signals(os.WSTOPSIG(status)).name}{_MEANWHILE}", None
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            how = _LATE if watched.late else f"{ending(code)}{_MEANWHILE}"
            return how, code if code >= 0 else None


def _clear() -> None:
    """Kill whoever is left below, until there is nobody, and remove what they had in memory."""
    deafen()
    bury_orphans()
    remove_left()
