"""One disk under one profile: the durable base, the chains of pending effects, and the images they allow.

A volume is moved on by applying one event at a time. At any moment ``image(cut)`` is the disk that a power cut
with that cut leaves. A *cut* says for each chain up to which moment its effects survive: chains it does
not name are kept whole. What is computed for a cut (a file's bytes, the tree of names) is remembered until an
event changes it, so that thousands of cuts at one crash point cost little more than what they differ in.

Durable effects stay in a file's list until every earlier effect on that file is durable too, and are applied in
order of time with the pending ones; so a truncate that is durable still cuts an earlier write that is not.
"""

from bisect import bisect_left, insort
from collections.abc import Hashable, Iterator
from typing import TypeAlias

from chaoswal.disk.disk import Disk, apply_name
from chaoswal.disk.effects import KEEP, NEVER, STEPS, Chain, Cut, Effect, Torn
from chaoswal.disk.image import Image, ImageKey, PathsKey, key_of, paths_key, reachable
from chaoswal.disk.needs import Needs
from chaoswal.disk.profiles import Cover, DataOnly, Kind, Order, Profile, Tail
from chaoswal.limits import PAGE_BYTES, SECTOR_BYTES
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
    SyncRange,
    Truncate,
    Unlink,
    Write,
)

DATA_ONLY, FULL = BOTH = (True, False)
"""The two kinds of sync: fdatasync and fsync."""

_Held: TypeAlias = tuple[bytes, bytes, int]
"""What a file shows, what it holds (there may be more of it, if a size behind it is yet to come), and its size."""


class _File:
    __slots__ = (
        "base",
        "before",
        "beginning",
        "cache",
        "counted",
        "cuts",
        "effects",
        "pending",
        "size",
        "sizes",
        "then",
    )

    def __init__(self, base: bytes | None, index: int = NEVER) -> None:
        self.base = base
        self.size = len(base or b"")
        self.sizes = [(index, self.size)]  # that the disk may have by now, growing, each with the event that made it
        self.cuts: list[tuple[int, int]] = []  # (size, moment) of truncates that none to a smaller size has followed
        self.effects: list[Effect] = []
        self.pending: dict[Chain, list[int]] = {}  # the moments of its effects that are not durable yet, in order
        self.counted = 0  # so many of its effects are among these or durable
        self.cache: dict[tuple[int, ...], _Held] = {}  # by how many of each of these survive
        self.before: dict[tuple[int, ...], _Held] = {}  # the same, before the event that added to its effects last
        self.then: tuple[int, tuple[int, ...]] = 0, ()  # how many effects there were then, and how many of each
        self.beginning = 0, base or b"", self.size  # so many of its effects, what it holds after them, and its size

    def forget_sizes(self, begin: int) -> None:
        """A sync that began then has brought the size of that moment to the disk."""
        earlier = sum(index < begin for index, _ in self.sizes)
        del self.sizes[: max(0, earlier - 1)]


class Volume:
    """A disk under a profile, moved on by events."""

    def __init__(self, disk: Disk, profile: Profile) -> None:
        self.profile = profile
        self.chains: dict[Hashable, Chain] = {}
        self.index = 0
        self.version = 0  # how often an event has changed what a crash could leave
        self._names = dict(disk.image.names)
        self._files = {inode: _File(content) for inode, content in disk.image.contents.items()}
        self._name_effects: list[Effect] = []
        self._name_chains: tuple[Chain, ...] = ()
        self._trees: dict[tuple[int, ...], tuple[dict[tuple[int, str], int], PathsKey]] = {}
        self._changed: dict[tuple[int, bool], int] = {}  # (inode, kind of sync) -> its last change for such a sync
        self._syncs: dict[int, tuple[int, list[Effect]]] = {}  # ticket -> its begin, and what it covers
        self._needs: tuple[int, Needs] | None = None
        self._named: dict[tuple[int, str], int] = {}  # place -> the event that gave this name, where it matters
        self._synced: dict[int, int] = {}  # inode -> the begin of its last sync that ended well, where it matters
        for event in disk.events:
            self.apply(event)

    # -- moving on ---------------------------------------------------------------------------------------------

    def apply(self, event: Event) -> None:
        """Let one more event happen."""
        self.version += self._apply(event)

    def _apply(self, event: Event) -> bool:
        index = self.index
        self.index += 1
        match event:
            case Write():
                self._write(index, event)
            case Truncate():
                self._truncate(index, event)
            case Create() | MakeDirectory() | Link() | Rename() | Unlink():
                self._name(index, event)
                self._settle_names()
                return True
            case SyncBegin() | SyncRange():
                return self._sync_begin(event)
            case SyncEnd():
                self._sync_end(event)
                return True
            case _:
                return False
        if event.inode in self._files:
            self._go_on(self._files[event.inode])
        return True

    def _write(self, index: int, event: Write) -> None:
        end = event.offset + len(event.data)
        self._put(index, event, event.offset, event.data)
        file = self._files.get(event.inode)
        if file and event.data and end > file.size:
            self._grow(index, event, file, end)

    def _put(self, index: int, event: Write | Truncate, offset: int, data: bytes, step: int = 0) -> None:
        end = offset + len(data)
        start = offset
        by_page = self.profile.order[Kind.DATA] is Order.BY_PAGE
        joins = Kind.DATA if isinstance(event, Write) else Kind.TAIL
        while start < end:
            stop = min(end, start - start % SECTOR_BYTES + SECTOR_BYTES)
            if by_page and start % PAGE_BYTES == 0 and start > offset:
                step += 1
            piece = data[start - offset : stop - offset]
            self._add(Effect(index, Kind.DATA, event.inode, start, piece, event, step), joins)
            start = stop

    def _grow(self, index: int, event: Write, file: _File, end: int) -> None:
        """A file grows page by page, and a crash may find it half-way (measured on ext4)."""
        order = self.profile.order[Kind.GROWTH]
        reached = []
        if order is Order.BY_FILE:
            reached = list(range(file.size - file.size % PAGE_BYTES + PAGE_BYTES, end, PAGE_BYTES))
        elif order is Order.BY_PAGE:
            first = event.offset - event.offset % PAGE_BYTES + PAGE_BYTES
            reached = [size for size in range(first, end, PAGE_BYTES) if size > file.size]
        for number, size in enumerate([*reached, end]):
            page = (size - 1) // PAGE_BYTES - event.offset // PAGE_BYTES
            step = page if order is Order.BY_PAGE else number  # with the bytes of its page, or one by one
            effect = Effect(index, Kind.GROWTH, event.inode, size, b"", event, step)
            effect.since = max((moment for cut, moment in file.cuts if cut <= effect.page * PAGE_BYTES), default=0)
            file.sizes.append((index, size))
            self._add(effect)
        file.size = end
        self._change(index, event.inode, FULL)
        self._changed[event.inode, DATA_ONLY] = index

    def _truncate(self, index: int, event: Truncate) -> None:
        file = self._files.get(event.inode)
        if file is None:
            return
        before, file.size = file.size, event.size
        self._add(Effect(index, Kind.SIZE, event.inode, event.size, b"", event))
        if self.profile.tail is not Tail.WITH_SIZE and event.size < before:
            page_end = -(-event.size // PAGE_BYTES) * PAGE_BYTES
            self._put(index, event, event.size, bytes(min(page_end, before) - event.size), step=1)
        if event.size < before:
            file.cuts = [*(cut for cut in file.cuts if cut[0] < event.size), (event.size, index * STEPS)]
        file.sizes = [next((known for known in file.sizes if known[1] == event.size), (index, event.size))]
        self._change(index, event.inode, FULL)
        if self.profile.data_only is DataOnly.SIZE:
            self._changed[event.inode, DATA_ONLY] = file.sizes[-1][0]
        else:
            self._change(index, event.inode, DATA_ONLY)

    def _name(self, index: int, event: NameEvent) -> None:
        if isinstance(event, Create | MakeDirectory):
            self._files[event.inode] = _File(b"" if isinstance(event, Create) else None, index)
        born = isinstance(event, Create | MakeDirectory)
        self._change(index, event.inode, *([FULL] if self.profile.data_only is DataOnly.SIZE and not born else BOTH))
        for directory in _directories(event):
            self._change(index, directory, *BOTH)
        if self.profile.vanishes:
            self._vanish(index, event)
        for step, half in enumerate(self._halves(event)):
            self._add(Effect(index, Kind.NAME, event.inode, 0, b"", half, step))

    def _vanish(self, index: int, event: NameEvent) -> None:
        """Of a rename over a name that may be known by a log alone: that it is taken away, whoever is to get it."""
        if isinstance(event, Rename):
            place = event.to_directory, event.to_name
            replaced, named = self._tree({})[0].get(place), self._named.get(place, NEVER)
            if replaced is not None and self._synced.get(event.inode, NEVER) < named:
                gone = Unlink(directory=place[0], name=place[1], inode=replaced, site=event.site)
                self._add(Effect(index, Kind.NAME, replaced, 0, b"", gone, step=2))
            self._named[place] = index
        elif not isinstance(event, Unlink):
            self._named[event.directory, event.name] = index

    def _halves(self, event: NameEvent) -> list[NameEvent]:
        """A file's rename into another directory, as the link and the unlink that it is on some file systems."""
        file = self._files.get(event.inode)
        if not (isinstance(event, Rename) and self.profile.halves and file and file.base is not None):
            return [event]
        if event.directory == event.to_directory:
            return [event]
        return [
            Link(directory=event.to_directory, name=event.to_name, inode=event.inode, site=event.site),
            Unlink(directory=event.directory, name=event.name, inode=event.inode, site=event.site),
        ]

    def _change(self, index: int, inode: int, *kinds: bool) -> None:
        for kind in kinds:
            self._changed[inode, kind] = index

    def _add(self, effect: Effect, joins: Kind | None = None) -> None:
        file = self._files.get(effect.inode)
        if file is None:
            return  # its last name is durably gone: no crash can bring it back
        order = self.profile.order[joins or effect.kind]
        if order is Order.KEPT:
            effect.durable = True
        else:
            key = _chain_key(order, effect)
            effect.chain = self.chains.get(key) or self.chains.setdefault(key, Chain(key))
            effect.chain.effects.append(effect)
        (self._name_effects if effect.kind is Kind.NAME else file.effects).append(effect)

    # -- syncs -------------------------------------------------------------------------------------------------

    def _sync_begin(self, event: SyncBegin | SyncRange) -> bool:
        """Note what this sync will make durable when it ends: only what has happened before its begin."""
        covered = [effect for effect in self.pending() if self._covers(effect, event)]
        if isinstance(event, SyncRange):
            covered = [effect for effect in covered if effect.inode != event.inode or _in_range(effect, event)]
        alone = self.profile.cover is Cover.OWN_AND_NAMES
        if alone:
            covered += self._own_names(event.inode)
            gone = {effect.index for effect in covered if effect.part == "old name"}
            covered += [effect for effect in self._name_effects if effect.index in gone]  # with the new name
            for effect in covered:
                effect.free = True
        begin = self.index if isinstance(event, SyncBegin) else NEVER  # a part brings no size to the disk but its own
        self._syncs[event.ticket] = begin, covered
        return alone and bool(covered)

    def _covers(self, effect: Effect, event: SyncBegin | SyncRange) -> bool:
        cover = self.profile.cover
        if cover is Cover.EVERYTHING:
            return True
        if cover is Cover.OWN_AND_JOURNAL:
            committed = self._changed.get((event.inode, event.data_only), NEVER)
            if effect.kind in self.profile.metadata:
                return effect.index <= committed or (
                    self.profile.directories_commit and self._is_directory(event.inode)
                )
            if effect.kind is Kind.GROWTH and effect.inode == event.inode and event.data_only:
                return (effect.index, effect.offset) <= self._files[event.inode].sizes[-1] or effect.index < committed
        return _own(effect, event.inode)

    def _own_names(self, inode: int) -> list[Effect]:
        """Names a sync of this inode commits besides those in it: its own; that new directories above were made; and
        those of what has, as far as is durable, the name that it has now.
        """
        now, standing = self._tree({})[0], self._durable_names()
        pending = [effect for effect in self._name_effects if not effect.durable]
        found: list[Effect] = []
        asked, waiting = {inode}, [inode]
        for named in waiting:  # grows while it is walked
            own = [effect for effect in pending if effect.inode == named]
            places = [place for place, child in now.items() if child == named] if own else []
            taken = sorted({standing[place] for place in places if place in standing} - asked)
            found += own
            for directory, _ in places:
                found += _made_above(pending, directory)
            asked.update(taken)
            waiting += taken
        return found

    def _sync_end(self, event: SyncEnd) -> None:
        begin, covered = self._syncs.pop(event.ticket)
        if not event.ok:
            self._mark_unsyncable(event.inode, covered)
            return
        if event.inode in self._files:
            self._files[event.inode].forget_sizes(begin)
        if self.profile.vanishes:
            self._synced[event.inode] = max(begin, self._synced.get(event.inode, NEVER))
        reached: dict[Chain, int] = {}
        for effect in covered:
            if effect.durable or not effect.syncable:
                continue
            if self.profile.order[effect.kind] is Order.BY_NAMED:
                self._pick(effect)
            else:
                reached[effect.chain] = max(reached.get(effect.chain, 0), effect.moment)
        for chain, moment in reached.items():
            self._make_durable(chain, moment)
        self._settle_all()

    def _pick(self, effect: Effect) -> None:
        """This effect has reached the disk, whatever became of the earlier ones of its chain."""
        effect.durable = True
        effect.chain.effects.remove(effect)
        if not effect.chain.effects:
            del self.chains[effect.chain.key]

    def _make_durable(self, chain: Chain, moment: int) -> None:
        """The chain up to this moment has reached the disk."""
        count = sum(effect.moment <= moment for effect in chain.effects)
        for effect in chain.effects[:count]:
            effect.durable = True
        del chain.effects[:count]
        if not chain.effects and self.chains.get(chain.key) is chain:
            del self.chains[chain.key]

    def _mark_unsyncable(self, inode: int, covered: list[Effect]) -> None:
        """A failed sync leaves pages marked clean that never reached the disk (Rebello et al., ATC 2020)."""
        for effect in covered:
            if effect.inode == inode and effect.kind not in self.profile.metadata:  # that is in no page
                effect.syncable = False

    # -- what is settled, and what is remembered -----------------------------------------------------------------

    def _settle_all(self) -> None:
        self._settle_names()
        for file in self._files.values():
            if file.effects:
                self._settle_file(file)

    def _go_on(self, file: _File) -> None:
        """Effects were added to a file: what it holds begins with what it held before, of which nothing has changed."""
        added = file.effects[file.counted :]
        if any(effect.durable for effect in added):
            self._settle_file(file)
            return
        file.then = file.counted, tuple(map(len, file.pending.values()))
        file.before, file.cache = file.cache, {}
        _note_pending(file.pending, added)
        file.counted += len(added)

    def _settle_file(self, file: _File) -> None:
        pending = _pending_of(file.effects)
        if pending == file.pending and file.counted == len(file.effects):
            return
        count = _durable_beginning(file.effects)
        if count:
            file.base = _settled(file.base or b"", file.effects[:count])
            file.beginning = 0, file.base, len(file.base)
            del file.effects[:count]
        file.pending = pending
        file.counted = len(file.effects)
        file.cache, file.before, file.then = {}, {}, (0, ())

    def _settle_names(self) -> None:
        count = _durable_beginning(self._name_effects)
        for effect in self._name_effects[:count]:
            apply_name(self._names, effect.event)  # type: ignore[arg-type]
        del self._name_effects[:count]
        self._name_chains = tuple(_pending_of(self._name_effects))
        self._trees = {}
        if count and not self._name_effects:
            self._forget_unreachable()

    def _forget_unreachable(self) -> None:
        live = set(self._names.values())
        for inode in [inode for inode in self._files if inode not in live]:
            for chain in self._files.pop(inode).pending:
                if not isinstance(chain.key, Order):  # which it shares with what is not forgotten
                    del self.chains[chain.key]

    def _durable_names(self) -> dict[tuple[int, str], int]:
        names = dict(self._names)
        for effect in self._name_effects:
            if effect.durable:
                apply_name(names, effect.event)  # type: ignore[arg-type]
        return names

    def _is_directory(self, inode: int) -> bool:
        file = self._files.get(inode)
        return inode == ROOT or (file is not None and file.base is None)

    # -- cuts ----------------------------------------------------------------------------------------------------

    @property
    def needs(self) -> Needs:
        """What rests on what now: makes cuts that a power cut can leave."""
        if self._needs is None or self._needs[0] != self.version:
            self._needs = self.version, Needs(self.profile, self.chains.values())
        return self._needs[1]

    # -- images --------------------------------------------------------------------------------------------------

    def key(self, cut: Cut, torn: Torn | None = None) -> ImageKey:
        """The key of ``image(cut, torn)``, without making it."""
        groups, inodes = paths = self._tree(cut)[1]
        if torn:
            return key_of(paths, {inode: self._bytes(inode, cut, torn) for inode in inodes})
        files = self._files
        return groups, tuple(
            [self._bytes(inode, cut, None) if files[inode].effects else files[inode].base for inode in inodes]
        )

    def image(self, cut: Cut, torn: Torn | None = None) -> Image:
        """The disk that a power cut now leaves."""
        names, (_, inodes) = self._tree(cut)
        return Image(names, {inode: self._bytes(inode, cut, torn) for inode in inodes})

    def _tree(self, cut: Cut) -> tuple[dict[tuple[int, str], int], PathsKey]:
        moment = tuple([cut.get(chain, KEEP) for chain in self._name_chains])
        tree = self._trees.get(moment)
        if tree is None:
            names = dict(self._names)
            for effect in self._name_effects:
                if effect.durable or effect.moment < cut.get(effect.chain, KEEP):
                    apply_name(names, effect.event)  # type: ignore[arg-type]
            contents = {inode: file.base for inode, file in self._files.items()}
            tree = self._trees[moment] = names, paths_key(reachable(names, contents))
        return tree

    def _bytes(self, inode: int, cut: Cut, torn: Torn | None) -> bytes | None:
        file = self._files[inode]
        if not file.effects:
            return file.base
        if torn and torn.effect.inode == inode:
            return _torn(file, cut, torn, apart=self.profile.tail is Tail.APART)
        kept = tuple([bisect_left(moments, cut.get(chain, KEEP)) for chain, moments in file.pending.items()])
        held = file.cache.get(kept)
        if held is None:
            held = file.cache[kept] = _held(file, kept, cut, apart=self.profile.tail is Tail.APART)
        return held[0]

    def pending(self) -> Iterator[Effect]:
        """Every effect that a power cut now could lose, in order of time within its chain."""
        for chain in self.chains.values():
            yield from chain.effects


def _chain_key(order: Order, effect: Effect) -> Hashable:
    match order:
        case Order.BY_SECTOR:
            return (effect.inode, effect.offset // SECTOR_BYTES)
        case Order.BY_PAGE:
            return ("page", effect.inode, effect.page)
        case Order.BY_FILE:
            return effect.inode
        case Order.BY_NAMED:
            return ("names", effect.inode)
        case Order.BY_EVENT:
            return ("event", effect.index, effect.offset // SECTOR_BYTES)
        case _:
            return order


def _directories(event: NameEvent) -> tuple[int, ...]:
    return (event.directory, event.to_directory) if isinstance(event, Rename) else (event.directory,)


def _made_above(pending: list[Effect], directory: int) -> list[Effect]:
    """That this directory was made, where that is pending, and those above it."""
    made = [e for e in pending if isinstance(e.event, MakeDirectory) and e.inode == directory]
    return [*made, *(above for effect in made for above in _made_above(pending, effect.event.directory))]  # type: ignore[union-attr]


def _own(effect: Effect, inode: int) -> bool:
    if effect.kind is Kind.NAME:
        return inode in _directories(effect.event)  # type: ignore[arg-type]
    return effect.inode == inode


def _in_range(effect: Effect, event: SyncRange) -> bool:
    """Of an effect on the file a part of which is synced: whether it belongs to that part."""
    end = event.offset + event.size
    if effect.kind is Kind.DATA:
        return effect.offset < end and event.offset < effect.offset + len(effect.data)
    return effect.kind is not Kind.GROWTH or effect.offset <= end


def _durable_beginning(effects: list[Effect]) -> int:
    """How many effects are durable that nothing pending precedes; events are counted whole."""
    count = next((count for count, effect in enumerate(effects) if not effect.durable), len(effects))
    while 0 < count < len(effects) and effects[count - 1].index == effects[count].index:
        count -= 1
    return count


def _pending_of(effects: list[Effect]) -> dict[Chain, list[int]]:
    """The moments of those that are not durable, in order, by their chains."""
    found: dict[Chain, list[int]] = {}
    _note_pending(found, effects)
    return found


def _note_pending(found: dict[Chain, list[int]], effects: list[Effect]) -> None:
    for effect in effects:
        if not effect.durable:
            insort(found.setdefault(effect.chain, []), effect.moment)


def _held(file: _File, kept: tuple[int, ...], cut: Cut, *, apart: bool) -> _Held:
    """What a file holds after a cut: what it held after as much of it before the last event, and what that added."""
    seen, counts = file.then
    held = file.before.get(tuple(map(min, kept, counts)))
    if held is None:
        base = file.base or b""
        seen, held = 0, (base, base, len(base))
    effects = [e for e in file.effects[seen:] if e.durable or e.moment < cut.get(e.chain, KEEP)]
    if not effects:
        return held
    content, size = bytearray(held[1]), held[2]
    for effect in effects:
        size = _take(content, size, effect, effect.data, apart=apart)
    shown = _of_size(content, size)
    return shown, shown if len(content) == size else bytes(content), size


def _torn(file: _File, cut: Cut, torn: Torn, *, apart: bool) -> bytes:
    """The bytes of a file of which one effect is torn: those that survive, applied to the base in order of time."""
    count = 0 if cut else file.effects.index(torn.effect)
    content, size = _beginning(file, count)
    for effect in file.effects[count:]:
        if effect.moment < cut.get(effect.chain, KEEP) or effect.durable:
            data = torn.piece() if effect is torn.effect else effect.data
            size = _take(content, size, effect, data, apart=apart)
    return _of_size(content, size)


def _beginning(file: _File, count: int) -> tuple[bytearray, int]:
    """What a file holds, and its size, after so many of its effects: what is torn is mostly behind the same ones."""
    done, held, size = file.beginning
    if done > count:
        done, held = 0, file.base or b""
        size = len(held)
    content = bytearray(held)
    for effect in file.effects[done:count]:
        size = _take(content, size, effect, effect.data, apart=False)  # the tail that is zeroed apart is among them
    if done < count:
        file.beginning = count, bytes(content), size
    return content, size


def _settled(base: bytes, effects: list[Effect]) -> bytes:
    """The bytes of a file all of whose effects are durable."""
    content, size = bytearray(base), len(base)
    for effect in effects:
        size = _take(content, size, effect, effect.data, apart=False)
    return _of_size(content, size)


def _take(content: bytearray, size: int, effect: Effect, data: bytes, *, apart: bool) -> int:
    """Let an effect happen to what a file holds; its size then."""
    offset = effect.offset
    if effect.kind is Kind.DATA:
        if len(content) < offset:
            content.extend(bytes(offset - len(content)))
        content[offset : offset + len(data)] = data
        return size
    if effect.kind is Kind.SIZE:  # what is cut reads zeros for ever after, but for a tail that is zeroed apart
        del content[-(-offset // PAGE_BYTES) * PAGE_BYTES if apart else offset :]
    return offset


def _of_size(content: bytearray, size: int) -> bytes:
    return bytes(content) if len(content) == size else bytes(content[:size]).ljust(size, b"\0")
