"""Milder crashes restore what was lost, whole ones lose whole events, later ones lose the same later."""

from collections.abc import Iterator

import pytest

from chaoswal.disk.crashes import Bound, Crash, crashed, cuts, plan
from chaoswal.disk.profiles import EXT4_ORDERED, POSIX, PREFIX, Profile
from chaoswal.disk.volume import Volume
from chaoswal.milder import later, milder, whole
from chaoswal.ops import Append, Reopen
from chaoswal.run import Run, record
from chaoswal.trace import Change, End
from tests import toys

PROFILES = [PREFIX, EXT4_ORDERED, POSIX]
each_profile = pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)


def run() -> Run:
    return record(toys.factory(toys.NoSync), [Append(size=600), Reopen(), Append(size=20), Append(size=1100)])


def crashes(trace: Run, profile: Profile) -> Iterator[Crash]:
    volume = Volume(trace.start, profile)
    for point, event in enumerate(trace.events, start=1):
        volume.apply(event)
        yield from (plan(point, cut, torn) for cut, torn in cuts(volume, Bound(random_states=2), point))


@each_profile
def test_milder_ones_lose_less_and_come_to_an_end(profile: Profile) -> None:
    trace = run()
    for crash in crashes(trace, profile):
        most = crash
        while lost := sorted({loss.event for loss in most.losses}, reverse=True):
            less = list(milder(trace, most, profile))
            assert len(less) == len(lost)
            for event, other in zip(lost, less, strict=True):
                assert set(other.losses) < set(most.losses)
                assert event not in {loss.event for loss in other.losses}
                assert other.torn == crash.torn
                crashed(trace.start, trace.events, other, profile)
            most = less[-1]
        assert list(milder(trace, most, profile)) == []


@each_profile
def test_whole_ones_lose_more_of_the_same_events(profile: Profile) -> None:
    trace = run()
    found = 0
    for crash in crashes(trace, profile):
        for other in whole(trace, crash, profile):
            found += 1
            assert set(other.losses) > set(crash.losses)
            assert {loss.event for loss in other.losses} == {loss.event for loss in crash.losses}
    assert bool(found) == (profile is not PREFIX)


@each_profile
def test_later_ones_strike_behind_a_change_or_the_end_of_the_same_operation(profile: Profile) -> None:
    trace = run()
    found = 0
    for crash in crashes(trace, profile):
        points = []
        for other in later(trace, crash, profile):
            points.append(other.point)
            assert isinstance(trace.events[other.point - 1], Change | End) or other.point == trace.opened
            assert not any(isinstance(event, End) for event in trace.events[crash.point : other.point - 1])
            assert set(other.losses) >= set(crash.losses)
            found += 1
        assert points == sorted(points, reverse=True)
        assert not points or points[-1] > crash.point
    assert found


def test_a_kill_is_later_too() -> None:
    trace = run()
    points = [other.point for other in later(trace, Crash(point=trace.opened + 1, power=False), POSIX)]
    assert points
    assert isinstance(trace.events[points[0] - 1], End)
