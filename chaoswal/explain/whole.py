"""One finding explained as a whole: played, told, blamed, and its two sides set beside each other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chaoswal.check import Judge
from chaoswal.contracts import contract_of
from chaoswal.corpus import Finding
from chaoswal.disk.crashes import crashed
from chaoswal.disk.image import Image
from chaoswal.disk.profiles import PROFILES, Profile
from chaoswal.engines.registry import Factory
from chaoswal.explain.hexview import torn_regions
from chaoswal.explain.sides import allowed, recovered
from chaoswal.explain.table import Line, crash_line, pointed, tell_life
from chaoswal.guilt import Guilt, fingerprint, guilty
from chaoswal.oracle import Traits
from chaoswal.program import Step, lives, operations_of
from chaoswal.replay import Lived, Played, Status, live, looking, play, ready, replay
from chaoswal.shrink import crash_steps
from chaoswal.vfs.sites import place_of


@dataclass(slots=True, kw_only=True)
class Explanation:
    """A finding in words."""

    status: Status
    headline: str
    moved: bool = False
    """Whether the crash is not where the finding says it is, but near it."""
    guilt: Guilt | None = None
    function: str = ""
    """The guilty one, as ``Class.function``."""
    source: str = ""
    """The guilty line of code."""
    fingerprint: str = ""
    lines: list[Line]
    recovered: str = ""
    """What was shown after the last crash, or on the damaged disk; empty where the violation needs none."""
    allowed: str = ""
    torn: list[str]
    """Writes of which a part was kept, in hexadecimal."""
    disk: Image | None
    """The disk as the last crash left it, or damage after that."""


def explain(finding: Finding) -> Explanation:
    """Play a finding and tell what happens; UsageError where its engine cannot be played."""
    profile = PROFILES[finding.profile]
    factory, traits = ready(finding.engine)
    status, played = replay(finding.engine, finding.steps, profile)
    steps, moved = _where_found(finding, played, profile)
    if moved:
        played = play(factory, traits, steps, profile, Judge(looking(factory, steps)))
    lived = _lived(factory, traits, steps, profile, played)
    guilt = guilty(finding.engine, steps, profile)
    fault = played.found.fault if played.found else None
    told = Explanation(
        status=status,
        headline=f"{fault.kind}: {fault.explanation}" if fault else f"{finding.expect}: not seen any more",
        moved=moved,
        lines=pointed(list(_lines(lived, steps, profile)), guilt),
        torn=[line for life in lived if life.crash for line in torn_regions(life.run, life.crash, profile)],
        disk=lived[-1].run.start.view if _damaged(lived, steps) else _last_disk(lived, profile),
    )
    if guilt:
        place = place_of(guilt.site)
        told.guilt, told.function, told.source = guilt, guilt.function, place.source if place else ""
        told.fingerprint = fingerprint(contract_of(factory.kind).name, finding.expect, guilt)
    if told.disk and (_damaged(lived, steps) or (played.crash and not (played.found and not played.found.crashes))):
        _tell_sides(told, told.disk, looking(factory, steps), played)
    return told


def _where_found(finding: Finding, played: Played, profile: Profile) -> tuple[list[Step], bool]:
    """The steps that show the violation: those of the finding, or with a crash near its own."""
    found = played.found
    if not found or not found.crashes or found.crashes == (played.crash,):
        return list(finding.steps), False
    return [*finding.steps[:-1], *crash_steps(found, profile)], True


def _lived(factory: Factory, traits: Traits, steps: Sequence[Step], profile: Profile, played: Played) -> list[Lived]:
    """The lives of a program, the last one with the crash that was played."""
    lived = list(live(factory, traits, steps, profile))
    if lived[-1].crash is None and not lived[-1].stale:
        lived[-1].crash = played.crash
    return lived


def _lines(lived: Sequence[Lived], steps: Sequence[Step], profile: Profile) -> Iterator[Line]:
    first = 1
    for life, part in zip(lived, lives(steps), strict=False):
        yield from (Line(event=f"-- {damage} --") for damage in part.damages)
        if part.opening.options:
            yield Line(event=f"-- {part.opening} --")
        yield from tell_life(life, part.steps, profile, first)
        if life.step and life.crash:
            yield crash_line(life.step)
        first += len(operations_of(part.steps))


def _damaged(lived: Sequence[Lived], steps: Sequence[Step]) -> bool:
    """Whether the violation, if there is one, is in a life that began on a damaged disk and was not crashed."""
    return not lived[-1].crash and bool(lives(steps)[len(lived) - 1].damages)


def _last_disk(lived: Sequence[Lived], profile: Profile) -> Image | None:
    ended = [life for life in lived if life.crash]
    if not ended:
        return None
    run, crash = ended[-1].run, ended[-1].crash
    assert crash
    return crashed(run.start, run.events, crash, profile).view


def _tell_sides(told: Explanation, image: Image, factory: Factory, played: Played) -> None:
    """What recovery shows on the last disk."""
    sight = Judge(factory).sight(image.key, lambda: image, tuple(played.history.subscribers))
    told.recovered, told.allowed = recovered(sight.observed, played.history), allowed(played.history)
