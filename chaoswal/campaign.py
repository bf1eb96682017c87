"""A campaign of exploration: programs from a seed, on all cores, and what they showed as a stream of notices.

Theory of operation
-------------------
Programs are numbered and their outcomes taken in the order of the numbers, whoever had them first (``pool.py``). The
campaign is over after the program by which so many states were judged, or that by which the time was up; what came
behind it is thrown away. So the same seed and number of states give the same states and the same findings with any
number of workers, and a time only decides how many programs there are.

A program that shows a violation is shrunk by the worker that found it, unless a violation that looks the same from
outside (``looks``) is known already: nine in ten of them would come to the same. Of those that are shrunk, one of each
fingerprint is kept.

Feedback: a program whose recoveries ran lines, or came to decisions, that none had before is fruitful, and every third
program takes after a fruitful one. Only those that had their turn ``LEAD`` programs before count, so that this, too, is
the same for any number of workers.

No verdict is green unless a planted bug, the plainest there is, was seen in this process just before (``canary``).
"""

import datetime as dt
import math
import random
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from chaoswal import corpus
from chaoswal.check import Coverage
from chaoswal.disk.profiles import PROFILES
from chaoswal.engines.registry import BUG, EngineRef
from chaoswal.errors import Exit, Inconclusive
from chaoswal.findings import ERROR, WARNING, Concluded, conclude, looks
from chaoswal.hunt import Attempt, Given, Hunter
from chaoswal.notices import Explored, ExploreFinished, Found, Listener, Started
from chaoswal.pool import LEAD, Pool
from chaoswal.reach import Reach
from chaoswal.text import spans
from chaoswal.verdict import Verdict

CANARY = EngineRef(name="wal", options=((BUG, "no-sync-before-ack"),))
"""What must be caught before anything is called clean: an append that is acknowledged and never synced."""

BLIND = f"the planted bug {CANARY} was not seen here: a clean result would mean nothing"

FEEDBACK_EVERY = 3

LOOKS_MAX = 64
"""So many violations that look different are shrunk."""

WARNINGS_MAX = 3
"""So many that look alike are shrunk where each is no more than a warning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """What is asked for."""

    hunter: Hunter | Given
    states: int | None
    """So many pairs are judged, those inside recoveries among them;"""
    budget_seconds: float | None
    """or it takes so long."""
    workers: int
    strict: bool
    """Whether a warning is a violation too."""
    corpus: Path | None
    """Where findings are saved; None: nowhere."""
    today: dt.date
    command: str
    """What runs it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One program to try, and what need not be shrunk once more."""

    number: int
    known: frozenset[str]
    parent: int | None = None
    """The program it takes after."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One program, and the finding it came to, if it came to one that looks new."""

    attempt: Attempt
    looks: str = ""
    concluded: Concluded | None = None


def canary() -> bool:
    """Whether the plainest of planted bugs is seen, here and now."""
    return Hunter(CANARY, tuple(PROFILES.values())).attempt(0).catch is not None


class Explorer:
    """Runs a campaign."""

    def __init__(self, campaign: Campaign, listen: Listener, clock: Callable[[], float] = time.monotonic) -> None:
        self.findings: dict[str, Found] = {}
        """By fingerprint."""
        self.coverage = Coverage()
        self.programs = 0
        self._campaign = campaign
        self._listen = listen
        self._clock = clock
        self._started = clock()
        self.reach = Reach()
        self._unseen: tuple[str, ...] = ()
        self._known: set[str] = set()
        self._warned: Counter[str] = Counter()
        self._fruitful: list[int] = []

    def run(self) -> int:
        """Explore, and tell; the exit code."""
        campaign = self._campaign
        hunter = campaign.hunter
        started = Started(
            engine=str(hunter.engine),
            seed=hunter.seed,
            profile=", ".join(profile.name for profile in hunter.profiles),
            faults=hunter.faults,
            workers=campaign.workers,
            directory="",
        )
        self._listen(started)
        try:
            self._explore()
        except Inconclusive as error:
            self._unseen = (str(error),)
        except KeyboardInterrupt:
            return self._finish(interrupted=True)
        return self._finish(interrupted=False)

    def _explore(self) -> None:
        with Pool(self._work, self._campaign.workers) as pool:
            for outcome in pool.ordered(self._tasks(), self._tell):
                self._take(outcome)
                self._tell()
                if self._over():
                    return

    def _tasks(self) -> Iterator[Task]:
        for number in self._campaign.hunter.numbers():
            yield Task(number=number, known=frozenset(self._known), parent=self._parent(number))

    def _parent(self, number: int) -> int | None:
        fruitful = self._fruitful[: bisect_right(self._fruitful, number - LEAD)]
        if number % FEEDBACK_EVERY or not fruitful:
            return None
        return random.Random(f"parent:{self._campaign.hunter.seed}:{number}").choice(fruitful)

    def _work(self, task: Task) -> Outcome:
        """In a worker: try one program, and shrink what it shows."""
        hunter = self._campaign.hunter
        attempt = hunter.attempt(task.number, task.parent)
        seen = looks(attempt.catch) if attempt.catch else ""
        if attempt.catch is None or seen in task.known or len(task.known) >= LOOKS_MAX:
            return Outcome(attempt=attempt, looks=seen)
        today, seconds = self._campaign.today, self._shrinking_seconds
        concluded = conclude(attempt.catch, seed=hunter.seed, today=today, seconds=seconds)
        return Outcome(attempt=attempt, looks=seen, concluded=concluded)

    def _take(self, outcome: Outcome) -> None:
        """Count an outcome whose turn it is. What looks like an earlier error counts for nothing, shrunk or not.

        What looks like a warning is shrunk some times more: where it strikes behind a promise, it is an error.
        """
        self.programs += 1
        self.coverage.add(outcome.attempt.coverage)
        if self.reach.add(outcome.attempt.reach):
            self._fruitful.append(outcome.attempt.number)
        if outcome.concluded is None or outcome.looks in self._known or len(self._known) >= LOOKS_MAX:
            return
        found = outcome.concluded.found
        self._warned[outcome.looks] += 1
        if found.severity == ERROR or self._warned[outcome.looks] == WARNINGS_MAX:
            self._known.add(outcome.looks)
        earlier = self.findings.get(found.fingerprint)
        if not earlier or (earlier.severity, found.severity) == (WARNING, ERROR):
            if self._campaign.corpus is not None and outcome.concluded.finding is not None:
                path = corpus.save(outcome.concluded.finding, self._campaign.corpus)
                found = replace(found, file=str(path))
            self.findings[found.fingerprint] = found
            self._listen(found)

    @property
    def _seconds(self) -> float:
        return self._clock() - self._started

    @property
    def _shrinking_seconds(self) -> float:
        """How long what is found now may be shrunk: as long as the budget lasts, and in its end half of it more."""
        budget = self._campaign.budget_seconds
        return math.inf if budget is None else max(budget - self._seconds, budget / 2)

    def _over(self) -> bool:
        campaign = self._campaign
        enough = campaign.states is not None and self.coverage.judged + self.coverage.nested >= campaign.states
        return enough or (campaign.budget_seconds is not None and self._seconds >= campaign.budget_seconds)

    def _tell(self) -> None:
        self._listen(self._explored())

    def _explored(self) -> Explored:
        coverage = self.coverage
        return Explored(
            seconds=self._seconds,
            programs=self.programs,
            judged=coverage.judged,
            nested=coverage.nested,
            distinct=coverage.distinct,
        )

    def _finish(self, *, interrupted: bool) -> int:
        verdict, code, reasons = self._verdict(interrupted=interrupted)
        finished = ExploreFinished(
            verdict=verdict,
            reasons=reasons,
            engine=str(self._campaign.hunter.engine),
            seed=self._campaign.hunter.seed,
            exhaustive=self._campaign.hunter.covered(self.coverage),
            command=self._campaign.command,
            findings=tuple(self.findings.values()),
            recovery_lines=(len(self.reach.ran), len(self.reach.possible)),
            unreached=self._unreached(),
            progress=self._explored(),
        )
        self._listen(finished)
        return code

    def _unreached(self) -> tuple[str, ...]:
        """Decisions that recovery never came to, then lines it never ran."""
        decisions = getattr(self._campaign.hunter.engine.factory().kind, "decisions", ())
        missed = [decision for decision in decisions if decision not in self.reach.decided]
        return (*missed, *(f"{file}: {spans(lines)}" for file, lines in self.reach.unreached.items()))

    def _verdict(self, *, interrupted: bool) -> tuple[Verdict, Exit, tuple[str, ...]]:
        wrong = [found for found in self.findings.values() if self._campaign.strict or found.severity == ERROR]
        if wrong:
            return Verdict.FAIL, Exit.VIOLATION, tuple(f"{found.kind}: {found.explanation}" for found in wrong)
        if self._unseen:
            return Verdict.UNKNOWN, Exit.INCONCLUSIVE, self._unseen
        if interrupted:
            return Verdict.UNKNOWN, Exit.INTERRUPTED, ("interrupted before the end; no violation until then",)
        if not self.coverage.judged:
            return Verdict.UNKNOWN, Exit.NOTHING_RAN, ("nothing was judged",)
        if not canary():
            return Verdict.UNKNOWN, Exit.INCONCLUSIVE, (BLIND,)
        warned = f", with {len(self.findings)} warnings" if self.findings else ""
        return Verdict.PASS, Exit.CLEAN, (f"no violation{warned}",)
