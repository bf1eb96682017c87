"""The self-test: the checker hunts every planted bug, and must leave the sound engine alone.

Each bug is hunted by drawn programs, as ``explore`` does, until one of them shows a violation or the budget is spent.
What was found is shrunk, and compared with what the zoo says of the bug: the kind of violation, and the line to blame.
"""

import datetime as dt
import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from chaoswal import corpus
from chaoswal.campaign import Campaign, Explorer
from chaoswal.check import Coverage
from chaoswal.disk.profiles import PROFILES
from chaoswal.engines.bugs import ENTRIES
from chaoswal.engines.bugs.entry import Entry
from chaoswal.engines.registry import EngineRef
from chaoswal.findings import conclude
from chaoswal.hunt import CRASH, FAULTS, IO, LEAK, ROT, Hunter
from chaoswal.notices import ExploreFinished, Found, Hunted, Listener, Notice, Started
from chaoswal.pool import Pool

BUDGET_SECONDS = 20.0
"""So long one bug is hunted."""

MEANS = {
    ("crashes", False): (CRASH,),
    ("crashes", True): (CRASH, IO),
    ("damage", False): (ROT,),
    ("reopening", False): (LEAK,),
}
"""What an engine with a bug is made to meet, by what shows the bug, and whether calls must fail."""

DAY = dt.date(2000, 1, 1)
"""Findings of a self-test are not kept: any day will do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunt:
    """One bug to be hunted from one seed."""

    bug: str
    seed: int


def hunt_bug(hunt: Hunt, budget_seconds: float = BUDGET_SECONDS, clock: Callable[[], float] = time.monotonic) -> Hunted:
    """Hunt one bug until it is caught or the budget is spent."""
    entry = ENTRIES[hunt.bug]
    hunter = Hunter(entry.engine, tuple(PROFILES.values()), seed=hunt.seed, faults=MEANS[entry.by, entry.faults])
    started, coverage = clock(), Coverage()
    numbers = itertools.count()
    while True:
        attempt = hunter.attempt(next(numbers))
        coverage.add(attempt.coverage)
        seconds = clock() - started
        if attempt.catch or seconds >= budget_seconds:
            break
    concluded = conclude(attempt.catch, seed=hunt.seed, today=DAY) if attempt.catch else None
    found = concluded.found if concluded else None
    return Hunted(
        bug=hunt.bug,
        seed=hunt.seed,
        group=entry.group,
        seconds=seconds,
        states=coverage.judged + coverage.nested,
        programs=attempt.number + 1,
        found=found,
        kind_right=found is not None and found.kind in entry.kinds,
        site_right=_site_right(entry, found),
        program=corpus.dumps(concluded.finding) if concluded and concluded.finding else "",
    )


def _site_right(entry: Entry, found: Found | None) -> bool | None:
    if not entry.site:
        return None
    return found is not None and found.function == entry.site


def smallest(rows: Iterable[Hunted]) -> Iterator[tuple[str, corpus.Finding]]:
    """Of each bug that was found under its right kind, its smallest program."""
    programs: dict[str, list[str]] = {}
    for row in rows:
        if row.kind_right and row.program:
            programs.setdefault(row.bug, []).append(row.program)
    for bug, contents in programs.items():
        yield bug, corpus.loads(min(contents, key=lambda content: (content.count("\n"), len(content))), bug)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a self-test is to do."""

    bugs: tuple[str, ...]
    seeds: tuple[int, ...]
    budget_seconds: float
    sound_states: int
    """So many pairs of the sound engine are judged for each seed; 0: none."""
    workers: int


def hunt_all(plan: Plan, wake: Callable[[], object]) -> Iterator[Hunted]:
    """Each bug from each seed, in order."""
    hunts = (Hunt(bug=bug, seed=seed) for seed in plan.seeds for bug in plan.bugs)
    with Pool(partial(hunt_bug, budget_seconds=plan.budget_seconds), plan.workers) as pool:
        yield from pool.ordered(hunts, wake)


def judge_sound(plan: Plan, seed: int, listen: Listener) -> ExploreFinished:
    """The sound engine, by the programs that the bugs are hunted with; each finding is one too many."""
    finished: list[ExploreFinished] = []

    def keep(notice: Notice) -> None:
        if isinstance(notice, ExploreFinished):
            finished.append(notice)
        elif not isinstance(notice, Started):
            listen(notice)

    campaign = Campaign(
        hunter=Hunter(EngineRef(name="wal"), tuple(PROFILES.values()), seed=seed, faults=FAULTS),
        states=plan.sound_states,
        budget_seconds=None,
        workers=plan.workers,
        strict=True,
        corpus=None,
        today=DAY,
        command="",
    )
    Explorer(campaign, keep).run()
    return finished[0]
