"""The words of promises are those of the adapter's methods."""

import pytest

from chaoswal.ops import Append, Batch, Close, OpenAgain, Operation, Read, Reopen, Rotate, Subscribe, Sync, Unsubscribe
from chaoswal.oracle import promise_word


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
