"""What is allowed at one moment: the models of the log and its subscribers, and what is known beside them."""

from collections.abc import Hashable, Sequence
from typing import Self

from chaoswal.models.log import Log
from chaoswal.models.retention import Clock, Retention
from chaoswal.ops import Operation
from chaoswal.oracle.ledger import Ledger
from chaoswal.oracle.sight import Traits
from chaoswal.trace import Marker


class Allowed(Ledger):
    """What was promised, what may be gone, and who is owed what."""

    def __init__(self, operations: Sequence[Operation], traits: Traits) -> None:
        super().__init__(operations, traits)
        self.log = Log()
        self.first = 0
        self.retention = Retention(**dict(traits.retention))
        self.lost = 0  # records that went before all had finished them
        self.exact = True  # whether that, and what was skipped, is known for certain: no operation has failed
        self.clock = Clock()
        self.handles: dict[str, bool] = {}  # subscribers that are taken up, and whether they refuse to skip
        self.together = False  # whether several operations are under way at once
        self.order: tuple[Marker, ...] = ()  # in which order the appends among such have begun and ended
        self.cleaning: set[int] = set()  # the cleanups under way
        self.beginning: set[str] = set()  # subscribers that were registered by one of the operations at once
        self.finishing = False  # whether one of the operations at once says that it is done with records
        self.asked: dict[int, list[int]] = {}  # what an operation under way will promise when it returns

    def copy(self) -> Self:
        """An independent copy."""
        other = super().copy()
        other.log = self.log.copy()
        other.subscribers = {name: subscriber.copy() for name, subscriber in self.subscribers.items()}
        other.first, other.lost, other.exact = self.first, self.lost, self.exact
        other.retention, other.clock = self.retention, self.clock.copy()
        other.together, other.order = self.together, self.order
        other.cleaning, other.beginning, other.finishing = set(self.cleaning), set(self.beginning), self.finishing
        other.handles, other.asked = dict(self.handles), dict(self.asked)
        return other

    def take(self, traits: Traits) -> None:
        """The engine is opened anew, perhaps with other options: this is what it promises from now on."""
        if traits != self.traits:
            super().take(traits)
            self.retention = Retention(**dict(traits.retention)).after(self.retention)

    def read_clock(self, earliest: float, latest: float) -> None:
        """The next marker was between these readings of the clock."""
        self.clock.read(earliest, latest)

    @property
    def owes(self) -> bool:
        """Whether anything has been promised yet."""
        log = self.log
        return bool(log.floor or log.removed or any(not s.uncertain for s in self.subscribers.values()))

    @property
    def holds(self) -> bool:
        """Whether a record was ever appended that may be there."""
        return bool(self.log.records)

    def key(self) -> Hashable:
        """Equal for two moments only where the same is allowed, in one run or in two orders of operations at once.

        What only grows goes by its size.
        """
        log = self.log
        cursors = [
            (name, len(s.acked), len(s.promised), len(s.unsure), *s.marks()) for name, s in self.subscribers.items()
        ]
        marks = log.changes, log.promised, log.shown, log.removed, log.removable, self.lost, self.exact
        return self.order, *marks, tuple(cursors)
