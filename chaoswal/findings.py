"""From a catch to a finding: shrunk, with the profiles it happens under, its severity, and the call to blame.

A finding is an *error* where a kill, a prefix of the events, or a named file system is enough; a *warning* where only
``posix`` allows it, or where nothing had been promised yet when the crash came (the window at creation).
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from chaoswal import corpus
from chaoswal.check import Judge, at_creation
from chaoswal.disk.profiles import POSIX
from chaoswal.hunt import Catch
from chaoswal.notices import Found
from chaoswal.program import CrashStep, step_line
from chaoswal.replay import play, simulated
from chaoswal.shrink import Target, shrink

ERROR, WARNING = "error", "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Concluded:
    """A finding as it is saved, and the notice of it."""

    finding: corpus.Finding
    found: Found


def looks(catch: Catch) -> str:
    """What a catch looks like before it is shrunk: many of one cause look the same."""
    crash = catch.steps[-1] if catch.steps else None
    where = f"{crash.after.call} of {crash.after.role}" if isinstance(crash, CrashStep) else ""
    lost = sorted({f"{loss.anchor.call} of {loss.anchor.role}" for loss in getattr(crash, "losses", ())})
    return f"{catch.fault.kind} after {where} lose {lost}"


def conclude(catch: Catch, *, seed: int, today: dt.date) -> Concluded:
    """Shrink a catch, and say all there is to say about it."""
    factory, traits = simulated(catch.engine)
    target = Target(factory=factory, traits=traits, profile=catch.profile, kind=catch.fault.kind)
    steps = shrink(target, catch.steps)
    played = play(factory, traits, steps, catch.profile, Judge(factory))
    finding = corpus.Finding(
        engine=catch.engine,
        profile=catch.profile.name,
        expect=catch.fault.kind,
        found=today.isoformat(),
        seed=seed,
        steps=tuple(steps),
    )
    fault = played.found.fault if played.found else catch.fault
    found = Found(
        id=finding.id,
        kind=fault.kind,
        explanation=fault.explanation,
        profile=finding.profile,
        profiles=(finding.profile,),
        site="",
        severity=severity((finding.profile,), early=at_creation(fault, played.history)),
        fingerprint=finding.id,
        operations=tuple(step_line(step) for step in steps if not isinstance(step, CrashStep)),
        deviations=tuple(step_line(step) for step in steps if isinstance(step, CrashStep)),
        seed=seed,
    )
    return Concluded(finding=finding, found=found)


def severity(profiles: Sequence[str], *, early: bool) -> str:
    """How bad it is."""
    return WARNING if early or set(profiles) == {POSIX.name} else ERROR
