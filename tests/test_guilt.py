"""Guilt: the sync that is missing is named, by the line it is missing behind; and where none is, that is said."""

from pathlib import Path
from typing import Any

import pytest

from chaoswal.disk.profiles import PROFILES
from chaoswal.engines.registry import EngineRef
from chaoswal.guilt import Guilt, fingerprint, guilty
from chaoswal.program import parse_step
from chaoswal.verdict import Violation
from chaoswal.vfs.protocol import Vfs
from tests import toys


class NoName(toys.ToyLog):
    """Never syncs the directory: the file itself may be gone."""

    def __init__(self, root: str = "", *, vfs: Vfs, runtime: Any = None) -> None:
        self.vfs = vfs
        self.file = vfs.open("log", write=True) if "log" in vfs.list() else vfs.create("log")
        self.payloads, self.end = self.read()
        self.cut()


class NeitherOfTwo(toys.ToyLog):
    """Keeps each record in two files, needs both, and syncs neither."""

    def __init__(self, root: str = "", *, vfs: Vfs, runtime: Any = None) -> None:
        self.twin = vfs.open("twin", write=True) if "twin" in vfs.list() else vfs.create("twin")
        super().__init__(vfs=vfs)
        if self.twin.size() < self.end:
            self.payloads, self.end = [], 0

    def append(self, payload: bytes) -> int:
        self.twin.write(self.end, bytes(8 + len(payload)))
        return super().append(payload)

    def sync(self) -> None:
        pass


class Stumbles(toys.ToyLog):
    """Cannot recover what ends in its first record."""

    def cut(self) -> None:
        if len(self.payloads) == 1:
            raise RuntimeError("only one")
        super().cut()


class ForgetsOne(toys.ToyLog):
    """Its recovery shows one record less, and leaves the file as it is."""

    def cut(self) -> None:
        del self.payloads[-1:]


class Wavers(toys.NoSync):
    """Makes fewer calls each time it is opened anew."""

    calls = 20

    def __init__(self, root: str = "", *, vfs: Vfs, runtime: Any = None) -> None:
        super().__init__(vfs=vfs)
        if not self.payloads:
            Wavers.calls -= 1
            for _ in range(Wavers.calls):
                self.vfs.sync_directory()


class Overwrites(toys.ToyLog):
    """Breaks its first record before it appends the next."""

    def append(self, payload: bytes) -> int:
        if self.end:
            self.file.write(0, bytes(4))
            self.file.sync()
            self.file.write(0, toys._HEAD.pack(len(self.payloads[0]), self.checksum(0, self.payloads[0])))
        return super().append(payload)


class GoesOn(toys.ToyLog):
    """Takes a sync that failed for one that did not."""

    def sync(self) -> None:
        try:
            self.file.sync(data_only=True)
        except OSError:
            self.failed = True


def blame(name: str, lines: list[str], profile: str = "posix", file: str = __file__) -> Guilt:
    guilt = guilty(EngineRef(name=f"{file}:{name}"), [parse_step(line) for line in lines], PROFILES[profile])
    assert guilt
    return guilt


LOST = ["append 1", "power-cut in operation 1 after end lose write of log nth 1"]


@pytest.mark.parametrize(
    ("name", "lines", "function", "words"),
    [
        (
            "NoName",
            [LOST[0], "power-cut in operation 1 after end lose create of log nth 1"],
            "NoName.__init__",
            "no sync of the directory after {} (create)",
        ),
        (
            "Stumbles",
            [LOST[0], "kill in operation 1 after end"],
            "Stumbles.cut",
            "not a missing sync: recovery fails at {}",
        ),
        (
            "ForgetsOne",
            [LOST[0], "kill in operation 1 after end"],
            "ToyLog.append",
            "not a missing sync: recovery is wrong, and changes nothing; before it came the write of log in {}",
        ),
        (
            "Overwrites",
            ["append 1", "append 1", "kill in operation 2 after sync-end of log nth 1"],
            "Overwrites.append",
            "not a missing sync: the disk is wrong from the write of log in {} on",
        ),
        (
            "GoesOn",
            ["fail EIO on fdatasync of log nth 1 once", *LOST],
            "ToyLog.append",
            "no fsync of log after {} (write)",
        ),
    ],
)
def test_blamed(name: str, lines: list[str], function: str, words: str) -> None:
    guilt = blame(name, lines)
    assert guilt.function == function
    assert guilt.words == words.format(guilt.site)
    assert guilt.sync == words.startswith("no ")


@pytest.mark.parametrize("profile", ["prefix", "ext4-ordered", "posix"])
def test_the_sync_that_is_missing(profile: str) -> None:
    guilt = blame("NoSync", LOST, profile, toys.__file__)
    assert guilt.function == "ToyLog.append"
    assert guilt.words == f"no fsync of log after {guilt.site} (write)"


def test_of_several_lost_events_the_one_that_would_have_helped() -> None:
    """A sync behind the first record does not help the second; one behind the second helps both."""
    lines = ["append 1", "append 700", "power-cut in operation 2 after end lose all"]
    guilt = blame("NoSync", lines, "posix", toys.__file__)
    assert guilt.words == f"no fsync of log after {guilt.site} (write)"


def test_two_syncs_where_one_is_not_enough() -> None:
    guilt = blame("NeitherOfTwo", ["append 1", "power-cut in operation 1 after end lose all"])
    first, second = guilt.words.split(", and ")
    assert first == f"no fsync of twin after {guilt.site} (write)"
    assert second.startswith("no fsync of log after ")


def test_a_plan_that_becomes_impossible_is_not_enough() -> None:
    """A sync behind the first record forbids the plan that loses it, and leaves others that lose the second."""
    lines = ["append 1", "append 1", "power-cut in operation 2 after end lose write of log nth 1"]
    guilt = blame("NoSync", lines, "posix", toys.__file__)
    assert guilt.sync
    last = blame("NoSync", LOST, "posix", toys.__file__)
    assert guilt.site == last.site, "both are the same line"


def test_where_nothing_is_wrong_nobody_is_to_blame() -> None:
    engine = EngineRef(name=f"{toys.__file__}:ToyLog")
    assert guilty(engine, [parse_step(line) for line in LOST], PROFILES["posix"]) is None


def test_a_fingerprint_outlives_lines_that_move(tmp_path: Path) -> None:
    """Another line number is the same cause; another function, file, kind or contract is another."""
    text = Path(toys.__file__).read_text(encoding="utf-8")
    seen = set()
    for number, head in enumerate(("", "\n\n# one more line\n")):
        path = tmp_path / str(number) / "toys.py"
        path.parent.mkdir()
        path.write_text(head + text, encoding="utf-8")
        guilt = blame("NoSync", LOST, "posix", str(path))
        seen.add((guilt.site, fingerprint("log", Violation.LOST, guilt)))
    assert len(seen) == 2, "the line is another"
    assert len({print_ for _, print_ in seen}) == 1
    mine = {print_ for _, print_ in seen}.pop()
    assert len(mine) == 6
    other = blame("NoName", [LOST[0], "power-cut in operation 1 after end lose create of log nth 1"])
    same = blame("NoSync", LOST, "posix", toys.__file__)
    others = {
        fingerprint("kv", Violation.LOST, same),
        fingerprint("log", Violation.PHANTOM, same),
        fingerprint("log", Violation.LOST, other),
    }
    assert len(others | {mine}) == 4


def test_of_an_engine_that_does_something_else_each_time_nobody_is_blamed() -> None:
    steps = [parse_step(line) for line in ("append 1", "power-cut in operation 1 after end lose write of log nth 1")]
    Wavers.calls = 20
    assert guilty(EngineRef(name="tests/test_guilt.py:Wavers"), steps, PROFILES["posix"]) is None
    assert guilty(EngineRef(name="tests/toys.py:NoSync"), steps, PROFILES["posix"]) is not None
