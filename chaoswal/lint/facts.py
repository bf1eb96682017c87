"""What a trace shows at each moment: who was asked for what, what was promised, what was still pending, and where.

Theory of operation. A trace is read once under each profile, and after each event it is noted what a power cut could
still lose. Everything else follows from that and from the events: a *moment* is a number of events that have happened,
so that moment 0 is before the first, and event number n is the last one at moment n + 1. A rule may go from moment to
moment as it likes.

The run must have begun on an empty disk: then events have the same numbers in the run and on the disk.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property

from chaoswal.anchors import Told, tell
from chaoswal.disk.crashes import Crash, cut_without, plan
from chaoswal.disk.disk import apply_all, apply_name
from chaoswal.disk.effects import Effect
from chaoswal.disk.profiles import PROFILES, Kind, Order, Profile
from chaoswal.disk.volume import Volume
from chaoswal.ops import Cleanup, Flush, Maintain, Operation, Subscribe, SubscribeLatest, Unsubscribe
from chaoswal.oracle import ERROR, promise_word
from chaoswal.run import Run
from chaoswal.trace import Begin, Create, End, Event, Link, MakeDirectory, NameEvent, Rename, SyncBegin, Unlink

STRICTEST = PROFILES["posix"]
"""The profile by which something counts as durable: what it lets a crash lose, no standard keeps."""

PROMISE_OWN = (Cleanup, Flush, Maintain, Subscribe, SubscribeLatest, Unsubscribe)
"""What the protocol of adapters says is durable on return: what they changed themselves, and nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A part of an event that a power cut could still lose."""

    event: int
    kind: Kind
    inode: int
    offset: int
    """Of bytes: where they begin in the file. Of a size: the size."""
    length: int
    failed: bool
    """Whether a sync of it has failed, so that none that succeeds proves anything for it."""

    @property
    def is_data(self) -> bool:
        """Whether it is bytes, and no size."""
        return self.kind is Kind.DATA

    @property
    def is_name(self) -> bool:
        """Whether it is a name; otherwise it is bytes, or a size."""
        return self.kind is Kind.NAME


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """An operation that returned, by the numbers of its first and last event."""

    operation: Operation
    begin: int
    end: int
    failed: bool
    """Whether it reported an error."""
    promises: bool
    """Whether its return promises that something is durable."""
    everything: bool
    """Whether that is everything before it; otherwise only what it changed itself."""

    def relies_on(self, event: int) -> bool:
        """Whether its return promises that this event, which came before it, is durable."""
        return self.promises and (self.everything or event > self.begin)


class Facts:
    """A trace, ready to be asked."""

    def __init__(
        self,
        run: Run,
        operations: Sequence[Operation],
        *,
        promise: frozenset[str],
        scratch: Sequence[str] = (),
        profiles: Sequence[Profile] = tuple(PROFILES.values()),
    ) -> None:
        """``promise`` and ``scratch`` are what the engine's adapter says; ``profiles`` those that are asked about."""
        self.events: Sequence[Event] = run.events
        self.told: Sequence[Told] = tell(run.start, run.events)
        self.profiles = tuple(profiles)
        self._start = run.start
        self._scratch = {item.number for item in self.told if any(fnmatchcase(item.path, glob) for glob in scratch)}
        self.calls = list(self._calls(operations, promise))
        self._pending = {profile.name: self._follow(profile) for profile in (*self.power, STRICTEST)}
        self._names = list(self._follow_names())

    def _calls(self, operations: Sequence[Operation], promise: frozenset[str]) -> Iterator[Call]:
        begin = 0
        for number, event in enumerate(self.events):
            if isinstance(event, Begin):
                begin = number
            elif isinstance(event, End):
                operation = operations[event.op_index]
                everything = promise_word(operation) in promise
                promises = everything or isinstance(operation, PROMISE_OWN)
                failed = event.result.startswith(ERROR)
                yield Call(
                    operation=operation,
                    begin=begin,
                    end=number,
                    failed=failed,
                    promises=promises and not failed,
                    everything=everything,
                )

    def _follow(self, profile: Profile) -> list[tuple[Pending, ...]]:
        volume = Volume(self._start, profile)
        moments: list[tuple[Pending, ...]] = [()]
        for event in self.events:
            before = volume.version
            volume.apply(event)
            same = volume.version == before
            moments.append(moments[-1] if same else tuple(self._noted(volume.pending())))
        return moments

    def _noted(self, effects: Iterable[Effect]) -> Iterator[Pending]:
        for effect in effects:
            if effect.index not in self._scratch:
                yield Pending(
                    event=effect.index,
                    kind=effect.kind,
                    inode=effect.inode,
                    offset=effect.offset,
                    length=len(effect.data),
                    failed=not effect.syncable,
                )

    def _follow_names(self) -> Iterator[dict[tuple[int, str], int]]:
        names = dict(self._start.image.names)
        yield names
        for event in self.events:
            if isinstance(event, NameEvent):
                names = dict(names)
                apply_name(names, event)
            yield names

    @cached_property
    def disowned(self) -> frozenset[int]:
        """The numbers of the events of calls that reported an error: nobody promises what was not done."""
        return frozenset(number for call in self.calls if call.failed for number in range(call.begin, call.end))

    # -- profiles ----------------------------------------------------------------------------------------------

    @cached_property
    def power(self) -> tuple[Profile, ...]:
        """The profiles under which something can be pending at all: a kill loses nothing."""
        return tuple(profile for profile in self.profiles if profile.order[Kind.DATA] is not Order.KEPT)

    @cached_property
    def reordering(self) -> tuple[Profile, ...]:
        """Those under which a later change may survive an earlier one."""
        return tuple(profile for profile in self.power if profile.order[Kind.NAME] is not Order.EVERYTHING)

    # -- moments -----------------------------------------------------------------------------------------------

    def pending(self, profile: Profile, moment: int) -> tuple[Pending, ...]:
        """What a power cut at that moment could lose."""
        return self._pending[profile.name][moment]

    def bytes_pending(self, profile: Profile, moment: int) -> dict[int, list[Pending]]:
        """By file, its bytes and sizes that a power cut could lose, in order of time; of files that have a name."""
        found: dict[int, list[Pending]] = {}
        for item in sorted(self.pending(profile, moment), key=lambda item: item.event):
            if not item.is_name and self.has_name(item.inode, moment):
                found.setdefault(item.inode, []).append(item)
        return found

    def names_pending(self, profile: Profile, moment: int) -> list[Pending]:
        """The names that stand and that a power cut could take away: of each file the last it was given."""
        names, last = self._names[moment], dict[int, Pending]()
        for item in self.pending(profile, moment):
            event = self.events[item.event]
            if item.is_name and isinstance(event, GIVES) and names.get(target(event)) == item.inode:
                last[item.inode] = max(item, last.get(item.inode, item), key=lambda item: item.event)
        return list(last.values())

    def has_name(self, inode: int, moment: int) -> bool:
        """Whether a file has a name: what nobody can find any more cannot be missed."""
        return inode in self._names[moment].values()

    def name_stands(self, at: tuple[int, str], moment: int) -> bool:
        """Whether there is something of that name."""
        return at in self._names[moment]

    def content(self, inode: int, moment: int) -> bytes:
        """What a file held, durable or not."""
        return apply_all(self._start.view, self.events[:moment]).contents.get(inode) or b""

    @cached_property
    def vain_syncs(self) -> list[int]:
        """The numbers of the syncs that began with nothing to make durable."""
        return [
            number
            for number, event in enumerate(self.events)
            if isinstance(event, SyncBegin)
            and not any(self._is_of(item, event.inode) for item in self.pending(STRICTEST, number))
        ]

    def _is_of(self, item: Pending, inode: int) -> bool:
        event = self.events[item.event]
        if isinstance(event, Rename) and inode == event.to_directory:
            return True
        return inode in ((event.directory,) if isinstance(event, NameEvent) else (item.inode,))

    # -- crashes -----------------------------------------------------------------------------------------------

    def crash(self, profile: Profile, moment: int, lost: Iterable[Pending] = ()) -> Crash:
        """The crash at that moment that loses these, and what cannot be kept without them."""
        if profile not in self.power:
            return Crash(point=moment, power=False)
        wanted = {(item.event, item.kind, item.offset) for item in lost}
        volume = Volume(self._start.after(self.events[:moment]), profile)
        these = (item for item in volume.pending() if (item.index, item.kind, item.offset) in wanted)
        return plan(moment, cut_without(volume, these), None)


GIVES = Create | MakeDirectory | Link | Rename
"""The events that give a name."""


def target(event: Create | MakeDirectory | Link | Rename | Unlink) -> tuple[int, str]:
    """The name an event is about; of a rename, the new one."""
    return (event.to_directory, event.to_name) if isinstance(event, Rename) else (event.directory, event.name)
