"""What is allowed of operations at once: what each may have seen of the others, and nothing beyond."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from chaoswal.engines.adapter import Record
from chaoswal.ops import Ack, Append, Cleanup, Operation, Poll, Read, Subscribe, Sync, Together, Wait, payload
from chaoswal.oracle import ERROR, History, Observed, Traits
from chaoswal.trace import Begin, End, Marker
from chaoswal.verdict import Fault
from tests.test_oracle import kind

TRAITS = Traits(
    promise=frozenset({"append", "sync"}),
    capabilities=frozenset({"registered"}),
    refusals=frozenset({"RecordGone"}),
    window_seconds=0.5,
)
SIZE = 12
A, B, C = ((number, payload(number, 0, SIZE)) for number in range(3))
APPEND, POLL, ACK = Append(size=SIZE), Poll(name="s", count=9), Ack(name="s", places=(0, 1, 2))

BEFORE: list[tuple[Operation, object]] = [
    (APPEND, 0),
    (APPEND, 1),
    (APPEND, 2),
    (Subscribe(name="s"), None),
    (POLL, [A, B, C]),
]


def at_once(
    members: Sequence[Operation],
    turns: str,
    results: Sequence[object] = (),
    before: int = len(BEFORE),
    *,
    traits: Traits = TRAITS,
    faulty: bool = False,
) -> tuple[History, Fault | None]:
    """The members begin and end in the order of their letters: the first time ``a`` begins, the second time it ends."""
    operations = [*(operation for operation, _ in BEFORE[:before]), Together(count=len(members), switches=()), *members]
    history = History(operations, traits)
    history.errors_allowed = faulty
    for op_index, (_, result) in enumerate(BEFORE[:before]):
        assert history.apply(Begin(op_index=op_index)) is None
        assert history.apply(End(op_index=op_index, result=repr(result))) is None
    assert history.apply(Begin(op_index=before)) is None
    for place, letter in enumerate(turns):
        number = ord(letter) - ord("a")
        marker: Marker = Begin(op_index=before + 1 + number)
        if letter in turns[:place]:
            result = results[number]
            marker = End(op_index=marker.op_index, result=result if isinstance(result, str) else repr(result))
        fault = history.apply(marker)
        if fault:
            return history, fault
    return history, None


def shows(history: History, records: list[Record], **more: object) -> str:
    """What a recovery that shows this is judged to be."""
    end = records[-1][0] + 1 if records else 3
    observed = Observed(records=[record for _, record in records], next_position=end, registered=("s",))
    for name, value in more.items():
        setattr(observed, name, value)
    return kind(history.judge(observed))


# -- readers and polls -----------------------------------------------------------------------------------------------

D = (3, payload(6, 0, SIZE))


@pytest.mark.parametrize(
    ("turns", "seen", "expected"),
    [
        ("baab", [A, B, C], "fine"),  # what is promised while it reads it need not see
        ("baab", [A, B, C, D], "fine"),
        ("baab", [A, B], "stuck"),
        ("aabb", [A, B, C], "stuck"),
        ("aabb", [A, B, C, D], "fine"),
        ("abab", [A, B, C, D], "fine"),
        ("abab", [A, B, (2, b"half")], "invented"),
    ],
)
def test_a_reader_sees_what_was_promised_when_it_began(turns: str, seen: list[Record], expected: str) -> None:
    assert kind(at_once([APPEND, Read()], turns, [3, seen])[1]) == expected


@pytest.mark.parametrize(
    ("turns", "seen", "expected"),
    [
        ("baab", [], "fine"),
        ("baab", [D], "fine"),
        ("aabb", [], "stuck"),
        ("aabb", [D], "fine"),
        ("baab", [(3, b"half")], "invented"),
        ("baab", [(2, C[1])], "duplicated"),
        ("abb", [], "fine"),
        ("abb", [D], "fine"),  # it is not known yet where that one stands
    ],
)
def test_a_poll_gives_what_was_promised_when_it_began(turns: str, seen: list[Record], expected: str) -> None:
    assert kind(at_once([APPEND, POLL], turns, [3, seen])[1]) == expected


def test_what_a_reader_was_about_to_read_may_be_cleaned() -> None:
    gone = f"{ERROR}RecordGone: record 0 was cleaned up"
    for turns, expected in (("aabccb", "fine"), ("aabcbc", "fine"), ("aabbcc", "stuck")):
        assert kind(at_once([ACK, Read(), Cleanup()], turns, [None, gone, 3])[1]) == expected
    assert kind(at_once([ACK, Read(), Cleanup()], "aabccb", [None, [A, B, C], 3])[1]) == "fine"


# -- cleanup ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("turns", "first", "expected"),
    [
        ("baab", 3, "fine"),
        ("baab", 0, "fine"),
        ("bba", 3, "early-cleanup"),
        ("bab", 3, "fine"),
        ("aabb", 4, "early-cleanup"),
    ],
)
def test_a_cleanup_may_see_what_is_acknowledged_beside_it(turns: str, first: int, expected: str) -> None:
    assert kind(at_once([ACK, Cleanup()], turns, [None, first])[1]) == expected


def test_what_a_cleanup_has_left_stays() -> None:
    for turns, expected in (("aab", "fine"), ("aabb", "lost")):
        history, fault = at_once([ACK, Cleanup()], turns, [None, 0])
        assert fault is None
        assert shows(history, [], next_position=3) == expected, turns


def test_what_another_cleanup_may_yet_remove_may_be_gone() -> None:
    for turns, expected in (("aabcb", "fine"), ("aabcbc", "lost"), ("aabbcc", "lost")):
        history, fault = at_once([ACK, Cleanup(), Cleanup()], turns, [None, 0, 0])
        assert fault is None
        assert shows(history, [], next_position=3) == expected, turns


NEW = Subscribe(name="t")


@pytest.mark.parametrize("turns", ["aabccb", "aabcbc", "aacbbc", "aacbcb", "aabcc"])
def test_who_is_registered_beside_a_cleanup_that_did_not_wait_for_it_begins_behind(turns: str) -> None:
    history, fault = at_once([ACK, NEW, Cleanup()], turns, [None, None, 3])
    assert fault is None
    both: dict[str, object] = {"registered": ("s", "t"), "deliveries": {"s": [], "t": []}, "lost": 0}
    assert shows(history, [], next_position=3, **both, counts={"s": (0, 0), "t": (0, 0)}) == "fine"
    assert shows(history, [], next_position=3, **both, counts={"s": (0, 0), "t": (0, 3)}) == "dishonest"
    assert shows(history, [A, B, C], **both) != "fine", "it was cleaned"


def test_who_is_registered_beside_a_cleanup_under_way_begins_before_it_or_behind() -> None:
    history, _ = at_once([ACK, NEW, Cleanup()], "aabc", [None])
    for given in ([], [A, B, C]):
        deliveries = {"s": [], "t": given}
        assert shows(history, given, next_position=3, registered=("s", "t"), deliveries=deliveries) == "fine"
    assert shows(history, [A, B, C], registered=("s", "t"), deliveries={"s": [], "t": [A, C]}) == "cursor-ahead"


def test_who_was_registered_when_a_cleanup_began_is_given_what_that_has_left() -> None:
    failed = f"{ERROR}OSError: no"
    for turns in ("aabbccd", "aabbccdd"):
        history, fault = at_once([ACK, Cleanup(), NEW, Cleanup()], turns, [None, failed, None, 0], faulty=True)
        assert fault is None
        for given, expected in (([A, B, C], "fine"), ([], "cursor-ahead")):
            deliveries = {"s": [], "t": given}
            assert shows(history, [A, B, C], registered=("s", "t"), deliveries=deliveries) == expected


def test_who_is_registered_is_waited_for() -> None:
    assert kind(at_once([ACK, NEW, Cleanup()], "aabbcc", [None, None, 3])[1]) == "early-cleanup"
    history, fault = at_once([ACK, NEW, Cleanup()], "aabcbc", [None, None, 0])
    assert fault is None
    assert shows(history, [], next_position=3, registered=("s", "t"), deliveries={"t": []}) == "lost"
    there: dict[str, object] = {"registered": ("s", "t"), "deliveries": {"s": [], "t": [A, B, C]}}
    assert shows(history, [A, B, C], **there) == "fine"


# -- a budget, and errors --------------------------------------------------------------------------------------------

BIG = Append(size=400)
FULL = Traits(
    promise=frozenset({"append"}),
    capabilities=frozenset({"registered"}),
    retention=(("budget_bytes", 900), ("drops", 1)),
    refusals=frozenset({"Full"}),
)
"""A record of 400 bytes and what it costs besides fits, two do not."""


ONE, ONE_DONE = Poll(name="s", count=1), Ack(name="s", places=(0,))


def big(number: int) -> bytes:
    return payload(number, 0, 400)


def test_what_one_append_has_left_another_may_drop() -> None:
    history, fault = at_once([BIG, BIG, BIG], "aabcb", [0, (1, 1)], before=0, traits=FULL)
    assert fault is None
    assert kind(history.judge(Observed(records=[big(3)], next_position=3, lost=2))) == "fine"
    assert kind(history.judge(Observed(records=[big(2), big(3)], next_position=3, lost=1))) == "fine"


def test_who_is_registered_while_something_is_dropped_began_before_that_or_behind() -> None:
    history, fault = at_once([BIG, NEW, BIG], "aabccb", [0, None, (1, 1)], before=0, traits=FULL)
    assert fault is None
    for counts in ((0, 0), (0, 1)):
        seen = Observed(records=[big(3)], next_position=2, registered=("t",), deliveries={"t": [(1, big(3))]})
        seen.counts = {"t": counts}
        assert kind(history.judge(seen)) == "fine"


@pytest.mark.parametrize("turns", ["aba", "aab", "abab"])
def test_where_nothing_is_dropped_who_is_registered_is_owed_all(turns: str) -> None:
    history, fault = at_once([BIG, NEW], turns, [0, None], before=0, traits=FULL)
    assert fault is None
    seen = Observed(records=[big(1)], next_position=1, registered=("t",), deliveries={"t": []}, counts={"t": (0, 0)})
    assert kind(history.judge(seen)) == "cursor-ahead"


@pytest.mark.parametrize("turns", ["aacbb", "aabcb"])
def test_so_did_who_is_registered_when_a_kill_comes_before_that_is_over(turns: str) -> None:
    history, fault = at_once([BIG, NEW, BIG], turns, [0, None], before=0, traits=FULL)
    assert fault is None
    for counts in ((0, 0), (0, 1)):
        seen = Observed(records=[big(3)], next_position=2, registered=("t",), deliveries={"t": [(1, big(3))]})
        seen.counts = {"t": counts}
        assert kind(history.judge(seen)) == "fine"


@pytest.mark.parametrize("turns", ["abab", "abba", "baab", "baba"])
@pytest.mark.parametrize("beside", [True, False])
def test_whether_what_was_finished_beside_a_drop_was_skipped_nobody_knows(turns: str, beside: bool) -> None:
    """Of what was finished before that, nothing was."""
    steps: list[tuple[Operation, object]] = [(Subscribe(name="s"), None), (BIG, (0, 0)), (ONE, [(0, big(1))])]
    members: list[tuple[Operation, object]] = [(BIG, (1, 1)), (Sync(), None)]
    (members if beside else steps)[-1 if beside else 3 :] = [(ONE_DONE, None)]
    together: tuple[Operation, object] = (Together(count=2, switches=()), None)
    every = [*steps, together, *members]
    history = History([operation for operation, _ in every], FULL)
    order = [place for place in range(len(steps)) for _ in "be"] + [len(steps)]
    order += [len(steps) + 1 + ord(letter) - ord("a") for letter in turns]
    for place, number in enumerate(order):
        end = End(op_index=number, result=repr(every[number][1]))
        assert history.apply(end if number in order[:place] else Begin(op_index=number)) is None
    record = big(len(steps) + 1)
    for skipped in (0, 1):
        seen = Observed(records=[record], next_position=2, registered=("s",), deliveries={"s": [(1, record)]})
        seen.counts = {"s": (0, skipped)}
        assert kind(history.judge(seen)) == ("fine" if beside or not skipped else "dishonest")


@pytest.mark.parametrize("turns", ["aabccb", "aacbbc", "aacbcb", "aabcbc"])
def test_one_that_is_refused_leaves_to_another_what_that_may_drop(turns: str) -> None:
    history, fault = at_once([BIG, BIG, BIG], turns, [0, (1, 1), f"{ERROR}Full: no"], before=0, traits=FULL)
    assert fault is None
    assert kind(history.judge(Observed(records=[big(2)], next_position=2, lost=1))) == "fine"
    assert kind(history.judge(Observed(records=[big(1), big(2)], next_position=2, lost=0))) == "resurrected"


def test_an_append_that_is_refused_takes_nothing_with_it() -> None:
    refuses = replace(FULL, retention=(("budget_bytes", 900),))
    history, fault = at_once([BIG, BIG], "abab", [0, f"{ERROR}Full: no: not now"], before=0, traits=refuses)
    assert fault is None
    for shown, expected in (([1], "fine"), ([], "lost"), ([1, 2], "invented"), ([2], "invented")):
        assert kind(history.judge(Observed(records=[big(number) for number in shown]))) == expected


def test_an_append_that_failed_is_not_behind_one_that_began_later() -> None:
    error = f"{ERROR}OSError: no"
    history, fault = at_once([APPEND, APPEND], "aabb", [error, 0], before=0, faulty=True)
    assert fault is None
    first, second = (payload(number, 0, SIZE) for number in (1, 2))
    for shown, expected in (([second], "fine"), ([second, first], "invented"), ([first], "invented")):
        assert kind(history.judge(Observed(records=shown))) == expected


# -- time, and what is the same --------------------------------------------------------------------------------------


def test_who_waits_beside_others_may_be_quicker_than_they() -> None:
    wait = Wait(milliseconds=60_000)
    history, _ = at_once([wait, Sync()], "bbaa", [None, None], before=0)
    assert history.clock.earliest == 0.0
    assert history.clock.latest == 60.0
    history.apply(End(op_index=0, result="61.5"))
    assert (history.clock.earliest, history.clock.latest) == (61.5, 61.5)


def test_a_wait_beside_others_promises_nothing() -> None:
    lazy = Traits(promise=frozenset(), window_seconds=0.5)
    for together, expected in ((True, "fine"), (False, "lost")):
        operations: list[Operation] = [APPEND, Together(count=int(together), switches=()), Wait(milliseconds=60_000)]
        history = History(operations, lazy)
        markers: list[Marker] = [Begin(op_index=0), End(op_index=0, result="0"), Begin(op_index=1)]
        markers += [] if together else [End(op_index=1, result="0.0")]
        for marker in (*markers, Begin(op_index=2), End(op_index=2, result="None")):
            assert history.apply(marker) is None
        assert kind(history.judge(Observed())) == expected


def test_what_is_allowed_tells_in_which_order_appends_were_made() -> None:
    keys = {turns: at_once([APPEND, APPEND], turns, [3, 4])[0].key() for turns in ("abab", "baab", "aabb", "abba")}
    assert len(set(keys.values())) == len(keys)
    assert keys["abab"] == at_once([APPEND, APPEND], "abab", [3, 4])[0].key()
    assert keys["abab"] != at_once([APPEND, APPEND], "abab", [4, 3])[0].key()
    syncs = [at_once([Sync(), Sync()], turns, [None, None])[0].key() for turns in ("abab", "baba")]
    assert syncs[0] == syncs[1], "of others it makes no difference"
