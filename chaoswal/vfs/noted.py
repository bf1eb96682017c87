"""A real file system that notes every change before it is made, and again once it has been made.

Theory of operation. A process that may be killed at any moment cannot keep its own account of what it did: the
account must stand outside of it (a *watcher*, which keeps the notes in memory shared with the killer) and must be
written around each call::

    reach(BEFORE)  note(intent)  reach(INSIDE)  the call  reach(MADE)  note(result)  reach(AFTER)

After a kill, an intent with a result has happened, an intent without one is *in flight*: absent, whole, or, of a
write, done in part; and nothing else has happened. ``reach`` is where the watcher may end the process, so that a kill
can be armed for any of these moments. One change is under way at a time, whatever the number of threads, so that at
most one is in flight; syncs may overlap.

A note is a tuple of plain values, its first the number of the event's type in ``trace.EVENTS`` (or one of ``DONE``,
``FAILED`` and ``LOCKED``), its second the path as the engine named it, then the fields of the event in order. Inodes
are numbered by ``disk.directory.number``, or as the caller numbers them.
"""

import sys
import threading
from collections.abc import Callable, Mapping
from enum import IntEnum
from types import FrameType
from typing import Any, Protocol, TypeAlias

from chaoswal.disk.directory import number
from chaoswal.trace import (
    EVENTS,
    ROOT,
    Create,
    Event,
    MakeDirectory,
    Rename,
    SyncBegin,
    SyncEnd,
    Truncate,
    Unlink,
    Write,
)
from chaoswal.vfs.protocol import Map
from chaoswal.vfs.real import RealFile, RealLock, RealVfs

Note: TypeAlias = tuple[Any, ...]
"""Plain values only: what ``marshal`` can write."""

DONE, FAILED, LOCKED = -1, -2, -3
"""The first value of notes that are not an event: the change before it was made (and how many bytes of it), it
failed, and the path of a lock."""

CODES: dict[type[Event], int] = {kind: code for code, kind in enumerate(EVENTS)}
"""The number of each type of event in a note."""

WRITE, SYNC_BEGIN, SYNC_END = CODES[Write], CODES[SyncBegin], CODES[SyncEnd]
NAMES = frozenset(CODES[kind] for kind in (Create, MakeDirectory, Rename, Unlink))
"""The numbers of the events that change names."""

_frame = sys._getframe  # noqa: SLF001 - the cheapest way to a call site; public in all but its name


class Moment(IntEnum):
    """Where around a change a process may be ended."""

    BEFORE = 0
    INSIDE = 1
    MADE = 2
    AFTER = 3


class Watcher(Protocol):
    """Keeps the notes, and may end the process."""

    def note(self, note: Note) -> None:
        """Keep a note."""

    def reach(self, moment: Moment, code: int, path: str) -> None:
        """The process is at this moment of a change or sync; does not return where it ends it."""

    def part(self, offset: int, length: int, path: str) -> int | None:
        """How many bytes of a write are made before the process is ended inside it; None: it is not."""


def event_of(note: Note) -> Event:
    """The event that a note describes."""
    kind = EVENTS[note[0]]
    return kind(**dict(zip(kind.__slots__, note[2:], strict=True)))


class NotedVfs:
    """A directory of the machine's file system, every change of which is noted."""

    def __init__(
        self,
        root: str,
        watcher: Watcher,
        *,
        names: Mapping[tuple[int, str], int] | None = None,
        next_inode: int = 0,
        tickets: int = 0,
    ) -> None:
        """``names``: the inode numbers to go by; ``next_inode`` and ``tickets``: none below was ever given out."""
        self.real = RealVfs(root)
        self.watcher = watcher
        self._names = dict(number(self.real.root) if names is None else names)
        self._next_inode = max(next_inode, 1 + max(self._names.values(), default=ROOT))
        self._tickets = tickets
        self._mutex = threading.Lock()

    def open(self, path: str, *, write: bool = False) -> "NotedFile":
        return NotedFile(self, self.real.open(path, write=write), self._inode(path), path)

    def create(self, path: str) -> "NotedFile":
        inode, note = self._new(CODES[Create], path, _frame(1))
        file = self.change(note, lambda: self.real.create(path))
        self._names[self._place(path)] = inode
        return NotedFile(self, file, inode, path)

    def list(self, path: str = "") -> list[str]:
        return self.real.list(path)

    def rename(self, path: str, to: str) -> None:
        at, target, inode = self._place(path), self._place(to), self._inode(path)
        self.change(
            (CODES[Rename], path, *at, *target, inode, _site(_frame(1))),
            lambda: self.real.rename(path, to),
        )
        del self._names[at]
        self._names[target] = inode

    def unlink(self, path: str) -> None:
        note = (CODES[Unlink], path, *self._place(path), self._inode(path), _site(_frame(1)))
        self.change(note, lambda: self.real.unlink(path))
        self._names.pop(self._place(path))

    def make_directory(self, path: str) -> None:
        inode, note = self._new(CODES[MakeDirectory], path, _frame(1))
        self.change(note, lambda: self.real.make_directory(path))
        self._names[self._place(path)] = inode

    def sync_directory(self, path: str = "") -> None:
        inode = self._inode(path) if path else ROOT
        self.sync(inode, path, _site(_frame(1)), lambda: self.real.sync_directory(path), data_only=False)

    def lock(self, path: str, owner: str) -> RealLock:
        self.watcher.note((LOCKED, path))  # its file holds nothing durable: who compares leaves it out
        return self.real.lock(path, owner)

    # -- for the files ---------------------------------------------------------------------------------------

    def change(self, note: Note, act: Callable[[], Any]) -> Any:
        """Make one change between its notes; its result says how many bytes of a write were taken."""
        watcher, code, path = self.watcher, note[0], note[1]
        with self._mutex:
            watcher.reach(Moment.BEFORE, code, path)
            watcher.note(note)
            if code != WRITE:  # a write has an inside of its own
                watcher.reach(Moment.INSIDE, code, path)
            try:
                result = act()
            except OSError:
                watcher.note((FAILED,))
                raise
            watcher.reach(Moment.MADE, code, path)
            watcher.note((DONE, result) if code == WRITE else (DONE,))
            watcher.reach(Moment.AFTER, code, path)
        return result

    def sync(self, inode: int, path: str, site: str, act: Callable[[], None], *, data_only: bool) -> None:
        """Sync between the notes of its begin and its end; others may go on meanwhile."""
        watcher = self.watcher
        with self._mutex:
            watcher.reach(Moment.BEFORE, SYNC_BEGIN, path)
            self._tickets += 1
            ticket = self._tickets
            watcher.note((SYNC_BEGIN, path, inode, data_only, ticket, site))
        watcher.reach(Moment.INSIDE, SYNC_BEGIN, path)
        try:
            act()
        except OSError:
            with self._mutex:
                watcher.note((SYNC_END, path, inode, ticket, False))
            raise
        with self._mutex:
            watcher.reach(Moment.MADE, SYNC_BEGIN, path)
            watcher.note((SYNC_END, path, inode, ticket, True))
            watcher.reach(Moment.AFTER, SYNC_BEGIN, path)

    # -- names -----------------------------------------------------------------------------------------------

    def _new(self, code: int, path: str, frame: FrameType) -> tuple[int, Note]:
        inode = self._next_inode
        self._next_inode += 1
        return inode, (code, path, *self._place(path), inode, _site(frame))

    def _place(self, path: str) -> tuple[int, str]:
        parent, _, name = path.rpartition("/")
        return (self._inode(parent) if parent else ROOT), name

    def _inode(self, path: str) -> int:
        """The number of a path; one that was never seen gets one, so that what is done to it shows up as unknown."""
        at = self._place(path)
        inode = self._names.get(at)
        if inode is None:
            inode = self._names[at] = self._next_inode
            self._next_inode += 1
        return inode


class NotedFile:
    """An open file of a NotedVfs."""

    __slots__ = ("_inode", "_path", "_real", "_vfs")

    def __init__(self, vfs: NotedVfs, real: RealFile, inode: int, path: str) -> None:
        self._vfs = vfs
        self._real = real
        self._inode = inode
        self._path = path

    def read(self, offset: int, length: int) -> bytes:
        return self._real.read(offset, length)

    def map(self) -> Map:
        return self._real.map()

    def write(self, offset: int, *data: bytes) -> int:
        whole = b"".join(data)
        note = (WRITE, self._path, self._inode, offset, whole, _site(_frame(1)))
        taken: int = self._vfs.change(note, lambda: self._write(offset, whole))
        return taken

    def _write(self, offset: int, data: bytes) -> int:
        watcher = self._vfs.watcher
        part = watcher.part(offset, len(data), self._path)
        if part is None:
            return self._real.write(offset, data)
        if part:
            self._real.write(offset, data[:part])
        watcher.reach(Moment.INSIDE, WRITE, self._path)
        return part

    def truncate(self, size: int) -> None:
        note = (CODES[Truncate], self._path, self._inode, size, _site(_frame(1)))
        self._vfs.change(note, lambda: self._real.truncate(size))

    def size(self) -> int:
        return self._real.size()

    def sync(self, *, data_only: bool = False) -> None:
        site = _site(_frame(1))
        self._vfs.sync(self._inode, self._path, site, lambda: self._real.sync(data_only=data_only), data_only=data_only)

    def close(self) -> None:
        self._real.close()


_short: dict[str, str] = {}


def _site(frame: FrameType) -> str:
    """``file:line`` of the engine's call, the file from its package on (or its bare name)."""
    filename = frame.f_code.co_filename
    short = _short.get(filename)
    if short is None:
        parts = filename.split("/")
        inside = "chaoswal" in parts
        short = "/".join(parts[len(parts) - parts[::-1].index("chaoswal") :]) if inside else parts[-1]
        _short[filename] = short
    return f"{short}:{frame.f_lineno}"
