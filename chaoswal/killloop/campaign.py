"""A campaign of the kill loop: its directory, its workers, and what it tells whoever listens.

The directory of a campaign holds one directory for each worker, and a mark by which it is known as ours. It goes when
the campaign is over, unless it is to be kept, or something was found.
"""

import contextlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chaoswal.campaign import BLIND, canary
from chaoswal.disk.profiles import profile_named
from chaoswal.engines.registry import EngineRef, Factory
from chaoswal.errors import Exit, Inconclusive, UsageError
from chaoswal.killloop.loop import Settings, Tally, directory_of
from chaoswal.killloop.workers import Workers, try_out
from chaoswal.notices import Found, KillLoopFinished, Listener, Progress, Started
from chaoswal.processes import signals_held
from chaoswal.tmpfs import campaign_of
from chaoswal.verdict import Verdict

MARK = ".chaoswal-kill-loop"
"""The file that says a directory is ours to clear."""

FAULTS = ("kill", "torn", "power")
"""What a cycle may do; all but the first need an engine that takes a ``vfs``."""

PATIENCE_SECONDS = 10.0
"""What is slower than this hangs, where nobody says otherwise; other processes have as long as everywhere."""

_PROGRESS_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """What is asked for, once it is known to make sense."""

    engine: EngineRef
    factory: Factory
    faults: tuple[str, ...]
    profile: str
    seed: int
    cycles: int | None
    duration: float | None
    workers: int
    patience: float
    directory: Path | None
    keep: bool
    corpus: Path | None
    command: str


class Killing:
    """One campaign from its first directory to its last notice. Signals are to raise KeyboardInterrupt."""

    def __init__(self, campaign: Campaign, listen: Listener) -> None:
        self._campaign = campaign
        self._listen = listen
        self._started = time.monotonic()
        self._workers: Workers | None = None
        self._findings: list[Found] = []
        self._tally = Tally()
        self._unseen = ""

    def run(self) -> int:
        """Start, watch, clean up and report; the exit code."""
        interrupted = False
        base: Path | None = None
        try:
            with signals_held():
                base = prepare(self._campaign.directory)
                self._start(base)
            self._watch()
        except KeyboardInterrupt:
            interrupted = True
        except Inconclusive as error:
            self._unseen = str(error)
        finally:
            with signals_held():
                self._clean_up(base)
        return self._finish(interrupted)

    def _start(self, base: Path) -> None:
        campaign = self._campaign
        trial = base / "trial"
        trial.mkdir()
        try_out(campaign.factory, str(trial), campaign.patience)
        shutil.rmtree(trial)
        self._listen(
            Started(
                engine=str(campaign.engine),
                seed=campaign.seed,
                profile=campaign.profile,
                faults=campaign.faults,
                workers=campaign.workers,
                directory=str(base),
            )
        )
        self._workers = Workers([self._settings(base, worker) for worker in range(campaign.workers)], campaign.corpus)

    def _settings(self, base: Path, worker: int) -> Settings:
        campaign = self._campaign
        directory = directory_of(worker, base)
        directory.mkdir()
        share = campaign.cycles
        if share is not None:
            share = share // campaign.workers + (worker < share % campaign.workers)
        return Settings(
            engine=campaign.engine,
            profile=profile_named(campaign.profile),
            faults=campaign.faults,
            seed=campaign.seed,
            worker=worker,
            directory=str(directory),
            cycles=share,
            until=self._started + campaign.duration if campaign.duration else None,
            patience=campaign.patience,
        )

    def _watch(self) -> None:
        """Listen to the workers until they are done or one has found something."""
        workers, told = self._workers, time.monotonic()
        while workers and workers.running and not self._findings:
            for said in workers.listen(_PROGRESS_SECONDS):
                if said.found:
                    self._findings.append(said.found)
            if time.monotonic() - told >= _PROGRESS_SECONDS:
                told = time.monotonic()
                self._listen(self._progress(workers.tally))

    def _progress(self, tally: Tally) -> Progress:
        return Progress(
            seconds=time.monotonic() - self._started,
            cycles=tally.cycles,
            acks=tally.acks,
            judged=tally.judged,
            distinct=tally.distinct,
            directories=tally.directories,
            partial=tally.partial,
            together=tally.together,
            kills=dict(tally.kills),
            options=dict(tally.options),
        )

    def _clean_up(self, base: Path | None) -> None:
        """Leave no process, and of the files only what was asked for or is evidence."""
        if self._workers:
            self._workers.end()
            self._tally = self._workers.tally
        if base is not None and not self._campaign.keep:
            clear_up(base, [found.kept for found in self._findings], ours=self._campaign.directory is None)

    def _finish(self, interrupted: bool) -> int:  # noqa: FBT001
        campaign, tally = self._campaign, self._tally
        verdict, exit_code, reason = _verdict(tally, self._findings, self._unseen, interrupted=interrupted)
        progress = self._progress(tally)
        unseen = "" if campaign.factory.takes_vfs else "; what a power cut would lose: NOT MEASURED"
        unseen += "; changes outside of its directory: as far as Python announces them"
        for found in self._findings:
            self._listen(found)
        self._listen(
            KillLoopFinished(
                verdict=verdict,
                reasons=(reason,),
                engine=str(campaign.engine),
                seed=campaign.seed,
                progress=progress,
                exhaustive=f"nothing: {tally.cycles} kills at random moments, {tally.judged} recoveries judged{unseen}",
                command=campaign.command,
                findings=tuple(self._findings),
            )
        )
        return exit_code


def _verdict(tally: Tally, findings: list[Found], unseen: str, *, interrupted: bool) -> tuple[Verdict, Exit, str]:
    if findings:
        return Verdict.FAIL, Exit.VIOLATION, f"{findings[0].kind}: {findings[0].explanation}"
    if unseen:
        return Verdict.UNKNOWN, Exit.INCONCLUSIVE, unseen
    if interrupted:
        return Verdict.UNKNOWN, Exit.INTERRUPTED, "interrupted before the end; no violation until then"
    if tally.cycles == 0:
        return Verdict.UNKNOWN, Exit.NOTHING_RAN, "nothing ran"
    if tally.judged == 0:
        return Verdict.UNKNOWN, Exit.INCONCLUSIVE, "no opening was ever finished before a kill: nothing was judged"
    if not canary():
        return Verdict.UNKNOWN, Exit.INCONCLUSIVE, BLIND
    return Verdict.PASS, Exit.CLEAN, f"no violation in {tally.cycles} kills"


def clear_up(base: Path, evidence: Sequence[str], *, ours: bool) -> None:
    """Leave nothing in a campaign's directory but evidence (paths); without any, not even that, if it is ours."""
    for entry in base.iterdir():
        if str(entry) not in evidence and entry.name != MARK:
            _remove(entry)
    if not evidence:
        (base / MARK).unlink()
        if ours:
            base.rmdir()


def prepare(directory: Path | None) -> Path:
    """The campaign's directory, empty but for our mark; UsageError where it cannot be had."""
    if directory is None:
        memory = Path("/dev/shm")
        where = memory if os.access(memory, os.W_OK | os.X_OK) else None
        base = Path(tempfile.mkdtemp(prefix=campaign_of(os.getpid()), dir=where))
    else:
        base = directory.absolute()
        _clear(base)
    try:
        (base / MARK).touch()
    except OSError as error:
        raise UsageError(f"--dir {base}: cannot be written to: {error.strerror}") from error
    return base


def _clear(base: Path) -> None:
    """Make a directory of ours empty; refuse any other that is not."""
    if not base.is_dir():
        raise UsageError(f"--dir {base}: {'is not a directory' if base.exists() else 'there is no such directory'}")
    try:
        entries = list(base.iterdir())
    except OSError as error:
        raise UsageError(f"--dir {base}: cannot be read: {error.strerror}") from error
    foreign = [entry.name for entry in entries if entry.name not in (MARK, "trial") and not _is_ours(entry)]
    if entries and (foreign or base / MARK not in entries):
        named = ", ".join(sorted(foreign or [entry.name for entry in entries])[:3])
        raise UsageError(f"--dir {base}: holds what the kill loop did not put there ({named}); name an empty directory")
    for entry in entries:
        _remove(entry)


def _is_ours(entry: Path) -> bool:
    return re.fullmatch(r"(worker|found)-\d+|data", entry.name) is not None


def _remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        with contextlib.suppress(FileNotFoundError):
            entry.unlink()
