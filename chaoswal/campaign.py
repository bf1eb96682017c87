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

No verdict is green unless a planted bug, the plainest there is, was seen in this process just before (``canary``).
"""

import datetime as dt
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from chaoswal import corpus
from chaoswal.check import Coverage
from chaoswal.disk.profiles import PROFILES
from chaoswal.engines.registry import BUG, EngineRef
from chaoswal.errors import Exit
from chaoswal.hunt import Attempt, Catch, Hunter
from chaoswal.notices import Explored, ExploreFinished, Found, Listener, Started
from chaoswal.pool import Pool
from chaoswal.program import CrashStep, operations_of, step_line
from chaoswal.replay import play, simulated
from chaoswal.shrink import Shrunk, Target, shrink
from chaoswal.verdict import Verdict

CANARY = EngineRef(name="wal", options=((BUG, "no-sync-before-ack"),))
"""What must be caught before anything is called clean: an append that is acknowledged and never synced."""

LOOKS_MAX = 64
"""So many violations that look different are shrunk."""

_PROGRESS_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """What is asked for."""

    hunter: Hunter
    states: int | None
    """So many pairs are judged, those inside recoveries among them; or"""
    budget_seconds: float | None
    """so long."""
    workers: int
    strict: bool
    corpus: Path | None
    """Where findings are saved; None: nowhere."""
    today: dt.date
    command: str


@dataclass(slots=True, kw_only=True)
class Outcome:
    """One program, and the finding it came to, if it was one."""

    attempt: Attempt
    looks: str = ""
    shrunk: Shrunk | None = None


@dataclass(slots=True)
class _Task:
    number: int
    known: frozenset[str]


class Explorer:
    """Runs a campaign."""

    def __init__(self, campaign: Campaign, listen: Listener, clock: Callable[[], float] = time.monotonic) -> None:
        self._campaign = campaign
        self._listen = listen
        self._clock = clock
        self._started = self._told = clock()
        self._coverage = Coverage()
        self._programs = 0
        self._known: set[str] = set()
        self._findings: dict[str, Found] = {}

    def run(self) -> int:
        """Explore, and tell; the exit code."""
        campaign = self._campaign
        hunter = campaign.hunter
        self._listen(
            Started(
                engine=str(hunter.engine),
                seed=hunter.seed,
                profile=", ".join(profile.name for profile in hunter.profiles),
                faults=hunter.faults,
                workers=campaign.workers,
                directory="",
            )
        )
        interrupted = False
        try:
            with Pool(self._work, campaign.workers) as pool:
                for outcome in pool.ordered(self._tasks(), self._tell_progress):
                    self._take(outcome)
                    if self._over():
                        break
        except KeyboardInterrupt:
            interrupted = True
        return self._finish(interrupted=interrupted)
