"""The recorder under strace: the trace replayed is the directory, or nothing is said; and what becomes of the lost."""

import ast
import shutil
from collections.abc import Sequence

import pytest

from chaoswal.disk.disk import Disk
from chaoswal.disk.faults import Fault as DiskFault
from chaoswal.disk.image import Image
from chaoswal.disk.profiles import POSIX
from chaoswal.disk.volume import Volume
from chaoswal.engines.registry import EngineRef
from chaoswal.errors import Inconclusive, UsageError
from chaoswal.ops import Append, Operation, Sync
from chaoswal.record import traced
from chaoswal.record.strace import whole_lines
from chaoswal.record.traced import record
from chaoswal.run import Run
from chaoswal.trace import ROOT, Begin, Create, End, Event, Link, SyncBegin, SyncEnd, Unlink, Write
from chaoswal.verdict import Violation
from tests.record.engines import fingerprint

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


def recorded(engine: str, operations: Sequence[Operation], disk: Disk | None = None) -> Run:
    factory = EngineRef.parse(f"tests/record/engines.py:{engine}").factory()
    return record(factory, operations, disk or Disk())


def shown(run: Run) -> dict[str, str]:
    """What the trace leaves, as the engine itself says what there is."""
    files = run.start.after(run.events).view.files()
    return {
        path: "directory" if data is None else fingerprint(data)
        for path, data in files.items()
        if not path.endswith(".scratch")
    }


def said(run: Run) -> dict[str, str]:
    """What the engine said there is, at the last sync."""
    ends = [event for event in run.events if isinstance(event, End)]
    found: dict[str, str] = ast.literal_eval(ends[-1].result)
    return found


@pytest.mark.parametrize("size", range(24))
def test_the_trace_of_calls_of_every_kind_is_what_they_left(size: int) -> None:
    run = recorded("Calls", [*[Append(size=size)] * 60, Sync()])
    assert shown(run) == said(run)
    assert len(run.events) > 130
    Volume(run.start.after(run.events), POSIX)  # and a trace that the disk model takes


@pytest.mark.slow
@pytest.mark.parametrize("size", range(100, 400))
def test_many_more_of_them(size: int) -> None:
    run = recorded("Calls", [*[Append(size=size)] * 100, Sync()])
    assert shown(run) == said(run)
    Volume(run.start.after(run.events), POSIX)


def test_a_run_goes_on_from_a_disk() -> None:
    """With its pending events, its directories, and one file under two names."""
    image = Image({(ROOT, "a"): 1, (ROOT, "d"): 2, (2, "b"): 1}, {1: b"before", 2: None})
    disk = Disk(image=image, events=(Write(inode=1, offset=6, data=b"!", site="s"),))
    run = recorded("Calls", [*[Append(size=5)] * 40, Sync()], disk)
    assert run.start is disk
    assert shown(run) == said(run)
    assert {event.ticket for event in run.events if isinstance(event, SyncBegin)}.isdisjoint({0, 1})


def test_other_programs_are_followed() -> None:
    run = recorded("Programs", [Append(size=1), Append(size=2), Sync()])
    assert shown(run) == said(run)
    assert {"b", "d/c"} <= shown(run).keys()


def test_a_descriptor_from_fcntl_makes_the_run_anew_with_fcntl_watched() -> None:
    run = recorded("Duplicates", [Append(size=100), Sync()])
    assert shown(run) == said(run)
    assert [type(event) for event in run.events if not isinstance(event, Begin | End)][:4] == [
        Create,
        Write,
        SyncBegin,
        SyncEnd,
    ]


def test_each_event_names_the_operation_it_comes_from() -> None:
    run = recorded("Duplicates", [Append(size=100)])
    assert {event.site for event in run.events if isinstance(event, Write)} == {"append"}


def test_stores_through_mmap_are_told_and_not_judged() -> None:
    with pytest.raises(Inconclusive, match=r"mapped has 4096 bytes.* \(mapped is mapped"):
        recorded("Mapped", [Append(size=1)])


def test_but_for_scratch_files_which_leave_no_trace() -> None:
    run = recorded("ScratchMapped", [Append(size=1)])
    assert [event for event in run.events if not isinstance(event, Begin | End)] == []


def test_what_is_not_simulated_is_told() -> None:
    with pytest.raises(Inconclusive, match="link is neither a file nor a directory"):
        recorded("Symbolic", [Append(size=1)])


def test_a_process_that_dies_ends_the_operation_it_was_at() -> None:
    run = recorded("Died", [Append(size=1), Append(size=1)])
    assert run.events[-2:] == [
        Begin(op_index=0),
        End(op_index=0, result="error ProcessDied: the process exited with 7; last it printed: no more"),
    ]


def test_what_threads_still_had_to_do_is_seen_to_the_end() -> None:
    size = 300 * 4096
    run = recorded("Writes", [Append(size=size)])
    assert sum(len(event.data) for event in run.events if isinstance(event, Write)) == size


def test_a_process_that_dies_in_the_opening_cannot_be_opened() -> None:
    run = recorded("DiedOpening", [Append(size=1)], Disk(image=Image.of_files({"a": b""})))
    assert run.opened == len(run.events) == 0
    assert run.observed.fault is not None
    assert run.observed.fault.kind is Violation.UNOPENABLE
    assert "SIGABRT" in run.observed.fault.explanation


def test_where_the_directory_was_is_not_told() -> None:
    """Neither of an opening that fails, nor of an operation, nor in the last words of a process."""
    files = Image.of_files({"a": b""})
    fault = recorded("NamesItsPlace", [], Disk(image=files)).observed.fault
    assert fault is not None
    assert fault.explanation == "recovery raised OSError: cannot read a in ."
    assert recorded("NamesItsPlace", [Append(size=1), Append(size=0)]).events[-3:] == [
        End(op_index=0, result="error OSError: cannot write a in ."),
        Begin(op_index=1),
        End(op_index=1, result="error ProcessDied: the process exited with 7; last it printed: gone from a"),
    ]


def test_a_process_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chaoswal.patience._patience", 0.07)
    run = recorded("HungOpening", [Append(size=1)], Disk(image=Image.of_files({"a": b""})))
    assert run.observed.fault is not None
    assert run.observed.fault.kind is Violation.HUNG


@pytest.mark.parametrize("engine", ["Ready", "Imports"])
def test_what_python_reads_is_not_in_the_trace(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trap 10: nearly all that a Python process does is to read its modules. Those that were there before are not read
    again, and reading is no event: only what changes the disk is.
    """
    lines: list[str] = []

    def read(text: str) -> list[str]:
        lines.extend(whole_lines(text))
        return whole_lines(text)

    monkeypatch.setattr(traced, "whole_lines", read)
    run = recorded(engine, [Append(size=3)])
    assert [type(event) for event in run.events] == [Create, Begin, Write, End]
    assert any(".pyc" in each for each in lines) == (engine == "Imports")


def test_a_run_is_made_once() -> None:
    operations: list[Operation] = [Append(size=3), Append(size=77)]
    assert recorded("Calls", operations) is recorded("Calls", operations)
    assert recorded("Calls", operations) is not recorded("Calls", operations[:1])


def test_errors_cannot_be_injected() -> None:
    factory = EngineRef.parse("tests/record/engines.py:Calls").factory()
    with pytest.raises(UsageError, match="no errors can be injected"):
        record(factory, [DiskFault.parse("fail EIO on fsync of * nth 1 once")], Disk())


def test_without_strace_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(UsageError, match="install the package strace"):
        traced.Recorder().record(EngineRef.parse("sqlite").factory(), [], Disk(), 0, ())


def test_where_strace_may_not_trace_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: "/bin/false")
    with pytest.raises(UsageError, match="is ptrace"):
        traced.Recorder().record(EngineRef.parse("sqlite").factory(), [], Disk(), 0, ())


def test_what_sqlite_does_in_its_default_mode() -> None:
    """The order of writes and syncs that its documentation of the WAL tells of."""
    run = record(EngineRef.parse("sqlite").factory(), [Append(size=100), Append(size=5)], Disk())
    names = {event.inode: event.name for event in run.events if isinstance(event, Create)}
    done = [_told(event, names) for event in run.events[run.opened :]]
    commit = ["write log.db-wal", "write log.db-wal", "sync log.db-wal", "end"]
    assert [what for what in done if what] == ["begin", *commit, "end of 0", "begin", *commit, "end of 1"]


def _told(event: Event, names: dict[int, str]) -> str:
    match event:
        case Write(inode=inode):
            return f"write {names[inode]}"
        case SyncBegin(inode=inode):
            return f"sync {names[inode]}"
        case SyncEnd():
            return "end"
        case Begin():
            return "begin"
        case End(result=result):
            return f"end of {result}"
        case Create() | Link() | Unlink():
            raise AssertionError("no name changes in a commit")
        case _:
            return ""
