"""Which files Python announces, by its audit events, that it is about to change.

Whatever is written in Python opens its files, and changes names, through functions that announce it first, with the
path (``sys.addaudithook``). Code in C that opens its files itself announces nothing, nor does another program, nor a
write through a descriptor that is open already; ``sqlite3`` announces its database.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
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


def tell_outside(root: str, tell: Callable[[str, Stamp], object]) -> None:
    """From now on tell of each path outside of a directory, once, before it may be changed, and what stands there.

    Of this process alone, not of those it forks; by whichever way a link leads there. It cannot be taken back.
    """
    inside, process, told = os.path.join(os.path.realpath(root), ""), os.getpid(), set[str]()

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        for path in changed_by(event, arguments):
            directory, name = os.path.split(path)
            for one in (os.path.join(os.path.realpath(directory), name), os.path.realpath(path)):
                if not one.startswith(inside) and one not in told and os.getpid() == process:
                    told.add(one)
                    tell(one, stamp(one))

    sys.addaudithook(hear)
