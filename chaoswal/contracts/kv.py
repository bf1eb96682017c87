"""The contract of a key-value store: the state after some number of its commits, the last promised one or a later."""

import random
from collections.abc import Mapping
from typing import Any

from chaoswal.contracts.contract import PROBE, Contract, Told, plain
from chaoswal.engines.adapter import KvEngine
from chaoswal.ops import Close, Delete, Get, Operation, Put, PutBatch, Reopen, Sync, changes, key_bytes
from chaoswal.oracle import KvHistory, Observed
from chaoswal.verdict import Fault, Violation

PROBE_KEY = b"probe"


def _put(engine: KvEngine, op_index: int, operation: Put) -> None:
    for key, value in changes(op_index, operation).items():
        engine.put(key, value or b"")


def _put_batch(engine: KvEngine, op_index: int, operation: PutBatch) -> None:
    engine.put_batch({key: value or b"" for key, value in changes(op_index, operation).items()})


def _delete(engine: KvEngine, _op_index: int, operation: Delete) -> None:
    engine.delete(key_bytes(operation.key))


def _get(engine: KvEngine, _op_index: int, operation: Get) -> bytes | None:
    value = engine.get(key_bytes(operation.key))
    return None if value is None else plain(value)


def observe(engine: KvEngine, observed: Observed) -> None:
    """Every key with its value."""
    shown: list[tuple[bytes, bytes]] = []
    try:
        items = engine.items()
        for key, value in items.items() if isinstance(items, Mapping) else items:
            shown.append((plain(key), plain(value)))
    finally:
        observed.items = tuple(sorted(shown))


def grown(observed: Observed) -> Observed:
    """What is shown with one more key."""
    return Observed(items=tuple(sorted([*observed.items, (PROBE_KEY, PROBE)])))


def probe(engine: KvEngine, observed: Observed, _handles: Mapping[str, Any], done: Told) -> Fault | None:
    """One more key is put, beside the others; then it is deleted."""
    before, after = dict(observed.items), Observed()
    engine.put(PROBE_KEY, PROBE)
    done("put")
    if hasattr(engine, "sync"):
        engine.sync()
        done("sync")
    observe(engine, after)
    if after.items != grown(observed).items:
        return Fault(kind=Violation.STUCK, explanation="a key put after recovery is not there beside the others")
    if not hasattr(engine, "delete"):
        return None
    engine.delete(PROBE_KEY)
    observe(engine, after)
    if dict(after.items) != before:
        return Fault(kind=Violation.STUCK, explanation="a key deleted after recovery does not go, or others do")
    return None


class KvPrograms:
    """Random programs of one rhythm on a few keys: what is put again, and deleted, is where stores go wrong."""

    def __init__(self, seed: int, capabilities: frozenset[str], chance: random.Random) -> None:
        """``seed`` draws the rhythm, ``chance`` the operations."""
        rhythm = random.Random(f"kv:{seed}")
        self._chance = chance
        self._capabilities = capabilities
        self._keys = range(rhythm.choice([1, 2, 3, 6]))
        self._sizes = rhythm.choice([(0, 10, 40), (30, 100, 120), (100,), (5, 300, 700), (1, 1500, 5000)])
        self._weights: dict[str, float] = {
            "put": 10,
            "delete": rhythm.choice([0.5, 3, 6]),
            "put_batch": rhythm.choice([1, 4]),
            "get": rhythm.choice([0.5, 2]),
            "sync": rhythm.choice([0.5, 2, 5]),
            "reopen": rhythm.choice([0, 0.5]),
            "close": rhythm.choice([0, 0, 0.5]),
        }
        for word in ("delete", "put_batch", "get", "sync"):
            self._weights[word] *= word in capabilities

    def program(self, length: int) -> list[Operation]:
        """So many operations."""
        return [self._operation() for _ in range(length)]

    def scenario(self) -> list[Operation]:
        """What is put, durably or not, is put again or deleted, and perhaps once more; or several at once are."""
        key = self._chance.choice(self._keys)
        changes: list[Operation] = [
            self._put(key),
            *([Delete(key=key)] if "delete" in self._capabilities else []),
            *([self._batch()] if "put_batch" in self._capabilities else []),
        ]
        second, more = self._chance.choice(changes), self._chance.sample(changes, self._chance.choice([0, 0, 1]))
        looks: list[Operation] = [Get(key=key)] if "get" in self._capabilities else []
        return [self._put(key), *self._settled(), second, *looks, *self._settled(), *more]

    def _settled(self) -> list[Operation]:
        settled: list[Operation] = [Reopen(), *([Sync(), Sync()] if "sync" in self._capabilities else [])]
        return [self._chance.choice(settled)] if self._chance.random() < 0.7 else []

    def _batch(self) -> PutBatch:
        keys = self._chance.sample(self._keys, self._chance.randint(1, len(self._keys)))
        return PutBatch(pairs=tuple((key, self._chance.choice(self._sizes)) for key in keys))

    def _put(self, key: int) -> Put:
        return Put(key=key, size=self._chance.choice(self._sizes))

    def _operation(self) -> Operation:
        chance = self._chance
        key = chance.choice(self._keys)
        match chance.choices(list(self._weights), list(self._weights.values()))[0]:
            case "put":
                return self._put(key)
            case "delete":
                return Delete(key=key)
            case "put_batch":
                return self._batch()
            case "get":
                return Get(key=key)
            case word:
                return _PLAIN[word]


_PLAIN: Mapping[str, Operation] = {"sync": Sync(), "reopen": Reopen(), "close": Close()}

KV = Contract(
    name="kv",
    ledger=KvHistory,
    observe=observe,
    probe=probe,
    grown=grown,
    required={"put": 2, "items": 0, "close": 0},
    optional=("delete", "put_batch", "get", "sync", "lock_errors"),
    places={"put": "", "delete": "delete", "put_batch": "put_batch", "sync": "sync"},
    calls={Put: _put, PutBatch: _put_batch, Delete: _delete, Get: _get},
    programs=KvPrograms,
    sample=(Put(key=1, size=100), Put(key=2, size=30), Put(key=1, size=30)),
)
