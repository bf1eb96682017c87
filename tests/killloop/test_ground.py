"""The ground: what a directory must hold after a kill, and real kills inside large writes."""

import os
import random
import time
from pathlib import Path
from typing import Any

import multiprocess
import pytest

from chaoswal.disk.directory import load
from chaoswal.disk.profiles import profile_named
from chaoswal.errors import Inconclusive
from chaoswal.killloop.ground import Ground
from chaoswal.killloop.journal import Journal, read
from chaoswal.killloop.notes import Notes
from chaoswal.limits import PAGE_BYTES
from chaoswal.trace import Write
from chaoswal.vfs.noted import Moment, NotedVfs

LARGE = 8 << 20


class Witness:
    """Keeps notes, and ends nothing."""

    def __init__(self, notes: Notes) -> None:
        self.note = notes.note

    def reach(self, moment: Moment, code: int, path: str) -> None:
        pass

    def part(self, offset: int, length: int, path: str) -> int | None:
        return None


def noted(root: Path, act: Any) -> Journal:
    """The journal of what is done to a NotedVfs here."""
    notes = Notes(1 << 20)
    notes.start(1)
    act(NotedVfs(str(root), Witness(notes)))
    return read(notes.read())


def ten_bytes(vfs: NotedVfs) -> None:
    file = vfs.create("log")
    file.write(0, b"0123456789")
    file.close()


def test_what_was_noted_is_what_is_there(place: Path) -> None:
    ground = Ground(str(place))
    run, crash = ground.settle(noted(place, ten_bytes))
    assert (crash.point, crash.taken) == (len(run.events), 0)
    assert ground.view.files() == {"log": b"0123456789"} == load(str(place)).files()


@pytest.mark.parametrize("mistake", ["more", "other", "gone", "new"])
def test_a_change_that_was_not_noted_is_seen(place: Path, mistake: str) -> None:
    ground, journal = Ground(str(place)), noted(place, ten_bytes)
    log = place / "log"
    match mistake:
        case "more":
            log.write_bytes(b"0123456789!")
        case "other":
            log.write_bytes(b"0123456780")
        case "gone":
            log.unlink()
        case "new":
            (place / "other").touch()
    with pytest.raises(Inconclusive, match="not what the notes of its writer say"):
        ground.settle(journal)


@pytest.mark.parametrize(("made", "taken"), [(0, None), (3 * PAGE_BYTES, 0), (PAGE_BYTES, PAGE_BYTES)])
def test_a_write_in_flight_is_absent_whole_or_cut_at_a_page(place: Path, made: int, taken: int | None) -> None:
    data = os.urandom(3 * PAGE_BYTES)
    journal = noted(place, lambda vfs: vfs.create("log"))
    journal.in_flight = Write(inode=1, offset=0, data=data, site="here:1")
    (place / "log").write_bytes(data[:made])
    ground = Ground(str(place))
    run, crash = ground.settle(journal)
    assert ground.view.files() == {"log": data[:made]}
    assert crash.point == (2 if taken == 0 else 1)
    assert crash.taken == (taken or 0)
    assert run.events[-1] == journal.in_flight


def test_a_write_in_flight_that_was_cut_elsewhere_is_no_kill(place: Path) -> None:
    data = os.urandom(3 * PAGE_BYTES)
    journal = noted(place, lambda vfs: vfs.create("log"))
    journal.in_flight = Write(inode=1, offset=0, data=data, site="here:1")
    (place / "log").write_bytes(data[: PAGE_BYTES + 1])
    with pytest.raises(Inconclusive, match=r"in flight: write 12288 bytes at 0 \(here:1\)"):
        Ground(str(place)).settle(journal)


def test_a_power_cut_puts_a_state_of_the_profile_into_the_directory(place: Path) -> None:
    seen = set()
    for seed in range(30):
        root = place / str(seed)
        root.mkdir()
        ground = Ground(str(root))
        _, crash = ground.settle(noted(root, ten_bytes))
        ground.cut_power(profile_named("ext4-ordered"), random.Random(seed), crash.point)
        assert load(str(root)).files() == ground.disk.view.files() == ground.view.files()
        seen.add(str(ground.view.files()))
    assert seen >= {"{}", "{'log': b'0123456789'}", "{'log': b''}"}


def test_tearing_harms_only_what_no_sync_has_covered(place: Path) -> None:
    def synced(vfs: NotedVfs) -> None:
        file = vfs.create("log")
        file.write(0, b"0123456789")
        file.sync()

    for profile in ("ext4-ordered", "posix"):
        root = place / profile
        root.mkdir()
        ground = Ground(str(root))
        _, crash = ground.settle(noted(root, synced))
        assert ground.tear(profile_named(profile), random.Random(1), crash.point) is None
        assert load(str(root)).files() == {"log": b"0123456789"}


class Telling(Witness):
    """Says when a write of a file begins and ends, without what it takes to note it."""

    def __init__(self, notes: Notes, say: Any) -> None:
        super().__init__(notes)
        self.say = say.send_bytes

    def part(self, offset: int, length: int, path: str) -> int | None:
        self.say(b"begin")
        return None

    def reach(self, moment: Moment, code: int, path: str) -> None:
        if moment is Moment.MADE:
            self.say(b"end")


def _write_large(root: str, notes: Notes, byte: int, say: Any) -> None:
    file = NotedVfs(root, Telling(notes, say)).open("large", write=True)
    file.write(0, bytes([byte % 256]) * LARGE)
    time.sleep(10)


def test_a_kill_inside_a_large_write_leaves_a_part_of_it(place: Path) -> None:
    """With real processes: at some moments of a real SIGKILL a write is cut at a page boundary, and never elsewhere."""
    context, notes, chance = multiprocess.get_context("fork"), Notes(), random.Random(1)
    ground = Ground(str(place))
    notes.start(0)
    NotedVfs(str(place), Witness(notes)).create("large")
    ground.settle(read(notes.read()))
    parts: list[int] = []
    took = 0.0
    for number in range(1, 300):
        notes.start(number)
        hears, says = context.Pipe(duplex=False)
        process = context.Process(target=_write_large, args=(str(place), notes, number, says), daemon=True)
        process.start()
        says.close()  # ours: a child that dies is then the end of the pipe, and not a wait for ever
        hears.recv_bytes()
        begun = time.monotonic()
        if not took:  # the first is let through, to know how long one takes
            hears.recv_bytes()
            took = time.monotonic() - begun
        time.sleep(chance.random() * took)
        process.kill()
        process.join()
        _, crash = ground.settle(read(notes.read()))
        took *= 0.9 if crash.point else 1.1  # sooner where it had come to its end: how busy the machine is changes
        parts += [crash.taken] if crash.taken else []
        if len(parts) >= 3:
            break
    assert parts
    assert all(part % PAGE_BYTES == 0 for part in parts)
