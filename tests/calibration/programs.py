"""Short programs of raw file operations, done to any file system, and the images a profile allows after them.

A program is a list of lines such as ``write a 0 5000``. The same line is done to a real file system through RealVfs
and to a simulated one through MemoryVfs, whose events say what the profile allows. The bytes of a write follow from
the number of its line and are never zero, so that zeros are told from data.
"""

import itertools
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from chaoswal.disk.disk import Disk
from chaoswal.disk.image import Image
from chaoswal.disk.profiles import Order, Profile
from chaoswal.disk.volume import KEEP, Chain, Volume
from chaoswal.limits import SECTOR_BYTES
from chaoswal.vfs.memory import MemoryVfs
from chaoswal.vfs.protocol import Vfs
from chaoswal.vfs.real import RealVfs
from tests.calibration import loopfs

Program = Sequence[str]
Files = Mapping[str, bytes | None]

NUDGES = ("writeback", "commit", "tick")
CHANGES = ("create", "write", "write", "write", "append", "append", "truncate", "rename", "replace", "unlink")
WORDS = (*CHANGES, "fsync", "fdatasync", "syncdir", "writeback", "commit")
"""What is drawn from, writes more often than the rest."""


def pattern(line_index: int, length: int) -> bytes:
    """The bytes that the write in this line writes."""
    return bytes([1 + line_index % 255]) * length


def perform(vfs: Vfs, line_index: int, line: str) -> None:
    """Do one line, which is no nudge."""
    word, path, *rest = line.split()
    match word, rest:
        case "create", []:
            vfs.create(path).close()
        case "mkdir", []:
            vfs.make_directory(path)
        case "rename", [to]:
            vfs.rename(path, to)
        case "unlink", []:
            vfs.unlink(path)
        case "syncdir", []:
            vfs.sync_directory(path.strip("."))
        case _:
            _change_file(vfs, line_index, word, path, [int(number) for number in rest])


def _change_file(vfs: Vfs, line_index: int, word: str, path: str, numbers: list[int]) -> None:
    file = vfs.open(path, write=True)
    match word, numbers:
        case "write", [offset, length]:
            data = pattern(line_index, length)
            assert file.write(offset, data) == length
        case "truncate", [size]:
            file.truncate(size)
        case "fsync", []:
            file.sync()
        case "fdatasync", []:
            file.sync(data_only=True)
        case _:
            raise ValueError(f"{word} {path} {numbers}")
    file.close()


def perform_for_real(program: Program, root: Path) -> None:
    """Do a program and its nudges below ``root``."""
    vfs = RealVfs(root)
    for line_index, line in enumerate(program):
        word, _, path = line.partition(" ")
        if word == "writeback":
            loopfs.write_back(root / path)
        elif word == "commit":
            loopfs.commit(root)
        elif word == "tick":
            _await_new_timestamp(root)
        else:
            perform(vfs, line_index, line)


def _await_new_timestamp(root: Path) -> None:
    """Wait until the file system stamps changes with a later time, as an engine at work does sooner or later."""
    path = root / loopfs.NUDGE
    path.touch()
    before = path.stat().st_mtime_ns
    while path.stat().st_mtime_ns == before:
        os.utime(path)


def volume_after(program: Program, profile: Profile) -> Volume:
    """The simulated disk after a program."""
    vfs = MemoryVfs()
    for line_index, line in enumerate(program):
        if line.partition(" ")[0] not in NUDGES:
            perform(vfs, line_index, line)
    return Volume(Disk(events=tuple(vfs.events())), profile)


def allows(volume: Volume, seen: Files) -> bool:
    """Whether some cut leaves exactly these files: every moment of the journal, then each file on its own."""
    shared = [chain for chain in volume.chains.values() if chain.key == Order.JOURNAL]
    for moments in itertools.product(*(_moments(chain) for chain in shared)):
        cut = dict(zip(shared, moments, strict=True))
        image = volume.image(cut)
        paths = image.files()
        if paths.keys() == seen.keys() and all(_may_read(volume, cut, path, seen[path]) for path in paths):
            return True
    return False


def _may_read(volume: Volume, cut: dict[Chain, int], path: str, content: bytes | None) -> bool:
    inode = _inode_at(volume.image(cut), path)
    own = [chain for chain in volume.chains.values() if chain not in cut and chain.effects[0].inode == inode]
    sizes = [chain for chain in own if not isinstance(chain.key, tuple)]
    sectors = [chain for chain in own if isinstance(chain.key, tuple)]
    for moments in itertools.product(*(_moments(chain) for chain in sizes)):
        trial = cut | dict(zip(sizes, moments, strict=True))
        for chain in sectors:  # each on its own: together they would be too many
            trial[chain] = _best_moment(volume, trial, chain, content or b"")
        if volume.image(trial).contents[inode] == content:
            return True
    return False


def _best_moment(volume: Volume, cut: dict[Chain, int], chain: Chain, content: bytes) -> int:
    first = chain.effects[0]
    start = first.offset - first.offset % SECTOR_BYTES
    sector = slice(start, start + SECTOR_BYTES)
    for moment in _moments(chain):
        if (volume.image({**cut, chain: moment}).contents[first.inode] or b"")[sector] == content[sector]:
            return moment
    return KEEP


def _inode_at(image: Image, path: str) -> int:
    inode = 0
    for name in path.split("/"):
        inode = image.names[inode, name]
    return inode


def _moments(chain: Chain) -> list[int]:
    return [KEEP, *sorted({effect.moment for effect in chain.effects})]


def drawn(seed: int, length: int = 12) -> list[str]:
    """A program drawn by a seed: mostly small changes to a few files, some syncs, some nudges."""
    return list(itertools.islice(_draw(random.Random(seed)), length))


def _draw(chance: random.Random) -> Iterator[str]:
    files: dict[str, int] = {}
    fresh = (f"{'d/' if number % 3 == 2 else ''}f{number}" for number in itertools.count())
    yield "mkdir d"
    for _ in range(2):
        name = next(fresh)
        files[name] = 0
        yield f"create {name}"
    while True:
        name = chance.choice(list(files))
        word = chance.choice(WORDS)
        match word:
            case "create":
                name = next(fresh)
                files[name] = 0
                yield f"create {name}"
            case "write" | "append":
                offset = files[name] if word == "append" else chance.randrange(files[name] + 1)
                size = chance.choice((10, 300, 600, 1500))
                files[name] = max(files[name], offset + size)
                yield f"write {name} {offset} {size}"
            case "truncate":
                files[name] = chance.choice((0, files[name] // 2, files[name], files[name] + 700))
                yield f"truncate {name} {files[name]}"
            case "rename":
                to = next(fresh)
                files[to] = files.pop(name)
                yield f"rename {name} {to}"
            case "replace" if len(files) > 1:
                to = chance.choice([other for other in files if other != name])
                files[to] = files.pop(name)
                yield f"rename {name} {to}"
            case "unlink" if len(files) > 1:
                del files[name]
                yield f"unlink {name}"
            case "syncdir":
                yield f"syncdir {chance.choice('.d')}"
            case "commit":
                yield "commit"
            case "fsync" | "fdatasync" | "writeback":
                yield f"{word} {name}"
