"""RealVfs: the errnos of POSIX, the lock and its text, and never a path outside the root."""

import errno
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from chaoswal.vfs.protocol import Vfs
from chaoswal.vfs.real import RealFile, RealVfs


@pytest.fixture
def vfs(tmp_path: Path) -> RealVfs:
    return RealVfs(tmp_path)


def test_it_is_a_vfs(tmp_path: Path) -> None:
    vfs: Vfs = RealVfs(str(tmp_path))
    assert vfs.list() == []


def test_bytes_go_where_they_were_put(vfs: RealVfs) -> None:
    file = vfs.create("a")
    assert file.write(3, b"abc") == 3
    assert file.read(0, 10) == b"\0\0\0abc"
    assert file.read(4, 1) == b"b"
    assert file.read(6, 1) == b""
    file.truncate(4)
    file.truncate(6)
    assert (file.size(), file.read(0, 10)) == (6, b"\0\0\0a\0\0")
    file.sync()
    file.sync(data_only=True)
    file.close()
    file.close()
    assert (Path(vfs.root) / "a").read_bytes() == b"\0\0\0a\0\0"


def test_names(vfs: RealVfs) -> None:
    vfs.make_directory("d")
    vfs.create("d/b").close()
    vfs.create("a").close()
    vfs.rename("a", "d/a")
    vfs.sync_directory("d")
    vfs.sync_directory()
    assert (vfs.list(), vfs.list("d")) == (["d"], ["a", "b"])
    vfs.unlink("d/b")
    assert vfs.list("d") == ["a"]


def _closed(vfs: RealVfs) -> RealFile:
    file = vfs.open("file", write=True)
    file.close()
    return file


REFUSED: list[tuple[str, int, Callable[[RealVfs], object]]] = [
    ("open what is missing", errno.ENOENT, lambda vfs: vfs.open("missing")),
    ("open a directory", errno.EISDIR, lambda vfs: vfs.open("directory")),
    ("open a directory for writing", errno.EISDIR, lambda vfs: vfs.open("directory", write=True)),
    ("open the root", errno.EISDIR, lambda vfs: vfs.open("")),
    ("open below a file", errno.ENOTDIR, lambda vfs: vfs.open("file/x")),
    ("create what exists", errno.EEXIST, lambda vfs: vfs.create("file")),
    ("create a directory's name", errno.EEXIST, lambda vfs: vfs.create("directory")),
    ("create in a missing directory", errno.ENOENT, lambda vfs: vfs.create("missing/x")),
    ("create too long a name", errno.ENAMETOOLONG, lambda vfs: vfs.create("x" * 256)),
    ("list what is missing", errno.ENOENT, lambda vfs: vfs.list("missing")),
    ("list a file", errno.ENOTDIR, lambda vfs: vfs.list("file")),
    ("rename what is missing", errno.ENOENT, lambda vfs: vfs.rename("missing", "x")),
    ("rename a file over a directory", errno.EISDIR, lambda vfs: vfs.rename("file", "directory")),
    ("rename a directory over a file", errno.ENOTDIR, lambda vfs: vfs.rename("directory", "file")),
    ("rename a directory into itself", errno.EINVAL, lambda vfs: vfs.rename("directory", "directory/x")),
    ("unlink what is missing", errno.ENOENT, lambda vfs: vfs.unlink("missing")),
    ("unlink a directory", errno.EISDIR, lambda vfs: vfs.unlink("directory")),
    ("make a directory that exists", errno.EEXIST, lambda vfs: vfs.make_directory("directory")),
    ("sync a missing directory", errno.ENOENT, lambda vfs: vfs.sync_directory("missing")),
    ("sync a file as a directory", errno.ENOTDIR, lambda vfs: vfs.sync_directory("file")),
    ("write through a reading descriptor", errno.EBADF, lambda vfs: vfs.open("file").write(0, b"x")),
    ("truncate through a reading descriptor", errno.EINVAL, lambda vfs: vfs.open("file").truncate(0)),
    ("read a closed file", errno.EBADF, lambda vfs: _closed(vfs).read(0, 1)),
    ("write a closed file", errno.EBADF, lambda vfs: _closed(vfs).write(0, b"x")),
    ("truncate a closed file", errno.EBADF, lambda vfs: _closed(vfs).truncate(0)),
    ("ask a closed file for its size", errno.EBADF, lambda vfs: _closed(vfs).size()),
    ("sync a closed file", errno.EBADF, lambda vfs: _closed(vfs).sync()),
    ("sync the data of a closed file", errno.EBADF, lambda vfs: _closed(vfs).sync(data_only=True)),
    ("an absolute path", errno.EINVAL, lambda vfs: vfs.open("/etc/passwd")),
    ("climb out", errno.EINVAL, lambda vfs: vfs.list("..")),
    ("climb out from below", errno.EINVAL, lambda vfs: vfs.create("directory/../../x")),
    ("move out", errno.EINVAL, lambda vfs: vfs.rename("file", "../file")),
    ("lock outside", errno.EINVAL, lambda vfs: vfs.lock("../lock", "me")),
]


@pytest.mark.parametrize(("code", "call"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_is_refused(vfs: RealVfs, code: int, call: Callable[[RealVfs], object]) -> None:
    vfs.create("file").close()
    vfs.make_directory("directory")
    with pytest.raises(OSError) as caught:
        call(vfs)
    assert caught.value.errno == code
    assert (vfs.list(), vfs.list("directory")) == (["directory", "file"], [])


@pytest.mark.parametrize(("name", "kind"), [("missing", FileNotFoundError), ("file", NotADirectoryError)])
def test_a_root_that_is_no_directory_is_named(tmp_path: Path, name: str, kind: type[OSError]) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(kind) as caught:
        RealVfs(tmp_path / name)
    assert caught.value.filename == str(tmp_path / name)


def test_no_descriptor_is_left_or_inherited(vfs: RealVfs) -> None:
    before = set(os.listdir("/dev/fd"))
    file, lock = vfs.create("a"), vfs.lock("LOCK", "me")
    opened = [int(name) for name in set(os.listdir("/dev/fd")) - before]
    assert not any(os.get_inheritable(number) for number in opened if _is_open(number))
    vfs.sync_directory()
    with pytest.raises(OSError):
        vfs.open("")
    with pytest.raises(BlockingIOError):
        vfs.lock("LOCK", "you")
    file.close()
    lock.release()
    assert set(os.listdir("/dev/fd")) == before


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def test_a_taken_lock_says_who_has_it(vfs: RealVfs) -> None:
    lock = vfs.lock("LOCK", "a much longer text than the next")
    with pytest.raises(BlockingIOError) as caught:
        vfs.lock("LOCK", "second")
    assert caught.value.errno == errno.EAGAIN
    assert caught.value.strerror == "a much longer text than the next"
    lock.release()
    lock.release()
    again = vfs.lock("LOCK", "second")
    assert (Path(vfs.root) / "LOCK").read_text() == "second\n"
    again.release()


HOLDER = """
import signal, sys
from chaoswal.vfs.real import RealVfs
lock = RealVfs(sys.argv[1]).lock("LOCK", "the one that dies")
print("locked", flush=True)
signal.pause()
"""


def test_a_dead_holder_frees_the_lock(vfs: RealVfs) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, vfs.root], stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout is not None
            select.select([holder.stdout], [], [], 30)
            assert holder.stdout.readline() == b"locked\n"
            with pytest.raises(BlockingIOError, match="the one that dies"):
                vfs.lock("LOCK", "the heir")
        finally:
            holder.send_signal(signal.SIGKILL)
    vfs.lock("LOCK", "the heir").release()
