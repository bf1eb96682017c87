"""A second opinion on crash states, by brute force: every subset of what a trace did, kept where the prose allows it.

It shares nothing with the disk model but the types of events and of images. The prose it is written from:

* A write changes the bytes of each 512-byte sector it touches and, where it reaches beyond the end, the size: page
  by page of 4096 bytes, where a file system orders nothing but the sizes of one file. A truncate sets the size; what
  it cuts is gone. A rename removes one name and makes another, in one piece.
* Each of these *deeds* is kept or lost. Which deeds are kept is free, but for what a sync has made durable and but
  for order: a deed that is ordered after another is kept only together with it.
* The disk is what the kept deeds, done in order of time, leave.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from chaoswal.disk.disk import Disk
from chaoswal.disk.image import Image
from chaoswal.trace import (
    ROOT,
    Create,
    Event,
    Link,
    MakeDirectory,
    NameEvent,
    Rename,
    SyncBegin,
    SyncEnd,
    Truncate,
    Unlink,
    Write,
)

Files: TypeAlias = tuple[tuple[str, bytes | None], ...]
"""Paths with their bytes (None: a directory), sorted."""


@dataclass(frozen=True)
class Deed:
    """One thing an event did: ``bytes`` of a sector, a size ``grown`` (write) or ``cut`` (truncate), or a ``name``."""

    time: int
    what: str
    inode: int
    event: Event
    place: int = 0
    """Of bytes: the sector; of grown and cut: the size in bytes."""


@dataclass(frozen=True)
class Sync:
    """A sync that has ended."""

    inode: int
    begin: int
    data_only: bool
    ok: bool


def directories(deed: Deed) -> set[int]:
    """The directories whose entries a name deed changes."""
    event = deed.event
    if isinstance(event, Rename):
        return {event.directory, event.to_directory}
    assert isinstance(event, NameEvent)
    return {event.directory}


def changes_inode(deed: Deed, sync: Sync) -> bool:
    """Whether this deed is a size, allocation or link change of the file or directory that is synced.

    A new name of an old file (rename, link, unlink) is of no interest to fdatasync.
    """
    if deed.what == "name":
        own = deed.inode == sync.inode and (not sync.data_only or isinstance(deed.event, Create | MakeDirectory))
        return own or sync.inode in directories(deed)
    return deed.what in ("grown", "cut") and deed.inode == sync.inode


@dataclass(frozen=True)
class Rules:
    """What one profile says, in the words of its rows."""

    ordered: Callable[[Deed, Deed], bool]
    """Whether the second deed, which is not earlier, is kept only together with the first."""
    clean: frozenset[str]
    """What a failed sync leaves clean in the cache, so that no later sync makes it durable by itself."""
    covered: Callable[[Deed, Sync, int], bool]
    """Whether a sync makes an earlier deed durable by itself; told when its inode was last changed before it."""


def _same_sector(first: Deed, second: Deed) -> bool:
    return first.what == second.what == "bytes" and (first.inode, first.place) == (second.inode, second.place)


def _same_size(first: Deed, second: Deed, kinds: set[str]) -> bool:
    if first.event is second.event:  # a growth on its way
        return first.what == second.what == "grown" and first.place <= second.place
    return {first.what, second.what} <= kinds and first.inode == second.inode


def _ext4_ordered(first: Deed, second: Deed) -> bool:
    journal = {first.what, second.what} <= {"cut", "name"}
    one_size = (first.what, second.what) == ("cut", "grown") and first.inode == second.inode
    return journal or one_size or _same_sector(first, second) or _same_size(first, second, {"grown"})


def _ext4_covered(deed: Deed, sync: Sync, changed: int) -> bool:
    return deed.inode == sync.inode if deed.what in ("bytes", "grown") else deed.time <= changed


def _posix_ordered(first: Deed, second: Deed) -> bool:
    return _same_sector(first, second) or _same_size(first, second, {"grown", "cut"})


def _posix_covered(deed: Deed, sync: Sync, changed: int) -> bool:
    return sync.inode in directories(deed) if deed.what == "name" else deed.inode == sync.inode


ALL = frozenset({"bytes", "grown", "cut"})
RULES = {
    "kill": Rules(lambda first, second: True, ALL, lambda deed, sync, changed: True),
    "prefix": Rules(lambda first, second: True, ALL, lambda deed, sync, changed: True),
    "ext4-ordered": Rules(_ext4_ordered, frozenset({"bytes", "grown"}), _ext4_covered),
    "posix": Rules(_posix_ordered, ALL, _posix_covered),
}


def deeds_of(image: Image, events: Iterable[Event]) -> list[Deed]:
    """Everything a trace did, in order."""
    sizes = {inode: len(data or b"") for inode, data in image.contents.items()}
    found: list[Deed] = []
    for time, event in enumerate(events):
        if isinstance(event, Write) and event.data:
            end = event.offset + len(event.data)
            sectors = range(event.offset // 512, (end - 1) // 512 + 1)
            found += [Deed(time, "bytes", event.inode, event, sector) for sector in sectors]
            pages = [size for size in range(0, end, 4096) if size > sizes[event.inode]]
            if end > sizes[event.inode]:
                sizes[event.inode] = end
                found += [Deed(time, "grown", event.inode, event, size) for size in [*pages, end]]
        elif isinstance(event, Truncate):
            sizes[event.inode] = event.size
            found.append(Deed(time, "cut", event.inode, event, event.size))
        elif isinstance(event, NameEvent):
            sizes.setdefault(event.inode, 0)
            found.append(Deed(time, "name", event.inode, event))
    return found


def syncs_of(events: Iterable[Event]) -> Iterator[Sync]:
    """The syncs of a trace that have ended, in order of their ends."""
    begun: dict[int, Sync] = {}
    for time, event in enumerate(events):
        if isinstance(event, SyncBegin):
            begun[event.ticket] = Sync(event.inode, time, event.data_only, ok=False)
        elif isinstance(event, SyncEnd):
            yield replace(begun.pop(event.ticket), ok=event.ok)


def durable(rules: Rules, deeds: list[Deed], syncs: Iterable[Sync]) -> set[Deed]:
    """What no power cut can take away any more, and all that is ordered before it.

    A failed sync leaves pages that no later sync writes: they are clean in the cache. A journal is still to be written.
    """
    kept: set[Deed] = set()
    clean: set[Deed] = set()
    for sync in syncs:
        before = [deed for deed in deeds if deed.time < sync.begin and deed not in kept]
        if not sync.ok:
            clean.update(deed for deed in before if deed.inode == sync.inode and deed.what in rules.clean)
            continue
        changes = (deed.time for deed in deeds if deed.time < sync.begin and changes_inode(deed, sync))
        changed = max(changes, default=-1)
        for deed in before:
            if deed not in clean and rules.covered(deed, sync, changed):
                kept.update(first for first in deeds if first.time <= deed.time and rules.ordered(first, deed))
                kept.add(deed)
    return kept


def legal(rules: Rules, deeds: list[Deed], kept: set[Deed]) -> bool:
    """Whether everything that is kept is there together with all that is ordered before it."""
    lost = [deed for deed in deeds if deed not in kept]
    return not any(first.time <= then.time and rules.ordered(first, then) for first in lost for then in kept)


class Picture:
    """A disk on which deeds are done one by one: bytes by place, so that nothing depends on how files are kept."""

    def __init__(self, image: Image) -> None:
        self.names = dict(image.names)
        self.is_directory = {inode: data is None for inode, data in image.contents.items()}
        self.bytes = {inode: dict(enumerate(data or b"")) for inode, data in image.contents.items()}
        self.size = {inode: len(data or b"") for inode, data in image.contents.items()}

    def exists(self, event: Event) -> None:
        """A file comes into being empty, whether its first name is kept or not."""
        if isinstance(event, Create | MakeDirectory):
            self.is_directory[event.inode] = isinstance(event, MakeDirectory)
            self.bytes[event.inode], self.size[event.inode] = {}, 0

    def do(self, deed: Deed) -> None:
        event = deed.event
        if deed.what == "bytes":
            assert isinstance(event, Write)
            for place, byte in enumerate(event.data, start=event.offset):
                if place // 512 == deed.place:
                    self.bytes[deed.inode][place] = byte
        elif deed.what in ("grown", "cut"):
            self.size[deed.inode] = deed.place
            if deed.what == "cut":
                kept = {place: byte for place, byte in self.bytes[deed.inode].items() if place < deed.place}
                self.bytes[deed.inode] = kept
        else:
            assert isinstance(event, NameEvent)
            self.do_name(event)

    def do_name(self, event: NameEvent) -> None:
        if isinstance(event, Rename | Unlink):
            self.names.pop((event.directory, event.name), None)
        if isinstance(event, Rename):
            self.names[event.to_directory, event.to_name] = event.inode
        elif isinstance(event, Create | MakeDirectory | Link):
            self.names[event.directory, event.name] = event.inode

    def files(self, directory: int = ROOT, prefix: str = "") -> Iterator[tuple[str, bytes | None]]:
        for (parent, name), inode in self.names.items():
            if parent != directory:
                continue
            if self.is_directory[inode]:
                yield prefix + name, None
                yield from self.files(inode, prefix + name + "/")
            else:
                bytes_ = self.bytes[inode]
                yield prefix + name, bytes(bytes_.get(place, 0) for place in range(self.size[inode]))


def states(disk: Disk, profile: str) -> set[Files]:
    """Every disk that a power cut (under ``kill``: a kill) may leave."""
    rules = RULES[profile]
    deeds = deeds_of(disk.image, disk.events)
    certain = set(deeds) if profile == "kill" else durable(rules, deeds, syncs_of(disk.events))
    pending = [deed for deed in deeds if deed not in certain]
    assert len(pending) <= 14, "too many for brute force: make the trace shorter"
    found = set()
    for choice in itertools.product((False, True), repeat=len(pending)):
        kept = certain | {deed for deed, chosen in zip(pending, choice, strict=True) if chosen}
        if legal(rules, deeds, kept):
            found.add(left_by(disk, deeds, kept))
    return found


def left_by(disk: Disk, deeds: list[Deed], kept: set[Deed]) -> Files:
    """The disk on which these deeds were done, and no others."""
    picture = Picture(disk.image)
    for event in disk.events:
        picture.exists(event)
    for deed in deeds:
        if deed in kept:
            picture.do(deed)
    return tuple(sorted(picture.files()))


def shown(image: Image) -> Files:
    """An image in the form in which states are compared."""
    return tuple(sorted(image.files().items()))
