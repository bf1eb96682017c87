"""What a recovered engine shows and what the model allows, side by side, in the same words.

Records go by their positions in the log, deliveries to subscribers too.
"""

from collections.abc import Sequence

from chaoswal.oracle import History, Observed
from chaoswal.oracle.explaining import positions_of, records


def recovered(observed: Observed, history: History) -> str:
    """What an engine shows."""
    if observed.fault:
        return "nothing"
    places = positions_of(history.log, observed.records)
    known = [place for place in places if place is not None]
    never = len(places) - len(known)
    words = [records(known)] if known or not never else []
    words += [f"{never} that {'was' if never == 1 else 'were'} never appended"] if never else []
    given = [f"{name} is given {records([place for place, _ in got])}" for name, got in observed.deliveries.items()]
    return "; ".join([" and ".join(words), *given])


def allowed(history: History) -> str:
    """What the model allows."""
    log = history.log
    shown = _sure_and_perhaps(
        range(log.removable, log.floor),
        [*range(log.removed, log.removable), *range(log.floor, len(log.records))],
    )
    return "; ".join([shown, *(_due(history, name) for name in history.subscribers)])


def _due(history: History, name: str) -> str:
    """What a subscriber must be given, and what it may be."""
    subscriber, log = history.subscribers[name], history.log
    visible = range(max(subscriber.start, log.removed), len(log.records))
    open_ones = [position for position in visible if position not in subscriber.promised]
    sure = [position for position in open_ones if position not in subscriber.acked and position < log.floor]
    perhaps = [position for position in open_ones if position not in sure]
    return f"{name} is given {_sure_and_perhaps(sure, perhaps)}"


def _sure_and_perhaps(sure: Sequence[int], perhaps: Sequence[int]) -> str:
    if not perhaps:
        return records(sure)
    return f"{records(sure)}, perhaps {records(perhaps)}" if sure else f"perhaps {records(perhaps)}"
