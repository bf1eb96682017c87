"""The events of a trace as the system calls they were, made on a real directory.

Theory of operation. A trace says of every change to which file it was made, and where; so each event is one call again,
whoever made it first: an engine on the simulated disk, or a process under strace. Three things a trace does not say.
When a file was closed: here nothing is closed before the end, so that no file system takes a closing for a hint to
write something back. How a part of a file was synced: by msync(2) of that range, which does what O_DSYNC does behind a
write. When in its time a sync was at work: where it begins, for it covers nothing later. One that had not returned, or
that failed, is not made at all, for nothing may rest on it.
"""

import mmap
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from chaoswal.disk.directory import lay
from chaoswal.disk.disk import apply_name
from chaoswal.disk.image import Image, reachable
from chaoswal.limits import PAGE_BYTES
from chaoswal.realfs.loopfs import write_back
from chaoswal.trace import (
    NOWHERE,
    ROOT,
    Create,
    Event,
    Link,
    MakeDirectory,
    NameEvent,
    Rename,
    SyncBegin,
    SyncEnd,
    SyncRange,
    Truncate,
    Unlink,
    Write,
)

_MODE = 0o600


def is_made(event: Event, events: Sequence[Event]) -> bool:
    """Whether an event of a trace is a call to be made: a change, or a sync that returned and succeeded."""
    if isinstance(event, SyncBegin | SyncRange):
        return any(isinstance(end, SyncEnd) and end.ok and end.ticket == event.ticket for end in events)
    return isinstance(event, Write | Truncate | NameEvent)


class Calls:
    """Makes calls below one directory, which begins as an image; every file that was touched is held open."""

    def __init__(self, image: Image) -> None:
        self._image = image
        self._names = dict(image.names)
        self._directories = {ROOT, *(inode for inode, data in image.contents.items() if data is None)}
        self._held: dict[int, int] = {}

    def lay(self, root: Path) -> None:
        """Fill the empty directory, durably."""
        lay(self._image, str(root))
        for path in ("", *(path for path, _ in reachable(self._image.names, self._image.contents))):
            _sync(root / path)

    def make(self, root: Path, event: Event) -> None:
        """Make one call; OSError where it fails."""
        match event:
            case Write(offset=offset, data=data):
                _write(self._descriptor(root, event.inode), data, offset)
            case Truncate(size=size):
                os.ftruncate(self._descriptor(root, event.inode), size)
            case SyncBegin() if event.inode in self._directories:
                _sync(self._path(root, event.inode))
            case SyncBegin(data_only=data_only):
                (os.fdatasync if data_only else os.fsync)(self._descriptor(root, event.inode))
            case SyncRange(offset=offset, size=size):
                _sync_range(self._descriptor(root, event.inode), offset, size)
            case Create() | MakeDirectory() | Link() | Rename() | Unlink():
                self._name(root, event)
            case _:
                raise ValueError(f"{type(event).__name__} is no call")

    def write_back(self, chosen: Callable[[], bool]) -> None:
        """Write pages of the files, each as it is chosen, if it is dirty, and wait for them.

        As the kernel does by itself, sooner or later, in an order of its own.
        """
        for inode in sorted(self._held):
            for offset in range(0, os.fstat(self._held[inode]).st_size, PAGE_BYTES):
                if chosen():
                    write_back(self._held[inode], offset, PAGE_BYTES)

    def close(self) -> None:
        """Close every file."""
        while self._held:
            os.close(self._held.popitem()[1])

    def _name(self, root: Path, event: NameEvent) -> None:
        at = self._path(root, event.directory) / event.name
        match event:
            case Create():
                self._held[event.inode] = _create(root, at, nameless=event.directory == NOWHERE)
            case MakeDirectory():
                at.mkdir()
                self._directories.add(event.inode)
            case Link():
                held = self._descriptor(root, event.inode)
                os.link(f"/proc/self/fd/{held}", at, src_dir_fd=held)  # without, Python would link to the symbolic link
            case Rename():
                if event.inode not in self._directories:
                    self._descriptor(root, event.inode)
                at.rename(self._path(root, event.to_directory) / event.to_name)
            case Unlink() if event.inode in self._directories:
                at.rmdir()
            case Unlink():
                self._descriptor(root, event.inode)
                at.unlink()
        apply_name(self._names, event)

    def _descriptor(self, root: Path, inode: int) -> int:
        """A descriptor of a file, which stays open: it may lose its name."""
        if inode not in self._held:
            self._held[inode] = os.open(self._path(root, inode), os.O_RDWR)
        return self._held[inode]

    def _path(self, root: Path, inode: int) -> Path:
        if inode in (ROOT, NOWHERE):
            return root
        places = (place for place, child in self._names.items() if child == inode and place[0] != NOWHERE)
        directory, name = next(places)
        return self._path(root, directory) / name


def _create(root: Path, at: Path, *, nameless: bool) -> int:
    if nameless:
        return os.open(root, os.O_RDWR | os.O_TMPFILE, _MODE)
    return os.open(at, os.O_RDWR | os.O_CREAT | os.O_EXCL, _MODE)


def _write(descriptor: int, data: bytes, offset: int) -> None:
    taken = 0
    while taken < len(data):
        taken += os.pwrite(descriptor, data[taken:], offset + taken)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_range(descriptor: int, offset: int, size: int) -> None:
    """What O_DSYNC does behind a write of these bytes (msync(2) of a shared mapping: fdatasync of the range)."""
    start = offset - offset % mmap.PAGESIZE
    writable = mmap.PROT_READ | mmap.PROT_WRITE  # Python leaves msync out of what can only be read
    with mmap.mmap(descriptor, offset + size - start, prot=writable, offset=start) as mapped:
        mapped.flush()
