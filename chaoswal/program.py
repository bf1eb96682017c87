"""Programs: operations with crashes between them, as text that is anchored by meaning.

A crash is a step of its own, on the line after the operations that began before it::

    power-cut in operation 3 after rename of segment-#.seg nth 1 lose rename of segment-#.seg nth 1
    kill in operation 2 inside write of wal-#.wal nth 1 at 4096
    power-cut in opening after end lose all but write of wal-#.wal nth 2 sector 0
    power-cut in operation 4 after write of log nth 1 tear write of log nth 3 sector 0 at 17 with garbage

Operations count from 1 through the whole program; ``opening`` is the recovery after the crash before (or the
creation). An event goes by the word of its type, the role of its file (its path, with each run of digits written #)
and its number among such events: in the operation for the point of the crash, on the whole disk for what is lost.
``end`` is the return of the operation or the end of the opening, ``start`` its beginning. One more write in the
engine does not move an anchor.

Damage at rest (``disk/rot.py``) stands between a crash and what is done after it. Faults (``disk/faults.py``) strike
from where they stand, those in front of all operations of a life in its opening too::

    power-cut in operation 3 after end
    flip bit 3 at 17 of wal-#.wal nth 1
    fail EIO on read of wal-*.wal nth 1 once
    append 10

An opening with options of its own says so before its operations; they hold until the next such line. Behind the last
crash it tells how whoever looks then opens the engine::

    open sync=explicit wal_bytes=700
"""

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from chaoswal import text
from chaoswal.disk.faults import Fault
from chaoswal.disk.rot import WORDS, Damage
from chaoswal.errors import UsageError
from chaoswal.ops import OPERATIONS, Operation

START, END = "start", "end"
"""The two anchors that are no change: the operation was asked for, and it returned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """An event by its meaning: kind, role of the file, and number among its like."""

    call: str
    role: str = ""
    nth: int = 1

    def __str__(self) -> str:
        return self.call if self.call in (START, END) else f"{self.call} of {self.role} nth {self.nth}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchoredLoss:
    """What a crash lost (or kept, or tore) of one event; without a part, all of it."""

    anchor: Anchor
    part: str = ""

    def __str__(self) -> str:
        return f"{self.anchor} {self.part}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashStep:
    """A crash as a step of a program."""

    power: bool
    operation: int
    """Counted from 1; 0 is the opening."""
    after: Anchor
    taken: int = 0
    """Of a kill inside a write: the bytes that went through."""
    all_but: bool = False
    """Whether ``losses`` names what was kept instead of what was lost."""
    losses: tuple[AnchoredLoss, ...] = ()
    torn: AnchoredLoss | None = None
    keep: int = 0
    garbage: bool = False

    def __str__(self) -> str:
        where = f"in operation {self.operation}" if self.operation else "in opening"
        words = ["power-cut" if self.power else "kill", where, "inside" if self.taken else "after", str(self.after)]
        if self.taken:
            words.append(f"at {self.taken}")
        named = ", ".join(map(str, self.losses))
        if self.all_but:
            words.append(f"lose all but {named}" if named else "lose all")
        elif named:
            words.append(f"lose {named}")
        if self.torn:
            words.append(f"tear {self.torn} at {self.keep}" + (" with garbage" if self.garbage else ""))
        return " ".join(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """From the next opening on the engine has these options, besides those it has in the whole program."""

    options: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return shlex.join(["open", *(f"{key}={value}" for key, value in self.options)])


NO_OPTIONS = Opening()
"""As the program's engine is, and nothing besides."""

Doing: TypeAlias = Operation | Fault
"""What is done or befalls in a life. A fault arms itself where it stands, until the next crash."""

Step: TypeAlias = Doing | CrashStep | Damage | Opening

_EVENT = r"(?:start|end|[a-z-]+ of \S+ nth \d+)"
_CRASH = re.compile(
    rf"(?P<kind>power-cut|kill) in (?:operation (?P<operation>\d+)|opening) (?P<when>after|inside) (?P<after>{_EVENT})"
    r"(?: at (?P<taken>\d+))?(?: lose (?P<all>all)(?: but (?P<kept>.+?))?| lose (?P<lost>.+?))?"
    r"(?: tear (?P<torn>.+?) at (?P<keep>\d+)(?P<garbage> with garbage)?)?"
)
_LOSS = re.compile(
    r"(?P<call>[a-z-]+) of (?P<role>\S+) nth (?P<nth>\d+)"
    r"(?: (?P<part>sector \d+|size(?: \d+)?|(?:old |replaced )?name))?"
)


def parse_step(line: str) -> Step:
    """One line of a program; UsageError says what is wrong with it."""
    if line.startswith(("power-cut ", "kill ")):
        return _parse_crash(line)
    if line.startswith(("fail ", "short ", "lie ")):
        return Fault.parse(line)
    if line.startswith(WORDS):
        return Damage.parse(line)
    if line.split(" ", 1)[0] == "open":
        return _parse_opening(line)
    return text.parse(line, OPERATIONS)


def _parse_opening(line: str) -> Opening:
    try:
        pairs = [word.partition("=") for word in shlex.split(line)[1:]]
    except ValueError as error:
        raise UsageError(f"cannot read the opening {line!r}: {error}") from error
    if not all(key and equals for key, equals, _ in pairs):
        raise UsageError(f"cannot read the opening {line!r}: expected e.g. 'open sync=explicit wal_bytes=700'")
    return Opening(options=tuple((key, value) for key, _, value in pairs))


def _parse_crash(line: str) -> CrashStep:
    match = _CRASH.fullmatch(line)
    if not match or not _makes_sense(match):
        raise UsageError(f"cannot read the crash {line!r}: expected e.g. 'power-cut in operation 2 after end lose all'")
    named = match["kept"] or match["lost"] or ""
    return CrashStep(
        power=match["kind"] == "power-cut",
        operation=int(match["operation"] or 0),
        after=_parse_anchor(match["after"]),
        taken=int(match["taken"] or 0),
        all_but=bool(match["all"]),
        losses=tuple(_parse_loss(word) for word in named.split(", ") if word),
        torn=_parse_loss(match["torn"]) if match["torn"] else None,
        keep=int(match["keep"] or 0),
        garbage=bool(match["garbage"]),
    )


def _makes_sense(match: re.Match[str]) -> bool:
    """A kill loses nothing; only a kill strikes inside a write, some bytes of which went through."""
    if match["when"] == "inside":
        return match["kind"] == "kill" and match["after"].startswith("write of ") and int(match["taken"] or 0) > 0
    loses = match["all"] or match["lost"] or match["torn"]
    return match["taken"] is None and not (loses and match["kind"] == "kill")


def _parse_anchor(word: str) -> Anchor:
    return Anchor(call=word) if word in (START, END) else _parse_loss(word).anchor


def _parse_loss(word: str) -> AnchoredLoss:
    match = _LOSS.fullmatch(word)
    if not match:
        raise UsageError(f"cannot read {word!r}: expected e.g. 'write of wal-#.wal nth 2 sector 0'")
    anchor = Anchor(call=match["call"], role=match["role"], nth=int(match["nth"]))
    return AnchoredLoss(anchor=anchor, part=match["part"] or "")


def step_line(step: Step) -> str:
    """The text form of a step, on one line."""
    return str(step) if isinstance(step, CrashStep | Fault | Damage | Opening) else text.line(step)


def operations_of(steps: Iterable[Step]) -> list[Operation]:
    """The operations of a program, in order."""
    return [step for step in steps if not isinstance(step, CrashStep | Fault | Damage | Opening)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """A program from one opening to the next crash, if any: the damage before it, its options, and what is done."""

    opening: Opening = NO_OPTIONS
    damages: tuple[Damage, ...] = ()
    steps: tuple[Doing, ...] = ()
    crash: CrashStep | None = None


def lives(steps: Sequence[Step]) -> list[Life]:
    """The program cut at its crashes; UsageError where damage stands elsewhere than directly behind a crash."""
    found: list[Life] = []
    opening = coming = NO_OPTIONS
    damages: list[Damage] = []
    doing: list[Doing] = []
    for step in steps:
        if isinstance(step, CrashStep):
            found.append(Life(opening=opening, damages=tuple(damages), steps=tuple(doing), crash=step))
            opening, damages, doing = coming, [], []
        elif isinstance(step, Opening):
            coming, opening = step, opening if doing else step
        elif not isinstance(step, Damage):
            doing.append(step)
        elif doing or not found:
            raise UsageError(f"{step}: damage at rest must stand directly behind a crash")
        else:
            damages.append(step)
    if damages or doing or not found:
        found.append(Life(opening=opening, damages=tuple(damages), steps=tuple(doing)))
    return found


def last_opening(steps: Iterable[Step]) -> Opening:
    """The options with which whoever looks at the end opens the engine."""
    openings = [step for step in steps if isinstance(step, Opening)]
    return openings[-1] if openings else NO_OPTIONS


def without_last_crashes(steps: Sequence[Step]) -> list[Step]:
    """The program up to what was done before the crashes at its end."""
    body = list(steps)
    while body and isinstance(body[-1], CrashStep):
        body.pop()
    return body
