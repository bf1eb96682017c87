"""A file system in memory that records every change as an event, with the engine's call site.

It starts from a disk (its view: what a process would see), appends to the events of that disk, and never reads
them back. The hot path appends one tuple a call; tuples become events, and call sites become ``file:line``, only
when somebody asks. The call site is the direct caller of the file system: the line of the engine that asked for
the change. A sync records its begin and its end, so that what others do in between is not covered by it.
"""

import errno
import os
import sys
from collections.abc import Callable, Sequence
from types import CodeType
from typing import Any

from chaoswal.disk.disk import Disk
from chaoswal.disk.faults import FaultPlan
from chaoswal.disk.image import Image
from chaoswal.errors import StepLimit
from chaoswal.limits import RECOVERY_CALLS_MAX
from chaoswal.text import no_text
from chaoswal.trace import (
    ROOT,
    Begin,
    Create,
    End,
    Event,
    Link,
    MakeDirectory,
    Rename,
    SyncBegin,
    SyncEnd,
    SyncRange,
    Truncate,
    Unlink,
    Write,
)
from chaoswal.vfs.protocol import Copied
from chaoswal.vfs.sites import site_of

_frame = sys._getframe  # noqa: SLF001 - the cheapest way to a call site; public in all but its name


class _Node:
    __slots__ = ("data", "inode")

    def __init__(self, inode: int, data: bytes | bytearray | None) -> None:
        self.inode = inode
        self.data = data


class _Recorder:
    """What a file system and its open files share: the log, and what may interfere with a call."""

    __slots__ = ("calls_left", "faults", "held", "log", "step", "synced", "tickets")

    def __init__(
        self, faults: FaultPlan | None, step: Callable[[], None] | None, calls_left: int, tickets: int
    ) -> None:
        self.log: list[tuple[Any, ...]] = []
        self.held: list[str] = []
        self.synced: dict[int, bytes] | None = None  # of each file, what a failed sync goes back to
        self.faults = faults
        self.step = step
        self.calls_left = calls_left
        self.tickets = tickets

    def called(self, call: str, path: str, offset: int = 0, length: int = 0) -> None:
        """Count a call, let other threads run, and let it fail if a fault is due."""
        self.calls_left -= 1
        if self.calls_left < 0:
            raise StepLimit(f"the engine made more calls than it may, the last: {call} of {path or 'the root'}")
        if self.step is not None:
            self.step()
        if self.faults is not None:
            self.faults.strike(call, path, offset, length)

    def sync(self, inode: int, path: str, *, data_only: bool, code: CodeType, lasti: int) -> bool:
        """A sync, from its begin to its end; where it fails the end says so. One that lies has neither: False."""
        call = "fdatasync" if data_only else "fsync"
        if self.faults is not None and self.faults.lies(call, path):
            self.called(call, path)
            return False
        self.tickets += 1
        ticket = self.tickets
        self.log.append((SyncBegin, inode, data_only, ticket, code, lasti))
        try:
            self.called(call, path)
        except OSError:
            self.log.append((SyncEnd, inode, ticket, False))
            raise
        self.log.append((SyncEnd, inode, ticket, True))
        return True


class MemoryVfs:
    """A simulated disk under an engine."""

    def __init__(
        self,
        disk: Disk | None = None,
        *,
        faults: FaultPlan | None = None,
        step: Callable[[], None] | None = None,
        calls_max: int = RECOVERY_CALLS_MAX,
        died: str = "",
        reverts: bool = False,
    ) -> None:
        """``died``: the text of a lock's holder that died. A disk does not say: its locks are not on it.

        ``reverts``: whether a file goes back to what was last synced when a sync of it fails.
        """
        self.disk = disk or Disk()
        self._names = dict(self.disk.view.names)
        self._nodes = {inode: _Node(inode, data) for inode, data in self.disk.view.contents.items()}
        self._next_inode = 1 + max(self._nodes, default=ROOT)
        self._locks: dict[str, str] = {}
        self._died = died
        self._recorder = _Recorder(faults, step, calls_max, tickets=len(self.disk.events))
        if reverts:
            self._recorder.synced = {inode: data for inode, data in self.disk.view.contents.items() if data is not None}
        self._log = self._recorder.log
        self._called = self._recorder.called
        self.unseen = ""
        """Why not all that was done to this disk has been seen, if so."""

    # -- what the checker asks -------------------------------------------------------------------------------

    def begin(self, op_index: int) -> None:
        """Mark that the engine is asked for an operation."""
        self._log.append((Begin, op_index))

    def end(self, op_index: int, result: str) -> None:
        """Mark that the operation has returned."""
        self._log.append((End, op_index, result))

    def __len__(self) -> int:
        return len(self._log)

    def events(self, start: int = 0) -> list[Event]:
        """The events recorded so far, from number ``start`` on."""
        return [_event(entry) for entry in self._log[start:]]

    def held(self) -> list[str]:
        """The files that are open, by the path they were opened by, each as often as it is."""
        return sorted(self._recorder.held)

    def killed(self) -> Disk:
        """The disk as it is now, all that happened still pending: what a kill leaves."""
        return self.disk.after(self.events())

    def inject(self, faults: FaultPlan) -> None:
        """Let these faults strike from now on."""
        self._recorder.faults = faults

    def changed(self) -> bool:
        """Whether anything was changed: syncs and markers change nothing that a process can see."""
        return any(entry[0] not in _UNSEEN for entry in self._log)

    def image(self) -> Image:
        """What a process sees now."""
        contents = {inode: None if node.data is None else bytes(node.data) for inode, node in self._nodes.items()}
        return Image(dict(self._names), contents)

    # -- Vfs -------------------------------------------------------------------------------------------------

    def open(self, path: str, *, write: bool = False) -> "MemoryFile":
        self._called("open", path)
        node = self._node(path)
        if node.data is None:
            raise _error(errno.EISDIR, path)
        return MemoryFile(self._recorder, node, path, write=write)

    def create(self, path: str) -> "MemoryFile":
        self._called("create", path)
        at = self._place(path)
        if at in self._names:
            raise _error(errno.EEXIST, path)
        node = self._new(at, b"")
        self._log.append((Create, *at, node.inode, _frame(1).f_code, _frame(1).f_lasti))
        return MemoryFile(self._recorder, node, path, write=True)

    def list(self, path: str = "") -> list[str]:
        self._called("readdir", path)
        directory = ROOT if not path else self._node(path).inode
        if path and self._nodes[directory].data is not None:
            raise _error(errno.ENOTDIR, path)
        return sorted([name for parent, name in self._names if parent == directory])

    def rename(self, path: str, to: str) -> None:
        self._called("rename", path)
        node, at, target = self._node(path), self._place(path), self._place(to)
        if at == target:
            return
        if node.data is None and to.startswith(path + "/"):
            raise _error(errno.EINVAL, to)
        standing = self._names.get(target)
        if standing == node.inode:
            return  # two names of one file: rename(2) leaves both
        if standing is not None:
            self._check_replaced(node, self._nodes[standing], to)
        del self._names[at]
        self._names[target] = node.inode
        self._log.append((Rename, *at, *target, node.inode, _frame(1).f_code, _frame(1).f_lasti))

    def _check_replaced(self, node: _Node, standing: _Node, to: str) -> None:
        """A file replaces a file, a directory an empty one."""
        if standing.data is None and node.data is not None:
            raise _error(errno.EISDIR, to)
        if standing.data is not None and node.data is None:
            raise _error(errno.ENOTDIR, to)
        self._check_empty(standing, to)

    def _check_empty(self, node: _Node, path: str) -> None:
        if node.data is None and any(directory == node.inode for directory, _ in self._names):
            raise _error(errno.ENOTEMPTY, path)

    def unlink(self, path: str) -> None:
        self._called("unlink", path)
        node, at = self._node(path), self._place(path)
        if node.data is None:
            raise _error(errno.EISDIR, path)
        del self._names[at]
        self._log.append((Unlink, *at, node.inode, _frame(1).f_code, _frame(1).f_lasti))

    def make_directory(self, path: str) -> None:
        self._called("mkdir", path)
        at = self._place(path)
        if at in self._names:
            raise _error(errno.EEXIST, path)
        node = self._new(at, None)
        self._log.append((MakeDirectory, *at, node.inode, _frame(1).f_code, _frame(1).f_lasti))

    def sync_directory(self, path: str = "") -> None:
        inode = ROOT if not path else self._node(path).inode
        if path and self._nodes[inode].data is not None:
            raise _error(errno.ENOTDIR, path)
        frame = _frame(1)
        self._recorder.sync(inode, path, data_only=False, code=frame.f_code, lasti=frame.f_lasti)

    def lock(self, path: str, owner: str) -> "MemoryLock":
        self._called("lock", path)
        if path in self._locks:
            raise BlockingIOError(errno.EWOULDBLOCK, self._locks[path])
        self._locks[path] = owner
        previous, self._died = self._died, ""
        return MemoryLock(self._locks, path, previous)

    # -- what code that was not written for a Vfs may ask besides ----------------------------------------------

    def link(self, path: str, to: str) -> None:
        """Give a file one more name, which must not exist."""
        self._called("link", to)
        node, at = self._node(path), self._place(to)
        if node.data is None:
            raise _error(errno.EPERM, path)
        if at in self._names:
            raise _error(errno.EEXIST, to)
        self._names[at] = node.inode
        self._log.append((Link, *at, node.inode, _frame(1).f_code, _frame(1).f_lasti))

    def remove_directory(self, path: str) -> None:
        """Remove an empty directory (as rmdir(2))."""
        self._called("rmdir", path)
        node, at = self._node(path), self._place(path)
        if node.data is not None:
            raise _error(errno.ENOTDIR, path)
        self._check_empty(node, path)
        del self._names[at]
        self._log.append((Unlink, *at, node.inode, _frame(1).f_code, _frame(1).f_lasti))

    def inode(self, path: str) -> int:
        """What a path leads to."""
        return ROOT if not path else self._node(path).inode

    def size(self, inode: int) -> int | None:
        """The size of a file in bytes, whether it has a name or not; None of a directory."""
        data = self._nodes[inode].data if inode != ROOT else None
        return None if data is None else len(data)

    def links(self, inode: int) -> Sequence[tuple[int, str]]:
        """The names of a file or directory, as (directory inode, name)."""
        return [at for at, standing in self._names.items() if standing == inode]

    def entries(self, directory: int) -> dict[str, int]:
        """The names in a directory, with what they stand for."""
        return {name: inode for (parent, name), inode in self._names.items() if parent == directory}

    def attribute(self, start: int, code: CodeType, lasti: int) -> None:
        """Give another call site to the events since number ``start``: for who asks in the name of somebody else."""
        log = self._log
        for place in range(start, len(log)):
            if isinstance(log[place][-2:][0], CodeType):
                log[place] = (*log[place][:-2], code, lasti)

    # -- below -----------------------------------------------------------------------------------------------

    def _place(self, path: str) -> tuple[int, str]:
        self.unseen = self.unseen or no_text(path)
        if "/" not in path:
            return ROOT, path
        parent, _, name = path.rpartition("/")
        node = self._node(parent)
        if node.data is not None:
            raise _error(errno.ENOTDIR, path)
        return node.inode, name

    def _node(self, path: str) -> _Node:
        inode = self._names.get((ROOT, path) if "/" not in path else self._place(path))
        if inode is None:
            raise _error(errno.ENOENT, path)
        return self._nodes[inode]

    def _new(self, at: tuple[int, str], data: bytes | None) -> _Node:
        node = _Node(self._next_inode, data)
        self._next_inode += 1
        self._nodes[node.inode] = node
        self._names[at] = node.inode
        return node


class MemoryFile:
    """An open file of a MemoryVfs."""

    __slots__ = ("_node", "_open", "_path", "_recorder", "_writable")

    def __init__(self, recorder: _Recorder, node: _Node, path: str, *, write: bool) -> None:
        self._recorder = recorder
        self._node = node
        self._path = path
        self._writable = write
        self._open = True
        recorder.held.append(path)

    @property
    def inode(self) -> int:
        """The number of the file."""
        return self._node.inode

    def read(self, offset: int, length: int) -> bytes:
        recorder, through = self._recorder, length
        if recorder.faults is not None:
            through = recorder.faults.cut("read", self._path, offset, length)
        recorder.called("read", self._path, offset, length)
        return bytes(self._data()[offset : offset + through])

    def map(self) -> Copied:
        self._recorder.called("mmap", self._path)
        return Copied(self._data())

    def write(self, offset: int, *pieces: bytes) -> int:
        recorder, node = self._recorder, self._node
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        length = len(data)
        if recorder.faults is not None:
            data = data[: recorder.faults.cut("write", self._path, offset, length)]
        recorder.called("write", self._path, offset, length)
        content = node.data
        if not self._writable or type(content) is not bytearray:
            content = self._changeable()
        if type(data) is not bytes:
            data = bytes(data)
        end = offset + len(data)
        if len(content) < offset and data:
            content.extend(bytes(offset - len(content)))
        content[offset:end] = data
        frame = _frame(1)
        recorder.log.append((Write, node.inode, offset, data, frame.f_code, frame.f_lasti))
        return end - offset

    def truncate(self, size: int) -> None:
        self._recorder.called("truncate", self._path)
        content = self._changeable()
        del content[size:]
        content.extend(bytes(size - len(content)))
        frame = _frame(1)
        self._recorder.log.append((Truncate, self._node.inode, size, frame.f_code, frame.f_lasti))

    def size(self) -> int:
        return len(self._data())

    def sync(self, *, data_only: bool = False) -> None:
        self._data()
        recorder, node, frame = self._recorder, self._node, _frame(1)
        code, lasti = frame.f_code, frame.f_lasti
        try:
            synced = recorder.sync(node.inode, self._path, data_only=data_only, code=code, lasti=lasti)
        except OSError:
            if recorder.synced is not None:
                self._revert(recorder.synced.get(node.inode, b""), code, lasti)
            raise
        if synced and recorder.synced is not None:
            recorder.synced[node.inode] = bytes(self._data())

    def sync_range(self, offset: int, size: int, *, data_only: bool) -> None:
        """Make some bytes durable, as a write through O_DSYNC or O_SYNC does when it returns."""
        recorder, frame = self._recorder, _frame(1)
        recorder.tickets += 1
        entry = (SyncRange, self._node.inode, offset, size, data_only, recorder.tickets, frame.f_code, frame.f_lasti)
        recorder.log += [entry, (SyncEnd, self._node.inode, recorder.tickets, True)]

    def _revert(self, synced: bytes, code: CodeType, lasti: int) -> None:
        """The file system gives up the pages that it could not write: the file reads as it was last synced."""
        node, log = self._node, self._recorder.log
        content = node.data or b""
        if len(content) != len(synced):
            log.append((Truncate, node.inode, len(synced), code, lasti))
        if content[: len(synced)] != synced:
            log.append((Write, node.inode, 0, synced, code, lasti))
        node.data = bytearray(synced)

    def close(self) -> None:
        self._recorder.called("close", self._path)
        if self._open:
            self._recorder.held.remove(self._path)
        self._open = False
        self._writable = False

    def _data(self) -> bytes | bytearray:
        if not self._open or self._node.data is None:
            raise _error(errno.EBADF, self._path)
        return self._node.data

    def _changeable(self) -> bytearray:
        data = self._data()
        if not self._writable:
            raise _error(errno.EBADF, self._path)
        if not isinstance(data, bytearray):
            data = self._node.data = bytearray(data)  # copied only now: images share what nobody changes
        return data


class MemoryLock:
    """A lock held in a MemoryVfs; it vanishes with it, as a real one with its process."""

    def __init__(self, locks: dict[str, str], path: str, previous: str) -> None:
        self._locks = locks
        self._path = path
        self.previous = previous

    def tell(self, owner: str) -> None:
        self._locks[self._path] = owner

    def release(self) -> None:
        self._locks.pop(self._path, None)
        self._locks = {}  # released once: the next holder's lock is not ours to give up


def _error(code: int, path: str) -> OSError:
    return OSError(code, os.strerror(code), path)


_UNSEEN = frozenset({Begin, End, SyncBegin, SyncEnd, SyncRange})

_SYNCS = (SyncBegin, SyncEnd, SyncRange)

_FIELDS: dict[type, tuple[str, ...]] = {
    kind: tuple(kind.__slots__)
    for kind in (Begin, Create, End, Link, MakeDirectory, Rename, *_SYNCS, Truncate, Unlink, Write)
}


def _event(entry: tuple[Any, ...]) -> Event:
    kind, *values = entry
    if isinstance(values[-2:][0], CodeType):
        values[-2:] = [site_of(values[-2], values[-1])]
    event: Event = kind(**dict(zip(_FIELDS[kind], values, strict=True)))
    return event
