"""Volumes: what holds of every image whatever the profile, and that what is remembered is never stale."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaoswal.disk.disk import Disk, apply_all
from chaoswal.disk.effects import KEEP, Cut, Torn
from chaoswal.disk.image import Image, ImageKey
from chaoswal.disk.profiles import BTRFS, EXT4_ORDERED, POSIX, PREFIX, PROFILES, XFS, Profile
from chaoswal.disk.volume import Volume
from chaoswal.limits import PAGE_BYTES
from chaoswal.trace import Begin
from tests.disk.brute import shown
from tests.disk.test_profiles import all_cuts, contents, left
from tests.disk.traces import OLD, PARTS, TRACES, Trace, traces

every_trace = pytest.mark.parametrize("name", TRACES)
every_profile = pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)


@every_profile
@given(trace=traces(most=12))
@settings(max_examples=60)
def test_with_all_kept_it_is_what_a_process_sees(profile: Profile, trace: Trace) -> None:
    assert Volume(trace.disk, profile).image({}).key == apply_all(trace.image, trace.events).key


@every_profile
@given(trace=traces())
@settings(max_examples=60)
def test_with_all_lost_it_is_what_was_durable(profile: Profile, trace: Trace) -> None:
    """Whatever a cut keeps, what is durable is there: nothing pending means nothing to choose."""
    volume = Volume(trace.disk, profile)
    nothing = volume.image(dict.fromkeys(volume.chains.values(), 0))
    assert shown(nothing) in left(trace.disk, profile)
    for path in trace.names:
        trace.fsync(path)
    trace.fsync("")
    trace.fsync("dir")
    if all(getattr(event, "ok", True) for event in trace.events):
        settled = Volume(trace.disk, profile)
        assert list(settled.pending()) == []
        assert settled.image({}).key == trace.disk.view.key


@every_trace
def test_no_cut_is_so_early_that_it_loses_what_is_durable(name: str) -> None:
    for profile in PROFILES.values():
        volume = Volume(TRACES[name].disk, profile)
        first = {chain: min(effect.index for effect in chain.effects) for chain in volume.chains.values()}
        assert volume.image(dict.fromkeys(first, 0)).key == volume.image(first).key, profile.name


def of_every_cut(volume: Volume) -> list[ImageKey]:
    """What each cut leaves, and the one that loses all."""
    cuts = [*all_cuts(volume), dict.fromkeys(volume.chains.values(), 0)]
    return [volume.image(cut).key for cut in cuts]


@every_trace
def test_moving_on_is_the_same_as_starting_there(name: str) -> None:
    """One volume moved over a trace, asked at every step, remembers nothing that has changed since."""
    trace = TRACES[name]
    for profile in PROFILES.values():
        moved = Volume(Disk(image=trace.image), profile)
        for count in range(len(trace.events) + 1):
            fresh = Volume(Disk(image=trace.image, events=tuple(trace.events[:count])), profile)
            assert of_every_cut(moved) == of_every_cut(fresh), profile.name
            if count < len(trace.events):
                moved.apply(trace.events[count])


@every_trace
def test_the_key_is_that_of_the_image(name: str) -> None:
    for profile in PROFILES.values():
        volume = Volume(TRACES[name].disk, profile)
        for cut in all_cuts(volume):
            for torn in (None, *(Torn(effect, 1, garbage=True) for effect in volume.pending() if effect.data)):
                assert volume.key(cut, torn) == volume.image(cut, torn).key, profile.name


@every_profile
@given(trace=traces())
@settings(max_examples=60)
def test_the_version_says_where_nothing_can_have_changed(profile: Profile, trace: Trace) -> None:
    volume = Volume(Disk(image=trace.image), profile)
    before = {shown(volume.image(cut)) for cut in all_cuts(volume)}
    for event in trace.events:
        version = volume.version
        volume.apply(event)
        after = {shown(volume.image(cut)) for cut in all_cuts(volume)}
        assert volume.version > version or after == before
        before = after


@every_profile
@given(trace=traces(), size=st.integers(0, 800))
@settings(max_examples=40)
def test_truncate_brings_nothing_back(profile: Profile, trace: Trace, size: int) -> None:
    """Cut, synced and extended again: what was cut reads zeros in every image, whatever was pending before."""
    if "old" not in trace.names:
        return
    inode = trace.names["old"]
    trace.truncate("old", size).fsync("old").truncate("old", 1000)
    volume = Volume(trace.disk, profile)
    for cut in all_cuts(volume):
        content = volume.image(cut).contents.get(inode)
        assert content is None or not any(content[size:])


def test_a_lost_truncate_brings_everything_back() -> None:
    trace = Trace().truncate("old", 100).truncate("old", 750)
    assert contents(trace.disk, PREFIX, "old") == {OLD, OLD[:100], OLD[:100] + bytes(650)}
    for profile in (EXT4_ORDERED, XFS):
        half = {OLD[:100] + bytes(412) + OLD[512:], OLD[:512] + bytes(238)}  # zeros that went ahead of the size
        assert contents(trace.disk, profile, "old") == {OLD, OLD[:100], OLD[:100] + bytes(650), *half}


@every_profile
def test_the_later_of_two_writes_to_a_sector_is_never_kept_alone(profile: Profile) -> None:
    """Trap 4: dropping one of two writes to the same page is no legal state."""
    trace = Trace().write("old", 0, b"aaaa").write("old", 8, b"bbbb")
    for content in contents(trace.disk, profile, "old"):
        assert content is not None
        assert content[8:12] != b"bbbb" or content[:4] == b"aaaa"


def test_a_file_cannot_have_grown_from_a_size_it_never_had() -> None:
    trace = Trace().truncate("old", 0).write("old", 0, b"n")
    sizes = {len(content or b"") for content in contents(trace.disk, EXT4_ORDERED, "old")}
    assert sizes == {750, 0, 1}
    assert OLD[:1] not in contents(trace.disk, EXT4_ORDERED, "old")


@pytest.mark.parametrize(("size", "offset", "length"), [(8500, 4000, 4600), (4800, 4700, 200), (4000, 3990, 200)])
def test_a_page_is_kept_whole_with_the_size_that_reaches_into_it(size: int, offset: int, length: int) -> None:
    trace = Trace(image=Image.of_files({"old": b"o" * size})).write("old", offset, b"n" * length)
    before, after = b"o" * size, b"o" * offset + b"n" * length
    page = size // PAGE_BYTES * PAGE_BYTES
    for content in contents(trace.disk, BTRFS, "old"):
        assert content is not None
        of_page = content[page : page + PAGE_BYTES]
        assert of_page.rstrip(b"\0") in (before[page:], after[page : page + PAGE_BYTES])


def test_a_sync_of_a_part_makes_that_part_durable_and_no_other() -> None:
    trace = Trace().write("old", 0, b"one").write("old", 600, b"two").sync_range("old", 0, 3)
    for profile in (XFS, EXT4_ORDERED, POSIX):
        found = contents(trace.disk, profile, "old")
        assert {content[:3] for content in found if content} == {b"one"}
        assert {OLD[600:603], b"two"} <= {content[600:603] for content in found if content}


def test_a_sync_of_a_part_brings_the_size_it_needs_and_no_other() -> None:
    trace = Trace().write("other", 0, b"one").sync_range("other", 0, 3).write("other", 600, b"two")
    for profile in (XFS, EXT4_ORDERED, POSIX):
        assert {len(content or b"") for content in contents(trace.disk, profile, "other")} == {3, 603}
    behind = Trace().write("other", 0, b"one").write("other", 600, b"two").sync_range("other", 0, 3)
    assert 3 in {len(content or b"") for content in contents(behind.disk, EXT4_ORDERED, "other")}


@every_profile
@given(trace=traces())
@settings(max_examples=30)
def test_a_sync_of_every_part_is_an_fdatasync(profile: Profile, trace: Trace) -> None:
    path = next(iter(trace.names))
    parts, whole = Trace(), Trace()
    for copy in (parts, whole):
        copy.events, copy.names, copy.ticket = list(trace.events), trace.names, trace.ticket
    assert left(parts.sync_range(path, 0, 1 << 20).disk, profile) == left(whole.fdatasync(path).disk, profile)


def test_a_sync_of_a_part_ends_where_it_ends() -> None:
    for start, kept in ((0, {b"x"}), (512, {b"x", OLD[:1]})):
        trace = Trace().write("old", 0, b"x" * 512).write("old", 512, b"y").sync_range("old", start, 512 - start // 2)
        found = contents(trace.disk, POSIX, "old")
        assert {content[:1] for content in found if content} == kept
        assert {content[512:513] for content in found if content} == ({b"y"} if start else {b"y", OLD[512:513]})


def test_a_sync_of_a_part_says_nothing_of_the_sizes_behind_it() -> None:
    """The size of the part may be there already when the file is cut back to it: that alone commits no name."""
    trace = Trace().write("other", 0, b"one").write("other", 600, b"two").sync_range("other", 0, 3)
    trace.create("x").truncate("other", 3).fdatasync("other")
    assert {"x" in dict(files) for files in left(trace.disk, EXT4_ORDERED)} == {True, False}


@pytest.mark.parametrize("name", TRACES | PARTS)
def test_when_a_trace_begins_changes_nothing(name: str) -> None:
    """Nothing is special about the first events of all."""
    disk = (TRACES | PARTS)[name].disk
    later = Disk(image=disk.image, events=(Begin(op_index=0), Begin(op_index=1), *disk.events))
    for profile in PROFILES.values():
        assert left(later, profile) == left(disk, profile), profile.name


def test_a_failed_sync_does_not_poison_the_journal() -> None:
    trace = Trace().truncate("old", 3).fsync("old", ok=False).fsync("old")
    assert contents(trace.disk, EXT4_ORDERED, "old") == {OLD[:3]}
    assert {OLD, OLD[:3]} < contents(trace.disk, POSIX, "old")


def test_a_durable_truncate_cuts_an_earlier_write_that_is_not() -> None:
    trace = Trace().write("old", 600, b"late").truncate("old", 300)
    ticket = trace.begin("dir")
    trace.end(ticket)
    trace.rename("old", "dir/old").fsync("dir").truncate("dir/old", 700)
    for content in contents(trace.disk, EXT4_ORDERED, "dir/old"):
        assert content in (OLD[:300], OLD[:300] + bytes(400))


@every_profile
def test_none_of_them_is_durable_yet_is_always_there(profile: Profile) -> None:
    """Trap 5: that no pending name is durable yet is legal; to forget it hid what SQLite loses with DELETE and FULL."""
    trace = Trace().create("a").write("a", 0, b"x").rename("old", "b").unlink("other").truncate("b", 1)
    before = shown(trace.image)
    assert (before in left(trace.disk, profile)) == (profile.name != "kill")


def test_a_file_durably_unlinked_is_forgotten() -> None:
    trace = Trace().write("old", 0, b"x").unlink("old").fsync("")
    volume = Volume(trace.disk, POSIX)
    assert list(volume.pending()) == []
    assert volume.image({}).files() == {"dir": None, "other": b""}


@pytest.mark.parametrize("garbage", [True, False])
def test_a_torn_piece_is_applied_at_its_moment(garbage: bool) -> None:
    """A later write to the same sector goes over what the torn one left."""
    volume = Volume(Trace().write("old", 0, b"aaaaaaaa").write("old", 4, b"ZZZZ").disk, POSIX)
    first, second = volume.pending()
    content = volume.image({}, Torn(first, 2, garbage=garbage)).files()["old"] or b""
    assert content[:2] == b"aa"
    assert content[4:8] == b"ZZZZ"
    assert (content[2:4] == OLD[2:4]) != garbage
    content = volume.image({second.chain: KEEP}, Torn(second, 2, garbage=False)).files()["old"] or b""
    assert content[:8] == b"aaaaZZaa"


@every_trace
def test_what_is_torn_at_its_end_is_whole(name: str) -> None:
    volume = Volume(TRACES[name].disk, POSIX)
    cuts: list[Cut] = [{}, *({effect.chain: effect.moment} for effect in volume.pending())]
    pieces = [effect for effect in volume.pending() if effect.data]
    for cut, effect in itertools.product(cuts, pieces):
        assert volume.image(cut, Torn(effect, len(effect.data), garbage=True)).key == volume.image(cut).key


def test_images_are_not_changed_by_what_happens_later() -> None:
    trace = Trace().write("old", 0, b"x")
    volume = Volume(trace.disk, POSIX)
    image: Image = volume.image({})
    before = dict(image.files())
    more = Trace().write("old", 0, b"yyyy").rename("old", "new")
    for event in more.events:
        volume.apply(event)
    assert image.files() == before
