"""Interleavings: every order with few pre-emptions, each once; what shows only in one of them is found, and shrinks."""

import random
from collections.abc import Sequence
from itertools import islice

import pytest

from chaoswal.check import Judge
from chaoswal.disk.profiles import POSIX, PREFIX
from chaoswal.engines.registry import EngineRef
from chaoswal.ops import Append, Operation, Sync, Together, company
from chaoswal.replay import ready
from chaoswal.schedules import crowd, explored, hunted, orders
from chaoswal.shrink import Target, crash_steps, shrink
from chaoswal.trace import End
from chaoswal.verdict import Violation

WAL = EngineRef(name="wal")
TWO: list[Operation] = [Together(count=2, switches=()), Append(size=10), Append(size=30)]


LATE = EngineRef.of("wal", ["bug=group-commit-acks-waiters-that-joined-after-the-sync-began"])


def test_orders_begin_with_the_plainest_and_are_the_same_each_time() -> None:
    factory, traits = ready(WAL)
    found = list(islice(orders(factory, traits, TWO, POSIX), 40))
    switches = [order.switches for order in found]
    assert switches == sorted(switches)
    assert (switches[0], max(switches) > 0) == (0, True)
    assert len({order.steps for order in found}) == 40
    again = islice(orders(factory, traits, TWO, POSIX), 40)
    assert [order.played.run.events for order in again] == [order.played.run.events for order in found]


def test_either_append_may_be_the_first() -> None:
    factory, traits = ready(WAL)
    ends = {
        tuple(event.op_index for event in order.played.run.events if isinstance(event, End))
        for order in islice(orders(factory, traits, TWO, POSIX), 60)
    }
    assert {(1, 2, 0), (2, 1, 0)} <= ends


def test_a_bug_of_threads_shows_in_some_order_and_not_in_the_plainest() -> None:
    factory, traits = ready(LATE)
    judge = Judge(factory)
    assert not list(explored(judge, traits, TWO, [PREFIX], pre_emptions=0, orders_max=1))
    shown = next(explored(judge, traits, TWO, [PREFIX]), None)
    assert shown is not None
    assert shown[1].fault.kind is Violation.LOST


@pytest.mark.parametrize("turn", range(6))
def test_the_sound_log_is_right_in_every_order(turn: int) -> None:
    factory, traits = ready(WAL)
    assert not list(
        hunted(Judge(factory), traits, [PREFIX, POSIX], random.Random(turn), turn=turn, faulty=turn % 3 == 2)
    )


@pytest.mark.parametrize("turn", range(40))
def test_a_crowd_is_one_block_of_what_the_engine_offers(turn: int) -> None:
    steps = crowd(frozenset(), random.Random(turn), turn)
    ((place, block),) = [(place, step) for place, step in enumerate(steps) if isinstance(step, Together)]
    assert company(steps, place) == block.count >= 2
    assert {type(step).__name__ for step in steps} <= {"Together", "Append", "Sync", "Wait"}


def test_fewer_at_once_and_fewer_switches_are_simpler() -> None:
    factory, traits = ready(LATE)
    many: list[Operation] = [Append(size=9), Together(count=3, switches=()), *TWO[1:], Sync(), Sync()]
    shown = islice(explored(Judge(factory), traits, many, [PREFIX]), 12)
    found, steps = max(((found, steps) for _, found, steps in shown), key=lambda one: switches_of(one[1]))
    assert switches_of(steps) >= 2
    target = Target(engine=LATE, profile=PREFIX, kind=found.fault.kind)
    small = shrink(target, [*steps, *crash_steps(found, PREFIX)], [PREFIX])
    assert small is not None
    (block,) = [step for step in small.steps if isinstance(step, Together)]
    assert (block.count, len(block.switches)) == (2, 1)


def switches_of(steps: Sequence[object]) -> int:
    return sum(len(step.switches) for step in steps if isinstance(step, Together))
