"""What every contract's oracle has: what was asked, what is excused, and the verdict on what a recovered engine shows.

A ledger is fed the markers of a trace, one by one; at any crash point it knows what is allowed. What that is, is for
the contract: for a log ``History``, for a key-value store ``KvHistory``.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from typing import Self

from chaoswal.models.subscribers import Subscriber
from chaoswal.ops import Operation, Reopen
from chaoswal.oracle.sight import Observed, Traits, promise_word
from chaoswal.trace import Marker
from chaoswal.verdict import Fault, Violation

HANGS = ("StepLimit", "Deadlock")
"""The errors by which somebody who watches the engine says that it does not come to an end."""

_WHATEVER_WAS_PROMISED = {
    Violation.INVENTED,
    Violation.REORDERED,
    Violation.HOLE,
    Violation.UNOPENABLE,
    Violation.HUNG,
}
"""What no lie of the disk excuses."""

_SAYS_ITSELF = {Violation.INVENTED, Violation.UNOPENABLE, Violation.HUNG}
"""What needs no other name where the disk is damaged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What has been done that lasts, in order, a *step* each: a record, a commit, an item put or done with."""

    calls: Sequence[int]
    """Of each step: the number of the call that made it."""
    known: Sequence[int]
    """Of each step: how many had been promised or shown when that call began."""
    floor: int
    """So many are promised or shown by now."""
    perhaps: Collection[int] = ()
    """The calls among them of which nobody knows whether they have lasted."""


class Ledger(ABC):
    """What was asked of an engine and what it promised, up to one moment."""

    def __init__(self, operations: Sequence[Operation], traits: Traits) -> None:
        self.operations = operations
        self.traits = traits
        self.errors_allowed = False  # whether faults are injected, so that an operation may fail
        self.rotten = False  # whether what was durable has been damaged
        self.lied = False  # whether a sync has lied, so that nothing promised need hold
        self.astray = False  # whether it has been lost sight of what is there, because of that
        self.subscribers: dict[str, Subscriber] = {}  # those that a recovered engine is asked about

    def copy(self) -> Self:
        """An independent copy."""
        other = type(self)(self.operations, self.traits)
        other.errors_allowed, other.rotten = self.errors_allowed, self.rotten
        other.lied, other.astray = self.lied, self.astray
        return other

    def take(self, traits: Traits) -> None:
        """The engine is opened anew, perhaps with other options: this is what it promises from now on."""
        self.traits = traits

    def read_clock(self, earliest: float, latest: float) -> None:
        """The next marker was between these readings (seconds), for whoever lets time allow something."""

    @property
    @abstractmethod
    def owes(self) -> bool:
        """Whether anything has been promised yet."""

    @property
    @abstractmethod
    def holds(self) -> bool:
        """Whether there may be anything in it yet."""

    @abstractmethod
    def key(self) -> Hashable:
        """Equal for two moments only where the same is allowed, in one run or in two orders of operations at once."""

    @abstractmethod
    def apply(self, marker: Marker) -> Fault | None:
        """Let one operation begin or end; a fault where its result alone is already wrong."""

    # -- recovery --------------------------------------------------------------------------------------------

    @abstractmethod
    def compare(self, observed: Observed) -> Fault | None:
        """In what a sight differs from what is allowed when nothing is damaged, if it does."""

    @abstractmethod
    def judge_report(self, observed: Observed) -> Fault | None:
        """Damage was reported: the violation in what was shown before that, if there is one."""

    @abstractmethod
    def adopt(self, observed: Observed) -> None:
        """Go on from what a completed recovery showed; it must have been judged before."""

    @abstractmethod
    def unopened(self) -> None:
        """It could not be opened, for a reason: what was not promised may be there or not when it can."""

    @abstractmethod
    def course(self) -> Course:
        """What has been done, for whoever asks what damage may take away."""

    @abstractmethod
    def concede(self, steps: int) -> None:
        """Of what was promised no more than the first so many steps must be there."""

    def damaged(self, conceded: int) -> None:
        """What was durable was damaged; what came behind so many steps may be gone without a report."""
        self.rotten = True
        self.concede(conceded)

    def judge(self, observed: Observed) -> Fault | None:
        """The violation in what a recovered engine shows, if there is one."""
        if observed.fault:
            return self.judge_report(observed) if self._reports(observed) else observed.fault
        if self.astray:
            return None
        fault = self.compare(observed)
        if fault and self.lied and fault.kind not in _WHATEVER_WAS_PROMISED:
            return None
        if fault and self.rotten and fault.kind not in _SAYS_ITSELF:
            why = f"synced data was damaged, and instead of a report: {fault.kind}: {fault.explanation}"
            return Fault(kind=Violation.DISHONEST, explanation=why)
        return fault

    def open(self, observed: Observed, *, struck: bool = False) -> Fault | None:
        """The engine was opened and showed this: judge it and go on from it.

        ``struck``: an error struck while it was opened, so that it may have failed.
        """
        if struck and observed.raised:
            self.unopened()
            return None
        fault = self.judge(observed)
        if fault:
            return fault
        if observed.fault:
            self.unopened()
        elif (self.lied or self.rotten) and self.compare(observed):
            self.astray = True
        elif not self.astray:
            self.adopt(observed)
        return None

    # -- what is excused -------------------------------------------------------------------------------------

    def _reports(self, observed: Observed) -> bool:
        """Whether it could not be opened or read, for a reason, and says so in the words it has for that."""
        return bool(observed.raised) and self.reported(observed.raised)

    def reported(self, error: str) -> bool:
        """Whether an engine that raised this reports what was done to its disk."""
        known = self.traits.reports
        return (self.rotten and error in known) or (self.lied and (error in known or not known))


def unexcused(operation: Operation, why: str) -> Fault:
    """An operation failed with nothing wrong below it."""
    words = f"{promise_word(operation)} failed with nothing wrong below it: {why}"
    return Fault(kind=Violation.UNOPENABLE if isinstance(operation, Reopen) else Violation.STUCK, explanation=words)
