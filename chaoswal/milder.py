"""Crashes like a given one that lose less, lose whole events, or strike later."""

from collections.abc import Collection, Iterator
from dataclasses import replace

from chaoswal.anchors import first_losses
from chaoswal.disk.crashes import Crash, Loss, cut_without, loss_of, plan
from chaoswal.disk.effects import Cut
from chaoswal.disk.profiles import Profile
from chaoswal.disk.volume import Volume
from chaoswal.run import Run
from chaoswal.trace import Change, End


def milder(run: Run, crash: Crash, profile: Profile) -> Iterator[Crash]:
    """The same with one lost event restored, the last first, and all that must be there for it."""
    volume = _volume(run, crash.point, profile)
    cut = _cut(volume, crash.losses)
    for event in sorted({loss.event for loss in crash.losses}, reverse=True):
        yield _with(crash, _restored(volume, cut, event))


def _restored(volume: Volume, cut: Cut, event: int) -> Cut:
    """The cut that keeps this event too, what comes before it in its chains, and what it needs."""
    mine = {
        chain: effect.moment + 1
        for chain in volume.chains.values()
        for effect in chain.effects
        if effect.index == event
    }
    kept = volume.needs.keeping(mine)
    return {chain: max(moment, kept[chain]) for chain, moment in cut.items()}


def whole(run: Run, crash: Crash, profile: Profile) -> Iterator[Crash]:
    """The same with all of an event lost of which a part is, where that takes no other event with it."""
    volume = _volume(run, crash.point, profile)
    events = {loss.event for loss in crash.losses}
    for event in sorted(events):
        parts = {loss_of(effect) for effect in volume.pending() if effect.index == event}
        more = _with(crash, _cut(volume, (*crash.losses, *parts)))
        if more.losses != crash.losses and {loss.event for loss in more.losses} == events:
            yield more


def later(run: Run, crash: Crash, profile: Profile) -> Iterator[Crash]:
    """The same at later points of the same operation, the last first, as long as all that is lost can be lost.

    Points behind a change or the end, that is: a sync of something else that comes or goes must not move a crash.
    """
    for point in range(end_of_operation(run, crash.point), crash.point, -1):
        if not isinstance(run.events[point - 1], Change | End) and point != run.opened:
            continue
        if not crash.power:
            yield Crash(point=point, power=False)
            continue
        volume = _volume(run, point, profile)
        pending = {loss_of(effect) for effect in volume.pending()}
        torn = {crash.torn.loss} if crash.torn else set()
        if first_losses(_volume(run, crash.point, profile), crash.losses) | torn <= pending:
            yield _with(replace(crash, point=point), _cut(volume, crash.losses))


def _volume(run: Run, point: int, profile: Profile) -> Volume:
    return Volume(run.start.after(run.events[:point]), profile)


def _cut(volume: Volume, losses: Collection[Loss]) -> Cut:
    """The cut that loses these, as far as they are pending."""
    lost = set(losses)
    return cut_without(volume, (effect for effect in volume.pending() if loss_of(effect) in lost))


def _with(crash: Crash, cut: Cut) -> Crash:
    return replace(plan(crash.point, cut, None), torn=crash.torn)


def end_of_operation(run: Run, point: int) -> int:
    """The point behind the End of the operation under way at a point, or behind the opening."""
    if point <= run.opened:
        return run.opened
    ends = (number for number in range(point, len(run.events) + 1) if isinstance(run.events[number - 1], End))
    return next(ends, len(run.events))
