"""Crash states: the order in which they come, their bound, their plans, and the write in flight."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaoswal.disk.crashes import Bound, Crash, Loss, Tearing, crashed, cuts, in_flight, plan
from chaoswal.disk.disk import Disk
from chaoswal.disk.effects import KEEP, Cut, Torn
from chaoswal.disk.image import Image
from chaoswal.disk.profiles import BTRFS, EXT4_ORDERED, KILL, POSIX, PREFIX, PROFILES, XFS, Profile
from chaoswal.disk.volume import Volume
from chaoswal.errors import HarnessFault
from chaoswal.limits import PAGE_BYTES, SECTOR_BYTES
from chaoswal.trace import Begin, Write
from tests.disk.brute import Files, near, shown
from tests.disk.test_profiles import left
from tests.disk.traces import TRACES, Trace, traces

every_profile = pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
WIDE = Bound(deviations=2, torn_writes=2, random_states=5)


def words(volume: Volume, cut: Cut, torn: Torn | None) -> str:
    """A state as a person would note it: the events of which something is lost, and what is torn."""
    crash = plan(volume.index, cut, torn)
    lost = " ".join(f"{loss.event}:{loss.part[0]}" for loss in crash.losses)
    return lost + (f" torn {torn.effect.index} at {torn.keep}{'!' if torn.garbage else ''}" if torn else "")


def listed(trace: Trace, profile: Profile, bound: Bound, seed: int = 0) -> list[str]:
    volume = Volume(trace.disk, profile)
    return [words(volume, cut, torn) for cut, torn in cuts(volume, bound, seed)]


def test_the_order_of_states() -> None:
    trace = Trace().write("old", 0, b"ab").write("other", 0, b"xy").write("old", 1, b"c")
    told = listed(trace, POSIX, Bound(deviations=2, torn_writes=1, random_states=0))
    assert told == [
        "",  # none lost
        "0:s 1:s 1:s 2:s",  # all lost
        *("0:s 1:s 1:s 2:s", "1:s 1:s 2:s", "2:s"),  # prefixes in time
        *("0:s 2:s", "2:s", "1:s", "1:s"),  # single losses: of a sector, from each of its moments on
        *("1:s 1:s 2:s", "1:s 1:s", "0:s 1:s 2:s", "0:s 1:s 2:s"),  # single survivors
        *("0:s 1:s 2:s", "0:s 1:s 2:s", "1:s 2:s", "1:s 2:s", "1:s 1:s"),  # pairs of losses
        *("1:s 2:s", "1:s 2:s", "1:s", "1:s", "0:s 2:s"),  # pairs of survivors
        " torn 2 at 0!",  # torn variants of the last writes
    ]


def test_no_pair_takes_one_chain_at_two_moments() -> None:
    told = listed(Trace().write("old", 0, b"a").write("old", 0, b"b"), POSIX, WIDE)
    assert told[:2] == ["", "0:s 1:s"]
    assert {word for word in told if "torn" not in word} == {"", "0:s 1:s", "1:s"}


def test_nothing_pending_is_one_state() -> None:
    assert listed(Trace(), POSIX, WIDE) == [""]
    assert listed(TRACES["create"], KILL, WIDE) == [""]


@every_profile
@given(trace=traces(), seed=st.integers(0, 9))
@settings(max_examples=40)
def test_none_lost_first_all_lost_second(profile: Profile, trace: Trace, seed: int) -> None:
    volume = Volume(trace.disk, profile)
    states = list(cuts(volume, WIDE, seed))
    assert states[0] == ({}, None)
    if volume.chains:
        assert volume.image(*states[1]).key == volume.image(dict.fromkeys(volume.chains.values(), 0)).key


@every_profile
@given(trace=traces(), seed=st.integers(0, 9))
@settings(max_examples=40)
def test_every_state_is_legal_and_each_has_its_plan(profile: Profile, trace: Trace, seed: int) -> None:
    """A plan says the same disk as the cut it was made from, and a whole one is among all there are."""
    volume = Volume(trace.disk, profile)
    legal = left(trace.disk, profile)
    for cut, torn in cuts(volume, WIDE, seed):
        crash = plan(len(trace.events), cut, torn)
        again = crashed(Disk(image=trace.image), trace.events, crash, profile)
        assert again.events == ()
        assert again.image.key == volume.image(cut, torn).key
        assert torn or shown(again.image) in legal


@pytest.mark.parametrize("name", TRACES)
def test_a_plan_may_start_from_pending_events(name: str) -> None:
    """What was pending when a run began is numbered and lost like what the run did."""
    trace = TRACES[name]
    halves = (0, len(trace.events) // 2, len(trace.events))
    for profile, half in itertools.product(PROFILES.values(), halves):
        volume = Volume(trace.disk, profile)
        start = Disk(image=trace.image, events=tuple(trace.events[:half]))
        for cut, torn in cuts(volume, Bound(deviations=1, random_states=2), 3):
            crash = plan(len(trace.events) - half, cut, torn)
            found = crashed(start, trace.events[half:], crash, profile)
            assert found.image.key == volume.image(cut, torn).key, profile.name


def within(trace: Trace, profile: Profile, deviations: int) -> set[Files]:
    volume = Volume(trace.disk, profile)
    bound = Bound(deviations=deviations, torn_writes=0, random_states=0)
    return {shown(volume.image(cut)) for cut, _ in cuts(volume, bound, 0)}


@every_profile
@given(trace=traces())
@settings(max_examples=25)
def test_exactly_what_lies_within_two_deviations(profile: Profile, trace: Trace) -> None:
    """By the independent brute force: nothing is left out, and a survivor brings along only what it rests on."""
    for deviations in (1, 2):
        assert within(trace, profile, deviations) == near(trace.disk, profile.name, deviations)


@every_profile
def test_exactly_what_lies_within_two_deviations_of_a_named_trace(profile: Profile) -> None:
    for deviations in (1, 2):
        for name, trace in TRACES.items():
            assert within(trace, profile, deviations) == near(trace.disk, profile.name, deviations), name


def test_a_size_may_need_bytes_that_are_durable_by_now() -> None:
    trace = Trace().write("other", 0, b"x" * 100).sync_range("other", 0, 3).create("a")
    found = {dict(files)["other"] for files in within(trace, XFS, 2)}
    assert found == {b"", b"x" * 100}


def test_states_are_bounded() -> None:
    trace = Trace()
    for place in range(12):
        trace.write("old", place * 512, b"x")
    assert len(listed(trace, POSIX, Bound(deviations=2, states_per_point=50))) == 50
    assert len(listed(trace, POSIX, Bound(deviations=2, states_per_point=1))) == 1
    few, more = (len(listed(trace, POSIX, Bound(deviations=d, random_states=0))) for d in (1, 2))
    assert few < more


@pytest.mark.parametrize("profile", [POSIX, EXT4_ORDERED])
def test_states_follow_from_the_seed(profile: Profile) -> None:
    trace = Trace()
    for place in range(6):
        trace.write("old", place * 512, b"x")
    bound = Bound(random_states=10)
    assert listed(trace, profile, bound, 1) == listed(trace, profile, bound, 1)
    assert listed(trace, profile, bound, 1) != listed(trace, profile, bound, 2)
    assert listed(trace, profile, bound, 1)[:-10] == listed(trace, profile, bound, 2)[:-10]


def test_every_prefix_and_every_pair_is_there() -> None:
    trace = Trace().create("a").create("b").create("c").create("d")
    told = set(listed(trace, POSIX, Bound(deviations=2, torn_writes=0, random_states=0)))
    names = [f"{event}:n" for event in range(4)]
    assert {" ".join(names[start:]) for start in range(5)} <= told
    assert {" ".join(pair) for pair in itertools.combinations(names, 2)} <= told
    assert told == {" ".join(some) for n in range(5) for some in itertools.combinations(names, n)}


def test_torn_variants() -> None:
    trace = Trace().write("old", 0, b"0123456789").write("other", 0, b"!")
    told = [word for word in listed(trace, POSIX, Bound(torn_writes=2, random_states=0)) if "torn" in word]
    of_ten = ["at 0!", "at 1!", "at 1", "at 5!", "at 5", "at 9!", "at 9"]
    assert told == [" torn 1 at 0!", *(f" torn 0 {where}" for where in of_ten)]
    assert [word for word in listed(trace, POSIX, Bound(torn_writes=1, random_states=0)) if "torn" in word] == told[:1]
    for profile in (PREFIX, EXT4_ORDERED):
        assert not any("torn" in word for word in listed(trace, profile, WIDE))


@pytest.mark.parametrize(
    "crash",
    [
        Crash(point=1, power=True, losses=(Loss(event=0, part="size"),)),
        Crash(point=1, power=True, losses=(Loss(event=7, part="name"),)),
        Crash(point=3, power=True, losses=(Loss(event=0, part="sector 0"),)),
        Crash(point=1, power=True, torn=Tearing(loss=Loss(event=0, part="name"), keep=0, garbage=True)),
    ],
    ids=["no such part", "no such event", "durable by now", "torn"],
)
def test_a_plan_that_cannot_be_is_our_fault(crash: Crash) -> None:
    trace = Trace().write("old", 0, b"x").fsync("old")
    with pytest.raises(HarnessFault, match="durable or never happened"):
        crashed(Disk(image=trace.image), trace.events, crash, POSIX)


# -- kills ---------------------------------------------------------------------------------------------------------


def test_a_kill_loses_nothing_and_makes_nothing_durable() -> None:
    trace = Trace().create("new").write("new", 0, b"abc")
    start = Disk(image=trace.image)
    after = crashed(start, trace.events, Crash(point=2, power=False), POSIX)
    assert after == start.after(trace.events)
    assert list(Volume(after, POSIX).pending())


def test_a_kill_inside_a_write() -> None:
    trace = Trace().write("old", 0, b"x" * 9000)
    after = crashed(Disk(image=trace.image), trace.events, Crash(point=0, power=False, taken=4096), POSIX)
    assert after.view.files()["old"] == b"x" * 4096
    assert after.events[0] == Write(inode=1, offset=0, data=b"x" * 4096, site="e.py:6")


def test_only_a_write_is_interrupted_half_way() -> None:
    trace = Trace().truncate("old", 0)
    with pytest.raises(HarnessFault, match="only a write can be interrupted"):
        crashed(Disk(image=trace.image), trace.events, Crash(point=0, power=False, taken=1), POSIX)
    assert in_flight(trace.events[0]) == []


@given(offset=st.integers(0, 20_000), length=st.integers(0, 40_000))
def test_a_write_in_flight_stops_at_a_page_boundary(offset: int, length: int) -> None:
    stops = in_flight(Write(inode=1, offset=offset, data=bytes(length), site="e.py:1"))
    boundaries = [taken for taken in range(1, length) if (offset + taken) % 4096 == 0]
    assert set(stops) <= set(boundaries)
    assert bool(stops) == bool(boundaries)
    if stops:
        assert (stops[0], stops[-1]) == (boundaries[0], boundaries[-1])


def test_keep_is_after_every_event() -> None:
    volume = Volume(TRACES["write"].disk, POSIX)
    (chain,) = volume.chains.values()
    assert plan(1, {chain: KEEP}, None).losses == ()


@pytest.mark.parametrize(
    ("cuts_to", "grown_at"), [([0], 600), ([4096], 4700), ([0, 5000, 4500], 4700)], ids=["all", "page", "twice"]
)
def test_a_size_needs_no_bytes_of_a_page_that_was_cut_away(cuts_to: list[int], grown_at: int) -> None:
    """A plan may lose them alone: what is grown later stays."""
    place = grown_at // PAGE_BYTES * PAGE_BYTES + 1100
    trace = Trace(image=Image.of_files({"old": b"o" * (place + 100)})).create("x").write("old", place, b"lost")
    for size in cuts_to:
        trace.truncate("old", size)
    trace.write("old", grown_at, b"new")
    crash = Crash(point=len(trace.events), power=True, losses=(Loss(event=1, part=f"sector {place // SECTOR_BYTES}"),))
    content = crashed(Disk(image=trace.image), trace.events, crash, XFS).view.files()["old"]
    assert content == (b"o" * min(cuts_to)).ljust(grown_at, b"\0") + b"new"


@pytest.mark.parametrize(
    ("size", "offset", "length", "sizes"),
    [(750, 4000, 4300, ["size", "size 4096", "size 8192"]), (4096, 4000, 200, ["size"]), (0, 0, 4096, ["size"])],
)
@pytest.mark.parametrize("profile", [XFS, BTRFS, EXT4_ORDERED, POSIX], ids=lambda profile: profile.name)
def test_a_plan_says_how_far_a_file_has_grown(
    profile: Profile, size: int, offset: int, length: int, sizes: list[str]
) -> None:
    trace = Trace(image=Image.of_files({"old": bytes(size)})).write("old", offset, b"x" * length)
    volume = Volume(trace.disk, profile)
    losses = plan(1, dict.fromkeys(volume.chains.values(), 0), None).losses
    assert [loss.part for loss in losses if loss.part.startswith("size")] == sizes


def test_a_plan_tells_a_name_that_was_taken_away_from_the_one_that_took_it() -> None:
    trace = Trace().create("t").create("n").rename("t", "n")
    volume = Volume(Disk(image=trace.image, events=(Begin(op_index=0), *trace.events)), BTRFS)
    losses = plan(4, dict.fromkeys(volume.chains.values(), 0), None).losses
    assert [(loss.event, loss.part) for loss in losses] == [
        (1, "name"),
        (2, "name"),
        (3, "name"),
        (3, "replaced name"),
    ]


def test_a_plan_says_where_it_struck() -> None:
    assert plan(7, {}, None) == Crash(point=7, power=True)


def test_nothing_is_torn_or_drawn_beyond_the_bound() -> None:
    one = Trace().write("old", 0, b"ab")
    two = Trace().write("old", 0, b"ab").write("old", 600, b"xy")
    for trace, drawn in ((one, 0), (two, 5)):
        bare, more = (listed(trace, POSIX, Bound(deviations=1, torn_writes=0, random_states=n)) for n in (0, 5))
        assert more[: len(bare)] == bare
        assert len(more) - len(bare) == drawn
        assert not [word for word in more if "torn" in word]


def test_a_long_write_is_interrupted_after_its_first_page_half_way_and_before_its_last() -> None:
    long = Write(inode=1, offset=0, data=bytes(10 * 4096), site="")
    assert in_flight(long) == [4096, 5 * 4096, 9 * 4096]
