"""All schedules with few pre-emptions: a search of its own, to which threads are lists, comes to the same traces."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import pytest

from chaoswal.vfs.scheduler import Deadlock, Scheduler
from chaoswal.vfs.turns import Point, Switches, schedules

Trace = tuple[str, ...]

BLOCKS: dict[str, list[str]] = {
    "two that never wait": ["abcd", "efg"],
    "three that never wait": ["abc", "de", "f"],
    "a mutex": ["a(b)c", "d(e)f"],
    "one mutex for three": ["(a)b", "c(d)", "(e)"],
    "two mutexes in two orders": ["a([b])c", "d[(e)]f"],
    "one that sleeps": ["ab.c", "defg"],
    "two that sleep, the second one less": ["a..b", "c.d", "ef"],
    "asleep with the mutex": ["(a.b)", "c(d)e"],
}
"""What each thread does: letters are calls, brackets take and give back two mutexes, a dot is a second's sleep."""

TAKEN_BY = {")": "(", "]": "["}


# --- with the scheduler ---------------------------------------------------------------------------------------------


def traced(block: Sequence[str], switches: Switches) -> tuple[Trace, Scheduler]:
    """The calls in their order, and who made them."""
    scheduler, trace = Scheduler(switches=()), list[str]()
    mutexes = {"(": scheduler.mutex(), "[": scheduler.mutex()}

    def thread(number: int) -> Callable[[], None]:
        def run() -> None:
            for action in block[number]:
                if action in "([":
                    mutexes[action].__enter__()
                elif action in ")]":
                    mutexes[TAKEN_BY[action]].__exit__(None, None, None)
                elif action == ".":
                    scheduler.sleep(1.0)
                else:
                    scheduler.step()
                    trace.append(action)

        return run

    targets = {str(number): thread(number) for number in range(len(block))}
    try:
        scheduler.run(lambda: scheduler.at_once(targets, switches))
    except Deadlock:
        trace.append("deadlock")
    return tuple(trace), scheduler


def all_schedules(block: Sequence[str], pre_emptions: int, seed: int | None = None) -> list[tuple[Switches, Trace]]:
    chance = None if seed is None else random.Random(seed)
    found, orders = list[tuple[Switches, Trace]](), schedules(pre_emptions, chance)
    switches = next(orders)
    while True:
        trace, scheduler = traced(block, switches)
        assert tuple(scheduler.switches) == switches, "every one of them is made"
        found.append((switches, trace))
        try:
            switches = orders.send(scheduler.points)
        except StopIteration:
            return found


# --- without ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class State:
    """Where every thread is."""

    at: tuple[int, ...]
    owners: dict[str, int] = field(default_factory=dict)
    wakes: dict[int, int] = field(default_factory=dict)
    now: int = 0
    trace: Trace = ()


def searched(block: Sequence[str], pre_emptions: int) -> set[Trace]:
    """Every trace with at most so many pre-emptions, by a search of all that could be next at each moment."""
    return set(_after(block, State(at=(0,) * len(block)), None, pre_emptions))


def _after(block: Sequence[str], state: State, last: int | None, left: int) -> Iterator[Trace]:
    alive = [thread for thread, place in enumerate(state.at) if place < len(block[thread])]
    if not alive:
        yield state.trace
        return
    awake = [thread for thread in alive if thread not in state.wakes and not _waits(block, state, thread)]
    asleep = sorted(state.wakes, key=lambda thread: (state.wakes[thread], thread))
    if not awake and not asleep:
        yield (*state.trace, "deadlock")
    for thread in [*awake, *asleep[:1]]:
        taken = thread != last if last in awake else bool(awake) and thread in asleep
        if left >= taken:
            yield from _after(block, _moved(block, state, thread), thread, left - taken)


def _waits(block: Sequence[str], state: State, thread: int) -> bool:
    action = block[thread][state.at[thread]]
    return action in "([" and action in state.owners


def _moved(block: Sequence[str], state: State, thread: int) -> State:
    """The thread wakes, or makes its next call; and all behind that by which no other can tell it was not at once."""
    owners, wakes, trace, place = dict(state.owners), dict(state.wakes), state.trace, state.at[thread]
    now = max(state.now, wakes.get(thread, 0))
    if wakes.pop(thread, None) is None:
        action, place = block[thread][place], place + 1
        if action in "([":
            owners[action] = thread
        else:
            trace = (*trace, action)
    while place < len(block[thread]) and block[thread][place] in ")].":
        action, place = block[thread][place], place + 1
        if action == ".":
            wakes[thread] = now + 1
            break
        del owners[TAKEN_BY[action]]
    at = tuple(place if number == thread else other for number, other in enumerate(state.at))
    return replace(state, at=at, owners=owners, wakes=wakes, now=now, trace=trace)


# --- and both ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", BLOCKS.values(), ids=list(BLOCKS))
@pytest.mark.parametrize("pre_emptions", [0, 1, 2, pytest.param(3, marks=pytest.mark.slow)])
def test_they_are_all_there_is(block: list[str], pre_emptions: int) -> None:
    found = {trace for _, trace in all_schedules(block, pre_emptions)}
    assert found == searched(block, pre_emptions)


def test_a_deadlock_takes_one_pre_emption() -> None:
    block = BLOCKS["two mutexes in two orders"]
    assert not any(trace[-1] == "deadlock" for trace in searched(block, 0))
    assert any(trace[-1] == "deadlock" for _, trace in all_schedules(block, 1))


@pytest.mark.parametrize("block", BLOCKS.values(), ids=list(BLOCKS))
def test_none_comes_twice_and_those_with_fewer_pre_emptions_come_first(block: list[str]) -> None:
    found = [switches for switches, _ in all_schedules(block, 2)]
    assert len(set(found)) == len(found)
    for fewer in (0, 1):
        first = [switches for switches, _ in all_schedules(block, fewer)]
        assert found[: len(first)] == first


def test_the_order_is_the_same_each_time_and_with_a_seed_another_one_of_the_same() -> None:
    block = BLOCKS["a mutex"]
    assert all_schedules(block, 2) == all_schedules(block, 2)
    assert all_schedules(block, 2, seed=1) == all_schedules(block, 2, seed=1)
    assert all_schedules(block, 2, seed=1) != all_schedules(block, 2, seed=2)
    assert sorted(all_schedules(block, 2, seed=1)) == sorted(all_schedules(block, 2))


def test_what_takes_the_turn_from_nobody_is_free() -> None:
    """Two that wait for their first turn, one of which goes on: there is nothing to pre-empt."""
    orders = schedules(0)
    assert next(orders) == ()
    assert orders.send([Point(candidates=3, free=2), Point(candidates=2, free=1)]) == ((1, 1),)
    with pytest.raises(StopIteration):
        orders.send([Point(candidates=3, free=2), Point(candidates=2, free=1)])
