"""Recovery: from what a crash left to a log that serves durable records only, by a decision table.

Theory of operation
-------------------
A session never appends to a WAL that holds anything from an earlier session. What the old WAL holds that is good is
copied into a segment (``finalize.py``), and a new WAL is made. That cuts the torn tail, and makes durable all that will
be served: written and synced afresh, not merely synced again, which proves nothing after a sync that failed.

Recovery looks (``survey.py``), plans, and acts. Planning is a pure function from the survey to a list of actions, so
that a doctor can print what would be done. Every file, and the log as a whole, match exactly one labelled row of the
tables below. If any row refuses, nothing is changed at all. The order of the actions:

  1. T  Unfinished births are removed (a new birth takes the same temporary name).
  2. L  A log that is not there yet is made: WAL, then manifest. A WAL that is missing after a crash is made.
  3. W  The WAL behind the last segment is gone on with, replaced, or finalized.
  4. W, S, C  What is superseded or left over is unlinked.

Each step leaves a directory that the tables lead to the same end. Before anything is read the directory is synced: the
names seen after a kill may still be pending, and step 4 relies on them. Unlinking needs no sync: a segment below the
manifest's start, a WAL that has a segment, and the progress of a name not listed are never read, so that it does not
matter how often they come back after a crash.

What cannot be told apart: rot in the last synced frames of the WAL looks like a torn tail (``frames.py``), unless a
subscriber has acknowledged one of them; that is row C5.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from chaoswal.vfs.protocol import Vfs
from chaoswal.wal.cursor import Cursor
from chaoswal.wal.errors import CorruptLog
from chaoswal.wal.files import MANIFEST_NAME, TEMPORARY, cursor_name, segment_name, wal_name
from chaoswal.wal.finalize import Finalizer
from chaoswal.wal.manifest import Manifest, ManifestBirth
from chaoswal.wal.segment import Segment
from chaoswal.wal.survey import DAMAGED, EMPTY, FRAMES, TORN, Survey, Surveyor, Tail
from chaoswal.wal.walfile import WalBirth, WalFile

KEEP, UNLINK, REFUSE, REPORT = "keep", "unlink", "refuse", "report when used"
MAKE_WAL, MAKE_MANIFEST, MAKE_LOG = "make a WAL", "make the manifest", "make a log"
REUSE, REPLACE, FINALIZE = "go on with it", "replace it", "finalize it"

Place = Literal["at", "gap", "overlap"]
"""Where a file begins: at the end of the segments before it, or beyond that, or before it."""


@dataclass(slots=True)
class SegmentFacts:
    """``below``: it begins below the manifest's start."""

    below: bool
    readable: bool
    place: Place


@dataclass(slots=True)
class WalFacts:
    """``superseded``: there is a segment that begins with the same record. ``content`` is "unread" unless at "at"."""

    below: bool
    superseded: bool
    place: Place
    content: str


@dataclass(slots=True)
class CursorFacts:
    """``listed`` in the manifest; by what it says, "ahead" of the log's end or "behind" its start, or there
    but "passed" by it, when segments were dropped.
    """

    listed: bool
    file: Literal["good", "damaged", "missing", "ahead", "behind", "passed", "unread"]


@dataclass(slots=True)
class LogFacts:
    """``active``: there is a WAL behind the segments. ``last_wal``: that of the last segment is still there.
    ``others``: besides the manifest there is "none", or "newborn" (an empty WAL 0), or "more".
    """

    manifest: Literal["good", "missing", "damaged"]
    active: bool
    last_wal: bool
    others: Literal["none", "newborn", "more"]


Facts = TypeVar("Facts")


@dataclass(frozen=True, slots=True)
class Row(Generic[Facts]):
    """One row of a table: when the facts are such, do that."""

    label: str
    when: Callable[[Facts], bool]
    verb: str


SEGMENT_ROWS: tuple[Row[SegmentFacts], ...] = (
    Row("S1 continues the run", lambda f: not f.below and f.readable and f.place == "at", KEEP),
    Row("S2 begins below the start: cleanup did not finish", lambda f: f.below, UNLINK),
    Row("S3 damaged at its end", lambda f: not f.below and not f.readable, REFUSE),
    Row("S4 a segment before it is missing", lambda f: not f.below and f.readable and f.place == "gap", REFUSE),
    Row("S5 overlaps the one before it", lambda f: not f.below and f.readable and f.place == "overlap", REFUSE),
)

WAL_ROWS: tuple[Row[WalFacts], ...] = (
    Row("W1 nothing in it, or zeros", lambda f: not f.below and not f.superseded and f.content == EMPTY, REUSE),
    Row(
        "W2 holds records of an earlier session",
        lambda f: not f.below and not f.superseded and f.content == FRAMES,
        FINALIZE,
    ),
    Row("W3 its segment is there", lambda f: not f.below and f.superseded, UNLINK),
    Row("W4 begins below the start: cleanup did not finish", lambda f: f.below, UNLINK),
    Row("W5 a torn tail and nothing else", lambda f: not f.below and not f.superseded and f.content == TORN, REPLACE),
    Row(
        "W6 damaged before durable records", lambda f: not f.below and not f.superseded and f.content == DAMAGED, REFUSE
    ),
    Row("W7 a segment before it is missing", lambda f: not f.below and not f.superseded and f.place == "gap", REFUSE),
    Row("W8 overlaps the segments", lambda f: not f.below and not f.superseded and f.place == "overlap", REFUSE),
)

CURSOR_ROWS: tuple[Row[CursorFacts], ...] = (
    Row("C1 good", lambda f: f.listed and f.file == "good", KEEP),
    Row("C2 not listed: registration or its undoing did not finish", lambda f: not f.listed, UNLINK),
    Row("C3 damaged", lambda f: f.listed and f.file == "damaged", REPORT),
    Row("C4 missing", lambda f: f.listed and f.file == "missing", REPORT),
    Row("C5 acknowledged what the log does not hold", lambda f: f.listed and f.file == "ahead", REFUSE),
    Row("C6 is owed what was cleaned up", lambda f: f.listed and f.file == "behind", REPORT),
    Row("C7 is owed what was dropped, and skips it", lambda f: f.listed and f.file == "passed", KEEP),
)

LOG_ROWS: tuple[Row[LogFacts], ...] = (
    Row("L1 complete", lambda f: f.manifest == "good" and f.active, KEEP),
    Row(
        "L2 crashed between segment and new WAL",
        lambda f: f.manifest == "good" and not f.active and f.last_wal,
        MAKE_WAL,
    ),
    Row("L3 the WAL is missing", lambda f: f.manifest == "good" and not f.active and not f.last_wal, REFUSE),
    Row("L4 nothing there yet", lambda f: f.manifest == "missing" and f.others == "none", MAKE_LOG),
    Row("L5 crashed at its making", lambda f: f.manifest == "missing" and f.others == "newborn", MAKE_MANIFEST),
    Row("L6 the manifest is missing", lambda f: f.manifest == "missing" and f.others == "more", REFUSE),
    Row("L7 the manifest is damaged", lambda f: f.manifest == "damaged", REFUSE),
)


def match(rows: Sequence[Row[Facts]], facts: Facts) -> Row[Facts]:
    """The row for the facts."""
    for row in rows:
        if row.when(facts):
            return row
    raise AssertionError(f"no row for {facts}")


@dataclass(slots=True)
class Action:
    """Something to do, or to refuse with ``error``, about the file ``name``, and the row that says so."""

    label: str
    verb: str
    name: str
    error: CorruptLog | None = None


def plan(survey: Survey) -> list[Action]:
    """What recovery will do about a directory, in order. A pure function."""
    log, segments = _plan_log(survey), _plan_segments(survey)
    wals = [_plan_wal(survey, first) for first in survey.wals]
    actions = [Action("T1 an unfinished birth", UNLINK, name) for name in survey.temporaries]
    # Where several rows refuse, the first one is raised: let it be the one that the others follow from.
    actions += [log, *segments] if survey.manifest is None else [*segments, log]
    actions += [action for action in wals if action.verb != UNLINK]
    actions += [action for action in wals if action.verb == UNLINK]
    actions += [_plan_leftover(first) for first in survey.leftovers]
    actions += _plan_cursors(survey)
    return actions


def _plan_segments(survey: Survey) -> list[Action]:
    readable = {segment.first: segment for segment in survey.segments}
    end: int | None = survey.start
    actions = []
    for first in sorted([*readable, *survey.segment_errors]) if survey.segment_errors else readable:
        name = segment_name(first)
        place, error = _place(name, first, first if end is None else end)
        if first in readable:
            end = readable[first].end
        else:
            end, error = None, survey.segment_errors[first]
        row = match(SEGMENT_ROWS, SegmentFacts(below=False, readable=end is not None, place=place))
        actions.append(Action(row.label, row.verb, name, error))
    return actions


def _plan_leftover(first: int) -> Action:
    row = match(SEGMENT_ROWS, SegmentFacts(below=True, readable=False, place="overlap"))
    return Action(row.label, row.verb, segment_name(first))


def _plan_wal(survey: Survey, first: int) -> Action:
    name = wal_name(first)
    tail = survey.tail
    place, error = _place(name, first, survey.end)
    content = "unread"
    if tail is not None and tail.first == first:
        content, error = tail.content, tail.error
    superseded = any(segment.first == first for segment in survey.segments)
    row = match(WAL_ROWS, WalFacts(first < survey.start, superseded, place, content))
    return Action(row.label, row.verb, name, error)


def _place(name: str, first: int, end: int) -> tuple[Place, CorruptLog | None]:
    if first == end:
        return "at", None
    if first > end:
        return "gap", CorruptLog(name, 0, end, first - 1, "what stood before this file is missing")
    return "overlap", CorruptLog(name, 0, first, end - 1, "this file and the one before it hold the same records")


def _plan_cursors(survey: Survey) -> list[Action]:
    end = survey.end if survey.tail is None else survey.tail.next
    actions = []
    for name, cursor in survey.cursors.items():
        facts, error = _judge_cursor(name, cursor, survey, end)
        row = match(CURSOR_ROWS, facts)
        actions.append(Action(row.label, row.verb, cursor_name(name), error))
    for name, damage in survey.cursor_errors.items():
        row = match(CURSOR_ROWS, CursorFacts(listed=True, file="damaged"))
        actions.append(Action(row.label, row.verb, cursor_name(name), damage))
    for name in survey.lost:
        row = match(CURSOR_ROWS, CursorFacts(listed=True, file="missing"))
        missing = CorruptLog(cursor_name(name), 0, 0, -1, f"the progress of subscriber {name!r} is missing")
        actions.append(Action(row.label, row.verb, cursor_name(name), missing))
    for name in survey.unlisted:
        row = match(CURSOR_ROWS, CursorFacts(listed=False, file="unread"))
        actions.append(Action(row.label, row.verb, cursor_name(name)))
    return actions


def _judge_cursor(name: str, cursor: Cursor, survey: Survey, end: int) -> tuple[CursorFacts, CorruptLog | None]:
    start = survey.start
    if cursor.reach > end:
        reason = f"subscriber {name!r} has acknowledged records that are missing"
        return CursorFacts(listed=True, file="ahead"), CorruptLog(wal_name(end), 0, end, cursor.reach - 1, reason)
    if cursor.position < start:
        if survey.manifest is not None and survey.manifest.dropped == start:
            return CursorFacts(listed=True, file="passed"), None
        reason = f"subscriber {name!r} has not had records that were cleaned up"
        return CursorFacts(listed=True, file="behind"), CorruptLog(
            cursor_name(name), 0, cursor.position, start - 1, reason
        )
    return CursorFacts(listed=True, file="good"), None


def _plan_log(survey: Survey) -> Action:
    facts = _log_facts(survey)
    row = match(LOG_ROWS, facts)
    if row.verb == MAKE_WAL:
        return Action(row.label, row.verb, wal_name(survey.end))
    if row.verb != REFUSE:
        return Action(row.label, row.verb, MANIFEST_NAME)
    error = survey.manifest_error
    if facts.manifest == "good":
        error = CorruptLog(wal_name(survey.end), 0, survey.end, survey.end - 1, "the WAL is missing")
    elif facts.manifest == "missing":
        error = CorruptLog(MANIFEST_NAME, 0, 0, -1, "the manifest is missing")
    return Action(row.label, row.verb, MANIFEST_NAME, error)


def _log_facts(survey: Survey) -> LogFacts:
    manifest: Literal["good", "missing", "damaged"] = "good"
    if survey.manifest is None:
        manifest = "missing" if survey.manifest_error is None else "damaged"
    segments, tail = survey.segments, survey.tail
    last_wal = bool(segments) and segments[-1].first in survey.wals
    others: Literal["none", "newborn", "more"] = "none"
    if segments or survey.leftovers or survey.segment_errors or survey.unlisted or survey.cursors:
        others = "more"
    elif survey.wals:
        newborn = len(survey.wals) == 1 and tail is not None and tail.first == 0 and tail.content == EMPTY
        others = "newborn" if newborn else "more"
    return LogFacts(manifest, tail is not None, last_wal, others)


@dataclass(slots=True)
class Recovered:
    """What a log begins with. ``errors`` are by file name, to be raised when that file is asked for; ``made``: how
    many of the segments are new.
    """

    manifest: Manifest
    segments: list[Segment]
    wal: WalFile
    cursors: dict[str, Cursor]
    errors: dict[str, CorruptLog]
    undeleted: list[str]
    """What is superseded or left over, and could not be deleted: it is tried again later."""
    made: int = 0


class Recovery:
    """Looks, plans and acts."""

    def __init__(
        self, vfs: Vfs, surveyor: Surveyor, finalizer: Finalizer, wal_birth: WalBirth, manifest_birth: ManifestBirth
    ) -> None:
        self._vfs = vfs
        self._surveyor = surveyor
        self._finalizer = finalizer
        self._wal_birth = wal_birth
        self._manifest_birth = manifest_birth

    def run(self) -> Recovered:
        """Recover the directory; CorruptLog, and nothing changed, if a row refuses."""
        self.sync_names()
        survey = self.look()
        actions = self.plan(survey)
        self.refuse(actions)
        return self.act(survey, actions)

    def look(self) -> Survey:
        """See what is there."""
        return self._surveyor.survey(self._vfs.list())

    def plan(self, survey: Survey) -> list[Action]:
        """Decide what to do about it."""
        return plan(survey)

    def refuse(self, actions: Sequence[Action]) -> None:
        """Raise what the plan refuses to go on with."""
        for action in actions:
            if action.verb == REFUSE and action.error is not None:
                raise action.error

    def act(self, survey: Survey, actions: Sequence[Action]) -> Recovered:
        """Carry a plan out."""
        wal: WalFile | None = None
        errors: dict[str, CorruptLog] = {}
        before = len(survey.segments)
        undeleted: list[str] = []
        try:
            for action in actions:
                verb = action.verb
                if verb == UNLINK:
                    self.remove(action.name, undeleted)
                elif verb in {MAKE_WAL, MAKE_LOG}:
                    wal = self.make_wal(survey.end)
                elif verb in {REUSE, REPLACE, FINALIZE} and survey.tail is not None:
                    wal = self.settle_tail(verb, survey.tail, survey.segments)
                elif verb == REPORT and action.error is not None:
                    errors[action.name] = action.error
            manifest = survey.manifest if survey.manifest is not None else self.make_manifest()
        except BaseException:
            if wal is not None:
                wal.close()
            raise
        assert wal is not None
        made = len(survey.segments) - before
        return Recovered(manifest, survey.segments, wal, survey.cursors, errors, undeleted, made)

    def settle_tail(self, verb: str, tail: Tail, segments: list[Segment]) -> WalFile:
        """Go on from the WAL of the last session; a segment that this makes is added to ``segments``."""
        if verb == REUSE:
            return self.reuse(tail)
        if verb == REPLACE:
            return self.make_wal(tail.first)
        segment, wal = self._finalizer.finalize(tail)
        segments.append(segment)
        return wal

    def reuse(self, tail: Tail) -> WalFile:
        """Go on with a WAL that holds nothing."""
        return self._wal_birth.adopt(tail.first, tail.seed)

    def make_wal(self, first: int) -> WalFile:
        """A new WAL, durable; it takes the place of one of the same name."""
        return self._wal_birth.make(first)

    def make_manifest(self) -> Manifest:
        """The manifest of a new log, durable."""
        manifest = Manifest()
        self._manifest_birth.publish(self._manifest_birth.draft(manifest))
        return manifest

    def remove(self, name: str, undeleted: list[str]) -> None:
        """Remove what is left over. Only an unfinished birth is in the way; others go when they can."""
        try:
            self.unlink(name)
        except OSError:
            if name.endswith(TEMPORARY):
                raise
            if not name.endswith(".cur"):  # a subscriber of that name may be registered before it is tried again
                undeleted.append(name)

    def unlink(self, name: str) -> None:
        """Remove a file."""
        self._vfs.unlink(name)

    def sync_names(self) -> None:
        """Make the names durable that a kill may have left pending."""
        self._vfs.sync_directory()
