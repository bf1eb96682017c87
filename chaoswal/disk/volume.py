"""One disk under one profile: the durable base, the chains of pending effects, and the images they allow.

A volume is moved on by applying one event at a time. At any moment ``image(cut)`` is the disk that a power cut
with that cut leaves. A *cut* says for each chain up to which moment its effects survive: chains it does
not name are kept whole. What is computed for a cut (a file's bytes, the tree of names) is remembered until an
event changes it, so that thousands of cuts at one crash point cost little more than what they differ in.

Durable effects stay in a file's list until every earlier effect on that file is durable too, and are applied in
order of time with the pending ones; so a truncate that is durable still cuts an earlier write that is not.
"""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from chaoswal.disk.disk import Disk, apply_name
from chaoswal.disk.image import Image, ImageKey, PathsKey, key_of, paths_key, reachable
from chaoswal.disk.profiles import Cover, Kind, Order, Profile
from chaoswal.limits import PAGE_BYTES, SECTOR_BYTES
from chaoswal.trace import (
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

DATA_ONLY, FULL = True, False
"""The two kinds of sync: fdatasync and fsync."""

STEPS = 1 << 20
"""Moments within one event: no write grows a file by more pages."""

KEEP = 1 << 90
"""A moment after every event: nothing of the chain is lost."""


class Chain:
    """Pending effects in order of time, of which a crash keeps a beginning."""

    __slots__ = ("effects", "key")

    def __init__(self, key: Hashable) -> None:
        self.key = key
        self.effects: list[Effect] = []


NO_CHAIN = Chain(None)
"""That of an effect which nothing can lose."""


class Effect:
    """What one event does to one sector, one size, or the names."""

    __slots__ = ("chain", "data", "durable", "event", "index", "inode", "kind", "moment", "offset", "syncable")

    def __init__(
        self, index: int, kind: Kind, inode: int, offset: int, data: bytes, event: Event, step: int = 0
    ) -> None:
        self.index = index
        self.moment = index * STEPS + step  # when it took effect: a growth goes page by page, all else at once
        self.kind = kind
        self.inode = inode
        self.offset = offset  # of DATA: where it starts; of GROWTH and SIZE: the new size in bytes
        self.data = data
        self.event = event
        self.chain = NO_CHAIN
        self.durable = False
        self.syncable = True  # False once a sync of it has failed: a later sync proves nothing for it

    @property
    def part(self) -> str:
        """What of the event this is: ``sector N``, ``name``, ``size``, or ``size N``: grown so far on its way."""
        if self.kind is Kind.DATA:
            return f"sector {self.offset // SECTOR_BYTES}"
        if self.kind is Kind.NAME:
            return "name"
        grown_on = isinstance(self.event, Write) and self.offset < self.event.offset + len(self.event.data)
        return f"size {self.offset}" if grown_on else "size"


Cut: TypeAlias = Mapping[Chain, int]
"""For each chain that loses something: the moment of the first effect it loses."""


GARBAGE = bytes((0xA5 ^ (place * 29)) & 0xFF for place in range(SECTOR_BYTES))
"""What a torn piece may read: bytes that nobody wrote."""


@dataclass(frozen=True, slots=True)
class Torn:
    """One effect on a sector kept only in part: its first ``keep`` bytes, then garbage or what was there."""

    effect: Effect
    keep: int
    garbage: bool

    def piece(self) -> bytes:
        """The bytes of the effect as the crash left them."""
        kept = self.effect.data[: self.keep]
        lost = len(self.effect.data) - self.keep
        return kept + GARBAGE[:lost] if self.garbage else kept


class _File:
    __slots__ = ("base", "cache", "chains", "effects", "size")

    def __init__(self, base: bytes | None) -> None:
        self.base = base
        self.size = len(base or b"")
        self.effects: list[Effect] = []
        self.chains: tuple[Chain, ...] = ()
        self.cache: dict[tuple[int, ...], bytes] = {}


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
        self._syncs: dict[int, tuple[int, int]] = {}  # ticket -> its begin, and the last change that it commits
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
                self._resize(index, Kind.SIZE, event.inode, event.size, event)
            case Create() | MakeDirectory() | Link() | Rename() | Unlink():
                self._name(index, event)
                self._settle_names()
                return True
            case SyncBegin():
                self._syncs[event.ticket] = (index, self._changed.get((event.inode, event.data_only), -1))
                return False
            case SyncEnd():
                self._sync_end(event)
                return True
            case _:
                return False
        if event.inode in self._files:
            self._settle_file(self._files[event.inode])
        return True

    def _write(self, index: int, event: Write) -> None:
        end = event.offset + len(event.data)
        start = event.offset
        while start < end:
            stop = min(end, start - start % SECTOR_BYTES + SECTOR_BYTES)
            piece = event.data[start - event.offset : stop - event.offset]
            self._add(Effect(index, Kind.DATA, event.inode, start, piece, event))
            start = stop
        file = self._files.get(event.inode)
        if file and event.data and end > file.size:
            self._grow(index, event, file.size, end)

    def _grow(self, index: int, event: Write, size: int, end: int) -> None:
        """A file grows page by page, and a crash may find it half-way (measured on ext4)."""
        steps = range(size - size % PAGE_BYTES + PAGE_BYTES, end, PAGE_BYTES)
        if self.profile.order[Kind.GROWTH] is Order.BY_FILE:
            for step, reached in enumerate(steps):
                self._add(Effect(index, Kind.GROWTH, event.inode, reached, b"", event, step))
        self._resize(index, Kind.GROWTH, event.inode, end, event, step=len(steps))

    def _resize(self, index: int, kind: Kind, inode: int, size: int, event: Event, step: int = 0) -> None:
        if inode in self._files:
            self._files[inode].size = size
            self._change(index, inode, DATA_ONLY, FULL)
            self._add(Effect(index, kind, inode, size, b"", event, step))

    def _name(self, index: int, event: NameEvent) -> None:
        if isinstance(event, Create | MakeDirectory):
            self._files[event.inode] = _File(b"" if isinstance(event, Create) else None)
            self._change(index, event.inode, DATA_ONLY, FULL)
        else:
            self._change(index, event.inode, FULL)
        for directory in _directories(event):
            self._change(index, directory, DATA_ONLY, FULL)
        self._add(Effect(index, Kind.NAME, event.inode, 0, b"", event))

    def _change(self, index: int, inode: int, *kinds: bool) -> None:
        for kind in kinds:
            self._changed[inode, kind] = index

    def _add(self, effect: Effect) -> None:
        file = self._files.get(effect.inode)
        if file is None:
            return  # its last name is durably gone: no crash can bring it back
        order = self.profile.order[effect.kind]
        if order is Order.KEPT:
            effect.durable = True
        else:
            key = _chain_key(order, effect)
            effect.chain = self.chains.get(key) or self.chains.setdefault(key, Chain(key))
            effect.chain.effects.append(effect)
        (self._name_effects if effect.kind is Kind.NAME else file.effects).append(effect)

    # -- syncs -------------------------------------------------------------------------------------------------

    def _sync_end(self, event: SyncEnd) -> None:
        begin, committed = self._syncs.pop(event.ticket)
        if not event.ok:
            self._mark_unsyncable(event.inode, begin)
            return
        for chain in list(self.chains.values()):
            self._make_durable(chain, event.inode, begin, committed)
        self._settle_all()

    def _make_durable(self, chain: Chain, inode: int, begin: int, committed: int) -> None:
        """Everything of the chain up to the last effect that this sync covers has reached the disk."""
        count = 0
        for place, effect in enumerate(chain.effects, start=1):
            if effect.index >= begin:
                break
            if effect.syncable and self._covers(chain, effect, inode, committed):
                count = place
        for effect in chain.effects[:count]:
            effect.durable = True
        del chain.effects[:count]
        if not chain.effects:
            del self.chains[chain.key]

    def _covers(self, chain: Chain, effect: Effect, inode: int, committed: int) -> bool:
        cover = self.profile.cover
        if cover is Cover.EVERYTHING:
            return True
        if cover is Cover.OWN_AND_JOURNAL and chain.key == Order.JOURNAL:
            return effect.index <= committed
        return _own(effect, inode)

    def _mark_unsyncable(self, inode: int, begin: int) -> None:
        """A failed sync leaves pages marked clean that never reached the disk (Rebello et al., ATC 2020)."""
        for chain in self.chains.values():
            for effect in chain.effects:
                journaled = chain.key == Order.JOURNAL or effect.kind is Kind.NAME  # no page: still to be committed
                if effect.index < begin and effect.inode == inode and not journaled:
                    effect.syncable = False

    # -- what is settled, and what is remembered -----------------------------------------------------------------

    def _settle_all(self) -> None:
        self._settle_names()
        for file in self._files.values():
            if file.effects:
                self._settle_file(file)

    def _settle_file(self, file: _File) -> None:
        count = _durable_beginning(file.effects)
        if count:
            file.base = _content(file.base or b"", file.effects[:count], {}, None)
            del file.effects[:count]
        file.chains = _chains_of(file.effects)
        file.cache = {}

    def _settle_names(self) -> None:
        count = _durable_beginning(self._name_effects)
        for effect in self._name_effects[:count]:
            apply_name(self._names, effect.event)  # type: ignore[arg-type]
        del self._name_effects[:count]
        self._name_chains = _chains_of(self._name_effects)
        self._trees = {}
        if count and not self._name_effects:
            self._forget_unreachable()

    def _forget_unreachable(self) -> None:
        live = set(self._names.values())
        for inode in [inode for inode in self._files if inode not in live]:
            for chain in self._files.pop(inode).chains:
                if self.profile.order[Kind.DATA] is Order.BY_SECTOR and chain.key != Order.JOURNAL:
                    del self.chains[chain.key]

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
            return _content(file.base or b"", file.effects, cut, torn)
        moment = tuple([cut.get(chain, KEEP) for chain in file.chains])
        content = file.cache.get(moment)
        if content is None:
            content = file.cache[moment] = _content(file.base or b"", file.effects, cut, None)
        return content

    def pending(self) -> Iterator[Effect]:
        """Every effect that a power cut now could lose, in order of time within its chain."""
        for chain in self.chains.values():
            yield from chain.effects


def _chain_key(order: Order, effect: Effect) -> Hashable:
    match order:
        case Order.BY_SECTOR:
            return (effect.inode, effect.offset // SECTOR_BYTES)
        case Order.BY_FILE:
            return effect.inode
        case Order.BY_EVENT:
            return ("name", effect.index)
        case _:
            return order


def _directories(event: NameEvent) -> tuple[int, ...]:
    return (event.directory, event.to_directory) if isinstance(event, Rename) else (event.directory,)


def _own(effect: Effect, inode: int) -> bool:
    if effect.kind is Kind.NAME:
        return inode in _directories(effect.event)  # type: ignore[arg-type]
    return effect.inode == inode


def _durable_beginning(effects: list[Effect]) -> int:
    for count, effect in enumerate(effects):
        if not effect.durable:
            return count
    return len(effects)


def _chains_of(effects: list[Effect]) -> tuple[Chain, ...]:
    return tuple(dict.fromkeys([effect.chain for effect in effects if not effect.durable]))


def _content(base: bytes, effects: list[Effect], cut: Cut, torn: Torn | None) -> bytes:
    """The bytes of a file: the effects that survive, applied to the base in order of time."""
    content, size = bytearray(base), len(base)
    cut_lost = False
    for effect in effects:
        if not effect.durable and effect.moment >= cut.get(effect.chain, KEEP):
            cut_lost = cut_lost or effect.kind is Kind.SIZE
            continue
        if cut_lost and effect.kind is Kind.GROWTH:
            continue  # an inode has one size: it cannot have grown from one that it never had
        if effect.kind is Kind.DATA:
            data = torn.piece() if torn and torn.effect is effect else effect.data
            if len(content) < effect.offset:
                content.extend(bytes(effect.offset - len(content)))
            content[effect.offset : effect.offset + len(data)] = data
        else:
            size = effect.offset
            if effect.kind is Kind.SIZE:
                del content[size:]  # what a truncate cuts reads zeros for ever after
    return bytes(content[:size]).ljust(size, b"\0")
