"""The two sides: what is shown and what is allowed, in the same words."""

from chaoswal.contracts import history_of
from chaoswal.explain.sides import allowed, recovered
from chaoswal.models.subscribers import Subscriber
from chaoswal.ops import Append, Delete, Put
from chaoswal.oracle import History, Observed, Traits
from chaoswal.trace import Begin, End


def history(records: int, promised: int, *, removed: int = 0, removable: int = 0) -> History:
    found = History([Append(size=1)], Traits(promise=frozenset()))
    found.log.records = [b"%d" % number for number in range(records)]
    found.log.promise(promised)
    found.log.removed, found.log.removable = removed, removable
    return found


def test_allowed_records() -> None:
    assert allowed(history(0, 0)) == "no record"
    assert allowed(history(3, 3)) == "records 0-2"
    assert allowed(history(3, 2)) == "records 0-1, perhaps records 2"
    assert allowed(history(3, 0)) == "perhaps records 0-2"
    assert allowed(history(5, 4, removed=1, removable=2)) == "records 2-3, perhaps records 1, 4"


def test_allowed_deliveries() -> None:
    found = history(5, 4)
    subscriber = found.subscribers["s"] = Subscriber(1)
    subscriber.acked, subscriber.promised = {1, 2}, {1}
    assert allowed(found) == "records 0-3, perhaps records 4; s is given records 3, perhaps records 2, 4"
    subscriber.acked = subscriber.promised = {1, 2, 3, 4}
    assert allowed(found).endswith("s is given no record")


def test_recovered() -> None:
    found = history(4, 4)
    shown = Observed(records=[b"0", b"1", b"3"], deliveries={"s": [(1, b"1"), (3, b"3")]})
    assert recovered(shown, found) == "records 0-1, 3; s is given records 1, 3"
    assert recovered(Observed(), found) == "no record"
    assert recovered(Observed(records=[b"0", b"?"]), found) == "records 0 and 1 that was never appended"
    assert recovered(Observed(records=[b"?", b"!"]), found) == "2 that were never appended"
    assert recovered(Observed(records=[b"1", b"0"]), found) == "records 1, 0"


def test_a_store_goes_by_its_keys_and_values() -> None:
    found = history_of([Put(key=0, size=3), Delete(key=0)], Traits(promise=frozenset(), contract="kv"))
    for op_index in range(2):
        found.apply(Begin(op_index=op_index))
        found.apply(End(op_index=op_index, result="None"))
    assert allowed(found) == "{} or {key0: 3 bytes b'0.0'}"
    assert recovered(Observed(items=((b"key1", b"x"),)), found) == "{key1: 1 bytes b'x'}"
