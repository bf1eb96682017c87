"""The ground an engine stands on: one real directory, and beside it the disk that its notes say it must hold.

After every kill the directory is compared with the disk: the changes that were noted, the one in flight being absent,
whole, or, of a write, made up to a page boundary. Anything else is a change that was not noted, and then nothing that
is said about power cuts is worth anything: Inconclusive. What was pending stays pending, over as many kills as it may;
a power cut draws one of the states that the profile allows and puts it into the directory.
"""

import random
from dataclasses import replace

from chaoswal.disk.crashes import Bound, Crash, cuts, in_flight, plan
from chaoswal.disk.directory import common_bytes, difference, load, save
from chaoswal.disk.disk import Disk, apply_all, overwrite
from chaoswal.disk.effects import Chain, Effect, Torn
from chaoswal.disk.image import EMPTY, Image, reachable
from chaoswal.disk.profiles import Kind, Profile, Tear
from chaoswal.disk.volume import Volume
from chaoswal.errors import Inconclusive
from chaoswal.killloop.journal import Journal
from chaoswal.limits import PAGE_BYTES
from chaoswal.run import Run
from chaoswal.trace import ROOT, Change, Create, Event, MakeDirectory, Write

_BOUND = Bound(random_states=8)


class Ground:
    """A directory and its disk."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.disk = Disk()
        self.view: Image = EMPTY
        self.next_inode = ROOT + 1
        self.scratch: set[str] = set()
        self._cut_short: Write | None = None  # the write that the last process was killed in
        self._landed = False  # whether anything of it was made

    def settle(self, journal: Journal) -> tuple[Run, Crash]:
        """Take in what a killed process did; what it ran, and the kill as a crash plan."""
        self.scratch |= journal.locks
        if journal.offers:
            self.scratch.update(journal.offers.scratch)
        start, events = self.disk, list(journal.events)
        view = self._applied(events)
        taken = self._fate(view, journal.in_flight)
        change = journal.in_flight if taken is not None else None
        flying = [journal.in_flight] if journal.in_flight else []  # behind the crash where it is absent
        run = Run(start=start, events=[*events, *flying], opened=journal.opened)
        self._cut_short = journal.in_flight if isinstance(journal.in_flight, Write) else None
        self._landed = change is not None
        if change is None:
            self._go_on(events, view)
            return run, Crash(point=len(events), power=False)
        made = _part(change, taken or 0)
        self._go_on([*events, made], apply_all(view, [made]))
        if taken:
            return run, Crash(point=len(events), power=False, taken=taken)
        return run, Crash(point=len(events) + 1, power=False)

    def _applied(self, events: list[Event]) -> Image:
        try:
            return apply_all(self.view, events)
        except KeyError as error:
            raise Inconclusive(f"a change of a file was noted that nothing had made (inode {error})") from error

    def _go_on(self, events: list[Event], view: Image) -> None:
        self.disk, self.view = self.disk.after(events), view
        made = [event.inode for event in events if isinstance(event, Create | MakeDirectory)]
        self.next_inode = max([self.next_inode, *(inode + 1 for inode in made)])

    def _fate(self, view: Image, change: Change | None) -> int | None:
        """Of the change in flight: None, absent; 0, whole; else how many bytes of the write were made."""
        found = load(self.root)
        wrong = difference(view, found, self.scratch)
        if not wrong:
            return None
        if change is not None:
            if not difference(apply_all(view, [change]), found, self.scratch):
                return 0
            taken = _taken(view, change, found) if isinstance(change, Write) else 0
            if taken and not difference(apply_all(view, [_part(change, taken)]), found, self.scratch):
                return taken
        flying = f", with in flight: {_brief(change)}" if change else ""
        raise Inconclusive(
            f"the directory {self.root} is not what the notes of its writer say: {wrong}{flying}. "
            "Either the engine changes files past its vfs, or the notes are wrong; no verdict is possible"
        )

    def tear(self, profile: Profile, chance: random.Random, point: int) -> Crash | None:
        """Cut the write in flight at a page, or else the last one that no sync has covered; None: there is none."""
        stops = in_flight(self._cut_short) if self._cut_short else []
        if stops and self._cut_short:
            return self._tear_in_flight(self._cut_short, chance.choice(stops), point)
        volume = Volume(self.disk, profile)
        pending = [effect for effect in volume.pending() if effect.kind is Kind.DATA]
        if not pending:
            return None
        last = max(effect.index for effect in pending)
        pieces = sorted((effect for effect in pending if effect.index == last), key=_offset)
        first = chance.randrange(len(pieces))
        torn = _torn(pieces[first], chance) if profile.tear is Tear.BYTE_AND_GARBAGE else None
        cut: dict[Chain, int] = {piece.chain: piece.moment for piece in pieces[first + (torn is not None) :]}
        return self._cut(volume, dict(volume.needs.losing(cut)), torn, point)

    def _tear_in_flight(self, change: Write, taken: int, point: int) -> Crash:
        events = self.disk.events
        before = Disk(image=self.disk.image, events=events[:-1] if self._landed else events)
        self.disk = before.after([_part(change, taken)])
        self.view = self.disk.view
        save(self.view, self.root)
        return Crash(point=point, power=False, taken=taken)

    def cut_power(self, profile: Profile, chance: random.Random, point: int) -> Crash:
        """Put one of the states that a power cut now could leave into the directory."""
        volume = Volume(self.disk, profile)
        states = list(cuts(volume, _BOUND, chance.getrandbits(32)))
        drawn = chance.random()
        if drawn < 0.15:
            cut, torn = states[0]  # nothing is lost
        elif drawn < 0.4:
            cut, torn = states[min(1, len(states) - 1)]  # everything is
        elif drawn < 0.6:
            cut, torn = chance.choice(states[-_BOUND.random_states :])
        else:
            cut, torn = chance.choice(states)
        return self._cut(volume, dict(cut), torn, point)

    def _cut(self, volume: Volume, cut: dict[Chain, int], torn: Torn | None, point: int) -> Crash:
        image = volume.image(cut, torn)
        save(image, self.root)
        self.disk, self.view = Disk(image=image), image
        return plan(point, cut, torn)


def _part(change: Change, taken: int) -> Change:
    """The change as far as it was made; 0: wholly."""
    return replace(change, data=change.data[:taken]) if taken and isinstance(change, Write) else change


def _taken(view: Image, change: Write, found: Image) -> int:
    """Up to which page boundary a write was made; 0 where no boundary explains what is found."""
    path = next((path for path, inode in reachable(view.names, view.contents) if inode == change.inode), None)
    standing = found.files().get(path) if path else None
    if standing is None:
        return 0
    agrees = common_bytes(standing[change.offset : change.offset + len(change.data)], change.data)
    end = (change.offset + agrees) // PAGE_BYTES * PAGE_BYTES
    taken = max(0, end - change.offset)
    before = view.contents[change.inode] or b""
    return taken if taken and overwrite(before, change.offset, change.data[:taken]) == standing else 0


def _torn(piece: Effect, chance: random.Random) -> Torn:
    return Torn(piece, chance.randrange(len(piece.data)), garbage=chance.random() < 0.5)


def _offset(effect: Effect) -> int:
    return effect.offset


def _brief(change: Change) -> str:
    kind = type(change).__name__.lower()
    where = f"{len(change.data)} bytes at {change.offset}" if isinstance(change, Write) else f"of inode {change.inode}"
    return f"{kind} {where} ({change.site})"
