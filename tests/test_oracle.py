"""The oracle: each kind of violation is reported where it is shown, and its legal neighbour passes."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from chaoswal.engines.adapter import Record
from chaoswal.errors import HarnessFault
from chaoswal.ops import (
    Ack,
    Append,
    Batch,
    Cleanup,
    Close,
    Defer,
    Flush,
    Maintain,
    OpenAgain,
    Operation,
    Poll,
    Read,
    Reopen,
    Subscribe,
    Sync,
    Together,
    Wait,
    payload,
)
from chaoswal.oracle import ERROR, History, Observed, Traits, held_at, promise_word
from chaoswal.trace import Begin, End
from chaoswal.verdict import Fault, Violation

EACH = Traits(promise=frozenset({"append", "append_batch", "sync"}), promise_reads=True)
ON_SYNC = Traits(promise=frozenset({"sync"}))
NEVER = Traits(promise=frozenset())
SIZE = 12


def told(
    operations: Sequence[tuple[Operation, object]], traits: Traits = EACH, *, faulty: bool = False
) -> tuple[History, Fault | None]:
    """The history of these operations with their results (``...``: still under way), and what was already wrong."""
    history = History([operation for operation, _ in operations], traits)
    history.errors_allowed = faulty
    for op_index, (_, result) in enumerate(operations):
        assert history.apply(Begin(op_index=op_index)) is None
        if result is not ...:
            shown = result if isinstance(result, str) else repr(result)
            fault = history.apply(End(op_index=op_index, result=shown))
            if fault:
                return history, fault
    return history, None


def record(op_index: int, place: int = 0, size: int = SIZE) -> bytes:
    return payload(op_index, place, size)


def appended(count: int, traits: Traits = EACH) -> History:
    """A history of appends that returned their numbers."""
    history, fault = told([(Append(size=SIZE), number) for number in range(count)], traits)
    assert fault is None
    return history


def kind(fault: Fault | None) -> str:
    """What kind of violation it is; every one is explained."""
    assert fault is None or fault.explanation
    return fault.kind if fault else "fine"


A, B, C, D = (record(op_index) for op_index in range(4))


# -- logs ----------------------------------------------------------------------------------------------------------

LOGS: list[tuple[str, History, list[bytes], int | None, str]] = [
    ("lost", appended(3), [A, B], 2, "records 2 were promised and are missing; allowed are records[c:n]"),
    ("fine", appended(3), [A, B, C], 3, ""),
    ("lost", appended(3), [], None, "records 0-2 were promised and are missing"),
    ("fine", appended(3, NEVER), [], 0, ""),
    ("hole", appended(3), [A, C], None, "records 1 are missing before later ones"),
    ("hole", appended(3, NEVER), [B, C], 3, "only records 1-2 are left"),
    ("fine", appended(3, NEVER), [A], 1, ""),
    ("reordered", appended(3), [A, C, B], 3, "records come in the order [0, 2, 1]"),
    ("duplicated", appended(3), [A, B, C, B], 4, "records [1] are served more than once"),
    ("duplicated", appended(3), [A, B, C], 2, "the next sequence number is 2 behind records 0-2"),
    ("hole", appended(3), [A, B, C], 7, "the next sequence number is 7, beyond records 0-2"),
    ("invented", appended(3), [A, B, C, b"?"], 4, "a record that was never appended is served: 1 bytes b'?'"),
    ("invented", appended(3), [A, B, bytes(SIZE)], 3, "never appended"),
]


@pytest.mark.parametrize(("expected", "history", "shown", "next_position", "why"), LOGS)
def test_a_log(expected: str, history: History, shown: list[bytes], next_position: int | None, why: str) -> None:
    fault = history.judge(Observed(records=shown, next_position=next_position))
    assert kind(fault) == expected
    assert fault is None or why in fault.explanation


def test_equal_payloads_are_told_apart_by_their_place() -> None:
    """Records of no bytes, or of one, look alike: what is missing at the end is lost, not a hole."""
    history, _ = told([(Append(size=0), 0), (Append(size=0), 1), (Append(size=SIZE), 2)])
    fault = history.judge(Observed(records=[b""], next_position=1))
    assert (kind(fault), fault and fault.explanation[:40]) == ("lost", "records 1-2 were promised and are missin")
    assert kind(history.judge(Observed(records=[b"", b"", b"", record(2)]))) == "duplicated"


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ([], "fine"),
        ([record(0, 0), record(0, 1)], "fine"),
        ([record(0, 0)], "hole"),
        ([record(0, 1)], "hole"),
    ],
)
def test_a_batch_is_there_or_not(shown: list[bytes], expected: str) -> None:
    for result in (..., 0):
        history, _ = told([(Batch(sizes=(SIZE, SIZE)), result)], NEVER)
        assert kind(history.judge(Observed(records=shown))) == expected
    half = Observed(records=[record(0, 0)])
    assert "half a batch is served: records 0" in str(told([(Batch(sizes=(SIZE, SIZE)), 0)], NEVER)[0].judge(half))


def test_a_promise_is_given_by_the_return_of_the_sync() -> None:
    for result, expected in ((..., "fine"), (None, "lost")):
        history, _ = told([(Append(size=SIZE), 0), (Sync(), result)], ON_SYNC)
        assert kind(history.judge(Observed())) == expected


def test_a_sync_promises_what_was_there_when_it_began() -> None:
    operations: list[Operation] = [Append(size=SIZE), Sync(), Append(size=SIZE)]
    history = History(operations, ON_SYNC)
    for marker in (
        Begin(op_index=0),
        End(op_index=0, result="0"),
        Begin(op_index=1),
        Begin(op_index=2),
        End(op_index=2, result="1"),
        End(op_index=1, result="None"),
    ):
        assert history.apply(marker) is None
    assert kind(history.judge(Observed(records=[record(0)]))) == "fine"
    assert kind(history.judge(Observed(records=[]))) == "lost"


def test_phantom() -> None:
    """Served after a restart, then gone; nothing but the showing promised it."""
    for reads, expected in ((True, "phantom"), (False, "fine")):
        history = appended(2, Traits(promise=frozenset(), promise_reads=reads))
        assert history.open(Observed(records=[A, B], next_position=2)) is None
        fault = history.judge(Observed(records=[A], next_position=1))
        assert kind(fault) == expected
        assert fault is None or "records 1 were served and are gone" in fault.explanation
        assert kind(history.judge(Observed(records=[A, B], next_position=2))) == "fine"


def test_resurrected_after_a_recovery_cut_it() -> None:
    history = appended(2, NEVER)
    assert history.open(Observed(records=[A], next_position=1)) is None
    fault = history.judge(Observed(records=[A, B], next_position=2))
    assert kind(fault) == "resurrected"
    assert fault is not None
    assert "cut by an earlier recovery is served" in fault.explanation


def cleaned(result: object) -> list[tuple[Operation, object]]:
    """Two of three records given, acknowledged and promised; then a cleanup."""
    return [
        (Append(size=SIZE), 0),
        (Append(size=SIZE), 1),
        (Append(size=SIZE), 2),
        (Subscribe(name="s"), None),
        (Poll(name="s", count=2), [(0, A), (1, B)]),
        (Ack(name="s", places=(0, 1)), None),
        (Flush(name="s"), None),
        (Cleanup(), result),
    ]


def test_resurrected_after_cleanup() -> None:
    due = {"s": [(2, C)]}
    done, _ = told(cleaned(2))
    fault = done.judge(Observed(records=[B, C], next_position=3, deliveries=due))
    assert (kind(fault), fault and fault.explanation[:32]) == ("resurrected", "records 1-2 came back after clea")
    assert kind(done.judge(Observed(records=[C], next_position=3, deliveries=due))) == "fine"
    under_way, _ = told(cleaned(...))
    for gone in range(3):
        shown = Observed(records=[A, B, C][gone:], next_position=3, deliveries=due)
        assert kind(under_way.judge(shown)) == "fine"


def test_early_cleanup() -> None:
    _, fault = told(cleaned(3))
    assert kind(fault) == "early-cleanup"
    assert fault is not None
    assert "left from 3 on; only those below 2 may be gone" in fault.explanation
    history, fault = told(cleaned(2))
    assert fault is None
    assert kind(history.judge(Observed(records=[], next_position=3))) in ("early-cleanup", "lost")
    more, _ = told([*cleaned(2), (Append(size=SIZE), 3)])
    assert kind(more.judge(Observed(records=[record(8)], next_position=4))) == "early-cleanup"


def test_a_number_that_was_given_before() -> None:
    for number, expected in ((0, "duplicated"), (1, "fine"), (2, "hole")):
        _, fault = told([(Append(size=SIZE), 0), (Append(size=SIZE), number)])
        assert kind(fault) == expected
        assert fault is None or f"got sequence number {number}; the next free one was 1" in fault.explanation


@pytest.mark.parametrize("operation", [Append(size=1), Sync(), Reopen(), Cleanup()])
def test_stuck_where_a_call_fails_with_nothing_wrong(operation: Operation) -> None:
    _, fault = told([(operation, f"{ERROR}OSError: no")])
    assert kind(fault) == ("unopenable" if isinstance(operation, Reopen) else "stuck")
    assert fault is not None
    assert fault.explanation == f"{promise_word(operation)} failed with nothing wrong below it: OSError: no"
    assert told([(operation, f"{ERROR}OSError: no")], faulty=True)[1] is None


def test_a_failed_append_may_have_happened_or_not() -> None:
    failed: tuple[Operation, object] = (Append(size=SIZE), f"{ERROR}OSError: no")
    history, _ = told([failed, (Append(size=SIZE), None)], faulty=True)
    for shown, expected in (([A, B], "fine"), ([B], "fine"), ([A], "lost"), ([B, A], "reordered"), ([], "lost")):
        assert kind(history.judge(Observed(records=shown))) == expected


def test_a_close_that_failed_may_have_lost_what_was_not_promised() -> None:
    failed: list[tuple[Operation, object]] = [(Append(size=SIZE), 0), (Sync(), None), (Append(size=SIZE), 1)]
    failed.append((Reopen(), f"{ERROR}OSError: no"))
    for number, expected in ((0, "duplicated"), (1, "fine"), (2, "fine"), (3, "hole")):
        assert kind(told([*failed, (Append(size=SIZE), number)], ON_SYNC, faulty=True)[1]) == expected


@pytest.mark.parametrize("given_kind", [Violation.UNOPENABLE, Violation.HUNG])
def test_what_could_not_be_seen(given_kind: Violation) -> None:
    fault = Fault(kind=given_kind, explanation="as it was")
    assert appended(1).judge(Observed(fault=fault)) is fault
    assert appended(1).open(Observed(fault=fault)) is fault


# -- subscribers ---------------------------------------------------------------------------------------------------


def subscribed(*more: tuple[Operation, object]) -> tuple[History, Fault | None]:
    start: list[tuple[Operation, object]] = [
        (Append(size=SIZE), 0),
        (Append(size=SIZE), 1),
        (Append(size=SIZE), 2),
        (Subscribe(name="s"), None),
    ]
    return told([*start, *more])


POLLS: list[tuple[list[Record], str]] = [
    ([(0, A), (1, B)], "fine"),
    ([(1, B), (2, C)], "cursor-ahead"),
    ([(0, A), (2, C)], "cursor-ahead"),
    ([(0, A), (0, A)], "duplicated"),
    ([(1, B), (0, A)], "reordered"),
    ([(0, A)], "stuck"),
    ([], "stuck"),
    ([(0, A), (1, b"changed")], "invented"),
]


@pytest.mark.parametrize(("given_records", "expected"), POLLS)
def test_a_poll(given_records: list[Record], expected: str) -> None:
    _, fault = subscribed((Poll(name="s", count=2), given_records))
    assert kind(fault) == expected
    assert fault is None or "subscriber s" in fault.explanation
    assert expected != "invented" or (fault and fault.explanation == "subscriber s: record 1 was changed")


def test_a_poll_gives_nothing_twice() -> None:
    first: tuple[Operation, object] = (Poll(name="s", count=1), [(0, A)])
    assert kind(subscribed(first, (Poll(name="s", count=1), [(0, A)]))[1]) == "duplicated"
    everything: tuple[Operation, object] = (Poll(name="s", count=9), [(0, A), (1, B), (2, C)])
    assert kind(subscribed(everything, (Poll(name="s", count=1), [(2, C)]))[1]) == "duplicated"
    assert kind(subscribed(everything, (Poll(name="s", count=1), [(3, C)]))[1]) == "cursor-ahead"
    deferred: tuple[Operation, object] = (Defer(name="s", places=(0,)), None)
    assert kind(subscribed(first, deferred, (Poll(name="s", count=1), [(0, A)]))[1]) == "fine"
    assert kind(subscribed(first, (Poll(name="s", count=9), [(1, B), (2, C)]))[1]) == "fine"


def recovered(given_records: list[Record], *more: tuple[Operation, object]) -> Fault | None:
    history, fault = subscribed((Poll(name="s", count=2), [(0, A), (1, B)]), *more)
    assert fault is None
    return history.judge(Observed(records=[A, B, C], next_position=3, deliveries={"s": given_records}))


ACKED: tuple[Operation, object] = (Ack(name="s", places=(0,)), None)
FLUSHED: tuple[Operation, object] = (Flush(name="s"), None)
EVERYTHING: list[Record] = [(0, A), (1, B), (2, C)]


def test_cursor_ahead() -> None:
    fault = recovered([(2, C)], ACKED, FLUSHED)
    assert kind(fault) == "cursor-ahead"
    assert fault is not None
    assert fault.explanation == "subscriber s is not given [1], which it never acknowledged"
    assert kind(recovered([(1, B), (2, C)], ACKED, FLUSHED)) == "fine"


def test_cursor_lost() -> None:
    fault = recovered(EVERYTHING, ACKED, FLUSHED)
    assert kind(fault) == "cursor-lost"
    assert fault is not None
    assert fault.explanation == "subscriber s is given [0] again, whose acknowledgements were promised"
    assert kind(recovered(EVERYTHING, ACKED)) == "fine"
    assert kind(recovered(EVERYTHING, ACKED, (Flush(name="s"), ...))) == "fine"
    assert kind(recovered([(1, B), (2, C)], ACKED)) == "fine"


@pytest.mark.parametrize(
    ("given_records", "expected"),
    [
        ([(1, B), (0, A), (2, C)], "reordered"),
        ([(0, A), (1, B), (1, B), (2, C)], "duplicated"),
        ([(0, A), (1, C), (2, C)], "invented"),
        ([(0, A), (1, B), (2, C), (3, D)], "invented"),
    ],
)
def test_deliveries_after_a_recovery(given_records: list[Record], expected: str) -> None:
    fault = recovered(given_records)
    assert kind(fault) == expected
    assert fault is not None
    assert fault.explanation.startswith("subscriber s ")
    assert "due were" not in fault.explanation or fault.explanation.endswith("due were [0, 1, 2]")
    assert kind(recovered(EVERYTHING)) == "fine"


def test_places_beyond_what_is_held_are_ignored() -> None:
    assert held_at([5, 7, 9], (0, 2, 2, 3)) == [5, 9]
    assert kind(recovered([(1, B), (2, C)], (Ack(name="s", places=(0, 7)), None))) == "fine"
    _, fault = told([(Poll(name="nobody", count=1), []), (Ack(name="nobody", places=(0,)), None)])
    assert fault is None


# -- histories -----------------------------------------------------------------------------------------------------


def test_a_recovery_must_be_judged_before_it_is_gone_on_from() -> None:
    with pytest.raises(HarnessFault, match="not judged, or was found wrong"):
        appended(1).adopt(Observed())


def test_copies_are_independent() -> None:
    history = appended(2)
    other = history.copy()
    assert history.key() == other.key()
    history.log.begin_append([b"x"])
    assert history.key() != other.key()
    assert kind(other.judge(Observed(records=[A, B], next_position=2))) == "fine"


def test_equal_keys_only_where_the_same_is_allowed() -> None:
    """Before and after the acknowledgement the image is the same, and the history is not."""
    operations: list[Operation] = [Append(size=SIZE)]
    history = History(operations, EACH)
    keys = [history.key()]
    for marker in (Begin(op_index=0), End(op_index=0, result="0")):
        history.apply(marker)
        keys.append(history.key())
    assert len(set(keys)) == 3


def test_everything_that_is_promised_is_in_the_key() -> None:
    """Each of these steps changes what is allowed, and nothing else tells the two moments apart."""
    history, fault = told(
        [
            (Append(size=SIZE), 0),
            (Append(size=SIZE), 1),
            (Subscribe(name="s"), None),
            (Poll(name="s", count=2), [(0, A), (1, B)]),
        ],
        ON_SYNC,
    )
    assert fault is None
    more: list[tuple[Operation, object]] = [
        (Sync(), None),
        (Ack(name="s", places=(0,)), None),
        (Flush(name="s"), None),
        (Cleanup(), 1),
    ]
    history.operations = [operation for operation, _ in more]
    keys = [history.key()]
    for op_index, (_, result) in enumerate(more):
        assert history.apply(Begin(op_index=op_index)) is None
        assert history.apply(End(op_index=op_index, result=repr(result))) is None
        keys.append(history.key())
    assert len(set(keys)) == len(keys)


@st.composite
def pasts(draw: st.DrawFn) -> tuple[History, list[bytes], int]:
    """A history of appends, batches and syncs; all that was appended, and how many of these are promised."""
    operations: list[tuple[Operation, object]] = []
    records: list[bytes] = []
    floor = 0
    for op_index in range(draw(st.integers(1, 7))):
        if draw(st.integers(0, 3)):
            operations.append((Append(size=SIZE), len(records)))
            records.append(record(op_index))
        else:
            operations.append((Sync(), None))
            floor = len(records)
    history, fault = told(operations, ON_SYNC)
    assert fault is None
    return history, records, floor


@given(pasts())
def test_every_legal_sight_is_allowed(past: tuple[History, list[bytes], int]) -> None:
    history, records, floor = past
    for n in range(len(records) + 1):
        for next_position in (None, n):
            fault = history.judge(Observed(records=records[:n], next_position=next_position))
            assert kind(fault) == ("fine" if n >= floor else "lost")


MUTATIONS = ["drop", "swap", "duplicate", "change", "foreign"]


@given(pasts(), st.sampled_from(MUTATIONS), st.data())
@settings(max_examples=200)
def test_a_sight_made_wrong_is_refused(
    past: tuple[History, list[bytes], int], mutation: str, data: st.DataObject
) -> None:
    history, records, floor = past
    n = data.draw(st.integers(floor, len(records)))
    shown = records[:n]
    assume(len(shown) >= 2)
    at = data.draw(st.integers(0, len(shown) - 2))
    expected = {"drop": "hole", "swap": "reordered", "duplicate": "duplicated"}.get(mutation, "invented")
    match mutation:
        case "drop":
            del shown[at]
        case "swap":
            shown[at], shown[at + 1] = shown[at + 1], shown[at]
        case "duplicate":
            shown.insert(data.draw(st.integers(0, len(shown))), shown[at])
        case "change":
            shown[at] = shown[at][:-1] + bytes([shown[at][-1] ^ 1])
        case _:
            shown.append(b"foreign")
    assert kind(history.judge(Observed(records=shown))) == expected


def test_what_differs_between_two_sights() -> None:
    one = Observed(records=[A], next_position=1, deliveries={"s": [(0, A)]})
    assert one.differs(Observed(records=[A], next_position=1, deliveries={"s": [(0, A)]})) == ""
    assert one.differs(Observed(records=[B], next_position=1)) == "records"
    assert one.differs(Observed(records=[A], next_position=2)) == "next_position"
    assert one.differs(Observed(records=[A], next_position=1)) == "deliveries"
    assert one.differs(Observed(fault=Fault(kind=Violation.HUNG, explanation=""))) == "fault"


# -- closing, others beside it, and operations at once ---------------------------------------------------------------

LOCKING = Traits(promise=frozenset({"append", "close"}), locks=frozenset({"Locked"}))


def test_closing_promises_where_it_is_said_to() -> None:
    for promise, expected in (({"close"}, "lost"), ({"sync"}, "fine")):
        history, fault = told([(Append(size=SIZE), 0), (Close(), None)], Traits(promise=frozenset(promise)))
        assert fault is None
        assert kind(history.judge(Observed())) == expected


@pytest.mark.parametrize(
    ("result", "expected"),
    [(None, "dishonest"), (f"{ERROR}Locked: by pid 1", "fine"), (f"{ERROR}OSError: no", "stuck")],
)
def test_a_second_opening_is_to_be_refused_by_the_lock(result: object, expected: str) -> None:
    assert kind(told([(OpenAgain(), result)], LOCKING)[1]) == expected


def test_who_does_not_lock_may_be_opened_twice() -> None:
    for result in (None, f"{ERROR}OSError: no"):
        assert told([(OpenAgain(), result)], NEVER)[1] is None


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ([(0, A), (1, B)], "fine"),
        ([(0, A)], "stuck"),
        ([], "stuck"),
        ([(0, A), (1, b"?")], "invented"),
        ([(0, A), (2, B)], "hole"),
        ([(0, B), (1, A)], "reordered"),
    ],
)
def test_a_reader_is_shown_all_that_is_promised(shown: list[Record], expected: str) -> None:
    appends: list[tuple[Operation, object]] = [(Append(size=SIZE), 0), (Append(size=SIZE), 1)]
    assert kind(told([*appends, (Read(), shown)])[1]) == expected


def test_a_reader_may_see_more_than_is_promised_and_is_promised_nothing() -> None:
    for shown in ([], [(0, A)]):
        history, fault = told([(Append(size=SIZE), 0), (Read(), shown)], ON_SYNC)
        assert fault is None
        assert kind(history.judge(Observed())) == "fine"


def test_what_has_waited_long_enough_is_promised() -> None:
    window = Traits(promise=frozenset(), window_seconds=0.5)
    cases = [(600, window, "lost"), (400, window, "fine"), (600, NEVER, "fine")]
    cases += [(503, window, "lost"), (502, window, "fine")]  # times are rounded
    for milliseconds, traits, expected in cases:
        history, _ = told([(Append(size=SIZE), 0), (Wait(milliseconds=milliseconds), None)], traits)
        assert kind(history.judge(Observed())) == expected
    history, _ = told([(Append(size=SIZE), 0), (Wait(milliseconds=600), None)], window, faulty=True)
    assert kind(history.judge(Observed())) == "fine"


def test_what_comes_to_no_end_hangs_whatever_was_injected() -> None:
    for error in ("StepLimit", "Deadlock"):
        assert kind(told([(Append(size=SIZE), f"{ERROR}{error}: too many")], faulty=True)[1]) == "hung"


def at_once(*results: tuple[int, object], traits: Traits = EACH) -> tuple[History, Fault | None]:
    """Three appends at once, of which these return, in this order."""
    operations: list[Operation] = [Together(count=3, switches=()), *[Append(size=SIZE)] * 3]
    history = History(operations, traits)
    for op_index in range(4):
        assert history.apply(Begin(op_index=op_index)) is None
    for op_index, result in results:
        fault = history.apply(End(op_index=op_index, result=repr(result)))
        if fault:
            return history, fault
    return history, None


def test_appends_at_once_stand_where_their_numbers_say() -> None:
    history, fault = at_once((3, 1), (1, 0))
    assert fault is None
    for shown, expected in (
        ([B, D], "fine"),
        ([B, D, C], "fine"),
        ([B], "lost"),
        ([D, B], "reordered"),
        ([B, C], "hole"),
    ):
        assert kind(history.judge(Observed(records=shown))) == expected, shown


def test_who_stands_before_one_that_returned_is_there_whoever_it_is() -> None:
    history, _ = at_once((3, 1))
    assert [kind(history.judge(Observed(records=[first, D]))) for first in (B, C)] == ["fine", "fine"]
    assert kind(history.judge(Observed(records=[D]))) != "fine"
    assert kind(history.judge(Observed(records=[B]))) == "lost"


def test_appends_at_once_may_be_gone_where_nothing_is_promised() -> None:
    history, _ = at_once((3, 1), traits=NEVER)
    assert kind(history.judge(Observed())) == "fine"


def test_numbers_at_once_are_neither_given_twice_nor_left_out() -> None:
    assert kind(at_once((1, 0), (2, 0))[1]) == "duplicated"
    assert kind(at_once((1, 0), (2, 1), (3, 3), (0, None))[1]) == "hole"


def test_a_promise_counts_by_the_options_under_which_it_was_given() -> None:
    history, fault = told([(Append(size=SIZE), 0), (Append(size=SIZE), 1)], ON_SYNC)
    assert fault is None
    history.take(EACH)
    assert history.open(Observed(records=[record(0)])) is None, "the second was not promised then"
    history, _ = told([(Append(size=SIZE), 0), (Append(size=SIZE), 1)], EACH)
    history.take(ON_SYNC)
    assert kind(history.judge(Observed(records=[record(0)]))) == "lost", "both were"


def test_limits_hold_from_the_opening_that_has_them() -> None:
    aged = replace(EACH, retention=(("age_seconds", 5.0),))
    history, _ = told([(Append(size=SIZE), 0), (Append(size=SIZE), 1), (Maintain(), ...)], EACH)
    kept = Observed(records=[record(1)], next_position=2)
    assert kind(history.judge(kept)) == "hole", "nothing may go"
    history = History([Append(size=SIZE), Append(size=SIZE), Maintain()], EACH)
    for op_index, earliest, latest in ((0, 10.0, 11.0), (1, 12.0, 13.0)):
        history.clock.read(earliest, latest)
        history.apply(Begin(op_index=op_index))
        history.apply(End(op_index=op_index, result=str(op_index)))
    history.take(aged)
    edges = [(14.9, "hole"), (14.997, "hole"), (14.999, "fine"), (15.1, "fine"), (16.9, "fine"), (17.1, "fine")]
    for latest, violation in edges:
        later = history.copy()
        later.clock.read(14.0, latest)
        later.apply(Begin(op_index=2))
        assert kind(later.judge(kept)) == violation, latest
        assert kind(later.judge(Observed(records=[], next_position=2))) == ("lost" if latest < 17 else "fine"), latest
