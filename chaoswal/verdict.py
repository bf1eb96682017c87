"""What the checker concludes: violations, and the three-valued verdict."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """PASS only where something was measured; a checker's own error is never PASS."""

    PASS = "PASS"
    FAIL = "FAIL"
    UNKNOWN = "UNKNOWN"


class Violation(StrEnum):
    """The kinds of violation; the value is the word used in output and in corpus files."""

    LOST = "lost"
    HOLE = "hole"
    REORDERED = "reordered"
    DUPLICATED = "duplicated"
    INVENTED = "invented"
    RESURRECTED = "resurrected"
    UNOPENABLE = "unopenable"
    HUNG = "hung"
    UNSTABLE = "unstable"
    PHANTOM = "phantom"
    STUCK = "stuck"
    CURSOR_AHEAD = "cursor-ahead"
    CURSOR_LOST = "cursor-lost"
    EARLY_CLEANUP = "early-cleanup"
    DISHONEST = "dishonest"
    LEAK = "leak"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One violation: its kind, and one sentence that says what was shown and what was allowed."""

    kind: Violation
    explanation: str
