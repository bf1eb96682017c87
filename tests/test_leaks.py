"""Leaks: each kind is found where it is, and the sound engines have none."""

from typing import Any, ClassVar

import pytest

from chaoswal.disk.disk import Disk
from chaoswal.disk.image import Image
from chaoswal.engines.registry import EngineRef
from chaoswal.leaks import leaks
from tests import toys


class LeavesOpen(toys.ToyLog):
    """Opens its file once more than it closes it."""

    def cut(self) -> None:
        super().cut()
        self.vfs.open("log")


class LeavesFiles(toys.ToyLog):
    """One more file with each opening."""

    def cut(self) -> None:
        super().cut()
        self.vfs.create(f"trace.{len(self.vfs.list())}").close()


class LeavesAfterKill(toys.ToyLog):
    """A mark that is removed when the opening is over, and by nobody else."""

    def cut(self) -> None:
        super().cut()
        mark = f"opening.{len(self.vfs.list())}"
        self.vfs.create(mark).close()
        self.vfs.unlink(mark)


class LeavesMemory(toys.ToyLog):
    """Keeps what it has read."""

    kept: ClassVar[list[Any]] = []

    def cut(self) -> None:
        super().cut()
        self.kept.append(list(self.payloads))


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (LeavesOpen, "descriptors left open after opening and closing: log"),
        (LeavesFiles, "files left by 10 openings with nothing to do: 8 trace.#"),
        (LeavesAfterKill, "files that no recovery removes, of a kill after event"),
        (LeavesMemory, "bytes of memory stay behind with each opening, of 40"),
    ],
)
def test_a_leak_is_found(kind: type, what: str) -> None:
    fault = leaks(toys.factory(kind), reopenings=40)
    assert fault
    assert fault.kind == "leak"
    assert what in fault.explanation


def test_sound_engines_have_none() -> None:
    assert leaks(toys.factory(toys.ToyLog), reopenings=40) is None
    assert leaks(EngineRef.parse("wal wal_bytes=300").factory(), reopenings=40) is None


@pytest.mark.slow
@pytest.mark.parametrize("options", ["", " read_mode=mmap", " sync=explicit preallocate_bytes=4096", " frame=2"])
def test_the_builtin_log_has_none_in_many_openings(options: str) -> None:
    assert leaks(EngineRef.parse(f"wal{options}").factory(), reopenings=2000) is None


def test_what_cannot_be_opened_is_for_others_to_report() -> None:
    foreign = Disk(image=Image.of_files({"foreign": b"x"}))
    assert leaks(EngineRef.parse("wal").factory(), foreign) is None
