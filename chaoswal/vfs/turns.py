"""Which thread goes on where: schedules as lists of switches, and all those with few pre-emptions in a fixed order.

Theory of operation
-------------------
A schedule is told by where it leaves the plainest one, in which the thread that runs goes on as long as it can, and
then the first of the others. It is a short list: many mistakes of threads show with one thread held up once or twice.
So all schedules with at most so many *pre-emptions* are tried (Musuvathi and Qadeer, "Iterative context bounding",
2007): those without any first, then those with one, and so on. Taking the turn from a thread that could go on is a
pre-emption, and so is letting time pass while somebody could. Who goes on where a thread waits, or has ended, is free.

How many points a schedule has, and who could go on there, only its run can tell. Up to its last switch a schedule is
the same as the one without it. So the run of each tells which schedules have one switch more behind its last one, and
every schedule is come to once, from the only one that it extends.
"""

import random
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Switches: TypeAlias = tuple[tuple[int, int], ...]
"""At which points, counted from 1, another than the first candidate goes on, and which, counted from 0."""

PRE_EMPTIONS = 2
"""With so few nearly all mistakes of threads show that are known from practice (the paper above found them all)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A moment of a run when more than one thread could go on."""

    candidates: int
    """How many could, in the order of ``Scheduler``."""
    free: int
    """How many of them, the first ones, take the turn from nobody."""


def schedules(
    pre_emptions: int = PRE_EMPTIONS, chance: random.Random | None = None
) -> Generator[Switches, Sequence[Point], None]:
    """Every schedule with at most so many pre-emptions, fewer first; send the points that the run of each came to.

    ``chance`` draws the order of those with equally many: for whoever will not see all of them.
    """
    level: deque[Switches] = deque([()])
    for left in range(pre_emptions, -1, -1):
        if chance:
            chance.shuffle(level)
        deeper: deque[Switches] = deque()
        while level:
            switches = level.popleft()
            points = yield switches
            for number in range(switches[-1][0] + 1 if switches else 1, len(points) + 1):
                point = points[number - 1]
                level.extend((*switches, (number, place)) for place in range(1, point.free))
                if left:
                    places = range(max(1, point.free), point.candidates)
                    deeper.extend((*switches, (number, place)) for place in places)
        level = deeper
