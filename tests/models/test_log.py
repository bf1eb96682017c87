"""The model of a log against its definition: exactly ``A[c:n]``, with what may have happened there or not."""

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaoswal.models.log import Log


@dataclass
class Story:
    """What a log was asked, as a list of calls, so that the definition can be read off it."""

    calls: list[tuple[list[bytes], bool]] = field(default_factory=list)
    """The records of each append, and whether it returned; those that did not may have happened or not."""
    promised: int = 0
    """How many of the calls a promise covers."""
    removed: int = 0
    removable: int = 0

    def legal(self) -> set[tuple[int, tuple[bytes, ...]]]:
        """(c, what is shown from there) for everything that the definition allows."""
        found = set()
        open_calls = [number for number, (_, returned) in enumerate(self.calls) if not returned]
        for some in itertools.product((True, False), repeat=len(open_calls)):
            happened = dict(zip(open_calls, some, strict=True))
            kept = [(number, records) for number, (records, _) in enumerate(self.calls) if happened.get(number, True)]
            everything = [record for _, records in kept for record in records]
            ends = {0: 0}
            total = 0
            for number, records in kept:
                total += len(records)
                ends[total] = number + 1
            floor = sum(len(records) for number, records in kept if number < self.promised)
            for n, c in itertools.product(ends, range(self.removed, self.removable + 1)):
                if c <= n and n >= floor:
                    found.add((c, tuple(everything[c:n])))
        return found

    def model(self) -> Log:
        log = Log()
        for number, (records, returned) in enumerate(self.calls):
            if number == self.promised:
                log.promise(log.length())
            log.begin_append(records)
            if returned:
                log.end_append(len(records))
        if self.promised >= len(self.calls):
            log.promise(log.length())
        log.may_remove(self.removable)
        log.remove(self.removed)
        return log


@st.composite
def stories(draw: st.DrawFn, *, certain: bool = False) -> Story:
    story = Story()
    label = itertools.cycle(range(draw(st.sampled_from([1, 2, 99]))))  # equal records may stand for each other
    for _ in range(draw(st.integers(0, 5))):
        returned = certain or draw(st.integers(0, 3)) > 0
        records = [b"%d" % next(label) for _ in range(draw(st.sampled_from([1, 1, 2, 3])))]
        story.calls.append((records, returned))
    story.promised = draw(st.integers(0, len(story.calls)))
    certain_count = sum(len(records) for records, returned in story.calls[: story.promised] if returned)
    story.removable = draw(st.integers(0, certain_count))
    story.removed = draw(st.integers(0, story.removable))
    return story


def allowed(log: Log, shown: tuple[bytes, ...], next_position: int | None) -> bool:
    settled = log.settled(shown, next_position)
    return settled is not None and settled.allows(shown, next_position) is not None


@given(stories())
@settings(max_examples=300)
def test_everything_legal_is_allowed(story: Story) -> None:
    log = story.model()
    for c, shown in story.legal():
        assert allowed(log, shown, None)
        assert allowed(log, shown, c + len(shown))


@given(stories(), st.data())
@settings(max_examples=300)
def test_nothing_else_is_allowed(story: Story, data: st.DataObject) -> None:
    log = story.model()
    legal = story.legal()
    records = [record for records, _ in story.calls for record in records] + [b"foreign"]
    some = st.lists(st.sampled_from(records), max_size=6)
    in_order = st.sets(st.integers(0, len(records) - 1)).map(
        lambda places: [records[place] for place in sorted(places)]
    )
    shown = tuple(data.draw(some | in_order))
    assert allowed(log, shown, None) == any(shown == other for _, other in legal)
    next_position = data.draw(st.integers(0, 9))
    assert allowed(log, shown, next_position) == ((next_position - len(shown), shown) in legal)


@given(stories())
def test_nothing_is_changed_by_asking(story: Story) -> None:
    log = story.model()
    before = {name: repr(value) for name, value in vars(log).items()}
    for _, shown in story.legal():
        log.settled(shown)
        log.copy().adopt(0, promise=True)
        log.copy().begin_append([b"more"])
    assert {name: repr(value) for name, value in vars(log).items()} == before


def test_a_number_says_what_never_happened() -> None:
    log = Log()
    log.begin_append([b"failed"])
    log.begin_append([b"done"])
    log.end_append(1, first=0)
    assert log.records == [b"done"]
    assert (log.optional, log.halves) == (set(), set())


def test_a_number_says_what_happened() -> None:
    log = Log()
    log.begin_append([b"failed"])
    log.begin_append([b"done"])
    log.end_append(1, first=1)
    assert not log.allows([b"done"])
    assert log.allows([b"failed", b"done"]) == (0, 2)


def test_a_failed_call_before_a_promised_one_may_be_absent() -> None:
    log = Log()
    log.begin_append([b"failed"])
    log.begin_append([b"done"])
    log.end_append(1)
    log.promise(log.length())
    assert allowed(log, (b"done",), None)
    assert allowed(log, (b"failed", b"done"), None)
    assert not allowed(log, (b"failed",), None)
    assert not allowed(log, (), None)


def test_what_was_not_promised_is_doubtful_once_closing_failed() -> None:
    log = Log()
    for name in (b"a", b"b", b"c"):
        log.begin_append([name])
        log.end_append(1)
    log.promise(1)
    log.doubt()
    assert [allowed(log, (b"a", b"b", b"c")[:n], None) for n in range(4)] == [False, True, True, True]
    assert log.length() == 1
    log.begin_append([b"d"])
    log.end_append(1, first=1)
    assert log.records == [b"a", b"d"]


def test_what_has_landed_is_doubtful_once_closing_failed() -> None:
    """It waits for the place before it, which belongs to one that failed: its number may be given again."""
    log = Log()
    log.begin_append([b"a"])
    log.fail(0)
    log.take_off(1, [b"b"])
    assert log.land(1, 1) == 2
    log.doubt()
    log.take_off(2, [b"c"])
    assert log.land(2, 1) == 2
    assert [allowed(log, shown, 2) for shown in ((b"a", b"c"), (b"b", b"c"), (b"a", b"b"))] == [True, False, False]


def test_who_came_behind_what_has_landed_may_be_lost() -> None:
    log = Log()
    for name in (b"a", b"b"):
        log.begin_append([name])
        log.end_append(1)
    log.doubt()
    log.take_off(2, [b"c"])
    assert log.land(2, 2) == 3
    log.take_off(3, [b"d"])
    log.fail(3)
    log.doubt()
    every = (b"a", b"b", b"c", b"d")
    assert [allowed(log, every[:n], n) for n in range(5)] == [True] * 5
    assert not allowed(log, (b"a", b"b", b"d", b"c"), 4)


def test_what_has_landed_and_was_promised_stays() -> None:
    log = Log()
    log.begin_append([b"a"])
    log.fail(0)
    log.take_off(1, [b"b"])
    log.promise(log.land(1, 1) or 0)
    log.doubt()
    log.take_off(2, [b"c"])
    assert log.land(2, 1) is None


def test_half_a_batch_is_never_allowed() -> None:
    log = Log()
    log.begin_append([b"a", b"b", b"c"])
    assert [log.allows([b"a", b"b", b"c"][:n]) is not None for n in range(4)] == [True, False, False, True]
    log.end_append(3)
    assert [log.allows([b"a", b"b", b"c"][:n]) is not None for n in range(4)] == [True, False, False, True]


def test_what_a_recovery_cut_is_buried() -> None:
    log = Log()
    log.begin_append([b"a"])
    log.end_append(1)
    log.begin_append([b"b"])
    log.adopt(1, promise=True)
    assert (log.records, log.buried, log.floor, log.optional) == ([b"a"], {b"b"}, 1, set())
    assert not log.allows([b"a", b"b"])
    log = Log()
    log.begin_append([b"a"])
    log.adopt(0, promise=False)
    assert (log.buried, log.floor) == ({b"a"}, 0)


def test_marks_only_rise() -> None:
    log = Log()
    log.begin_append([b"a", b"b", b"c"])
    log.end_append(3)
    log.promise(2)
    log.promise(1)
    log.show(3)
    log.show(0)
    log.remove(2)
    log.may_remove(1)
    log.remove(1)
    assert (log.promised, log.shown, log.floor, log.removed, log.removable) == (2, 3, 3, 2, 2)


def test_a_record_knows_its_call_and_what_was_promised_before_it() -> None:
    log = Log()
    log.begin_append([b"a", b"b"], 7)
    log.end_append(2)
    log.promise(2)
    log.begin_append([b"x"], 8)  # failed
    log.begin_append([b"c"], 9)
    log.show(3)
    log.begin_append([b"d"], 10)
    assert (log.calls, log.known) == ([7, 7, 8, 9, 10], [0, 0, 2, 2, 3])
    other = log.copy()
    log.end_append(1, 2)  # neither 8 nor 9 happened, whatever was shown
    assert (log.records, log.calls, log.known) == ([b"a", b"b", b"d"], [7, 7, 10], [0, 0, 2])
    other.adopt(2, promise=False)
    assert (other.calls, other.known, len(log.calls), len(log.known)) == ([7, 7], [0, 0], 3, 3)


def test_doubt_leaves_what_was_promised_and_a_concession_does_not() -> None:
    log = Log()
    for record in (b"a", b"b", b"c"):
        log.begin_append([record])
        log.end_append(1)
    log.promise(1)
    assert log.settled([b"a", b"c"]) is None
    log.doubt()
    assert [bool(log.settled(shown)) for shown in ([b"a", b"c"], [b"a"], [b"b", b"c"])] == [True, True, False]
    before = log.changes
    log.concede(0)
    assert log.allows([]) == (0, 0)
    assert log.changes > before


def test_a_part_of_a_sight_is_its_beginning() -> None:
    log = Log()
    log.begin_append([b"a", b"b", b"c"])
    log.end_append(3)
    log.may_remove(1)
    assert [log.allows_part(list(shown)) for shown in ([], [b"a"], [b"b", b"c"], [b"c"], [b"a", b"c"])] == [
        True,
        True,
        True,
        False,
        False,
    ]
    log.begin_append([b"d"])
    assert log.allows_part([b"a", b"d"])
    assert not log.allows_part([b"e"])


# -- appends at once -----------------------------------------------------------------------------------------------


@dataclass
class Race:
    """Appends under way at once: their records in the order they were made in, and which of them returned a number."""

    blocks: list[list[bytes]]
    landed: set[int]
    promised: bool

    def places(self) -> list[int]:
        """Where each begins."""
        return [sum(map(len, self.blocks[:number])) for number in range(len(self.blocks))]

    def floor(self) -> int:
        """Behind the last that returned."""
        return max((self.places()[n] + len(self.blocks[n]) for n in self.landed), default=0) if self.promised else 0

    def legal(self) -> set[tuple[bytes, ...]]:
        """Every order in which those that returned have their places, up to any end that is no half."""
        found = set()
        for count in range(len(self.landed), len(self.blocks) + 1):
            for order in itertools.permutations(range(len(self.blocks)), count):
                ends = list(itertools.accumulate((len(self.blocks[n]) for n in order), initial=0))
                if all((n, place) in zip(order, ends, strict=False) for n, place in self.certain()):
                    records = [record for n in order for record in self.blocks[n]]
                    found |= {tuple(records[:end]) for end in ends if end >= self.floor()}
        return found

    def certain(self) -> list[tuple[int, int]]:
        """Those that returned, with their places."""
        return [(n, self.places()[n]) for n in self.landed]

    def model(self, order: list[int]) -> Log:
        """``order``: that in which they return."""
        log = Log()
        for number, records in enumerate(self.blocks):
            log.take_off(number, records)
        for number in order:
            end = log.land(number, self.places()[number])
            assert end is not None
            if self.promised:
                log.promise(end)
        return log


@given(st.lists(st.integers(1, 2), min_size=1, max_size=4), st.booleans(), st.data())
@settings(max_examples=100)
def test_appends_at_once_may_be_in_any_order_that_their_numbers_allow(
    sizes: list[int],
    promised: bool,
    data: st.DataObject,
) -> None:
    label = itertools.count()
    blocks = [[b"%d" % next(label) for _ in range(size)] for size in sizes]
    landed = data.draw(st.sets(st.integers(0, len(blocks) - 1)))
    race = Race(blocks, landed, promised)
    log = race.model(data.draw(st.permutations(sorted(landed))))
    legal = race.legal()
    for shown in legal:
        assert allowed(log, shown, None), shown
    everything = [record for block in blocks for record in block]
    for count in range(len(everything) + 1):
        for some in itertools.permutations(everything, count) if len(everything) < 5 else ():
            assert allowed(log, some, count) == (some in legal), some


def test_a_number_twice_is_refused_and_so_is_one_of_the_past() -> None:
    log = Log()
    for number in range(2):
        log.take_off(number, [b"%d" % number])
    assert log.land(0, 0) == 1
    log.take_off(2, [b"2"])
    assert log.copy().land(1, 0) is None
    assert log.copy().land(2, 0) is None
    assert log.land(2, 2) == 3
    assert log.land(1, 1) == 2
    assert not log.unsettled


def test_a_flight_that_failed_never_happened_once_its_place_is_taken() -> None:
    log = Log()
    log.take_off(0, [b"failed"])
    log.fail(0)
    assert allowed(log, (b"failed",), 1)
    log.take_off(1, [b"done"])
    assert log.land(1, 0) == 1
    assert not log.unsettled
    assert not allowed(log, (b"done", b"failed"), 2)


def test_who_failed_before_may_have_what_others_leave() -> None:
    log = Log()
    log.begin_append([b"failed"])
    log.take_off(1, [b"a"])
    log.take_off(2, [b"b"])
    assert log.land(2, 1) == 2
    for first in (b"failed", b"a"):
        assert allowed(log, (first, b"b"), 2)
    assert allowed(log, (b"a", b"b", b"failed"), 3)
    assert log.length() == 2
    assert log.land(1, 0) == 1
    assert log.all_records()[:2] == [b"a", b"b"]


def test_equal_records_may_stand_for_each_other() -> None:
    """A failed append, and behind it a batch under way that begins with an equal record."""
    log = Log()
    log.begin_append([b"x"])
    log.begin_append([b"x", b"long"])
    for shown in ((), (b"x",), (b"x", b"long"), (b"x", b"x", b"long")):
        assert allowed(log, shown, len(shown)), shown
    assert not allowed(log, (b"x", b"x"), 2)
    assert not allowed(log, (b"long",), 1)


# -- what is tried among very many possibilities ---------------------------------------------------------------------


def anyhow(log: Log, shown: list[bytes], next_position: int | None) -> bool:
    """As ``settled``, by trying everything: every order of the flights, every choice of what never happened."""
    for order in itertools.permutations(log.flights.values()):
        world = log.arranged(order)
        if world is None:
            continue
        starts = sorted(world.optional - world.halves)
        edges = itertools.pairwise([*starts, len(world.records)])
        blocks = [[p for p in range(start, stop) if p in world.optional] for start, stop in edges]
        for there in itertools.product((True, False), repeat=len(blocks)):
            other = world.copy()
            for block, stays in reversed(list(zip(blocks, there, strict=True))):
                for position in [] if stays else reversed(block):
                    other.forget(position, position + 1)
            if other.allows(shown, next_position):
                return True
    return False


def doubtful(chance: random.Random) -> Log:
    """A log of few different records, of which many may not have happened."""
    log, alphabet = Log(), [b"a", b"b", b"c", b"d", b"e"][: chance.randint(1, 5)]
    for number in range(chance.randint(1, 5)):
        batch = [chance.choice(alphabet) for _ in range(chance.choice((1, 1, 1, 2)))]
        match chance.choices(("sure", "fails", "promise", "remove", "land", "doubt"), (4, 4, 1, 1, 2, 1))[0]:
            case "sure" if not log.unsettled:
                log.begin_append(batch, number)
                log.end_append(len(batch))
            case "promise":
                log.promise(chance.randint(0, log.length()))
            case "remove":
                log.may_remove(chance.randint(0, max(log.length(), len(log.records))))
            case "land" if log.flights:
                log.land(chance.choice(list(log.flights)), chance.choice([None, log.length() + chance.randint(0, 2)]))
            case "doubt":
                log.doubt()
            case _ if log.unsettled or chance.random() < 0.3:
                log.take_off(number, batch)
                log.fail(number)
            case _:
                log.begin_append(batch, number)
    return log


def gapped(chance: random.Random) -> Log:
    """A log in which one has landed behind some of those that failed, and of these some were removed."""
    log, alphabet = Log(), [b"a", b"b", b"c"][: chance.randint(1, 3)]
    for number in range(chance.randint(1, 4)):
        log.take_off(number, [chance.choice(alphabet) for _ in range(chance.choice((1, 1, 2)))])
        log.fail(number)
    place = sum(len(flight.records) for flight in log.flights.values() if chance.random() < 0.8)
    log.take_off(9, [chance.choice(alphabet)])
    log.land(9, place)
    log.may_remove(chance.randint(0, place))
    return log


@pytest.mark.parametrize("made", [doubtful, gapped])
@pytest.mark.parametrize("seed", range(300))
def test_what_is_tried_is_enough(seed: int, made: Callable[[random.Random], Log]) -> None:
    chance = random.Random(seed)
    log = made(chance)
    for _ in range(6):
        shown = [record for record in log.all_records() if chance.random() < 0.7]
        if chance.random() < 0.5:
            chance.shuffle(shown)
        next_position = chance.choice([None, len(shown), len(shown) + chance.randint(0, 3)])
        assert (log.settled(shown, next_position) is not None) == anyhow(log, shown, next_position)


class Lived:
    """A log that lives, keeps what it promises, and gives its records their numbers; and what is known of it."""

    def __init__(self, chance: random.Random) -> None:
        self.log, self.chance = Log(), chance
        self.there: list[list[bytes]] = []
        self.promised = 0  # calls
        self._calls = 0
        self._numbered = chance.random() < 0.8

    def live(self) -> None:
        """Something happens to it, and is told to the model as a history tells it."""
        what = self.chance.choices(("append", "doubt", "recover", "together"), (6, 2, 1, self._numbered))[0]
        match what:
            case "doubt" | "recover":
                del self.there[self.chance.randint(self.promised, len(self.there)) :]
                self.log.doubt()
                if what == "recover":
                    located = self.log.located(self.shown(), len(self.shown()))
                    assert located is not None
                    self.log, (_, end) = located
                    self.log.adopt(end, promise=False)
            case "together":
                self._append(self.chance.randint(2, 3))
            case _:
                self._append(1)

    def _append(self, at_once: int) -> None:
        begun = []
        for _ in range(at_once):
            number, self._calls = self._calls, self._calls + 1
            batch = [b"%d.%d" % (number, place) for place in range(self.chance.choice((1, 1, 2)))]
            if at_once > 1 or self.log.unsettled:
                self.log.take_off(number, batch)
            else:
                self.log.begin_append(batch, number)
            begun.append((number, batch, self.chance.random() < 0.6))
        self.chance.shuffle(begun)
        places: dict[int, int] = {}
        for number, batch, returns in begun:
            if returns or self.chance.random() < 0.5:
                places[number] = len(self.shown())
                self.there.append(batch)
        self.chance.shuffle(begun)
        for number, batch, returns in begun:
            if returns:
                self._returned(number, batch, places[number])
            else:
                self.log.fail(number)

    def _returned(self, number: int, batch: list[bytes], place: int) -> None:
        first = place if self._numbered else None
        if number in self.log.flights:
            end = self.log.land(number, first)
            assert end == place + len(batch) or not self._numbered
        else:
            end = self.log.end_append(len(batch), first) + len(batch)
        if end is not None and self._numbered and self.chance.random() < 0.4:
            self.log.promise(end)
            self.promised = max(self.promised, 1 + self.there.index(batch))

    def shown(self) -> tuple[bytes, ...]:
        """All that it holds."""
        return tuple(record for batch in self.there for record in batch)


@pytest.mark.parametrize("seed", range(300))
def test_what_a_sound_log_shows_is_allowed(seed: int) -> None:
    chance = random.Random(seed)
    lived = Lived(chance)
    for _ in range(chance.randint(1, 9)):
        lived.live()
        assert allowed(lived.log, lived.shown(), len(lived.shown()))
        kept = sum(map(len, lived.there[: chance.randint(lived.promised, len(lived.there))]))
        assert allowed(lived.log, lived.shown()[:kept], kept)


@given(stories(), st.data())
def test_what_is_given_tells_which_appends_never_happened(story: Story, data: st.DataObject) -> None:
    """Whatever is shown one by one, by its number, is possible where one of all that are legal has it there."""
    log = story.model()
    known = [record for records, _ in story.calls for record in records] + [b"foreign"]
    given = data.draw(st.dictionaries(st.integers(0, len(known)), st.sampled_from(known), min_size=1, max_size=3))
    happened = [
        [record for (records, _), there in zip(story.calls, some, strict=True) if there for record in records]
        for some in itertools.product(*[(True,) if returned else (True, False) for _, returned in story.calls])
    ]
    possible = any(given.items() <= dict(enumerate(records)).items() for records in happened)
    found = log.with_these(given)
    assert (found is not None) == possible
    if found is not None:
        assert found.records in happened
        assert found.with_these(given) is found


def test_so_do_those_of_which_some_stand_before_one_that_landed() -> None:
    log = Log()
    for number in range(200):
        log.take_off(number, [b"%d" % number])
        log.fail(number)
    log.take_off(200, [b"landed"])
    assert log.land(200, 100) == 101
    log.may_remove(100)
    for there in ([], [b"7"], [b"8", b"7"], [b"%d" % number for number in range(100)]):
        assert log.settled([*there, b"landed"], 101)
    for there in ([b"x"], [b"7", b"7"], [b"%d" % number for number in range(101)]):
        assert log.settled([*there, b"landed"], 101) is None


def test_very_many_failed_appends_cost_little() -> None:
    log = Log()
    log.begin_append([b"first"])
    log.end_append(1)
    for number in range(200):
        log.take_off(number, [b"%d" % number])
        log.fail(number)
    assert log.settled([b"first", b"7"])
    assert log.settled([b"7", b"first"]) is None
