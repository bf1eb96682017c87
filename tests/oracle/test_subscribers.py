"""Who is registered, what was skipped, rejected and dropped: what the oracle allows of that, and what it refuses."""

from dataclasses import replace

import pytest

from chaoswal.ops import (
    Ack,
    Activate,
    Append,
    Batch,
    Cleanup,
    Close,
    Deactivate,
    Flush,
    Maintain,
    Operation,
    Poll,
    Reject,
    Subscribe,
    SubscribeLatest,
    Sync,
    Unsubscribe,
    Wait,
)
from chaoswal.oracle import ERROR, History, Observed, Traits
from chaoswal.trace import Begin, End
from chaoswal.verdict import Fault, Violation
from tests.test_oracle import ACKED, EACH, FLUSHED, ON_SYNC, SIZE, A, B, C, kind, record, told

Step = tuple[Operation, object]

NAMING = replace(EACH, capabilities=frozenset({"registered"}))
THREE: list[Step] = [(Append(size=SIZE), 0), (Append(size=SIZE), 1), (Append(size=SIZE), 2)]
ALL = [(0, A), (1, B), (2, C)]
OF_S: Step = (Subscribe(name="s"), None)
OF_T: Step = (Subscribe(name="t"), None)


def right(steps: list[Step], traits: Traits = NAMING, *, faulty: bool = False) -> History:
    """The history of steps in which nothing is wrong."""
    history, fault = told(steps, traits, faulty=faulty)
    assert fault is None
    return history


def shows(*given: tuple[int, bytes], counts: tuple[int, int] | None = None) -> Observed:
    """Three records, and what ``s`` is given of them and says of itself."""
    said = {} if counts is None else {"s": counts}
    return Observed(records=[A, B, C], next_position=3, deliveries={"s": list(given)}, counts=said)


# -- names ---------------------------------------------------------------------------------------------------------

S, T = ("s",), ("t",)


@pytest.mark.parametrize(
    ("steps", "registered", "expected"),
    [
        ([OF_S], S, "fine"),
        ([OF_S], None, "fine"),
        ([OF_S], (), "cursor-lost"),
        ([OF_S], ("s", "t"), "resurrected"),
        ([OF_S, OF_T], S, "cursor-lost"),
        ([(Subscribe(name="s"), ...)], (), "fine"),
        ([(Subscribe(name="s"), ...)], S, "fine"),
        ([OF_S, (Unsubscribe(name="s"), ...)], (), "fine"),
        ([OF_S, (Unsubscribe(name="s"), ...)], S, "fine"),
        ([OF_S, (Unsubscribe(name="s"), None)], (), "fine"),
        ([OF_S, (Unsubscribe(name="s"), None)], S, "resurrected"),
        ([OF_S, OF_T, (Unsubscribe(name="s"), None)], T, "fine"),
        ([(Unsubscribe(name="s"), None)], (), "fine"),
    ],
)
def test_who_is_registered(steps: list[Step], registered: tuple[str, ...] | None, expected: str) -> None:
    assert kind(right(steps).judge(Observed(registered=registered))) == expected


@pytest.mark.parametrize("failing", [Subscribe(name="s"), SubscribeLatest(name="s"), Unsubscribe(name="s"), Maintain()])
def test_a_failed_call_leaves_open_who_is_registered(failing: Operation) -> None:
    history = right([OF_S, OF_T, (failing, f"{ERROR}OSError: no")], faulty=True)
    for registered in (("s", "t"), T):
        assert kind(history.judge(Observed(registered=registered))) == "fine"
    expected = "fine" if isinstance(failing, Maintain) else "cursor-lost"
    assert kind(history.judge(Observed(registered=S))) == expected, "it was not about the other"


def test_a_failed_poll_leaves_its_subscriber_registered() -> None:
    history = right([OF_S, (Poll(name="s", count=1), f"{ERROR}OSError: no")], faulty=True)
    assert kind(history.judge(Observed(registered=()))) == "cursor-lost"


@pytest.mark.parametrize(
    ("failing", "anew"),
    [(Unsubscribe(name="s"), True), (Subscribe(name="s"), True), (Maintain(), True), (Poll(name="s", count=1), False)],
)
def test_who_may_have_been_registered_anew_may_be_given_everything_again(failing: Operation, *, anew: bool) -> None:
    steps = [*THREE, OF_S, (Poll(name="s", count=1), ALL[:1]), ACKED, FLUSHED, (failing, f"{ERROR}OSError: no")]
    assert kind(right(steps, faulty=True).judge(shows(*ALL))) == ("fine" if anew else "cursor-lost")
    assert (told([*steps, (Poll(name="s", count=3), ALL)], NAMING, faulty=True)[1] is None) == anew


def test_failed_maintenance_may_have_skipped_as_far_as_the_limit() -> None:
    """Where it unregisters nobody: one who was in time stays where it was."""
    for lag, given, expected in ((2, ALL[1:], "fine"), (3, ALL[1:], "cursor-ahead"), (3, ALL, "fine")):
        traits = replace(EACH, retention=(("lag_records", lag),))
        steps: list[Step] = [*THREE, OF_S, (Maintain(), f"{ERROR}OSError: no")]
        assert kind(told([*steps, (Poll(name="s", count=3), given)], traits, faulty=True)[1]) == expected
    steps = [*THREE, OF_S, (Poll(name="s", count=1), ALL[:1]), ACKED, FLUSHED, (Maintain(), f"{ERROR}OSError: no")]
    assert kind(right(steps, EACH, faulty=True).judge(shows(*ALL))) == "cursor-lost", "it was in time"


def test_who_is_registered_already_may_subscribe_again() -> None:
    for operation in (Subscribe(name="s"), SubscribeLatest(name="s")):
        assert kind(told([*THREE, OF_S, (operation, None), (Poll(name="s", count=3), ALL)], NAMING)[1]) == "fine"


def test_maintenance_leaves_a_subscriber_uncertain_that_was_so_before() -> None:
    """Nobody saw, after a crash inside its subscribing, whether it is registered: the opening failed by an error."""
    operations: list[Operation] = [Subscribe(name="s"), Maintain()]
    for registered in ((), ("s",)):
        history = History(operations, replace(EACH, capabilities=frozenset({"registered"})))
        history.apply(Begin(op_index=0))
        failed = Observed(raised="InterruptedError", fault=Fault(kind=Violation.UNOPENABLE, explanation=""))
        assert history.open(failed, struck=True) is None
        history.apply(Begin(op_index=1))
        assert history.apply(End(op_index=1, result="{'first': 0, 'skipped': (), 'unregistered': ()}")) is None
        assert kind(history.judge(Observed(registered=registered))) == "fine"


# -- where one begins that begins at the end -----------------------------------------------------------------------

HALF_SYNCED: list[Step] = [(Append(size=SIZE), 0), (Sync(), None), (Append(size=SIZE), 1), (Append(size=SIZE), 2)]
BEHIND = [(0, A), (1, record(2)), (2, record(3))]


@pytest.mark.parametrize("begins", range(-1, 5))
def test_one_begins_behind_what_is_durable(begins: int) -> None:
    history, fault = told([*HALF_SYNCED, (SubscribeLatest(name="s"), begins)], ON_SYNC)
    legal = 1 <= begins <= 3
    assert kind(fault) == ("fine" if legal else "cursor-ahead")
    assert fault is None or fault.explanation.startswith(f"subscriber s begins at {begins}, ")
    for given in range(4) if legal else ():
        seen = Observed(records=[p for _, p in BEHIND], next_position=3, deliveries={"s": BEHIND[given:]})
        expected = "fine" if given == begins else "duplicated" if given < begins else "cursor-ahead"
        found = history.judge(seen)
        assert kind(found) == expected
        assert found is None or found.explanation.startswith("subscriber s ")


def test_who_has_its_handle_is_not_told_where_it_begins() -> None:
    """Where that is, is not known: something had failed when it was registered."""
    steps: list[Step] = [(Append(size=SIZE), 0), OF_S, (Poll(name="s", count=1), [(0, A)]), ACKED]
    steps += [(Sync(), f"{ERROR}OSError: no"), (Cleanup(), 0), (Unsubscribe(name="s"), None), OF_S]
    right([*steps, (SubscribeLatest(name="s"), None)], faulty=True)


def test_where_it_begins_shows_in_what_it_is_given_if_nobody_was_told() -> None:
    history = right([*HALF_SYNCED, (SubscribeLatest(name="s"), ...)], ON_SYNC)
    for given in range(4):
        seen = Observed(records=[p for _, p in BEHIND], next_position=3, deliveries={"s": BEHIND[given:]})
        assert (kind(history.judge(seen)) == "fine") == (given >= 1)
    assert kind(told([*HALF_SYNCED, (SubscribeLatest(name="s"), None)], ON_SYNC)[1]) == "cursor-ahead"
    assert kind(history.judge(Observed(records=[p for _, p in BEHIND], registered=S))) == "fine", "nobody looked"


# -- what is held, and what is rejected ----------------------------------------------------------------------------


def test_who_is_closed_or_taken_up_again_holds_nothing() -> None:
    begun = [*THREE, OF_S, (Poll(name="s", count=1), [(0, A)])]
    again: Step = (Poll(name="s", count=1), [(0, A)])
    for operation in (Deactivate(name="s"), Activate(name="s")):
        assert told([*begun, (operation, None), again], NAMING)[1] is None
    assert told([*begun, (Sync(), None), again], NAMING)[1] is not None


@pytest.mark.parametrize(
    ("promised", "given", "counts", "expected"),
    [
        (False, ALL[1:], (1, 0), "fine"),
        (False, ALL, (0, 0), "fine"),
        (False, ALL, (1, 0), "dishonest"),
        (False, ALL[1:], (0, 0), "dishonest"),
        (False, ALL[1:], (1, 1), "dishonest"),
        (True, ALL[1:], (1, 0), "fine"),
        (True, ALL[1:], (2, 0), "dishonest"),
        (True, ALL, (0, 0), "cursor-lost"),
    ],
)
def test_what_is_rejected_is_counted_once(
    *, promised: bool, given: list[tuple[int, bytes]], counts: tuple[int, int], expected: str
) -> None:
    steps = [*THREE, OF_S, (Poll(name="s", count=1), [(0, A)]), (Reject(name="s", places=(0,)), None)]
    flush: list[Step] = [(Flush(name="s"), None)] if promised else []
    fault = right([*steps, *flush]).judge(shows(*given, counts=counts))
    assert kind(fault) == expected
    assert fault is None or fault.explanation.startswith("subscriber s ")


def test_what_is_rejected_and_lost_is_not_counted() -> None:
    steps: list[Step] = [*THREE, OF_S, (Poll(name="s", count=3), ALL), (Reject(name="s", places=(2,)), None)]
    for shown, counts, expected in ((2, (0, 0), "fine"), (2, (1, 0), "dishonest"), (3, (1, 0), "fine")):
        seen = Observed(records=[A, B, C][:shown], next_position=shown, deliveries={"s": ALL[:2]}, counts={"s": counts})
        assert kind(right(steps, replace(NAMING, promise=frozenset(), promise_reads=False)).judge(seen)) == expected


# -- maintenance ---------------------------------------------------------------------------------------------------


def limited(**options: float) -> Traits:
    return replace(NAMING, retention=tuple(options.items()), refusals=frozenset({"Skipped"}))


def done(*, first: int = 0, skipped: tuple[tuple[str, int], ...] = (), unregistered: tuple[str, ...] = ()) -> object:
    return {"first": first, "skipped": skipped, "unregistered": unregistered}


def maintained(traits: Traits, result: object, *before: Step) -> tuple[History, Fault | None]:
    return told([OF_S, *THREE, *before, (Maintain(), result)], traits)


OLD, MIDDLE, NEW = record(1), record(2), record(3)
DUE = [(0, OLD), (1, MIDDLE), (2, NEW)]


def left(given: list[tuple[int, bytes]], counts: tuple[int, int]) -> Observed:
    return Observed(records=[OLD, MIDDLE, NEW], next_position=3, deliveries={"s": given}, counts={"s": counts})


@pytest.mark.parametrize("limit", [1, 2, 3])
@pytest.mark.parametrize("position", [1, 2, 3])
def test_one_is_skipped_ahead_as_far_as_the_limit(limit: int, position: int) -> None:
    history, fault = maintained(limited(lag_records=limit), done(skipped=(("s", position),)))
    legal = position <= 3 - limit
    assert kind(fault) == ("fine" if legal else "cursor-ahead")
    if legal:
        assert kind(history.judge(left(DUE[position:], (0, position)))) == "fine"
        assert kind(history.judge(left(DUE[position:], (0, 0)))) == "dishonest"
        assert kind(history.judge(left(DUE, (0, 0)))) == "cursor-lost"
        assert kind(history.judge(left(DUE[position + 1 :], (0, position + 1)))) == "cursor-ahead"


FAILED: Step = (Append(size=SIZE), f"{ERROR}OSError: no")
ONE_OF_TWO: list[Step] = [FAILED, FAILED, (Append(size=SIZE), 1)]
"""One of those that failed happened: there are two records, and nobody knows which is the first."""


@pytest.mark.parametrize(("position", "expected"), [(1, "fine"), (3, "cursor-ahead")])
def test_who_is_late_is_late_by_what_may_be_there(position: int, expected: str) -> None:
    skips: Step = (Maintain(), done(skipped=(("s", position),)))
    assert kind(told([*ONE_OF_TWO, OF_S, skips], limited(lag_records=1), faulty=True)[1]) == expected


@pytest.mark.parametrize("happened", [0, 1])
def test_who_begins_at_the_end_begins_behind_what_may_be_there(happened: int) -> None:
    history = right([*ONE_OF_TWO, (SubscribeLatest(name="t"), 2)], faulty=True)
    sight = Observed(records=[record(happened), record(2)], next_position=2, deliveries={"t": []})
    assert kind(history.judge(sight)) == "fine"
    sight.deliveries["t"] = [(0, record(happened))]
    assert kind(history.judge(sight)) == "duplicated"


def test_what_maintenance_under_way_may_have_skipped() -> None:
    history, _ = maintained(limited(lag_records=1), ...)
    for skipped, expected in ((0, "fine"), (1, "fine"), (2, "fine"), (3, "cursor-ahead")):
        assert kind(history.judge(left(DUE[skipped:], (0, skipped)))) == expected
    over, _ = maintained(limited(lag_records=1), done())
    assert kind(over.judge(left(DUE[1:], (0, 1)))) == "cursor-ahead", "it is over, and has skipped nothing"


@pytest.mark.parametrize(("milliseconds", "late"), [(900, False), (997, False), (999, True), (1_100, True)])
def test_who_has_done_nothing_for_long_is_late(milliseconds: int, late: bool) -> None:
    traits, skip = limited(lag_seconds=1), done(skipped=(("s", 3),))
    wait: Step = (Wait(milliseconds=milliseconds), None)
    assert kind(maintained(traits, skip, wait)[1]) == ("fine" if late else "cursor-ahead")
    given: Step = (Poll(name="s", count=1), DUE[:1])
    acked: Step = (Ack(name="s", places=(0,)), None)
    assert kind(maintained(traits, skip, given, wait, acked)[1]) == "cursor-ahead", "it has just done something"
    assert kind(told([*THREE, wait, OF_S, (Maintain(), skip)], traits)[1]) == "cursor-ahead", "it is new"


def test_who_is_late_may_be_unregistered_and_nobody_else() -> None:
    for limit, expected in ((1, "fine"), (3, "cursor-lost")):
        traits = limited(lag_records=limit, unregisters=1)
        history, fault = maintained(traits, done(unregistered=S))
        assert kind(fault) == expected
        for registered, then in (((), "fine"), (S, "resurrected")):
            seen = Observed(records=[OLD, MIDDLE, NEW], next_position=3, registered=registered)
            assert kind(history.judge(seen)) == then
        under_way, _ = maintained(traits, ...)
        seen = Observed(records=[OLD, MIDDLE, NEW], next_position=3, registered=())
        assert kind(under_way.judge(seen)) == expected
        over, _ = maintained(traits, done())
        assert kind(over.judge(seen)) == "cursor-lost"
    assert kind(maintained(limited(lag_records=1, unregisters=1), done(skipped=(("s", 2),)))[1]) == "cursor-ahead"


def test_maintenance_cleans_what_is_finished_and_no_more() -> None:
    steps: list[Step] = [(Poll(name="s", count=2), DUE[:2]), (Ack(name="s", places=(0, 1)), None)]
    for first in range(4):
        _, fault = maintained(limited(), done(first=first), *steps)
        assert kind(fault) == ("fine" if first <= 2 else "early-cleanup")
    history, _ = maintained(limited(), done(), *steps)
    for gone, expected in ((0, "fine"), (1, "hole"), (2, "hole")):
        seen = Observed(records=[OLD, MIDDLE, NEW][gone:], next_position=3, deliveries={"s": DUE[2:]})
        assert kind(history.judge(seen)) == expected, "it said that it has cleaned nothing"


def test_who_asks_to_be_told_is_told_what_was_skipped() -> None:
    traits, skip = limited(lag_records=1), done(skipped=(("s", 2),))
    strict: Step = (Activate(name="s"), None)
    for handle, result, expected in (
        ([strict], [DUE[2]], "cursor-ahead"),
        ([strict], f"{ERROR}Skipped: 2", "fine"),
        ([], [DUE[2]], "fine"),
    ):
        _, fault = told([OF_S, *THREE, *handle, (Maintain(), skip), (Poll(name="s", count=3), result)], traits)
        assert kind(fault) == expected
    refused: Step = (Poll(name="s", count=3), f"{ERROR}Skipped: 0: or so")
    fault = told([OF_S, *THREE, strict, refused], traits)[1]
    assert kind(fault) == "stuck", "nothing was skipped"
    assert fault is not None
    assert fault.explanation == "poll was refused without a reason: Skipped: 0: or so"


CLOSED: Step = (Deactivate(name="s"), None)
REFUSED: Step = (Activate(name="s"), f"{ERROR}Skipped: 2")
STRICT: Step = (Activate(name="s"), None)
AGAIN: list[Step] = [(Unsubscribe(name="s"), None), OF_S]
NOTHING: Step = (Flush(name="s"), None)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([], [NOTHING, STRICT], "cursor-ahead"),
        ([CLOSED], [NOTHING, STRICT], "fine"),  # a handle that does not ask is told all the same
        ([CLOSED], [STRICT], "cursor-ahead"),
        ([CLOSED], [CLOSED, STRICT], "cursor-ahead"),
        ([CLOSED], [REFUSED, (Poll(name="s", count=0), []), STRICT], "fine"),
        ([], [REFUSED, NOTHING, STRICT], "fine"),
        ([STRICT], [(Flush(name="s"), f"{ERROR}Skipped: 2")], "stuck"),
        ([STRICT, *AGAIN], [], "fine"),
    ],
)
def test_whoever_takes_a_subscriber_up_is_told_once(before: list[Step], after: list[Step], expected: str) -> None:
    skip: Step = (Maintain(), done(skipped=(("s", 2),)))
    steps = [OF_S, *THREE, *before, skip, *after, (Poll(name="s", count=3), DUE[2:])]
    if before[1:]:
        steps = [OF_S, *before, *[(operation, result) for operation, result in THREE], skip, *after]
        number = len(before) + 3
        steps.append((Poll(name="s", count=3), [(2, record(number))]))
    assert kind(told(steps, limited(lag_records=1))[1]) == expected


# -- what is dropped -----------------------------------------------------------------------------------------------

FITS_ONE = limited(budget_bytes=900, drops=1)
"""A record of 400 bytes and what it costs besides fits, two do not."""
X, Y, Z = (record(number, size=400) for number in range(3))
BIG = Append(size=400)


def test_what_a_budget_drops_is_counted() -> None:
    history = right([(BIG, 0), (BIG, (1, 1)), (BIG, (2, 2))], FITS_ONE)
    for said, expected in ((1, "dishonest"), (2, "fine"), (3, "dishonest"), (None, "fine")):
        assert kind(history.judge(Observed(records=[Z], next_position=3, lost=said))) == expected
    assert kind(history.judge(Observed(records=[Y, Z], next_position=3, lost=1))) == "resurrected"


def test_what_is_dropped_while_an_append_is_under_way_is_counted_if_it_is_gone() -> None:
    history = right([(BIG, 0), (BIG, (1, 1)), (BIG, ...)], FITS_ONE)
    for shown, said in (([Y, Z], 1), ([Y], 1), ([Z], 2)):
        for claimed in range(4):
            fault = history.judge(Observed(records=shown, next_position=1 + len(shown) + (shown == [Z]), lost=claimed))
            assert kind(fault) == ("fine" if claimed == said else "dishonest")
    opened = history.copy()
    assert opened.open(Observed(records=[Z], next_position=3, lost=2)) is None
    assert kind(opened.judge(Observed(records=[Z], next_position=3, lost=2))) == "fine"
    assert kind(opened.judge(Observed(records=[Z], next_position=3, lost=1))) == "dishonest"
    assert history.open(Observed(records=[Z], next_position=3)) is None
    assert kind(history.judge(Observed(records=[Z], next_position=3, lost=2))) == "fine"


def test_who_had_not_finished_what_is_dropped_says_so() -> None:
    history = right([(BIG, 0), OF_S, (BIG, (1, 1))], FITS_ONE)
    second = record(2, size=400)
    for counts, expected in (((0, 1), "fine"), ((0, 0), "dishonest")):
        seen = Observed(records=[second], next_position=2, deliveries={"s": [(1, second)]}, counts={"s": counts})
        assert kind(history.judge(seen)) == expected


def test_whether_a_failed_append_has_dropped_something_nobody_knows() -> None:
    failed: list[Step] = [OF_S, (BIG, (0, 0)), (BIG, f"{ERROR}OSError: no")]
    for begun in ([(0, X)], [(1, Y)]):
        right([*failed, (Poll(name="s", count=1), begun)], FITS_ONE, faulty=True)
    small: list[Step] = [OF_S, (Append(size=8), 0)]
    done: list[Step] = [*small, (Poll(name="s", count=1), [(0, record(1, size=8))]), ACKED]
    for steps, given in ((small, 1), (done, 2)):
        wrong: list[Step] = [(Append(size=8), f"{ERROR}OSError: no"), (Poll(name="s", count=1), [(given, b"")])]
        assert kind(told([*steps, *wrong], FITS_ONE, faulty=True)[1]) == "cursor-ahead", "there is room for all"


def test_a_batch_is_dropped_whole() -> None:
    two = limited(budget_bytes=1500, drops=1)
    for left, expected in ((0, "fine"), (2, "fine"), (3, "early-cleanup")):
        assert kind(told([(Batch(sizes=(400, 400)), 0), (BIG, (2, left))], two)[1]) == expected


def test_who_is_subscribed_and_has_its_handle_is_not_registered_by_that() -> None:
    failed: Step = (Unsubscribe(name="s"), f"{ERROR}OSError: no")
    history = right([OF_S, failed, OF_S], faulty=True)
    assert kind(history.judge(Observed(registered=()))) == "fine"


@pytest.mark.parametrize(("position", "expected"), [(3, "fine"), (2, "cursor-ahead"), (None, "cursor-ahead")])
def test_where_one_begins_that_begins_at_the_end(position: int | None, expected: str) -> None:
    assert kind(told([*THREE, (SubscribeLatest(name="s"), position)], NAMING)[1]) == expected


def test_what_is_refused_drops_nothing() -> None:
    history = right([(BIG, 0), (BIG, f"{ERROR}AtCapacity: no")], replace(FITS_ONE, refusals=frozenset({"AtCapacity"})))
    assert kind(history.judge(Observed(records=[X], next_position=1, lost=0))) == "fine"
    assert kind(history.judge(Observed(records=[], next_position=1, lost=1))) == "lost"


@pytest.mark.parametrize("registered", [True, False])
def test_who_is_there_already_says_where_it_is(registered: bool) -> None:
    """Once an append has failed nobody knows where one begins that is registered next."""
    steps: list[Step] = [(BIG, 0), (BIG, f"{ERROR}OSError: no"), *([OF_S] if registered else []), (Close(), None)]
    _, fault = told([*steps, (SubscribeLatest(name="s"), 3)], FITS_ONE, faulty=True)
    assert kind(fault) == ("fine" if registered else "cursor-ahead")


def test_an_append_drops_no_more_than_it_must() -> None:
    _, fault = told([(BIG, 0), (BIG, (1, 2))], FITS_ONE)
    assert kind(fault) == "early-cleanup"
    kept = right([(BIG, 0), (BIG, (1, 0))], FITS_ONE)
    assert kind(kept.judge(Observed(records=[Y], next_position=2))) == "hole", "it said that nothing is gone"


def test_an_append_is_refused_only_where_the_budget_is_spent() -> None:
    full = replace(limited(budget_bytes=900), refusals=frozenset({"Full"}))
    refused: Step = (BIG, f"{ERROR}Full: no")
    assert kind(told([refused], full)[1]) == "stuck"
    history = right([(BIG, 0), refused, (Append(size=0), 1)], full)
    for shown, expected in (([X, b""], "fine"), ([X, Y], "invented"), ([X], "lost")):
        assert kind(history.judge(Observed(records=shown))) == expected
