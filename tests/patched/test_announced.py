"""Which files Python announces to change, and what is told of those outside of a directory."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chaoswal.patched.announced import changed_by, changes_outside, stamp

HERE = os.getcwd()
WRITE = os.O_WRONLY | os.O_CREAT


@pytest.mark.parametrize(
    ("event", "arguments", "paths"),
    [
        ("open", ("/a/b", "w", WRITE), ["/a/b"]),
        ("open", (b"/a/b", "w", WRITE), ["/a/b"]),
        ("open", ("b", "w", WRITE), [f"{HERE}/b"]),
        ("open", ("/a/b", "r", os.O_RDONLY), []),
        ("open", ("/a", None, os.O_RDWR | os.O_TMPFILE), []),
        ("open", (3, "w", WRITE), []),
        ("open", ("/dev/null", "w", WRITE), []),
        ("open", ("/dev/shm/a", "w", WRITE), ["/dev/shm/a"]),
        ("open", ("/a/__pycache__/b.pyc", "wb", WRITE), []),
        ("os.rename", ("/a", "/b", -1, -1), ["/a", "/b"]),
        ("os.remove", ("/a", -1), ["/a"]),
        ("os.link", ("/a", "/b", -1, -1), ["/b"]),
        ("os.symlink", ("/a", "/b", -1), ["/b"]),
        ("os.truncate", ("/a", 0), ["/a"]),
        ("os.truncate", (3, 0), []),
        ("sqlite3.connect", ("/a",), ["/a"]),
        ("sqlite3.connect", (":memory:",), []),
        ("os.listdir", ("/a",), []),
    ],
)
def test_what_is_announced(event: str, arguments: tuple[Any, ...], paths: list[str]) -> None:
    assert list(changed_by(event, arguments)) == paths


def test_a_path_may_start_from_a_descriptor(tmp_path: Path) -> None:
    directory = os.open(tmp_path, os.O_RDONLY)
    assert list(changed_by("os.remove", ("a", directory))) == [f"{tmp_path.resolve()}/a"]
    os.close(directory)


def test_a_stamp_tells_a_change(tmp_path: Path) -> None:
    path = tmp_path / "a"
    assert stamp(str(path)) is None
    path.write_bytes(b"1")
    before = stamp(str(path))
    assert before == stamp(str(path)) is not None
    path.write_bytes(b"12")
    assert stamp(str(path)) != before


PROGRAM = """
import os, sys
from chaoswal.patched.announced import tell_outside
root, outside = sys.argv[1:]
tell_outside(root, lambda path, before: os.write(1, f"{os.path.relpath(path, outside)} {before is None}\\n".encode()))
open(f"{root}/inside", "w").close()
open(f"{root}/link", "a").close()
open(f"{root}/../outside/dots", "w").close()
open(f"{outside}/dots", "w").close()
os.chdir(outside)
open("relative", "w").close()
os.rename("relative", "renamed")
os.rename(f"{root}/inside", "moved")
if not os.fork():
    open("forked", "w").close()
    os._exit(0)
os.wait()
os.remove("there")
"""


def test_what_lies_outside_is_told_of_a_block_alone(tmp_path: Path) -> None:
    root, beside = tmp_path / "root", tmp_path / "beside"
    root.mkdir()
    (tmp_path / "there").touch()
    beside.touch()
    with changes_outside(str(root)) as stood:
        (root / "inside").touch()
        (tmp_path / "there").read_bytes()
        assert stood == {}
        before = stamp(str(beside))
        beside.write_bytes(b"1")
        (tmp_path / "new").touch()
    beside.write_bytes(b"12")
    (tmp_path / "later").touch()
    assert stood == {str(beside): before, str(tmp_path / "new"): None}


def test_what_lies_outside_is_told_once_and_before(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (outside / "there").touch()
    (root / "link").symlink_to(outside / "behind")
    words = [sys.executable, "-c", PROGRAM, str(root), str(outside)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "behind True",
        "dots True",
        "relative True",
        "renamed True",
        "moved True",
        "there False",
    ]
