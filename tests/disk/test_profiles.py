"""Each profile against brute force: exactly the disks that the prose allows, and a test for every row of its table."""

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import assume, given, settings

from chaoswal.disk.crashes import in_flight
from chaoswal.disk.disk import Disk
from chaoswal.disk.effects import KEEP, Cut, Torn
from chaoswal.disk.profiles import BTRFS, EXT4_ORDERED, KILL, POSIX, PREFIX, PROFILES, XFS, Profile, profile_named
from chaoswal.disk.volume import Volume
from chaoswal.errors import UsageError
from chaoswal.trace import SyncEnd, Write
from tests.disk.brute import TOO_MANY, Files, pending_deeds, shown, states
from tests.disk.traces import OLD, TRACES, Trace, standing, traces


def all_cuts(volume: Volume) -> Iterator[Cut]:
    """Every cut there is: each chain at each of its moments."""
    chains = list(volume.chains.values())
    moments = [[*sorted({effect.moment for effect in chain.effects}), KEEP] for chain in chains]
    for choice in itertools.product(*moments):
        yield volume.needs.losing(dict(zip(chains, choice, strict=True)))


def left(disk: Disk, profile: Profile) -> set[Files]:
    """Every disk that the model says a power cut may leave."""
    volume = Volume(disk, profile)
    return {shown(volume.image(cut)) for cut in all_cuts(volume)}


@pytest.mark.parametrize("name", TRACES)
def test_exactly_what_brute_force_allows(name: str) -> None:
    """Trap 3: among the traces are renames across directories of which only one is synced."""
    disk = TRACES[name].disk
    for profile in PROFILES.values():
        assert left(disk, profile) == states(disk, profile.name), profile.name


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
@given(trace=traces())
@settings(max_examples=150)
def test_exactly_what_brute_force_allows_of_random_traces(profile: Profile, trace: Trace) -> None:
    assume(pending_deeds(trace.disk, profile.name) <= TOO_MANY)
    assert left(trace.disk, profile) == states(trace.disk, profile.name)


def contents(disk: Disk, profile: Profile, path: str) -> set[bytes | None]:
    """What one file may hold after a power cut, over all cuts; None where it may be missing."""
    return {dict(files).get(path) for files in left(disk, profile)}


def paths(disk: Disk, profile: Profile, start: Disk | None = None) -> set[str]:
    """The sets of paths there may be, each as words, without what stood there from the start."""
    keep = {path for path, _ in shown((start or Disk()).image)}
    return {" ".join(path for path, _ in files if path not in keep) for files in left(disk, profile)}


def k1(profile: Profile) -> None:
    trace = Trace().create("new").write("new", 0, b"abc").rename("old", "moved").truncate("other", 9)
    assert left(trace.disk, profile) == {shown(trace.disk.view)}


def k2(profile: Profile) -> None:
    write = Write(inode=1, offset=100, data=b"x" * 10_000, site="e.py:1")
    assert in_flight(write) == [3996, 8092]
    assert in_flight(Write(inode=1, offset=0, data=b"x" * 4096, site="e.py:1")) == []


def p1(profile: Profile) -> None:
    trace = Trace().create("a").write("a", 0, b"1").create("b").unlink("other")
    ends = ["dir old other", "a dir old other", "a b dir old other", "a b dir old"]
    assert paths(trace.disk, profile) == set(ends)
    assert ("a", b"") in {files[0] for files in left(trace.disk, profile)}
    assert len(left(trace.disk, profile)) == 5


def p2(profile: Profile) -> None:
    trace = Trace().create("a").write("old", 0, b"!").fsync("other").create("b")
    assert paths(trace.disk, profile) == {"a dir old other", "a b dir old other"}
    assert contents(trace.disk, profile, "old") == {b"!" + OLD[1:]}


def sectors_in_any_order(profile: Profile) -> None:
    trace = Trace().write("old", 0, b"first").write("old", 512, b"then")
    first, then = b"first" + OLD[5:], OLD[:512] + b"then" + OLD[516:]
    both = b"first" + OLD[5:512] + b"then" + OLD[516:]
    assert contents(trace.disk, profile, "old") == {OLD, first, then, both}


def e2(profile: Profile) -> None:
    trace = Trace().write("old", 750, b"grown")
    assert contents(trace.disk, profile, "old") == {OLD, OLD + b"grown", OLD + bytes(5)}


def e3(profile: Profile) -> None:
    trace = Trace().rename("old", "x").truncate("x", 3).create("y")
    seen = {(" ".join(dict(files)), len(dict(files).get("x") or b"")) for files in left(trace.disk, profile)}
    assert seen == {("dir old other", 0), ("dir other x", 750), ("dir other x", 3), ("dir other x y", 3)}


def own_bytes_and_size_after_sync(profile: Profile) -> None:
    trace = Trace().write("old", 740, b"0123456789ab").fdatasync("old").write("old", 0, b"later")
    done = OLD[:740] + b"0123456789ab"
    assert contents(trace.disk, profile, "old") == {done, b"later" + done[5:]}


def e5(profile: Profile) -> None:
    trace = Trace().create("early").write("old", 750, b"grown").create("late").fsync("old")
    assert paths(trace.disk, profile) == {"dir early old other", "dir early late old other"}
    assert paths(Trace().create("f").fsync("f").disk, profile) == {"dir f old other"}


def e6(profile: Profile) -> None:
    trace = Trace().create("new").write("old", 0, b"over").fsync("old")
    assert paths(trace.disk, profile) == {"dir old other", "dir new old other"}


def e7(profile: Profile) -> None:
    trace = Trace().create("tmp").write("tmp", 0, b"new").rename("tmp", "old").fsync("")
    assert contents(trace.disk, profile, "old") == {b"new", b"", bytes(3)}


def s7(profile: Profile) -> None:
    trace = Trace().create("new").write("old", 0, b"over").fdatasync("old")
    assert paths(trace.disk, profile) == {"dir old other", "dir new old other"}


def s8(profile: Profile) -> None:
    trace = Trace().create("tmp").write("tmp", 0, b"new").rename("tmp", "old").fsync("")
    assert contents(trace.disk, profile, "old") == {b"new", b""}


def x2(profile: Profile) -> None:
    trace = Trace().truncate("old", 100).truncate("old", 400).write("old", 400, b"app")
    sizes = {len(content or b"") for content in contents(trace.disk, profile, "old")}
    assert sizes == {750, 100, 400, 403}


def x3(profile: Profile) -> None:
    trace = Trace().create("a").create("b").rename("other", "c")
    words = {"a": True, "b": True}
    names = {" ".join(sorted([*chosen, "dir", "old"])) for n in range(3) for chosen in itertools.combinations(words, n)}
    assert paths(trace.disk, profile) == {" ".join(sorted([*n.split(), r])) for n in names for r in ("other", "c")}
    both_names(profile)


def x4(profile: Profile) -> None:
    volume = Volume(Trace().write("old", 10, b"WXYZ").disk, profile)
    (piece,) = volume.pending()
    old = volume.image({}, Torn(piece, 1, garbage=False)).files()["old"]
    assert old == OLD[:10] + b"W" + OLD[11:]
    garbage = volume.image({}, Torn(piece, 1, garbage=True)).files()["old"] or b""
    assert garbage[:11] == OLD[:10] + b"W"
    assert garbage[11:14] not in (b"XYZ", OLD[11:14])


def x5(profile: Profile) -> None:
    volume = Volume(Trace().write("old", 10, b"WXYZ").write("old", 600, b"far").disk, profile)
    for cut in all_cuts(volume):
        for torn in [
            None,
            *(Torn(e, keep, garbage=g) for e in volume.pending() for keep in (0, 1) for g in (True, False)),
        ]:
            content = volume.image(cut, torn).files()["old"] or b""
            assert (content[:10], content[14:600], content[603:]) == (OLD[:10], OLD[14:600], OLD[603:])


def x6(profile: Profile) -> None:
    trace = Trace().create("new").write("new", 0, b"abc").fsync("new")
    assert paths(trace.disk, profile) == {"dir old other", "dir new old other"}
    assert contents(trace.disk, profile, "new") == {None, b"abc"}


def names_of_a_synced_directory(profile: Profile) -> None:
    trace = Trace().create("dir/a").create("b").fsync("dir")
    assert paths(trace.disk, profile) == {"dir dir/a old other", "b dir dir/a old other"}
    moved = Trace().rename("old", "dir/old")
    assert paths(moved.fsync("dir").disk, profile) == {"dir dir/old old other", "dir dir/old other"}
    assert paths(moved.fsync("").disk, profile) == {"dir dir/old other"}


def both_names(profile: Profile) -> None:
    trace = Trace().rename("old", "dir/old")
    assert paths(trace.disk, profile) == {"dir old other", "dir dir/old old other", "dir dir/old other"}
    assert paths(Trace().rename("old", "new").disk, profile) == {"dir old other", "dir new other"}
    moved = Trace().mkdir("d").fsync("").rename("d", "dir/d")
    assert paths(moved.disk, profile) == {"d dir old other", "dir dir/d old other"}


def what_was_cut_comes_back(profile: Profile) -> None:
    trace = Trace().write("old", 750, b"x" * 5000).fsync("old").truncate("old", 100).fsync("").truncate("old", 5000)
    seen = {content for content in contents(trace.disk, profile, "old") if content and len(content) == 5000}
    old = OLD + b"x" * 5000
    assert {OLD[:100] + bytes(4900), old[:4096] + bytes(904)} <= seen
    assert not any(any((content or b"")[4096:5000]) for content in seen if content != old[:5000])
    trace.fsync("old")
    assert contents(trace.disk, profile, "old") == {OLD[:100] + bytes(4900)}


def zeros_before_the_size(profile: Profile) -> None:
    trace = Trace().truncate("old", 3).write("old", 0, b"!")
    early = {OLD[:3] + bytes(509) + OLD[512:], OLD[:512] + bytes(238), OLD[:3] + bytes(747)}
    assert early | {b"!" + content[1:] for content in early if content[3] == 0} | {OLD, OLD[:3], b"!" + OLD[1:3]} == (
        contents(trace.disk, profile, "old")
    )


def s2(profile: Profile) -> None:
    trace = Trace().write("old", 750, b"grown").write("old", 4095, b"xy")
    seen = {len(content or b""): content or b"" for content in contents(trace.disk, profile, "old")}
    assert seen.keys() == {750, 755, 4096, 4097}
    ends = {(c[750:755], c[4095:]) for c in contents(trace.disk, profile, "old") if c and len(c) > 4000}
    first = {(b"grown", b"x"), (b"grown", b"xy")}  # with the size of the first page all its bytes
    assert ends == first | {(grown, zero + b"y") for grown in (b"grown", bytes(5)) for zero in (b"x", b"\0")}


def a_grown_size_after_earlier_metadata(profile: Profile) -> None:
    trace = Trace().create("early").truncate("other", 3).write("old", 750, b"grown").create("late")
    for files in map(dict, left(trace.disk, profile)):
        assert len(files["old"] or b"") == 750 or ("early" in files and files["other"] == bytes(3))
    assert {("late" in dict(files), len(dict(files)["old"] or b"")) for files in left(trace.disk, profile)} == {
        (False, 750), (True, 750), (False, 755), (True, 755),
    }  # fmt: skip


def s6(profile: Profile) -> None:
    e5(profile)
    for trace in (Trace().rename("old", "new"), Trace().truncate("old", 750), Trace().link("old", "new")):
        path = trace.events and ("new" if "new" in trace.names else "old")
        trace.create("late").fdatasync(str(path))
        assert len(left(trace.disk, profile)) == 2
    assert len(left(Trace().truncate("other", 0).create("x").fdatasync("other").disk, profile)) == 2


def e11(profile: Profile) -> None:
    trace = Trace().create("x").rename("old", "y").truncate("other", 5).fsync("dir").create("z")
    assert paths(trace.disk, profile) == {"dir other x y", "dir other x y z"}
    assert contents(trace.disk, profile, "other") == {bytes(5)}


def e9(profile: Profile) -> None:
    for trace in (
        Trace().create("x").truncate("old", 750),
        Trace().create("x").write("old", 750, b"more").truncate("old", 750),
        Trace().create("x").rename("old", "new").rename("new", "old"),
    ):
        assert "dir old other" in paths(trace.fdatasync("old").disk, profile)
    for trace in (Trace().create("x").truncate("old", 7), Trace().create("x").truncate("old", 7).truncate("old", 750)):
        assert paths(trace.fdatasync("old").disk, profile) == {"dir old other x"}
    assert paths(Trace().create("x").create("old2").fdatasync("old2").disk, profile) == {"dir old old2 other x"}


def b1(profile: Profile) -> None:
    trace = Trace().write("old", 100, b"x" * 5000)
    new = OLD[:100] + b"x" * 5000
    assert contents(trace.disk, profile, "old") == {OLD, new[:4096], new, OLD + bytes(4096 - 750) + new[4096:]}


def b2(profile: Profile) -> None:
    trace = Trace().write("old", 0, b"first").write("other", 0, b"then")
    seen = {(dict(files)["old"] == OLD, dict(files)["other"]) for files in left(trace.disk, profile)}
    assert seen == {(True, b""), (False, b""), (True, b"then"), (False, b"then")}


def b3(profile: Profile) -> None:
    trace = Trace().create("early").write("old", 0, b"!")
    seen = {("early" in dict(files), (dict(files)["old"] or b"")[:1]) for files in left(trace.disk, profile)}
    assert seen == {(False, OLD[:1]), (True, OLD[:1]), (True, b"!")}
    trace.begin("old")  # which may have done its work when the power goes
    asked = {("early" in dict(files), (dict(files)["old"] or b"")[:1]) for files in left(trace.disk, profile)}
    assert asked == seen | {(False, b"!")}


def b4(profile: Profile) -> None:
    trace = Trace().rename("old", "a").create("new").rename("a", "b")
    assert paths(trace.disk, profile) == {
        *("dir old other", "a dir other", "b dir other"),
        *("dir new old other", "a dir new other", "b dir new other"),
    }


def b6(profile: Profile) -> None:
    trace = Trace().create("x").mkdir("d").create("d/f").link("d/f", "g").fsync("g")
    assert paths(trace.disk, profile) == {"d d/f dir g old other", "d d/f dir g old other x"}


def b10(profile: Profile) -> None:
    trace = Trace().create("new").create("tmp").fsync("new").rename("tmp", "new").create("x")
    assert "dir old other tmp" in paths(trace.disk, profile)
    assert "dir old other" in paths(trace.disk, profile)
    synced = Trace().create("new").fsync("new").create("tmp").fsync("tmp").rename("tmp", "new")
    assert paths(synced.disk, profile) == {"dir new old other tmp", "dir new old other"}
    assert paths(Trace().create("tmp").rename("tmp", "old").disk, profile) == {"dir old other", "dir old other tmp"}


def b7(profile: Profile) -> None:
    trace = Trace().create("x").rename("old", "moved").create("old").fsync("old")
    assert paths(trace.disk, profile) == {"dir moved old other", "dir moved old other x"}


ROWS = {
    "K1": k1,
    "K2": k2,
    "P1": p1,
    "P2": p2,
    "S1": sectors_in_any_order,
    "S2": s2,
    "S3": e3,
    "S4": a_grown_size_after_earlier_metadata,
    "S5": own_bytes_and_size_after_sync,
    "S6": s6,
    "S7": s7,
    "S8": s8,
    "S9": zeros_before_the_size,
    "E1": sectors_in_any_order,
    "E2": e2,
    "E3": e3,
    "E4": own_bytes_and_size_after_sync,
    "E5": e5,
    "E6": e6,
    "E7": e7,
    "E8": a_grown_size_after_earlier_metadata,
    "E9": e9,
    "E10": zeros_before_the_size,
    "E11": e11,
    "B1": b1,
    "B2": b2,
    "B3": b3,
    "B4": b4,
    "B5": own_bytes_and_size_after_sync,
    "B6": b6,
    "B7": b7,
    "B8": names_of_a_synced_directory,
    "B9": both_names,
    "B10": b10,
    "B11": what_was_cut_comes_back,
    "X1": sectors_in_any_order,
    "X2": x2,
    "X3": x3,
    "X4": x4,
    "X5": x5,
    "X6": x6,
    "X7": names_of_a_synced_directory,
    "X8": what_was_cut_comes_back,
}
"""What each row of the tables claims, on the shortest trace that shows it."""

OWNERS = {row.label: profile for profile in PROFILES.values() for row in profile.rows}


@pytest.mark.parametrize("label", ROWS)
def test_row(label: str) -> None:
    ROWS[label](OWNERS[label])


def test_every_row_has_a_test() -> None:
    assert list(OWNERS) == list(ROWS)
    assert sum(len(profile.rows) for profile in PROFILES.values()) == len(OWNERS)
    assert all(row.claim and row.evidence for profile in PROFILES.values() for row in profile.rows)


INCLUDED = [
    *((KILL, PREFIX), (KILL, POSIX), (PREFIX, POSIX)),
    *((KILL, XFS), (XFS, POSIX), (KILL, EXT4_ORDERED), (EXT4_ORDERED, POSIX)),
    (KILL, BTRFS),
]
"""Every disk that the first may leave, the second may leave too."""


@pytest.mark.parametrize(("strong", "weak"), INCLUDED, ids=lambda profile: profile.name)
@given(trace=traces())
@settings(max_examples=60)
def test_inclusions(strong: Profile, weak: Profile, trace: Trace) -> None:
    assert left(trace.disk, strong) <= left(trace.disk, weak)


def test_inclusions_that_do_not_hold() -> None:
    grown = Trace().write("old", 750, b"far").create("new")
    assert not left(grown.disk, EXT4_ORDERED) <= left(grown.disk, PREFIX)  # sectors, sizes and names are not in step
    renamed = Trace().create("new").write("old", 0, b"over").fsync("old")
    assert not left(renamed.disk, EXT4_ORDERED) <= left(
        renamed.disk, PREFIX
    )  # nor does a sync of one file cover another
    named = Trace().create("one").create("two")
    assert not left(named.disk, POSIX) <= left(named.disk, EXT4_ORDERED)  # the second name without the first
    assert not left(named.disk, PREFIX) <= left(named.disk, KILL)
    unchanged = Trace().create("one").fsync("dir")
    assert not left(unchanged.disk, XFS) <= left(unchanged.disk, EXT4_ORDERED)  # which commits for any directory
    assert not left(grown.disk, EXT4_ORDERED) <= left(grown.disk, XFS)  # where no size is kept without its bytes
    replaced = Trace().create("one").fsync("").create("two").rename("two", "one")
    assert not left(replaced.disk, BTRFS) <= left(replaced.disk, POSIX)  # POSIX has a name stay when it is replaced
    taken = Trace().rename("old", "a").create("new").fsync("new")
    assert not left(taken.disk, BTRFS) <= left(taken.disk, EXT4_ORDERED)  # names of two files are in no order


@given(trace=traces())
@settings(max_examples=60)
def test_prefix_is_within_ext4_ordered_where_no_sync_fails(trace: Trace) -> None:
    assume(all(event.ok for event in trace.events if isinstance(event, SyncEnd)))
    assert left(trace.disk, PREFIX) <= left(trace.disk, EXT4_ORDERED)


def test_prefix_is_not_within_ext4_ordered_after_a_failed_sync() -> None:
    trace = Trace().truncate("old", 3).fsync("old", ok=False).fsync("old")
    assert (len(left(trace.disk, PREFIX)), len(left(trace.disk, EXT4_ORDERED))) == (2, 1)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_a_profile_goes_by_its_name(profile: Profile) -> None:
    assert profile_named(profile.name) is profile


def test_an_unknown_profile_is_refused() -> None:
    with pytest.raises(
        UsageError, match="unknown profile 'ntfs'; there are: kill, prefix, xfs, ext4-ordered, btrfs, posix"
    ):
        profile_named("ntfs")


def test_the_standing_image_is_what_it_says() -> None:
    assert shown(standing()) == (("dir", None), ("old", OLD), ("other", b""))
