"""Fault plans on real processes: what is refused, how each is brought about, and that what it plants is found."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from chaoswal.cli import main
from chaoswal.disk.faults import Fault
from chaoswal.disk.image import EMPTY
from chaoswal.engines.registry import EngineRef
from chaoswal.errors import Exit, UsageError
from chaoswal.killloop.blows import blow_of, met_at, must_be_real
from chaoswal.killloop.striking import Count, Strike, Striker
from chaoswal.ops import Append
from chaoswal.outside import promises
from chaoswal.record.calls import Recording
from chaoswal.record.points import Step, walk
from chaoswal.record.strace import calls
from chaoswal.record.tree import Tree
from chaoswal.verdict import Violation
from tests.killloop.conftest import ROOT

AIMED = "tests/killloop/aimed.py"

_HEAD = ['9 unlink("/dev/null/chaoswal .[[\\"holds\\", \\"/w\\"]]") = -1 ENOTDIR (Not a directory)']
_LINES = [
    *_HEAD,
    '9 openat(AT_FDCWD, "/r/log", O_RDWR|O_CREAT, 0666) = 4',
    '9 write(1, "outside", 7) = 7',
    '9 write(4, "abc", 3) = 3',
    "9 fsync(4) = 0",
    '9 openat(AT_FDCWD, "/r/0.wal", O_RDWR|O_CREAT, 0666) = 5',
    '9 pwrite64(5, "abcdef", 6, 10) = 6',
    "9 fsync(5) = 0",
    '9 rename("/r/log", "/r/old") = 0',
    f'9 pwrite64(5, "{"x" * 4096}", 4096, 16) = 4096',
]

_REAL = [
    ("fail EIO on fsync of *.wal nth 1 once", ("fsync:error=EIO:when=2",), None, None),
    ("fail EINTR on rename of log nth 1 once", ("rename:error=EINTR:when=1",), None, None),
    ("fail ENOSPC on write of * nth 2 once", ("pwrite64:error=ENOSPC:when=1",), None, None),
    ("fail EIO on write of * at offset 20 nth 1 once", ("pwrite64:error=EIO:when=2",), None, None),
    ("fail EIO on * of *.wal nth 2 once", ("pwrite64:error=EIO:when=1",), None, None),
    ("fail EIO on fsync of * nth 2 from then on", ("fsync:error=EIO:when=2+",), None, None),
    ("short write of *.wal nth 1 at 2 from then on", (), 12, None),
    ("fail ENOSPC on write of * nth 1 from then on", (), None, 4096),
]


def _steps(*lines: str) -> list[Step]:
    return walk(Recording(Tree(EMPTY), "/r"), calls(lines))


@pytest.mark.parametrize(("plan", "inject", "file_bytes", "disk_bytes"), _REAL, ids=[plan for plan, *_ in _REAL])
def test_a_plan_is_brought_about_at_the_call_that_it_means(
    plan: str, inject: tuple[str, ...], file_bytes: int | None, disk_bytes: int | None
) -> None:
    blow = blow_of(Fault.parse(plan), _steps(*_LINES))
    assert blow
    assert (blow.inject, blow.file_bytes, blow.disk_bytes) == (inject, file_bytes, disk_bytes)


@pytest.mark.parametrize("plan", [plan for plan, *_ in _REAL])
def test_no_write_is_said_to_be_short_that_was_never_made(plan: str) -> None:
    """Trap 11: with ``retval=4`` strace makes a write that writes nothing and returns 4. A limit cuts it, or a disk."""
    blow = blow_of(Fault.parse(plan), _steps(*_LINES))
    assert blow
    assert not any("retval" in one for one in blow.inject)
    assert not ("short" in plan and blow.inject)
    assert ("short" in plan) == (blow.file_bytes is not None)


def test_a_full_disk_strikes_the_first_write_that_needs_room() -> None:
    """The first two fit into the first page of each file."""
    blow = blow_of(Fault.parse("fail ENOSPC on write of * nth 2 from then on"), _steps(*_LINES))
    assert blow
    assert (str(blow.point), blow.disk_bytes) == ("pwrite64 nth 1 in the opening", 4096)


@pytest.mark.parametrize(
    "plan", ["fail EIO on fsync of *.wal nth 2 once", "short write of *.wal nth 2 at 0 from then on"]
)
def test_what_no_call_of_the_run_can_meet_strikes_none(plan: str) -> None:
    lines = [*_LINES[:-1], '9 pwrite64(5, "x", 1, 0) = 1']  # the write before it has gone beyond
    assert blow_of(Fault.parse(plan), _steps(*lines)) is None


def test_from_then_on_counts_each_system_call_of_the_kind_for_itself() -> None:
    blow = blow_of(Fault.parse("fail EIO on write of * nth 2 from then on"), _steps(*_LINES))
    assert blow
    assert {"write:error=EIO:when=3+", "pwrite64:error=EIO:when=1+", "writev:error=EIO:when=1+"} <= set(blow.inject)


def test_the_first_call_that_shows_the_fault_is_where_it_was_met() -> None:
    fault = Fault.parse("fail EIO on fsync of * nth 1 once")
    steps = _steps(*_HEAD, "9 fsync(4) = -1 EINTR (Interrupted)", "9 fsync(4) = -1 EIO (Input/output error) (INJECTED)")
    assert str(met_at(fault, steps)) == "fsync nth 2 in the opening"
    short = Fault.parse("short write of * nth 1 at 2 from then on")
    assert met_at(short, steps) is None
    assert str(met_at(short, _steps('9 write(4, "abc", 3) = 3', '9 write(4, "abc", 3) = 2'))).startswith("write nth 2")


_REFUSED = [
    ("lie on fsync of * nth 1 once", "before the power is cut"),
    ("short read of * nth 1 at 3", "these calls can be struck"),
    ("fail EIO on readdir of * nth 1 once", "these calls can be struck"),
    ("short write of * nth 1 at 3", "a limit that stays"),
    ("fail EIO on fsync of *.wal nth 1 from then on", "whatever the file is"),
]


@pytest.mark.parametrize(("plan", "why"), _REFUSED, ids=[plan for plan, _ in _REFUSED])
def test_what_cannot_be_done_to_a_real_process_is_refused(
    plan: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["kill-loop", "--fault", plan]) == Exit.USAGE
    assert why in capsys.readouterr().err


def test_a_full_disk_is_for_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(UsageError, match="only root may mount"):
        must_be_real(Fault.parse("fail ENOSPC on write of * nth 1 from then on"))


Struck = Callable[[str, str], tuple[list[Strike], Count]]


@pytest.fixture
def met(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Struck]:
    """Let an engine meet a fault: what that came to, and the counts."""
    monkeypatch.chdir(ROOT)
    with ExitStack() as stack:

        def met(engine: str, plan: str) -> tuple[list[Strike], Count]:
            ref = EngineRef.parse(f"{AIMED}:{engine}")
            factory = ref.factory()
            striker = Striker(ref, factory, promises(factory.name), str(place), Count())
            stack.enter_context(closing(striker))
            operations = [Append(size=10), Append(size=4000), Append(size=20)]
            return [one for one in striker.faulty(0, operations, Fault.parse(plan)) if one], striker.count

        yield met


_needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small file system")
_MET = [
    ("Swallows", "fail EIO on write of log.new nth 3 once", Violation.LOST),
    ("Replaces", "fail EIO on write of log.new nth 2 once", None),
    ("Replaces", "fail EINTR on fsync of * nth 2 once", None),
    ("Replaces", "short write of log.new nth 2 at 30 from then on", Violation.UNOPENABLE),  # which looks at no count
    pytest.param("Replaces", "fail ENOSPC on write of * nth 2 from then on", None, marks=_needs_root),
    pytest.param("Swallows", "fail ENOSPC on write of * nth 2 from then on", Violation.LOST, marks=_needs_root),
]


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.slow
@pytest.mark.parametrize(("engine", "plan", "kind"), _MET)
def test_what_an_error_does_to_an_engine_is_found(met: Struck, engine: str, plan: str, kind: Violation | None) -> None:
    strikes, count = met(engine, plan)
    assert (count.struck, count.missed) == (1, [])
    assert [strike.fault.kind for strike in strikes] == ([kind] if kind else [])
