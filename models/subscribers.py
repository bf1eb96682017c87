"""The reference model of subscribers: who was given which record, who is done with it, what may be cleaned.

A subscriber is given records in order and finishes them in any order, by acknowledging or rejecting. What it finished
may be forgotten in a crash until it was promised (flushed): the record is then delivered again. It is never invented:
a record that was not finished is delivered again after a crash, whatever happened; but for those that were *skipped*,
because they were dropped, or because the subscriber was too slow. A skip passes everything below one position, and
each skipped record is counted once. Positions are those of the log.
"""

from collections.abc import Collection, Iterable


class Subscriber:
    """One named subscriber. ``acked`` is all it has finished, the rejected and the skipped included."""

    def __init__(self, start: int, start_max: int | None = None) -> None:
        self.start = start
        self.start_max = start if start_max is None else start_max  # it begins somewhere between, as will be seen
        self.at_end = False  # whether it begins behind all there is, and not with the first that is left
        self.optional = False  # whether it may not be registered: that, or its undoing, is under way
        self.dismissible = False  # whether maintenance that is under way may unregister it
        self.vague = False  # whether a call about it failed, so that it may have begun anew
        self.asked = True  # whether the engine hears of it when it is subscribed, and not only who has its handle
        self.acked: set[int] = set()
        self.rejected: set[int] = set()
        self.skipped: set[int] = set()
        self.skippable = 0  # below this, records may be skipped by what is under way
        self.untold = False  # whether it has been skipped ahead and not been told
        self.promised: set[int] = set()
        self.unsure: set[int] = set()  # acknowledged, not promised, and perhaps forgotten since
        self.held: list[int] = []

    def copy(self) -> "Subscriber":
        """An independent copy."""
        other = Subscriber(self.start)
        other.__dict__.update(
            self.__dict__,
            acked=set(self.acked),
            rejected=set(self.rejected),
            skipped=set(self.skipped),
            promised=set(self.promised),
            unsure=set(self.unsure),
            held=self.held[:],
        )
        return other

    @property
    def uncertain(self) -> bool:
        """Whether it may not be registered."""
        return self.optional or self.dismissible

    def marks(self) -> tuple[int, ...]:
        """What else there is to know, by its size: equal where the same is allowed."""
        return len(self.rejected), len(self.skipped), self.skippable, self.uncertain, self.vague, self.start_max

    def expected(self, count: int, visible: Iterable[int]) -> list[int]:
        """The next ``count`` positions a poll must give, of those that are visible."""
        due = (p for p in visible if p >= self.start and p not in self.acked and p not in self.held)
        return [p for p, _ in zip(due, range(count), strict=False)]

    def give(self, positions: Iterable[int]) -> None:
        """These records are now held."""
        self.held = sorted({*self.held, *positions})

    def ack(self, position: int) -> None:
        """Done with a held record; not yet promised."""
        self.held.remove(position)
        self.acked.add(position)

    def reject(self, position: int) -> None:
        """A held record was set aside for good; not yet promised."""
        if position not in self.acked:
            self.rejected.add(position)
        self.ack(position)

    def defer(self, position: int) -> None:
        """A held record was handed back."""
        self.held.remove(position)

    def may_forget(self) -> None:
        """The engine was opened anew without a promise: acknowledgements that were not promised may be forgotten."""
        self.held = []
        self.unsure = self.acked - self.promised

    def given_again(self, positions: Iterable[int]) -> None:
        """These were given: where one was acknowledged and may be forgotten, it was."""
        forgotten = self.unsure.intersection(positions)
        self.acked -= forgotten
        self.rejected -= forgotten
        self.unsure -= forgotten

    def flush(self, acked: Iterable[int]) -> None:
        """These acknowledgements were promised."""
        self.promised.update(acked)
        self.unsure -= self.promised

    def skip(self, below: int) -> None:
        """Everything below this position that was not finished is passed over, for good."""
        passed = set(range(self.start, below)) - self.acked
        self.skipped |= passed
        self.acked |= passed
        self.promised |= passed
        self.untold = self.untold or bool(passed)

    def finished(self) -> int:
        """Every record below this position is finished."""
        return self._up_to(self.acked)

    def surely_finished(self) -> int:
        """The same of what cannot have been forgotten."""
        return self._up_to(self.acked - self.unsure)

    def _up_to(self, done: Collection[int]) -> int:
        position = self.start
        while position in done:
            position += 1
        return position

    def counts(self, delivered: Collection[int], gone: int) -> tuple[int, int]:
        """How many were rejected, and how many skipped, if these are delivered, and those below ``gone`` are passed."""
        passed = set(range(self.start, gone)) - self.acked
        return len(self.rejected.difference(delivered)), len(self.skipped | passed)

    def begin(self, delivered: Collection[int], visible: range) -> None:
        """Where it begins shows in what it is given, if that was not known."""
        if self.start_max > self.start:
            limit = visible.stop if self.at_end else visible.start
            self.start = max(self.start, min([self.start_max, limit, *delivered]))
            self.start_max = self.start

    def begin_behind(self, stop: int) -> None:
        """It is given nothing, though all below ``stop`` is there to be given: it begins no earlier."""
        self.start = max(self.start, min(self.start_max, stop))

    def passed(self, delivered: Collection[int], visible: range) -> set[int]:
        """The visible records that are neither delivered nor finished."""
        return {p for p in visible if p >= self.start and p not in self.acked and p not in delivered}

    def may_pass(self, passed: Collection[int], delivered: Collection[int]) -> bool:
        """Whether what is passed over is legal: a skip to one position, of no more than may be skipped."""
        return not passed or (max(passed) < self.skippable and max(passed) < min(delivered, default=max(passed) + 1))

    def adopt(self, delivered: set[int], visible: range, *, promise: bool) -> None:
        """A completed recovery delivered these of the visible records: the others were finished, or skipped."""
        self.held = []
        self.unsure = set()
        if self.vague:  # whatever it was, from now on it is what it showed
            self.start = self.start_max = 0
            self.acked, self.rejected, self.skipped = set(range(visible.stop)), set(), set()
        self.optional = self.dismissible = self.vague = False
        self.begin(delivered, visible)
        passed = [p for p in self.passed(delivered, visible) if p < self.skippable]
        self.skip(max([visible.start, *(p + 1 for p in passed)]))
        self.skippable = 0
        self.acked = {p for p in self.acked if p not in delivered and (p < visible.start or p in visible)}
        self.rejected &= self.acked
        if promise:
            self.promised = set(self.acked)
        else:
            self.promised &= self.acked


def removable(subscribers: Iterable[Subscriber], first: int) -> int:
    """Every record below this position may be cleaned: each registered subscriber has finished it.

    Without a subscriber nothing may be cleaned beyond ``first``. One that may not be registered need not be waited for.
    """
    everyone = list(subscribers)
    certain = [subscriber.finished() for subscriber in everyone if not subscriber.uncertain]
    if certain:
        return max(first, min(certain))
    return max([first, *(subscriber.finished() for subscriber in everyone)])


def lost(subscribers: Collection[Subscriber], positions: Iterable[int]) -> int:
    """How many of these records are lost if they go now: somebody has not finished them, or there is nobody."""
    return sum(
        not subscribers or any(p >= subscriber.start and p not in subscriber.acked for subscriber in subscribers)
        for p in positions
    )
