"""What is allowed after a recovery: it goes on from what the recovery showed, and from nothing else."""

from dataclasses import replace

import pytest

from chaoswal.ops import (
    Ack,
    Activate,
    Append,
    Cleanup,
    Flush,
    Maintain,
    Operation,
    Poll,
    Read,
    Reopen,
    Subscribe,
    SubscribeLatest,
    Sync,
    Unsubscribe,
)
from chaoswal.oracle import ERROR, History, Observed, Traits
from chaoswal.trace import Begin, End
from chaoswal.verdict import Fault
from tests.oracle.test_subscribers import BIG, FITS_ONE, OF_S, Step, X, Y, Z, done, limited, right
from tests.test_oracle import ACKED, EACH, EVERYTHING, FLUSHED, NEVER, ON_SYNC, SIZE, A, B, C, cleaned, kind, record

POLLED: Step = (Poll(name="s", count=2), EVERYTHING[:2])
BEGUN: list[Step] = [*[(Append(size=SIZE), number) for number in range(3)], OF_S, POLLED]


def on(history: History, *steps: Step) -> Fault | None:
    """What is wrong with the first of these steps with which anything is; they come after those before."""
    for operation, result in steps:
        op_index = len(history.operations)
        history.operations = [*history.operations, operation]
        assert history.apply(Begin(op_index=op_index)) is None
        fault = history.apply(End(op_index=op_index, result=result if isinstance(result, str) else repr(result)))
        if fault:
            return fault
    return None


def seen(*given: tuple[int, bytes], **more: object) -> Observed:
    """Three records, and what ``s`` is given of them."""
    sight = Observed(records=[A, B, C], next_position=3, deliveries={"s": list(given)})
    for name, value in more.items():
        setattr(sight, name, value)
    return sight


def opened(steps: list[Step], sight: Observed, traits: Traits = EACH, *, faulty: bool = False) -> History:
    """The history of these steps, a crash, and a recovery that showed this."""
    history = right(steps, traits, faulty=faulty)
    assert history.open(sight) is None
    return history


def test_who_may_have_forgotten_is_given_again_what_the_recovery_gave() -> None:
    for given, due in ((EVERYTHING, EVERYTHING[0]), (EVERYTHING[1:], EVERYTHING[1])):
        for poll in EVERYTHING:
            fault = on(opened([*BEGUN, ACKED], seen(*given)), (Poll(name="s", count=1), [poll]))
            assert (kind(fault) == "fine") == (poll == due)


def test_what_a_recovery_did_not_give_again_is_not_promised_by_that() -> None:
    history = opened([*BEGUN, ACKED], seen(*EVERYTHING[1:]))
    assert kind(history.judge(seen(*EVERYTHING))) == "fine"
    flushed = opened([*BEGUN, ACKED, (Flush(name="s"), None)], seen(*EVERYTHING[1:]))
    assert kind(flushed.judge(seen(*EVERYTHING))) == "cursor-lost"


def test_operations_come_one_by_one_again() -> None:
    for number, expected in ((3, "fine"), (9, "hole"), (2, "duplicated")):
        assert kind(on(opened(BEGUN, Observed(records=[A, B, C])), (Append(size=SIZE), number))) == expected


def test_the_number_of_the_next_record_tells_what_was_cleaned_where_nothing_is_left() -> None:
    for number, expected in ((2, "fine"), (0, "duplicated"), (3, "hole")):
        history = opened(cleaned(...), Observed(next_position=2), NEVER)
        assert kind(on(history, (Append(size=SIZE), number))) == expected


def test_the_number_of_the_next_record_tells_equal_ones_apart() -> None:
    """The first may be cleaned. Whether it is that or one behind it which is there, the number says."""
    empty: list[Step] = [(Append(size=0), 0), OF_S, (Poll(name="s", count=1), [(0, b"")]), ACKED]
    one_left = Observed(records=[b""], next_position=2, deliveries={"s": [(1, b"")]})
    assert kind(right([*empty, (Append(size=0), 1), (Cleanup(), ...)], ON_SYNC).judge(one_left)) == "fine"
    failed: list[Step] = [(Append(size=0), f"{ERROR}OSError: no"), (Append(size=0), None), (Sync(), None)]
    history = right([*empty, *failed, (Cleanup(), ...)], ON_SYNC, faulty=True)
    assert history.open(Observed(records=[b"", b""], next_position=2)) is None
    assert kind(on(history, (Append(size=SIZE), 2))) == "fine", "one of the two that it shows was the failed one"


def test_a_reader_reads_from_where_the_recovery_began() -> None:
    for shown, expected in (([(2, C)], "fine"), ([], "stuck"), (EVERYTHING[1:], "resurrected")):
        after = opened([*cleaned(2)], Observed(records=[C], next_position=3, deliveries={"s": [(2, C)]}))
        assert kind(on(after, (Read(), shown))) == expected
    empty = right([(Append(size=0), 0), (Append(size=0), 1)], ON_SYNC)
    assert kind(on(empty, (Read(), [(1, b"")]))) == "hole", "it looks like the first"


def test_what_was_cleaned_already_is_no_reason_to_refuse_a_reader() -> None:
    refuses = replace(EACH, refusals=frozenset({"RecordGone"}))
    history = opened(cleaned(...), Observed(records=[C], next_position=3, deliveries={"s": [(2, C)]}), refuses)
    assert kind(on(history, (Read(), f"{ERROR}RecordGone: record 0: cleaned up"))) == "stuck"


def test_where_one_begins_that_nobody_was_told_of_is_settled_by_what_it_is_given() -> None:
    under_way: list[Step] = [
        (Append(size=SIZE), 0),
        (Sync(), None),
        (Append(size=SIZE), 1),
        (SubscribeLatest(name="s"), ...),
    ]
    records = [record(0), record(2)]
    for given in ([(1, records[1])], []):
        shown = Observed(records=records, next_position=2, deliveries={"s": given} if given else {})
        history = opened(under_way, shown, ON_SYNC)
        for poll in ([(0, records[0])], [(1, records[1])], []):
            fault = on(history.copy(), (Sync(), None), (Poll(name="s", count=9), poll))
            assert (kind(fault) == "fine") == (poll == given)


# -- who was skipped, and what was lost ----------------------------------------------------------------------------

SKIPS: Step = (Maintain(), done(skipped=(("s", 2),)))
STRICT: Step = (Activate(name="s"), None)
LAST: Step = (Poll(name="s", count=3), EVERYTHING[2:])


def test_nobody_asks_any_more_to_be_told_and_who_looks_is_told() -> None:
    traits = limited(lag_records=1)
    assert kind(on(opened(BEGUN[:4], seen(*EVERYTHING), traits), SKIPS, LAST)) == "fine"
    assert kind(on(opened(BEGUN[:4], seen(*EVERYTHING), traits), STRICT, SKIPS, LAST)) == "cursor-ahead"
    skipped = opened([*BEGUN[:4], SKIPS], seen(*EVERYTHING[2:]), traits)
    assert kind(on(skipped, STRICT, LAST)) == "fine"


@pytest.mark.parametrize(("finished", "right_count"), [(False, 1), (True, 0)])
def test_what_was_dropped_by_then_is_counted_if_somebody_had_not_finished_it(
    *, finished: bool, right_count: int
) -> None:
    x = record(0, size=400)
    done_with: list[Step] = [(Poll(name="s", count=1), [(0, x)]), ACKED, (Flush(name="s"), None)] if finished else []
    history = right([(BIG, 0), OF_S, *done_with, (BIG, ...)], FITS_ONE)
    y = record(len(history.operations) - 1, size=400)

    def dropped(claimed: int | None) -> Observed:
        return Observed(records=[y], next_position=2, deliveries={"s": [(1, y)]}, lost=claimed)

    for claimed in range(3):
        assert kind(history.judge(dropped(claimed))) == ("fine" if claimed == right_count else "dishonest")
    assert history.open(dropped(None)) is None
    for claimed in range(3):
        assert kind(history.judge(dropped(claimed))) == ("fine" if claimed == right_count else "dishonest")


def test_after_an_error_nothing_is_known_of_counts() -> None:
    failing: list[Operation] = [Maintain(), Reopen()]
    failed = [right([*BEGUN, (operation, f"{ERROR}OSError: no")], faulty=True) for operation in failing]
    unopened = right(BEGUN)
    assert unopened.open(Observed(raised="OSError"), struck=True) is None
    for history in (*failed, unopened):
        for counts in ((0, 0), (1, 0), (0, 1)):
            assert kind(history.judge(seen(*EVERYTHING, counts={"s": counts}))) == "fine"
    assert kind(right(BEGUN).judge(seen(*EVERYTHING, counts={"s": (0, 1)}))) == "dishonest"


# -- behind an opening that failed ---------------------------------------------------------------------------------

OF_U: Step = (Subscribe(name="u"), None)
DONE: list[Step] = [(Ack(name="s", places=(0, 1)), None), FLUSHED]


def not_opened(steps: list[Step], traits: Traits = EACH) -> History:
    """The history of these steps, a crash, and an opening that an error struck: nobody has seen what is left."""
    history = right(steps, traits, faulty=True)
    assert history.open(Observed(raised="OSError"), struck=True) is None
    return history


@pytest.mark.parametrize("first", range(4))
def test_who_is_new_begins_where_a_cleanup_under_way_may_have_ended(first: int) -> None:
    """Two records are finished, and may be gone."""
    there = [(Poll(name="u", count=9), EVERYTHING[first:])]
    cleaning = not_opened([*BEGUN, *DONE, (Cleanup(), ...)])
    assert kind(on(cleaning, OF_U, *there)) == ("fine" if first < 3 else "stuck")
    assert kind(on(not_opened([*BEGUN, *DONE]), OF_U, *there)) == (
        "fine" if first == 0 else "stuck" if first == 3 else "cursor-ahead"
    )


def test_who_was_given_nothing_may_begin_behind_all_that_may_be_gone() -> None:
    one: list[Step] = [(Append(size=SIZE), 0), OF_S, (Poll(name="s", count=1), EVERYTHING[:1]), ACKED, FLUSHED]
    nothing: Step = (Poll(name="u", count=1), [])
    assert kind(on(not_opened([*one, (Cleanup(), ...)]), OF_U, nothing)) == "fine"
    assert kind(on(not_opened(one), OF_U, nothing)) == "stuck"


def test_where_it_begins_is_known_behind_the_first_it_is_given() -> None:
    history = not_opened([*BEGUN, *DONE, (Cleanup(), ...)])
    assert on(history, OF_U, (Poll(name="u", count=0), []), (Poll(name="u", count=1), [EVERYTHING[1]])) is None
    assert kind(on(history, (Poll(name="u", count=1), [EVERYTHING[0]]))) == "duplicated"


@pytest.mark.parametrize(
    ("under_way", "traits"),
    [
        (BIG, limited(budget_bytes=1300, drops=1)),
        (Unsubscribe(name="s"), EACH),
        (Maintain(), replace(EACH, retention=(("lag_records", 1),))),
    ],
    ids=["dropped", "registered anew", "skipped"],
)
def test_who_may_have_been_passed_is_given_what_there_is(under_way: Operation, traits: Traits) -> None:
    """Two records are there; perhaps the first is gone, or ``s`` has been skipped ahead, or begins behind it."""
    drops = "drops" in dict(traits.retention)
    two: list[Step] = [(BIG, (0, 0) if drops else 0), OF_S, (BIG, (1, 0) if drops else 1)]
    for given in ([(0, X)], [(1, Z)]):
        poll: Step = (Poll(name="s", count=1), given)
        assert kind(on(not_opened([*two, (under_way, ...)], traits), poll)) == "fine"
        assert kind(on(not_opened(two, traits), poll)) == ("fine" if given == [(0, X)] else "cursor-ahead")


# -- what is shown, and what is promised by that -------------------------------------------------------------------


@pytest.mark.parametrize(("reads", "expected"), [(True, "phantom"), (False, "fine")])
def test_what_a_poll_gives_is_promised_where_reads_are(*, reads: bool, expected: str) -> None:
    history = right(
        [(Append(size=SIZE), 0), OF_S, (Poll(name="s", count=9), [(0, A)])], replace(NEVER, promise_reads=reads)
    )
    assert kind(history.judge(Observed())) == expected
    nothing = right([OF_S, (Poll(name="s", count=9), [])], replace(NEVER, promise_reads=reads))
    assert kind(nothing.judge(Observed())) == "fine"


def test_one_that_begins_before_what_is_dropped_is_given_what_is_left() -> None:
    steps: list[Step] = [(BIG, 0), (BIG, (1, 1)), (SubscribeLatest(name="s"), 0), (Sync(), None)]
    lazy = replace(FITS_ONE, promise=frozenset({"sync"}))
    assert kind(on(right(steps, lazy), (Poll(name="s", count=9), [(1, Y)]))) == "fine"
    assert kind(on(right(steps, lazy), (Poll(name="s", count=9), []))) == "stuck"


@pytest.mark.parametrize(("said", "expected"), [(2, "fine"), (1, "dishonest")])
def test_what_is_dropped_behind_a_recovery_is_counted(said: int, expected: str) -> None:
    history = opened([(BIG, 0), (BIG, (1, 1))], Observed(records=[Y], next_position=2, lost=1), FITS_ONE)
    assert on(history, (BIG, (2, 2))) is None
    assert kind(history.judge(Observed(records=[Z], next_position=3, lost=said))) == expected


def test_an_engine_may_call_its_records_what_it_likes() -> None:
    assert kind(on(right([]), (Append(size=SIZE), "'an id'"), (Append(size=SIZE), "1.5"))) == "fine"


def test_who_is_reopened_holds_nothing() -> None:
    for operation, expected in ((Reopen(), "fine"), (Sync(), "duplicated")):
        assert kind(on(right(BEGUN), (operation, None), POLLED)) == expected
