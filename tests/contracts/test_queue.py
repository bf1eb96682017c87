"""Queues: sound ones are left alone under every profile; of the others each mistake is found and named."""

import random

import pytest

from chaoswal.contracts import history_of
from chaoswal.contracts.queue import QueuePrograms
from chaoswal.disk.profiles import KILL, PROFILES
from chaoswal.engines.registry import EngineRef
from chaoswal.hunt import Hunter
from chaoswal.ops import Close, Done, Enqueue, Operation, Reopen, Sync, Take, payload
from chaoswal.oracle import ERROR, Observed, QueueHistory, Traits
from chaoswal.program import parse_step
from chaoswal.replay import Status, replay
from chaoswal.trace import Begin, End
from chaoswal.verdict import Fault
from tests.contracts.hunting import caught, caught_and_played

EACH = Traits(promise=frozenset({"put", "ack"}), contract="queue")
ON_SYNC = Traits(promise=frozenset({"sync"}), contract="queue")
SERVES = Traits(promise=frozenset({"sync"}), contract="queue", promise_reads=True)
HANDS_OVER = Traits(promise=frozenset({"put"}), contract="queue", capabilities=frozenset({"at_most_once"}))
HANDS_OVER_FOR_GOOD = Traits(promise=frozenset({"put", "get"}), contract="queue", capabilities=HANDS_OVER.capabilities)
SIZE = 4

PUT, TAKE, DONE, SYNC, REOPEN, CLOSE = Enqueue(size=SIZE), Take(), Done(), Sync(), Reopen(), Close()
FAILED = f"{ERROR}OSError: full"


def item(op_index: int) -> bytes:
    return payload(op_index, 0, SIZE)


def asked(*steps: Operation | tuple[Operation, object], traits: Traits = EACH) -> tuple[QueueHistory, Fault | None]:
    """What is allowed after these, with their results where there are any, and what is wrong with the last result.

    ``FAILED`` is that of one that failed, of an error below. Each step is told to a copy of what was there before.
    """
    pairs = [step if isinstance(step, tuple) else (step, None) for step in steps]
    history = history_of([operation for operation, _ in pairs], traits)
    assert isinstance(history, QueueHistory)
    history.errors_allowed = any(result == FAILED for _, result in pairs)
    fault = None
    for op_index, (_, result) in enumerate(pairs):
        assert fault is None
        history.apply(Begin(op_index=op_index))
        history = history.copy()
        fault = history.apply(End(op_index=op_index, result=FAILED if result == FAILED else repr(result)))
    return history, fault


def kind(fault: Fault | None) -> str:
    return fault.kind if fault else "fine"


def in_words(fault: Fault | None) -> str:
    return f"{fault.kind}: {fault.explanation}" if fault else "fine"


def seen(*steps: Operation | tuple[Operation, object], shown: tuple[int, ...], traits: Traits = EACH) -> str:
    """What is said of a recovered queue that shows these items, by the numbers of their operations."""
    history, fault = asked(*steps, traits=traits)
    assert fault is None
    return kind(history.judge(Observed(records=[item(number) for number in shown])))


# -- the oracle ------------------------------------------------------------------------------------------------------


def test_what_was_put() -> None:
    assert seen(PUT, PUT, shown=(0, 1)) == "fine"
    assert seen(PUT, PUT, shown=(0,)) == "lost"
    assert seen(PUT, PUT, shown=(1,)) == "lost"
    assert seen(PUT, PUT, shown=(1, 0)) == "reordered"
    assert seen(PUT, PUT, shown=(0, 1, 7)) == "invented"
    assert seen(PUT, PUT, shown=(0,), traits=ON_SYNC) == "fine"
    assert seen(PUT, PUT, shown=(1,), traits=ON_SYNC) == "hole"
    assert seen(PUT, PUT, SYNC, shown=(0,), traits=ON_SYNC) == "lost"


def test_what_was_got_and_is_not_done_with_must_be_there() -> None:
    got = (PUT, PUT, (TAKE, item(0)))
    assert seen(*got, shown=(0, 1)) == "fine"
    assert seen(*got, shown=(1,)) == "lost"
    assert seen(*got, shown=(1,), traits=HANDS_OVER) == "fine"
    assert seen(*got, shown=(0, 1), traits=HANDS_OVER) == "fine"
    assert seen(*got, shown=(0, 1), traits=HANDS_OVER_FOR_GOOD) == "resurrected"


def test_what_is_done_with_comes_back() -> None:
    done = (PUT, PUT, (TAKE, item(0)), DONE)
    assert seen(*done, shown=(1,)) == "fine"
    assert seen(*done, shown=(0, 1)) == "resurrected"
    assert seen(*done, shown=()) == "lost"
    assert seen(*done, SYNC, shown=(0, 1), traits=ON_SYNC) == "resurrected"
    assert seen(*done[:3], SYNC, DONE, shown=(0, 1), traits=ON_SYNC) == "fine"
    assert seen(*done[:3], (DONE, FAILED), shown=(0, 1)) == "fine"
    assert seen(*done[:3], (DONE, FAILED), shown=(1,)) == "fine"


def test_equal_items_are_told_apart_by_those_behind_them() -> None:
    empty = Enqueue(size=0)

    def judged(*steps: Operation | tuple[Operation, object], shown: list[bytes]) -> str:
        return kind(asked(*steps)[0].judge(Observed(records=shown)))

    assert judged(empty, empty, PUT, shown=[b"", item(2)]) == "lost"
    first_done = (empty, empty, empty, (TAKE, b""), DONE)
    assert judged(*first_done, shown=[b""]) == "lost"
    assert judged(*first_done, shown=[b"", b"", b""]) == "resurrected"
    doubtful = (empty, PUT, empty, (TAKE, b""), DONE, (TAKE, item(1)), (DONE, FAILED))
    assert judged(*doubtful, shown=[b""]) == "fine", "not the first one, but the last"


def test_an_item_may_be_gone_as_soon_as_it_is_asked_for() -> None:
    history, _ = asked(PUT, PUT, traits=HANDS_OVER)
    history.operations = [*history.operations, TAKE]
    history.apply(Begin(op_index=2))
    for shown, expected in [((0, 1), "fine"), ((1,), "fine"), ((), "lost")]:
        assert kind(history.judge(Observed(records=[item(number) for number in shown]))) == expected


def test_where_nothing_is_handed_out_nothing_may_be_gone() -> None:
    assert seen((TAKE, None), PUT, PUT, shown=(), traits=HANDS_OVER) == "lost"
    assert seen((TAKE, None), PUT, PUT, shown=(2,), traits=HANDS_OVER) == "lost"


def test_what_was_handed_out_and_promised_by_that_is_gone() -> None:
    got = (PUT, PUT, (TAKE, item(0)))
    for shown in ((), (1,)):
        assert seen(*got, shown=shown, traits=SERVES) == "phantom"
        assert seen(*got, shown=shown, traits=EACH) == "lost"
    assert seen(*got[:2], SYNC, got[2], shown=(1,), traits=SERVES) == "lost", "it was promised besides"
    assert seen(*got, shown=(0,), traits=SERVES) == "fine"
    fault = asked(*got, traits=SERVES)[0].judge(Observed(records=[item(1)]))
    assert in_words(fault) == "phantom: records 0 were served and are missing, and the consumer is not done with them"


def test_it_must_not_fail_for_nothing() -> None:
    history = history_of([PUT, REOPEN], EACH)
    for op_index, expected, words in [(0, "stuck", "put failed"), (1, "unopenable", "close failed")]:
        history.apply(Begin(op_index=op_index))
        fault = history.apply(End(op_index=op_index, result=f"{ERROR}KeyError: 'a'"))
        assert fault
        assert fault.kind == expected
        assert fault.explanation == f"{words} with nothing wrong below it: KeyError: 'a'"


@pytest.mark.parametrize("last", [REOPEN, CLOSE])
def test_a_close_that_failed_leaves_in_doubt_what_was_not_promised(last: Operation) -> None:
    history, _ = asked(PUT, SYNC, PUT, PUT, (last, FAILED), traits=ON_SYNC)
    history.operations = [*history.operations, TAKE, TAKE]
    for op_index, given in [(5, item(0)), (6, item(3))]:
        history.apply(Begin(op_index=op_index))
        assert history.apply(End(op_index=op_index, result=repr(given))) is None


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([PUT, PUT, (TAKE, None)], "stuck: nothing is handed out, though records 0 should be"),
        ([PUT, PUT, (TAKE, item(1))], "hole: an item is handed out that is not next (records 0): records 1"),
        (
            [(TAKE, b"x" * 25)],
            f"invented: an item is handed out that is not next (no record): never put: 25 bytes {b'x' * 24!r}",
        ),
    ],
)
def test_a_wrong_item_is_told_in_words(steps: list[Operation | tuple[Operation, object]], words: str) -> None:
    assert in_words(asked(*steps)[1]) == words


def test_what_a_recovery_cut_must_not_be_handed_out() -> None:
    history, _ = asked(PUT, PUT, traits=ON_SYNC)
    history.operations = [*history.operations, TAKE]
    assert history.open(Observed(records=[item(0)])) is None
    history.apply(Begin(op_index=2))
    fault = history.apply(End(op_index=2, result=repr(item(1))))
    words = "an item is handed out that is not next (records 0): cut by an earlier recovery"
    assert in_words(fault) == f"resurrected: {words}"


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        ((1, 2, 3), "resurrected: records 1 came back, though it was promised that the consumer is done with them"),
        ((3,), "lost: records 2 were promised and are missing, and the consumer is not done with them"),
        ((2, 3, 9), "invented: a record that was never appended is served"),
        ((), "lost: records 2-3 were promised and are missing; allowed are records"),
    ],
)
def test_what_a_recovery_shows_wrong_is_told_in_words(shown: tuple[int, ...], words: str) -> None:
    history, _ = asked(PUT, PUT, PUT, PUT, (TAKE, item(0)), (TAKE, item(1)), DONE)
    assert in_words(history.judge(Observed(records=[item(number) for number in shown]))).startswith(words)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([PUT, (TAKE, item(0))], "fine"),
        ([PUT, (TAKE, item(0)), (TAKE, None)], "fine"),
        ([PUT, (TAKE, None)], "stuck"),
        ([PUT, PUT, (TAKE, item(1))], "hole"),
        ([PUT, PUT, (TAKE, item(0)), (TAKE, item(0))], "duplicated"),
        ([PUT, (TAKE, item(0)), (TAKE, item(0))], "duplicated"),
        ([PUT, (TAKE, b"?")], "invented"),
        ([PUT, (TAKE, item(0)), REOPEN, (TAKE, item(0))], "fine"),
        ([PUT, (TAKE, item(0)), DONE, REOPEN, (TAKE, item(0))], "resurrected"),
        ([PUT, (TAKE, item(0)), DONE, REOPEN, (TAKE, None)], "fine"),
        ([PUT, PUT, (TAKE, item(0)), REOPEN, (TAKE, item(1))], "hole"),
        ([PUT, (PUT, FAILED), PUT, (TAKE, item(0)), (TAKE, item(1))], "fine"),
        ([PUT, (PUT, FAILED), PUT, (TAKE, item(0)), (TAKE, item(2))], "fine"),
        ([PUT, (PUT, FAILED), PUT, (TAKE, item(0)), (TAKE, item(2)), (TAKE, item(1))], "invented"),
        ([PUT, PUT, (TAKE, FAILED), (TAKE, item(1))], "fine"),
        ([PUT, PUT, (TAKE, FAILED), (TAKE, item(0))], "fine"),
        ([PUT, PUT, PUT, (TAKE, FAILED), (TAKE, item(2))], "hole"),
        ([PUT, PUT, PUT, (TAKE, item(0)), (TAKE, item(2))], "hole"),
        ([PUT, PUT, PUT, (TAKE, item(0)), (DONE, FAILED), (TAKE, item(2))], "hole"),
    ],
)
def test_what_is_handed_out(steps: list[Operation | tuple[Operation, object]], expected: str) -> None:
    assert kind(asked(*steps)[1]) == expected


def test_a_recovery_tells_what_comes_next() -> None:
    history, _ = asked(PUT, PUT, (TAKE, item(0)), (DONE, FAILED), traits=EACH)
    history.operations = [*history.operations, TAKE]
    assert history.open(Observed(records=[item(1)])) is None
    history.apply(Begin(op_index=4))
    assert kind(history.copy().apply(End(op_index=4, result=repr(item(0))))) == "duplicated"
    assert history.apply(End(op_index=4, result=repr(item(1)))) is None


# -- from end to end -------------------------------------------------------------------------------------------------


def hunter(queue: str, *, faults: tuple[str, ...] = ("crash",)) -> Hunter:
    return Hunter(EngineRef(name=f"tests.contracts.queues:{queue}"), list(PROFILES.values()), faults=faults)


@pytest.mark.parametrize("queue", ["Items", "Lazy", "HandsOver"])
def test_sound(queue: str) -> None:
    asked, judged = hunter(queue, faults=("crash", "io")), 0
    for number in asked.numbers():
        attempt = asked.attempt(number)
        assert attempt.catch is None, attempt.catch
        judged += attempt.coverage.judged
        if judged > 4000:
            break


@pytest.mark.parametrize(
    ("queue", "kind", "operations"),
    [
        ("NoSync", "lost", 1),
        ("GivesAgain", "resurrected", 3),
        ("ForgetsWhatItHandsOut", "lost", 2),
        ("LastIn", "reordered", 2),
        ("Repeats", "duplicated", 4),
        ("Skips", "stuck", 2),
    ],
)
def test_a_mistake_is_found_and_shrunk(queue: str, kind: str, operations: int) -> None:
    caught(hunter(queue), {kind}, operations)


@pytest.mark.parametrize("queue", ["Rot", "RotLazily", "RotHandsOver"])
def test_who_reports_damage_or_cuts_what_nothing_testifies_for_is_sound(queue: str) -> None:
    asked = hunter(queue, faults=("crash", "rot"))
    assert [asked.attempt(number).catch for number in range(10)] == [None] * 10


@pytest.mark.parametrize(("queue", "kind"), [(name, "dishonest") for name in ("RotAtTheEnd", "RotCut", "RotGone")])
def test_damage_that_is_not_reported_is_found_and_replays(queue: str, kind: str) -> None:
    caught_and_played(hunter(queue, faults=("rot",)), kind, 2, sound=hunter("Rot"))


def test_programs_ask_only_for_what_there_is() -> None:
    for seed in range(40):
        programs = QueuePrograms(seed, frozenset(), random.Random(seed))
        drawn = [*programs.program(50), *(one for _ in range(20) for one in programs.scenario())]
        assert not [one for one in drawn if isinstance(one, Done | Sync)]


def test_an_item_that_is_like_another_is_no_violation() -> None:
    words = "enqueue 0;enqueue 0;enqueue 10;take;done;close;take;take;take"
    steps = [parse_step(word) for word in words.split(";")]
    assert replay(EngineRef(name="tests.contracts.queues:Lazy"), steps, KILL)[0] is Status.FIXED
