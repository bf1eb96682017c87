"""No simulated descriptor or path reaches the machine, whichever function of the library it is given to.

The machine knows none of them: it would answer every descriptor with EBADF, and every path with ENOTDIR. So where the
answer is another, it was not asked.
"""

import errno
import fcntl
import inspect
import io
import os
import re
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from chaoswal.errors import Inconclusive
from chaoswal.patched.install import install
from chaoswal.patched.mounts import FIRST_DESCRIPTOR, Mount, mounted
from chaoswal.vfs.memory import MemoryVfs

MEANT = re.compile(r"(?:.*_)?fd\d?|path|file|src|dst")
"""Parameters that are descriptors or paths."""

SPOKEN = {"utime": ["path", "times"], "get_terminal_size": ["fd"], "posix_spawn": ["path", "argv", "env"]}
SPOKEN |= {"posix_spawnp": ["path", "argv", "env"]}
"""The functions that tell no signature."""

HARMLESS = {"fspath", "register_at_fork"}

OTHERS: dict[str, Any] = {
    "actions": [],
    "advice": 0,
    "argv": ["x"],
    "attribute": "user.x",
    "blocking": True,
    "buffer": b"x",
    "buffers": [bytearray(1)],
    "command": os.F_TEST,
    "count": 1,
    "data": b"x",
    "device": 0,
    "env": {},
    "fd_low": FIRST_DESCRIPTOR,
    "fd_high": FIRST_DESCRIPTOR,
    "flags": 0,
    "gid": -1,
    "inheritable": True,
    "length": 1,
    "mode": 0o600,
    "name": "PC_NAME_MAX",
    "offset": 0,
    "pgid": 0,
    "position": 0,
    "times": None,
    "uid": -1,
    "value": b"1",
    "whence": 0,
}
"""Something for each of the other parameters that must be given."""


def required(name: str, function: Callable[..., Any]) -> list[str]:
    """The parameters that have to be given."""
    if name in SPOKEN:
        return SPOKEN[name]
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        return []
    return [one.name for one in parameters if one.default is one.empty and one.kind is not one.KEYWORD_ONLY]


def functions() -> Iterator[tuple[str, list[str]]]:
    """Every function of ``os`` that the machine does itself and that takes a descriptor or a path."""
    for name, function in sorted(vars(os).items()):
        original = inspect.unwrap(function) if callable(function) else None
        if inspect.isbuiltin(original) and name not in HARMLESS:
            parameters = required(name, original)
            if any(MEANT.fullmatch(parameter) for parameter in parameters):
                yield name, parameters


CASES = [
    pytest.param(name, parameters, which, id=f"{name}({which})")
    for name, parameters in functions()
    for which in parameters
    if MEANT.fullmatch(which)
]


@pytest.fixture
def mount() -> Mount:
    install()
    made = mounted(MemoryVfs())
    with open(f"{made.root}/there", "wb") as file:
        file.write(b"0123456789")
    os.mkdir(f"{made.root}/folder")
    return made


def outcome(name: str, parameters: list[str], given: dict[str, Any]) -> int | None:
    """The error by which a call failed, if it did; refusing loudly is fine."""
    return tried(os, name, *(given.get(one, OTHERS.get(one)) for one in parameters))


def tried(module: ModuleType, name: str, *arguments: Any) -> int | None:
    try:
        getattr(module, name)(*arguments)
    except OSError as error:
        return error.errno
    except (Inconclusive, TypeError):
        return None  # of a path that it does not take as a descriptor, or a descriptor it does not take as a path
    return None


def test_there_are_many() -> None:
    found = {name for name, _ in functions()}
    assert {"pread", "pwritev", "sendfile", "copy_file_range", "lockf", "posix_fallocate", "splice"} <= found
    assert {"open", "rename", "stat", "symlink", "execve", "getxattr", "login_tty"} <= found
    assert len(found) > 70


@pytest.mark.parametrize(("name", "parameters", "which"), CASES)
def test_a_descriptor_is_not_the_machines(mount: Mount, name: str, parameters: list[str], which: str) -> None:
    number = os.open(f"{mount.root}/there", os.O_RDWR)
    other = os.open(f"{mount.root}/there", os.O_RDWR)
    rest = {one: other for one in parameters if MEANT.fullmatch(one)}
    assert outcome(name, parameters, {**rest, which: number}) != errno.EBADF


@pytest.mark.parametrize(("name", "parameters", "which"), CASES)
def test_beside_one_of_the_machine(mount: Mount, tmp_path: Any, name: str, parameters: list[str], which: str) -> None:
    """Where a function takes two, the other may be a real one, which stays what it was."""
    real = tmp_path / "real"
    real.write_bytes(b"real")
    number = os.open(f"{mount.root}/there", os.O_RDWR)
    with open(real, "rb") as file:
        rest = {one: file.fileno() for one in parameters if MEANT.fullmatch(one)}
        assert outcome(name, parameters, {**rest, which: number}) != errno.EBADF or name in _WRITES_REAL
    assert real.read_bytes() == b"real"


_WRITES_REAL = {"sendfile", "copy_file_range"}
"""What writes into the other, which is open for reading only."""


@pytest.mark.parametrize(("name", "parameters", "which"), CASES)
def test_a_path_is_not_the_machines(mount: Mount, name: str, parameters: list[str], which: str) -> None:
    rest = {one: f"{mount.root}/other" for one in parameters if MEANT.fullmatch(one)}
    path = f"{mount.root}/{'folder' if name == 'rmdir' else 'there'}"
    assert outcome(name, parameters, {**rest, which: path}) != errno.ENOTDIR


@pytest.mark.parametrize("name", ["fcntl", "ioctl", "flock", "lockf"])
def test_fcntl(mount: Mount, name: str) -> None:
    number = os.open(f"{mount.root}/there", os.O_RDWR)
    for command in {fcntl.F_GETFL, fcntl.F_SETLK, fcntl.LOCK_EX | fcntl.LOCK_NB, 12345}:
        assert tried(fcntl, name, number, command) != errno.EBADF


def test_one_that_was_closed_is_no_more() -> None:
    install()
    number = os.open(f"{mounted(MemoryVfs()).root}/new", os.O_RDWR | os.O_CREAT)
    os.close(number)
    with pytest.raises(OSError) as caught:
        os.write(number, b"x")
    assert caught.value.errno == errno.EBADF


def test_numbers_are_never_used_again() -> None:
    install()
    root = mounted(MemoryVfs()).root
    first = os.open(f"{root}/new", os.O_RDWR | os.O_CREAT)
    os.close(first)
    assert os.open(f"{root}/new", os.O_RDWR) > first


def test_what_a_file_object_stands_for_will_do(mount: Mount) -> None:
    with open(f"{mount.root}/there", "ab") as file:
        file.write(b"x")
        file.flush()
        os.fsync(file)
        assert os.fstat(file.fileno()).st_size == 11
        assert isinstance(file, io.BufferedWriter)
