"""``lint``: from one passing run, where the order of calls is suspicious, and whether a crash there does harm."""

import argparse
import datetime as dt
import json
import time
from pathlib import Path

from chaoswal import arguments as words
from chaoswal import corpus
from chaoswal.disk.profiles import PROFILES, profile_named
from chaoswal.engines.registry import EngineRef
from chaoswal.errors import Exit, UsageError
from chaoswal.lint.judging import Linted, lint
from chaoswal.lint.rules import RULES
from chaoswal.pool import apart
from chaoswal.report.lint import kept_as, render, summary

_PATTERNS = "\n".join(f"  {rule.name:<28}{rule.says}" for rule in RULES)


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.epilog = (
        "examples:\n  chaoswal lint                                 the builtin log: nothing to be found\n"
        "  chaoswal lint wal -o bug=rename-before-sync   a planted bug, its line, and a crash that shows it\n"
        "  chaoswal lint my/engine.py:Engine --profile ext4-ordered --corpus corpus\n\n"
        f"patterns, of which docs/lint.md says why:\n{_PATTERNS}\n\n"
        "Each is judged by the crash that should show it. One that shows a violation is confirmed; any other is a\n"
        "note: the engine's recovery may well live with it.\n\n"
        "exit code: 0 nothing, or notes only, 1 something is confirmed, 2 usage"
    )
    parser.add_argument(
        "engine", metavar="ENGINE", nargs="?", default="wal", help="a name, path/to/file.py:Class, or cmd:PROGRAM"
    )
    parser.add_argument("-o", dest="options", metavar="KEY=VALUE", action="append", default=[], help="engine option")
    parser.add_argument(
        "--profile",
        dest="profiles",
        metavar="NAME",
        action="append",
        help=f"judge under this only; again for more: {', '.join(PROFILES)} (default: all)",
    )
    parser.add_argument("--corpus", type=Path, metavar="DIR", help="keep what is confirmed there, as findings")
    words.patience(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")


def execute(arguments: argparse.Namespace) -> int:
    """Lint; the exit code."""
    started = time.monotonic()
    profiles = [profile_named(name) for name in arguments.profiles or PROFILES]
    engine = EngineRef.of(arguments.engine, arguments.options)
    linted = apart(lambda: lint(engine, profiles))
    files = _keep(linted, arguments.corpus) if arguments.corpus else []
    if arguments.json:
        print(json.dumps(summary(linted, files, time.monotonic() - started)))
    else:
        print(render(linted, files))
    return Exit.VIOLATION if linted.confirmed else Exit.CLEAN


def _keep(linted: Linted, directory: Path) -> list[str]:
    """The files of what is confirmed, in order."""
    today = dt.datetime.now(tz=dt.UTC).date().isoformat()
    confirmed = [found for found in linted.lints if found.confirmed]
    try:
        return [str(corpus.save(kept_as(linted, found, today), directory)) for found in confirmed]
    except OSError as error:
        raise UsageError(f"cannot keep findings in {directory}: {error}") from error
