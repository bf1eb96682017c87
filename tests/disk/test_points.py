"""Crash points, one after the other: an earlier one says the same when a later one is there."""

import pytest

from chaoswal.disk.crashes import Bound, crashed
from chaoswal.disk.points import Listed
from chaoswal.disk.profiles import EXT4_ORDERED, POSIX, PREFIX, Profile
from chaoswal.engines.registry import EngineRef
from chaoswal.ops import Append
from chaoswal.run import record

RUN = record(EngineRef.parse("wal sync=explicit").factory(), [Append(size=600), Append(size=20), Append(size=5000)])


def listed(profile: Profile, points: range | None = None) -> Listed:
    return Listed(RUN.start, RUN.events, profile, Bound(random_states=4), seed=3, points=points)


@pytest.mark.parametrize("profile", [PREFIX, EXT4_ORDERED, POSIX], ids=lambda profile: profile.name)
def test_what_is_behind_is_listed_as_it_was(profile: Profile) -> None:
    one, other = listed(profile), listed(profile)
    passed = list(other.points())
    assert len(passed) == len(RUN.events) + 1
    for point, late in zip(one.points(), passed, strict=True):
        assert (point.number, list(point.cuts), point.pending) == (late.number, list(late.cuts), late.pending)
        for key in point.cuts:
            crash = one.crash(point, key)
            assert other.crash(late, key) == crash
            assert other.image(late, key).key == one.image(point, key).key == key
            assert crashed(RUN.start, RUN.events, crash, profile).view.key == key


def test_a_kill_inside_a_write_is_there_too() -> None:
    kills = {crash.taken: image for point in listed(POSIX).points() for crash, image in point.kills}
    assert kills
    assert all(0 < taken < 5000 for taken in kills)


def test_only_the_points_that_are_asked_for_have_states() -> None:
    asked = range(3, 5)
    assert [point.number for point in listed(PREFIX, asked).points() if point.cuts] == list(asked)
