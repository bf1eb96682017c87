"""What a recovered engine shows and what the model allows, side by side, in the same words.

Records go by their positions in the log, deliveries to subscribers too; keys by their values.
"""

from collections.abc import Sequence

from chaoswal.errors import HarnessFault
from chaoswal.oracle import History, KvHistory, Ledger, Observed
from chaoswal.oracle.explaining import positions_of, records
from chaoswal.oracle.kv import in_words


def recovered(observed: Observed, history: Ledger) -> str:
    """What an engine shows."""
    if observed.fault:
        return "nothing"
    if isinstance(history, KvHistory):
        return in_words(dict(observed.items))
    history = _log(history)
    places = positions_of(history.log, observed.records)
    known = [place for place in places if place is not None]
    never = len(places) - len(known)
    words = [records(known)] if known or not never else []
    words += [f"{never} that {'was' if never == 1 else 'were'} never appended"] if never else []
    given = [f"{name} is given {records([place for place, _ in got])}" for name, got in observed.deliveries.items()]
    return "; ".join([" and ".join(words), *given])


def allowed(history: Ledger) -> str:
    """What the model allows."""
    if isinstance(history, KvHistory):
        return " or ".join(dict.fromkeys(in_words(state) for state in history.allowed()))
    history = _log(history)
    log = history.log
    shown = _sure_and_perhaps(
        range(log.removable, log.floor),
        [*range(log.removed, log.removable), *range(log.floor, len(log.records))],
    )
    return "; ".join([shown, *(_due(history, name) for name in history.subscribers)])


def _log(history: Ledger) -> History:
    if not isinstance(history, History):
        raise HarnessFault(f"nobody has words for what a {history.traits.contract} shows")
    return history


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
