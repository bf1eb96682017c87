"""Guilt: the sync that would have prevented a violation; or, where none would, the call it came after.

Theory of operation. A finding loses some events. For each of them, in the order in which they happened, a sync of that
file (of the directory, for a name) is put into the trace right behind it, and the crash states within one deviation
are explored anew, from that event to the end of the operation that was under way: with the real engine recovering on
what the disk would then have held. The first sync under which no violation is left is the one that is missing. It is
not enough that the very plan of the finding has become impossible. If no single sync helps, all of them are tried
together, and those that are not needed are dropped.

Where not even that helps it is no matter of syncs. Then it is said after which call of the engine the disk is wrong;
or, where the crash interrupts nothing, what recovery did with a disk that holds all it needs.
"""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from chaoswal.anchors import Told, tell
from chaoswal.check import Depth, Found, Judge, check
from chaoswal.disk.crashes import Bound, Crash, crashed
from chaoswal.disk.disk import Disk
from chaoswal.disk.image import role
from chaoswal.disk.profiles import Profile
from chaoswal.engines.registry import EngineRef, Factory
from chaoswal.errors import StepLimit
from chaoswal.milder import end_of_operation
from chaoswal.oracle import Traits
from chaoswal.program import END, START, Step
from chaoswal.replay import Lived, Played, conclude, live, looking, pass_through, play, ready
from chaoswal.run import Run
from chaoswal.runners import record
from chaoswal.text import digest, word_of
from chaoswal.trace import Begin, Change, End, Event, Rename, SyncBegin, SyncEnd, SyncRange, Truncate, Write
from chaoswal.verdict import Violation
from chaoswal.vfs.memory import MemoryVfs
from chaoswal.vfs.runtime import StillRuntime
from chaoswal.vfs.sites import place_of, site_of
from chaoswal.workload import Driver

BOUND = Bound(random_states=0)
INSIDE = Bound(random_states=0, torn_writes=1)
SAMPLES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Guilt:
    """Who is to blame for a violation."""

    site: str
    """The call, as ``file:line``; empty where the engine changed nothing at all."""
    words: str
    """What is missing behind it, or that no sync is."""
    sync: bool
    """Whether a sync is missing."""

    @property
    def function(self) -> str:
        """``Class.function`` of the site, if it was recorded by this process."""
        place = place_of(self.site)
        return place.function if place else ""


def fingerprint(contract: str, kind: Violation, guilt: Guilt) -> str:
    """Six hexadecimal digits that all findings of one cause share, whatever their seeds and line numbers.

    Of a call in another process no function is known: what is said of it has to do.
    """
    words = shlex.join([contract, kind, guilt.site.rpartition(":")[0], guilt.function or guilt.words])
    return digest(words)


def guilty(engine: EngineRef, steps: Sequence[Step], profile: Profile) -> Guilt | None:
    """Who is to blame for the violation that these steps show; None where they show none."""
    factory, traits = ready(engine)
    case = _Case(factory, traits, tuple(steps), profile)
    if not case.found:
        return None
    for number in reversed(range(len(case.lives))):
        lost = case.lost(number)
        missing = case.missing(number, lost)
        if missing:
            return _missing_sync(missing)
    return case.no_sync()


def _missing_sync(missing: Sequence[Told]) -> Guilt:
    words = dict.fromkeys(f"{_sync_words(item)} after {_site(item)} ({_call(item)})" for item in missing)
    return Guilt(site=_site(missing[0]), words=", and ".join(words), sync=True)


def _site(item: Told) -> str:
    return str(getattr(item.event, "site", ""))


def _sync_words(item: Told) -> str:
    return f"no fsync of {role(item.path)}" if isinstance(item.event, Write | Truncate) else "no sync of the directory"


def _call(item: Told) -> str:
    return "sync" if isinstance(item.event, SyncBegin | SyncRange) else word_of(type(item.event))


class _Case:
    """A finding taken to pieces: its lives, and what each crash lost."""

    def __init__(self, factory: Factory, traits: Traits, steps: tuple[Step, ...], profile: Profile) -> None:
        self._factory, self._traits, self._steps, self._profile = factory, traits, steps, profile
        self._judge = Judge(looking(factory, steps))
        played = play(factory, traits, steps, profile, self._judge)
        self.found: Found | None = played.found
        self.lives: list[Lived] = list(live(factory, traits, steps, profile))
        if self.lives[-1].run.events != played.run.events:
            self.found = None  # the engine does not do the same every time: nobody can be blamed
        if self.lives[-1].crash is None and not self.lives[-1].stale:
            self.lives[-1].crash = played.crash

    # -- a sync --------------------------------------------------------------------------------------------------

    def lost(self, number: int) -> list[Told]:
        """The events of which the crash of a life lost something, in the order of time."""
        life = self.lives[number]
        if life.crash is None:
            return []
        torn = [life.crash.torn.loss] if life.crash.torn else []
        numbers = {loss.event for loss in (*life.crash.losses, *torn)}
        told = tell(life.run.start, life.run.events[: life.crash.point])
        return [item for item in told if item.number in numbers]

    def missing(self, number: int, lost: Sequence[Told]) -> list[Told]:
        """Behind which of these a sync would have helped: behind one of them if that is enough."""
        for item in lost:
            if self._helps(number, [item]):
                return [item]
        if len(lost) < 2 or not self._helps(number, lost):
            return []
        needed = list(lost)
        for item in lost:
            fewer = [other for other in needed if other is not item]
            if self._helps(number, fewer):
                needed = fewer
        return needed

    def _helps(self, number: int, behind: Sequence[Told]) -> bool:
        """Whether no violation is left once there is a sync behind each of these events of a life."""
        later = self.lives[number + 1 :]
        if any(isinstance(event, Change) for life in later for event in life.run.events[life.run.opened :]):
            return self._plays_well(number, behind)
        life = self.lives[number]
        run = _with_syncs(life.run, behind)
        base, first = len(run.start.events), behind[0].number
        crash = life.crash
        assert crash is not None
        more = len(run.events) - len(life.run.events)
        end = end_of_operation(run, min(crash.point + more, len(run.events)))
        found = check(
            run,
            life.history.copy(),
            self._judge,
            self._profile,
            bound=BOUND,
            depth=Depth(levels=len(later), samples=SAMPLES, bound=INSIDE) if later else None,
            points=range(max(0, first + 1 - base), end + 1),
            wanted=lambda found: not found.at_creation,
        )
        return found is None

    def _plays_well(self, number: int, behind: Sequence[Told]) -> bool:
        """The same where operations follow upon that crash: the program as it is, with the syncs."""

        def altered(life: int, run: Run) -> Run:
            return _with_syncs(run, behind) if life == number else run

        *_, last = live(self._factory, self._traits, self._steps, self._profile, altered)
        if last.fault or last.stale:
            return not last.fault
        played = Played(run=last.run, history=last.history, step=last.step)
        return not conclude(played, self._profile, self._judge).found

    # -- no sync -------------------------------------------------------------------------------------------------

    def no_sync(self) -> Guilt:
        """What it was, if no sync."""
        life = self.lives[-1]
        crash = life.crash if self.found and self.found.crashes else None
        if life.run.faulty:
            point = crash.point if crash else len(life.run.events)
            failed = _failed_sync(life.run, point)
            if failed:
                return _not_a_sync(failed, "the engine does not cope with the failed {}")
            return _not_a_sync(
                _last_change(life.run, point), "the engine does not cope with an error; last came the {}"
            )
        if crash is None:
            return _not_a_sync(_last_change(life.run, len(life.run.events)), "no crash is needed; last came the {}")
        interrupted = life.step is not None and life.step.after.call not in (START, END)
        if interrupted and crash.taken:
            return _not_a_sync(_last_change(life.run, crash.point + 1), "it is enough to be killed in the {}")
        since = _last_change(life.run, self._wrong_since(life, crash)) if interrupted else None
        if since:
            return _not_a_sync(since, "the disk is wrong from the {} on")
        return self._recovery(life, crash)

    def _wrong_since(self, life: Lived, crash: Crash) -> int:
        """The first of the points before a crash, none left out, at which a kill shows the same."""
        point = crash.point
        if crash.losses or crash.torn:
            return point
        while (
            point > 0 and not isinstance(life.run.events[point - 1], Begin | End) and self._kill_shows(life, point - 1)
        ):
            point -= 1
        return point

    def _kill_shows(self, life: Lived, point: int) -> bool:
        history = life.history.copy()
        if pass_through(life.run, history, point):
            return False
        view = life.run.start.after(life.run.events[:point]).view
        sight = self._judge.sight(view.key, lambda: view, tuple(history.subscribers))
        fault = history.judge(sight.observed) or sight.fault
        return fault is not None and self.found is not None and fault.kind is self.found.fault.kind

    def _recovery(self, life: Lived, crash: Crash) -> Guilt:
        names = tuple(life.history.subscribers)
        disk = Disk(image=crashed(life.run.start, life.run.events, crash, self._profile).view)
        site = _raised_at(self._factory, disk, names)
        if site:
            return Guilt(site=site, words=f"not a missing sync: recovery fails at {site}", sync=False)
        run = record(self._factory, (), disk, generation=1, names=names)
        item = _last_change(run, run.opened)
        if item:
            return _not_a_sync(item, "recovery is wrong, and ends with the {}")
        return _not_a_sync(
            _last_change(life.run, crash.point), "recovery is wrong, and changes nothing; before it came the {}"
        )


def _not_a_sync(item: Told | None, words: str) -> Guilt:
    if item is None:
        return Guilt(site="", words="not a missing sync: the engine has changed nothing", sync=False)
    call = f"{_call(item)} of {role(item.path)} in {_site(item)}"
    return Guilt(site=_site(item), words="not a missing sync: " + words.format(call), sync=False)


def _failed_sync(run: Run, end: int) -> Told | None:
    """The last sync of a run that failed before one of its events."""
    failed = {event.ticket for event in run.events[:end] if isinstance(event, SyncEnd) and not event.ok}
    begun = [item for item in tell(run.start, run.events[:end]) if isinstance(item.event, SyncBegin | SyncRange)]
    return next((item for item in reversed(begun) if item.event.ticket in failed), None)  # type: ignore[union-attr]


def _last_change(run: Run, end: int) -> Told | None:
    """The last change of a run before one of its events, or else what was pending when it began."""
    changes = [item for item in tell(run.start, run.events[:end]) if isinstance(item.event, Change)]
    return changes[-1] if changes else None


def _raised_at(factory: Factory, disk: Disk, names: Sequence[str]) -> str:
    """The innermost line, outside of the file system, at which recovery raises; empty where it does not.

    Or where it is in another process, of which nothing is known but what it showed.
    """
    if not factory.simulated:
        return ""
    try:
        Driver(lambda: factory.open_simulated(MemoryVfs(disk), StillRuntime(1))).observe(names)
    except (Exception, StepLimit) as error:  # noqa: BLE001 - whatever an engine raises in recovery is what is asked for
        return _innermost(error)
    return ""


def _innermost(error: BaseException) -> str:
    site, trace = "", error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        here = site_of(code, trace.tb_lasti)
        site = site if here.startswith("vfs/") else here
        trace = trace.tb_next
    return site


def _with_syncs(run: Run, behind: Sequence[Told]) -> Run:
    """The run with a sync of its own behind each of these events."""
    base = len(run.start.events)
    syncs = {item.number: list(_syncs_of(item.event, -1 - 2 * item.number)) for item in behind}

    def spread(events: Sequence[Event], first: int) -> list[Event]:
        return [each for number, event in enumerate(events, start=first) for each in (event, *syncs.get(number, ()))]

    added = sum(len(events) for number, events in syncs.items() if base <= number < base + run.opened)
    start = replace(run.start, events=tuple(spread(run.start.events, 0)))
    return replace(run, start=start, events=spread(run.events, base), opened=run.opened + added)


def _syncs_of(event: Event, ticket: int) -> Iterator[Event]:
    """What makes an event durable: a sync of its file, or of the directories whose names it changes."""
    match event:
        case Write(inode=inode) | Truncate(inode=inode):
            inodes = [inode]
        case Rename(directory=directory, to_directory=to):
            inodes = sorted({directory, to})
        case _:
            inodes = [event.directory]  # type: ignore[union-attr]
    for place, inode in enumerate(inodes):
        yield SyncBegin(inode=inode, data_only=False, ticket=ticket - place, site="")
        yield SyncEnd(inode=inode, ticket=ticket - place, ok=True)
