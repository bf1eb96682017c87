"""Anchors: from crash plans, which go by event numbers, to steps, which go by meaning, and back.

Resolving is strict: an anchor that is not there, of the point of the crash or of what is lost, makes the step stale.
What is there but durable by now cannot be lost any more, which is how a missing sync that was added shows. What the
losses leave out of account (an event that the engine did not use to have) is kept.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from chaoswal.disk.crashes import Crash, Loss, Tearing, cut_without, loss_of, plan
from chaoswal.disk.disk import Disk, apply_name
from chaoswal.disk.image import role
from chaoswal.disk.profiles import KILL, Profile, Tear
from chaoswal.disk.volume import Volume
from chaoswal.program import END, START, Anchor, AnchoredLoss, CrashStep
from chaoswal.run import Run
from chaoswal.text import word_of
from chaoswal.trace import (
    NOWHERE,
    ROOT,
    Begin,
    Create,
    End,
    Event,
    Link,
    MakeDirectory,
    Rename,
    SyncBegin,
    SyncRange,
    Truncate,
    Unlink,
    Write,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One event with the words people use for it."""

    event: Event
    number: int
    """Its number in the history of the disk."""
    operation: int
    """The operation it belongs to, counted from 1; 0 is the opening."""
    path: str
    """The path of its file at that time; of a rename, the new one."""
    before: str
    """Of a rename, the old path."""
    on_disk: Anchor
    """Its anchor among all events of the disk."""
    in_operation: Anchor
    """Its anchor among the events of its operation."""


def tell(start: Disk, events: Sequence[Event]) -> list[Told]:
    """The history of a disk in words: what was pending on it, and these events."""
    names = dict(start.image.names)
    paths = _Paths(names)
    on_disk: Counter[tuple[str, str]] = Counter()
    in_operation: Counter[tuple[int, str, str]] = Counter()
    told = []
    operation = 0
    for number, event in enumerate((*start.events, *events)):
        if number == len(start.events):
            operation = 0
            in_operation.clear()  # an opening counts its own events, whatever a kill left pending before it
        if isinstance(event, Begin):
            operation = event.op_index + 1
        path, before = paths.of(event)
        word, of = word_of(type(event)), role(path)
        on_disk[word, of] += 1
        in_operation[operation, word, of] += 1
        at = event.op_index + 1 if isinstance(event, End) else operation  # of several at once, each ends on its own
        here = _marker(event) or Anchor(call=word, role=of, nth=in_operation[operation, word, of])
        told.append(
            Told(
                event=event,
                number=number,
                operation=at,
                path=path,
                before=before,
                on_disk=Anchor(call=word, role=of, nth=on_disk[word, of]),
                in_operation=here,
            )
        )
        if isinstance(event, Create | MakeDirectory | Link | Rename | Unlink):
            apply_name(names, event)
    return told


def _marker(event: Event) -> Anchor | None:
    if isinstance(event, Begin | End):
        return Anchor(call=START if isinstance(event, Begin) else END)
    return None


class _Paths:
    """The path of the file an event is about, at the time of the event."""

    def __init__(self, names: dict[tuple[int, str], int]) -> None:
        self._names = names
        self._last: dict[int, str] = {}

    def of(self, event: Event) -> tuple[str, str]:
        match event:
            case Rename():
                before = self._join(event.directory, event.name)
                self._last[event.inode] = self._join(event.to_directory, event.to_name)
                return self._last[event.inode], before
            case Create() | MakeDirectory() | Link() | Unlink():
                self._last[event.inode] = self._join(event.directory, event.name)
                return self._last[event.inode], ""
            case Begin() | End():
                return "", ""
            case _:
                return self._path(event.inode), ""

    def _path(self, inode: int) -> str:
        if inode == ROOT:
            return ""
        for (directory, name), child in self._names.items():
            if child == inode and directory != NOWHERE:
                return self._join(directory, name)
        return self._last.get(inode, "?")

    def _join(self, directory: int, name: str) -> str:
        parent = self._path(directory)
        return f"{parent}/{name}" if parent else name


def wording(item: Told) -> str:
    """What one event did, as people say it: ``write wal-0.wal [0:40]``."""
    match item.event:
        case Write(offset=offset, data=data):
            return f"write {item.path} [{offset}:{offset + len(data)}]"
        case Truncate(size=size):
            return f"truncate {item.path} to {size}"
        case Rename():
            return f"rename {item.before} -> {item.path}"
        case SyncBegin(data_only=data_only):
            return f"{'fdatasync' if data_only else 'fsync'} {item.path or 'the directory'}"
        case SyncRange(offset=offset, size=size, data_only=data_only):
            return f"{'fdatasync' if data_only else 'fsync'} {item.path} [{offset}:{offset + size}]"
        case Create() | MakeDirectory() | Link() | Unlink():
            return f"{type(item.event).__name__.lower()} {item.path}"
        case _:
            return str(item.event)


def step_of(run: Run, crash: Crash, profile: Profile) -> CrashStep:
    """The step that says what a crash plan says."""
    told = tell(run.start, run.events[: crash.point + 1])
    base = len(run.start.events)
    operation, after = _point(told, base, crash)
    volume = Volume(run.start.after(run.events[: crash.point]), profile)
    pending = {loss_of(effect) for effect in volume.pending()}
    lost = set(crash.losses)
    kept = pending - lost
    gone, left = _anchored(told, first_losses(volume, lost), lost, pending), _anchored(told, kept, kept, pending)
    all_but = crash.power and len(left) + 1 < len(gone)
    return CrashStep(
        power=crash.power and profile is not KILL,
        operation=operation,
        after=after,
        taken=crash.taken,
        all_but=all_but,
        losses=tuple(left if all_but else gone),
        torn=None if not crash.torn else _anchored_part(told, crash.torn.loss),
        keep=crash.torn.keep if crash.torn else 0,
        garbage=bool(crash.torn and crash.torn.garbage),
    )


def _point(told: list[Told], base: int, crash: Crash) -> tuple[int, Anchor]:
    if crash.taken:
        cut = told[base + crash.point]
        return cut.operation, cut.in_operation
    if crash.point == 0:
        return 0, Anchor(call=START)
    last = told[base + crash.point - 1]
    return last.operation, last.in_operation


def first_losses(volume: Volume, lost: Collection[Loss]) -> set[Loss]:
    """Of what is lost, the first of each chain: that what comes after it is lost too, goes without saying."""
    firsts = (
        next((loss for loss in map(loss_of, chain.effects) if loss in lost), None) for chain in volume.chains.values()
    )
    return {loss for loss in firsts if loss}


def _anchored(
    told: list[Told], named: Collection[Loss], of: Collection[Loss], pending: Collection[Loss]
) -> list[AnchoredLoss]:
    """What is named of these losses in order, an event that is lost whole without its parts."""
    found: dict[tuple[int, str], AnchoredLoss] = {}
    for loss in named:
        whole = all(other in of for other in pending if other.event == loss.event)
        part = "" if whole else loss.part
        found[loss.event, part] = AnchoredLoss(anchor=told[loss.event].on_disk, part=part)
    return [found[key] for key in sorted(found)]


def _anchored_part(told: list[Told], loss: Loss) -> AnchoredLoss:
    return AnchoredLoss(anchor=told[loss.event].on_disk, part=loss.part)


def crash_of(run: Run, step: CrashStep, profile: Profile) -> Crash | None:
    """The crash plan that a step means in this run; None where it is stale: an anchor is not there.

    Or where it tears a write, and the profile does not.
    """
    told = tell(run.start, run.events)
    point = _find_point(told, len(run.start.events), run, step)
    if point is None:
        return None
    if not step.power:
        return Crash(point=point, power=False, taken=step.taken)
    volume = Volume(run.start.after(run.events[:point]), profile)
    pending = {loss_of(effect) for effect in volume.pending()}
    named = _find_losses(told, step.losses, pending)
    torn = _find_losses(told, (step.torn,), pending) if step.torn else set()
    if named is None or torn is None or (torn and profile.tear is not Tear.BYTE_AND_GARBAGE):
        return None
    lost = pending - named if step.all_but else named
    crash = plan(point, cut_without(volume, (effect for effect in volume.pending() if loss_of(effect) in lost)), None)
    return replace(crash, torn=Tearing(loss=torn.pop(), keep=step.keep, garbage=step.garbage) if torn else None)


def _find_point(told: list[Told], base: int, run: Run, step: CrashStep) -> int | None:
    if step.operation == 0 and step.after.call in (START, END):
        return 0 if step.after.call == START else run.opened
    for item in told[base:]:
        if item.operation == step.operation and item.in_operation == step.after:
            return item.number - base + (0 if step.taken else 1)
    return None


def _find_losses(told: list[Told], named: Sequence[AnchoredLoss], pending: set[Loss]) -> set[Loss] | None:
    """The pending parts that are named; what is durable by now cannot be lost. None where an event is not there."""
    found: set[Loss] = set()
    for loss in named:
        numbers = {item.number for item in told if item.on_disk == loss.anchor}
        if not numbers:
            return None
        found |= {item for item in pending if item.event in numbers and loss.part in ("", item.part)}
    return found
