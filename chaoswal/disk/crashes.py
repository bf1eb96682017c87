"""Crash states: every disk a crash at one point could leave, nearest to the ends first.

States at a crash point come in this order until the bound is spent: none lost; all pending lost; every prefix in
time; every single loss; every single survivor; every pair of losses; torn variants of the last writes; seeded
random moments. The unit of a deviation is one chain of the profile (a sector's moment, a size's moment, a name,
or the journal) at another moment than its neighbour at the nearer end: "none lost" or "all lost".
"""

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass

from chaoswal.disk.profiles import Kind, Tear
from chaoswal.disk.volume import KEEP, Chain, Cut, Effect, Torn, Volume
from chaoswal.limits import PAGE_BYTES
from chaoswal.trace import Event, Write


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """How far from "none lost" and "all lost" a crash point is explored."""

    deviations: int = 1
    """1: every single loss and survivor; 2: every pair of losses too."""

    torn_writes: int = 2
    """How many of the last pieces of writes are torn, where the profile tears."""

    random_states: int = 4
    """Seeded random states beyond the deviations, at each crash point."""

    states_per_point: int = 2_000
    """No more than this many at one crash point."""


def cuts(volume: Volume, bound: Bound, seed: int) -> Iterator[tuple[Cut, Torn | None]]:
    """The states of a power cut now, in order; the same one may come twice. Deterministic by seed and event."""
    return itertools.islice(_all_cuts(volume, bound, seed), bound.states_per_point)


def _all_cuts(volume: Volume, bound: Bound, seed: int) -> Iterator[tuple[Cut, Torn | None]]:
    chains = list(volume.chains.values())
    yield {}, None
    if not chains:
        return
    nothing = dict.fromkeys(chains, 0)
    yield nothing, None
    for moment in _moments(effect for chain in chains for effect in chain.effects):
        yield dict.fromkeys(chains, moment), None
    losses = [(chain, moment) for chain in chains for moment in _moments(chain.effects)]
    for chain, moment in losses:
        yield {chain: moment}, None
    for chain in chains:
        for moment in [*_moments(chain.effects)[1:], KEEP]:
            yield {**nothing, chain: moment}, None
    if bound.deviations >= 2:
        for (one, moment), (other, also) in itertools.combinations(losses, 2):
            if one is not other:
                yield {one: moment, other: also}, None
    yield from (({}, torn) for torn in _torn_variants(volume, bound))
    yield from _random_cuts(chains, bound, random.Random(f"{seed}:{volume.index}"))


def _moments(effects: Iterator[Effect] | list[Effect]) -> list[int]:
    return sorted({effect.index for effect in effects})


def _torn_variants(volume: Volume, bound: Bound) -> Iterator[Torn]:
    if volume.profile.tear is not Tear.BYTE_AND_GARBAGE:
        return
    pieces = sorted((effect for effect in volume.pending() if effect.kind is Kind.DATA), key=_time_and_place)
    for effect in reversed(pieces[-bound.torn_writes :] if bound.torn_writes else []):
        length = len(effect.data)
        for keep in sorted({0, 1, length // 2, length - 1}):
            if keep < length:
                yield Torn(effect, keep, garbage=True)
                if keep:
                    yield Torn(effect, keep, garbage=False)


def _time_and_place(effect: Effect) -> tuple[int, int]:
    return effect.index, effect.offset


def _random_cuts(chains: list[Chain], bound: Bound, chance: random.Random) -> Iterator[tuple[Cut, Torn | None]]:
    if len(chains) > 1:
        for _ in range(bound.random_states):
            yield {chain: chance.choice([*_moments(chain.effects), KEEP]) for chain in chains}, None


def in_flight(event: Event) -> list[Event]:
    """What a kill may leave of an event it interrupts: a write stops at a page boundary.

    Measured on ext4: 54 of 60 kills during a 32 MiB write left a part of it.
    """
    if not isinstance(event, Write):
        return []
    first = PAGE_BYTES - event.offset % PAGE_BYTES
    stops = range(first, len(event.data), PAGE_BYTES)
    chosen = {0, len(stops) // 2, len(stops) - 1} if stops else set()
    return [
        Write(inode=event.inode, offset=event.offset, data=event.data[: stops[place]], site=event.site)
        for place in sorted(chosen)
    ]
