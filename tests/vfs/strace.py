"""The same workload on the real and on the simulated file system, and what each did to the disk, as one list.

The real one runs in a process of its own under strace(1), which prints every system call that changes the disk with
its arguments in hexadecimal and its descriptors resolved to paths. The simulated one has its own events. Both become
a list of changes: a word, a path below the root, and what else says what was done, calls that failed left out.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from chaoswal.engines.wal import WalEngine
from chaoswal.ops import OPERATIONS, Operation
from chaoswal.text import line, parse
from chaoswal.trace import (
    ROOT,
    Create,
    Event,
    MakeDirectory,
    Rename,
    SyncBegin,
    Truncate,
    Unlink,
    Write,
)
from chaoswal.vfs.protocol import Vfs
from chaoswal.vfs.real import RealVfs
from chaoswal.vfs.runtime import StillRuntime
from chaoswal.workload import Driver

Change: TypeAlias = tuple[str | int | bytes, ...]
Options: TypeAlias = dict[str, Any]

CALLS = (
    "pwrite64,pwritev,pwritev2,ftruncate,openat,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,fsync,"
    "fdatasync,write,writev"
)
WRITES = ("pwrite64", "pwritev", "pwritev2", "write", "writev")
COMMAND = ("strace", "-f", "-y", "-xx", "-qq", "-s", "4194304", "-e", f"trace={CALLS}", "-e", "signal=none")
SCRATCH = WalEngine.scratch

_CALL = re.compile(r"^(?:\d+ +)?(\w+)\((.*)\) += (-?\d+)")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
_DESCRIPTOR = re.compile(r"^\d+<([^>]*)>")


def play(vfs: Vfs, options: Options, program: Sequence[Operation]) -> list[str]:
    """Perform a program on the builtin log and close it; the results in text form."""
    runtime = StillRuntime(1)
    driver = Driver(partial(_opened, vfs, runtime, options))
    results = [driver.perform(op_index, operation) for op_index, operation in enumerate(program)]
    driver.close()
    return results


def _opened(vfs: Vfs, runtime: StillRuntime, options: Options) -> Any:
    return WalEngine(vfs=vfs, runtime=runtime, **options)


def main() -> None:
    """The process under strace: a directory, and on stdin the options and the program; prints the results."""
    asked = json.load(sys.stdin)
    program = [parse(text, OPERATIONS) for text in asked["program"]]
    results = play(RealVfs(sys.argv[1]), asked["options"], program)
    json.dump(results, sys.stdout)


def play_under_strace(root: Path, log: Path, options: Options, program: Sequence[Operation]) -> list[str]:
    """Perform it in ``root`` in a process of its own, and leave what strace saw in ``log``; the results."""
    asked = json.dumps({"options": options, "program": [line(operation) for operation in program]})
    command = [*COMMAND, "-o", str(log), sys.executable, "-m", "tests.vfs.strace", str(root)]
    checkout = Path(__file__).parents[2]
    done = subprocess.run(command, input=asked, capture_output=True, text=True, cwd=checkout, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr}")
    results: list[str] = json.loads(done.stdout)
    return results


def seen_by_strace(text: str, root: Path) -> list[Change]:
    """What the lines of strace say was changed below ``root``."""
    return _below(root, (change for each in text.splitlines() for change in _changes(each)))


def _below(root: Path, changes: Iterable[Change]) -> list[Change]:
    found = []
    for word, path, *rest in changes:
        paths = [str(path), *(rest if word == "rename" else ())]
        relative = [_relative(root, str(each)) for each in paths]
        if relative[0] is not None and relative[0] not in SCRATCH:
            found.append((word, *relative, *(() if word == "rename" else rest)))
    return found


def _relative(root: Path, path: str) -> str | None:
    if path == str(root):
        return ""
    return path.removeprefix(f"{root}/") if path.startswith(f"{root}/") else None


def _changes(text: str) -> Iterator[Change]:
    if "unfinished" in text or "resumed" in text:
        raise ValueError(f"two threads at once are not expected here: {text}")
    call = _CALL.match(text)
    if call is None or int(call[3]) < 0:
        return
    name, arguments, result = call[1], call[2], int(call[3])
    strings = [bytes.fromhex(each[1].replace("\\x", "")) for each in _STRING.finditer(arguments)]
    paths = [each.decode() for each in strings] if name not in WRITES else []
    match name:
        case "openat" if "O_CREAT" in arguments:
            yield ("create", paths[0])
        case "mkdir" | "mkdirat":
            yield ("mkdir", paths[0])
        case "rename" | "renameat" | "renameat2":
            yield ("rename", paths[0], paths[1])
        case "unlink" | "unlinkat":
            yield ("unlink", paths[0])
        case "pwrite64":
            yield ("write", _open_path(arguments), int(arguments.rpartition(", ")[2]), strings[0][:result])
        case "pwritev" | "pwritev2":
            offset = re.split(r", ", arguments.rpartition("], ")[2])[1]
            yield ("write", _open_path(arguments), int(offset), b"".join(strings)[:result])
        case "write" | "writev":
            yield ("write without an offset", _open_path(arguments))
        case "ftruncate":
            yield ("truncate", _open_path(arguments), int(arguments.rpartition(", ")[2]))
        case "fsync" | "fdatasync":
            yield (name, _open_path(arguments))


def _open_path(arguments: str) -> str:
    """The path of the descriptor that stands first; that of a pipe or an unlinked file is no path below the root."""
    match = _DESCRIPTOR.match(arguments)
    if match is None:
        return ""
    path = match[1]
    return bytes.fromhex(path.replace("\\x", "")).decode() if path.startswith("\\x") else path


def recorded(events: Sequence[Event]) -> list[Change]:
    """What the events of a simulated disk that was empty say was changed."""
    path_of = {ROOT: ""}
    changes: list[Change] = []
    for event in events:
        match event:
            case Create() | MakeDirectory():
                path_of[event.inode] = _join(path_of[event.directory], event.name)
                changes.append(("create" if isinstance(event, Create) else "mkdir", path_of[event.inode]))
            case Rename():
                target = _join(path_of[event.to_directory], event.to_name)
                changes.append(("rename", _join(path_of[event.directory], event.name), target))
                path_of[event.inode] = target
            case Unlink():
                changes.append(("unlink", _join(path_of[event.directory], event.name)))
            case Write():
                changes.append(("write", path_of[event.inode], event.offset, event.data))
            case Truncate():
                changes.append(("truncate", path_of[event.inode], event.size))
            case SyncBegin():
                changes.append(("fdatasync" if event.data_only else "fsync", path_of[event.inode]))
            case _:
                pass
    return changes


def _join(directory: str, name: str) -> str:
    return f"{directory}/{name}" if directory else name


if __name__ == "__main__":
    main()
