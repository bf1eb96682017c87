"""From a catch to a finding: shrunk, with the profiles it happens under, its severity, and the call to blame.

A finding is an *error* where a kill, a prefix of the events, or a named file system is enough, or where a real
one showed it; a *warning* where only ``posix`` allows it, or where nothing had been promised yet when the crash came
(the window at creation).
"""

import datetime as dt
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from chaoswal import corpus
from chaoswal.contracts import contract_of
from chaoswal.disk.profiles import POSIX, PROFILES
from chaoswal.errors import Inconclusive
from chaoswal.evidence import Evidence
from chaoswal.guilt import fingerprint, guilty
from chaoswal.hunt import Catch
from chaoswal.notices import Found
from chaoswal.patience import SHRINK
from chaoswal.program import CrashStep, operations_of, step_line
from chaoswal.shrink import Target, shrink
from chaoswal.text import digest
from chaoswal.verdict import Fault, Violation

ERROR, WARNING = "error", "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Concluded:
    """A finding as it is saved, and the notice of it."""

    finding: corpus.Finding | None
    """None where there is no program that shows it: a leak."""
    found: Found


def looks(catch: Catch) -> str:
    """What a catch looks like before it is shrunk: many of one cause look the same."""
    crash = catch.steps[-1] if catch.steps else None
    where = f"{crash.after.call} of {crash.after.role}" if isinstance(crash, CrashStep) else ""
    lost = sorted({f"{loss.anchor.call} of {loss.anchor.role}" for loss in getattr(crash, "losses", ())})
    opening = "opening: " if isinstance(crash, CrashStep) and not crash.operation else ""
    return f"{opening}{catch.fault.kind} after {where} lose {lost}"


def conclude(catch: Catch, *, seed: int, today: dt.date, seconds: float = math.inf) -> Concluded:
    """Shrink a catch, for so long at most, and say all there is to say about it."""
    if catch.fault.kind is Violation.LEAK:
        return _leak(catch, seed)
    target = Target(engine=catch.engine, profile=catch.profile, kind=catch.fault.kind, given=catch.given)
    end = time.monotonic() + min(seconds, SHRINK.seconds)
    small = shrink(target, catch.steps, over=lambda: time.monotonic() > end)
    if not small:
        raise Inconclusive(
            f"{catch.fault.kind}: {catch.fault.explanation}: seen in program {catch.number} of {catch.engine}, but not "
            "when that was played again: the engine does not do the same every time"
        )
    finding = corpus.Finding(
        engine=small.engine,
        profile=small.profile.name,
        expect=small.fault.kind,
        found=today.isoformat(),
        seed=seed,
        steps=small.steps,
        profiles=small.profiles,
        origin=corpus.Origin(operations=len(operations_of(catch.steps)), states=small.states, cut=small.cut),
        evidence=Evidence(creating=small.at_creation),
    )
    return Concluded(finding=finding, found=told(finding, small.fault, early=small.at_creation))


def told(finding: corpus.Finding, fault: Fault, *, early: bool) -> Found:
    """The notice of a finding that shows this; ``early``: nothing had been promised when its crash came."""
    guilt = guilty(finding.engine, finding.steps, PROFILES[finding.profile])
    contract = contract_of(finding.engine.factory().kind).name
    return Found(
        id=finding.id,
        kind=fault.kind,
        explanation=fault.explanation,
        profile=finding.profile,
        profiles=finding.seen_under,
        site=guilt.site if guilt else "",
        function=guilt.function if guilt else "",
        guilt=guilt.words if guilt else "",
        severity=severity(finding.seen_under, early=early, seen=bool(finding.evidence and finding.evidence.seen_on)),
        fingerprint=fingerprint(contract, fault.kind, guilt) if guilt else finding.id,
        operations=tuple(step_line(step) for step in finding.steps if not isinstance(step, CrashStep)),
        deviations=tuple(step_line(step) for step in finding.steps if isinstance(step, CrashStep)),
        cut=bool(finding.origin and finding.origin.cut),
        seed=finding.seed,
    )


def _leak(catch: Catch, seed: int) -> Concluded:
    """What reopening leaves behind needs no program."""
    name = digest(f"{catch.engine} {catch.fault.explanation}")
    found = Found(
        id=name,
        kind=catch.fault.kind,
        explanation=catch.fault.explanation,
        profile=catch.profile.name,
        site="",
        fingerprint=name,
        operations=(),
        deviations=(),
        profiles=(catch.profile.name,),
        seed=seed,
    )
    return Concluded(finding=None, found=found)


def severity(profiles: Sequence[str], *, early: bool, seen: bool = False) -> str:
    """How bad it is; ``seen``: on a real file system."""
    return WARNING if early or (set(profiles) == {POSIX.name} and not seen) else ERROR
