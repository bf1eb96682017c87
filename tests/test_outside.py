"""Engines on real directories: what they show on an image, however they are run, and what they do that none should."""

import itertools
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chaoswal import outside, tmpfs, warm
from chaoswal.check import Judge
from chaoswal.disk.directory import lay
from chaoswal.disk.disk import Disk
from chaoswal.disk.image import EMPTY, Image
from chaoswal.engines.registry import EngineRef, Factory
from chaoswal.errors import Inconclusive, UsageError
from chaoswal.oracle import Observed
from chaoswal.record.traced import record
from chaoswal.record.working import factory_of
from chaoswal.verdict import Violation
from chaoswal.warm import Warm

HERE = "tests/test_outside.py"


class Lines:
    """A log of one file, a line each; the last one is cut where it is not whole."""

    contract = "log"
    promise = "append"
    runner = "forked"
    scratch = ("*.lock",)

    def __init__(self, root: str) -> None:
        self.root = root
        Path(root, "a.lock").write_bytes(b"%d" % os.getpid())
        self.path = Path(root, "log")
        whole, _, _ = self.path.read_bytes().rpartition(b"\n") if self.path.exists() else (b"", b"", b"")
        self.lines = whole.split(b"\n") if whole else []
        self.write()
        self.opened()

    def opened(self) -> None:
        pass

    def write(self) -> None:
        self.path.write_bytes(b"".join(line + b"\n" for line in self.lines))

    def append(self, payload: bytes) -> None:
        self.lines.append(payload)
        self.write()

    def sync(self) -> None:
        pass

    def records(self) -> Iterator[bytes]:
        return iter(self.lines)

    def close(self) -> None:
        self.path.write_bytes(b"closed")


class Fresh(Lines):
    runner = "fresh"


class InProcess(Lines):
    runner = "in-process"


class Aborts(Lines):
    def opened(self) -> None:
        if self.lines:
            os.write(2, b"it hurts\n")
            os.abort()


class Hangs(Lines):
    def opened(self) -> None:
        while self.lines:
            pass


class HangsAlways(Lines):
    def opened(self) -> None:
        while True:
            pass


class GoesOnBehind(Lines):
    """Has read as far as there are whole lines of records, leaves the rest where it is, and appends behind it."""

    def __init__(self, root: str) -> None:
        self.path = Path(root, "log")
        self.path.touch()
        *whole, rest = self.path.read_bytes().split(b"\n")
        wrong = [place for place, line in enumerate(whole) if not line.endswith(b"|")]
        self.lines = whole[: wrong[0] if wrong else None]
        self.recovered(torn=bool(wrong or rest))

    def recovered(self, *, torn: bool) -> None:
        pass

    def append(self, payload: bytes) -> None:
        self.lines.append(payload)
        with self.path.open("ab") as file:
            file.write(payload + b"\n")


class CutsFirst(GoesOnBehind):
    """The same, mended."""

    def recovered(self, *, torn: bool) -> None:
        if torn:
            self.write()


class PromisesNothing(GoesOnBehind):
    """The same as the first: what it loses it has not promised."""

    promise = "none"


class OpensOnce(CutsFirst):
    """Is sound, but for a mark that it cannot get over when it was killed behind an append."""

    def append(self, payload: bytes) -> None:
        super().append(payload)
        self.path.with_name("open").touch()

    def recovered(self, *, torn: bool) -> None:
        super().recovered(torn=torn)
        if self.path.with_name("open").exists():
            self.gives_up()

    def gives_up(self) -> None:
        raise RuntimeError("it was open")


class OpensOnceAndDiesInClosing(OpensOnce):
    def close(self) -> None:
        os.abort()


class AbortsWhenOpenedTwice(OpensOnce):
    def gives_up(self) -> None:
        os.abort()


class LocksByTime(Lines):
    """Takes a lock directory for held as long as nobody has touched it for ten seconds."""

    def opened(self) -> None:
        lock = Path(self.root, "held")
        if lock.exists() and time.time() - lock.stat().st_mtime < 10:
            raise RuntimeError("somebody else has it open")
        lock.mkdir(exist_ok=True)


class IsBusy(Lines):
    """Its port is taken, where there is anything to serve."""

    def opened(self) -> None:
        if self.lines:
            raise Inconclusive("could not start: the port is in use")


class Preloaded(Lines):
    """Shows whether a module was there before it was asked for."""

    preload: tuple[str, ...] = ("wave",)

    def records(self) -> Iterator[bytes]:
        return iter([b"there" if "wave" in sys.modules else b"not there"])


class NotPreloaded(Preloaded):
    preload = ()


class HangsAtTwo(Lines):
    def opened(self) -> None:
        while len(self.lines) == 2:
            pass


class DiesInClosing(Lines):
    def close(self) -> None:
        if len(self.lines) == 2:
            os.abort()


class Forgets(Lines):
    def append(self, payload: bytes) -> None:
        pass


class NamesItsPlace(Lines):
    def opened(self) -> None:
        if self.lines:
            raise OSError(f"cannot read {self.root}/log in {self.root}")


class WritesBeside(Lines):
    def opened(self) -> None:
        if self.lines:
            Path(self.root, "..", "beside").write_bytes(b"here")


class WritesBesideWhenItGoesOn(Lines):
    def write(self) -> None:
        super().write()
        if len(self.lines) > 2:
            Path(self.root, "..", "beside").write_bytes(b"here")


class CleansUpBeside(WritesBeside):
    def opened(self) -> None:
        super().opened()
        Path(self.root, "..", "beside").unlink(missing_ok=True)


class Raises(Lines):
    def opened(self) -> None:
        raise ZeroDivisionError("nothing to divide by")


def factory(name: str) -> Factory:
    return EngineRef(name=f"{HERE}:{name}").factory()


TORN = Image.of_files({"log": b"one\ntwo\nthr"})


@pytest.mark.parametrize("name", ["Lines", "InProcess"])
def test_what_it_shows_and_what_it_made_of_the_image(name: str) -> None:
    found = outside.recover(factory(name), TORN, (), probing=False)
    assert found.observed.records == [b"one", b"two"]
    assert found.observed.fault is None
    assert found.image is not None
    assert found.image.files() == {"log": b"one\ntwo\n"}  # without the lock, and not as closing leaves it
    again = outside.recover(factory(name), found.image, (), probing=True)
    assert again.observed.records == [b"one", b"two"]
    assert again.stuck is None


def test_a_fresh_process_for_each_image() -> None:
    found = outside.recover(factory("Fresh"), TORN, (), probing=False)
    assert found.observed.records == [b"one", b"two"]


def test_what_changes_nothing_says_so() -> None:
    assert outside.recover(factory("Lines"), Image.of_files({"log": b"one\n"}), (), probing=False).image is None


def test_a_crash_is_an_observation() -> None:
    found = outside.recover(factory("Aborts"), TORN, (), probing=False)
    assert found.observed.fault is not None
    assert found.observed.fault.kind is Violation.UNOPENABLE
    assert found.observed.fault.explanation == "recovery was ended by SIGABRT; last it printed: it hurts"
    assert outside.recover(factory("Aborts"), EMPTY, (), probing=False).observed.fault is None


def test_where_an_image_was_laid_is_not_told() -> None:
    found = outside.recover(factory("NamesItsPlace"), TORN, (), probing=False)
    assert found.observed.fault is not None
    assert found.observed.fault.explanation == "recovery raised OSError: cannot read log in ."


BESIDE = r"writes outside of its directory, at \S+/beside: no crash is tried there"


def test_of_one_that_writes_outside_nothing_is_said(tmp_path: Path) -> None:
    for name, probing in (("WritesBeside", False), ("WritesBesideWhenItGoesOn", True)):
        with pytest.raises(Inconclusive, match=BESIDE):
            outside.recover(factory(name), TORN, (), probing=probing)
        with pytest.raises(Inconclusive, match=BESIDE):
            list(outside.recover_all(factory(name), [EMPTY, TORN], (), probing=probing))
        (tmp_path / name).mkdir()
        lay(TORN, str(tmp_path / name))
        with closing(Warm(batch=1)) as server, pytest.raises(Inconclusive, match=BESIDE):
            outside.recover_in_place(server, factory(name), str(tmp_path / name), (), probing=probing)
        (tmp_path / "beside").unlink()


def test_what_leaves_nothing_outside_may_write_there() -> None:
    found = outside.recover(factory("CleansUpBeside"), TORN, (), probing=False)
    assert found.observed.records == [b"one", b"two"]
    assert outside.recover(factory("WritesBeside"), EMPTY, (), probing=False).observed.fault is None


def test_so_is_one_that_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chaoswal.patience._patience", 0.3)
    found = outside.recover(factory("Hangs"), TORN, (), probing=False)
    assert found.observed.fault is not None
    assert found.observed.fault.kind is Violation.HUNG
    assert found.observed.fault.explanation == "recovery did not end in time"


def lines(*counts: int) -> list[Image]:
    """Images of so many lines each."""
    return [Image.of_files({"log": b"line\n" * count}) for count in counts]


def shown(name: str, images: list[Image]) -> list[int | str]:
    """How many records each shows, or the kind of its fault."""
    found = outside.recover_all(factory(name), images, (), probing=False)
    return [one.observed.fault.kind if one.observed.fault else len(one.observed.records) for one in found]


@pytest.mark.parametrize("name", ["Lines", "InProcess"])
def test_many_at_once_show_what_each_shows(name: str) -> None:
    counts = range(2 * outside.TOGETHER + 1)
    assert shown(name, lines(*counts)) == list(counts)


def test_many_at_once_say_what_they_made_of_the_images() -> None:
    found = list(outside.recover_all(factory("Lines"), [TORN, *lines(1)], (), probing=False))
    assert [one.image and one.image.files() for one in found] == [{"log": b"one\ntwo\n"}, None]
    assert [one.stuck for one in outside.recover_all(factory("Lines"), lines(1, 2), (), probing=True)] == [None, None]
    stuck = [one.stuck for one in outside.recover_all(factory("Forgets"), lines(1, 2), (), probing=True)]
    assert [fault and fault.kind for fault in stuck] == [Violation.STUCK, Violation.STUCK]


def test_where_many_were_laid_is_not_told() -> None:
    for found in outside.recover_all(factory("NamesItsPlace"), [TORN, TORN], (), probing=False):
        assert found.observed.fault is not None
        assert found.observed.fault.explanation == "recovery raised OSError: cannot read log in ."


def test_of_many_only_the_one_that_dies_is_dead() -> None:
    assert shown("Aborts", lines(0, 0, 1, 0, 2, 0)) == [0, 0, "unopenable", 0, "unopenable", 0]


def test_one_whose_closing_kills_takes_nobody_along() -> None:
    assert shown("DiesInClosing", lines(0, 1, 2, 0, 1)) == [0, 1, 2, 0, 1]


def test_of_many_only_the_one_that_hangs_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chaoswal.patience._patience", 0.3)
    found = outside.recover_all(factory("HangsAtTwo"), lines(2, 1), (), probing=False)
    fault = next(found).observed.fault
    assert fault is not None
    assert fault.kind is Violation.HUNG
    monkeypatch.setattr(warm, "PATIENCE_SECONDS_MIN", 20.0)
    monkeypatch.setattr("chaoswal.patience._patience", 20.0)
    assert next(found).observed.records == [b"line"]


def test_one_that_does_not_go_on_is_stuck() -> None:
    found = outside.recover(factory("Forgets"), EMPTY, (), probing=True)
    assert found.stuck is not None
    assert found.stuck.kind is Violation.STUCK


LOCKED = Image.of_files({"held": None, "log": b"one\n"})


@pytest.mark.parametrize("way", ["laid", "in place"])
def test_a_lock_that_a_crash_left_is_old(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trap 7: a lock directory with a fresh mtime looks held, and that is no failure of the engine."""
    engine = factory("LocksByTime").name

    def seen() -> Observed:
        if way == "laid":
            root = tmp_path / str(len(list(tmp_path.iterdir())))
            root.mkdir()
            return next(outside.show(engine, LOCKED, str(root), (), probing=False)).observed
        (tmp_path / "held").mkdir(exist_ok=True)
        (tmp_path / "held").touch()
        return next(outside.look_at(engine, str(tmp_path), (), probing=False)).observed

    assert seen().fault is None
    monkeypatch.setattr("chaoswal.disk.directory._OLD_NANOSECONDS", 0)
    fault = seen().fault
    assert fault is not None
    assert "somebody else has it open" in fault.explanation


def test_a_recorded_run_finds_old_locks_too() -> None:
    """Trap 7."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    assert record(factory("LocksByTime"), [], Disk(image=LOCKED)).observed.fault is None


def test_a_busy_port_is_no_engine_that_cannot_be_opened() -> None:
    """Trap 7: what could not start, or was too slow to, says nothing of the image it was to be started on."""
    with pytest.raises(Inconclusive, match="the port is in use"):
        outside.recover(factory("IsBusy"), TORN, (), probing=False)


def test_what_is_preloaded_is_imported_before_the_fork(tmp_path: Path) -> None:
    """Trap 12: a forked child that imports the engine again for each image takes ten times as long."""
    with closing(Warm(batch=1)) as server:
        for name, shown in (("NotPreloaded", b"not there"), ("Preloaded", b"there")):
            root = tmp_path / name
            root.mkdir()
            server.prepare(factory_of, factory(name).name)
            outcome = server.do(outside.show, factory(name).name, TORN, str(root), (), False, seconds=60.0)
            assert outcome.items[0].observed.records == [shown]


def test_a_child_does_not_load_what_opens_images(monkeypatch: pytest.MonkeyPatch) -> None:
    named = EngineRef.parse("dbm.dumb").factory()  # those of this file would load it
    with closing(Warm(batch=1)) as server:
        monkeypatch.setattr(outside, "_server", lambda _: server)
        outside._warmed(named)
        loaded = server.do(eval, "['chaoswal.outside' in __import__('sys').modules]", seconds=60.0)
    assert loaded.items == [True]


HALF = Image.of_files({"log": b"one|\ntwo|\nthr"})


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("GoesOnBehind", Violation.LOST),
        ("CutsFirst", None),
        ("PromisesNothing", None),
        ("OpensOnce", Violation.UNOPENABLE),
        ("OpensOnceAndDiesInClosing", Violation.UNOPENABLE),
        ("AbortsWhenOpenedTwice", Violation.UNOPENABLE),
    ],
)
def test_what_is_taken_behind_a_recovery_outlives_a_kill(name: str, kind: Violation | None) -> None:
    """Whether it is asked for by itself or among others."""
    sight = Judge(factory(name)).sight(HALF.key, lambda: HALF, ())
    assert sight.observed.records == [b"one|", b"two|"]
    assert (sight.fault and sight.fault.kind) == kind
    among = Judge(factory(name))
    among.foresee({one.key: one for one in (HALF, TORN, EMPTY)}, ())
    assert among.sight(HALF.key, lambda: HALF, ()) == sight


def test_of_one_that_never_rests_nobody_knows_what_a_kill_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two readings must agree; here every one finds a file more."""
    read = itertools.count()
    monkeypatch.setattr(outside, "load", lambda _: Image.of_files({f"{next(read)}.tmp": b""}))
    found = next(outside.show(factory("GoesOnBehind").name, HALF, str(tmp_path), (), probing=True))
    assert found.stuck is None
    assert found.grown is None


class Lacking:
    """Has less than a log must have."""

    promise = "append"

    def __init__(self, root: str) -> None: ...

    def append(self, payload: bytes) -> None: ...


def test_what_it_promises() -> None:
    traits = outside.promises(f"{HERE}:Lines")
    assert traits.promise == {"append"}
    with pytest.raises(UsageError, match=r"cannot open .*nothing to divide by"):
        outside.promises(f"{HERE}:Raises")
    with pytest.raises(UsageError, match=r"cannot open .*unexpected keyword"):
        outside.promises(f"{HERE}:Lines no-such-option=1")
    with pytest.raises(UsageError, match=r"cannot open \S+:Lacking: Lacking has no sync\(\)"):
        outside.promises(f"{HERE}:Lacking")


def test_of_one_that_never_opens_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chaoswal.patience._patience", 0.3)
    with pytest.raises(Inconclusive, match=r"HangsAlways takes longer to open than 0\.3 s \(--patience\)"):
        outside.promises(f"{HERE}:HangsAlways")


def test_nothing_is_left_behind() -> None:
    """Not by openings that fill several batches, nor by those that were killed in one."""
    outside.recover(factory("Lines"), TORN, (), probing=False)
    before = count()
    assert len(shown("Lines", lines(*[1] * 3 * outside.BATCH))) == 3 * outside.BATCH
    outside.recover(factory("Aborts"), TORN, (), probing=False)
    assert count() == before


def count() -> tuple[int, int]:
    """Directories in memory, and descriptors of this process."""
    base = tmpfs.fresh_directory()
    base.rmdir()
    return len(list(base.parent.iterdir())), len(os.listdir("/proc/self/fd"))
