"""A second opinion on crash states, by brute force: every subset of what a trace did, kept where the prose allows it.

It shares nothing with the disk model but the types of events and of images. The prose it is written from:

* A write changes the bytes of each 512-byte sector it touches and, where it reaches beyond the end, the size: page
  by page of 4096 bytes, where a file system orders nothing but the sizes of one file, or nothing but those of one page.
  A truncate sets the size; what it cuts is gone, but where a file system zeroes the rest of the page apart: then these
  zeros are bytes like others. A rename removes one name and makes another, in one piece; from one directory into
  another it may be two pieces, the new name first.
* Each of these *deeds* is kept or lost. Which deeds are kept is free, but for what a sync has made durable and but
  for order: a deed that *rests* on another is kept only together with it.
* The disk is what the kept deeds, done in order of time, leave.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
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
    step: int = 0
    """Its place in the time that the event takes."""
    start: int = 0
    """Of bytes: where they begin. Of grown and cut: the size before, in the cache."""
    data: bytes = b""

    @property
    def page(self) -> int:
        return self.place // 8 if self.what == "bytes" else max(0, self.place - 1) // 4096


@dataclass(frozen=True)
class Sync:
    """A sync that has begun."""

    inode: int
    begin: int
    data_only: bool


@dataclass
class World:
    """What a file system remembers while a trace goes on."""

    deeds: list[Deed]
    names: dict[tuple[int, str], int]
    """Of the image before it."""
    directories: set[int]
    """The same."""
    done: list[Sync]
    """The syncs that have ended well."""
    asked: set[Deed]
    """Whatever a sync has been asked for that commits its file by itself."""
    durable: set[Deed]
    clean: set[Deed]


def directories(deed: Deed) -> set[int]:
    """The directories whose entries a name deed changes."""
    event = deed.event
    if isinstance(event, Rename):
        return {event.directory, event.to_directory}
    assert isinstance(event, NameEvent)
    return {event.directory}


@dataclass(frozen=True)
class Rules:
    """What one profile says, in the words of its rows."""

    chained: Callable[[Deed, Deed], bool]
    """Whether of two deeds the first, which is not earlier, is kept only together with the second."""
    covered: Callable[[World, Sync], set[Deed]]
    """What a sync makes durable by itself, of what was done before it began."""
    clean: frozenset[str]
    """What a failed sync leaves clean in the cache, so that no later sync makes it durable by itself."""
    needs: Callable[[Deed, Deed, World], bool] = lambda late, early, world: False
    """The same as ``chained``, but for what is durable."""
    steps: str = ""
    """``size``: a size grows in steps, through every page boundary; ``pages``: with the pages that are written."""
    pages: bool = False
    """Whether a page of bytes is a step of its own."""
    halves: bool = False
    tails: bool = False
    """Whether the rest of a page that was cut is zeroed by bytes of its own."""
    apart: bool = False
    """Whether what was cut there is not gone with the size."""
    vanishes: bool = False
    """Whether a rename may take a name away and not give it to anybody."""


# -- what rests on what --------------------------------------------------------------------------------------------


def _same_sector(late: Deed, early: Deed) -> bool:
    return late.what == early.what == "bytes" and (late.inode, late.place) == (early.inode, early.place)


def _same_page(late: Deed, early: Deed, kinds: set[str]) -> bool:
    return {late.what, early.what} <= kinds and (late.inode, late.page) == (early.inode, early.page)


def _same_size(late: Deed, early: Deed, kinds: set[str]) -> bool:
    return {early.what, late.what} <= kinds and early.inode == late.inode


def _journal(late: Deed, early: Deed) -> bool:
    return {late.what, early.what} <= {"cut", "name"}


def _halves(late: Deed, early: Deed) -> bool:
    """The two halves of one rename: the old name goes only where the new one is there."""
    return late.what == early.what == "name" and late.time == early.time


def _ext4_chained(late: Deed, early: Deed) -> bool:
    return _journal(late, early) or _same_sector(late, early) or _same_size(late, early, {"grown"})


def _ext4_needs(late: Deed, early: Deed, world: World) -> bool:
    return late.what == "grown" and early.what in ("cut", "name")


def _xfs_chained(late: Deed, early: Deed) -> bool:
    return _journal(late, early) or _same_sector(late, early) or _same_page(late, early, {"grown"})


def _xfs_needs(late: Deed, early: Deed, world: World) -> bool:
    if late.what == "grown" and early.what == "bytes":
        cuts = (deed for deed in world.deeds if deed.what == "cut" and deed.inode == late.inode)
        between = (cut for cut in cuts if early.time < cut.time < late.time)
        return _same_page(late, early, {"grown", "bytes"}) and all(cut.place > late.page * 4096 for cut in between)
    return _ext4_needs(late, early, world)


def _btrfs_chained(late: Deed, early: Deed) -> bool:
    names = late.what == early.what == "name" and late.inode == early.inode
    return names or _same_page(late, early, {"bytes", "grown"}) or _same_size(late, early, {"cut"})


def _btrfs_needs(late: Deed, early: Deed, world: World) -> bool:
    return late.what != "name" and early.what in ("cut", "name") and late not in world.asked


def _posix_chained(late: Deed, early: Deed) -> bool:
    written = isinstance(late.event, Write) and isinstance(early.event, Write)
    sizes = _same_size(late, early, {"grown", "cut"})
    return (written and _same_sector(late, early)) or sizes or _halves(late, early)


# -- what a sync covers --------------------------------------------------------------------------------------------


def _everything(world: World, sync: Sync) -> set[Deed]:
    return {deed for deed in world.deeds if deed.time < sync.begin}


def _own(world: World, sync: Sync) -> set[Deed]:
    return {deed for deed in _everything(world, sync) if _in_directory(deed, sync) or _in_file(deed, sync)}


def _in_directory(deed: Deed, sync: Sync) -> bool:
    return deed.what == "name" and sync.inode in directories(deed)


def _in_file(deed: Deed, sync: Sync) -> bool:
    return deed.what != "name" and deed.inode == sync.inode


def _born(deed: Deed, sync: Sync) -> bool:
    return isinstance(deed.event, Create | MakeDirectory) and deed.inode == sync.inode


def _up_to(world: World, sync: Sync, changed: int) -> set[Deed]:
    """Bytes and grown sizes of the file, and every cut and name up to the last change of its inode."""
    own = {deed for deed in _own(world, sync) if deed.what in ("bytes", "grown")}
    return own | {deed for deed in _everything(world, sync) if _journal(deed, deed) and deed.time <= changed}


def _xfs_covered(world: World, sync: Sync) -> set[Deed]:
    """An inode changes with its size and its names, and a directory with the names in it."""
    times = [-1]
    for deed in _everything(world, sync):
        own = deed.inode == sync.inode and deed.what != "bytes"
        times += [deed.time] if own or _in_directory(deed, sync) else []
    return _up_to(world, sync, max(times))


def _ext4_covered(world: World, sync: Sync) -> set[Deed]:
    """As on xfs for fsync. For fdatasync an inode changes when it is made, and when its size does for certain: at the
    last moment before which the disk cannot have had the size of now. The sync of a directory commits all there is.
    """
    born = {deed.inode for deed in world.deeds if isinstance(deed.event, MakeDirectory)}
    if sync.inode in world.directories | born:
        return _up_to(world, sync, sync.begin)
    if not sync.data_only:
        return _xfs_covered(world, sync)
    before = _everything(world, sync)
    times = [deed.time for deed in before if _in_directory(deed, sync) or _born(deed, sync)]
    sizes = sorted((d for d in before if _in_file(d, sync) and d.what != "bytes"), key=lambda d: (d.time, d.step))
    now = sizes[-1].place if sizes else 0
    certain = [deed for deed in sizes if now not in _may_have(world, sync, sizes, deed)]
    changed = max([-1, *times, *(deed.time for deed in certain)])
    late = {d for d in before if d.what == "grown" and (d.time, d.place) > (changed, now) and d.time >= changed}
    return _up_to(world, sync, changed) - late


def _may_have(world: World, sync: Sync, sizes: list[Deed], change: Deed) -> set[int]:
    """The sizes that the disk may have of a file just before one of its changes: since its last certain one."""
    earlier = [deed for deed in sizes if (deed.time, deed.step) < (change.time, change.step)]
    if not earlier:
        return {change.start}
    begun = max((done.begin for done in world.done if done.inode == sync.inode), default=-1)
    synced = [place for place, deed in enumerate(earlier) if deed.time < begun]
    cuts = [place for place, deed in enumerate(earlier) if deed.what == "cut"]
    since = max([-1, *synced[-1:], *cuts])
    return {deed.place for deed in earlier[max(0, since) :]} | ({earlier[0].start} if since < 0 else set())


def _btrfs_covered(world: World, sync: Sync) -> set[Deed]:
    """What is in the file or directory, and its names; the same of directories above that are new, and of what has,
    durably, a name that is its own by now.
    """
    before = [deed for deed in world.deeds if deed.time < sync.begin and deed.what == "name"]
    standing, now = dict(world.names), dict(world.names)
    for deed in before:
        do_name(now, deed.event)
        if deed in world.durable:
            do_name(standing, deed.event)
    pending = [deed for deed in before if deed not in world.durable]
    asked, names, above = {sync.inode}, set[Deed](), set[int]()
    for _ in world.deeds:  # as often as it can take
        names |= {deed for deed in pending if deed.inode in asked}
        names |= {deed for deed in pending if deed.inode in above and isinstance(deed.event, MakeDirectory)}
        places = {place for place, inode in now.items() if inode in asked & {deed.inode for deed in names}}
        above |= {directory for directory, _ in places}
        above |= {directory for deed in names if deed.inode in above - asked for directory in directories(deed)}
        asked |= {inode for place, inode in standing.items() if place in places}
    return names | _own(world, sync)


TOO_MANY = 14
"""Pending deeds whose every subset is looked at."""

ALL = frozenset({"bytes", "grown", "cut"})
PAGES = frozenset({"bytes", "grown"})
RULES = {
    "kill": Rules(lambda late, early: True, _everything, ALL),
    "prefix": Rules(lambda late, early: True, _everything, ALL),
    "xfs": Rules(_xfs_chained, _xfs_covered, PAGES, _xfs_needs, "pages", tails=True),
    "ext4-ordered": Rules(_ext4_chained, _ext4_covered, PAGES, _ext4_needs, "size", tails=True),
    "btrfs": Rules(
        _btrfs_chained,
        _btrfs_covered,
        PAGES,
        _btrfs_needs,
        "pages",
        pages=True,
        halves=True,
        tails=True,
        apart=True,
        vanishes=True,
    ),
    "posix": Rules(_posix_chained, _own, ALL, steps="size", halves=True, tails=True, apart=True),
}


# -- deeds ---------------------------------------------------------------------------------------------------------


def deeds_of(rules: Rules, disk: Disk) -> list[Deed]:
    """Everything a trace did, in order."""
    image = disk.image
    sizes = {inode: len(data or b"") for inode, data in image.contents.items()}
    folders = {inode for inode, data in image.contents.items() if data is None}
    found: list[Deed] = []
    for time, event in enumerate(disk.events):
        if isinstance(event, Write) and event.data:
            found += _bytes(rules, time, event, event.offset, event.data)
            end = event.offset + len(event.data)
            if end > sizes[event.inode]:
                found += _grown(rules, time, event, sizes[event.inode], end)
                sizes[event.inode] = end
        elif isinstance(event, Truncate):
            before, sizes[event.inode] = sizes[event.inode], event.size
            found.append(Deed(time, "cut", event.inode, event, event.size, start=before))
            page_end = next(end for end in itertools.count(0, 4096) if end >= event.size)
            if rules.tails:
                found += _bytes(rules, time, event, event.size, bytes(max(0, min(page_end, before) - event.size)), 1)
        elif isinstance(event, NameEvent):
            sizes.setdefault(event.inode, 0)
            folders |= {event.inode} if isinstance(event, MakeDirectory) else set()
            if rules.vanishes:
                found += _vanished(time, event, disk)
            halves = halves_of(event) if rules.halves and event.inode not in folders else [event]
            found += [Deed(time, "name", event.inode, half, step=step) for step, half in enumerate(halves)]
    return found


def _bytes(rules: Rules, time: int, event: Event, start: int, data: bytes, step: int = 0) -> Iterator[Deed]:
    assert isinstance(event, Write | Truncate)
    for sector in sorted({place // 512 for place in range(start, start + len(data))}):
        first = max(start, sector * 512)
        piece = data[first - start : (sector + 1) * 512 - start]
        later = sector // 8 - start // 4096 if rules.pages else 0
        yield Deed(time, "bytes", event.inode, event, sector, step + later, first, piece)


def _grown(rules: Rules, time: int, event: Write, before: int, end: int) -> Iterator[Deed]:
    boundaries = [size for size in range(0, end, 4096) if size > before] if rules.steps else []
    if rules.steps == "pages":
        boundaries = [size for size in boundaries if size > event.offset]
    for number, size in enumerate([*boundaries, end]):
        step = (size - 1) // 4096 - event.offset // 4096 if rules.steps == "pages" else number
        yield Deed(time, "grown", event.inode, event, size, step, before)


def _vanished(time: int, event: Event, disk: Disk) -> Iterator[Deed]:
    """That the name goes over which a file or directory is renamed that was not synced since that name was made."""
    if not isinstance(event, Rename):
        return
    place = (event.to_directory, event.to_name)
    names, made, begins, synced = dict(disk.image.names), -1, dict[int, int](), -1
    for earlier, other in enumerate(disk.events[:time]):
        do_name(names, other)
        if place in named_by(other):
            made = earlier
        if isinstance(other, SyncBegin):
            begins[other.ticket] = earlier
        if isinstance(other, SyncEnd) and other.ok and other.inode == event.inode:
            synced = max(synced, begins[other.ticket])
    if place in names and synced < made:
        gone = Unlink(directory=place[0], name=place[1], inode=names[place], site="")
        yield Deed(time, "name", names[place], gone, step=2)


def named_by(event: Event) -> dict[tuple[int, str], int]:
    """The names that an event makes."""
    names: dict[tuple[int, str], int] = {}
    do_name(names, event)
    return names


def halves_of(event: NameEvent) -> list[NameEvent]:
    """A rename into another directory as a link and an unlink; what is none as it is."""
    if not isinstance(event, Rename) or event.directory == event.to_directory:
        return [event]
    link = Link(directory=event.to_directory, name=event.to_name, inode=event.inode, site="")
    return [link, Unlink(directory=event.directory, name=event.name, inode=event.inode, site="")]


def world_after(disk: Disk, rules: Rules) -> World:
    """What is durable when a trace has ended, and what failed syncs and those that did not end left behind.

    A failed sync leaves pages that no later sync writes: they are clean in the cache. Metadata is still to be written.
    """
    directories = {ROOT, *(inode for inode, data in disk.image.contents.items() if data is None)}
    world = World(deeds_of(rules, disk), dict(disk.image.names), directories, [], set(), set(), set())
    begun: dict[int, tuple[Sync, set[Deed]]] = {}
    for time, event in enumerate(disk.events):
        if isinstance(event, SyncBegin):
            sync = Sync(event.inode, time, event.data_only)
            begun[event.ticket] = sync, rules.covered(world, sync)
            if rules.covered is _btrfs_covered:
                world.asked |= begun[event.ticket][1]
        elif isinstance(event, SyncEnd):
            sync, covered = begun.pop(event.ticket)
            if not event.ok:
                failed = (d for d in covered - world.durable if d.inode == sync.inode and d.what in rules.clean)
                world.clean.update(failed)
                continue
            world.done.append(sync)
            for deed in covered - world.clean - world.durable:
                world.durable |= {
                    early for early in world.deeds if _not_later(early, deed) and _brought(rules, deed, early)
                }
                world.durable.add(deed)
    return world


def _brought(rules: Rules, late: Deed, early: Deed) -> bool:
    """Whether a deed that a sync makes durable makes an earlier one so: names by themselves do not, but for halves."""
    by_itself = rules.vanishes and late.what == "name" and not _halves(late, early)
    return rules.chained(late, early) and not by_itself


def _not_later(early: Deed, late: Deed) -> bool:
    return (early.time, early.step) <= (late.time, late.step)


def rests_on(rules: Rules, world: World) -> dict[Deed, set[Deed]]:
    """For each pending deed all pending deeds that it cannot do without, itself among them."""
    pending = [deed for deed in world.deeds if deed not in world.durable]
    found = {
        late: {
            early
            for early in pending
            if _not_later(early, late) and (rules.chained(late, early) or rules.needs(late, early, world))
        }
        | {late}
        for late in pending
    }
    changed = True
    while changed:
        wider = {late: set[Deed]().union(*(found[early] for early in earlier)) for late, earlier in found.items()}
        changed, found = wider != found, wider
    return found


# -- disks ---------------------------------------------------------------------------------------------------------


def do_name(names: dict[tuple[int, str], int], event: Event) -> None:
    """Do to names what an event does; what is no event on names does nothing."""
    if isinstance(event, Rename | Unlink):
        names.pop((event.directory, event.name), None)
    if isinstance(event, Rename):
        names[event.to_directory, event.to_name] = event.inode
    elif isinstance(event, Create | MakeDirectory | Link):
        names[event.directory, event.name] = event.inode


class Pictures:
    """Disks on which some deeds were done, one by one: bytes by place, whatever way there is to keep files."""

    def __init__(self, disk: Disk, rules: Rules, deeds: list[Deed]) -> None:
        self.disk = disk
        self.rules = rules
        self.deeds = deeds
        born = [event for event in disk.events if isinstance(event, Create | MakeDirectory)]
        self.contents = {event.inode: b"" if isinstance(event, Create) else None for event in born} | dict(
            disk.image.contents
        )
        self.known: dict[tuple[int, frozenset[Deed]], bytes] = {}

    def left_by(self, kept: set[Deed], torn: dict[Deed, bytes] | None = None) -> Files:
        """The disk on which these deeds were done, and no others; of some that are torn, other bytes."""
        names = dict(self.disk.image.names)
        for deed in self.deeds:
            if deed in kept:
                do_name(names, deed.event)
        files: dict[str, bytes | None] = {}
        for path, inode in self.paths(names):
            own = frozenset(deed for deed in kept if deed.inode == inode and deed.what != "name")
            if self.contents[inode] is None:
                files[path] = None
            elif torn:
                files[path] = self.content(inode, own, torn)
            else:
                if (inode, own) not in self.known:
                    self.known[inode, own] = self.content(inode, own, {})
                files[path] = self.known[inode, own]
        return tuple(sorted(files.items()))

    def content(self, inode: int, kept: Iterable[Deed], torn: dict[Deed, bytes]) -> bytes:
        start = self.contents[inode] or b""
        bytes_, size = dict(enumerate(start)), len(start)
        for deed in sorted(kept, key=lambda deed: (deed.time, deed.what != "cut", deed.step)):
            if deed.what == "bytes":
                bytes_ |= enumerate(torn.get(deed, deed.data), start=deed.start)
            else:
                size = deed.place
            if deed.what == "cut":
                end = next(end for end in itertools.count(0, 4096) if end >= size) if self.rules.apart else size
                bytes_ = {place: byte for place, byte in bytes_.items() if place < end}
        return bytes(bytes_.get(place, 0) for place in range(size))

    def paths(
        self, names: dict[tuple[int, str], int], directory: int = ROOT, prefix: str = ""
    ) -> Iterator[tuple[str, int]]:
        for (parent, name), inode in names.items():
            if parent == directory:
                yield prefix + name, inode
                if self.contents[inode] is None:
                    yield from self.paths(names, inode, prefix + name + "/")


def pending_deeds(disk: Disk, profile: str) -> int:
    """How many deeds a power cut may take away."""
    world = world_after(disk, RULES[profile])
    return len(set(world.deeds) - world.durable)


def states(disk: Disk, profile: str) -> set[Files]:
    """Every disk that a power cut (under ``kill``: a kill) may leave."""
    rules = RULES[profile]
    world = world_after(disk, rules)
    pictures = Pictures(disk, rules, world.deeds)
    if profile == "kill":
        return {pictures.left_by(set(world.deeds))}
    rests = rests_on(rules, world)
    assert len(rests) <= TOO_MANY, "too many for brute force: make the trace shorter"
    found = set()
    for choice in itertools.product((False, True), repeat=len(rests)):
        kept = {deed for deed, chosen in zip(rests, choice, strict=True) if chosen}
        if all(rests[deed] <= kept for deed in kept):
            found.add(pictures.left_by(kept | world.durable))
    return found


def near(disk: Disk, profile: str, deviations: int) -> set[Files]:
    """The states of a power cut that lie near: all kept, all lost, every beginning in time; and so many deeds lost with
    all that rests on them, or so many kept with all that they rest on.
    """
    rules = RULES[profile]
    world = world_after(disk, rules)
    pictures = Pictures(disk, rules, world.deeds)
    if profile == "kill":
        return {pictures.left_by(set(world.deeds))}
    brings = rests_on(rules, world)
    pending = set(brings)
    takes = {early: {late for late in pending if early in brings[late]} for early in pending}
    moments = {(deed.time, deed.step) for deed in pending}
    kept = {frozenset(deed for deed in pending if (deed.time, deed.step) < moment) for moment in moments}
    kept |= {frozenset(pending), frozenset()}
    for some in itertools.combinations_with_replacement(pending, deviations):
        kept.add(frozenset(pending.difference(*(takes[deed] for deed in some))))
        kept.add(frozenset(set[Deed]().union(*(brings[deed] for deed in some))))
    return {pictures.left_by(world.durable | chosen) for chosen in kept}


def shown(image: Image) -> Files:
    """An image in the form in which states are compared."""
    return tuple(sorted(image.files().items()))
