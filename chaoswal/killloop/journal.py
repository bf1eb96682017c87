"""A journal: what the notes of one child say it did, up to the moment it was killed.

A change whose result was noted has happened; the last one without a result is in flight, and what became of it only
the disk can tell. A sync that was under way is left out: whatever it did, nothing was promised on the strength of it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from chaoswal.oracle import Observed, Traits
from chaoswal.trace import EVENTS, Begin, Change, End, Event, SyncBegin, SyncEnd, Write
from chaoswal.verdict import Fault, Violation
from chaoswal.vfs.noted import DONE, FAILED, LOCKED, Note, event_of

TRAITS, OPENED, HARNESS = -11, -12, -13
"""The first value of what a child notes beside its changes: what its engine promises, what the engine showed once it
was open, and a failure of the checker's own."""


@dataclass(slots=True, kw_only=True)
class Offers:
    """What an engine's adapter says of it."""

    traits: Traits
    scratch: tuple[str, ...]
    places: dict[str, str]


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
    harness: str = ""

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
        journal.touched, journal.last_at = None, note[2]
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


def offers_note(offers: Offers) -> Note:
    """The note of what an engine promises."""
    traits = offers.traits
    promise, capabilities = tuple(sorted(traits.promise)), tuple(sorted(traits.capabilities))
    kept = (traits.retention, tuple(sorted(traits.refusals)), tuple(sorted(traits.locks)))
    return (
        TRAITS,
        promise,
        traits.promise_reads,
        capabilities,
        tuple(offers.scratch),
        tuple(offers.places.items()),
        kept,
    )


def offers_of(note: Note) -> Offers:
    """What an engine promises, from its note."""
    _, promise, reads, capabilities, scratch, places, (retention, refusals, locks) = note
    traits = Traits(
        promise=frozenset(promise),
        promise_reads=reads,
        capabilities=frozenset(capabilities),
        retention=retention,
        refusals=frozenset(refusals),
        locks=frozenset(locks),
    )
    return Offers(traits=traits, scratch=scratch, places=dict(places))


def observed_note(observed: Observed, now: float) -> Note:
    """The note of what an engine showed."""
    fault = (str(observed.fault.kind), observed.fault.explanation) if observed.fault else None
    records = [plain(record) for record in observed.records]
    deliveries = [
        (name, [(sequence, plain(payload)) for sequence, payload in given])
        for name, given in observed.deliveries.items()
    ]
    told = (observed.registered, tuple(observed.counts.items()), observed.lost)
    return OPENED, now, fault, records, observed.next_position, deliveries, told


def observed_of(note: Note) -> Observed:
    """What an engine showed, from its note."""
    _, _, fault, records, next_position, deliveries, (registered, counts, lost) = note
    return Observed(
        records=records,
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
