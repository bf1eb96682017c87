"""The oracle of a key-value store: what was put and deleted, folded into the states that it may show.

Theory of operation
-------------------
Each put, delete and batch is a commit of its own. A recovered store shows the state after some number of commits, at
least up to the last promised one; where the adapter says ``promise_order = False``, that holds key by key. What is
wrong is named by the first of these that applies:

    duplicated    a key is listed twice
    invented      a value that was never put under its key
    resurrected   a value that an earlier recovery had cut, or that was deleted when that was promised
    lost          a key whose value, or whose new value, was promised, and is not there
    phantom       the same of what was not promised but served
    hole          each value was there at some time, but not together: half a batch, or a commit without an earlier one
"""

from collections.abc import Hashable, Sequence
from typing import Self

from chaoswal.errors import HarnessFault
from chaoswal.models.kv import Kv, State
from chaoswal.ops import (
    Close,
    Delete,
    Get,
    OpenAgain,
    Operation,
    Put,
    PutBatch,
    Reopen,
    changes,
    key_bytes,
)
from chaoswal.oracle.ledger import HANGS, Course, Ledger, unexcused
from chaoswal.oracle.sight import ERROR, Observed, Traits, promise_word, value_of
from chaoswal.trace import Begin, End, Marker
from chaoswal.verdict import Fault, Violation


class KvHistory(Ledger):
    """What was asked of a key-value store and what it promised, up to one moment."""

    def __init__(self, operations: Sequence[Operation], traits: Traits) -> None:
        super().__init__(operations, traits)
        self.kv = Kv()

    def copy(self) -> Self:
        """An independent copy."""
        other = super().copy()
        other.kv = self.kv.copy()
        return other

    @property
    def owes(self) -> bool:
        """Whether anything has been promised yet."""
        return self.kv.floor > 0

    @property
    def holds(self) -> bool:
        """Whether anything was ever put."""
        return len(self.kv.states) > 1

    def key(self) -> Hashable:
        """Equal for two moments of a run only where the same is allowed."""
        return self.kv.changes, self.kv.promised, self.kv.shown

    # -- operations ------------------------------------------------------------------------------------------

    def apply(self, marker: Marker) -> Fault | None:
        """Let one operation begin or end; a fault where its result alone is already wrong."""
        operation = self.operations[marker.op_index]
        if self.astray:
            return None
        if isinstance(marker, Begin):
            if isinstance(operation, Put | PutBatch | Delete):
                self.kv.begin(changes(marker.op_index, operation), marker.op_index)
            return None
        if marker.result.startswith(ERROR):
            return self._failed(operation, marker.result.removeprefix(ERROR))
        return self._ended(operation, marker)

    def _ended(self, operation: Operation, marker: End) -> Fault | None:
        match operation:
            case Put() | PutBatch() | Delete():
                self.kv.end()
            case Get(key=key):
                return self._got(key_bytes(key), value_of(marker.result))
            case OpenAgain() if self.traits.locks:
                return Fault(kind=Violation.DISHONEST, explanation="it was opened a second time while it was open")
            case _:
                pass
        if promise_word(operation) in self.traits.promise:
            self.kv.promise(self.kv.length())
        return None

    def _got(self, key: bytes, value: bytes | None) -> Fault | None:
        wrong = _wrong(self.kv, key, value, self.kv.now(), "complete")
        if wrong:
            return Fault(kind=wrong[0], explanation=f"a get is wrong: {wrong[1]}")
        if self.traits.promise_reads:
            self.kv.shown = max(self.kv.shown, self.kv.length())
        return None

    def _failed(self, operation: Operation, why: str) -> Fault | None:
        """A failed commit may have happened or not, never half; with no fault injected it must not fail."""
        error = why.partition(":")[0]
        if error in HANGS:
            return Fault(kind=Violation.HUNG, explanation=why)
        if isinstance(operation, OpenAgain) and (error in self.traits.locks or not self.traits.locks):
            return None
        if not (self.errors_allowed or self.reported(error)):
            return unexcused(operation, why)
        self.errors_allowed = True  # once it has failed for a reason it may well do nothing more
        if isinstance(operation, Reopen | Close):
            self.kv.doubt()
        return None

    # -- recovery --------------------------------------------------------------------------------------------

    def compare(self, observed: Observed) -> Fault | None:
        """In what a sight differs from what is allowed when nothing is damaged, if it does."""
        shown = dict(observed.items)
        if len(shown) < len(observed.items):
            return Fault(kind=Violation.DUPLICATED, explanation="a key is listed twice")
        return explain(self.kv, shown) if self._commits(shown) is None else None

    def allowed(self) -> list[State]:
        """The states that a recovered store may show, the last promised one first."""
        return _states(self.kv, self.kv.floor)

    def _commits(self, shown: State) -> int | None:
        return self.kv.allows(shown) if self.traits.promise_order else self.kv.allows_each(shown)

    def judge_report(self, observed: Observed) -> Fault | None:
        """Nothing is said of what was shown before a report: it need not be all of any state."""
        return None

    def adopt(self, observed: Observed) -> None:
        """Go on from what a completed recovery showed; it must have been judged before."""
        shown = dict(observed.items)
        commits = self._commits(shown)
        if commits is None:
            raise HarnessFault("a recovery is adopted that was not judged, or was found wrong")
        self.kv.adopt(commits, shown, promise=self.traits.promise_reads)

    def unopened(self) -> None:
        """It could not be opened, for a reason: what was not promised may be there or not when it can."""
        self.kv.doubt()

    def course(self) -> Course:
        """What has been done: a step is a commit."""
        return Course(calls=self.kv.calls, known=self.kv.known, floor=self.kv.floor, perhaps=self.kv.perhaps)

    def concede(self, steps: int) -> None:
        """Of what was promised no more than so many commits must be there."""
        self.kv.concede(steps)


def explain(kv: Kv, shown: State) -> Fault:
    """Which violation it is, once it is known to be one. The first kind that applies is the worst."""
    keys = sorted(set(shown).union(*(state for states in kv.states for state in states)))
    promised, legal = _states(kv, kv.promised), _states(kv, kv.floor)
    found = [_wrong(kv, key, shown.get(key), promised, "promised") for key in keys]
    found += [_wrong(kv, key, shown.get(key), legal, "served", Violation.PHANTOM) for key in keys]
    hole = Violation.HOLE, f"{in_words(shown)} was never there together"
    kind, what = min(filter(None, found), key=lambda wrong: _WORST.index(wrong[0]), default=hole)
    return Fault(kind=kind, explanation=f"{what}; allowed are {in_words(legal[0])} and what it became")


_WORST = (Violation.INVENTED, Violation.RESURRECTED, Violation.LOST, Violation.PHANTOM)


def _states(kv: Kv, commits: int) -> list[State]:
    return [state for states in kv.states[commits:] for state in states]


def _wrong(
    kv: Kv, key: bytes, value: bytes | None, legal: Sequence[State], how: str, missing: Violation = Violation.LOST
) -> tuple[Violation, str] | None:
    """What is wrong with one key, if anything is; ``legal``: of all states, those from the one on that was ``how``."""
    name = key.decode(errors="replace")
    if value is not None and all(state.get(key) != value for state in _states(kv, 0)):
        back = any(state.get(key) == value for state in kv.buried)
        what = "an earlier recovery had cut" if back else "was never put"
        return Violation.RESURRECTED if back else Violation.INVENTED, f"{name} has {_brief(value)}, which {what}"
    if any(state.get(key) == value for state in legal):
        return None
    if value is not None and key not in legal[0]:
        return Violation.RESURRECTED, f"{name} is back, whose deletion was {how}"
    return missing, f"{name} {'is missing' if value is None else 'has an old value'}; the one it was given was {how}"


def in_words(state: State) -> str:
    """A state: its keys, and how their values begin."""
    return "{" + ", ".join(f"{key.decode(errors='replace')}: {_brief(state[key])}" for key in sorted(state)) + "}"


def _brief(value: bytes) -> str:
    return f"{len(value)} bytes {value[:8]!r}"
