"""What this recorder cannot see, told by Python's audit events before it happens.

C code announces some of what it does: files it opens (``io.FileIO``, sqlite3), maps, new processes. Where such an
announcement names something simulated, or a process is begun by a patched engine, it is refused with Inconclusive, and
every disk that may be meant is marked: an engine that swallows the error goes on, but nothing is said of it any more.
"""

import sys
from functools import cache
from types import FrameType
from typing import Any, NoReturn

from chaoswal.errors import Inconclusive
from chaoswal.patched.announced import changed_by
from chaoswal.patched.mounts import PREFIX, all_mounts, is_simulated

HAND_OVER = "the recorder `syscalls` sees it (-o recorder=syscalls)"

_NAMED = {
    "open": "a file is opened by C code (io.FileIO, or a function that was kept from before)",
    "sqlite3.connect": "sqlite3 writes its files itself",
    "mmap.__new__": "a file is mapped, and writes through mmap are not seen",
    "ctypes.dlopen": "a library is loaded from there",
}
"""Announcements whose first argument may be something simulated."""

_STARTED = {
    "os.fork": "it forks, and what the child does is not seen",
    "os.forkpty": "it forks, and what the child does is not seen",
    "os.posix_spawn": "it starts another program",
    "os.system": "it starts another program",
    "os.exec": "it becomes another program",
    "subprocess.Popen": "it starts another program",
}
"""Announcements that are refused where a patched engine makes them."""

_engines: set[str] = set()
_simulated: set[str] = set()


def watch(module: str) -> None:
    """Begin to listen, if nobody does yet; ``module``: where a patched engine's adapter is."""
    _engines.add(module)
    _listen()


def watch_simulated(module: str) -> None:
    """The same of an engine that takes a ``vfs``, and may go past it while the checker asks it for something."""
    _simulated.add(module)
    _listen()


@cache
def _listen() -> None:
    sys.addaudithook(_announced)


def watch_no_more() -> None:
    """In a process in which engines work on real directories from now on."""
    _engines.clear()
    _simulated.clear()


def refuse(reason: str) -> NoReturn:
    """Something cannot be seen: Inconclusive, now and for all that is said of these disks later."""
    text = f"not all that the engine does is seen: {reason}; {HAND_OVER}"
    for mount in all_mounts():
        mount.vfs.unseen = mount.vfs.unseen or text
    raise Inconclusive(text)


def _announced(event: str, arguments: tuple[Any, ...]) -> None:
    outside = next(changed_by(event, arguments), None)
    if outside is not None and _at_work(_engines | _simulated):
        refuse(f"it writes outside of its directory, at {outside}")
    if event in _NAMED:
        if is_simulated(arguments[0]) or (isinstance(arguments[0], str) and PREFIX in arguments[0]):
            refuse(f"{_NAMED[event]}: {event} of {arguments[0]}")
    elif event in _STARTED and (asked_by_engine() or _at_work(_simulated)):
        refuse(f"{_STARTED[event]}: {event}")


def _at_work(engines: set[str]) -> bool:
    """Whether one of these waits for this call, and the checker for it; not where it goes through what it was given."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - as in mounts
    asked = False
    while frame is not None:
        name = frame.f_globals.get("__name__") or ""
        if name.startswith(_GIVEN if not asked else "chaoswal."):
            return asked
        asked = asked or name in engines
        frame = frame.f_back
    return False


_GIVEN = "chaoswal.vfs."


def asked_by_engine() -> bool:
    """Whether a patched engine is at work: its adapter is among those who wait for this call."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - as in mounts
    while frame is not None:
        if frame.f_globals.get("__name__") in _engines:
            return True
        frame = frame.f_back
    return False
