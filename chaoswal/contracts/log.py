"""The contract of a log: records in the order in which they were appended."""

from collections.abc import Mapping
from typing import Any

from chaoswal.contracts.contract import PROBE, Contract, Told, unheard
from chaoswal.engines.adapter import LogEngine, Subscription
from chaoswal.ops import Append, Rotate
from chaoswal.oracle import History, Observed
from chaoswal.verdict import Fault, Violation


def retention_of(engine: LogEngine) -> dict[str, float]:
    """Which records may be dropped and when, as the adapter states it."""
    return dict(getattr(engine, "retention", {}))


def observe_log(engine: LogEngine, observed: Observed | None = None) -> Observed:
    """The records an engine shows and the number it says comes next; ``observed`` as in ``Contract.observe``."""
    observed = Observed() if observed is None else observed
    shown: list[Any] = []
    try:
        shown.extend(engine.records())  # what came before an error stays
    finally:
        observed.records = [item[1] for item in shown] if shown and isinstance(shown[0], tuple) else shown
    next_position = engine.next_sequence() if hasattr(engine, "next_sequence") else None
    observed.next_position = next_position
    if not shown or observed.records is shown:
        return observed
    first, last = shown[0][0], shown[-1][0]
    if next_position is not None and (last + 1, next_position - len(shown)) != (next_position, first):
        why = f"{len(shown)} records are numbered {first} to {last}, and the next is {next_position}"
        observed.fault = Fault(kind=Violation.DUPLICATED, explanation=why)
    return observed


def grown(observed: Observed) -> Observed:
    """What is shown with one more record behind the others; also by a queue."""
    return Observed(records=[*observed.records, PROBE])


def probe(
    engine: LogEngine,
    observed: Observed,
    handles: Mapping[str, Subscription] | None = None,
    done: Told = unheard,
) -> Fault | None:
    """After recovery an engine must append and read on, and so must its subscribers, who hold all there was before."""
    try:
        engine.append(PROBE)
    except Exception as error:
        if type(error).__name__ in getattr(engine, "refusals", ()):
            return None  # it is full, which it may be; whether it was right to say so, operations tell
        raise
    done("append")
    engine.sync()
    done("sync")
    after = observe_log(engine)
    wanted = grown(observed).records
    if retention_of(engine).get("drops") and after.records:
        wanted = wanted[-len(after.records) :]
    if after.fault or after.records != wanted:
        return Fault(kind=Violation.STUCK, explanation="a record appended after recovery is not read behind the others")
    for name, handle in (handles or {}).items():
        if [payload for _, payload in handle.poll(1)] != [PROBE]:
            why = f"subscriber {name} is not given a record appended after recovery"
            return Fault(kind=Violation.STUCK, explanation=why)
    return None


def _observe(engine: LogEngine, observed: Observed) -> None:
    observe_log(engine, observed)


LOG = Contract(
    name="log",
    ledger=History,
    observe=_observe,
    probe=probe,
    grown=grown,
    required={"append": 1, "sync": 0, "records": 0, "close": 0},
    optional=(
        "append_batch",
        "rotate",
        "cleanup",
        "maintain",
        "subscribe",
        "subscribe_latest",
        "activate",
        "unregister",
        "registered",
        "next_sequence",
        "lock_errors",
        "read_outside",
        "concurrent",
    ),
    places={
        "append": "",
        "sync": "",
        "rotate": "rotate",
        "finalize": "rotate",
        "cleanup": "cleanup",
        "maintain": "maintain",
        "flush": "subscribe",
        "subscribe": "subscribe",
    },
    sample=(Append(size=100), Rotate(), Append(size=30)),
)
