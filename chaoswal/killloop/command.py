"""``kill-loop``: real processes on a real directory, real SIGKILL, and every recovery compared with the model.

The directory of a campaign holds one directory for each worker, and a mark by which it is known as ours. It goes when
the campaign is over, unless it is to be kept, or something was found.
"""

import argparse
import contextlib
import os
import re
import secrets
import shlex
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from chaoswal.disk.profiles import PROFILES, profile_named
from chaoswal.engines.registry import EngineRef, Factory
from chaoswal.errors import Exit, UsageError
from chaoswal.killloop.loop import Settings, Tally, directory_of
from chaoswal.killloop.workers import Workers, interruptible, signals_held, try_out
from chaoswal.notices import Found, KillLoopFinished, Listener, Progress, Started
from chaoswal.report.killloop import listener
from chaoswal.verdict import Verdict

CYCLES_DEFAULT = 200
FAULTS = ("kill", "torn", "power")
MARK = ".chaoswal-kill-loop"
"""The file that says a directory is ours to clear."""

_PROGRESS_SECONDS = 0.5
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smh]?)")
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
_EPILOG = """examples:
  chaoswal kill-loop                                        200 kills of the builtin log
  chaoswal kill-loop --cycles 500 --faults kill,torn,power  and power cuts on the simulated disk behind it
  chaoswal kill-loop sqlite -o journal=delete --duration 60s
  chaoswal kill-loop my_engine.py:Engine --dir /mnt/ext4/scratch --keep

faults, one drawn for each cycle:
  kill   SIGKILL, and nothing more: every change that was made is there
  torn   the write it came in, or the last one no sync has covered, is cut short as well
  power  of what no sync has covered, what --profile says may be lost is lost
torn and power need an engine that takes a vfs: only then is every change of its files known.

The options that an adapter offers for it (its `draws`) are drawn anew for every process, told at the end with their
counts, and named in a finding; -o fixes one.

exit code: 0 clean, 1 violation, 2 usage, 3 internal error, 4 inconclusive, 5 nothing ran, 130 interrupted"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("engine", metavar="ENGINE", nargs="?", default="wal", help="a name, or path/to/file.py:Class")
    parser.add_argument("--cycles", type=_count, metavar="N", help=f"so many kills (default {CYCLES_DEFAULT})")
    parser.add_argument("--duration", type=_seconds, metavar="TIME", help="so long: 60s, 5m, 1h, or seconds")
    parser.add_argument("--seed", type=int, metavar="N", help="what is drawn follows from it (default: a random one)")
    parser.add_argument("--dir", type=Path, metavar="DIR", help="an empty directory (default: a temporary one)")
    parser.add_argument("--keep", action="store_true", help="leave the directory when all is over")
    parser.add_argument("--workers", type=_count, metavar="N", help="loops at a time (default: one a core, at most 2)")
    parser.add_argument("--profile", default="ext4-ordered", metavar="NAME", help=f"one of {', '.join(PROFILES)}")
    parser.add_argument("--faults", default="kill", metavar="LIST", help="kill, torn, power (default: kill)")
    parser.add_argument("--patience", type=_seconds, default=10.0, metavar="TIME", help="what is slower hangs (10s)")
    parser.add_argument("--corpus", type=Path, metavar="DIR", help="where findings go (default: beside the directory)")
    parser.add_argument(
        "-o", dest="options", metavar="KEY=VALUE", action="append", default=[], help="an engine option, not to be drawn"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")


def execute(arguments: argparse.Namespace) -> int:
    """Run; the exit code."""
    if not sys.platform.startswith("linux"):
        raise UsageError("the kill loop needs Linux: it forks, and children die with their parent")
    return run(_plan(arguments), listener(as_json=arguments.json))


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


def run(campaign: Campaign, listen: Listener) -> int:
    """Run a campaign; the exit code."""
    return _Run(campaign, listen).run()


def _plan(arguments: argparse.Namespace) -> Campaign:
    """The campaign, or a UsageError that says what is wrong with it."""
    engine = EngineRef.of(arguments.engine, arguments.options)
    factory = engine.factory()
    faults = _faults(arguments.faults, arguments.profile, factory)
    cycles = arguments.cycles or (None if arguments.duration else CYCLES_DEFAULT)
    seed = secrets.randbelow(1_000_000) if arguments.seed is None else arguments.seed
    workers = arguments.workers or min(2, os.cpu_count() or 1)
    if seed < 0:
        raise UsageError(f"--seed {seed}: a seed is a number from 0 on")
    return Campaign(
        engine=engine,
        factory=factory,
        faults=faults,
        profile=arguments.profile,
        seed=seed,
        cycles=cycles,
        duration=arguments.duration,
        workers=min(workers, cycles or workers),
        patience=arguments.patience,
        directory=arguments.dir,
        keep=arguments.keep,
        corpus=arguments.corpus,
        command=_command(arguments, seed),
    )


def _faults(words: str, profile: str, factory: Factory) -> tuple[str, ...]:
    asked = [word.strip() for word in words.split(",") if word.strip()]
    unknown = [word for word in asked if word not in FAULTS]
    faults = tuple(fault for fault in FAULTS if fault in asked)
    if unknown or not faults:
        raise UsageError(f"--faults {words}: expected some of {', '.join(FAULTS)}, with commas between")
    beyond = [word for word in faults if word != "kill"]
    if beyond and not factory.simulated:
        raise UsageError(
            f"--faults {','.join(beyond)}: the engine {factory.name!r} takes no vfs, so what it has written and not "
            "synced is not known, and nothing of it can be lost honestly; use --faults kill"
        )
    profile_named(profile)
    if beyond and profile == "kill":
        raise UsageError(f"--faults {','.join(beyond)} --profile kill: under this profile nothing is ever lost")
    return faults


def _command(arguments: argparse.Namespace, seed: int) -> str:
    """What runs the same campaign again; the moments of the kills will differ."""
    words = ["python", "-m", "chaoswal", "kill-loop", arguments.engine]
    words += [word for option in arguments.options for word in ("-o", option)]
    words += ["--seed", str(seed), "--faults", arguments.faults, "--profile", arguments.profile]
    words += ["--cycles", str(arguments.cycles)] if arguments.cycles else []
    words += ["--duration", f"{arguments.duration:g}"] if arguments.duration else []
    words += ["--workers", str(arguments.workers)] if arguments.workers else []
    return shlex.join(words)


class _Run:
    """One campaign from its first directory to its last notice."""

    def __init__(self, campaign: Campaign, listen: Listener) -> None:
        self._campaign = campaign
        self._listen = listen
        self._started = time.monotonic()
        self._workers: Workers | None = None
        self._findings: list[Found] = []
        self._tally = Tally()

    def run(self) -> int:
        """Start, watch, clean up and report; the exit code."""
        interrupted = False
        base: Path | None = None
        with interruptible():
            try:
                with signals_held():
                    base = _prepare(self._campaign.directory)
                    self._start(base)
                self._watch()
            except KeyboardInterrupt:
                interrupted = True
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
        if base is None or self._campaign.keep:
            return
        evidence = {str(Path(found.kept)) for found in self._findings}
        for entry in base.iterdir():
            if str(entry) not in evidence and entry.name != MARK:
                _remove(entry)
        if not evidence:
            (base / MARK).unlink()
            if self._campaign.directory is None:
                base.rmdir()

    def _finish(self, interrupted: bool) -> int:  # noqa: FBT001
        campaign, tally = self._campaign, self._tally
        verdict, exit_code, reason = _verdict(tally, self._findings, interrupted=interrupted)
        progress = self._progress(tally)
        unseen = "" if campaign.factory.simulated else "; what a power cut would lose: NOT MEASURED"
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


def _verdict(tally: Tally, findings: list[Found], *, interrupted: bool) -> tuple[Verdict, Exit, str]:
    if findings:
        return Verdict.FAIL, Exit.VIOLATION, f"{findings[0].kind}: {findings[0].explanation}"
    if interrupted:
        return Verdict.UNKNOWN, Exit.INTERRUPTED, "interrupted before the end; no violation until then"
    if tally.cycles == 0:
        return Verdict.UNKNOWN, Exit.NOTHING_RAN, "nothing ran"
    if tally.judged == 0:
        return Verdict.UNKNOWN, Exit.INCONCLUSIVE, "no opening was ever finished before a kill: nothing was judged"
    return Verdict.PASS, Exit.CLEAN, f"no violation in {tally.cycles} kills"


def _prepare(directory: Path | None) -> Path:
    """The campaign's directory, empty but for our mark; UsageError where it cannot be had."""
    if directory is None:
        memory = Path("/dev/shm")
        where = memory if os.access(memory, os.W_OK | os.X_OK) else None
        base = Path(tempfile.mkdtemp(prefix="chaoswal-kill-loop-", dir=where))
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
    return re.fullmatch(r"worker-\d+", entry.name) is not None


def _remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        with contextlib.suppress(FileNotFoundError):
            entry.unlink()


def _count(word: str) -> int:
    if not word.isdecimal() or int(word) == 0:
        raise argparse.ArgumentTypeError(f"{word!r} is not a number from 1 on")
    return int(word)


def _seconds(word: str) -> float:
    match = _DURATION.fullmatch(word)
    seconds = float(match[1]) * _UNITS[match[2]] if match else 0.0
    if not seconds:
        raise argparse.ArgumentTypeError(f"{word!r} is not a time: expected 60s, 5m, 1h, or seconds")
    return seconds
