"""Notices: what a running campaign tells whoever reports it; plain values, complete in themselves.

A reporter is given one after the other and needs nothing else: no engine, no disk, no seed to draw from.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from chaoswal.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A campaign has begun."""

    engine: str
    seed: int
    profile: str
    faults: tuple[str, ...]
    workers: int
    directory: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far it has come."""

    seconds: float
    cycles: int
    acks: int
    """Operations that returned with a promise."""
    judged: int
    """Recoveries compared with the model."""
    distinct: int
    """Of these, how many differed in what was shown or in what was allowed."""
    directories: int
    partial: int
    """Kills inside a write that left a part of it."""
    together: int = 0
    """How often several operations were done at once and all came to their end."""
    kills: dict[tuple[str, str], int] = field(default_factory=dict)
    """(place, what followed the kill) to how many."""
    aimed: int = 0
    """Calls that were aimed at, each by a process of its own."""
    struck: int = 0
    """Of these, how many were struck, as the trace of that process shows."""
    options: dict[tuple[str, str], int] = field(default_factory=dict)
    """(option, text) to how many openings it was drawn for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explored:
    """How far an exploration has come."""

    seconds: float
    programs: int
    judged: int
    """Pairs of image and allowed history, each recovered, recovered again, and compared."""
    nested: int
    """The same of crashes inside a recovery."""
    distinct: int
    """Different images among the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One violation."""

    id: str
    kind: str
    explanation: str
    profile: str
    """The strongest it was seen under."""
    site: str
    """The guilty call, as ``path.py:LINE``; empty where none is known."""
    function: str = ""
    """The function it is in, as ``Class.function``."""
    between: str = ""
    """The two calls between which a process was killed, each with its line, where that is known."""
    guilt: str = ""
    """What is missing behind it, or that no sync is."""
    operations: tuple[str, ...]
    """The program of the directory it was found in, one line each, crashes among them."""
    deviations: tuple[str, ...]
    """What the last crash lost, one line each."""
    cut: bool = False
    """Whether shrinking it was ended before nothing could go any more."""
    profiles: tuple[str, ...] = ()
    """All it was seen under, where they were tried."""
    severity: str = "error"
    """``error``; or ``warning``: only ``posix`` allows it, or nothing had been promised yet."""
    fingerprint: str = ""
    """What findings of one cause have in common."""
    seed: int = 0
    worker: int = 0
    cycle: int = 0
    stderr: str = ""
    file: str = ""
    """The corpus file; empty where there is none."""
    kept: str = ""
    """The directory as it is, and, in ``before``, as the last recovery found it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A campaign has ended."""

    verdict: Verdict
    reasons: tuple[str, ...]
    engine: str
    seed: int
    exhaustive: str
    """What was covered, in words and numbers."""
    command: str
    """What runs it again."""
    findings: tuple[Found, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KillLoopFinished(Finished):
    """A kill loop has ended."""

    progress: Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class ExploreFinished(Finished):
    """An exploration has ended."""

    progress: Explored
    recovery_lines: tuple[int, int] = (0, 0)
    """How many lines of the engine's recovery have run, of how many, as far as openings were watched."""
    unreached: tuple[str, ...] = ()
    """Decisions recovery never came to, and lines it never ran."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """How far a corpus has been replayed."""

    done: int
    of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage of the gate, done."""

    name: str
    seconds: float
    judged: str
    """How much was judged, in words."""
    findings: int
    verdict: Verdict
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GateFinished(Finished):
    """The last words of the gate."""

    seconds: float
    stages: tuple[Stage, ...]
    known: dict[str, str]
    """Why what is known is borne with, by fingerprint."""
    fixed: tuple[str, ...] = ()
    """The fingerprints of the baseline that nothing was found for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunted:
    """What came of the hunt for one planted bug."""

    bug: str
    seed: int
    group: str
    """The part of the zoo it is from."""
    seconds: float
    """Until the violation was seen; what shrinking took is not counted."""
    states: int
    programs: int
    found: Found | None = None
    kind_right: bool = False
    site_right: bool | None = None
    """Whether the right line is blamed; None where the zoo names none."""
    program: str = ""
    """The content of its corpus file; empty where there is none."""

    @property
    def operations(self) -> int:
        """How many are left after shrinking."""
        return len(self.found.operations) if self.found else 0

    @property
    def deviations(self) -> int:
        """How many pieces its crashes lose, cut or tear."""
        return sum(map(_pieces, self.found.deviations)) if self.found else 0


def _pieces(crash: str) -> int:
    return crash.count(", ") + 1 if " lose " in crash or " tear " in crash or " inside " in crash else 0


Notice: TypeAlias = Started | Progress | Explored | Found | Finished | Hunted | Replayed | Stage
Listener: TypeAlias = Callable[[Notice], None]
