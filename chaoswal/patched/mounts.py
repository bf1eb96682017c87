"""Where simulated disks are mounted for code that knows only paths, and what that code holds open on them.

A path is never used for two disks, nor a descriptor for two files: what an engine that was crashed still does when it
is taken apart (buffers that are flushed, destructors that save) is done to its own disk, which nobody looks at then.
A disk is forgotten when the next one is mounted and nobody but its mount holds it.
"""

import errno
import itertools
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any, TypeVar

from chaoswal.vfs.memory import MemoryFile, MemoryVfs

PREFIX = "/dev/null/chaoswal/"
"""Everything below is simulated. To the machine it is below a file that is no directory, so nothing can be there."""

FIRST_DESCRIPTOR = 1 << 30
"""Descriptors from here on are simulated. No process of the machine has so many."""

LIMBO_EVENTS = 1_000
"""When so much has been done to the disk of all that are forgotten, another takes its place."""

_frame = sys._getframe  # noqa: SLF001 - the cheapest way to a call site; public in all but its name
_ROOT_PATH = re.compile(rf"{PREFIX}\w+/?")
_BYTES_PREFIX = os.fsencode(PREFIX)
_HERE = os.path.join(os.path.dirname(__file__), "")
_LIBRARY = os.path.join(os.path.dirname(os.__file__), "")
_HELPERS = ("os", "shutil", "tempfile", "pathlib", "genericpath", "contextlib", "codecs", "functools", "gzip")

T = TypeVar("T")


@dataclass(eq=False, kw_only=True)
class OpenFile:
    """An open file, or directory, that one or several descriptors stand for."""

    mount: "Mount"
    inode: int
    file: MemoryFile | None
    """None for a directory."""
    flags: int
    position: int = 0
    descriptors: int = 0
    lock: int = 0
    """The flock(2) that is held through it: LOCK_SH, LOCK_EX, or none."""


@dataclass(eq=False)
class Mount:
    """A simulated disk at a path."""

    vfs: MemoryVfs
    root: str
    touched: dict[int, float] = field(default_factory=dict)
    """When each file was changed, in seconds since the epoch; what is not in it was not, since it was mounted."""
    open_files: list[OpenFile] = field(default_factory=list)

    def do(self, act: Callable[..., T], *args: Any) -> T:
        """Ask the disk for something in the name of the engine: its events get the engine's call site."""
        start = len(self.vfs)
        try:
            return act(*args)
        finally:
            if len(self.vfs) > start:
                self.vfs.attribute(start, *_site())

    def path(self, inode: int) -> str:
        """A path that leads to a file or directory; FileNotFoundError where it has no name any more."""
        parts: list[str] = []
        while inode:
            at = next(iter(self.vfs.links(inode)), None)
            if at is None:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            inode, name = at
            parts.append(name)
        return "/".join(reversed(parts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A path on a mounted disk, there or not."""

    mount: Mount
    path: str
    """From the root of the disk on; empty for the root itself."""

    @property
    def inode(self) -> int:
        """What is there; FileNotFoundError where nothing is."""
        return self.mount.vfs.inode(self.path)

    @property
    def full(self) -> str:
        """The path as the engine knows it."""
        return f"{self.mount.root}/{self.path}" if self.path else self.mount.root


_mounts: dict[str, Mount] = {}
_numbers = itertools.count()
_next_descriptor = itertools.count(FIRST_DESCRIPTOR)
_descriptors: dict[int, OpenFile] = {}


def mounted(vfs: MemoryVfs) -> Mount:
    """The mount of a disk, always the same."""
    for known in _mounts.values():
        if known.vfs is vfs:
            return known
    for number in [number for number, known in _mounts.items() if _left_alone(known)]:
        _forget(_mounts.pop(number))
    number = str(next(_numbers))
    mount = _mounts[number] = Mount(vfs, f"{PREFIX}{number}")
    return mount


def _left_alone(mount: Mount) -> bool:
    """Whether nobody else holds the disk any more; by then its engine has been taken apart."""
    return sys.getrefcount(mount.vfs) <= _REFERENCES


_REFERENCES = 2
"""Those that a mount has to its disk, and the one for whoever asks."""


def _forget(mount: Mount) -> None:
    for descriptor in [descriptor for descriptor, file in _descriptors.items() if file.mount is mount]:
        del _descriptors[descriptor]


def _limbo() -> Mount:
    """A disk for the destructors of engines whose own is forgotten."""
    global _lost  # noqa: PLW0603 - a new one, now and then
    if _lost is None or len(_lost.vfs) > LIMBO_EVENTS:
        _lost = Mount(MemoryVfs(), f"{PREFIX}forgotten")
    return _lost


_lost: Mount | None = None


def all_mounts() -> list[Mount]:
    """The disks that are remembered."""
    return list(_mounts.values())


def is_descriptor(number: object) -> bool:
    """Whether a number is a simulated descriptor."""
    return isinstance(number, int) and number >= FIRST_DESCRIPTOR


def is_simulated(path: object) -> bool:
    """Whether a path, or a descriptor, or what stands for one, belongs to a simulated disk."""
    if isinstance(path, str):
        return path.startswith(PREFIX)
    if isinstance(path, int):
        return path >= FIRST_DESCRIPTOR
    if isinstance(path, bytes | bytearray):
        return path.startswith(_BYTES_PREFIX)
    convert = getattr(type(path), "__fspath__", None)
    return convert is not None and is_simulated(convert(path))


def place_of(path: Any, directory: int | None = None) -> Place | None:
    """The place that a path, or an open file, stands for; None where that is not on a simulated disk.

    ``directory``: the descriptor that a relative path starts from. A disk that was forgotten is as good as an empty one
    for what its engine still does in its destructors.
    """
    if isinstance(path, int):
        return _place_of_descriptor(path) if path >= FIRST_DESCRIPTOR else None
    if is_simulated(path):
        text: str = os.fsdecode(path)
        number, _, rest = text[len(PREFIX) :].partition("/")
        return _place(_mounts.get(number) or _limbo(), rest)
    if directory is not None and directory >= FIRST_DESCRIPTOR and not os.fsdecode(path).startswith("/"):
        base = _directory_of_descriptor(directory)
        return _place(base.mount, f"{base.path}/{os.fsdecode(path)}")
    return None


def directory_of(path: Any) -> Place | None:
    """The same of what must be a directory, where it is open: a file has no names in it, even if it has none itself."""
    if isinstance(path, int) and path >= FIRST_DESCRIPTOR:
        return _directory_of_descriptor(path)
    return place_of(path)


def _directory_of_descriptor(number: int) -> Place:
    if open_file(number).file is not None:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    return _place_of_descriptor(number)


def _place_of_descriptor(number: int) -> Place:
    file = open_file(number)
    return Place(mount=file.mount, path=file.mount.path(file.inode))


def _place(mount: Mount, path: str) -> Place:
    """A path without what means nothing; there are no symbolic links that ``..`` could lead around."""
    if "//" not in path and "." not in path and not path.startswith("/") and not path.endswith("/"):
        return Place(mount=mount, path=path)
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if mount.vfs.size(mount.vfs.inode("/".join(parts))) is not None:
                raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    return Place(mount=mount, path="/".join(parts))


def give_descriptor(file: OpenFile, number: int | None = None) -> int:
    """A new descriptor of an open file."""
    if number is None:
        number = next(_next_descriptor)
    if not file.descriptors:
        file.mount.open_files.append(file)
    file.descriptors += 1
    _descriptors[number] = file
    return number


def open_file(number: int) -> OpenFile:
    """What a descriptor stands for; OSError where it was closed, or never given out."""
    file = _descriptors.get(number)
    if file is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    return file


def close_descriptor(number: int) -> None:
    """Give a descriptor back; the last one of a file closes it."""
    file = open_file(number)
    del _descriptors[number]
    file.descriptors -= 1
    if not file.descriptors:
        file.mount.open_files.remove(file)
        if file.file is not None:
            file.file.close()


def descriptors_between(low: int, high: int) -> list[int]:
    """The simulated descriptors from ``low`` to below ``high``."""
    return [number for number in _descriptors if low <= number < high]


def without_roots(text: str) -> str:
    """A text in which paths begin at the root of their disk: which mount it was says nothing."""
    return _ROOT_PATH.sub("", text) if PREFIX in text else text


def named(error: OSError, path: object, other: object = None) -> OSError:
    """An error that names the paths that the engine asked for, not those on the disk."""
    error.filename = path
    if other is not None:
        error.filename2 = other
    return error


def _site() -> tuple[CodeType, int]:
    """The instruction of the engine that led here, past this package and the modules that do their callers' work."""
    frame: FrameType | None = _frame(2)
    last = frame
    while frame is not None:
        if not _is_ours(frame.f_code.co_filename):
            return frame.f_code, frame.f_lasti
        last, frame = frame, frame.f_back
    assert last is not None
    return last.f_code, last.f_lasti


def _is_ours(filename: str) -> bool:
    known = _ours.get(filename)
    if known is None:
        within = filename.removeprefix(_LIBRARY) if filename.startswith(_LIBRARY) else ""
        helper = within.partition("/")[0].removesuffix(".py") in _HELPERS
        known = _ours[filename] = helper or filename.startswith((_HERE, "<frozen"))
    return known


_ours: dict[str, bool] = {}
