"""Enacting: the calls of a finding made on real file systems, the power cut where it says, and what is left judged.

Theory of operation
-------------------
A finding is played on the simulated disk up to its last crash. That gives the disk on which its last run began, the
calls of that run up to the crash, and what was promised by then. The disk is laid into a fresh image of a real file
system and synced; what a kill had left pending, and the calls of the run, are made there one by one
(``realfs.calls``); the power is cut (``realfs.loopfs``); what a fresh mount shows is opened with the engine and judged
by the oracle, as any other image is. So no engine needs to know of it, and any crash point can be reached, be it in the
midst of a commit of an engine in C. The crashes before the last are taken as the finding has them.

What is lost is for the file system to say, not for us. But a power cut directly behind a call finds little of what
was not synced, and a file system at work writes by itself: its log every few seconds, dirty pages sooner or later. So
each crash is tried in four ways:

    at once     nothing is written that the calls do not ask for
    moved on    at the end, or at up to three places on the way, some dirty pages are written, the metadata is
                committed, or first one and then the other
    aimed       the same, where the finding names the writes of which it loses something: what stood there before
                is written first, then half of the pages and the metadata, then the rest, of which a part is lost
    waited      some seconds pass before the power is cut, metadata being committed each second where the file system
                knows such an option

None of these makes anything less durable than was promised, so a violation that is seen is one. One that is not seen
may be seen at the next try: nothing is refuted.
"""

import os
import random
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from subprocess import CalledProcessError

from chaoswal.anchors import crash_of
from chaoswal.check import Judge
from chaoswal.corpus import Finding
from chaoswal.disk.crashes import Crash
from chaoswal.disk.disk import Disk
from chaoswal.disk.image import Image
from chaoswal.disk.profiles import PROFILES
from chaoswal.errors import Inconclusive, UsageError
from chaoswal.evidence import Sighting, in_order
from chaoswal.oracle import Ledger
from chaoswal.pool import apart
from chaoswal.realfs import loopfs
from chaoswal.realfs.calls import Calls, is_made
from chaoswal.realfs.loopfs import Act, FileSystem, LoopFs, loop_file_system
from chaoswal.replay import Played, judge_last, looking, pass_through, play_to_last_run, ready
from chaoswal.trace import Event, SyncEnd, Write
from chaoswal.verdict import Fault, Violation

CUTS = {
    "now": "shutdown",
    "copy": "image copied",
    "logflush": "shutdown, log flushed",
    "flushed": "disk cache lost",
    "torn": "disk cache torn",
}
"""The crashes of ``loopfs`` that are tried, in this order, and what people call them."""

WAITED = ("now", "copy")
"""Those that are tried after a wait, where the file system knows them."""


class When(StrEnum):
    """What the file system did by itself before the power was cut."""

    AT_ONCE = "at once"
    MOVED_ON = "moved on"
    WAITED = "waited"


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What the file system does by itself behind so many calls."""

    behind: int
    share: float = 0.0
    """How many of the dirty pages are written back."""
    commits: bool = False
    """Whether the metadata is committed then."""

    def __str__(self) -> str:
        pages = [f"{_SHARES[self.share]} of the dirty pages"] if self.share else []
        done = pages + (["the metadata"] if self.commits else [])
        return f"behind call {self.behind} {' and '.join(done)}"


_SHARES = {0.5: "half", 1.0: "all"}
"""How many dirty pages may be written back, if any are."""

_MOVES = [(0.0, True), *((share, commits) for share in _SHARES for commits in (False, True))]
"""What may be done by one move: its share, and whether it commits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to cut the power."""

    cut: str
    """A key of ``CUTS``."""
    when: When
    moves: tuple[Move, ...] = ()
    """In order."""
    survives: float = 0.5
    """Of a torn cache: the share of its sectors that had reached the disk."""
    seed: int = 0

    def __str__(self) -> str:
        moves = ", ".join(map(str, self.moves))
        return f"{CUTS[self.cut]}, {self.when}" + (f": {moves}" if moves else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """What came of one way."""

    way: Way
    mounted: bool = True
    """Whether what was left could be mounted: where it could not, nothing is known."""
    fault: Fault | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Enacted:
    """What came of one file system."""

    file_system: FileSystem
    tries: tuple[Try, ...] = ()
    skipped: str = ""
    """Why there are none."""

    @property
    def seen(self) -> list[Fault]:
        """The violations that were seen."""
        return [one.fault for one in self.tries if one.fault]

    def sighting(self, expect: Violation) -> Sighting:
        """What the file of a finding of this kind is to say of it."""
        kinds = {fault.kind for fault in self.seen}
        cuts = {each.way.cut for each in self.tries if each.fault}
        return Sighting(
            file_system=self.file_system.name,
            linux=_linux(),
            kinds=() if expect in kinds else tuple(sorted(kinds)),
            weak=cuts == {"torn"},
            missed=None if kinds else sum(each.mounted for each in self.tries),
        )


def _linux() -> str:
    """The version of the kernel, without what whoever built it put behind it."""
    return "".join(re.findall(r"^[\d.]*\d", os.uname().release)) or "unknown"


class Scene:
    """A finding played up to its last crash, to be enacted any number of times."""

    def __init__(self, finding: Finding) -> None:
        """UsageError where it does not end in a power cut; Inconclusive where it cannot be played or enacted."""
        profile = PROFILES[finding.profile]
        factory, traits = ready(finding.engine)
        self.finding = finding
        self.judge = Judge(looking(factory, finding.steps))
        played = apart(lambda: play_to_last_run(factory, traits, finding.steps, profile))
        crash = None
        if played.step and not played.stale:
            crash = crash_of(played.run, played.step, profile)
        self._crash = _enactable(played, crash)
        self._history: Ledger = played.history
        self._image: Image = played.run.start.image
        before = played.run.events[: self._crash.point]
        if pass_through(played.run, self._history, self._crash.point):
            raise UsageError("this finding is wrong before the power is cut: there is nothing to enact")
        every = [*played.run.start.events, *before]
        self.calls = _calls(every)
        lost = {loss.event for loss in self._crash.losses if isinstance(every[loss.event], Write)}
        self.aims = tuple(sum(is_made(one, every) for one in every[:at]) for at in sorted(lost))
        """Behind so many calls comes a write of which the crash loses something."""

    def judged(self, left: Image) -> Fault | None:
        """What is wrong with what the engine shows on this image, if anything is."""
        found = apart(lambda: judge_last(Disk(image=left), self._history, self.judge, self._crash))
        return found.fault if found else None

    def after(self, file_system: LoopFs, way: Way, wait_seconds: float) -> Image:
        """What a real file system holds after the calls and the power cut."""
        calls = Calls(self._image)
        acts = _acts(calls, self.calls, way, wait_seconds)
        hasty = way.when is When.WAITED
        files = file_system.after_crash(acts, way.cut, way.seed, share=way.survives, hasty=hasty, release=calls.close)
        return Image.of_files(files)


def _enactable(played: Played, crash: Crash | None) -> Crash:
    if played.found or (played.step is None and not played.stale):
        raise UsageError("this finding does not end in a crash: there is nothing to enact")
    if crash is None:
        raise Inconclusive("the anchor of its crash is gone: see what `chaoswal replay` says of this finding")
    if not crash.power:
        raise UsageError(
            "a kill leaves every file system as it is: there is nothing to enact, see `chaoswal kill-loop`"
        )
    return crash


def _calls(events: Sequence[Event]) -> tuple[Event, ...]:
    if any(isinstance(event, SyncEnd) and not event.ok for event in events):
        raise Inconclusive("a sync fails in this finding, and a real one cannot be made to fail: it is not enacted")
    return tuple(event for event in events if is_made(event, events))


def _acts(calls: Calls, events: Sequence[Event], way: Way, wait_seconds: float) -> list[Act]:
    """What is done to the mounted file system, in order."""
    acts: list[Act] = [calls.lay, *(partial(calls.make, event=event) for event in events)]
    chance = random.Random(way.seed)
    for move in reversed(way.moves):
        acts[move.behind + 1 : move.behind + 1] = _moving(calls, move, chance)
    if way.when is When.WAITED:
        acts.append(lambda _: time.sleep(wait_seconds))
    return acts


def _moving(calls: Calls, move: Move, chance: random.Random) -> list[Act]:
    def write_back(_: Path) -> None:
        calls.write_back(lambda: chance.random() < move.share)

    return [write_back, *([loopfs.commit] if move.commits else [])]


def ways(
    crashes: Sequence[str], calls: int, tries: int, seed: int, *, waits: bool, aims: Sequence[int] = ()
) -> list[Way]:
    """The ways to try on a file system that knows these crashes: so many, and besides those that take a wait.

    Each cut at once; then with all that the file system can do by itself at the end; then what the seed draws: every
    second one aims at one of ``aims``, if there are any.
    """
    cuts = [cut for cut in CUTS if cut in crashes]
    found = [Way(cut=cut, when=When.AT_ONCE, seed=seed) for cut in cuts]
    for share in (0.0, 1.0):
        last = Move(behind=calls, share=share, commits=True)
        found += [Way(cut=cut, when=When.MOVED_ON, moves=(last,), seed=seed) for cut in cuts]
    found = found[:tries]
    for number in range(len(found), tries):
        chance = random.Random(f"enact:{seed}:{number}")
        aimed = bool(aims) and number % 2 and _TORN in cuts
        found.append(_aimed(calls, chance.choice(aims), chance) if aimed else _drawn(cuts, calls, chance))
    return found + [Way(cut=cut, when=When.WAITED, seed=seed) for cut in WAITED if waits and cut in crashes]


_TORN = "torn"


def _aimed(calls: int, behind: int, chance: random.Random) -> Way:
    """What stood where the next call writes is durable, and half of the pages with all metadata; the rest in part."""
    before = Move(behind=behind, share=1.0, commits=True)
    half, rest = Move(behind=calls, share=0.5, commits=True), Move(behind=calls, share=1.0)
    seed = chance.randrange(1 << 30)
    return Way(cut=_TORN, when=When.MOVED_ON, moves=(before, half, rest), seed=seed)


def _drawn(cuts: Sequence[str], calls: int, chance: random.Random) -> Way:
    """Dirty pages written early, and perhaps others, or the same again, later: in the end at the latest."""
    places = sorted(chance.choice((calls, chance.randint(0, calls))) for _ in range(chance.choice((1, 1, 2, 3))))
    drawn = [(place, chance.choice(_MOVES)) for place in places]
    return Way(
        cut=chance.choice(cuts),
        when=When.MOVED_ON,
        moves=tuple(Move(behind=place, share=share, commits=commits) for place, (share, commits) in drawn),
        survives=chance.choice((0.1, 0.5, 0.9, 0.98)),
        seed=chance.randrange(1 << 30),
    )


def enact(
    scene: Scene,
    kind: FileSystem,
    *,
    tries: int,
    seed: int = 0,
    wait_seconds: float = 0.0,
    tell: Callable[[Try], None] = lambda _: None,
) -> Enacted:
    """Enact a finding on one file system; ``tell`` hears of each try."""
    reason = loopfs.why_not(kind)
    if reason:
        return Enacted(file_system=kind, skipped=reason)
    done = []
    with loop_file_system(kind) as file_system:
        for way in ways(kind.crashes, len(scene.calls), tries, seed, waits=wait_seconds > 0, aims=scene.aims):
            done.append(_tried(scene, file_system, way, wait_seconds))
            tell(done[-1])
    return Enacted(file_system=kind, tries=tuple(done))


def _tried(scene: Scene, file_system: LoopFs, way: Way, wait_seconds: float) -> Try:
    try:
        left = scene.after(file_system, way, wait_seconds)
    except CalledProcessError as error:
        if error.cmd[0] != "mount":
            raise Inconclusive(loopfs.failed(error)) from error
        return Try(way=way, mounted=False)
    except OSError as error:
        raise Inconclusive(f"a call of this finding fails on {file_system.kind.name}: {error}") from error
    return Try(way=way, fault=scene.judged(left))


def sightings(finding: Finding, enacted: Iterable[Enacted]) -> tuple[Sighting, ...]:
    """What the file of a finding is to say of these file systems; nothing of those that were skipped."""
    return in_order(one.sighting(finding.expect) for one in enacted if not one.skipped)


def enact_everywhere(finding: Finding, *, tries: int, seed: int) -> list[Enacted]:
    """Enact a finding on every file system, without waiting; a ChaoswalError as ``Scene`` and ``enact`` raise it."""
    scene = Scene(finding)
    return [enact(scene, kind, tries=tries, seed=seed) for kind in loopfs.FILE_SYSTEMS]
