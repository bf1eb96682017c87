"""The model of retention, by examples that can be worked out by hand."""

import hypothesis
from hypothesis import strategies as st

from chaoswal.models.retention import RECORD_BYTES, SPARE_BYTES, Clock, Retention
from chaoswal.models.subscribers import Subscriber, lost, removable


def test_without_options_nothing_may_go() -> None:
    free = Retention()
    assert not free.full([10**9])
    assert free.droppable([10**9] * 3, 1) == 1
    assert free.late(3, 10**9, 10**9) == 3


def test_full_is_what_may_cost_more_than_the_budget() -> None:
    kept = Retention(budget_bytes=SPARE_BYTES + 2 * (RECORD_BYTES + 10))
    assert not kept.full([10, 10])
    assert kept.full([10, 11])
    assert kept.droppable([10, 11], 0) == 0, "it keeps new ones out and drops none"


def test_a_chunk_may_go_that_begins_where_there_is_too_much() -> None:
    budget = SPARE_BYTES + 2 * (RECORD_BYTES + 10)
    small = Retention(budget_bytes=budget, drops=True, chunk_bytes=10)
    assert small.droppable([10] * 5, 0) == 3, "the last three are too much, the last two are not"
    assert small.droppable([10] * 5, 4) == 4
    assert Retention(budget_bytes=budget, drops=True, chunk_bytes=25).droppable([10] * 5, 0) == 4
    assert small.droppable([10] * 5, 0, together={3, 4}) == 5


FEW_SIZES = st.sampled_from([0, 40, 300, 900])
CALLS = st.lists(st.lists(FEW_SIZES, min_size=1, max_size=2), max_size=6)


@hypothesis.given(st.lists(FEW_SIZES, max_size=3), CALLS, st.integers(0, 2), st.data())
@hypothesis.settings(max_examples=1_000)
def test_of_what_is_not_known_the_most_may_go_that_may_in_any_order(
    sure: list[int], unsure: list[list[int]], first: int, data: st.DataObject
) -> None:
    budget, chunk = data.draw(st.integers(SPARE_BYTES, 1_400)), data.draw(st.sampled_from([1, 45, 300, 700]))
    kept = Retention(budget_bytes=budget, drops=True, chunk_bytes=chunk)
    there = data.draw(st.permutations(unsure)) if unsure else []
    there = there[: data.draw(st.integers(0, len(there)))]
    sizes, together = list(sure), set[int]()
    for call in there:
        together |= set(range(len(sizes) + 1, len(sizes) + len(call)))
        sizes += call
    if first <= len(sizes):
        assert kept.droppable(sizes, first, together) <= kept.droppable(sure, first, unsure=unsure)


def test_a_log_written_under_other_options_has_their_chunks() -> None:
    budget = SPARE_BYTES + 2 * (RECORD_BYTES + 10)
    small = Retention(budget_bytes=budget, drops=True, chunk_bytes=10)
    assert small.after(Retention(chunk_bytes=25)).droppable([10] * 5, 0) == 4
    assert Retention(budget_bytes=budget, drops=True, chunk_bytes=25).after(small).droppable([10] * 5, 0) == 4
    assert Retention().after(small).droppable([10] * 5, 0) == 0, "the budget and its policy are its own"


def test_what_may_be_older_is_what_was_there_by_the_latest_reading() -> None:
    clock = Clock()
    for earliest, latest, length in ((10, 11, 1), (10, 12, 2), (15, 16, 3), (20, 29, 4)):
        clock.read(earliest, latest)
        clock.grown(length)
    assert clock.older(5) == 4, "it may be 29, and 4 records were there since 20"
    assert clock.older(9) == 4
    assert clock.older(9.5) == 3
    assert clock.older(14.5) == 2
    assert clock.older(19.5) == 0
    clock.cut(2)
    assert clock.older(5) == 2
    copy = clock.copy()
    copy.pass_by(100)
    copy.grown(7)
    assert (copy.older(0), copy.older(100), clock.older(0)) == (7, 2, 2)


def test_while_several_things_happen_only_the_latest_time_is_known_to_go_on() -> None:
    clock = Clock()
    clock.read(10, 11)
    clock.fork()
    clock.pass_by(60, others=True)
    clock.grown(1)
    assert (clock.earliest, clock.latest) == (10, 71)
    copy = clock.copy()
    clock.join(60.5)
    assert (clock.earliest, clock.latest) == (70.5, 71.5)
    assert clock.older(61) == 1, "it may have come at once"
    copy.join(None)
    assert (copy.earliest, copy.latest) == (10, 71), "who does not know how long it took knows no more"


def test_idle_is_as_long_as_it_may_have_been() -> None:
    clock = Clock()
    clock.read(10, 12)
    clock.progressed("s")
    clock.read(13, 20)
    assert clock.idle("s") == 10
    clock.progressed("s")
    assert clock.idle("s") == 7


def test_who_is_late() -> None:
    limits = Retention(lag_records=3, lag_seconds=5)
    assert limits.late(2, 5, 4.9) == 2
    assert limits.late(1, 5, 4.9) == 2
    assert limits.late(1, 5, 5) == 5
    assert limits.late(5, 5, 99) == 5


def test_what_is_skipped_is_finished_and_counted_once() -> None:
    one = Subscriber(1)
    one.give([1, 2, 3])
    one.ack(2)
    one.reject(3)
    assert one.counts({1}, 0) == (1, 0)
    assert one.counts({1, 3}, 2) == (0, 1)
    one.skip(5)
    one.skip(5)
    assert (one.skipped, one.finished(), one.untold) == ({1, 4}, 5, True)
    assert one.counts((), 6) == (1, 3)
    one.reject(1)
    assert one.counts((), 5) == (1, 2)


def test_a_skip_is_to_one_position_and_no_further_than_it_may_be() -> None:
    one = Subscriber(0)
    one.skippable = 3
    assert one.may_pass([0, 1], [2, 3])
    assert not one.may_pass([0, 2], [1, 3])
    assert not one.may_pass([0, 1, 2, 3], [4])
    one.adopt({2, 3}, range(4), promise=False)
    assert (one.skipped, one.acked, one.skippable) == ({0, 1}, {0, 1}, 0)


def test_where_a_latest_one_begins_shows_in_what_it_is_given() -> None:
    for given, start in (([4, 5], 4), ([], 5), ([2], 3)):
        one = Subscriber(3, 5)
        one.at_end = True
        one.begin(given, range(3, 6))
        assert one.start == one.start_max == start


def test_so_does_where_one_begins_with_the_first_that_is_left() -> None:
    for given, start in (([4, 5], 4), ([], 4), ([2], 3)):
        one = Subscriber(3, 5)
        one.begin(given, range(4, 6))
        assert one.start == one.start_max == start
    nobody_told = Subscriber(3, 5)
    nobody_told.begin_behind(4)
    assert (nobody_told.start, nobody_told.start_max) == (4, 5)


def test_what_is_lost_and_who_need_not_be_waited_for() -> None:
    done, behind, late = Subscriber(0), Subscriber(0), Subscriber(3)
    done.skip(9)
    behind.skip(2)
    assert lost([done, behind, late], range(5)) == 3
    assert lost([], range(5)) == 5
    assert lost([done], range(5)) == 0
    behind.optional = True
    assert removable([done, behind], 1) == 9
    done.optional = True
    assert removable([done, behind], 1) == 9
    behind.optional = False
    assert removable([done, behind], 1) == 2
