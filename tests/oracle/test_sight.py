"""The words of promises are those of the adapter's methods; sights that differ in anything have keys that differ."""

from dataclasses import fields, replace
from typing import Any

import pytest

from chaoswal.ops import Append, Batch, Close, OpenAgain, Operation, Read, Reopen, Rotate, Subscribe, Sync, Unsubscribe
from chaoswal.oracle import Observed, promise_word
from chaoswal.verdict import Fault, Violation

OTHERWISE: dict[str, Any] = {
    "records": [b"a"],
    "items": ((b"key", b"value"),),
    "next_position": 1,
    "deliveries": {"s": [(0, b"a")]},
    "registered": ("s",),
    "counts": {"s": (1, 0)},
    "lost": 1,
    "fault": Fault(kind=Violation.UNOPENABLE, explanation="it does not open"),
    "raised": "OSError",
}


@pytest.mark.parametrize(
    ("operation", "word"),
    [
        (Append(size=1), "append"),
        (Batch(sizes=(1,)), "append_batch"),
        (Sync(), "sync"),
        (Rotate(), "rotate"),
        (Close(), "close"),
        (Reopen(), "close"),
        (OpenAgain(), "open"),
        (Read(), "read_outside"),
        (Subscribe(name="s"), "subscribe"),
        (Unsubscribe(name="s"), "unregister"),
    ],
)
def test_each_operation_is_promised_by_the_method_it_calls(operation: Operation, word: str) -> None:
    assert promise_word(operation) == word


@pytest.mark.parametrize("name", [field.name for field in fields(Observed)])
def test_the_key_knows_each_field(name: str) -> None:
    """Sights of one key are judged once: what the key left out would hide a violation."""
    assert replace(Observed(), **{name: OTHERWISE[name]}).key() != Observed().key()
    assert replace(Observed(), **OTHERWISE).key() == Observed(**OTHERWISE).key()


@pytest.mark.parametrize("name", [field.name for field in fields(Observed)])
def test_in_what_two_sights_differ(name: str) -> None:
    """By which error an engine said so makes no difference: that it failed does."""
    assert Observed().differs(replace(Observed(), **{name: OTHERWISE[name]})) == (name if name != "raised" else "")
    assert Observed(**OTHERWISE).differs(Observed(**OTHERWISE)) == ""
