"""Interleavings: operations at once in all orders with few pre-emptions, each crashed everywhere.

Theory of operation
-------------------
A program has one block of operations at once (``Together``). It is played in the plainest order first. Where another
thread could have gone on is known then, and from that which orders there are with one switch more
(``vfs/turns.py``). Each is played from the beginning: programs are short, and nothing else is as sure to be the same.

Many orders come to the same events: nobody can tell them apart, and one of them is judged. What lies before the block
is the same in all of them and is crashed once, with the plainest. A pair of image and allowed history that was judged
in one order is not judged again in another.

Where there are more orders than are asked for, those with fewer pre-emptions are among them, and of the others some.
Programs are drawn for that: short, with two to four operations at once, of which each kind meets each other in its
turn, on a log that has something for them to do.
"""

import random
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeAlias

from chaoswal.check import Found, Judge, Seen, check
from chaoswal.disk.crashes import Bound
from chaoswal.disk.faults import SYNCS, FaultPlan
from chaoswal.disk.profiles import Profile
from chaoswal.engines.registry import Factory
from chaoswal.ops import (
    Ack,
    Append,
    Batch,
    Cleanup,
    Flush,
    Operation,
    Poll,
    Read,
    Rotate,
    Subscribe,
    Sync,
    Together,
    Wait,
    company,
)
from chaoswal.oracle import Traits
from chaoswal.program import Step, operations_of
from chaoswal.replay import Played, play_to_last_run
from chaoswal.sweep import io_faults
from chaoswal.trace import Begin
from chaoswal.vfs.turns import PRE_EMPTIONS, schedules

BOUND = Bound(random_states=0, states_per_point=20)
"""How far each order is explored: what they have in common was explored with other programs."""

ORDERS_MAX = 60
"""So many orders of one program are played: more programs find more than more orders of one."""

FAULTS_TRIED, ORDERS_STRUCK_MAX = 8, 30
"""Of all errors that could strike in a program so many are drawn; with each of them one pre-emption is enough."""

Shown: TypeAlias = tuple[Profile, Found, tuple[Step, ...]]
"""A violation, and the steps up to its crashes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order of a program."""

    steps: tuple[Step, ...]
    played: Played
    switches: int
    """How many times its threads are switched where they need not be."""
    block: int
    """After how many events of its last run the operations at once begin."""


def orders(
    factory: Factory,
    traits: Traits,
    steps: Sequence[Step],
    profile: Profile,
    *,
    pre_emptions: int = PRE_EMPTIONS,
    chance: random.Random | None = None,
) -> Iterator[Order]:
    """The program in each order of its last block, as ``schedules`` has them; there must be one."""
    place, block = [(place, step) for place, step in enumerate(steps) if isinstance(step, Together)][-1]
    number, plan = len(operations_of(steps[:place])), schedules(pre_emptions, chance)
    switches = next(plan)
    while True:
        varied = (*steps[:place], replace(block, switches=switches), *steps[place + 1 :])
        played = play_to_last_run(factory, traits, varied, profile)
        begun = (at for at, event in enumerate(played.run.events) if event == Begin(op_index=number))
        yield Order(steps=varied, played=played, switches=len(switches), block=next(begun, 0))
        try:
            switches = plan.send(played.run.points.get(number, ()))
        except StopIteration:
            return


def explored(
    judge: Judge,
    traits: Traits,
    steps: Sequence[Step],
    profiles: Sequence[Profile],
    *,
    pre_emptions: int = PRE_EMPTIONS,
    chance: random.Random | None = None,
    orders_max: int | None = None,
) -> Iterator[Shown]:
    """The violations of a program in its orders, all or so many: one of each order, and the steps up to it.

    The profiles must be such that a run is the same under each of them.
    """
    runs, seen = set[Hashable](), Seen()
    found_orders = orders(judge.factory, traits, steps, profiles[0], pre_emptions=pre_emptions, chance=chance)
    for order in islice(found_orders, orders_max):
        played = order.played
        if played.found:
            yield profiles[0], played.found, order.steps
        events = tuple(played.run.events)
        if played.found or events in runs:
            continue
        points = range(order.block if runs else 0, len(events) + 1)
        runs.add(events)
        for profile in profiles:
            history = played.history.copy()
            found = check(played.run, history, judge, profile, bound=BOUND, points=points, seen=seen)
            if found:
                yield profile, found, order.steps
                break


def hunted(
    judge: Judge, traits: Traits, profiles: Sequence[Profile], chance: random.Random, *, turn: int, faulty: bool
) -> Iterator[Shown]:
    """The violations of a drawn program; ``faulty``: with one error of some, and fewer orders for each of them."""
    steps = crowd(traits.capabilities, chance, turn, more=not faulty)
    if not faulty:
        yield from explored(judge, traits, steps, profiles, chance=chance, orders_max=ORDERS_MAX)
        return
    reverts = chance.choice(profiles).reverts
    alike = [profile for profile in profiles if profile.reverts == reverts]
    for program in struck(judge.factory, traits, steps, alike[0], chance):
        yield from explored(judge, traits, program, alike, pre_emptions=1, chance=chance, orders_max=ORDERS_STRUCK_MAX)


# -- programs --------------------------------------------------------------------------------------------------------

OLD, NEW = "s", "t"
"""The subscriber that is there before the block, and one that is registered in it."""

MANY = 40

_KINDS: Mapping[str, tuple[str, Callable[[int, random.Random], Operation]]] = {
    "append": ("", lambda size, _: Append(size=size)),
    "batch": ("append_batch", lambda size, _: Batch(sizes=(size, size))),
    "sync": ("", lambda _size, _: Sync()),
    "rotate": ("rotate", lambda _size, _: Rotate()),
    "wait": ("", lambda _size, chance: Wait(milliseconds=chance.choice((1, 500, 60_000)))),
    "read": ("read_outside", lambda _size, _: Read()),
    "subscribe": ("subscribe", lambda _size, _: Subscribe(name=NEW)),
    "poll": ("subscribe", lambda _size, _: Poll(name=OLD, count=MANY)),
    "ack": ("subscribe", lambda _size, _: Ack(name=OLD, places=tuple(range(MANY)))),
    "flush": ("subscribe", lambda _size, _: Flush(name=OLD)),
    "cleanup": ("cleanup", lambda _size, _: Cleanup()),
}
"""What may be done at once: what an engine must offer for that, and how it is drawn for records of a size."""

MEETINGS = (
    ("append", "rotate"),
    ("rotate", "subscribe"),
    ("append", "sync"),
    ("cleanup", "ack"),
    ("append", "subscribe"),
    ("rotate", "read"),
    ("append", "cleanup"),
    ("rotate", "rotate"),
    ("cleanup", "subscribe"),
    ("append", "wait"),
    ("cleanup", "read"),
    ("append", "batch"),
    ("rotate", "poll"),
    ("append", "read"),
    ("cleanup", "flush"),
    ("rotate", "wait"),
    ("append", "poll"),
    ("rotate", "subscribe"),
    ("cleanup", "poll"),
    ("rotate", "sync"),
    ("rotate", "cleanup"),
)
"""Who meets whom, in every other program; in the others it is two that append."""


def crowd(capabilities: frozenset[str], chance: random.Random, turn: int, *, more: bool = True) -> list[Operation]:
    """A short program with two operations at once, by turns, or up to four: the more, the fewer of their orders."""
    offered = [kind for kind, (needed, _) in _KINDS.items() if not needed or needed in capabilities]
    meetings = [meeting for meeting in MEETINGS if set(meeting) <= set(offered)]
    kinds = list(meetings[turn // 2 % len(meetings)] if turn % 2 else ("append", "append"))
    kinds += chance.choices(offered, k=chance.choice((0, 0, 0, 0, 1, 2)) if more else 0)
    size = chance.choice((10, 30, 100, 300))
    members = _one_a_handle([_KINDS[kind][1](size, chance) for kind in kinds])
    behind: list[Operation] = [*([Append(size=size)] if chance.random() < 0.5 else []), *_last(kinds, chance)]
    return [*_before(kinds, size, chance), Together(count=len(members), switches=()), *members, *behind]


def _one_a_handle(members: Sequence[Operation]) -> list[Operation]:
    """A subscriber is asked by one thread at a time, and so is the reader."""
    found: list[Operation] = []
    for member in members:
        together = Together(count=len(found) + 1, switches=())
        if company([together, *found, member], 0) > len(found):
            found.append(member)
    return found


def _before(kinds: Sequence[str], size: int, chance: random.Random) -> list[Operation]:
    """What the operations at once find: some records, and a subscriber with something to do, or done with all."""
    appends: list[Operation] = [Append(size=size)] * chance.choice((1, 1, 2) if "rotate" in kinds else (0, 1, 1, 2))
    if not {"poll", "ack", "flush", "cleanup"} & set(kinds):
        return appends
    there: list[Operation] = [Subscribe(name=OLD), Append(size=size), Rotate(), *appends]
    done: list[Operation] = [Poll(name=OLD, count=MANY), Ack(name=OLD, places=tuple(range(MANY)))]
    return [*there, *done[: 0 if "poll" in kinds else 1 if "ack" in kinds else 2]]


def _last(kinds: Sequence[str], chance: random.Random) -> Iterator[Operation]:
    """What may show that something went wrong: the time passes, and what was finished is cleaned."""
    if chance.random() < 0.2:
        yield Wait(milliseconds=60_000)
    if "ack" in kinds:
        yield Cleanup()


def struck(
    factory: Factory, traits: Traits, steps: Sequence[Step], profile: Profile, chance: random.Random
) -> Iterator[list[Step]]:
    """The program with an error in its block, one after the other of some that strike in its plainest order.

    Half of them strike a sync, for that is what threads do for each other; and what is appended then shows what the
    error has left behind.
    """
    place = max(place for place, step in enumerate(steps) if isinstance(step, Together))
    calls = []
    for part in (steps[:place], steps):
        tally = FaultPlan(tally=True)
        play_to_last_run(factory, traits, part, profile, tally)
        calls.append(tally.seen)
    faults = list(io_faults(calls[1][len(calls[0]) :]))
    syncs = [fault for fault in faults if fault[0].call in SYNCS]
    others = [fault for fault in faults if fault not in syncs]
    for group in (syncs, others):
        for fault in chance.sample(group, min(FAULTS_TRIED // 2, len(group))):
            yield [*steps[:place], *fault, *steps[place:], Append(size=_size(steps))]


def _size(steps: Sequence[Step]) -> int:
    return max((step.size for step in steps if isinstance(step, Append)), default=1)
