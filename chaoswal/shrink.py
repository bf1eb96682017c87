"""Shrinking: fewest operations, smallest payloads, fewest lost writes, under which the violation is still there.

Operations and crash are shrunk in turns: without an operation the crash is looked for anew, among all states
within one deviation of the shortened program, so that no event number has to match. Only a violation of the same
kind counts as the same. What is left is minimal: no operation can go, and no lost piece be restored.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from chaoswal.anchors import step_of
from chaoswal.check import Depth, Found, Judge, check
from chaoswal.disk.crashes import Bound, Crash, Tearing, crashed
from chaoswal.disk.profiles import Profile
from chaoswal.engines.registry import Factory
from chaoswal.ops import Ack, Append, Batch, Defer, Operation, Poll, Reject
from chaoswal.oracle import Traits
from chaoswal.program import CrashStep, Step, operations_of, without_last_crashes
from chaoswal.replay import Played, pass_through, play, play_to_last_run
from chaoswal.run import Run, Session
from chaoswal.verdict import Violation

BOUND = Bound(random_states=0)
DEPTH = Depth(samples=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What must stay the same: the engine, its promises, the profile, and the kind of violation."""

    factory: Factory
    traits: Traits
    profile: Profile
    kind: Violation

    def search(self, steps: Sequence[Step]) -> list[Step] | None:
        """These steps with the crashes behind them that show the violation, if any do."""
        played = play_to_last_run(self.factory, self.traits, steps, self.profile)
        if played.found or played.stale:
            return None
        found = check(played.run, played.history, Judge(self.factory), self.profile, bound=BOUND, depth=DEPTH)
        if found is None or found.fault.kind is not self.kind:
            return None
        return [*steps, *crash_steps(self.factory, played.run, found, self.profile, tuple(played.history.subscribers))]

    def plays(self, steps: Sequence[Step]) -> Played | None:
        """The program played, if it shows the violation as it stands."""
        played = play(self.factory, self.traits, steps, self.profile, Judge(self.factory))
        return played if played.found and played.found.fault.kind is self.kind else None


def crash_steps(factory: Factory, run: Run, found: Found, profile: Profile, names: Sequence[str]) -> list[CrashStep]:
    """The steps that say what the crashes of a finding say: each crash but the first is of the recovery before."""
    steps = []
    for number, crash in enumerate(found.crashes):
        if number:
            run = Session(
                factory, crashed(run.start, run.events, found.crashes[number - 1], profile), names=names
            ).run()
        steps.append(step_of(run, crash, profile))
    return steps


def shrink(target: Target, steps: Sequence[Step]) -> list[Step]:
    """The smallest program found that shows the same violation; the one given, if nothing smaller does."""
    best = list(steps)
    changed = True
    while changed:
        changed = False
        for candidate in _smaller(best):
            shorter = target.search(candidate) or (candidate if target.plays(candidate) else None)
            if shorter and _size(shorter) < _size(best):
                best, changed = shorter, True
                break
    return _restore(target, best)


def _size(steps: Sequence[Step]) -> tuple[int, int, int]:
    operations = operations_of(steps)
    return (
        len(steps),
        sum(map(_bytes, operations)),
        sum(len(step.losses) for step in steps if isinstance(step, CrashStep)),
    )


def _bytes(operation: Operation) -> int:
    match operation:
        case Append(size=size):
            return size
        case Batch(sizes=sizes):
            return sum(sizes) + len(sizes)
        case Poll(count=count):
            return count
        case Ack(places=places) | Defer(places=places) | Reject(places=places):
            return len(places) + sum(places)
        case _:
            return 0


def _smaller(steps: Sequence[Step]) -> Iterator[list[Step]]:
    """Shorter programs without their last crashes, the shortest first, then the same with smaller payloads."""
    body = without_last_crashes(steps)
    chunk = len(body)
    while chunk:
        for start in range(0, len(body), chunk):
            yield [*body[:start], *body[start + chunk :]]
        chunk //= 2
    for place, step in enumerate(body):
        for smaller in _simpler(step):
            yield [*body[:place], smaller, *body[place + 1 :]]


def _simpler(step: Step) -> Iterator[Step]:
    match step:
        case Append(size=size):
            yield from (Append(size=smaller) for smaller in (1, 10, size // 2) if 0 < smaller < size)
        case Batch(sizes=sizes):
            yield from (Append(size=sizes[0]) for _ in sizes[:1])
            yield from (
                Batch(sizes=sizes[:place] + sizes[place + 1 :]) for place in range(len(sizes)) if len(sizes) > 1
            )
            yield Batch(sizes=(1,) * len(sizes))
        case Poll(name=name, count=count) if count > 1:
            yield from (Poll(name=name, count=smaller) for smaller in (1, count // 2))
        case Ack(places=places) | Defer(places=places) | Reject(places=places) if places != (0,):
            yield replace(step, places=(0,))
            yield from (replace(step, places=(place,)) for place in places if len(places) > 1)
        case _:
            pass


def _restore(target: Target, steps: list[Step]) -> list[Step]:
    """Give back lost pieces of the last crash, one after the other, as long as the violation stays."""
    played = target.plays(steps)
    crash = played.crash if played else None
    if played is None or crash is None or not crash.power:
        return steps
    fewer = True
    while fewer:
        fewer = False
        for candidate in _milder(crash):
            if _still(target, steps, candidate):
                crash, fewer = candidate, True
                break
    return [*steps[:-1], step_of(played.run, crash, target.profile)]


def _milder(crash: Crash) -> Iterator[Crash]:
    for place in range(len(crash.losses)):
        yield replace(crash, losses=crash.losses[:place] + crash.losses[place + 1 :])
    if crash.torn and crash.torn.garbage and crash.torn.keep:
        yield replace(crash, torn=Tearing(loss=crash.torn.loss, keep=crash.torn.keep, garbage=False))


def _still(target: Target, steps: Sequence[Step], crash: Crash) -> bool:
    """Whether the violation is there with another plan for the last crash."""
    before = play_to_last_run(target.factory, target.traits, steps, target.profile)
    if pass_through(before.run, before.history, crash.point):
        return False
    disk = crashed(before.run.start, before.run.events, crash, target.profile)
    view = disk.view
    sight = Judge(target.factory).sight(view.key, lambda: view, tuple(before.history.subscribers))
    fault = before.history.judge(sight.observed) or sight.fault
    return fault is not None and fault.kind is target.kind
