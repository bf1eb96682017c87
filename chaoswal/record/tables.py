"""What each traced process has open, where it stands, and to which file a path of its leads.

Theory of operation. Descriptors are numbers in a table that threads share and forks copy; the file behind a number has
an offset that copies share. Paths are not identities: one is followed, name by name, through the tree as it is at that
moment, from the directory where the process stands or from an open one. Whatever lies outside of the recorded directory
goes by its absolute path, and nobody cares what is done to it.
"""

import copy
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from chaoswal.record.tree import Place, Tree
from chaoswal.trace import ROOT

Spot: TypeAlias = int | str
"""A file or directory: its inode, or its absolute path where that is outside."""

_OPEN_FILE = re.compile(r"/proc/(?:self|thread-self|\d+)/fd/(\d+)")


@dataclass(slots=True, eq=False)
class OpenFile:
    """What a descriptor stands for."""

    spot: Spot
    """Of a pipe, or whatever else has no path: the empty string."""
    offset: int = 0
    append: bool = False
    sync: str = ""
    """``data`` (O_DSYNC) or ``all`` (O_SYNC): what each write waits for."""
    pipe: deque[bytes] | None = None
    """Of a pipe: what was put into it and is known."""

    @property
    def inode(self) -> int | None:
        """That of a file or directory in the tree."""
        return self.spot if isinstance(self.spot, int) else None


@dataclass(slots=True)
class Descriptors:
    """The table of a process."""

    files: dict[int, OpenFile] = field(default_factory=dict)
    fleeting: set[int] = field(default_factory=set)
    """Those that close where another program is begun."""

    def put(self, number: int, file: OpenFile, *, fleeting: bool = False) -> None:
        """A number was given out, perhaps one that was in use."""
        self.files[number] = file
        (self.fleeting.add if fleeting else self.fleeting.discard)(number)

    def drop(self, number: int) -> None:
        """A number was given back."""
        self.files.pop(number, None)
        self.fleeting.discard(number)

    def copied(self) -> "Descriptors":
        """A table of one's own, of the same files."""
        return Descriptors(files=dict(self.files), fleeting=set(self.fleeting))


@dataclass(slots=True)
class Standing:
    """Where a process stands."""

    spot: Spot


@dataclass(slots=True)
class Process:
    """A process, or a thread, which shares what it has with others."""

    descriptors: Descriptors
    standing: Standing
    ours: bool = False
    """Whether it is one of those that work on the recorded directory."""

    def forked(self, flags: frozenset[str]) -> "Process":
        """Its child, made by clone(2) with these flags."""
        return Process(
            descriptors=self.descriptors if "CLONE_FILES" in flags else self.descriptors.copied(),
            standing=self.standing if "CLONE_FS" in flags else copy.copy(self.standing),
            ours=self.ours,
        )

    def execute(self) -> None:
        """Another program was begun in it."""
        self.descriptors = self.descriptors.copied()
        for number in list(self.descriptors.fleeting):
            self.descriptors.drop(number)


class Paths:
    """Follows paths through a tree."""

    def __init__(self, tree: Tree, root: str) -> None:
        """``root``: the absolute path of the recorded directory, without symbolic links."""
        self._tree = tree
        self._root = root

    def find(self, process: Process, base: Spot, path: str) -> Spot | None:
        """The file that a path leads to; None where the tree has none of that name."""
        opened = _OPEN_FILE.fullmatch(path)
        if opened:
            file = process.descriptors.files.get(int(opened[1]))
            return file.spot if file else path
        spot: Spot | None = "/" if path.startswith("/") else base
        for name in _names(path):
            if spot is None:
                return None
            spot = self._step(spot, name)
        return spot

    def place(self, process: Process, base: Spot, path: str) -> Place | None:
        """The name that a path stands for, there or not; None where that is outside."""
        names = list(_names(path))
        if not names or names[-1] == "..":
            return None
        before, _, _ = path.rstrip("/").rpartition("/")
        directory = self.find(process, base, before or ("/" if path.startswith("/") else ""))
        return (directory, names[-1]) if isinstance(directory, int) else None

    def _step(self, spot: Spot, name: str) -> Spot | None:
        if isinstance(spot, str):
            path = spot.rpartition("/")[0] or "/" if name == ".." else f"{spot.rstrip('/')}/{name}"
            return ROOT if path == self._root else path
        if name != "..":
            return self._tree.inode((spot, name))
        if spot == ROOT:
            return self._root.rpartition("/")[0] or "/"
        place = self._tree.place(spot)
        return None if place is None else place[0]


def _names(path: str) -> Iterator[str]:
    return (name for name in path.split("/") if name not in ("", "."))
