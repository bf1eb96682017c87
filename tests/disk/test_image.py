"""Images: equal exactly where paths, bytes and hard links are."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from chaoswal.disk.disk import Disk, apply_all, apply_name, overwrite, resize
from chaoswal.disk.image import EMPTY, Image, role
from chaoswal.trace import Begin, Create, End, Event, Link, Rename, SyncBegin, SyncEnd, Unlink
from tests.disk.traces import OLD, Trace

BYTES = st.binary(max_size=40)


def test_files() -> None:
    image = Image.of_files({"b": b"2", "d": None, "d/e": None, "d/e/f": b"deep", "a": b""})
    assert image.files() == {"a": b"", "b": b"2", "d": None, "d/e": None, "d/e/f": b"deep"}
    assert list(image.files()) == ["a", "b", "d", "d/e", "d/e/f"]
    assert EMPTY.files() == {}


def test_what_cannot_be_reached_is_not_there() -> None:
    image = Image({(0, "a"): 1, (7, "lost"): 2, (1, "below a file"): 2}, {1: b"a", 2: b"b", 7: None})
    assert image.files() == {"a": b"a"}
    assert image.key == Image({(0, "a"): 5}, {5: b"a"}).key


@given(st.dictionaries(st.sampled_from("abc"), BYTES), st.dictionaries(st.sampled_from("abc"), BYTES))
def test_keys_and_digests_are_equal_exactly_where_files_are(one: dict[str, bytes], other: dict[str, bytes]) -> None:
    first, second = Image.of_files(one), Image.of_files(dict(reversed(other.items())))
    assert (first.key == second.key) == (one == other) == (first.digest == second.digest)


def test_a_digest_is_stable() -> None:
    assert Image.of_files({"a": b"1", "d": None}).digest == "b8dead6a0bef5351"
    assert Image.of_files({"a": b"", "b": b"x"}).digest != Image.of_files({"a": b"x", "b": b""}).digest
    assert Image.of_files({"a": None}).digest != Image.of_files({"a": b""}).digest


def test_a_hard_link_is_not_a_copy() -> None:
    linked = Image({(0, "a"): 1, (0, "b"): 1}, {1: b"x"})
    copied = Image({(0, "a"): 1, (0, "b"): 2}, {1: b"x", 2: b"x"})
    assert linked.files() == copied.files()
    assert linked.key != copied.key


def test_keys_are_equal_exactly_where_paths_bytes_and_links_are() -> None:
    """Of three names, each the name of any of three files."""
    meant: dict[object, object] = {}
    for inodes in itertools.product((1, 2, 3), repeat=3):
        for data in itertools.product((b"x", b"y"), repeat=3):
            image = Image(
                {(0, name): inode for name, inode in zip("abc", inodes, strict=True)}, dict(enumerate(data, 1))
            )
            links = tuple(inodes.index(inode) for inode in inodes)
            meaning = links, tuple(image.files().items())
            assert meant.setdefault(image.key, meaning) == meaning
    assert len(set(meant.values())) == len(meant)


def test_the_names_of_files_are_those_in_their_directories() -> None:
    assert Image.of_files({"d": None, "d/e": b"", "f": b""}).names == {(0, "d"): 1, (1, "e"): 2, (0, "f"): 3}


def test_a_role_has_neither_numbers_nor_spaces() -> None:
    assert [role(path) for path in ("wal-12.log", "a 1/b", "")] == ["wal-#.log", "a_#/b", "."]


def test_syncs_and_markers_change_nothing() -> None:
    image = Image.of_files({"a": b"1"})
    markers: list[Event] = [
        Begin(op_index=0),
        SyncBegin(inode=1, data_only=False, ticket=1, site="s"),
        SyncEnd(inode=1, ticket=1, ok=True),
        End(op_index=0, result="None"),
    ]
    assert apply_all(image, markers).key == image.key


def test_all_events_applied() -> None:
    trace = Trace().mkdir("d").create("d/f").write("d/f", 3, b"x").link("old", "d/l").rename("d", "e").unlink("old")
    trace.truncate("other", 2)
    assert apply_all(trace.image, trace.events).files() == {
        "dir": None,
        "e": None,
        "e/f": b"\0\0\0x",
        "e/l": OLD,
        "other": b"\0\0",
    }
    more = Trace().write("old", 3, b"x").truncate("old", 5).mkdir("made")
    assert apply_all(more.image, more.events).files() == {
        "dir": None,
        "made": None,
        "old": OLD[:3] + b"x" + OLD[4:5],
        "other": b"",
    }


def test_a_name_that_is_gone_already_stays_gone() -> None:
    names = {(0, "b"): 2}
    apply_name(names, Unlink(directory=0, name="a", inode=1, site="s"))
    assert names == {(0, "b"): 2}
    apply_name(names, Rename(directory=0, name="a", to_directory=0, to_name="c", inode=1, site="s"))
    assert names == {(0, "b"): 2, (0, "c"): 1}


def test_a_disk_remembers_and_its_view_applies() -> None:
    event = Create(directory=0, name="a", inode=1, site="s")
    disk = Disk().after([event])
    assert (disk.events, disk.image.files(), disk.view.files()) == ((event,), {}, {"a": b""})
    linked = disk.after([Link(directory=0, name="b", inode=1, site="s")])
    assert linked.view.files() == {"a": b"", "b": b""}
    assert Disk(image=disk.view).view is disk.view
    assert Disk(image=linked.view).after([event]).view.files() == linked.view.files()


@given(BYTES, st.integers(0, 60), BYTES)
def test_overwrite_and_resize(content: bytes, offset: int, data: bytes) -> None:
    expected = bytearray(content.ljust(offset if data else 0, b"\0"))
    expected[offset : offset + len(data)] = data
    assert overwrite(content, offset, data) == bytes(expected)
    assert resize(content, offset) == (content + bytes(60))[:offset]
