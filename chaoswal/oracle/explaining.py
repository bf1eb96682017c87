"""The slow comparison: which violation it is, once it is known to be one."""

from collections import Counter
from collections.abc import Sequence

from chaoswal.models.log import Log
from chaoswal.oracle.sight import Observed
from chaoswal.text import spans
from chaoswal.verdict import Fault, Violation


def wrong_deliveries(name: str, given: list[int], expected: list[int], end: int) -> Fault:
    """What is wrong with these positions, given to a subscriber; none may be due. The log ends at ``end``."""
    kind = Violation.CURSOR_AHEAD
    if len(set(given)) < len(given):
        kind = Violation.DUPLICATED
    elif given != sorted(given):
        kind = Violation.REORDERED
    elif given and given[0] < (expected[0] if expected else end):
        kind = Violation.DUPLICATED
    return Fault(kind=kind, explanation=f"subscriber {name} was given {given}; due were {expected}")


def explain_log(log: Log, observed: Observed) -> Fault:
    """Which violation it is, once it is known to be one. The first that applies is the worst."""
    positions = positions_of(log, observed.records)
    if None in positions:
        unknown = observed.records[positions.index(None)]
        back = unknown in log.buried
        kind = Violation.RESURRECTED if back else Violation.INVENTED
        what = "cut by an earlier recovery" if back else "never appended"
        return Fault(kind=kind, explanation=f"a record that was {what} is served: {_brief(unknown)}")
    return _explain_positions(log, [place for place in positions if place is not None], observed.next_position)


def positions_of(log: Log, shown: Sequence[bytes]) -> list[int | None]:
    """Where records were appended, None where they were not; of equal ones, those that are next in order."""
    places: dict[bytes, list[int]] = {}
    for position, payload in enumerate(log.records):
        places.setdefault(payload, []).append(position)
    found: list[int | None] = []
    after = log.removed
    for payload in shown:
        known = places.get(payload)
        place = next((place for place in known if place >= after), known[0]) if known else None
        found.append(place)
        after = after if place is None else place + 1
    return found


def _explain_positions(log: Log, positions: list[int], next_position: int | None) -> Fault:
    shown = records(positions)
    starts, ends = f"{log.removed} <= c <= {log.removable}", f"{log.floor} <= n <= {len(log.records)}"
    repeated = [position for position, count in Counter(positions).items() if count > 1]
    end = positions[-1] + 1 if positions else log.removable
    missing = sorted(set(range(positions[0], end)).difference(positions)) if positions else []
    rules = (
        (bool(repeated), Violation.DUPLICATED, f"records {repeated} are served more than once"),
        (positions != sorted(positions), Violation.REORDERED, f"records come in the order {positions}"),
        (bool(positions) and positions[0] < log.removed, Violation.RESURRECTED, f"{shown} came back after cleanup"),
        (bool(missing), Violation.HOLE, f"{records(missing)} are missing before later ones"),
        (end < log.promised, Violation.LOST, f"{records(range(end, log.promised))} were promised and are missing"),
        (end < log.shown, Violation.PHANTOM, f"{records(range(end, log.shown))} were served and are gone"),
        (bool(positions) and positions[0] > log.removable > 0, Violation.EARLY_CLEANUP, f"only {shown} are left"),
        (bool(positions) and positions[0] > log.removable, Violation.HOLE, f"only {shown} are left"),
        (end in log.halves, Violation.HOLE, f"half a batch is served: {shown}"),
        ((next_position or 0) > end, Violation.HOLE, f"the next sequence number is {next_position}, beyond {shown}"),
        (True, Violation.DUPLICATED, f"the next sequence number is {next_position} behind {shown}"),
    )
    kind, what = next((kind, what) for applies, kind, what in rules if applies)
    return Fault(kind=kind, explanation=f"{what}; allowed are records[c:n] with {starts}, {ends}")


def records(positions: Sequence[int]) -> str:
    """Records by their positions: ``records 0-3, 7``."""
    return f"records {spans(positions)}" if positions else "no record"


def _brief(payload: bytes) -> str:
    return f"{len(payload)} bytes {payload[:24]!r}" + ("…" if len(payload) > 24 else "")
