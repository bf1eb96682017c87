"""A journal: what the notes of one child say it did, up to the moment it was killed.

A change whose result was noted has happened; the last one without a result is in flight, and what became of it only
the disk can tell. A sync that was under way is left out: whatever it did, nothing was promised on the strength of it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from typing import Any

from chaoswal.engines.adapter import LogEngine
from chaoswal.oracle import Observed, Traits
from chaoswal.patched.announced import Stamp, changed_of
from chaoswal.trace import EVENTS, Begin, Change, End, Event, SyncBegin, SyncEnd, Write
from chaoswal.verdict import Fault, Violation
from chaoswal.vfs.noted import DONE, FAILED, LOCKED, Note, event_of
from chaoswal.workload import traits_of

TRAITS, OPENED, HARNESS, STRUCK, OUTSIDE = -11, -12, -13, -14, -15
"""The first value of what a child notes beside its changes: what its engine promises, what the engine showed once it
was open, a failure of the checker's own, that it kills itself now as its plan says, what it may change elsewhere."""


_TRAITS = tuple(field.name for field in fields(Traits))


@dataclass(slots=True, kw_only=True)
class Offers:
    """What an engine's adapter says of it."""

    traits: Traits
    scratch: tuple[str, ...]
    places: dict[str, str]
    concurrent: bool = False
    """Whether several threads may ask it for something at a time."""


@dataclass(slots=True)
class Journal:
    """What one child did."""

    events: list[Event] = field(default_factory=list)
    """What happened, markers among it."""
    in_flight: Change | None = None
    offers: Offers | None = None
    observed: Observed | None = None
    opened: int = 0
    """How many of the events belong to the opening."""
    opened_at: float = 0.0
    """Seconds on the monotonic clock; 0 where the opening did not finish."""
    locks: set[str] = field(default_factory=set)
    begun: int = 0
    """How many operations have begun."""
    ended: int = 0
    touched: tuple[int, str] | None = None
    """The last change or sync since the last marker: its number in a note, and the path."""
    last_at: float = 0.0
    """When the last operation began."""
    began: dict[int, float] = field(default_factory=dict)
    """When each operation did, by its number."""
    harness: str = ""
    struck: bool = False
    """Whether it killed itself as it was to."""

    outside: dict[str, Stamp] = field(default_factory=dict)
    """Paths outside of its directory that it may have changed, and what stood there before."""

    @property
    def strayed(self) -> str | None:
        """A path outside of its directory that it did change."""
        return changed_of(self.outside)

    def times(self, dead: float) -> dict[int, tuple[float, float]]:
        """Between which two readings of the clock each operation was, those under way at once being taken as one.

        From the first begin of them to the next begin after its own end, or until the process was certainly ``dead``.
        """
        told = [event for event in self.events if isinstance(event, Begin | End)]
        latest: dict[int, float] = {}
        after = dead
        for event in reversed(told):
            if isinstance(event, End):
                latest[event.op_index] = after
            else:
                after = self.began[event.op_index]
        found: dict[int, tuple[float, float]] = {}
        under_way, first = 0, 0.0
        for event in told:
            if isinstance(event, Begin):
                first = first if under_way else self.began[event.op_index]
                found[event.op_index] = first, latest.get(event.op_index, dead)
            under_way += 1 if isinstance(event, Begin) else -1
        return found

    @property
    def under_way(self) -> bool:
        """Whether an operation had begun and not ended."""
        return self.begun > self.ended


def read(notes: Iterable[Note]) -> Journal:
    """The journal that notes make."""
    journal = Journal()
    for note in notes:
        if note[0] >= 0:
            _event(journal, note)
        else:
            _other(journal, note)
    ended = {event.ticket for event in journal.events if isinstance(event, SyncEnd)}
    if sum(isinstance(event, SyncBegin) for event in journal.events) != len(ended):
        _drop_syncs(journal, ended)
    return journal


def _event(journal: Journal, note: Note) -> None:
    kind = EVENTS[note[0]]
    if kind is Begin:
        journal.begun += 1
        journal.touched, journal.last_at, journal.began[note[1]] = None, note[2], note[2]
        journal.events.append(Begin(op_index=note[1]))
    elif kind is End:
        journal.ended += 1
        journal.touched = None
        journal.events.append(End(op_index=note[1], result=note[2]))
    else:
        journal.touched = (note[0], note[1])
        event = event_of(note)
        if isinstance(event, SyncBegin | SyncEnd):
            journal.events.append(event)
        else:
            journal.in_flight = event  # type: ignore[assignment]


def _other(journal: Journal, note: Note) -> None:
    match note[0]:
        case code if code == DONE:
            assert journal.in_flight is not None
            journal.events.append(_taken(journal.in_flight, note))
            journal.in_flight = None
        case code if code == FAILED:
            journal.in_flight = None
        case code if code == LOCKED:
            journal.locks.add(note[1])
        case code if code == TRAITS:
            journal.offers = offers_of(note)
        case code if code == OPENED:
            journal.observed = observed_of(note)
            journal.opened, journal.opened_at, journal.touched = len(journal.events), note[1], None
        case code if code == STRUCK:
            journal.struck = True
        case code if code == OUTSIDE:
            journal.outside[note[1]] = note[2]
        case _:
            journal.harness = note[1]


def _taken(change: Change, note: Note) -> Change:
    if isinstance(change, Write) and note[1] != len(change.data):
        return replace(change, data=change.data[: note[1]])
    return change


def _drop_syncs(journal: Journal, ended: set[int]) -> None:
    kept: list[Event] = []
    opened = journal.opened
    for place, event in enumerate(journal.events):
        if isinstance(event, SyncBegin) and event.ticket not in ended:
            journal.opened -= place < opened
        else:
            kept.append(event)
    journal.events = kept


# -- what is not an event: its notes, and back -------------------------------------------------------------------


def offers_from(engine: LogEngine) -> Offers:
    """What an open engine's adapter says of it."""
    return Offers(
        traits=traits_of(engine),
        scratch=tuple(getattr(engine, "scratch", ())),
        places=dict(getattr(engine, "places", {})),
        concurrent=bool(getattr(engine, "concurrent", False)),
    )


def offers_note(offers: Offers) -> Note:
    """The note of what an engine promises."""
    traits = tuple(getattr(offers.traits, name) for name in _TRAITS)
    return TRAITS, traits, offers.scratch, tuple(offers.places.items()), offers.concurrent


def offers_of(note: Note) -> Offers:
    """What an engine promises, from its note."""
    _, traits, scratch, places, concurrent = note
    promised = Traits(**dict(zip(_TRAITS, traits, strict=True)))
    return Offers(traits=promised, scratch=scratch, places=dict(places), concurrent=concurrent)


def observed_note(observed: Observed, now: float) -> Note:
    """The note of what an engine showed."""
    fault = (str(observed.fault.kind), observed.fault.explanation) if observed.fault else None
    records = [plain(record) for record in observed.records]
    deliveries = [
        (name, [(sequence, plain(payload)) for sequence, payload in given])
        for name, given in observed.deliveries.items()
    ]
    told = (observed.registered, tuple(observed.counts.items()), observed.lost)
    return OPENED, now, fault, records, observed.items, observed.next_position, deliveries, told


def observed_of(note: Note) -> Observed:
    """What an engine showed, from its note."""
    _, _, fault, records, items, next_position, deliveries, (registered, counts, lost) = note
    return Observed(
        records=records,
        items=items,
        next_position=next_position,
        deliveries=dict(deliveries),
        registered=registered,
        counts=dict(counts),
        lost=lost,
        fault=fault and Fault(kind=Violation(fault[0]), explanation=fault[1]),
    )


def plain(record: Any) -> bytes:
    """A record as bytes; what is none shows as what it is, and so as never appended."""
    return record if type(record) is bytes else repr(record).encode()
