"""The contract of a queue with one consumer: items in order, each until the consumer is done with it."""

import random
from collections.abc import Mapping
from typing import Any

from chaoswal.contracts.contract import PROBE, Contract, Told, plain
from chaoswal.contracts.log import grown
from chaoswal.engines.adapter import QueueEngine
from chaoswal.ops import Close, Done, Enqueue, Operation, Reopen, Sync, Take, payloads
from chaoswal.oracle import Observed, QueueHistory
from chaoswal.verdict import Fault, Violation


def _put(engine: QueueEngine, op_index: int, operation: Enqueue) -> None:
    engine.put(payloads(op_index, operation)[0])


def _get(engine: QueueEngine, _op_index: int, _operation: Take) -> bytes | None:
    item = engine.get()
    return None if item is None else plain(item)


def _ack(engine: QueueEngine, _op_index: int, _operation: Done) -> None:
    engine.ack()


def observe(engine: QueueEngine, observed: Observed) -> None:
    """Every item that is not done with."""
    for item in engine.items():
        observed.records.append(plain(item))  # what came before an error stays


def probe(engine: QueueEngine, observed: Observed, _handles: Mapping[str, Any], done: Told) -> Fault | None:
    """One more item is put, behind the others; then all are got, until there is none."""
    wanted, after = grown(observed).records, Observed()
    engine.put(PROBE)
    done("put")
    if hasattr(engine, "sync"):
        engine.sync()
        done("sync")
    observe(engine, after)
    if after.records != wanted:
        return Fault(kind=Violation.STUCK, explanation="an item put after recovery is not there behind the others")
    if [engine.get() for _ in range(len(wanted) + 1)] != [*wanted, None]:
        return Fault(kind=Violation.STUCK, explanation="what is handed out after recovery is not what there is")
    return None


class QueuePrograms:
    """Random programs of one rhythm: the queue runs full and empty, and its consumer is behind or at its heels."""

    def __init__(self, seed: int, capabilities: frozenset[str], chance: random.Random) -> None:
        """``seed`` draws the rhythm, ``chance`` the operations."""
        rhythm = random.Random(f"queue:{seed}")
        self._chance = chance
        self._capabilities = capabilities
        self._sizes = rhythm.choice([(0, 10, 40), (30, 100, 120), (100,), (5, 300, 700), (1, 1500, 5000)])
        self._weights: dict[str, float] = {
            "put": 10,
            "get": rhythm.choice([3, 8, 12]),
            "ack": rhythm.choice([1, 4]) * ("ack" in capabilities),
            "sync": rhythm.choice([0.5, 2, 5]) * ("sync" in capabilities),
            "reopen": rhythm.choice([0, 0.5]),
            "close": rhythm.choice([0, 0, 0.5]),
        }

    def program(self, length: int) -> list[Operation]:
        """So many operations."""
        words = self._chance.choices(list(self._weights), list(self._weights.values()), k=length)
        return [self._operation(word) for word in words]

    def scenario(self) -> list[Operation]:
        """Some items are put, some of them got, perhaps done with, durably or not; and perhaps the next one is got."""
        count = self._chance.randint(1, 3)
        puts: list[Operation] = [self._operation("put") for _ in range(count)]
        gets: list[Operation] = [Take()] * self._chance.randint(1, count)
        done: list[Operation] = [Done()] if "ack" in self._capabilities and self._chance.random() < 0.8 else []
        more: list[Operation] = [Take(), self._operation("put")]
        last = self._chance.sample(more, self._chance.choice([0, 1, 1]))
        return [*puts, *self._settled(), *gets, *done, *self._settled(), *last]

    def _settled(self) -> list[Operation]:
        settled: list[Operation] = [Reopen(), *([Sync(), Sync()] if "sync" in self._capabilities else [])]
        return [self._chance.choice(settled)] if self._chance.random() < 0.5 else []

    def _operation(self, word: str) -> Operation:
        return Enqueue(size=self._chance.choice(self._sizes)) if word == "put" else _PLAIN[word]


_PLAIN: Mapping[str, Operation] = {
    "get": Take(),
    "ack": Done(),
    "sync": Sync(),
    "reopen": Reopen(),
    "close": Close(),
}

QUEUE = Contract(
    name="queue",
    ledger=QueueHistory,
    observe=observe,
    probe=probe,
    grown=grown,
    required={"put": 1, "get": 0, "items": 0, "close": 0},
    optional=("ack", "sync", "lock_errors", "at_most_once"),
    places={"put": "", "get": "", "ack": "ack", "sync": "sync"},
    calls={Enqueue: _put, Take: _get, Done: _ack},
    programs=QueuePrograms,
    sample=(Enqueue(size=100), Enqueue(size=30), Take()),
)
