"""The table of contracts: who is held to what, and what is refused to engines that are no logs."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from chaoswal.cli import main
from chaoswal.contracts import CALLS, CONTRACTS, KV, LOG, contract_of, history_of
from chaoswal.contracts import QUEUE as QUEUE_ROW
from chaoswal.engines import smallest, smallest_kv, smallest_queue
from chaoswal.errors import Exit, Inconclusive, UsageError
from chaoswal.ops import Append, Operation, Put
from chaoswal.oracle import Observed, Traits
from chaoswal.replay import Place
from chaoswal.workload import traits_of
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


@pytest.mark.parametrize("contract", CONTRACTS)
def test_who_promises_no_report_of_damage_is_not_judged_by_it(contract: str) -> None:
    history = history_of([], Traits(promise=frozenset(), contract=contract))
    with pytest.raises(Inconclusive, match="names no errors by which it reports damage"):
        Place().damaged((), history)


class Adapter:
    """As little as a key-value store may be."""

    contract = "kv"
    promise = "put"

    def put(self, key: bytes, value: bytes) -> None: ...

    def items(self) -> dict[bytes, bytes]:
        return {b"b": b"2", b"a": b"1"}

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("member", "value", "why"),
    [
        ("put", None, r"Wrong has no put\(\); an adapter with the contract kv has put, items, close"),
        ("put", lambda _self, _key: None, "Wrong.put must take 2 arguments"),
        ("items", lambda _self, _all: None, "Wrong.items must take 0 arguments"),
        ("promise", None, "Wrong.promise must be text: methods with spaces between, or 'none'; it is None"),
        ("promise", ["put"], r"Wrong.promise must be text: .*; it is \['put'\]"),
        ("promise", "put, sync", "Wrong.promise names 'put,', and there is no such method"),
        ("promise", "put delete", "Wrong.promise names 'delete', and there is no such method"),
    ],
)
def test_what_is_wrong_with_an_adapter_is_told(member: str, value: object, why: str) -> None:
    with pytest.raises(UsageError, match=f"^{why}"):
        traits_of(type("Wrong", (Adapter,), {member: value})())


def test_a_store_need_not_delete_and_may_show_a_mapping() -> None:
    assert traits_of(Adapter()).capabilities == frozenset()  # type: ignore[arg-type]
    assert traits_of(type("Silent", (Adapter,), {"promise": "none"})()).promise == {"none"}
    seen = Observed()
    KV.observe(Adapter(), seen)
    assert seen.items == ((b"a", b"1"), (b"b", b"2"))


def test_every_adapter_that_is_written_for_a_user_is_one() -> None:
    for module, contract in ((smallest, LOG), (smallest_queue, QUEUE_ROW), (smallest_kv, KV)):
        engine = module.Engine.__new__(module.Engine)
        assert contract_of(engine) is contract
        contract.check(engine)


def test_whoever_uses_an_adapter_with_a_mistake_hears_of_it_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "from chaoswal.engines.smallest_kv import Engine as Whole\nclass Engine(Whole):\n    promise = 'put delet'\n"
    (tmp_path / "typo.py").write_text(text)
    engine = f"{tmp_path / 'typo.py'}:Engine"
    for words in (["explore", "--states", "1"], ["explore", "-o", "recorder=syscalls", "--states", "1"], ["kill-loop"]):
        assert main([words[0], engine, *words[1:], "--workers", "1"]) == Exit.USAGE
        assert "Engine.promise names 'delet', and there is no such method" in capsys.readouterr().err
