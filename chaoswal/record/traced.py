"""The recorder ``syscalls``: an engine of any kind works on a real directory under strace, and that becomes a trace.

Theory of operation
-------------------
The server that forks for each run (``warm``) is itself run under strace, which sees every process that comes of it
(``-f``) and stops it at the calls that matter only (``--seccomp-bpf``). Its lines go to a file in memory. A run is a
fork that works (``working``) and ends; then its lines are read, followed call by call (``calls``), and what comes of it
is compared with the directory, byte for byte. Where they differ something was not seen, like stores through mmap, and
nothing can be said of such an engine but that: Inconclusive. Files that the adapter names as ``scratch`` hold nothing
durable: they are left out of the comparison, and of the trace, so that no crash leaves one.

Engines that lock through fcntl call it many times an operation, and watching it makes them twice as slow. So it is
watched only where a descriptor turns up that nothing gave out: then the run is made again.

No engine needs to be deterministic: a run that was recorded is not made again by this process, but remembered.
"""

import os
import shutil
from collections import OrderedDict
from collections.abc import Collection, Sequence
from functools import cache
from pathlib import Path

from chaoswal.disk.directory import difference, is_scratch, lay, load
from chaoswal.disk.disk import Disk
from chaoswal.disk.faults import Fault as DiskFault
from chaoswal.engines.registry import EngineRef, Factory
from chaoswal.errors import HarnessFault, Inconclusive, Unavailable, UsageError
from chaoswal.ops import Operation, Wait
from chaoswal.oracle import ERROR, Observed
from chaoswal.patience import RUN
from chaoswal.record.calls import FCNTL, TRACED, Recording
from chaoswal.record.strace import STRING_BYTES_MAX, calls, whole_lines
from chaoswal.record.tree import Tree
from chaoswal.record.working import factory_of, live
from chaoswal.run import Run
from chaoswal.text import line
from chaoswal.tmpfs import fresh_directory
from chaoswal.trace import Begin, Create, End, Event, Link, MakeDirectory, Rename, Unlink
from chaoswal.verdict import Fault, Violation
from chaoswal.warm import Outcome, Patience, Warm, patience_with
from chaoswal.workload import told_below

REMEMBERED = 32
"""So many runs are remembered, each with every byte it wrote."""


def record(
    factory: Factory,
    steps: Sequence[Operation | DiskFault],
    disk: Disk,
    *,
    first_index: int = 0,
    names: Sequence[str] = (),
) -> Run:
    """Run operations on an engine opened on a real directory that holds a disk, and return the trace.

    UsageError where strace is not installed, or where a fault is to be injected; Inconclusive where something that the
    engine did was not seen.
    """
    operations = [step for step in steps if not isinstance(step, DiskFault)]
    if len(operations) < len(steps):
        raise UsageError(f"{factory.name} runs on a real directory, where no errors can be injected")
    return _recorder(os.getpid()).record(factory, operations, disk, first_index, tuple(names))


@cache
def _recorder(_process: int) -> "Recorder":
    """One for each process: what is forked from one that has a recorder must not talk to that."""
    return Recorder()


class Recorder:
    """Records runs, and remembers them."""

    def __init__(self) -> None:
        self._runs: OrderedDict[tuple[object, ...], Run] = OrderedDict()
        self._server: _Traced | None = None

    def record(
        self, factory: Factory, operations: Sequence[Operation], disk: Disk, first_index: int, names: tuple[str, ...]
    ) -> Run:
        """As the function ``record``."""
        words = tuple(map(line, operations))
        key = factory.name, words, first_index, names, disk.image.key, disk.events
        run = self._runs.pop(key, None)
        if run is None:
            waits = sum(one.milliseconds for one in operations if isinstance(one, Wait)) / 1000
            run = self._made(factory, disk, words, first_index, names, waits)
        self._runs[key] = run
        if len(self._runs) > REMEMBERED:
            self._runs.popitem(last=False)
        return run

    def _made(
        self,
        factory: Factory,
        disk: Disk,
        words: Sequence[str],
        first_index: int,
        names: tuple[str, ...],
        waits: float,
    ) -> Run:
        server = self._server = self._server or _Traced(TRACED)
        made = server.run(factory, disk, words, first_index, names, waits)
        if made is None and not server.whole:
            server.close()
            server = self._server = _Traced(TRACED | {FCNTL})
            made = server.run(factory, disk, words, first_index, names, waits)
        if made is None:
            raise Inconclusive(f"{factory.name} uses a descriptor that came from where it was not seen")
        return made


def strace_command(what: str, traced: Collection[str], lines: Path) -> list[str]:
    """The words that run strace, which adds a line for each of these calls to a file; UsageError where there is none.

    ``what`` needs it.
    """
    strace = shutil.which("strace")
    if strace is None:
        raise Unavailable(f"{what} needs strace(1): install the package strace, 5.3 or later")
    words = [strace, "-f", "-qq", "-s", str(STRING_BYTES_MAX), "-e", "signal=none", "-e", "raw=read,readv"]
    words += ["-e", f"trace={','.join(f'?{name}' for name in sorted(traced))}"]
    return [*words, "-A", "-o", str(lines)]


class _Traced:
    """A server under strace."""

    def __init__(self, traced: frozenset[str]) -> None:
        self.whole = FCNTL in traced
        self._directory = fresh_directory()
        self._lines = self._directory / "strace"
        under = strace_command("the recorder syscalls", traced, self._lines)
        strace = under[0]
        self._warm = Warm(batch=1, under=[*under, "--seccomp-bpf"])
        try:
            self._warm.prepare(os.getpid)  # any work at all
        except HarnessFault as error:
            raise Unavailable(f"{strace} does not run here: {error}; is ptrace(2) allowed?") from error

    def run(
        self,
        factory: Factory,
        disk: Disk,
        words: Sequence[str],
        first_index: int,
        names: tuple[str, ...],
        waits: float,
    ) -> Run | None:
        """Make a run; None where a descriptor turned up that nothing gave out."""
        self._warm.prepare(factory_of, factory.name)
        root = self._directory / "root"
        root.mkdir()
        try:
            lay(disk.view, str(root))
            os.truncate(self._lines, 0)
            job = (live, factory.name, str(root), words, first_index, names)
            outcome = _patience(factory).do(self._warm, *job, seconds=RUN.seconds, asleep=waits)
            recording = Recording(Tree(disk.view, tickets=len(disk.events)), str(root))
            recording.follow(calls(whole_lines(self._lines.read_text(encoding="ascii"))))
            if recording.strange and not self.whole:
                return None
            _check(factory, recording, root)
        finally:
            shutil.rmtree(root, ignore_errors=True)  # it may be gone
        return None if recording.strange and not self.whole else run_of(factory, disk, recording, outcome)

    def close(self) -> None:
        """End it."""
        self._warm.close()
        shutil.rmtree(self._directory)


def must_be_seen(factory: Factory, recording: Recording) -> None:
    """Inconclusive where a call was made whose effects are not known, or one outside of the directory."""
    for reason in recording.unseen:
        raise Inconclusive(f"{factory.name}: {reason}")
    for path in filter(os.path.lexists, recording.outside):
        raise strayed(factory.name, path)


def strayed(engine: str, path: str) -> Inconclusive:
    """Why nothing is said of an engine that leaves something outside of its directory."""
    return Inconclusive(f"{engine} writes outside of its directory, at {path}: no crash is tried there")


def _check(factory: Factory, recording: Recording, root: Path) -> None:
    """Inconclusive where something that was done was not seen."""
    must_be_seen(factory, recording)
    wrong = difference(recording.tree.image(), load(str(root)), _scratch(factory))
    if wrong:
        why = "; ".join(recording.doubts)
        raise Inconclusive(
            f"{factory.name} changed files in ways that its system calls do not show: {wrong}"
            + (f" ({why})" if why else "")
        )


def _patience(factory: Factory) -> Patience:
    return patience_with("runs", EngineRef.parse(factory.name).name)


def _scratch(factory: Factory) -> tuple[str, ...]:
    return tuple(getattr(factory.kind, "scratch", ()))


def run_of(factory: Factory, disk: Disk, recording: Recording, outcome: Outcome) -> Run:
    """The trace, without what is done to scratch files; a process that was ended ends the operation it was at."""
    events, opened = of_engine(factory, recording)
    fault = told_below(recording.root, _fault(outcome))
    if outcome.items and opened is not None:
        return Run(start=disk, events=[*events, *_cut_short(events, fault)], opened=opened, observed=outcome.items[0])
    fault = fault or Fault(kind=Violation.UNOPENABLE, explanation="the process ended in the opening")
    return Run(start=disk, events=events, opened=len(events), observed=Observed(fault=fault))


def of_engine(factory: Factory, recording: Recording) -> tuple[list[Event], int | None]:
    """The events without what is done to scratch files, and how many belong to the opening, if that is over."""
    scratch = _scratch_inodes(recording.tree.events, _scratch(factory)) if _scratch(factory) else set()
    every, opened = recording.tree.events, recording.opened
    before = sum(getattr(event, "inode", None) in scratch for event in every[: opened or 0])
    events = [event for event in every if getattr(event, "inode", None) not in scratch]
    return events, None if opened is None else opened - before


def _fault(outcome: Outcome) -> Fault | None:
    """How a process was ended that did not come to its end."""
    if outcome.hung:
        return Fault(kind=Violation.HUNG, explanation=f"StepLimit: it took too long, and was killed{_said(outcome)}")
    if outcome.died:
        return Fault(kind=Violation.UNOPENABLE, explanation=f"ProcessDied: the process {outcome.died}{_said(outcome)}")
    return None


def _said(outcome: Outcome) -> str:
    last = outcome.output.strip().splitlines()[-1:]
    return f"; last it printed: {last[0][:200]}" if last else ""


def _cut_short(events: Sequence[Event], fault: Fault | None) -> list[Event]:
    """The end of the operation in which the process was ended."""
    if fault is None:
        return []
    begun = [event.op_index for event in events if isinstance(event, Begin)]
    ended = {event.op_index for event in events if isinstance(event, End)}
    return [End(op_index=one, result=f"{ERROR}{fault.explanation}") for one in begun[-1:] if one not in ended]


def _scratch_inodes(events: Sequence[Event], scratch: Sequence[str]) -> set[int]:
    """The files that never had a name but one of a scratch file."""
    scratched: dict[int, bool] = {}
    for event in events:
        if isinstance(event, Create | MakeDirectory | Link | Rename | Unlink):
            name = event.to_name if isinstance(event, Rename) else event.name
            scratched[event.inode] = scratched.get(event.inode, True) and is_scratch(name, scratch)
    return {inode for inode, only in scratched.items() if only}
