"""What engines are held to: one row for each contract, with all that differs between them.

Everybody else asks the row: what an engine may be asked for (``calls``, ``programs``), what it shows (``observe``,
``probe``), and what it may show (``history``).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chaoswal.contracts.contract import Contract
from chaoswal.contracts.kv import KV
from chaoswal.contracts.log import LOG
from chaoswal.contracts.queue import QUEUE
from chaoswal.errors import UsageError
from chaoswal.ops import Operation
from chaoswal.oracle import Ledger, Traits

__all__ = ["CALLS", "CONTRACTS", "KV", "LOG", "QUEUE", "Contract", "contract_of", "history_of"]

CONTRACTS: Mapping[str, Contract] = {contract.name: contract for contract in (LOG, QUEUE, KV)}

CALLS: Mapping[type[Operation], Callable[[Any, int, Any], object]] = {
    kind: call for contract in CONTRACTS.values() for kind, call in contract.calls.items()
}
"""How an engine is asked for the operations that belong to one contract alone."""


def contract_of(engine: object) -> Contract:
    """That of an engine or its class, a log's where it names none; UsageError where there is none of that name."""
    name = getattr(engine, "contract", LOG.name)
    if name not in CONTRACTS:
        raise UsageError(f"there is no contract {name!r}: an adapter's `contract` is one of {', '.join(CONTRACTS)}")
    return CONTRACTS[name]


def history_of(operations: Sequence[Operation], traits: Traits) -> Ledger:
    """What an engine with these traits may show before anything was done; UsageError as ``Contract.history``."""
    return CONTRACTS[traits.contract].history(operations, traits)
