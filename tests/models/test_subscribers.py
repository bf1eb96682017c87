"""The model of subscribers: ordered, at least once, never ahead; cleanup waits for the slowest."""

from hypothesis import given
from hypothesis import strategies as st

from chaoswal.models.subscribers import Subscriber, removable


def test_records_come_in_order_and_once_while_held() -> None:
    one = Subscriber(2)
    assert one.expected(2, range(9)) == [2, 3]
    one.give([2, 3])
    assert one.expected(2, range(9)) == [4, 5]
    one.ack(3)
    one.defer(2)
    assert one.expected(3, range(9)) == [2, 4, 5]
    assert one.expected(3, range(5)) == [2, 4]
    assert one.finished() == 2
    one.give([2])
    one.ack(2)
    assert one.finished() == 4


def test_an_acknowledgement_is_promised_by_a_flush() -> None:
    one = Subscriber(0)
    one.give([0, 1])
    one.ack(0)
    one.ack(1)
    one.flush([0])
    assert (one.acked, one.promised) == ({0, 1}, {0})


def test_what_is_delivered_again_was_not_acknowledged() -> None:
    one = Subscriber(0)
    one.give(range(4))
    for position in range(4):
        one.ack(position)
    one.flush([0])
    one.adopt({2}, range(1, 4), promise=False)
    assert (one.acked, one.promised, one.held) == ({0, 1, 3}, {0}, [])
    one.adopt(set(), range(1, 3), promise=True)
    assert one.promised == one.acked == {0, 1}


def test_copies_are_independent() -> None:
    one = Subscriber(0)
    one.give([0, 1])
    other = one.copy()
    one.ack(0)
    one.flush([0])
    assert (other.acked, other.promised, other.held) == (set(), set(), [0, 1])


def test_cleanup_waits_for_the_slowest() -> None:
    fast, slow = Subscriber(0), Subscriber(0)
    for position in range(5):
        fast.give([position])
        fast.ack(position)
    slow.give([0, 1, 2])
    slow.ack(0)
    slow.ack(2)
    assert removable([fast, slow], 0) == 1
    assert removable([fast], 0) == 5
    assert removable([], 3) == 3
    assert removable([slow], 2) == 2


@given(
    st.lists(st.tuples(st.sampled_from(["poll", "ack", "defer"]), st.integers(0, 5)), max_size=30), st.integers(0, 3)
)
def test_everything_is_given_until_it_is_acknowledged(steps: list[tuple[str, int]], start: int) -> None:
    one = Subscriber(start)
    visible = range(10)
    for word, number in steps:
        if word == "poll":
            given_now = one.expected(number, visible)
            assert given_now == sorted(given_now)
            assert not {*given_now} & {*one.held, *one.acked}
            one.give(given_now)
        elif number < len(one.held):
            (one.ack if word == "ack" else one.defer)(one.held[number])
    one.adopt(set(range(start, 10)) - one.acked, visible, promise=False)
    assert one.expected(99, visible) == sorted(set(range(start, 10)) - one.acked)
    assert one.finished() <= min(set(range(start, 11)) - one.acked)
