"""Directories and images: what is loaded is what is there, and what is saved is what was meant."""

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaoswal.disk.directory import common_bytes, difference, is_scratch, lay, load, number, save, without
from chaoswal.disk.image import EMPTY, Image
from chaoswal.errors import Inconclusive
from chaoswal.limits import OLD_SECONDS

NAMES = st.sampled_from(["a", "b", "c.tmp"])
FILES = st.dictionaries(NAMES, st.none() | st.binary(max_size=40), max_size=3)


def tree(files: dict[str, bytes | None], inner: dict[str, bytes | None]) -> Image:
    """An image with the inner files in each directory."""
    paths: dict[str, bytes | None] = {}
    for path, data in files.items():
        paths[path] = data
        if data is None:
            paths |= {f"{path}/{name}": content for name, content in inner.items()}
    return Image.of_files(paths)


@given(FILES, FILES, FILES, FILES)
def test_saving_over_anything_gives_the_image(
    tmp_path_factory: object,
    old: dict[str, bytes | None],
    old_inner: dict[str, bytes | None],
    new: dict[str, bytes | None],
    new_inner: dict[str, bytes | None],
) -> None:
    root = str(tmp_path_factory.mktemp("d"))  # type: ignore[attr-defined]
    for image in (tree(old, old_inner), tree(new, new_inner)):
        save(image, root)
        assert load(root).key == image.key
        assert difference(image, load(root)) == ""
        assert number(root) == load(root).names


@given(st.dictionaries(NAMES, st.integers(1, 4), max_size=3), st.dictionaries(NAMES, st.integers(1, 4), max_size=3))
def test_an_image_is_laid_with_its_hard_links(
    tmp_path_factory: object, here: dict[str, int], inside: dict[str, int]
) -> None:
    root = str(tmp_path_factory.mktemp("d"))  # type: ignore[attr-defined]
    contents = {1: b"", 2: b"two", 3: b"three", 4: b"four", 9: None}
    names = {(0, name): inode for name, inode in here.items()} | {(0, "dir"): 9}
    image = Image(names | {(9, name): inode for name, inode in inside.items()}, contents)
    lay(image, root)
    assert load(root).files() == image.files()
    paths = here | {f"dir/{name}": inode for name, inode in inside.items()}
    for path, inode in paths.items():
        for other, its in paths.items():
            assert os.path.samefile(os.path.join(root, path), os.path.join(root, other)) == (inode == its)
    for path in ("", *paths):
        assert OLD_SECONDS - 1 < time.time() - os.stat(os.path.join(root, path)).st_mtime < OLD_SECONDS * 3 / 2


def test_inodes_are_numbered_by_name_and_what_is_inside_a_directory_last(tmp_path: Path) -> None:
    save(Image.of_files({"a": None, "a/c": b"", "b": b""}), str(tmp_path))
    assert number(str(tmp_path)) == {(0, "a"): 1, (0, "b"): 2, (1, "c"): 3}


def test_what_is_the_same_is_not_written_again(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    before = (tmp_path / "a").stat()
    save(Image.of_files({"a": b"a", "b": b"b"}), str(tmp_path))
    after = (tmp_path / "a").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_large_files_are_read_to_their_end(tmp_path: Path) -> None:
    for size in (0, 1, (64 << 10) - 1, 64 << 10, (64 << 10) + 1, 200_000):
        data = os.urandom(size)
        (tmp_path / "a").write_bytes(data)
        assert load(str(tmp_path)).files() == {"a": data}


def test_links_and_pipes_are_neither_followed_nor_waited_for(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    assert load(str(tmp_path)).files() == {"gone": b"", "loop": b"", "pipe": b""}
    save(EMPTY, str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_difference_says_where_and_what() -> None:
    one = Image.of_files({"a": b"abc", "b": b"", "d": None})
    assert difference(one, Image.of_files({"a": b"abX", "b": b"", "d": None})) == (
        "a has 3 bytes, not 3, or other bytes from offset 2 on"
    )
    assert difference(one, Image.of_files({"a": b"abc", "d": None})) == "b is missing"
    assert difference(one, Image.of_files({"a": b"abc", "b": b"", "d": b""})) == "d is a file"
    assert difference(Image.of_files({"a": b"abc", "b": b""}), one) == "d is there, and nothing made it"
    assert difference(Image.of_files({"d": b""}), Image.of_files({"d": None})) == "d is a directory"
    assert difference(one, Image.of_files({"a": b"abX", "d": None}), ["a", "b"]) == ""
    assert difference(one, Image.of_files({"a": b"abX", "d": None}), ["a"]) == "b is missing"


@given(st.binary(), st.binary(), st.binary())
def test_the_common_beginning_is_as_long_as_it_can_be(begin: bytes, left: bytes, right: bytes) -> None:
    one, other = begin + left, begin + right
    length = common_bytes(one, other)
    assert length >= len(begin)
    assert one[:length] == other[:length]
    assert one[length : length + 1] != other[length : length + 1] or length == len(one) == len(other)


def test_scratch_goes_by_the_path_or_its_last_part() -> None:
    assert is_scratch("x/log-shm", ["*-shm"])
    assert is_scratch("x/y/LOCK", ["LOCK"])
    assert is_scratch("LOCK", ["LOCK"])
    assert not is_scratch("log", ["*-shm", "LOCK"])


def test_an_image_without_its_scratch_files() -> None:
    image = Image.of_files({"d": None, "d/LOCK": b"l", "d/a": b"a", "log-shm": b"s"})
    assert without(image, ["LOCK", "*-shm"]).files() == {"d": None, "d/a": b"a"}
    assert without(image, []).files() == image.files()


def test_what_cannot_be_looked_at_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Inconclusive, match="is gone"):
        load(str(tmp_path / "nowhere"))
    monkeypatch.setattr("chaoswal.disk.directory.FILE_BYTES_MAX", 1 << 20)
    large = tmp_path / "large"
    large.write_bytes(b"x" * (1 << 20))
    assert len(load(str(tmp_path)).files()["large"] or b"") == 1 << 20
    os.truncate(large, (1 << 20) + 1)
    with pytest.raises(Inconclusive, match="large is larger than 1 MiB"):
        load(str(tmp_path))
    large.unlink()
    with open(os.path.join(os.fsencode(tmp_path), b"\xff"), "wb"):
        pass
    with pytest.raises(Inconclusive, match="no text in UTF-8"):
        load(str(tmp_path))
