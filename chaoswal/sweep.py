"""The sweep: every error that could strike in a program, and every damage to what it leaves, one after the other.

Theory of operation
-------------------
A program is played once with nothing armed but a count of the calls of its last life. Up to the n-th call of a kind
to a file of some role a run with a fault there is the same, so the count says exactly which faults can fire: no run is
made in vain. Each is put in front of the last life, so that it counts the calls of the opening too; one that strikes in
there comes in a second form, in which the life ends with the opening, by a kill, and the operations follow in the next:
an error while recovering, then a recovery without one, then work.

What is yielded are programs. Whoever takes them records each, and judges every crash state of it as of any other.
Damage at rest is judged here: the program is played once, and the engine opened on its disk with each damage in turn.

Of reads only errors are swept: the file system's protocol promises that a read is whole up to the end of the file, and
the real one sees to that. ``short read`` is there for engines that read by calls of their own.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from chaoswal.anchors import crash_of
from chaoswal.check import Judge
from chaoswal.disk.faults import ANY, RANGED, ROOT_PATH, SYNCS, Call, Fault, FaultPlan
from chaoswal.disk.image import role
from chaoswal.disk.profiles import Profile
from chaoswal.disk.rot import Damage, damages
from chaoswal.engines.registry import Factory
from chaoswal.oracle import Traits
from chaoswal.program import END, Anchor, CrashStep, Step, operations_of
from chaoswal.replay import Place, live, pass_through, play_to_last_run
from chaoswal.verdict import Fault as Violated

ERRORS: dict[str, tuple[str, ...]] = {
    "open": ("EIO", "EMFILE", "EINTR"),
    "create": ("EIO", "ENOSPC", "EDQUOT", "EMFILE"),
    "readdir": ("EIO",),
    "read": ("EIO", "EINTR"),
    "mmap": ("EIO",),
    "write": ("EIO", "ENOSPC", "EDQUOT", "EINTR"),
    "truncate": ("EIO",),
    "fsync": ("EIO",),
    "fdatasync": ("EIO",),
    "rename": ("EIO", "ENOSPC", "EDQUOT"),
    "unlink": ("EIO",),
    "mkdir": ("EIO", "ENOSPC", "EDQUOT"),
    "close": ("EIO",),
}
"""By which errors each call is made to fail. A lock that cannot be had is no fault of the disk."""

ONCE = ("EINTR",)
"""Errors that no system gives for ever."""

DISK_WIDE = ((ANY, "EIO"), ("write", "ENOSPC"), ("write", "EDQUOT"))
"""What strikes all files from some call on: a disk that dies, one that is full, a spent quota."""

IN_OPENING = CrashStep(power=False, operation=0, after=Anchor(call=END))
"""A kill when the opening is over, whether it succeeded or not."""


def io_programs(
    factory: Factory, traits: Traits, steps: Sequence[Step], profile: Profile, *, lies: bool = False
) -> Iterator[list[Step]]:
    """The program with one fault in its last life, for every single fault that fires there.

    ``lies``: syncs that only say they have synced, too. Nothing where the program cannot be played without a fault.
    """
    tally = FaultPlan(tally=True)
    played = play_to_last_run(factory, traits, steps, profile, tally)
    if played.found or played.stale:
        return
    place = start_of_last_life(steps)
    before, life = list(steps[:place]), list(steps[place:])
    opening = list(islice(tally.seen, tally.opening))
    for faults in io_faults(tally.seen, lies=lies):
        yield [*before, *faults, *life]
        if fires(faults[0], opening):
            yield [*before, *faults, IN_OPENING, *life]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One damage, and what was wrong with the engine on the damaged disk."""

    steps: tuple[Step, ...]
    """The program, a crash, and the damage."""
    fault: Violated | None


def rot_trials(
    factory: Factory,
    traits: Traits,
    steps: Sequence[Step],
    profile: Profile,
    judge: Judge,
    choose: Callable[[Iterator[Damage]], Iterable[Damage]] = iter,
) -> Iterator[Trial]:
    """The engine opened on the disk that a program leaves, with every damage in turn, or those that are chosen.

    A program that does not end in a crash ends in one that loses nothing. Nothing where it cannot be played to its end.
    Inconclusive where the engine names no errors by which it reports damage.
    """
    steps = list(steps) if isinstance(steps[-1], CrashStep) else [*steps, at_rest(steps)]
    place = Place()
    *_, last = live(factory, traits, steps, profile, place=place)
    history, crash = last.history, crash_of(last.run, last.step, profile) if last.step and not last.stale else None
    if last.fault or crash is None or pass_through(last.run, history, crash.point):
        return
    place.leave(last.run, crash, profile)
    names = tuple(history.subscribers)
    for damage in choose(damages(place.disk.view, place.past, getattr(factory.kind, "scratch", ()))):
        allowed = history.copy()
        disk = place.damaged((damage,), allowed)
        if disk:
            sight = judge.sight(disk.view.key, lambda disk=disk: disk.view, names)  # type: ignore[misc]
            yield Trial(steps=(*steps, damage), fault=allowed.judge(sight.observed) or sight.fault)


def at_rest(steps: Sequence[Step]) -> CrashStep:
    """A power cut at the end of a program that loses nothing."""
    return CrashStep(power=True, operation=len(operations_of(steps)), after=Anchor(call=END))


def start_of_last_life(steps: Sequence[Step]) -> int:
    """Where the last life of a program begins: behind its last crash that something follows."""
    crashes = [place for place, step in enumerate(steps[:-1]) if isinstance(step, CrashStep)]
    return crashes[-1] + 1 if crashes else 0


def io_faults(calls: Sequence[Call], *, lies: bool = False) -> Iterator[tuple[Fault, ...]]:
    """Every fault that fires in a run that made these calls: by kind of call, role of file, number, and error.

    Mostly one at a time; where two come together the first one fires, and brings about the call that the second meets.
    """
    counted: dict[tuple[str, str], list[Call]] = {}
    for call in calls:
        counted.setdefault((call.call, glob_of(call.path)), []).append(call)
    for (kind, glob), made in counted.items():
        for nth, call in enumerate(made, start=1):
            for fault in (*_errors(kind, glob, nth), *(_short(call, glob, nth) if kind == "write" else ())):
                yield (fault,)
            if kind == "write" and call.length > 1:
                yield _filling_up(call, glob, nth)
            if lies and kind in SYNCS:
                yield from ((Fault(call=kind, glob=glob, nth=nth, once=once),) for once in (True, False))
    for kind, error in DISK_WIDE:
        number = sum(kind in (ANY, call.call) for call in calls)
        for nth in range(1, number + 1):
            yield (Fault(call=kind, glob="*", nth=nth, error=error, once=False),)


def _errors(kind: str, glob: str, nth: int) -> Iterator[Fault]:
    for error in ERRORS.get(kind, ()):
        for once in (True,) if error in ONCE else (True, False):
            yield Fault(call=kind, glob=glob, nth=nth, error=error, once=once)


def _short(call: Call, glob: str, nth: int) -> Iterator[Fault]:
    """One byte goes through, or half, or all but one."""
    half = call.length // 2
    for at in sorted({at for at in (1, half, call.length - 1) if 0 < at < call.length}):
        yield Fault(call=call.call, glob=glob, nth=nth, at=at)
    if half:
        yield Fault(call=call.call, glob=glob, nth=nth, at=half, once=False)


def _filling_up(call: Call, glob: str, nth: int) -> tuple[Fault, Fault]:
    """The disk is full in the midst of a write: half goes through, and nothing of the rest."""
    half = Fault(call=call.call, glob=glob, nth=nth, at=call.length // 2)
    return half, Fault(call=call.call, glob=glob, nth=nth + 1, error="ENOSPC")


def glob_of(path: str) -> str:
    """The glob that matches the files of the same role as this one."""
    return role(path).replace("#", "*") if path else ROOT_PATH


def fires(fault: Fault, calls: Iterable[Call]) -> bool:
    """Whether a fault would fire among these calls."""
    plan = FaultPlan((fault,))
    for call in calls:
        if call.call in RANGED:
            plan.cut(call.call, call.path, call.offset, call.length)
        if call.call in SYNCS:
            plan.lies(call.call, call.path)
        try:
            plan.strike(call.call, call.path, call.offset, call.length)
        except OSError:
            return True
    return bool(plan.fired)
