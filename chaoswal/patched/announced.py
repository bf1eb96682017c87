"""Which files Python announces, by its audit events, that it is about to change.

Whatever is written in Python opens its files, and changes names, through functions that announce it first, with the
path (``sys.addaudithook``). Code in C that opens its files itself announces nothing, nor does another program, nor a
write through a descriptor that is open already; ``sqlite3`` announces its database.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import Any, TypeAlias

Stamp: TypeAlias = tuple[int, int, int] | None
"""What tells whether a file was changed: its inode, size and time; None: there is none."""

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

_PATHS: Mapping[str, tuple[tuple[int, int | None], ...]] = {
    "open": ((0, None),),
    "os.link": ((1, 3),),
    "os.mkdir": ((0, 2),),
    "os.remove": ((0, 1),),
    "os.rename": ((0, 2), (1, 3)),
    "os.rmdir": ((0, 1),),
    "os.symlink": ((1, 2),),
    "os.truncate": ((0, None),),
    "sqlite3.connect": ((0, None),),
}
"""Of each announcement, which of its arguments are paths that change, and from which descriptor each starts."""


def changed_by(event: str, arguments: tuple[Any, ...]) -> Iterator[str]:
    """The absolute paths, not resolved, that what is announced would change on the machine."""
    if event not in _PATHS or (event == "open" and not _is_written(arguments[2])):
        return
    for place, start in _PATHS[event]:
        path = arguments[place]
        if isinstance(path, str | bytes) and not _is_no_file(event, os.fsdecode(path)):
            yield os.path.join(_start(arguments[start] if start else None), os.fsdecode(path))


def _is_written(flags: object) -> bool:
    return isinstance(flags, int) and bool(flags & _WRITING) and flags & os.O_TMPFILE != os.O_TMPFILE


def _is_no_file(event: str, path: str) -> bool:
    """Whether it leaves nothing: what passes through a device, compiled modules, databases in memory."""
    passing = path.startswith(("/dev/", "/proc/")) and not path.startswith("/dev/shm/")
    in_memory = event == "sqlite3.connect" and (path in ("", ":memory:") or path.startswith("file:"))
    return passing or in_memory or "__pycache__" in path


def _start(descriptor: object) -> str:
    """The directory that a relative path starts from. ``open`` does not say; then it is where the process stands."""
    try:
        if isinstance(descriptor, int) and descriptor >= 0:
            return os.readlink(f"/proc/self/fd/{descriptor}")
        return os.getcwd()
    except OSError:  # there is no such directory: what is announced fails
        return "/"


def stamp(path: str) -> Stamp:
    """What is at a path now."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def changed_of(stood: Mapping[str, Stamp]) -> str | None:
    """The first of these paths at which something else is now than stood there before, if there is one."""
    return next((path for path, before in stood.items() if stamp(path) != before), None)


def tell_outside(root: str, tell: Callable[[str, Stamp], object]) -> None:
    """From now on tell of each path outside of a directory, once, before it may be changed, and what stands there.

    Of this process alone, not of those it forks; by whichever way a link leads there. It cannot be taken back.
    """
    _hear()
    _ears.append(_Ear(root, tell))


@contextmanager
def changes_outside(root: str) -> Iterator[dict[str, Stamp]]:
    """The same of what happens in the block: the paths, and what stood there before. The directory may be made anew."""
    found: dict[str, Stamp] = {}
    ear = _Ear(root, found.setdefault)
    _hear()
    _ears.append(ear)
    try:
        yield found
    finally:
        _ears.remove(ear)
        found.pop(ear.place, None)


_resolved = lru_cache(16)(os.path.realpath)
"""Engines are opened by the thousand in the same directory of ours."""


class _Ear:
    """Who is told of what lies outside of a directory, by one process."""

    def __init__(self, root: str, tell: Callable[[str, Stamp], object]) -> None:
        above, name = os.path.split(os.path.abspath(root))
        self.place = os.path.join(_resolved(above), name)
        self._root, self._inside = root, os.path.join(self.place, "")
        self._process = os.getpid()
        self._told: set[str] = set()
        self._tell = tell

    def hear(self, path: str) -> None:
        """This path may be changed next."""
        directory, name = os.path.split(path)
        place = os.path.join(self.place if directory == self._root else os.path.realpath(directory), name)
        for one in (place, os.path.realpath(place)) if os.path.islink(place) else (place,):
            if not one.startswith(self._inside) and one not in self._told and os.getpid() == self._process:
                self._told.add(one)
                self._tell(one, stamp(one))


_ears: list[_Ear] = []
"""Who listens now."""


@cache
def _hear() -> None:
    """Listen to what is announced: a process cannot stop to, once it has begun."""
    sys.addaudithook(_announced)


def _announced(event: str, arguments: tuple[Any, ...]) -> None:
    if _ears and event in _PATHS:
        for path in changed_by(event, arguments):
            for ear in _ears:
                ear.hear(path)
