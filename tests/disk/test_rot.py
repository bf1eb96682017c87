"""Damage at rest: as text that parses back, what it does to an image, and every damage there is."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaoswal.disk.disk import Disk, apply_all
from chaoswal.disk.image import Image
from chaoswal.disk.rot import PLACES_MAX, WORDS, Damage, Past, Target, damages
from chaoswal.errors import UsageError
from chaoswal.trace import Create, Event, Truncate, Write
from tests.disk.traces import Trace, traces

TARGETS = st.builds(Target, role=st.text("az#._/-", min_size=1, max_size=12), nth=st.integers(1, 9))
PLACES = st.integers(0, 9999)
DAMAGES = st.one_of(
    st.builds(Damage, kind=st.just("flip"), file=TARGETS, at=PLACES, bit=st.integers(0, 7)),
    st.builds(Damage, kind=st.sampled_from(["zero", "garbage"]), file=TARGETS, at=PLACES),
    st.builds(Damage, kind=st.just("stale"), file=TARGETS, at=PLACES, back=st.integers(1, 9)),
    st.builds(Damage, kind=st.just("misdirect"), file=TARGETS, at=PLACES, to=TARGETS, to_sector=PLACES),
    st.builds(Damage, kind=st.just("truncate"), file=TARGETS, at=PLACES),
    st.builds(Damage, kind=st.just("remove"), file=TARGETS),
)
SECTORS = bytes(range(1, 201)) * 6
IMAGE = Image.of_files({"d": None, "d/wal-3": b"second", "wal-1": SECTORS, "wal-2": b"first"})
INODES = {path: inode for (_, path), inode in IMAGE.names.items()}


@given(DAMAGES)
def test_the_text_parses_back(damage: Damage) -> None:
    assert Damage.parse(str(damage)) == damage
    assert str(damage).startswith(WORDS)


@pytest.mark.parametrize(
    "text",
    [
        "flip bit 8 at 1 of a nth 1",
        "flip bit 1 at 1 of a",
        "zero sector -1 of a nth 1",
        "stale sector 1 of a nth 1 back 0",
        "stale sector 1 of a nth 1",
        "misdirect sector 1 of a nth 1 to b nth 1",
        "truncate a nth 1",
        "remove a",
        "remove",
    ],
)
def test_a_bad_line_says_what_is_wrong(text: str) -> None:
    with pytest.raises(UsageError, match="cannot read the damage"):
        Damage.parse(text)


def after(text: str, past: Past | None = None) -> dict[str, bytes | None] | None:
    damaged = Damage.parse(text).apply(IMAGE, past)
    return damaged.files() if damaged else None


def changed(text: str, past: Past | None = None) -> dict[str, bytes | None]:
    """What is different in the image, by path; None for what is gone."""
    files, before = after(text, past), IMAGE.files()
    assert files is not None
    assert not set(files) - set(before)
    return {path: files.get(path) for path in before if path not in files or files[path] != before[path]}


def test_what_each_kind_does() -> None:
    assert changed("flip bit 0 at 1 of wal-# nth 2") == {"wal-2": b"fhrst"}
    assert changed("flip bit 5 at 0 of d/wal-# nth 1") == {"d/wal-3": b"Second"}
    assert changed("truncate wal-# nth 2 to 2") == {"wal-2": b"fi"}
    assert changed("remove wal-# nth 1") == {"wal-1": None}
    assert changed("zero sector 0 of wal-# nth 2") == {"wal-2": bytes(5)}
    assert changed("zero sector 1 of wal-# nth 1") == {"wal-1": SECTORS[:512] + bytes(512) + SECTORS[1024:]}
    assert changed("zero sector 2 of wal-# nth 1") == {"wal-1": SECTORS[:1024] + bytes(176)}
    garbled = changed("garbage sector 1 of wal-# nth 1")["wal-1"]
    assert garbled is not None
    assert garbled[:512] + garbled[1024:] == SECTORS[:512] + SECTORS[1024:]
    assert garbled[512:1024] not in (SECTORS[512:1024], bytes(512))


def test_a_misdirected_write_is_cut_or_filled_to_what_is_there() -> None:
    assert changed("misdirect sector 0 of wal-# nth 1 to sector 0 of wal-# nth 2") == {"wal-2": SECTORS[:5]}
    there = SECTORS[:512] + b"first" + bytes(507) + SECTORS[1024:]
    assert changed("misdirect sector 0 of wal-# nth 2 to sector 1 of wal-# nth 1") == {"wal-1": there}


@pytest.mark.parametrize(
    "text",
    [
        "flip bit 0 at 5 of wal-# nth 2",
        "flip bit 0 at 0 of wal-# nth 3",
        "flip bit 0 at 0 of d nth 1",
        "zero sector 1 of wal-# nth 2",
        "stale sector 0 of wal-# nth 2 back 1",
        "misdirect sector 0 of wal-# nth 1 to sector 1 of wal-# nth 2",
        "misdirect sector 9 of wal-# nth 1 to sector 0 of wal-# nth 2",
        "truncate wal-# nth 2 to 5",
        "remove log nth 1",
        "remove wal-# nth 0",
    ],
)
def test_a_place_that_is_not_there_is_stale(text: str) -> None:
    assert after(text) is None


def test_an_empty_file_can_only_go() -> None:
    image = Image.of_files({"empty": b"", "full": b"full"})
    of_empty = {str(damage) for damage in damages(image) if "empty" in str(damage)}
    assert of_empty == {"remove empty nth 1"}
    for text in ("flip bit 0 at 0 of empty nth 1", "zero sector 0 of empty nth 1", "truncate empty nth 1 to 0"):
        assert Damage.parse(text).apply(image) is None
    for one, other in (("empty", "full"), ("full", "empty")):
        assert Damage.parse(f"misdirect sector 0 of {one} nth 1 to sector 0 of {other} nth 1").apply(image) is None
    assert Damage(kind="misdirect", file=Target(role="full")).apply(image) is None, "it went nowhere"


def past() -> Past:
    """A file of two sectors that has been written to twice."""
    inode = INODES["wal-2"]
    events: list[Event] = [
        Write(inode=inode, offset=0, data=b"FI", site="a:1"),
        Truncate(inode=inode, size=5, site="a:2"),
        Write(inode=inode, offset=0, data=b"firSt", site="a:3"),
        Write(inode=inode, offset=3, data=b"s", site="a:4"),
    ]
    return Past(Disk(image=IMAGE), events)


def test_versions_go_back_in_time() -> None:
    assert past().versions(INODES["wal-2"], 0, b"first") == [b"firSt", b"FIrst"]
    assert past().versions(INODES["wal-2"], 1, b"") == []
    assert past().versions(INODES["wal-1"], 0, SECTORS[:512]) == []
    assert changed("stale sector 0 of wal-# nth 2 back 2", past()) == {"wal-2": b"FIrst"}
    assert after("stale sector 0 of wal-# nth 2 back 3", past()) is None


@given(trace=traces(), data=st.data())
def test_versions_are_what_was_there_at_some_moment(*, trace: Trace, data: st.DataObject) -> None:
    moments = [apply_all(trace.image, trace.events[:count]) for count in range(len(trace.events) + 1)]
    inode = data.draw(st.sampled_from([i for i, held in moments[-1].contents.items() if held is not None]))
    held = [(moment.contents.get(inode) or b"")[:512] for moment in moments]
    now = held[-1]
    was = [sector[: len(now)].ljust(len(now), b"\0") for sector in reversed(held)]
    expected = [sector for sector in dict.fromkeys(was) if sector != now]
    assert Past(Disk(image=trace.image), trace.events).versions(inode, 0, now) == expected
    assert Past(Disk(image=trace.image).after(trace.events), ()).versions(inode, 0, now) == expected


def test_what_was_cut_away_does_not_come_back_with_what_is_written_behind_it() -> None:
    inode = INODES["wal-2"]
    events: list[Event] = [
        Truncate(inode=inode, size=3, site="a:1"),
        Write(inode=inode, offset=5, data=b"x", site="a:2"),
        Write(inode=inode, offset=0, data=b"y", site="a:3"),
    ]
    held = [b"fir\0\0x", b"fir\0\0\0", b"first\0"]
    assert Past(Disk(image=IMAGE), events).versions(inode, 0, b"yir\0\0x") == held


def test_a_number_that_is_given_to_a_new_file_begins_empty() -> None:
    events: list[Event] = [
        Create(directory=0, name="new", inode=INODES["wal-2"], site="a:1"),
        Write(inode=INODES["wal-2"], offset=2, data=b"x", site="a:2"),
    ]
    assert Past(Disk(image=IMAGE), events).versions(INODES["wal-2"], 0, b"\0\0x") == [bytes(3), b"fir"]


def test_every_damage_changes_something_and_comes_once() -> None:
    found = list(damages(IMAGE, past()))
    assert len({str(damage) for damage in found}) == len(found)
    assert {damage.kind for damage in found} == {word.strip() for word in WORDS}
    for damage in found:
        damaged = damage.apply(IMAGE, past())
        assert damaged is not None
        assert damaged.key != IMAGE.key
    flipped = {(damage.file.role, damage.file.nth, damage.at) for damage in found if damage.kind == "flip"}
    assert len(flipped) == len(SECTORS) + 11, "each byte of each file"


@pytest.mark.parametrize("sizes", [(1200, 5, 6), (512, 513, 0), (1024, 1025, 511)])
def test_which_writes_may_have_gone_astray(sizes: tuple[int, ...]) -> None:
    """From the first and the last sector of each file to the first and the last of each, and to the next."""
    files = {
        name: bytes(place // 512 + start for place in range(size))
        for name, size, start in zip("abc", sizes, (1, 11, 21), strict=True)
    }
    image = Image.of_files(files)
    last = {f"{name} nth 1": (size - 1) // 512 for name, size in zip("abc", sizes, strict=True) if size}
    texts = {f"sector {n} of {file} to sector {n + 1} of {file}" for file in last for n in range(last[file])}
    for file, to in itertools.product(last, repeat=2):
        for at, to_sector in itertools.product({0, last[file]}, {0, last[to]}):
            texts.add(f"sector {at} of {file} to sector {to_sector} of {to}")
    damaged = {text: Damage.parse(f"misdirect {text}").apply(image) for text in texts}
    expected = {f"misdirect {text}" for text, found in damaged.items() if found and found.key != image.key}
    assert {str(damage) for damage in damages(image) if damage.kind == "misdirect"} == expected
    assert expected


def test_each_sector_goes_back_in_time_and_bits_go_round() -> None:
    events = [Write(inode=INODES["wal-1"], offset=600, data=bytes([n]), site="a:1") for n in (7, 8, SECTORS[600])]
    stale = [str(damage) for damage in damages(IMAGE, Past(Disk(image=IMAGE), events)) if damage.kind == "stale"]
    assert stale == [f"stale sector 1 of wal-# nth 1 back {back}" for back in (1, 2)]
    assert all(damage.bit == damage.at % 8 for damage in damages(IMAGE) if damage.kind == "flip")


def test_damages_come_lazily_and_leave_scratch_alone() -> None:
    assert next(iter(damages(IMAGE))) == Damage(kind="remove", file=Target(role="d/wal-#"))
    assert {damage.file.role for damage in damages(IMAGE, scratch=("wal-*",))} == {"d/wal-#"}
    second = {damage.file.nth for damage in damages(IMAGE, scratch=("wal-1", "d/*"))}
    assert second == {2}, "what is left alone is counted all the same"


def test_a_large_file_is_damaged_at_equal_distances() -> None:
    large = Image.of_files({"log": b"x" * (3 * PLACES_MAX + 1)})
    flips = [damage.at for damage in damages(large) if damage.kind == "flip"]
    assert len(flips) <= PLACES_MAX
    assert flips == list(range(0, 3 * PLACES_MAX + 1, 4))
