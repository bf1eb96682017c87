"""A finding of the kill loop: the program of one directory with its crashes, and the directory as it was.

A kill loop is not deterministic, so what is saved is not its seed but what it did: the operations, and each crash by
its anchor. An engine that takes a vfs replays that on the simulated disk.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chaoswal import corpus
from chaoswal.anchors import step_of
from chaoswal.disk.crashes import Crash, Loss
from chaoswal.disk.directory import save
from chaoswal.disk.image import Image
from chaoswal.disk.profiles import KILL, Profile
from chaoswal.engines.registry import EngineRef
from chaoswal.notices import Found
from chaoswal.ops import Operation
from chaoswal.program import NO_OPTIONS, Opening, Step, step_line
from chaoswal.run import Run
from chaoswal.trace import Begin, End, Event
from chaoswal.verdict import Fault

BEFORE = "before"
"""The directory beside the kept one that holds what the last recovery found."""


@dataclass(slots=True, kw_only=True)
class Stage:
    """What one process did to a directory, and the crash that ended it; none where the violation came first."""

    operations: list[Operation]
    run: Run
    opening: Opening = NO_OPTIONS
    crash: Crash | None = None


@dataclass(slots=True, kw_only=True)
class Finding:
    """One violation."""

    fault: Fault
    engine: EngineRef
    profile: Profile
    seed: int
    worker: int
    cycle: int
    stages: list[Stage] = field(default_factory=list)
    root: str = ""
    before: Image | None = None
    stderr: str = ""


def save_finding(finding: Finding, directory: Path) -> Path:
    """Write the finding's corpus file into a directory; its path."""
    return corpus.save(_of_corpus(finding), directory)


def _of_corpus(finding: Finding) -> corpus.Finding:
    return corpus.Finding(
        engine=finding.engine,
        profile=profile_of(finding).name,
        expect=finding.fault.kind,
        found=dt.datetime.now(tz=dt.UTC).date().isoformat(),
        seed=finding.seed,
        steps=tuple(steps_of(finding)),
    )


def profile_of(finding: Finding) -> Profile:
    """The profile it needs: that of a kill where no power was cut."""
    power = any(stage.crash and stage.crash.power for stage in finding.stages)
    return finding.profile if power else KILL


def steps_of(finding: Finding) -> Iterator[Step]:
    """Openings with other options than the one before, operations and crashes, in order."""
    opening = NO_OPTIONS
    for stage in finding.stages:
        if stage.opening != opening:
            opening = stage.opening
            yield opening
        yield from stage.operations
        if stage.crash:
            yield step_of(stage.run, stage.crash, finding.profile)


def keep(finding: Finding, directory: Path) -> None:
    """Put what the last recovery found beside the directory it has changed since."""
    if finding.before is not None:
        target = directory / BEFORE
        target.mkdir()
        save(finding.before, str(target))


def describe(finding: Finding, *, file: str = "", kept: str = "") -> Found:
    """The notice of a finding."""
    lost = list(_deviations(finding.stages))
    return Found(
        id=_of_corpus(finding).id,
        kind=finding.fault.kind,
        explanation=finding.fault.explanation,
        profile=profile_of(finding).name,
        site=lost[0][0] if lost else _last_site(finding.stages),
        operations=tuple(step_line(step) for step in steps_of(finding)),
        deviations=tuple(line for _, line in lost),
        worker=finding.worker,
        cycle=finding.cycle,
        stderr=finding.stderr,
        file=file,
        kept=kept,
    )


def _deviations(stages: Sequence[Stage]) -> Iterator[tuple[str, str]]:
    """The call site and a line for each event of which the last power cut that lost anything lost something."""
    for stage in reversed(stages):
        crash = stage.crash
        losses = [*crash.losses, *([crash.torn.loss] if crash.torn else [])] if crash else []
        if losses:
            yield from _lost((*stage.run.start.events, *stage.run.events), losses)
            return


def _lost(history: Sequence[Event], losses: Sequence[Loss]) -> Iterator[tuple[str, str]]:
    for number in sorted({loss.event for loss in losses}):
        parts = ", ".join(loss.part for loss in losses if loss.event == number)
        site = getattr(history[number], "site", "")
        yield site, f"{type(history[number]).__name__.lower()}: {parts} lost ({site})"


def _last_site(stages: Sequence[Stage]) -> str:
    events: Iterator[Event] = (event for stage in reversed(stages) for event in reversed(stage.run.events))
    return next((event.site for event in events if hasattr(event, "site")), "")


def markers(events: Sequence[Event]) -> list[Event]:
    """Only the markers: what is known of an engine whose changes are not seen."""
    return [event for event in events if isinstance(event, Begin | End)]
