"""The table of contracts: who is held to what, and what is refused to engines that are no logs."""

from collections.abc import Sequence

import pytest

from chaoswal.contracts import CALLS, CONTRACTS, LOG, contract_of, history_of, must_be_log
from chaoswal.engines.registry import EngineRef
from chaoswal.errors import Inconclusive, UsageError
from chaoswal.lint.judging import lint
from chaoswal.ops import Append, Operation, Put
from chaoswal.oracle import Traits
from chaoswal.replay import Place
from chaoswal.stateful import crash_machine
from tests.contracts.queues import Items
from tests.contracts.stores import Store
from tests.toys import ToyLog

QUEUE = "tests.contracts.queues:Items"


def test_of_which_contract_an_engine_is() -> None:
    assert [contract_of(kind).name for kind in (ToyLog, Items, Store, object)] == ["log", "queue", "kv", "log"]
    with pytest.raises(UsageError, match="no contract 'tree': an adapter's `contract` is one of log, queue, kv"):
        contract_of(type("Tree", (), {"contract": "tree"}))


def test_no_operation_is_asked_for_in_two_ways() -> None:
    assert len(CALLS) == sum(len(contract.calls) for contract in CONTRACTS.values())


@pytest.mark.parametrize(
    ("contract", "operations"), [("kv", [Append(size=1)]), ("queue", [Append(size=1)]), ("queue", [Put(key=1, size=1)])]
)
def test_operations_of_another_contract_are_refused(contract: str, operations: Sequence[Operation]) -> None:
    with pytest.raises(UsageError, match=f"the contract {contract} knows no .*: it knows close, "):
        history_of(operations, Traits(promise=frozenset(), contract=contract))


def test_what_is_for_logs_only() -> None:
    must_be_log(ToyLog, "lint")
    assert contract_of(ToyLog) is LOG
    with pytest.raises(UsageError, match="lint is for logs, and this engine's contract is kv: use `explore`"):
        must_be_log(Store, "lint")
    with pytest.raises(UsageError, match="lint is for logs"):
        lint(EngineRef(name=QUEUE))
    with pytest.raises(UsageError, match="the Hypothesis machine is for logs"):
        crash_machine(QUEUE)


def test_what_damage_may_take_is_not_known() -> None:
    history = history_of([], Traits(promise=frozenset(), contract="kv", reports=frozenset({"Corrupt"})))
    with pytest.raises(Inconclusive, match="what damage may take from a kv is not known"):
        Place().damaged((), history)
