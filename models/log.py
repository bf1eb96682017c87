"""The reference model of a log: what was appended, what was promised, what may be gone.

Positions count records from 0 for ever: they never restart. Three marks move over them::

    0 ......... removed ......... removable ......... promised ......... len(records)
      promised      may be gone        must be there       may be lost, but only
      to be gone    or be back                             from the end

A log may show ``records[c:n]`` for any c from ``removed`` to ``removable`` and any n from ``promised`` to the end,
but never half a batch. Records of a call that failed or was cut short are *optional*: there or not, never in part.

Appends that are under way at once are *flights*: no one knows their order, until the number that each returns with
tells its place. One that returned while the place before it still belongs to another has *landed*, and waits for it.
What may be shown meanwhile is what may be shown in any of the *worlds*, one for each order of the flights. One that
failed stays a flight, until a later append has a number that leaves no room for it.

Each record remembers the call that appended it, and how much had been promised or shown by then (``known``): a record
that is whole testifies that everything below that position was durable.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise


@dataclass(frozen=True, slots=True)
class Flight:
    """An append among others at once."""

    records: tuple[bytes, ...]
    after: int
    """It stands behind this position: what lies before had returned when it began."""
    behind: frozenset[int] = frozenset()
    """The failed ones that had returned when it began."""
    failed: bool = False
    call: int = 0
    known: int = 0


def _orders_at_end(
    place: int, flights: Sequence[Flight], shown: Sequence[bytes], start: int | None
) -> Iterator[list[Flight]]:
    """Who is not shown was removed before, or never took off; the others are shown in their order, from ``start`` on.

    Who is not shown, and stands too far back to come before them, is behind them, and lost. Of those that look alike,
    either the first or the last are shown. Without ``start`` any will do, and the last order is a guess for where none
    is right.
    """
    for first in range(len(shown), -1, -1) if start is None else [start]:
        for some in (flights, flights[::-1]):
            for seen in _covers(some, shown[first:]):
                before, behind = _split([f for f in flights if f not in seen], place)
                yield [*before, *seen, *behind]
    if start is None:
        yield sorted(flights, key=lambda f: min((shown.index(r) for r in f.records if r in shown), default=-1))


def _split(flights: Sequence[Flight], place: int) -> tuple[list[Flight], list[Flight]]:
    """Those that may stand from this place on, one behind the other, and those that must stand further back."""
    before = list[Flight]()
    for flight in flights:
        if flight.after <= place:
            before.append(flight)
            place += len(flight.records)
    return before, [flight for flight in flights if flight not in before]


def _covers(flights: Sequence[Flight], shown: Sequence[bytes]) -> Iterator[list[Flight]]:
    """In which orders some of these are shown so; of those that look alike, the first are taken."""
    if not shown:
        yield []
    tried = set[tuple[bytes, ...]]()
    for flight in flights:
        size = len(flight.records)
        if flight.records not in tried and flight.records == tuple(shown[:size]):
            tried.add(flight.records)
            rest = [other for other in flights if other is not flight]
            yield from ([flight, *more] for more in _covers(rest, shown[size:]))


class Log:
    """What a log may show."""

    def __init__(self) -> None:
        self.records: list[bytes] = []
        self.calls: list[int] = []  # of each record: the number of the call that appended it
        self.known: list[int] = []  # of each record: the floor when that call began
        self.optional: set[int] = set()  # positions of records that may have happened or not
        self.halves: set[int] = set()  # positions inside a batch, where nothing may end
        self.changes = 0  # how often the records or what is known of them has changed
        self.promised = 0  # by a call that returned
        self.shown = 0  # to a reader, where that promises too
        self.removed = 0
        self.removable = 0
        self.flights: dict[int, Flight] = {}  # by the number of the operation
        self.aside = 0  # how many became flights when they were over
        self.landed: dict[int, Flight] = {}  # by position
        self.buried: set[bytes] = set()  # records that a completed recovery did not show: gone for good

    def copy(self) -> "Log":
        """An independent copy."""
        other = Log()
        other.__dict__.update(
            self.__dict__,
            records=self.records[:],
            calls=self.calls[:],
            known=self.known[:],
            optional=set(self.optional),
            halves=set(self.halves),
            flights=dict(self.flights),
            landed=dict(self.landed),
            buried=set(self.buried),
        )
        return other

    def begin_append(self, payloads: Sequence[bytes], call: int = 0) -> None:
        """An append, or one atomic batch, has begun: from now on it may have happened. ``call`` is its number."""
        self.changes += 1
        start = len(self.records)
        self._put(payloads, call, self.floor)
        self.optional.update(range(start, len(self.records)))
        self.halves.update(range(start + 1, len(self.records)))

    def _put(self, payloads: Sequence[bytes], call: int, known: int) -> None:
        self.records += payloads
        self.calls += [call] * len(payloads)
        self.known += [known] * len(payloads)

    def end_append(self, count: int, first: int | None = None) -> int:
        """The last ``count`` records are in the log; ``first``: the sequence number the engine gave the first.

        A number tells how many of the optional records before these happened. If it was neither none nor all of them,
        they become flights that failed, and these have landed behind them. Returns where these stand.
        """
        self.changes += 1
        start = len(self.records) - count
        self.optional.difference_update(range(start, len(self.records)))
        if first is None:
            return start
        sure = min(self.optional, default=start)
        if sure < first < start:
            landed = Flight(tuple(self.records[start:]), first, call=self.calls[start], known=self.known[start])
            self.forget(start, len(self.records))
            self._lift()
            self.landed[first] = landed
            return first
        if first == sure < start:
            self.forget(sure, start)
        self.optional.clear()  # the others took their numbers: they happened
        return len(self.records) - count

    def forget(self, start: int, stop: int) -> None:
        """The optional records from ``start`` to ``stop`` never happened: later ones and their marks move down."""
        del self.records[start:stop], self.calls[start:stop], self.known[start:stop]
        gap = stop - start

        def moved(mark: int) -> int:
            return mark - max(0, min(stop, mark) - start)

        self.promised, self.shown = moved(self.promised), moved(self.shown)
        self.known = [moved(mark) for mark in self.known]
        self.flights = {
            n: replace(f, after=f.after - gap if f.after >= stop else f.after, known=moved(f.known))
            for n, f in self.flights.items()
        }
        self.optional = {p if p < start else p - gap for p in self.optional if not start <= p < stop}
        self.halves = {p if p <= start else p - gap for p in self.halves if not start < p <= stop}

    def withdraw(self, count: int, number: int) -> None:
        """The append that had begun last, or the flight of this number, was refused: none of its records is there."""
        self.changes += 1
        if self.flights.pop(number, None) is None:
            self.forget(len(self.records) - count, len(self.records))

    def take_off(self, number: int, payloads: Sequence[bytes]) -> None:
        """An append has begun while others are under way, or may be there."""
        self.changes += 1
        self._lift()
        failed = frozenset(other for other, flight in self.flights.items() if flight.failed)
        self.flights[number] = Flight(tuple(payloads), self.length(), failed, call=number, known=self.floor)

    def _lift(self) -> None:
        """What may be there at the end becomes flights that failed: who takes off may yet stand in its place."""
        while len(self.records) - 1 in self.optional:
            start = len(self.records) - 1
            while start in self.halves:
                start -= 1
            self._set_aside(Flight(tuple(self.records[start:]), start, call=self.calls[start], known=self.known[start]))
            self.forget(start, len(self.records))

    def _set_aside(self, flight: Flight) -> None:
        """It had come to its end, and may be there or not: a flight that failed, by a number that no operation has."""
        self.aside += 1
        self.flights[-self.aside] = replace(flight, failed=True)

    def fail(self, number: int) -> None:
        """The flight of this number, if it is one, came back with an error."""
        if number in self.flights:
            self.flights[number] = replace(self.flights[number], failed=True)

    def land(self, number: int, first: int | None) -> int | None:
        """The flight of this number returned; ``first``: the sequence number of its first record, if it has one.

        Returns the position behind it; None where that place is not free.
        """
        self.changes += 1
        flight = self.flights.pop(number)
        start = self.length() if first is None else first
        end = start + len(flight.records)
        taken = [place for place, other in self.landed.items() if place < end and start < place + len(other.records)]
        if taken or start < max(flight.after, len(self.records)):
            return None
        self.landed[start] = flight
        if start == len(self.records):
            self.flights = {n: f for n, f in self.flights.items() if n not in flight.behind}
        while len(self.records) in self.landed:
            self.settle(self.landed.pop(len(self.records)))
        return end

    def settle(self, flight: Flight) -> None:
        """Its are the next records, for certain."""
        start = len(self.records)
        self._put(flight.records, flight.call, flight.known)
        self.halves.update(range(start + 1, len(self.records)))

    @property
    def unsettled(self) -> bool:
        """Whether the order of the records is not known to the end."""
        return bool(self.flights or self.landed)

    def all_records(self) -> list[bytes]:
        """All that may be there, those of flights in any order."""
        more = [*self.landed.values(), *self.flights.values()]
        return [*self.records, *(record for flight in more for record in flight.records)]

    def unsure(self) -> list[tuple[bytes, ...]]:
        """The records of each call of which nobody knows whether they are there, or where; behind all others."""
        starts = [*sorted(self.optional - self.halves), len(self.records)]
        may_be = [tuple(self.records[start:stop]) for start, stop in pairwise(starts)]
        return [*may_be, *(flight.records for flight in (*self.landed.values(), *self.flights.values()))]

    def worlds(self, shown: Sequence[bytes], next_position: int | None = None) -> Iterator["Log"]:
        """This log, for each order of its flights that may make a difference to who is shown this; the last is a guess.

        All the same they may not have happened.
        """
        if not self.unsettled:
            yield self
            return
        flights = sorted(self.flights.values(), key=lambda flight: flight.after)
        for c in (*(self._starts(len(shown), next_position) if self.landed else ()), None):
            for order in self._orders(len(self.records), flights, shown, c):
                world = self.arranged(order)
                if world is not None:
                    yield world

    def _orders(
        self, place: int, flights: Sequence[Flight], shown: Sequence[bytes], c: int | None
    ) -> Iterator[list[Flight]]:
        """Orders of these from ``place`` on if ``shown`` begins at ``c``: first of those who fill the gaps.

        Where two are the same to who is shown this, whoever may stand there earlier comes first: the other fits too
        wherever that one would. Where nothing is shown any more stands whoever is not needed where something is.
        Without ``c`` only one way to fill them is tried.
        """
        landed = min((start for start in self.landed if start >= place), default=None)
        if landed is None:
            yield from _orders_at_end(place, flights, shown, None if c is None else max(place - c, 0))
            return
        if landed == place:
            yield from self._orders(place + len(self.landed[place].records), flights, shown, c)
            return
        tried, wanted = set[object](), set(shown)
        spare = None if c is None else self._spare(place, flights, shown, c)
        for flight in flights:
            end = place + len(flight.records)
            there = shown[max(place - c, 0) : max(end - c, 0)] if c is not None else ()
            hidden = len(flight.records) - len(there)
            looks = hidden if wanted.isdisjoint(flight.records) else flight.records
            fits = list(flight.records[hidden:]) == list(there)
            if spare is not None and Counter(flight.records[:hidden]) - spare:
                continue  # it is missed further on: without asking now, very many ways would be tried in vain
            if fits and looks not in tried and flight.after <= place and end <= landed:
                tried.add(looks)
                rest = [other for other in flights if other is not flight]
                found = ([flight, *more] for more in self._orders(end, rest, shown, c))
                yield from islice(found, None if c is not None else 1)

    def _spare(self, place: int, flights: Sequence[Flight], shown: Sequence[bytes], c: int) -> Counter[bytes]:
        """How many of each record these have more than are shown of them, from ``place`` on."""
        spare = Counter(record for flight in flights for record in flight.records)
        spare.subtract(shown[max(place - c, 0) :])
        for start, other in self.landed.items():
            if start >= place:
                spare.update(other.records[max(c - start, 0) : max(c + len(shown) - start, 0)])
        return spare

    def arranged(self, order: Sequence[Flight]) -> "Log | None":
        """This log, if its flights came in this order; None where that leaves a gap."""
        world, waiting, coming = self.copy(), dict(self.landed), list(order)
        world.flights, world.landed = {}, {}
        while waiting or coming:
            place = len(world.records)
            if place in waiting:
                world.optional.clear()
                world.settle(waiting.pop(place))
            elif coming and coming[0].after <= place:
                world.settle(coming.pop(0))
                world.changes += 1
                world.optional.update(range(place, len(world.records)))
            else:
                return None  # nobody fills the gap
            if any(start < place for start in waiting):
                return None
        return world

    def likeliest(self, shown: Sequence[bytes]) -> "Log":
        """Of all worlds, the one that has most of what is shown, in that order."""
        return max(self.worlds(shown), key=lambda world: len(world.matched(shown)), default=self)

    def length(self) -> int:
        """The position behind the last record that certainly is there."""
        if self.landed:
            return max(start + len(flight.records) for start, flight in self.landed.items())
        end = len(self.records)
        while end - 1 in self.optional:
            end -= 1
        return end

    def promise(self, upto: int) -> None:
        """Everything below position ``upto`` was promised to be durable."""
        self.promised = max(self.promised, upto)

    def show(self, upto: int) -> None:
        """Everything below position ``upto`` was shown by an engine that promises what it shows."""
        self.shown = max(self.shown, upto)

    @property
    def floor(self) -> int:
        """Everything below this position must be there, but for what may be removed."""
        return max(self.promised, self.shown)

    def doubt(self) -> None:
        """What is neither promised nor shown may be there or not: closing failed, or opening after a crash."""
        self.changes += 1
        self.optional.update(range(self.floor, len(self.records)))
        for start in [start for start in self.landed if start >= self.floor]:
            self._set_aside(replace(self.landed.pop(start), after=start))

    def concede(self, below: int) -> None:
        """Records from position ``below`` on may be gone, promised or not."""
        self.changes += 1
        self.promised, self.shown = min(self.promised, below), min(self.shown, below)

    def may_remove(self, below: int) -> None:
        """From now on records below this position may be gone."""
        self.removable = max(self.removable, below)

    def remove(self, below: int) -> None:
        """Records below this position were promised to be gone."""
        self.removed = max(self.removed, below)
        self.may_remove(below)

    def allows_part(self, shown: Sequence[bytes]) -> bool:
        """Whether ``shown`` is how a legal sight of this log may begin, of which the rest was not to be had."""
        if self.optional or self.unsettled:
            return set(shown) <= set(self.all_records())
        starts = range(self.removed, self.removable + 1)
        return not shown or any(self.records[c : c + len(shown)] == list(shown) for c in starts)

    def allows(self, shown: Sequence[bytes], next_position: int | None = None) -> tuple[int, int] | None:
        """The positions (c, n) at which ``shown`` is a legal sight of this log; None where it is not.

        ``next_position``: the number the engine says its next record will get, where it says so.
        """
        for c in self._starts(len(shown), next_position):
            n = c + len(shown)
            possible = self.floor <= n <= len(self.records) and n not in self.halves
            if possible and self.records[c:n] == list(shown):
                return c, n
        return None

    def settled(self, shown: Sequence[bytes], next_position: int | None = None) -> "Log | None":
        """This log, or one without the optional records that were seen not to have happened, that allows ``shown``."""
        found = (world.settled_alone(shown, next_position) for world in self.worlds(shown, next_position))
        return next((world for world in found if world is not None), None)

    def located(self, shown: Sequence[bytes], next_position: int | None = None) -> "tuple[Log, tuple[int, int]] | None":
        """The log as ``settled``, and the positions (c, n) of what is shown in it; None where it is no legal sight."""
        span = None if self.unsettled else self.allows(shown, next_position)
        if span:
            return self, span
        log = self.settled(shown, next_position)
        span = log.allows(shown, next_position) if log else None
        return (log, span) if log and span else None

    def settled_alone(self, shown: Sequence[bytes], next_position: int | None) -> "Log | None":
        """As ``settled``, in this world."""
        if self.allows(shown, next_position):
            return self
        if not self.optional:
            return None
        found = (
            self._absent(dict(enumerate(shown, c)), c + len(shown), c + len(shown))
            for c in self._starts(len(shown), next_position)
        )
        return next((self._without(absent) for absent in found if absent is not None), None)

    def with_these(self, given: Mapping[int, bytes]) -> "Log | None":
        """This log, or one without optional records that cannot have happened, as there are these at their positions.

        None where that cannot be.
        """
        if all(place < len(self.records) and self.records[place] == record for place, record in given.items()):
            return self
        absent = self._absent(given, max(given) + 1, len(self.records)) if self.optional else None
        return None if absent is None else self._without(absent)

    def _absent(self, there: Mapping[int, bytes], least: int, most: int) -> set[int] | None:
        """Which optional records did not happen, if these stand at their places among all that did.

        At least ``least`` happened; of what stands from ``most`` on, nothing is left. Call by call, how many records
        there may have been so far; then back from the end. Equal records may stand for each other: the earliest do.
        None where it cannot be.
        """
        bounds = [p for p in range(len(self.records) + 1) if p not in self.halves]
        counts = [{0}]
        for start, stop in pairwise(bounds):
            taken = {k + stop - start for k in counts[-1] if self._fits(start, stop, k, there, most)}
            counts.append(taken | counts[-1] if start in self.optional else taken)
        k = max(counts[-1], default=-1)
        if k < least:
            return None
        absent = set[int]()
        for (start, stop), before in reversed([*zip(pairwise(bounds), counts, strict=False)]):
            stays = k - stop + start in before and self._fits(start, stop, k - stop + start, there, most)
            if not stays or (k <= least and start in self.optional and k in before):
                absent.update(range(start, stop))
            else:
                k -= stop - start
        return absent

    def _fits(self, start: int, stop: int, k: int, there: Mapping[int, bytes], most: int) -> bool:
        """Whether the records of one call can be the k-th and those that follow it."""
        if k >= most:
            return start >= self.floor
        places = range(k, k + stop - start)
        return places.stop <= most and all(
            there.get(place, record) == record for place, record in zip(places, self.records[start:stop], strict=True)
        )

    def _without(self, absent: set[int]) -> "Log":
        other = self.copy()
        other.changes += 1
        for position in sorted(absent, reverse=True):
            other.forget(position, position + 1)
        return other

    def matched(self, shown: Sequence[bytes]) -> set[int]:
        """The positions whose records are shown, taken in order."""
        wanted, place = set(), 0
        for position, payload in enumerate(self.records):
            if place < len(shown) and shown[place] == payload:
                wanted.add(position)
                place += 1
        return wanted

    def _starts(self, count: int, next_position: int | None) -> range:
        if next_position is None:
            return range(self.removed, self.removable + 1)
        start = next_position - count
        return range(start, start + 1) if self.removed <= start <= self.removable else range(0)

    def adopt(self, n: int, *, promise: bool) -> None:
        """A completed recovery showed the log up to position n: what lies beyond is gone for good.

        ``promise``: what was shown to a reader is promised too.
        """
        self.changes += 1
        self.buried.update(self.records[n:])
        del self.records[n:], self.calls[n:], self.known[n:]
        self.optional.clear()
        self.halves = {p for p in self.halves if p < n}
        if promise:
            self.show(n)
