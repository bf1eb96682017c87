"""The model of a key-value store, by examples that can be worked out by hand, and against all subsets of commits."""

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from chaoswal.models.kv import Kv

KEYS = st.sampled_from([b"a", b"b"])
CHANGES = st.lists(st.dictionaries(KEYS, st.none() | st.sampled_from([b"1", b"2"]), min_size=1, max_size=2), max_size=5)


def committed(*changes: dict[bytes, bytes | None], promised: int = 0) -> Kv:
    store = Kv()
    for change in changes:
        store.begin(change)
        store.end()
    store.promise(promised)
    return store


def test_any_state_from_the_last_promised_one_on_may_be_shown() -> None:
    store = committed({b"a": b"1"}, {b"b": b"2"}, {b"a": None}, promised=1)
    assert store.allows({}) is None
    assert store.allows({b"a": b"1"}) == 1
    assert store.allows({b"a": b"1", b"b": b"2"}) == 2
    assert store.allows({b"b": b"2"}) == 3


def test_of_equal_states_it_is_the_latest() -> None:
    store = committed({b"a": b"1"}, {b"a": b"2"}, {b"a": b"1"})
    assert store.allows({b"a": b"1"}) == 3


def test_a_commit_under_way_is_there_or_not() -> None:
    store = committed({b"a": b"1"}, promised=1)
    store.begin({b"a": b"2", b"b": b"2"})
    assert store.length() == 1
    assert store.allows({b"a": b"1"}) == 1
    assert store.allows({b"a": b"2", b"b": b"2"}) == 2
    assert store.allows({b"a": b"2"}) is None, "never in part"


def test_what_recovery_did_not_show_is_gone_for_good() -> None:
    store = committed({b"a": b"1"}, {b"b": b"2"})
    store.adopt(1, {b"a": b"1"}, promise=True)
    assert store.allows({b"a": b"1", b"b": b"2"}) is None
    assert store.buried == [{b"a": b"1", b"b": b"2"}]
    assert store.allows({}) is None, "what was shown is promised"
    store.begin({b"a": b"3"}, call=7)
    assert (store.calls, store.known) == ([0, 7], [0, 1])


def test_of_what_a_recovery_shows_with_it_and_without_nobody_knows_whether_it_happened() -> None:
    changes: list[dict[bytes, bytes | None]] = [{b"a": b"1"}, {b"b": b"2"}, {b"b": None}, {b"b": b"3"}]
    for commits, shown, perhaps in ((3, {b"a": b"1"}, {2, 3}), (4, {b"b": b"2"}, {2, 3, 4}), (2, {b"b": b"2"}, {2})):
        store = Kv()
        for call, change in enumerate(changes, start=1):
            store.begin(change, call)
            store.end()
        store.promise(1)
        store.adopt(commits, shown, promise=False)
        assert store.perhaps == perhaps
        assert store.calls == [1, 2, 3, 4][:commits]
        assert len(store.known) == len(store.states) - 1 == commits


def test_where_keys_keep_no_order_each_stands_for_itself() -> None:
    store = committed({b"a": b"1"}, {b"b": b"2"}, {b"a": b"3"}, {b"b": None}, promised=1)
    for shown in ({b"a": b"1"}, {b"a": b"3", b"b": b"2"}, {b"a": b"1", b"b": b"2"}, {b"a": b"3"}):
        assert store.allows_each(shown) == 4
    assert store.allows({b"a": b"3"}) == 4
    assert store.allows_each({b"b": b"2"}) is None, "a was promised"
    assert store.allows_each({b"a": b"2"}) is None


def test_doubt_brings_back_what_was_not_promised() -> None:
    store = committed({b"a": b"1"}, {b"b": b"2"}, promised=1)
    assert store.now() == [{b"a": b"1", b"b": b"2"}]
    store.doubt()
    assert store.now() == [{b"a": b"1"}, {b"a": b"1", b"b": b"2"}]
    store.begin({b"a": None})
    store.end()
    assert store.now() == [{}, {b"b": b"2"}]


def test_a_copy_is_independent() -> None:
    store = committed({b"a": b"1"})
    other = store.copy()
    other.begin({b"a": None})
    other.promise(1)
    assert (len(store.states), store.promised, store.allows({})) == (2, 0, 0)


@given(CHANGES, st.data())
def test_commits_that_failed_may_each_have_happened_or_not(
    changes: list[dict[bytes, bytes | None]], data: st.DataObject
) -> None:
    failed = [data.draw(st.booleans()) for _ in changes]
    store = Kv()
    for change, fails in zip(changes, failed, strict=True):
        store.begin(change)
        if not fails:
            store.end()
    store.promise(store.length())
    wanted = set()
    for happened in product((False, True), repeat=len(changes)):
        if all(did or fails for did, fails in zip(happened, failed, strict=True)):
            state: dict[bytes, bytes] = {}
            for change, did in zip(changes, happened, strict=True):
                for key, value in change.items() if did else ():
                    if value is None:
                        state.pop(key, None)
                    else:
                        state[key] = value
            wanted.add(frozenset(state.items()))
    every = [dict(zip((b"a", b"b"), pair, strict=True)) for pair in product((None, b"1", b"2"), repeat=2)]
    states = [{key: value for key, value in state.items() if value is not None} for state in every]
    assert {frozenset(state.items()) for state in states if store.allows(state) is not None} == wanted
