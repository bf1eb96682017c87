"""The table of a finding: what was asked, what that changed on the disk, and what became of it at the crash."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from chaoswal.anchors import Told, tell, wording
from chaoswal.disk.crashes import Crash, loss_of
from chaoswal.disk.profiles import Profile
from chaoswal.disk.volume import Volume
from chaoswal.guilt import Guilt
from chaoswal.program import CrashStep, Step, operations_of, step_line
from chaoswal.replay import Lived
from chaoswal.run import Run
from chaoswal.trace import Begin, Change, End, SyncBegin, SyncRange

RESULT_CHARACTERS = 40
DURABLE = "durable"
RULE = "-- "
"""How a row begins that is no change to the disk: a crash, or a fault that is armed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row: an operation, what it changed on the disk, and what became of that."""

    operation: str = ""
    event: str = ""
    fate: str = ""
    site: str = ""
    note: str = ""
    """What to look at in it."""

    @property
    def matters(self) -> bool:
        """Whether there is something to look at: it is neither durable nor a sync."""
        return bool(self.note) or self.fate not in ("", DURABLE) or self.event.startswith(RULE)


def crash_line(step: CrashStep) -> Line:
    """The row of a crash."""
    return Line(event=f"{RULE}{'power cut' if step.power else 'kill'} --")


def tell_life(lived: Lived, doing: Sequence[Step], profile: Profile, first: int) -> Iterator[Line]:
    """The rows of one life. ``doing``: its steps; ``first``: the number of its first operation, from 1."""
    run, crash = lived.run, lived.crash
    end = crash.point if crash else len(run.events)
    told = tell(run.start, run.events[: end + 1])
    earlier, told = told[: len(run.start.events)], told[len(run.start.events) :]
    fates = _Fates(run, crash, profile)
    yield from _tell_earlier(earlier, fates)
    asked = _Asked(doing, first)
    operation = "" if told and isinstance(told[0].event, Begin) else "(opening)"
    for place, item in enumerate(told[: end + (1 if crash and crash.taken else 0)]):
        if isinstance(item.event, Begin):
            yield from asked.before(item.event.op_index)
            operation = asked.words(item.event.op_index)
        elif isinstance(item.event, End):
            yield Line(operation=operation, event=f"returned {_short(item.event.result)}")
            operation = ""
        elif isinstance(item.event, Change | SyncBegin | SyncRange):
            fate = fates.of(item, place)
            yield Line(operation=operation, event=wording(item), fate=fate, site=item.event.site)
            operation = ""


def _tell_earlier(earlier: Sequence[Told], fates: "_Fates") -> Iterator[Line]:
    """What this crash took of what a kill before it had left pending."""
    for item in earlier:
        fate = fates.of(item, -1) if isinstance(item.event, Change) else ""
        if isinstance(item.event, Change) and fate.startswith(("LOST", "TORN")):
            yield Line(operation="(earlier)", event=wording(item), fate=fate, site=item.event.site)


class _Asked:
    """The steps of a life by the numbers of its operations."""

    def __init__(self, doing: Sequence[Step], first: int) -> None:
        self._operations: dict[int, str] = {}
        self._before: dict[int, list[Line]] = {}
        index = first - 1
        waiting: list[Line] = []
        for step in doing:
            if operations_of([step]):
                self._operations[index], self._before[index] = f"{index + 1} {step_line(step)}", waiting
                index, waiting = index + 1, []
            else:
                waiting.append(Line(event=f"{RULE}{step_line(step)} --"))

    def words(self, op_index: int) -> str:
        """An operation with its number."""
        return self._operations[op_index]

    def before(self, op_index: int) -> list[Line]:
        """What stands before an operation and is none."""
        return self._before[op_index]


class _Fates:
    """What became of each event at the crash: durable, kept, LOST, torn."""

    def __init__(self, run: Run, crash: Crash | None, profile: Profile) -> None:
        self._crash = crash
        self._lost = set(crash.losses) if crash else set()
        happened = run.events[: crash.point] if crash else run.events
        volume = Volume(run.start.after(happened), profile)
        self._pending = {loss_of(effect) for effect in volume.pending()}

    def of(self, item: Told, place: int) -> str:
        crash = self._crash
        if isinstance(item.event, SyncBegin | SyncRange) or crash is None:
            return ""
        if place == crash.point:
            return f"cut after {crash.taken} bytes"
        parts = {loss for loss in self._pending if loss.event == item.number}
        lost = parts & self._lost
        if crash.torn and crash.torn.loss in parts:
            return f"TORN after {crash.torn.keep} bytes of {crash.torn.loss.part}"
        if not parts:
            return DURABLE
        if not lost:
            return "pending, kept"
        return "LOST" if lost == parts else "LOST: " + ", ".join(sorted(loss.part for loss in lost))


def _short(result: str) -> str:
    return result if len(result) <= RESULT_CHARACTERS else result[: RESULT_CHARACTERS - 1] + "…"


def pointed(lines: Sequence[Line], guilt: Guilt | None) -> list[Line]:
    """The rows with a note at the guilty one, and at others of which something was lost."""
    places = [place for place, line in enumerate(lines) if guilt and line.site == guilt.site]
    hit = [place for place in places if _harmed(lines[place])] if guilt and guilt.sync else places[-1:]
    noted = []
    for place, line in enumerate(lines):
        note = f"<- {line.site}" if _harmed(line) else ""
        if guilt and place in hit[:1]:
            note = f"<- {_missing(guilt)}: {line.site}"
        noted.append(replace(line, note=note))
    return noted


def _harmed(line: Line) -> bool:
    return line.fate.startswith(("LOST", "TORN"))


def _missing(guilt: Guilt) -> str:
    return guilt.words.partition(" after ")[0] + " after" if guilt.sync else "look here"
