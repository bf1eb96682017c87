"""The gate: what a change must pass before it is taken, in stages that share one budget of time.

Theory of operation
-------------------
Each stage gives its findings; together they are held against the baseline, which lets through what is listed and not
expired. The stages, in this order:

``self-test``  A planted missing sync must be seen in this environment, or nothing else here means anything: UNKNOWN.
``corpus``     Every finding that was ever kept is replayed: one that fails is back. A finding of a planted bug is
               replayed without its bug: that the checker sees the bug is the self-test's business. A file that cannot
               be played at all is no pass.
``explore``    Drawn programs and all their crash states, with the faults that are asked for.
``kill-loop``  Real processes, killed.

A stage that has nothing to do leaves its time to the next. A verdict is FAIL where anything is found that is not borne
with, UNKNOWN where a stage could not judge, and PASS only where every stage is clean (a corpus may be empty).
"""

import datetime as dt
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from chaoswal import corpus
from chaoswal.baseline import Comparison, Known, compare
from chaoswal.campaign import BLIND, Campaign, Explorer, canary
from chaoswal.disk.profiles import EXT4_ORDERED, PROFILES
from chaoswal.engines.registry import BUG, EngineRef
from chaoswal.errors import ChaoswalError, Exit, Inconclusive, UsageError
from chaoswal.findings import ERROR, conclude, told
from chaoswal.hunt import CRASH, Catch, Hunter
from chaoswal.killloop import campaign as killloop
from chaoswal.notices import ExploreFinished, Found, GateFinished, KillLoopFinished, Listener, Notice, Replayed, Stage
from chaoswal.pool import apart
from chaoswal.replay import Status, replay
from chaoswal.text import digest
from chaoswal.verdict import Verdict

SHARES = {"explore": 0.6, "kill-loop": 0.4}
"""Of the time that is left, once the stages before have had what they need."""

SECONDS_MIN = 2.0
"""What a stage takes at least: in less nothing is judged on a busy machine."""

TRIES = 3
"""So often the kill loop is begun anew where its share was too short for a kill to come behind an opening."""

UNTRIED = "no kills were tried"
"""What a gate says that has left them out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is asked for."""

    engine: EngineRef
    corpus: Sequence[Path]
    """The files that are replayed."""
    save: Path
    """Where new findings go."""
    baseline: Sequence[Known]
    budget_seconds: float
    seed: int
    workers: int
    strict: bool
    """Whether a warning is a violation too."""
    faults: Sequence[str] = (CRASH,)
    keep: bool = False
    """Whether the directories stay in which kills have found something."""
    planted: str = ""
    """The bug that is switched on in every engine that has it; empty: none."""
    today: dt.date
    command: str


@dataclass(slots=True, kw_only=True)
class Judged:
    """What came of one stage."""

    what: str
    findings: list[Found] = field(default_factory=list)
    verdict: Verdict = Verdict.PASS
    reasons: tuple[str, ...] = ()


class Gate:
    """Runs the stages of a plan; ``run`` is called once."""

    def __init__(self, plan: Plan, listen: Listener, clock: Callable[[], float] = time.monotonic) -> None:
        self._plan = plan
        self._listen = listen
        self._clock = clock
        self._end = clock() + plan.budget_seconds
        self._stages: list[Stage] = []
        self._findings: list[Found] = []
        self._interrupted = False

    def run(self) -> tuple[GateFinished, int]:
        """All stages, and the exit code. An interruption ends the stage under way, and none follows."""
        started = self._clock()
        stages: dict[str, Callable[[], Judged]] = {
            "self-test": self._self_test,
            "corpus": self._corpus,
            "explore": self._explore,
            "kill-loop": self._kill_loop,
        }
        try:
            for name, stage in stages.items():
                if self._interrupted:
                    break
                self._stages.append(self._timed(name, stage))
        except KeyboardInterrupt:
            self._interrupted = True
        return self._finish(self._clock() - started)

    def _timed(self, name: str, stage: Callable[[], Judged]) -> Stage:
        started = self._clock()
        try:
            judged = stage()
        except UsageError as error:  # of the engine: it cannot be judged in this way
            judged = Judged(what="nothing", verdict=Verdict.UNKNOWN, reasons=(str(error),))
        self._findings += judged.findings
        done = Stage(
            name=name,
            seconds=self._clock() - started,
            judged=judged.what,
            findings=len(judged.findings),
            verdict=judged.verdict,
            reasons=judged.reasons,
        )
        self._listen(done)
        return done

    def _share(self, name: str) -> float:
        """The seconds of a stage: its share of what is left, and all of it for the last one."""
        left = list(SHARES.values())[list(SHARES).index(name) :]
        return max(SECONDS_MIN, (self._end - self._clock()) * left[0] / sum(left))

    # -- the stages ----------------------------------------------------------------------------------------------

    def _self_test(self) -> Judged:
        if canary():
            return Judged(what="1 planted bug, seen")
        return Judged(what="1 planted bug, not seen", verdict=Verdict.UNKNOWN, reasons=(BLIND,))

    def _corpus(self) -> Judged:
        judged = Judged(what="")
        broken: list[str] = []
        theirs = 0
        for number, path in enumerate(self._plan.corpus, start=1):
            try:
                finding = corpus.load(path, command=str(self._plan.engine))
                if finding.theirs:
                    theirs += 1
                else:
                    judged.findings += apart(partial(self._replayed, path, finding))
            except ChaoswalError as error:
                broken.append(f"{path}: {error}")
            self._listen(Replayed(done=number, of=len(self._plan.corpus)))
        judged.what = f"{len(self._plan.corpus) - theirs} findings replayed"
        judged.what += f", {theirs} in software of others left to `replay`" if theirs else ""
        if broken:
            judged.verdict, judged.reasons = Verdict.UNKNOWN, tuple(broken)
        return _failing(judged)

    def _replayed(self, path: Path, finding: corpus.Finding) -> list[Found]:
        """The finding in a file, if it is there (again)."""
        options = {key: value for key, value in finding.engine.options if key != BUG}
        if self._plan.planted and finding.engine.name == self._plan.engine.name:
            options[BUG] = self._plan.planted
        finding = replace(finding, engine=EngineRef(name=finding.engine.name, options=tuple(options.items())))
        status, played = replay(finding.engine, finding.steps, PROFILES[finding.profile])
        if status is Status.FAILED and played.found:
            return [replace(told(finding, played.found.fault, early=played.found.at_creation), file=str(path))]
        return []

    def _explore(self) -> Judged:
        plan, last = self._plan, _Last(self._listen)
        hunter = Hunter(plan.engine, tuple(PROFILES.values()), seed=plan.seed, faults=plan.faults)
        campaign = Campaign(
            hunter=hunter,
            states=None,
            budget_seconds=self._share("explore"),
            workers=plan.workers,
            strict=plan.strict,
            corpus=plan.save,
            today=plan.today,
            command=plan.command,
        )
        self._note(Explorer(campaign, last).run())
        assert isinstance(last.finished, ExploreFinished)
        progress = last.finished.progress
        what = f"{progress.judged + progress.nested:,} states of {progress.programs} programs"
        return _judged(what, last.finished)

    def _kill_loop(self) -> Judged:
        plan, last = self._plan, _Last(self._listen)
        if not sys.platform.startswith("linux"):
            return Judged(what="nothing: it needs Linux", verdict=Verdict.UNKNOWN, reasons=("no kill loop here",))
        if plan.engine.is_program:
            return Judged(what="nothing", reasons=(f"{UNTRIED}: those of a program are judged where it is explored",))
        factory = plan.engine.factory()
        campaign = killloop.Campaign(
            engine=plan.engine,
            factory=factory,
            faults=killloop.FAULTS if factory.takes_vfs else killloop.FAULTS[:1],
            profile=EXT4_ORDERED.name,
            seed=plan.seed,
            cycles=None,
            duration=self._share("kill-loop"),
            workers=min(2, plan.workers),
            patience=killloop.PATIENCE_SECONDS,
            directory=None,
            keep=False,
            corpus=plan.save,
            command=plan.command,
        )
        for _ in range(TRIES):
            self._note(killloop.Killing(campaign, last).run())
            assert isinstance(last.finished, KillLoopFinished)
            if last.finished.progress.judged or last.finished.findings or self._interrupted:
                break
        finished = last.finished
        assert isinstance(finished, KillLoopFinished)
        judged = _judged(f"{finished.progress.cycles:,} kills", finished)
        judged.findings = [_put_away(_apart_concluded(found, plan), plan) for found in judged.findings]
        return judged

    def _note(self, exit_code: int) -> None:
        self._interrupted = self._interrupted or exit_code == Exit.INTERRUPTED

    # -- the end -------------------------------------------------------------------------------------------------

    def _finish(self, seconds: float) -> tuple[GateFinished, int]:
        plan = self._plan
        beside = compare(self._findings, plan.baseline, plan.today, str(plan.engine))
        verdict, code, reasons = self._verdict(beside)
        listed = {known.fingerprint: known.reason for known in plan.baseline}
        borne = {(found.fingerprint or found.id) for found in beside.known}
        finished = GateFinished(
            verdict=verdict,
            reasons=reasons,
            engine=str(plan.engine),
            seed=plan.seed,
            exhaustive="nothing; " + "; ".join(f"{stage.name}: {stage.judged}" for stage in self._stages),
            command=plan.command,
            findings=tuple(self._findings),
            seconds=seconds,
            stages=tuple(self._stages),
            known={fingerprint: listed[fingerprint] for fingerprint in sorted(borne)},
            fixed=tuple(known.fingerprint for known in beside.fixed) if self._all_judged else (),
        )
        self._listen(finished)
        return finished, code

    @property
    def _all_judged(self) -> bool:
        """Whether no stage was left out or could not judge: only then does "not found" mean anything."""
        return not self._interrupted and all(stage.verdict is not Verdict.UNKNOWN for stage in self._stages)

    def _verdict(self, beside: Comparison) -> tuple[Verdict, Exit, tuple[str, ...]]:
        wrong = [("new", found) for found in beside.new] + [("expired", found) for found in beside.expired]
        wrong = [(sort, found) for sort, found in wrong if self._plan.strict or found.severity == ERROR]
        if wrong:
            why = tuple(f"{sort} {found.kind}: {found.explanation}" for sort, found in wrong)
            return Verdict.FAIL, Exit.VIOLATION, tuple(dict.fromkeys(why))
        if self._interrupted:
            return Verdict.UNKNOWN, Exit.INTERRUPTED, ("interrupted before the end; no violation until then",)
        unknown = [reason for stage in self._stages if stage.verdict is Verdict.UNKNOWN for reason in stage.reasons]
        if unknown:
            return Verdict.UNKNOWN, Exit.INCONCLUSIVE, tuple(dict.fromkeys(unknown))
        borne = f"; {len(beside.known)} known" if beside.known else ""
        untried = [reason for stage in self._stages for reason in stage.reasons if reason.startswith(UNTRIED)]
        return Verdict.PASS, Exit.CLEAN, (f"nothing new{borne}", *untried)


class _Last:
    """Passes on what a stage says of itself, and keeps its last words, which are the gate's to tell."""

    def __init__(self, listen: Listener) -> None:
        self.finished: ExploreFinished | KillLoopFinished | None = None
        self._listen = listen

    def __call__(self, notice: Notice) -> None:
        if isinstance(notice, ExploreFinished | KillLoopFinished):
            self.finished = notice
        else:
            self._listen(notice)


def _judged(what: str, finished: ExploreFinished | KillLoopFinished) -> Judged:
    return Judged(what=what, findings=list(finished.findings), verdict=finished.verdict, reasons=finished.reasons)


def _failing(judged: Judged) -> Judged:
    """FAIL where there are findings, whatever else there is."""
    if judged.findings:
        judged.verdict = Verdict.FAIL
        judged.reasons = tuple(f"{found.kind}: {found.explanation}" for found in judged.findings)
    return judged


def _put_away(found: Found, plan: Plan) -> Found:
    """The finding without the directory of its campaign, where nobody asked for that."""
    if plan.keep or not found.kept:
        return found
    shutil.rmtree(Path(found.kept).parent, ignore_errors=True)
    return replace(found, kept="")


def _apart_concluded(found: Found, plan: Plan) -> Found:
    """The same, shrunk in another process; as it was seen where its engine breaks that, or cannot be opened for it."""
    try:
        return apart(partial(_concluded, found, plan))
    except (Inconclusive, UsageError):
        return _as_seen(found)


def _as_seen(found: Found) -> Found:
    return replace(found, fingerprint=found.fingerprint or digest(f"kill-loop {found.kind}"))


def _concluded(found: Found, plan: Plan) -> Found:
    """A finding of the kill loop shrunk and blamed as those of ``explore`` are, where its file replays.

    Elsewhere it hangs on real time or real threads, and all of one kind count as one cause: a baseline can list it.
    """
    finding = corpus.load(Path(found.file), command=corpus.ANY) if found.file else None  # it has just been run
    if finding:
        profile = PROFILES[finding.profile]
        status, played = replay(finding.engine, finding.steps, profile)
        if status is Status.FAILED and played.found:
            steps = tuple(finding.steps)
            catch = Catch(
                engine=finding.engine,
                profile=profile,
                number=0,
                fault=played.found.fault,
                steps=steps,
                given=plan.engine.keys,
            )
            small = conclude(catch, seed=plan.seed, today=plan.today, seconds=plan.budget_seconds / 2)
            file = str(corpus.save(small.finding, plan.save)) if small.finding else found.file
            return replace(small.found, file=file, stderr=found.stderr, kept=found.kept)
    return _as_seen(found)
