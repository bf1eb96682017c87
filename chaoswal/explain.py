"""Explanations: a finding played again and told event by event, as rows and sentences for any reporter."""

from collections.abc import Sequence
from dataclasses import dataclass

from chaoswal.anchors import Told, crash_of, tell
from chaoswal.check import Judge
from chaoswal.corpus import Finding
from chaoswal.disk.crashes import Crash, Loss, crashed
from chaoswal.disk.disk import Disk
from chaoswal.disk.image import Image
from chaoswal.disk.profiles import PROFILES, Profile
from chaoswal.disk.volume import Volume
from chaoswal.oracle import History, Observed
from chaoswal.program import CrashStep, operations_of, segments, step_line
from chaoswal.replay import Status, pass_through, replay, simulated
from chaoswal.run import Run, record
from chaoswal.trace import Begin, Change, Create, End, Link, MakeDirectory, Rename, SyncBegin, Truncate, Unlink, Write


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row: an operation, what it changed on the disk, and what became of that."""

    operation: str = ""
    event: str = ""
    fate: str = ""
    site: str = ""


@dataclass(slots=True, kw_only=True)
class Explanation:
    """A finding in words."""

    status: Status
    headline: str
    guilty: str
    lines: list[Line]
    recovered: str
    disk: Image | None
    """The disk as the last crash left it, where a crash it was."""


def explain(finding: Finding) -> Explanation:
    """Play a finding and tell what happens; UsageError where its engine cannot be played."""
    profile = PROFILES[finding.profile]
    status, played = replay(finding.engine, finding.steps, profile)
    fault = played.found.fault if played.found else None
    lines, disk, observed = _tell_all(finding, profile)
    lost = [line for line in lines if line.fate.startswith("LOST")]
    return Explanation(
        status=status,
        headline=f"{fault.kind}: {fault.explanation}" if fault else f"{finding.expect}: not seen any more",
        guilty=lost[-1].site if lost else "",
        lines=lines,
        recovered=_sight(observed),
        disk=disk,
    )


def _tell_all(finding: Finding, profile: Profile) -> tuple[list[Line], Image | None, Observed]:
    factory, traits = simulated(finding.engine)
    operations = operations_of(finding.steps)
    history = History(operations, traits)
    disk, first, lines = Disk(), 0, []
    image = None
    for number, (part, step) in enumerate(segments(finding.steps)):
        run = record(factory, part, disk, first_index=first, generation=number, names=tuple(history.subscribers))
        crash = crash_of(run, step, profile) if step else None
        lines += _tell_run(run, crash, profile, [step_line(operation) for operation in operations])
        if step is None or crash is None or pass_through(run, history, crash.point):
            break
        disk = crashed(run.start, run.events, crash, profile)
        image = disk.view
        lines.append(Line(event=_crash_words(step)))
        first += len(operations_of(part))
    seen = Judge(factory).sight(image.key, lambda: image, tuple(history.subscribers)) if image else None
    return lines, image, seen.observed if seen else Observed()


def _crash_words(step: CrashStep) -> str:
    return f"-- {'power cut' if step.power else 'kill'} --"


def _tell_run(run: Run, crash: Crash | None, profile: Profile, operations: Sequence[str]) -> list[Line]:
    end = crash.point if crash else len(run.events)
    told = tell(run.start, run.events[: end + 1])
    earlier, told = told[: len(run.start.events)], told[len(run.start.events) :]
    fates = _Fates(run, crash, profile)
    lines, operation = _tell_earlier(earlier, fates), "" if told and isinstance(told[0].event, Begin) else "(opening)"
    for place, item in enumerate(told[: end + (1 if crash and crash.taken else 0)]):
        if isinstance(item.event, Begin):
            operation = f"{item.event.op_index + 1} {operations[item.event.op_index]}"
        elif isinstance(item.event, End):
            lines.append(Line(operation=operation, event=f"returned {_short(item.event.result)}"))
            operation = ""
        elif isinstance(item.event, Change | SyncBegin):
            lines.append(
                Line(operation=operation, event=_words(item), fate=fates.of(item, place), site=item.event.site)
            )
            operation = ""
    return lines


def _tell_earlier(earlier: Sequence[Told], fates: "_Fates") -> list[Line]:
    """What this crash took of what a kill before it had left pending."""
    return [
        Line(operation="(earlier)", event=_words(item), fate=fate, site=item.event.site)
        for item in earlier
        if isinstance(item.event, Change) and (fate := fates.of(item, -1)).startswith(("LOST", "TORN"))
    ]


class _Fates:
    """What became of each event at the crash: durable, kept, LOST, torn."""

    def __init__(self, run: Run, crash: Crash | None, profile: Profile) -> None:
        self._crash = crash
        self._lost = set(crash.losses) if crash else set()
        happened = run.events[: crash.point] if crash else run.events
        volume = Volume(run.start.after(happened), profile)
        self._pending = {Loss(event=effect.index, part=effect.part) for effect in volume.pending()}

    def of(self, item: Told, place: int) -> str:
        crash = self._crash
        if isinstance(item.event, SyncBegin) or crash is None:
            return ""
        if place == crash.point:
            return f"cut after {crash.taken} bytes"
        parts = {loss for loss in self._pending if loss.event == item.number}
        lost = parts & self._lost
        if crash.torn and crash.torn.loss in parts:
            return f"TORN after {crash.torn.keep} bytes of {crash.torn.loss.part}"
        if not parts:
            return "durable"
        if not lost:
            return "pending, kept"
        return "LOST" if lost == parts else "LOST: " + ", ".join(sorted(loss.part for loss in lost))


def _words(item: Told) -> str:
    match item.event:
        case Write(offset=offset, data=data):
            return f"write {item.path} [{offset}:{offset + len(data)}]"
        case Truncate(size=size):
            return f"truncate {item.path} to {size}"
        case Rename():
            return f"rename {item.before} -> {item.path}"
        case SyncBegin(data_only=data_only):
            return f"{'fdatasync' if data_only else 'fsync'} {item.path or 'the directory'}"
        case Create() | MakeDirectory() | Link() | Unlink():
            return f"{type(item.event).__name__.lower()} {item.path}"
        case _:
            return str(item.event)


def _sight(observed: Observed) -> str:
    if observed.fault:
        return f"nothing: {observed.fault.explanation}"
    labels = [_label(payload) for payload in observed.records]
    given = [f"{name} is given {[sequence for sequence, _ in got]}" for name, got in observed.deliveries.items()]
    return "; ".join([f"{len(labels)} records: {' '.join(labels) or 'none'}", *given])


def _label(payload: bytes) -> str:
    """``operation.place`` of a record's payload, or its first bytes."""
    head, bar, _ = payload.partition(b"|")
    return head.decode() if bar and head.replace(b".", b"").isdigit() else repr(payload[:8])


def _short(result: str) -> str:
    return result if len(result) <= 40 else result[:39] + "…"
