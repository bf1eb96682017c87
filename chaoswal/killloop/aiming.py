"""A campaign that strikes at system calls: how long it goes on, what it found, and what it tells whoever listens."""

import datetime as dt
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from chaoswal import corpus
from chaoswal.campaign import BLIND, canary
from chaoswal.disk.directory import save
from chaoswal.disk.faults import Fault
from chaoswal.disk.profiles import KILL
from chaoswal.engines.registry import EngineRef, Factory
from chaoswal.errors import ChaoswalError, Exit, Inconclusive
from chaoswal.findings import ERROR, conclude, looks, severity
from chaoswal.hunt import Catch
from chaoswal.killloop.campaign import clear_up, prepare
from chaoswal.killloop.draws import drawn
from chaoswal.killloop.finding import BEFORE
from chaoswal.killloop.striking import Count, Strike, Striker
from chaoswal.notices import Found, KillLoopFinished, Listener, Progress, Started
from chaoswal.outside import promises
from chaoswal.processes import signals_held
from chaoswal.program import CrashStep, step_line
from chaoswal.text import digest
from chaoswal.verdict import Verdict

_MISSED_SHOWN = 3
_BARREN = 20
"""After so many programs in a row that have no call to strike it is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """What is asked for, once it is known to make sense."""

    engine: EngineRef
    factory: Factory
    seed: int
    fault: Fault | None
    """What each process meets; None: each is killed."""
    kills: int | None
    """So many kills,"""
    duration: float | None
    """or so many seconds."""
    directory: Path | None
    keep: bool
    corpus: Path | None
    command: str


class Aiming:
    """One campaign from its first directory to its last notice. Signals are to raise KeyboardInterrupt."""

    def __init__(self, aim: Aim, listen: Listener) -> None:
        """UsageError where the engine cannot be opened."""
        self._aim = aim
        self._listen = listen
        self._started = time.monotonic()
        self._traits = promises(aim.factory.name)
        self._count = Count()
        self._findings: dict[str, Found] = {}
        self._known: set[str] = set()

    def run(self) -> int:
        """Prepare, strike, clean up and report; the exit code."""
        aim, interrupted, unseen = self._aim, False, ""
        with signals_held():
            base = prepare(aim.directory)
        try:
            with closing(Striker(aim.engine, aim.factory, self._traits, str(base), self._count)) as striker:
                self._listen(self._begun(base))
                self._strike(striker, base)
        except Inconclusive as error:
            unseen = str(error)
        except KeyboardInterrupt:
            interrupted = True
        finally:
            with signals_held():
                if not aim.keep:
                    kept = [found.kept for found in self._findings.values()]
                    clear_up(base, kept, ours=aim.directory is None)
        return self._finish(unseen, interrupted=interrupted)

    def _begun(self, base: Path) -> Started:
        aim = self._aim
        return Started(
            engine=str(aim.engine),
            seed=aim.seed,
            profile=KILL.name,
            faults=(str(aim.fault) if aim.fault else "kill at every system call",),
            workers=1,
            directory=str(base),
        )

    def _strike(self, striker: Striker, base: Path) -> None:
        number, fruitful = 0, 0
        while not self._over() and number - fruitful < _BARREN:
            before = self._count.aimed
            for strike in self._strikes(striker, number):
                if strike:
                    self._take(striker, strike, base)
                self._listen(self._progress())
                if self._over():
                    return
            number += 1
            fruitful = number if self._count.aimed > before else fruitful

    def _strikes(self, striker: Striker, number: int) -> Iterator[Strike | None]:
        operations, fault = drawn(self._traits, self._aim.seed, number), self._aim.fault
        return striker.faulty(number, operations, fault) if fault else striker.program(number, operations)

    def _over(self) -> bool:
        aim = self._aim
        enough = aim.kills is not None and self._count.aimed >= aim.kills
        return enough or (aim.duration is not None and time.monotonic() - self._started >= aim.duration)

    # -- findings ------------------------------------------------------------------------------------------------

    def _take(self, striker: Striker, strike: Strike, base: Path) -> None:
        """Tell of a violation that looks like no earlier one, and keep the directory as it was found."""
        engine = self._aim.engine
        catch = Catch(
            engine=engine,
            profile=KILL,
            number=strike.number,
            fault=strike.fault,
            steps=strike.steps,
            given=engine.keys,
        )
        seen = looks(catch)
        if seen in self._known:
            return
        self._known.add(seen)
        found = self._concluded(catch, strike, base)
        if found.fingerprint not in self._findings:
            if not self._aim.fault:
                found = replace(found, between=striker.between(strike.operations, strike.at))
            self._findings[found.fingerprint] = found
            self._listen(found)

    def _concluded(self, catch: Catch, strike: Strike, base: Path) -> Found:
        """The finding shrunk and blamed where its program shows it again without a kill, or else as it is."""
        kept = base / f"found-{len(self._findings) + 1}"
        (kept / BEFORE).mkdir(parents=True, exist_ok=True)
        save(strike.before, str(kept / BEFORE))
        found, file = self._found(catch, strike, kept)
        return replace(found, file=file, kept=str(kept), seed=self._aim.seed, cycle=strike.number, stderr=strike.output)

    def _found(self, catch: Catch, strike: Strike, kept: Path) -> tuple[Found, str]:
        try:
            concluded = conclude(catch, seed=self._aim.seed, today=dt.datetime.now(tz=dt.UTC).date())
        except ChaoswalError as error:
            return _as_it_is(catch, strike, error), ""
        assert concluded.finding is not None
        return concluded.found, str(corpus.save(concluded.finding, self._aim.corpus or kept))

    # -- what is told --------------------------------------------------------------------------------------------

    def _progress(self) -> Progress:
        count = self._count
        return Progress(
            seconds=time.monotonic() - self._started,
            cycles=count.processes,
            acks=count.acks,
            judged=count.judged,
            distinct=len(count.seen),
            directories=count.processes,
            partial=0,
            kills=dict(count.kills),
            aimed=count.aimed,
            struck=count.struck,
        )

    def _finish(self, unseen: str, *, interrupted: bool) -> int:
        aim, findings = self._aim, tuple(self._findings.values())
        verdict, code, reasons = self._verdict(unseen, interrupted=interrupted)
        finished = KillLoopFinished(
            verdict=verdict,
            reasons=reasons,
            engine=str(aim.engine),
            seed=aim.seed,
            exhaustive=self._covered(),
            command=aim.command,
            findings=findings,
            progress=self._progress(),
        )
        self._listen(finished)
        return code

    def _covered(self) -> str:
        count = self._count
        if self._aim.fault:
            return (
                f"nothing: {count.struck} of {count.aimed} processes met `{self._aim.fault}`, in {count.programs} "
                "programs, and what they left was opened again; crashes behind the fault: NOT MEASURED"
            )
        left = f", but for the last {count.left} of the last one" if count.left else ""
        return (
            f"each system call that changed something, in {count.programs} programs{left}: a kill at the entry of "
            f"{count.struck} of {count.aimed}; within a write, and of stores through mmap: NOT MEASURED"
        )

    def _verdict(self, unseen: str, *, interrupted: bool) -> tuple[Verdict, Exit, tuple[str, ...]]:
        count, findings = self._count, self._findings.values()
        wrong = [found for found in findings if found.severity == ERROR]
        if wrong:
            return Verdict.FAIL, Exit.VIOLATION, tuple(f"{found.kind}: {found.explanation}" for found in wrong)
        if unseen:
            return Verdict.UNKNOWN, Exit.INCONCLUSIVE, (unseen,)
        if interrupted:
            return Verdict.UNKNOWN, Exit.INTERRUPTED, ("interrupted before the end; no violation until then",)
        if not count.struck:
            return Verdict.UNKNOWN, Exit.NOTHING_RAN, ("no call was struck", *count.missed[:_MISSED_SHOWN])
        if count.struck < count.aimed:
            missed = f"{count.aimed - count.struck} of {count.aimed} calls were not struck"
            return Verdict.UNKNOWN, Exit.INCONCLUSIVE, (f"{missed}: {'; '.join(count.missed[:_MISSED_SHOWN])}",)
        if not canary():
            return Verdict.UNKNOWN, Exit.INCONCLUSIVE, (BLIND,)
        warned = f", with {len(findings)} warnings" if findings else ""
        blows = "faults" if self._aim.fault else "kills"
        return Verdict.PASS, Exit.CLEAN, (f"no violation in {count.struck} {blows}{warned}",)


def _as_it_is(catch: Catch, strike: Strike, error: ChaoswalError) -> Found:
    """The notice of a finding that only a real process shows."""
    crashes = [step_line(step) for step in strike.steps if isinstance(step, CrashStep)]
    operations = [step_line(step) for step in strike.steps if not isinstance(step, CrashStep)]
    name = digest(f"{catch.engine} {looks(catch)}")
    return Found(
        id=name,
        kind=catch.fault.kind,
        explanation=catch.fault.explanation,
        profile=KILL.name,
        profiles=(KILL.name,),
        site="",
        guilt=f"not known, for only the real process shows it ({error})",
        severity=severity((KILL.name,), early=strike.early),
        fingerprint=name,
        operations=tuple(operations),
        deviations=tuple(crashes),
    )
