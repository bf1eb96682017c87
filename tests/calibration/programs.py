"""Short programs of raw file operations, done to any file system, and the images a profile allows after them.

A program is a list of lines such as ``write a 0 5000``. The same line is done to a real file system and noted as the
events of a trace, which say what the profile allows. The bytes of a write follow from the number of its line and are
never zero, so that zeros are told from data.
"""

import itertools
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from chaoswal.disk.disk import Disk
from chaoswal.disk.effects import KEEP, Chain
from chaoswal.disk.image import EMPTY, Image
from chaoswal.disk.profiles import Kind, Profile
from chaoswal.disk.volume import Volume
from chaoswal.limits import SECTOR_BYTES
from chaoswal.realfs import loopfs
from chaoswal.trace import SyncEnd
from tests.disk.traces import Trace

Program = Sequence[str]
Files = Mapping[str, bytes | None]

NUDGES = ("writeback", "commit", "tick")
CHANGES = (
    *("create", "mkdir", "write", "write", "write", "append", "append", "truncate"),
    *("rename", "replace", "move", "link", "unlink"),
)
WORDS = (*CHANGES, "fsync", "fsync", "fdatasync", "syncdir", "writeback", "commit")
"""What is drawn from, writes more often than the rest."""


def pattern(line_index: int, length: int) -> bytes:
    """The bytes that the write in this line writes."""
    return bytes([1 + line_index % 255]) * length


def note(trace: Trace, line_index: int, line: str) -> None:
    """Add the events of one line, which is no nudge."""
    word, path, *rest = line.split()
    match word, rest:
        case (("create" | "mkdir" | "unlink" | "fsync" | "fdatasync"), []):
            getattr(trace, word)(path)
        case "syncdir", []:
            trace.fsync(path.strip("."))
        case "rename", [to] if trace.names[path] == trace.names.get(to):
            pass  # two names of one file: nothing happens
        case (("rename" | "link"), [to]):
            getattr(trace, word)(path, to)
        case "write", [offset, length]:
            trace.write(path, int(offset), pattern(line_index, int(length)))
        case "truncate", [size]:
            trace.truncate(path, int(size))
        case _:
            raise ValueError(line)


def perform(root: Path, line_index: int, line: str) -> None:
    """Do one line below ``root``."""
    word, _, rest = line.partition(" ")
    path, *numbers = rest.split() or [""]
    full = root / path
    match word, numbers:
        case "commit", []:
            loopfs.commit(root)
        case "tick", []:
            _await_new_timestamp(root)
        case "mkdir", []:
            full.mkdir()
        case "rename", [to]:
            full.rename(root / to)
        case "link", [to]:
            os.link(full, root / to)
        case "unlink", []:
            full.unlink()
        case _:
            _change_file(full, line_index, word, [int(number) for number in numbers])


def _change_file(path: Path, line_index: int, word: str, numbers: list[int]) -> None:
    flags = {"create": os.O_WRONLY | os.O_CREAT | os.O_EXCL, "syncdir": os.O_RDONLY | os.O_DIRECTORY}
    descriptor = os.open(path, flags.get(word, os.O_WRONLY), 0o600)
    try:
        match word, numbers:
            case "create", []:
                pass
            case "write", [offset, length]:
                assert os.pwrite(descriptor, pattern(line_index, length), offset) == length
            case "truncate", [size]:
                os.ftruncate(descriptor, size)
            case (("fsync" | "syncdir"), []):
                os.fsync(descriptor)
            case "fdatasync", []:
                os.fdatasync(descriptor)
            case "writeback", []:
                loopfs.write_back(descriptor)
            case _:
                raise ValueError(f"{word} {path} {numbers}")
    finally:
        os.close(descriptor)


def acts(program: Program) -> list[loopfs.Act]:
    """What a program does to a mounted file system, line by line."""
    return [partial(perform, line_index=index, line=line) for index, line in enumerate(program)]


def _await_new_timestamp(root: Path) -> None:
    """Wait until the file system stamps changes with a later time, as an engine at work does sooner or later."""
    path = root / loopfs.NUDGE
    path.touch()
    before = path.stat().st_mtime_ns
    while path.stat().st_mtime_ns == before:
        os.utime(path)


def volume_after(program: Program, profile: Profile, crash: str = "") -> Volume:
    """The simulated disk after a program; where the crash came inside its last line, a sync there has not ended."""
    trace = Trace(image=EMPTY)
    for line_index, line in enumerate(program):
        if line.partition(" ")[0] not in NUDGES:
            note(trace, line_index, line)
    sync_last = program[-1].startswith(("fsync", "fdatasync", "syncdir"))
    if crash == "inside" and sync_last and isinstance(trace.events[-1], SyncEnd):
        trace.events.pop()
    return Volume(Disk(events=tuple(trace.events)), profile)


def allows(volume: Volume, seen: Files) -> bool:
    """Whether some cut leaves exactly these files: every moment of the metadata, then each file on its own."""
    metadata = [chain for chain in volume.chains.values() if chain.effects[0].kind in volume.profile.metadata]
    names = [chain for chain in metadata if any(effect.kind is Kind.NAME for effect in chain.effects)]
    sizes = [chain for chain in metadata if chain not in names]
    for named in itertools.product(*map(_moments, names)):
        cut = dict(zip(names, named, strict=True))
        if volume.image(cut).files().keys() != seen.keys():
            continue
        for sized in itertools.product(*map(_moments, sizes)):
            if _all_may_read(volume, cut | dict(zip(sizes, sized, strict=True)), seen):
                return True
    return False


def _all_may_read(volume: Volume, cut: dict[Chain, int], seen: Files) -> bool:
    if dict(volume.needs.losing(cut)) != cut and any(
        moment < cut.get(chain, KEEP) for chain, moment in volume.needs.losing(cut).items() if chain in cut
    ):
        return False
    image = volume.image(cut)
    return all(_may_read(volume, cut, _inode_at(image, path), content) for path, content in seen.items())


def _may_read(volume: Volume, cut: dict[Chain, int], inode: int, content: bytes | None) -> bool:
    own = [chain for chain in volume.chains.values() if chain not in cut and chain.effects[0].inode == inode]
    sizes = [chain for chain in own if any(effect.kind is Kind.GROWTH for effect in chain.effects)]
    for moments in itertools.product(*map(_moments, sizes)):
        trial = cut | dict(zip(sizes, moments, strict=True))
        for chain in own:  # the bytes, each on its own: together they would be too many
            if chain not in sizes:
                trial[chain] = _best_moment(volume, trial, chain, content or b"")
        if volume.image(volume.needs.losing(trial)).contents.get(inode) == content:
            return True
    return False


def _best_moment(volume: Volume, cut: dict[Chain, int], chain: Chain, content: bytes) -> int:
    first = chain.effects[0]
    places = {effect.offset // SECTOR_BYTES for effect in chain.effects}
    for moment in _moments(chain):
        found = volume.image({**cut, chain: moment}).contents[first.inode] or b""
        if all(_sector(found, place) == _sector(content, place) for place in places):
            return moment
    return KEEP


def _sector(content: bytes, place: int) -> bytes:
    return content[place * SECTOR_BYTES : (place + 1) * SECTOR_BYTES]


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
            case "mkdir":
                folder = next(fresh)
                files[f"{folder}/x"] = 0
                yield f"mkdir {folder}"
                yield f"create {folder}/x"
            case "write" | "append":
                offset = files[name] if word == "append" else chance.randrange(files[name] + 1)
                size = chance.choice((10, 300, 600, 1500, 5000))
                files[name] = max(files[name], offset + size)
                yield f"write {name} {offset} {size}"
            case "truncate":
                files[name] = chance.choice((0, files[name] // 2, files[name], files[name] + 700))
                yield f"truncate {name} {files[name]}"
            case "rename" | "move":
                to = next(fresh) if word == "rename" else f"{'' if '/' in name else 'd/'}{next(fresh).strip('d/')}"
                files[to] = files.pop(name)
                yield f"rename {name} {to}"
            case "link":
                to = next(fresh)
                files[to] = files[name]
                yield f"link {name} {to}"
            case "replace" if len(files) > 1:
                to = chance.choice([other for other in files if other != name])
                files[to] = files.pop(name)
                yield f"rename {name} {to}"
            case "unlink" if len(files) > 1:
                del files[name]
                yield f"unlink {name}"
            case "syncdir" | "commit":
                yield "commit" if word == "commit" else f"syncdir {chance.choice('.d')}"
            case "fsync" | "fdatasync" | "writeback":
                yield f"{word} {name}"
