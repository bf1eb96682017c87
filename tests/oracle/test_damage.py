"""What may be gone without a report where the end of a file is damaged; and reports, honest and otherwise."""

from collections.abc import Sequence

import pytest

from chaoswal.contracts import history_of as history_of_any
from chaoswal.disk.image import Image
from chaoswal.ops import (
    Append,
    Batch,
    Delete,
    Done,
    Enqueue,
    Operation,
    Put,
    Rotate,
    Subscribe,
    Sync,
    Take,
    key_bytes,
    payload,
    payloads,
)
from chaoswal.oracle import ERROR, History, Ledger, Observed, QueueHistory, Traits
from chaoswal.oracle.damage import conceded, written
from chaoswal.trace import Begin, End, Event, Write
from chaoswal.verdict import Fault, Violation

TRAITS = Traits(promise=frozenset({"append", "sync"}), reports=frozenset({"Corrupt"}), torn_tails=("*.wal",))
FIVE: list[Operation] = [Append(size=4)] * 5
A, B, C, D, E = (payloads(number, FIVE[number])[0] for number in range(5))  # type: ignore[arg-type]
FRAMES = b"|aaaa|bbbb|cccc|dddd|eeee"


def history_of(operations: Sequence[Operation], traits: Traits = TRAITS) -> History:
    """All of these succeeded, each with the number that comes next."""
    history, number = History(operations, traits), 0
    for op_index, operation in enumerate(operations):
        assert history.apply(Begin(op_index=op_index)) is None
        result = number if isinstance(operation, Append | Batch) else None
        number += len(payloads(op_index, operation)) if isinstance(operation, Append | Batch) else 0
        assert history.apply(End(op_index=op_index, result=repr(result))) is None
    return history


def image(wal: bytes, segment: bytes = b"s") -> Image:
    return Image.of_files({"log": None, "log/a.wal": wal, "log/b.seg": segment})


WAL, SEGMENT = 2, 3


def writes(*calls: int, inode: int = WAL, zeros: int = 0) -> list[tuple[frozenset[int], Write]]:
    """Appends of five bytes each, one behind the other, by these calls."""
    data = [FRAMES[5 * n : 5 * n + 5] + bytes(zeros) for n in range(len(calls))]
    return [(frozenset({calls[n]}), Write(inode=inode, offset=5 * n, data=data[n], site="")) for n in range(len(calls))]


def five(inode: int = WAL) -> list[tuple[frozenset[int], Write]]:
    """Five of them."""
    return writes(0, 1, 2, 3, 4, inode=inode)


def test_writes_go_with_the_operation_they_were_made_in() -> None:
    def write(offset: int) -> Write:
        return Write(inode=1, offset=offset, data=b"x", site="")

    events: list[Event] = [write(0), Begin(op_index=3), write(1), write(2), End(op_index=3, result=""), write(3)]
    assert written(events) == [(frozenset({3}), write(1)), (frozenset({3}), write(2))]


def test_of_several_at_once_each_may_have_written_it() -> None:
    """So one is whole only if what all of them have written is."""
    one, other = ((frozenset({0, 1}), write) for _, write in five()[:2])
    began: list[Event] = [Begin(op_index=0), Begin(op_index=1), one[1], other[1]]
    ended: list[Event] = [End(op_index=number, result="0") for number in (0, 1)]
    assert written([*began, *ended]) == [one, other]
    made = [one, other, *five()[2:]]
    assert conceded(history_of(FIVE), image(FRAMES), image(FRAMES[:8]), made) == 0
    assert conceded(history_of(FIVE), image(FRAMES), image(FRAMES[:12]), made) == 2


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (FRAMES[:-1] + b"X", 4),  # the last record: nothing was appended after it
        (FRAMES[:-3], 4),
        (FRAMES[:-5], 4),
        (FRAMES[:17], 3),  # the last two: the third from the end says only that two were durable
        (b"X" * 25, 0),
        (b"", 0),
        (b"X" + FRAMES[1:], 5),  # the last record says that four were durable, and is there
        (FRAMES[:10] + bytes(5) + FRAMES[15:], 5),
        (FRAMES[:10] + bytes(10) + FRAMES[20:], 5),
        (FRAMES[:10] + bytes(5) + FRAMES[15:20] + bytes(5), 4),
        (FRAMES[:15] + bytes(5) + FRAMES[20:], 5),
    ],
)
def test_what_nothing_testifies_for_is_conceded(after: bytes, expected: int) -> None:
    assert conceded(history_of(FIVE), image(FRAMES), image(after), five()) == expected


def test_other_files_concede_nothing() -> None:
    assert conceded(history_of(FIVE), image(FRAMES), image(FRAMES, b""), five(SEGMENT)) == 5
    in_segment = image(b"", FRAMES)
    assert conceded(history_of(FIVE), in_segment, image(b"", b"X" * 25), five(SEGMENT)) == 5


def test_a_file_that_is_gone_is_no_torn_tail() -> None:
    without = Image({at: inode for at, inode in image(FRAMES).names.items() if inode != WAL}, image(FRAMES).contents)
    assert conceded(history_of(FIVE), image(FRAMES), without, five()) == 5


def test_an_engine_that_names_no_torn_tails_is_conceded_nothing() -> None:
    strict = Traits(promise=frozenset({"append"}), reports=frozenset({"Corrupt"}))
    assert conceded(history_of(FIVE, strict), image(FRAMES), image(b""), five()) == 5


def test_records_testify_to_what_was_promised_before_them() -> None:
    lazy = Traits(promise=frozenset({"sync"}), reports=frozenset({"Corrupt"}), torn_tails=("*.wal",))
    synced = history_of([Append(size=4), Append(size=4), Sync(), Append(size=4), Append(size=4), Sync()], lazy)
    made = writes(0, 1, 3, 4)
    assert synced.log.floor == 4
    assert conceded(synced, image(FRAMES[:20]), image(FRAMES[:15] + b"X" * 5), made) == 3
    assert conceded(synced, image(FRAMES[:20]), image(FRAMES[:10] + b"X" * 5 + FRAMES[15:20]), made) == 2
    assert conceded(synced, image(FRAMES[:20]), image(FRAMES[:5] + b"X" * 5 + FRAMES[10:20]), made) == 4
    assert conceded(synced, image(FRAMES[:20]), image(FRAMES[:10]), made) == 2
    assert conceded(synced, image(FRAMES[:20]), image(FRAMES[:3]), made) == 0


def test_records_that_lie_elsewhere_are_owed() -> None:
    made = [*five(SEGMENT)[:2], *five()[2:]]
    assert conceded(history_of(FIVE), image(FRAMES), image(b""), made) == 2


def test_what_a_later_call_wrote_over_counts_no_more() -> None:
    """A file that grows by zeros: each write but the last ends in zeros that the next one takes."""
    grown = writes(*range(5), zeros=9)
    before = image(FRAMES + bytes(9))
    assert conceded(history_of(FIVE), before, image(FRAMES[:20] + b"X" * 14), grown) == 4
    assert conceded(history_of(FIVE), before, image(FRAMES[:18] + b"X" * 16), grown) == 3
    assert conceded(history_of(FIVE), before, image(b"X" + FRAMES[1:] + bytes(9)), grown) == 5


def test_a_subscriber_testifies_unless_it_may_be_damaged_itself() -> None:
    history = history_of([Subscribe(name="s"), *FIVE])
    history.subscribers["s"].promised = {0, 1, 2}
    made = writes(1, 2, 3, 4, 5)
    assert conceded(history, image(FRAMES), image(b""), made) == 3
    assert conceded(history, image(FRAMES), image(b"", b"other"), made) == 0
    history.subscribers["s"].promised = set()
    assert conceded(history, image(FRAMES), image(b""), made) == 0, "it was promised nothing"


# -- stores and queues ---------------------------------------------------------------------------------------------


def of(contract: str, *operations: Operation, promise: str = "put delete ack") -> Ledger:
    """All of these succeeded."""
    promised = frozenset(promise.split())
    traits = Traits(promise=promised, contract=contract, reports=TRAITS.reports, torn_tails=TRAITS.torn_tails)
    history = history_of_any(operations, traits)
    items = (payload(number, 0, 4) for number, operation in enumerate(operations) if isinstance(operation, Enqueue))
    for op_index, operation in enumerate(operations):
        assert history.apply(Begin(op_index=op_index)) is None
        result = next(items) if isinstance(operation, Take) else None
        assert history.apply(End(op_index=op_index, result=repr(result))) is None
    return history


def test_of_a_store_the_last_commit_is_conceded() -> None:
    history = of("kv", Put(key=1, size=4), Put(key=2, size=4), Delete(key=1), Put(key=1, size=4))
    made, whole = writes(0, 1, 2, 3), FRAMES[:20]
    assert conceded(history, image(whole), image(whole[:-1] + b"X"), made) == 3
    assert conceded(history, image(whole), image(whole[:-6]), made) == 2
    assert conceded(history, image(whole), image(b"X" + whole[1:]), made) == 4, "the last says that three were durable"
    assert conceded(history, image(whole), image(b""), made) == 0


def test_a_commit_that_wrote_nothing_stands_and_falls_with_those_before_it() -> None:
    """A key is deleted that was not there."""
    history = of("kv", Put(key=1, size=4), Delete(key=2), Put(key=1, size=4), Delete(key=2))
    made, whole = writes(0, 2), FRAMES[:10]
    assert conceded(history, image(whole), image(whole), made) == 4
    assert conceded(history, image(whole), image(whole[:-1] + b"X"), made) == 2
    assert conceded(history, image(whole), image(b"X" + whole[1:]), made) == 4
    assert conceded(history, image(whole), image(b""), made) == 0


def test_what_else_is_written_there_is_cut_with_what_comes_behind_it() -> None:
    """A done that moves nothing is written down too."""
    history = of("queue", Enqueue(size=4), Done(), Enqueue(size=4), promise="")
    assert isinstance(history, QueueHistory)
    history.log.promise(2)
    made, whole = writes(0, 1, 2), FRAMES[:15]
    assert history.course().calls == [0, 2]
    assert conceded(history, image(whole), image(whole[:6] + b"X" + whole[7:]), made) == 1
    assert conceded(history, image(whole), image(whole[:11] + b"X" + whole[12:]), made) == 1
    known = of("queue", Enqueue(size=4), Done(), Enqueue(size=4))
    assert conceded(known, image(whole), image(whole[:6] + b"X" + whole[7:]), made) == 1
    assert conceded(known, image(whole), image(b"X" + whole[1:]), made) == 2


def test_a_commit_that_may_have_been_lost_stands_for_itself_where_it_is_there() -> None:
    """A key is put and deleted, and a recovery shows none: both happened, or neither did."""
    history = of("kv", Put(key=1, size=4), Delete(key=1), promise="")
    assert history.open(Observed()) is None
    assert history.course().perhaps == {0, 1}
    history.operations = [*history.operations, Put(key=2, size=4)]
    history.traits = of("kv").traits
    for marker in (Begin(op_index=2), End(op_index=2, result="None")):
        assert history.apply(marker) is None
    both, neither = FRAMES[:15], FRAMES[:5]
    assert conceded(history, image(both), image(both[:14]), writes(0, 1, 2)) == 2
    assert conceded(history, image(both), image(both[:9]), writes(0, 1, 2)) == 1
    assert conceded(history, image(neither), image(neither[:4]), writes(2)) == 2
    lost = [*writes(0, 1), *writes(2)]
    assert conceded(history, image(neither), image(neither[:4]), lost) == 2


def test_what_is_conceded_of_a_store_need_not_be_there() -> None:
    history = of("kv", Put(key=1, size=4), Delete(key=1), Put(key=1, size=4))
    history.damaged(2)
    assert history.judge(Observed()) is None
    first = payload(0, 0, 4)
    fault = history.judge(Observed(items=((key_bytes(1), first),)))
    assert fault
    assert fault.kind is Violation.DISHONEST
    assert "resurrected" in fault.explanation


def test_of_a_queue_items_put_and_items_done_with_are_conceded() -> None:
    history = of("queue", Enqueue(size=4), Enqueue(size=4), Take(), Done(), Enqueue(size=4))
    made, whole = writes(0, 1, 3, 4), FRAMES[:20]
    assert history.course().calls == [0, 1, 3, 4]
    assert history.course().known == [0, 1, 2, 3]
    assert conceded(history, image(whole), image(whole[:-1] + b"X"), made) == 3
    assert conceded(history, image(whole), image(whole[:10]), made) == 2
    assert conceded(history, image(whole), image(whole[:10] + b"X" + whole[11:]), made) == 4
    one, two, three = (payload(number, 0, 4) for number in (0, 1, 4))
    for steps, right, wrong in (
        (4, [[two, three]], [[one, two, three], [two]]),
        (3, [[two, three], [two]], [[one, two], []]),
        (2, [[two, three], [two], [one, two]], [[one], []]),
        (0, [[two, three], [one, two, three], [one], []], [[three]]),
    ):
        allowed = history.copy()
        allowed.damaged(steps)
        assert [allowed.copy().judge(Observed(records=shown)) for shown in right] == [None] * len(right)
        found = [allowed.copy().judge(Observed(records=shown)) for shown in wrong]
        assert {fault.kind for fault in found if fault} == {Violation.DISHONEST}
        assert all(found)


def test_what_moves_nothing_is_no_step_nor_what_has_not_lasted() -> None:
    idle = of("queue", Enqueue(size=4), Enqueue(size=4), Take(), Done(), Done(), Enqueue(size=4))
    assert (idle.course().calls, idle.course().known) == ([0, 1, 3, 5], [0, 1, 2, 3])
    items = [payload(number, 0, 4) for number in (0, 1)]
    for done, left in ((["done"], [0, 1, 3]), ([], [0, 1])):
        history = of("queue", Enqueue(size=4), Enqueue(size=4), Take(), Done(), promise="put")
        assert history.open(Observed(records=items[len(done) :])) is None
        assert history.course().calls == left


def test_where_a_recovery_did_not_tell_lost_from_done_a_torn_tail_does_not_either() -> None:
    """Nothing is promised but by syncs: an item that is not there any more is lost, or done with for good."""
    for torn, kind in ((("*.wal",), ""), ((), "dishonest")):
        traits = Traits(promise=frozenset(), contract="queue", reports=TRAITS.reports, torn_tails=torn)
        history = history_of_any([Enqueue(size=4), Take(), Done()], traits)
        for op_index, result in enumerate((None, payload(0, 0, 4), None)):
            history.apply(Begin(op_index=op_index))
            assert history.apply(End(op_index=op_index, result=repr(result))) is None
        assert history.open(Observed()) is None
        back = Observed(records=[payload(0, 0, 4)])
        assert kind_of(history.copy(), back) == "resurrected", "without damage"
        history.damaged(0)
        assert kind_of(history.copy(), back) == kind
        if not kind:
            assert history.open(back) is None
            assert history.astray, "what there is from now on nobody knows"


# -- reports -------------------------------------------------------------------------------------------------------


def rotten(conceding: int = 5, traits: Traits = TRAITS) -> History:
    history = history_of(FIVE, traits)
    history.damaged(conceding)
    return history


def raised(error: str, *records: bytes) -> Observed:
    fault = Fault(kind=Violation.UNOPENABLE, explanation=f"recovery raised {error}")
    return Observed(fault=fault, raised=error, records=list(records))


def kind_of(history: Ledger, observed: Observed) -> str:
    fault = history.judge(observed)
    assert fault is None or fault.explanation
    return fault.kind if fault else ""


def test_a_report_is_honest_only_of_damage_and_in_its_own_words() -> None:
    assert kind_of(history_of(FIVE), raised("Corrupt")) == "unopenable"
    assert kind_of(rotten(), raised("Corrupt")) == ""
    assert kind_of(rotten(), raised("Corrupt", A, B)) == ""
    assert kind_of(rotten(), raised("IndexError", A, B)) == "unopenable"


def test_what_is_shown_before_a_report_must_be_right() -> None:
    assert kind_of(rotten(), raised("Corrupt", B)) == "dishonest"
    assert kind_of(rotten(), raised("Corrupt", A, C)) == "dishonest"
    assert kind_of(rotten(), raised("Corrupt", A, b"garbage")) == "invented"
    for shown, told in ((C, "wrong: 2 records"), (b"garbage", "wrong: 2 records, one never appended: b'garbage'")):
        fault = rotten().judge(raised("Corrupt", A, shown))
        assert fault is not None
        assert fault.explanation.endswith(told)


def test_what_is_cut_or_served_instead_of_reported_is_dishonest() -> None:
    everything = [A, B, C, D, E]
    assert kind_of(rotten(), Observed(records=everything)) == ""
    assert kind_of(rotten(), Observed(records=everything[:4])) == "dishonest"
    assert kind_of(rotten(4), Observed(records=everything[:4])) == ""
    assert kind_of(rotten(4), Observed(records=everything[:3])) == "dishonest"
    assert kind_of(rotten(), Observed(records=[A, B, D, E])) == "dishonest"
    assert kind_of(rotten(), Observed(records=[A, B, C, D, b"????"])) == "invented"


def test_after_a_report_nothing_need_work_and_nothing_is_forgotten() -> None:
    history = rotten()
    history.operations = [*FIVE, Append(size=1), Rotate()]
    assert history.open(raised("Corrupt", A)) is None
    for op_index, error in ((5, "Corrupt: bad"), (6, "Other: what it says then")):
        assert history.apply(Begin(op_index=op_index)) is None
        assert history.apply(End(op_index=op_index, result=ERROR + error)) is None
    assert kind_of(history, Observed(records=[A, B, C, D])) == "dishonest"
    assert kind_of(history, Observed(records=[A, B, C, D, E])) == ""


def test_an_operation_may_report_damage_and_nothing_else() -> None:
    for error, kind in (("Corrupt: bad", ""), ("IndexError: bad", "stuck")):
        history = rotten()
        history.operations = [*FIVE, Rotate()]
        assert history.apply(Begin(op_index=5)) is None
        fault = history.apply(End(op_index=5, result=ERROR + error))
        assert (fault.kind if fault else "") == kind


# -- an opening that failed, and syncs that lied -------------------------------------------------------------------


def test_an_opening_that_an_error_struck_may_fail_and_promises_stay() -> None:
    lazy = Traits(promise=frozenset({"sync"}))
    history = history_of([Append(size=4), Sync(), Append(size=4), Append(size=4)], lazy)
    one, two, three = history.log.records
    assert history.copy().open(raised("OSError")) is not None
    assert history.open(raised("OSError", one), struck=True) is None
    for shown in ([one, two, three], [one, two], [one]):
        assert kind_of(history, Observed(records=shown)) == ""
    assert kind_of(history, Observed(records=[])) == "lost"
    assert kind_of(history, Observed(records=[one, b"x"])) == "invented"


def test_an_opening_that_was_struck_and_succeeded_shows_all() -> None:
    assert history_of(FIVE).open(Observed(records=[A, B, C, D, E]), struck=True) is None
    fault = history_of(FIVE).open(Observed(records=[A]), struck=True)
    assert fault is not None
    assert fault.kind == "lost"


def test_a_lie_excuses_what_is_gone_and_not_what_is_invented() -> None:
    history = history_of(FIVE)
    history.lied = True
    for shown, kind in (([A, B], ""), ([], ""), ([A, b"x"], "invented"), ([B, A], "reordered"), ([A, C], "hole")):
        assert kind_of(history, Observed(records=shown)) == kind
    assert kind_of(history, raised("Corrupt")) == ""
    assert kind_of(history, raised("IndexError")) == "unopenable"
    assert history.open(Observed(records=[A, B])) is None
    assert history.astray, "what there is from now on nobody knows"
    assert kind_of(history, Observed(records=[A])) == ""


def test_a_lie_that_took_nothing_away_makes_nothing_unknown() -> None:
    history = history_of(FIVE)
    history.lied = True
    assert history.open(Observed(records=[A, B, C, D, E])) is None
    assert not history.astray
    assert kind_of(history, Observed(records=[A, b"x"])) == "invented"
