"""Key-value stores: sound ones are left alone under every profile; of the others each mistake is found and named."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaoswal.contracts import history_of
from chaoswal.contracts.kv import KvPrograms
from chaoswal.disk.profiles import PROFILES
from chaoswal.engines.registry import EngineRef
from chaoswal.errors import UsageError
from chaoswal.hunt import Hunter
from chaoswal.ops import Close, Delete, Get, OpenAgain, Operation, Put, PutBatch, Reopen, Sync, key_bytes, payload
from chaoswal.oracle import ERROR, KvHistory, Observed, Traits
from chaoswal.trace import Begin, End
from chaoswal.verdict import Fault
from tests.contracts.hunting import caught, caught_and_played

EACH = Traits(promise=frozenset({"put", "delete", "put_batch", "sync"}), contract="kv")
ON_SYNC = Traits(promise=frozenset({"sync"}), contract="kv")
SERVES = Traits(promise=frozenset({"sync"}), contract="kv", promise_reads=True)
LOOSE = Traits(promise=frozenset({"sync"}), contract="kv", promise_order=False)
SIZE = 4

A, B = key_bytes(0), key_bytes(1)


def value(op_index: int, place: int = 0) -> bytes:
    return payload(op_index, place, SIZE)


def put(key: int = 0) -> Put:
    return Put(key=key, size=SIZE)


def asked(*operations: Operation, traits: Traits = EACH, failed: int = -1) -> KvHistory:
    """What is allowed after these, all of which went well but the one that failed, of an error below.

    Each is told to a copy of what was there before.
    """
    history = history_of(list(operations), traits)
    assert isinstance(history, KvHistory)
    history.errors_allowed = failed >= 0
    for op_index in range(len(operations)):
        history.apply(Begin(op_index=op_index))
        history = history.copy()
        fault = history.apply(End(op_index=op_index, result=f"{ERROR}OSError: full" if op_index == failed else "None"))
        assert fault is None
    return history


def kind(fault: Fault | None) -> str:
    return fault.kind if fault else "fine"


def in_words(fault: Fault | None) -> str:
    return f"{fault.kind}: {fault.explanation}" if fault else "fine"


def seen(history: KvHistory, **items: bytes) -> str:
    """What is said of a sight."""
    pairs = tuple(sorted((key.encode(), value) for key, value in items.items()))
    return kind(history.judge(Observed(items=pairs)))


# -- the oracle ------------------------------------------------------------------------------------------------------


def test_what_is_missing_or_old() -> None:
    history = asked(put(), put(1), put())
    assert seen(history, key0=value(2), key1=value(1)) == "fine"
    assert seen(history, key0=value(2)) == "lost"
    assert seen(history, key0=value(0), key1=value(1)) == "lost"
    assert seen(history, key0=value(1), key1=value(1)) == "invented"
    assert seen(history, key0=value(2), key1=value(1), key7=b"?") == "invented"


def test_what_was_deleted_comes_back() -> None:
    assert seen(asked(put(), Delete(key=0)), key0=value(0)) == "resurrected"
    assert seen(asked(put(), Delete(key=0), traits=ON_SYNC), key0=value(0)) == "fine"
    assert seen(asked(put(), Delete(key=0), Sync(), traits=ON_SYNC), key0=value(0)) == "resurrected"


def test_what_an_earlier_recovery_cut_comes_back() -> None:
    history = asked(put(), put(1), traits=ON_SYNC)
    assert history.open(Observed(items=((A, value(0)),))) is None
    assert seen(history, key0=value(0), key1=value(1)) == "resurrected"
    assert seen(history) == "fine", "nothing was promised"


def test_what_was_served_is_gone() -> None:
    history = asked(put(), traits=SERVES)
    assert history.open(Observed(items=((A, value(0)),))) is None
    assert seen(history) == "phantom"
    assert seen(asked(put(), traits=SERVES)) == "fine"


def test_commits_in_their_order_or_key_by_key() -> None:
    programs = (put(), Sync(), put(), put(1))
    ordered, loose = asked(*programs, traits=ON_SYNC), asked(*programs, traits=LOOSE)
    for history, expected in ((ordered, "hole"), (loose, "fine")):
        assert seen(history, key0=value(0), key1=value(3)) == expected
        assert seen(history, key0=value(2)) == "fine"
        assert seen(history, key1=value(3)) == "lost"
    assert loose.open(Observed(items=((A, value(0)), (B, value(3))))) is None


def test_half_a_batch() -> None:
    history = asked(PutBatch(pairs=((0, SIZE), (1, SIZE))), traits=ON_SYNC)
    assert seen(history, key0=value(0, 0)) == "hole"
    assert seen(history, key0=value(0, 0), key1=value(0, 1)) == "fine"
    assert seen(history) == "fine"


def test_a_key_twice() -> None:
    fault = asked(put()).judge(Observed(items=((A, value(0)), (A, value(0)))))
    assert in_words(fault) == "duplicated: a key is listed twice"


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        ({b"key1": b"123456789"}, "invented: key1 has 9 bytes b'12345678', which was never put"),
        ({b"\xff": b""}, "invented: \N{REPLACEMENT CHARACTER} has 0 bytes b'', which was never put"),
        (
            {A: value(3), b"key2": value(2)},
            f"resurrected: key0 has 4 bytes {value(3)!r}, which an earlier recovery had cut",
        ),
        ({B: value(1)}, "resurrected: key1 is back, whose deletion was promised"),
        ({A: value(0)}, "lost: key0 has an old value; the one it was given was promised"),
        ({A: value(4)}, "lost: key2 is missing; the one it was given was promised"),
    ],
)
def test_the_worst_of_what_is_wrong_is_told_in_words(shown: dict[bytes, bytes], words: str) -> None:
    """In most of these sights keys are missing too."""
    steps: list[Operation] = [put(0), put(1), put(2), put(0), put(0), Delete(key=1), Sync()]
    history = asked(*steps[:3], traits=ON_SYNC)
    history.operations = steps
    history.apply(Begin(op_index=3))
    assert history.open(Observed(items=((A, value(0)), (B, value(1)), (b"key2", value(2))))) is None
    for op_index in range(4, len(steps)):
        history.apply(Begin(op_index=op_index))
        assert history.apply(End(op_index=op_index, result="None")) is None
    there = f"{{key0: 4 bytes {value(4)!r}, key2: 4 bytes {value(2)!r}}}"
    fault = history.judge(Observed(items=tuple(shown.items())))
    assert in_words(fault) == f"{words}; allowed are {there} and what it became"


def test_what_was_served_and_what_was_never_together_is_told_in_words() -> None:
    history = asked(PutBatch(pairs=((0, SIZE), (1, SIZE))), traits=SERVES)
    a, b = (f"4 bytes {value(0, place)!r}" for place in (0, 1))
    half = in_words(history.judge(Observed(items=((A, value(0, 0)),))))
    assert half == f"hole: {{key0: {a}}} was never there together; allowed are {{}} and what it became"
    assert history.open(Observed(items=((A, value(0, 0)), (B, value(0, 1))))) is None
    gone = in_words(history.judge(Observed(items=((A, value(0, 0)),))))
    words = "key1 is missing; the one it was given was served"
    assert gone == f"phantom: {words}; allowed are {{key0: {a}, key1: {b}}} and what it became"


@given(st.lists(st.sampled_from([put(0), put(1), Delete(key=0), Sync()]), max_size=6), st.data())
@settings(max_examples=40)
def test_the_states_that_are_allowed_are_those_that_are_found_right(
    steps: list[Operation], data: st.DataObject
) -> None:
    traits = data.draw(st.sampled_from([EACH, ON_SYNC]))
    history = asked(*steps, traits=traits)
    values = [None, *map(value, range(len(steps)))]
    states = [{key: v for key, v in ((A, a), (B, b)) if v is not None} for a in values for b in values]
    right = [state for state in states if history.judge(Observed(items=tuple(state.items()))) is None]
    allowed = history.allowed()
    assert all(state in allowed for state in right)
    assert all(state in right for state in allowed)


def test_a_failed_commit_happened_or_not() -> None:
    history = asked(put(), PutBatch(pairs=((0, SIZE), (1, SIZE))), put(2), failed=1)
    assert seen(history, key0=value(0), key2=value(2)) == "fine"
    assert seen(history, key0=value(1, 0), key1=value(1, 1), key2=value(2)) == "fine"
    assert seen(history, key0=value(0), key1=value(1, 1), key2=value(2)) == "hole"
    assert seen(history, key0=value(0)) == "lost"


def test_it_must_not_fail_for_nothing() -> None:
    history = history_of([put(), Reopen()], EACH)
    history.apply(Begin(op_index=0))
    assert kind(history.apply(End(op_index=0, result=f"{ERROR}KeyError: 'a'"))) == "stuck"
    assert kind(history.apply(End(op_index=1, result=f"{ERROR}KeyError: 'a'"))) == "unopenable"
    assert in_words(history.apply(End(op_index=1, result=f"{ERROR}StepLimit: 9: 8"))) == "hung: StepLimit: 9: 8"


def test_a_failure_is_told_in_words() -> None:
    history = history_of([put()], EACH)
    fault = history.apply(End(op_index=0, result=f"{ERROR}OSError: [Errno 5]: gone"))
    assert in_words(fault) == "stuck: put failed with nothing wrong below it: OSError: [Errno 5]: gone"


def test_who_reports_what_a_sync_that_lied_has_done_may_do_nothing_more() -> None:
    history = history_of([put(), put()], Traits(promise=EACH.promise, contract="kv", reports=frozenset({"Corrupt"})))
    history.lied = True
    assert kind(history.copy().apply(End(op_index=0, result=f"{ERROR}OSError: full"))) == "stuck"
    assert history.apply(End(op_index=0, result=f"{ERROR}Corrupt: at 7: 8")) is None
    assert history.apply(End(op_index=1, result=f"{ERROR}OSError: full")) is None, "it fails for a reason"


def test_a_second_opening() -> None:
    for locks, result, expected in [
        ((), "None", "fine"),
        ((), f"{ERROR}Locked: by 7", "fine"),
        (("Locked",), f"{ERROR}Locked: by 7", "fine"),
        (("Locked",), f"{ERROR}OSError: full", "stuck: open failed with nothing wrong below it: OSError: full"),
        (("Locked",), "None", "dishonest: it was opened a second time while it was open"),
    ]:
        history = history_of([OpenAgain()], Traits(promise=EACH.promise, contract="kv", locks=frozenset(locks)))
        history.apply(Begin(op_index=0))
        assert in_words(history.apply(End(op_index=0, result=result))) == expected


@pytest.mark.parametrize(
    ("operations", "result", "expected"),
    [
        ((put(), Get(key=0)), value(0), "fine"),
        ((put(), Get(key=1)), None, "fine"),
        ((put(), Get(key=0)), None, "lost"),
        ((put(), put(), Get(key=0)), value(0), "lost"),
        ((put(), Delete(key=0), Get(key=0)), value(0), "resurrected"),
        ((put(), Get(key=0)), b"?", "invented"),
    ],
)
def test_what_a_get_gives(operations: tuple[Operation, ...], result: bytes | None, expected: str) -> None:
    history = history_of(list(operations), ON_SYNC)
    last = len(operations) - 1
    for op_index in range(last):
        history.apply(Begin(op_index=op_index))
        assert history.apply(End(op_index=op_index, result="None")) is None
    history.apply(Begin(op_index=last))
    assert kind(history.apply(End(op_index=last, result=repr(result)))) == expected


def test_a_wrong_get_is_told_in_words() -> None:
    history = asked(put(), traits=ON_SYNC)
    history.operations = [*history.operations, Get(key=0)]
    history.apply(Begin(op_index=1))
    fault = history.apply(End(op_index=1, result="None"))
    assert in_words(fault) == "lost: a get is wrong: key0 is missing; the one it was given was complete"


def test_a_close_that_failed_leaves_in_doubt_what_was_not_promised() -> None:
    history = asked(put(), Sync(), put(), Close(), traits=ON_SYNC, failed=3)
    history.operations = [*history.operations, Get(key=0)]
    for result in (value(0), value(2)):
        history.apply(Begin(op_index=4))
        assert history.apply(End(op_index=4, result=repr(result))) is None


# -- from end to end -------------------------------------------------------------------------------------------------


def hunter(store: str, seed: int = 0, *, faults: tuple[str, ...] = ("crash",)) -> Hunter:
    return Hunter(EngineRef(name=f"tests.contracts.stores:{store}"), list(PROFILES.values()), seed=seed, faults=faults)


@pytest.mark.parametrize(("store", "states"), [("Store", 4000), ("LazyStore", 4000)])
def test_sound(store: str, states: int) -> None:
    asked, judged = hunter(store, faults=("crash", "io")), 0
    for number in asked.numbers():
        attempt = asked.attempt(number)
        assert attempt.catch is None, attempt.catch
        judged += attempt.coverage.judged
        if judged > states:
            break


@pytest.mark.parametrize(
    ("store", "kinds", "operations"),
    [
        ("NoSync", {"lost"}, 1),
        ("ForgetsDeletes", {"resurrected"}, 2),
        ("HalfBatch", {"hole"}, 1),
        ("NoChecksum", {"unopenable"}, 3),
        ("ServesOldValues", {"lost", "resurrected"}, 3),
        ("ServesTheCache", {"phantom"}, 1),
    ],
)
def test_a_mistake_is_found_and_shrunk(store: str, kinds: set[str], operations: int) -> None:
    caught(hunter(store), kinds, operations)


def test_who_promises_no_report_is_not_asked_about_damage() -> None:
    with pytest.raises(UsageError, match="leave rot out of --faults"):
        hunter("Store", faults=("crash", "rot"))


@pytest.mark.parametrize("store", ["Rot", "RotLazily"])
def test_who_reports_damage_or_cuts_what_nothing_testifies_for_is_sound(store: str) -> None:
    asked = hunter(store, seed=1, faults=("crash", "rot"))
    assert [asked.attempt(number).catch for number in range(10)] == [None] * 10


@pytest.mark.parametrize(
    ("store", "kind"),
    [("RotAtTheEnd", "dishonest"), ("RotCut", "dishonest"), ("RotGone", "dishonest"), ("RotBelieved", "invented")],
)
def test_damage_that_is_not_reported_is_found_and_replays(store: str, kind: str) -> None:
    caught_and_played(hunter(store, faults=("rot",)), kind, 2, sound=hunter("Rot"))


def test_programs_ask_only_for_what_there_is() -> None:
    for seed in range(40):
        programs = KvPrograms(seed, frozenset(), random.Random(seed))
        drawn = [*programs.program(50), *(one for _ in range(20) for one in programs.scenario())]
        assert not [one for one in drawn if isinstance(one, PutBatch | Get | Sync)]
