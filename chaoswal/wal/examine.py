"""Examining a log without opening it: every file and checksum, and what recovery would do; nothing is changed.

A writer may be at work meanwhile. Then what is seen can be of several moments and look like damage; so a survey that
finds something wrong is made again, and believed when it finds the same thing twice running.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from chaoswal.vfs.protocol import Vfs
from chaoswal.wal.errors import CorruptLog
from chaoswal.wal.files import LOCK_NAME, MANIFEST_NAME, cursor_name, segment_name, wal_name
from chaoswal.wal.frames import Codec
from chaoswal.wal.recovery import REFUSE, REPORT, UNLINK, Action, plan
from chaoswal.wal.segment import Segment
from chaoswal.wal.survey import Survey, Surveyor, Tail

SURVEYS_MAX = 20
PAUSE_SECONDS = 0.01

Wrong = tuple[str, str, int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """What one file is, and how it is: "good", "damaged", "missing", "torn tail" or "left over"."""

    name: str
    kind: str
    state: str
    size_bytes: int = 0
    first: int | None = None
    end: int | None = None
    frames: int | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """A log: its files, what its manifest says, and what recovery would do about each."""

    start: int
    end: int
    names: tuple[str, ...]
    owner: str
    """What the lock's file says of the last writer; it may be gone."""
    files: tuple[FileReport, ...]
    actions: tuple[Action, ...]

    @property
    def damaged(self) -> bool:
        """Whether any byte that was durable is damaged or missing, as far as can be known."""
        return any(file.state in ("damaged", "missing") for file in self.files) or any(
            action.verb in (REFUSE, REPORT) for action in self.actions
        )


def steady_survey(vfs: Vfs, pause: Callable[[float], None]) -> tuple[Survey, list[Action]]:
    """A survey that no writer has spoilt, and what recovery would do. ForeignFile, OSError, MissingPackage."""
    surveyor = Surveyor(vfs, Codec())
    before: list[Wrong] | None = None
    for _ in range(SURVEYS_MAX - 1):
        try:
            survey = surveyor.survey(vfs.list())
            actions = plan(survey)
        except FileNotFoundError:
            before = None  # it went between the listing and the opening
        else:
            found = wrong(actions)
            if not found or found == before:
                return survey, actions
            before = found
        pause(PAUSE_SECONDS)
    survey = surveyor.survey(vfs.list())
    return survey, plan(survey)


def wrong(actions: list[Action]) -> list[Wrong]:
    """What is not as it should be, comparable."""
    bad = [action for action in actions if action.verb in (REFUSE, REPORT)]
    return [
        (action.label, action.name, action.error.offset if action.error else 0, str(action.error)) for action in bad
    ]


def examine(vfs: Vfs, pause: Callable[[float], None]) -> Examined:
    """Read every file of a log and verify every checksum; ``pause(seconds)`` is called where a writer is in the way."""
    survey, actions = steady_survey(vfs, pause)
    sizes = {name: _size(vfs, name) for name in vfs.list()}
    files = [
        *_manifest(survey),
        *(_segment(vfs, segment) for segment in survey.segments),
        *(_damaged(segment_name(first), "segment", error) for first, error in survey.segment_errors.items()),
        *_wals(survey),
        *_cursors(survey),
        *(_left_over(action.name) for action in actions if action.verb == UNLINK and not action.name.endswith(".wal")),
    ]
    end = survey.tail.next if survey.tail is not None else survey.end
    return Examined(
        start=survey.start,
        end=end,
        names=survey.manifest.names if survey.manifest is not None else (),
        owner=_owner(vfs) if LOCK_NAME in sizes else "",
        files=tuple(replace(file, size_bytes=sizes.get(file.name, 0)) for file in files if file is not None),
        actions=tuple(actions),
    )


def _size(vfs: Vfs, name: str) -> int:
    try:
        file = vfs.open(name)
    except FileNotFoundError:
        return 0
    try:
        return file.size()
    finally:
        file.close()


def _owner(vfs: Vfs) -> str:
    file = vfs.open(LOCK_NAME)
    try:
        return file.read(0, 200).decode(errors="replace")
    finally:
        file.close()


def _damaged(name: str, kind: str, error: CorruptLog) -> FileReport:
    return FileReport(name=name, kind=kind, state="damaged", detail=f"byte {error.offset}: {error.reason}")


def _left_over(name: str) -> FileReport:
    return FileReport(name=name, kind="left over", state="left over", detail="the next opening deletes it")


def _manifest(survey: Survey) -> list[FileReport]:
    if survey.manifest_error is not None:
        return [_damaged(MANIFEST_NAME, "manifest", survey.manifest_error)]
    if survey.manifest is None:
        return []
    return [FileReport(name=MANIFEST_NAME, kind="manifest", state="good", first=survey.start)]


def _segment(vfs: Vfs, segment: Segment) -> FileReport | None:
    state, detail = "good", ""
    try:
        segment.verify(vfs, Codec())
    except CorruptLog as error:
        lost = f"; records {error.first} to {error.last}" if error.last >= error.first else ""
        state, detail = "damaged", f"byte {error.offset}: {error.reason}{lost}"
    except FileNotFoundError:
        return None  # a writer has cleaned it up meanwhile
    return FileReport(
        name=segment.name,
        kind="segment",
        state=state,
        first=segment.first,
        end=segment.end,
        frames=segment.count,
        detail=detail,
    )


def _wals(survey: Survey) -> list[FileReport]:
    active = survey.tail.first if survey.tail is not None else None
    old = [_left_over(wal_name(first)) for first in survey.wals if first != active]
    return old if survey.tail is None else [*old, _tail(survey.tail)]


def _tail(tail: Tail) -> FileReport:
    state, detail = "good", ""
    if tail.error is not None:
        state, detail = "damaged", f"byte {tail.error.offset}: {tail.error.reason}"
    elif not tail.blank:  # zeros are room for what is to come
        state, detail = "torn tail", f"the last {tail.window.size - tail.end} bytes are no record"
    return FileReport(
        name=wal_name(tail.first),
        kind="WAL",
        state=state,
        first=tail.first,
        end=tail.next,
        frames=tail.count,
        detail=detail,
    )


def _cursors(survey: Survey) -> list[FileReport]:
    reports = [
        FileReport(
            name=cursor_name(name),
            kind="cursor",
            state="good",
            first=cursor.position,
            end=cursor.reach,
            detail=f"{len(cursor.acked)} beyond" if cursor.acked else "",
        )
        for name, cursor in survey.cursors.items()
    ]
    reports += [_damaged(cursor_name(name), "cursor", error) for name, error in survey.cursor_errors.items()]
    reports += [FileReport(name=cursor_name(name), kind="cursor", state="missing") for name in survey.lost]
    return reports
