"""What one cycle will do, drawn from the seed: the engine's options, the kill and what follows it, and the operations.

Half of the kills come from outside, after a random time; half are armed, and strike at the n-th change or sync
anywhere, or at the n-th in one place. An armed place is one that few kills have reached so far, and a short scenario
of operations leads there: rotation, cleanup and the subscribers' progress are rare in a random workload and in time.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from chaoswal.contracts import CONTRACTS
from chaoswal.contracts.contract import Programs
from chaoswal.engines.draws import Options
from chaoswal.killloop.journal import Offers
from chaoswal.killloop.places import RECOVERY
from chaoswal.ops import (
    Ack,
    Append,
    Batch,
    Cleanup,
    Flush,
    Maintain,
    Operation,
    Poll,
    Rotate,
    Subscribe,
    Sync,
    Together,
)
from chaoswal.vfs.noted import Moment
from chaoswal.workload import Generator

OPERATIONS_MAX = 40
"""About as many operations as a cycle performs at most."""

RECOVERY_KILLS_MAX = 3
"""So many kills in a row may come before an opening has finished; then one is waited for."""

_OPERATIONS = (0, 1, 3, 6, 10, 20, OPERATIONS_MAX)  # 0: what was only looked at must stay, where that is promised

_AT_ONCE = (2, 3, 4)
_POINTS = 12  # at which a thread may give way, for whoever replays it on a simulated disk

_SCENARIOS = 0.3
"""How often one follows where no place is sought."""

_MANY = 40
"""Records that a scenario lets a subscriber take at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One cycle."""

    seed: int
    """What the operations are drawn from."""
    fault: str
    """What follows the kill: ``kill`` (nothing more), ``torn`` or ``power``."""
    operations: int
    """How many operations at most where the kill is armed, and about how many where it comes from outside."""
    wait: float = 0.0
    """Of a kill from outside: when, as a part of the time that opening (``in_recovery``) or the operations take."""
    in_recovery: bool = False
    armed: bool = False
    place: str = ""
    """Where an armed kill strikes; empty: anywhere."""
    nth: int = 1
    """At which change in that place."""
    moment: Moment = Moment.BEFORE
    part: float = 0.0
    """How much of a write is made by a child that ends inside it."""
    options: Options = ()
    """What the engine is opened with, besides what the user asks for."""
    crowded: bool = False
    """Whether some operations are done at once, where the engine lets them."""

    @property
    def operations_max(self) -> int:
        """After so many operations the child waits for its end."""
        return self.operations if self.armed or not self.operations else 10 * OPERATIONS_MAX


def draw(
    seed: str, faults: Sequence[str], reached: Mapping[str, int], unopened: int = 0, *, interrupted: bool = False
) -> Plan:
    """The plan of one cycle.

    ``reached``: how many kills have landed in each place that is sought; ``unopened``: how many in a row have come
    before an opening had finished; ``interrupted``: the last one came in an operation, and nothing else was done to
    what it left.
    """
    chance = random.Random(seed)
    fault = chance.choice(list(faults))
    program, operations = chance.getrandbits(48), chance.choice(_OPERATIONS)
    if interrupted and chance.random() < 0.25:  # what a kill has left over is served, and then the power is cut
        return Plan(seed=program, fault=list(faults)[-1], operations=0)
    crowded = chance.random() < 0.4
    early = chance.random() < 0.25 and unopened < RECOVERY_KILLS_MAX
    if chance.random() < 0.5:
        wait = chance.random() * (1.2 if early else 1.0)
        return Plan(seed=program, fault=fault, operations=operations, wait=wait, in_recovery=early, crowded=crowded)
    place = RECOVERY if early else _rare(chance, reached) if chance.random() < 0.7 else ""
    return Plan(
        seed=program,
        fault=fault,
        operations=operations,
        armed=True,
        place=place,
        nth=min(int(chance.expovariate(chance.choice([0.1, 0.4, 2.0]))) + 1, 40),
        moment=chance.choice(list(Moment)),
        part=chance.random(),
        crowded=crowded,
    )


def _rare(chance: random.Random, reached: Mapping[str, int]) -> str:
    """One of the places that few kills have reached."""
    return chance.choices(list(reached), [1 / (1 + count) for count in reached.values()])[0]


class Program:
    """The operations of one cycle, the same for the child that performs them and the parent that checks them."""

    def __init__(self, plan: Plan, offers: Offers, names: Sequence[str]) -> None:
        """``names``: the subscribers there are already."""
        capabilities = offers.traits.capabilities
        self._crowded = plan.crowded and offers.concurrent
        self._chance = random.Random(f"scenario:{plan.seed}")
        programs = CONTRACTS[offers.traits.contract].programs
        if programs:
            self._next = self._drawn(
                programs(plan.seed, capabilities, random.Random(plan.seed)), often=bool(plan.place)
            )
        else:
            self._next = self._of_log(Generator(plan.seed, capabilities), plan, capabilities, list(names))

    def next(self) -> Operation:
        """The next operation."""
        return next(self._next)

    def _drawn(self, programs: Programs, *, often: bool) -> Iterator[Operation]:
        """At random, and between them those that lead to a rare place; ``often`` where the kill is to come in one."""
        while True:
            yield from programs.program(1 + self._chance.randrange(6))
            if often or self._chance.random() < _SCENARIOS:
                yield from programs.scenario()

    def _of_log(
        self, generator: Generator, plan: Plan, capabilities: frozenset[str], names: list[str]
    ) -> Iterator[Operation]:
        start = [operation for operation in generator.program(2) if isinstance(operation, Subscribe)]
        yield from start
        names = list(dict.fromkeys([*names, *(operation.name for operation in start)]))
        while True:
            for _ in range(self._chance.randrange(6)):
                yield generator.operation()
            for _ in range(self._chance.randrange(5) if self._crowded else 0):
                yield from together(capabilities, self._chance)
            if plan.place:
                yield from scenario(plan.place, capabilities, names, self._chance)


def together(capabilities: frozenset[str], chance: random.Random) -> list[Operation]:
    """Operations to be done at once, as far as the engine has them; mostly appends of records that differ."""
    others: list[Operation] = [Sync(), *([Rotate()] if "rotate" in capabilities else [])]
    batches: list[Operation] = [Batch(sizes=(10, 100))] if "append_batch" in capabilities else []
    count = chance.choice(_AT_ONCE)
    switches = tuple((point, place) for point in range(1, _POINTS + 1) if (place := chance.randint(0, 2)))
    kinds = [*(Append(size=chance.choice((10, 100, 300))) for _ in range(8)), *batches, *others]
    return [Together(count=count, switches=switches), *(chance.choice(kinds) for _ in range(count))]


def scenario(place: str, capabilities: frozenset[str], names: Sequence[str], chance: random.Random) -> list[Operation]:
    """Operations that lead to a place, as far as the engine has it."""
    size = chance.choice([10, 100, 300])
    appends: list[Operation] = [Append(size=size) for _ in range(chance.randint(1, 3))]
    rotate: list[Operation] = [Rotate()] if "rotate" in capabilities else []
    match place:
        case "rotate" | "finalize":
            return [*appends, *rotate]
        case "cleanup" if "cleanup" in capabilities and "subscribe" in capabilities:
            return [*appends, *rotate, *_finished(names or ["s"]), Cleanup()]
        case "maintain" if "maintain" in capabilities:
            return [*appends, *rotate, *_finished(names[:1]), *appends, Maintain()]
        case "flush" | "subscribe" if "subscribe" in capabilities:
            return [*appends, *_finished([chance.choice([*names, "s", "t"])])]
        case "sync":
            return [*appends, Sync()]
        case _:
            return appends


def _finished(names: Sequence[str]) -> Iterator[Operation]:
    for name in names:
        yield Subscribe(name=name)
        yield Poll(name=name, count=_MANY)
        yield Ack(name=name, places=tuple(range(_MANY)))
        yield Flush(name=name)
