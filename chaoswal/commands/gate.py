"""``gate``: the corpus, a self-test, exploration and kills within one budget, against what is known."""

import argparse
import datetime as dt
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from chaoswal import arguments as words
from chaoswal import baseline, corpus
from chaoswal.engines.bugs import ENTRIES
from chaoswal.engines.registry import BUG, EngineRef
from chaoswal.errors import UsageError
from chaoswal.gate import Gate, Plan
from chaoswal.hunt import CRASH, FAULTS, ROT
from chaoswal.notices import Finished, GateFinished
from chaoswal.processes import interruptible
from chaoswal.report import gate as report
from chaoswal.report import github, junit, markdown, sarif
from chaoswal.report.terminal import Terminal

BUDGET_SECONDS = 300.0
SEED = 0
PLANTED = "CHAOSWAL_BUG"
"""The environment variable that plants a bug of the zoo, to see the gate fail."""

CORPUS, SAVE = Path("corpus"), Path("chaoswal-findings")

_EPILOG = f"""examples:
  chaoswal gate                                  the builtin log, for five minutes
  chaoswal gate my_engine.py:Engine --budget 2m
  chaoswal gate my_engine.py:Engine --junit junit.xml --sarif findings.sarif --markdown gate.md
  {PLANTED}=no-sync-before-ack chaoswal gate --budget 30s   must fail

Findings that are listed in {baseline.NAME} with a reason and a day that has not passed do not fail it. In a workflow of
GitHub findings are told as annotations too, and in the summary of the step.

exit code: 0 nothing new, 1 violation, 2 usage, 3 internal error, 4 inconclusive, 130 interrupted"""

_FILES: Mapping[str, Callable[[Finished, Mapping[str, str]], str]] = {
    "junit": junit.render,
    "sarif": sarif.render,
    "markdown": markdown.render,
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "engine", metavar="ENGINE", nargs="?", help="a name, path/to/file.py:Class, or cmd:PROGRAM (default: wal)"
    )
    parser.add_argument("-o", dest="options", metavar="KEY=VALUE", action="append", default=[], help="engine option")
    parser.add_argument("--budget", type=words.seconds, default=BUDGET_SECONDS, metavar="TIME", help="in all (5m)")
    parser.add_argument("--faults", metavar="LIST", help=f"{', '.join(FAULTS)} (default: all that the engine promises)")
    parser.add_argument("--corpus", type=Path, default=CORPUS, metavar="DIR", help=f"replayed (default: {CORPUS})")
    parser.add_argument("--save", type=Path, default=SAVE, metavar="DIR", help=f"for new findings (default: {SAVE})")
    parser.add_argument(
        "--baseline", type=Path, metavar="FILE", help=f"what is known (default: {baseline.NAME}, where there is one)"
    )
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit XML")
    parser.add_argument("--sarif", type=Path, metavar="FILE", help="write SARIF 2.1.0")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write a summary in Markdown")
    parser.add_argument(
        "--github",
        action=argparse.BooleanOptionalAction,
        default=os.environ.get("GITHUB_ACTIONS") == "true",
        help="annotations on standard output, and the step's summary (default: in a workflow of GitHub)",
    )
    parser.add_argument("--keep", action="store_true", help="leave the directories in which kills have found something")
    parser.add_argument("--seed", type=words.whole, default=SEED, metavar="N", help=f"what is drawn ({SEED})")
    parser.add_argument("--workers", type=words.count, metavar="N", help="processes (default: one a core)")
    parser.add_argument("--strict", action="store_true", help="a warning is a violation too")
    words.patience(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")


def execute(arguments: argparse.Namespace) -> int:
    """Run the gate and write what was asked for; the exit code."""
    plan = _plan(arguments)
    terminal = Terminal(sys.stderr)
    with interruptible():
        finished, code = Gate(plan, lambda notice: report.tell(terminal, notice)).run()
    _write(arguments, finished)
    if arguments.json:
        print(json.dumps(report.summary(finished)))
    return code


def _plan(arguments: argparse.Namespace) -> Plan:
    """The plan, or a UsageError that says what is wrong with it, before anything has run."""
    planted = _planted(os.environ)
    engine = EngineRef.of(arguments.engine or "wal", arguments.options)
    if planted:
        if engine.name != "wal":
            raise UsageError(f"{PLANTED}={planted}: bugs are planted in the builtin engine only; unset it for {engine}")
        engine = engine.with_options(**{BUG: planted, **dict(ENTRIES[planted].options)})
    for name in _FILES:
        path: Path | None = getattr(arguments, name)
        if path and not path.absolute().parent.is_dir():
            raise UsageError(f"--{name} {path}: there is no directory {path.parent}")
    if arguments.save.exists() and not arguments.save.is_dir():
        raise UsageError(f"--save {arguments.save}: is not a directory")
    return Plan(
        engine=engine,
        corpus=_corpus(arguments.corpus),
        save=arguments.save,
        baseline=_baseline(arguments.baseline),
        budget_seconds=arguments.budget,
        seed=arguments.seed,
        workers=arguments.workers or os.cpu_count() or 1,
        strict=arguments.strict,
        faults=_faults(arguments.faults, engine),
        planted=planted,
        keep=arguments.keep,
        today=dt.datetime.now(tz=dt.UTC).date(),
        command=(f"{PLANTED}={planted} " if planted else "") + words.again(arguments, arguments.seed),
    )


def _planted(environment: Mapping[str, str]) -> str:
    bug = environment.get(PLANTED, "")
    if bug and bug not in ENTRIES:
        raise UsageError(f"{PLANTED}={bug}: no such planted bug; there are {', '.join(ENTRIES)}")
    return bug


def _corpus(directory: Path) -> list[Path]:
    """The findings there are; none where the directory that goes without saying is not there."""
    return corpus.files([directory]) if directory != CORPUS or directory.exists() else []


def _baseline(path: Path | None) -> tuple[baseline.Known, ...]:
    if path is None and not Path(baseline.NAME).exists():
        return ()
    return baseline.load(path or Path(baseline.NAME))


def _faults(listed: str | None, engine: EngineRef) -> tuple[str, ...]:
    """Those asked for; without a choice all but those for which the engine promises nothing."""
    if listed:
        return words.listed("--faults", listed, FAULTS)
    factory = engine.factory()
    if not factory.simulated:  # errors and leaks are made and seen on the simulated disk
        return (CRASH,)
    reports: tuple[str, ...] = getattr(factory.kind, "reports", tuple[str, ...]())
    return tuple(kind for kind in FAULTS if kind != ROT or reports)


def _write(arguments: argparse.Namespace, finished: GateFinished) -> None:
    """The reports; a file that cannot be written is told, and does not change the verdict of what was judged."""
    try:
        for name, render in _FILES.items():
            path: Path | None = getattr(arguments, name)
            if path:
                path.write_text(render(finished, finished.known), encoding="utf-8")
        if arguments.github:
            print(github.render(finished, finished.known), end="", flush=True)
            github.append_summary(finished, os.environ, finished.known)
    except OSError as error:
        raise UsageError(f"cannot write {error.filename}: {error.strerror}") from error
