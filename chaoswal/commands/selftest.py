"""``selftest``: the checker checked. Every planted bug is to be found, and nothing in the sound engine."""

import argparse
import datetime as dt
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

from chaoswal import arguments as words
from chaoswal import corpus
from chaoswal.engines.bugs import ENTRIES
from chaoswal.errors import Exit, UsageError
from chaoswal.notices import Explored, Found, Hunted, Listener, Notice
from chaoswal.processes import interruptible
from chaoswal.report import explore
from chaoswal.report import selftest as report
from chaoswal.report.terminal import Terminal
from chaoswal.selftest import BUDGET_SECONDS, Plan, hunt_all, judge_sound, smallest

SOUND_STATES = 100_000


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.epilog = (
        "examples:\n  chaoswal selftest                            every planted bug, and the sound engine\n"
        "  chaoswal selftest no-checksum replays-none   these only\n"
        "  chaoswal selftest --seed 1,2,3 --sound 2_000_000\n\n"
        "exit code: 0 every bug is found under its right kind and the sound engine is clean, 1 otherwise, 2 usage"
    )
    parser.add_argument("bugs", metavar="BUG", nargs="*", help="planted bugs (default: all)")
    parser.add_argument("--seed", default="0", metavar="LIST", help="one or more, with commas between (default: 0)")
    parser.add_argument("--budget", type=words.seconds, default=BUDGET_SECONDS, metavar="TIME", help="a bug (20s)")
    parser.add_argument(
        "--sound",
        type=words.whole,
        default=SOUND_STATES,
        metavar="N",
        help=f"states of the sound engine ({SOUND_STATES})",
    )
    parser.add_argument("--workers", type=words.count, metavar="N", help="processes (default: one a core)")
    parser.add_argument(
        "--corpus", type=Path, metavar="DIR", help="save the smallest program of each bug there, as BUG.chaos"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")


def execute(arguments: argparse.Namespace) -> int:
    """Hunt all bugs, then explore the sound engine; the exit code."""
    plan = _plan(arguments)
    terminal = Terminal(sys.stderr)
    with interruptible():
        rows: list[Hunted] = []
        for row in hunt_all(plan, lambda: terminal.progress(f"{len(rows)} hunts done")):
            rows.append(row)
            terminal.progress(f"{len(rows)} of {len(plan.bugs) * len(plan.seeds)} hunts done")
        terminal.say(report.table(rows))
        sound = [judge_sound(plan, seed, _teller(terminal)) for seed in plan.seeds] if plan.sound_states else []
    terminal.say(report.closing(rows, sound))
    for bug, finding in smallest(rows) if arguments.corpus else ():
        today = dt.datetime.now(tz=dt.UTC).date()
        corpus.save(replace(finding, found=today.isoformat()), arguments.corpus, bug)
    found = report.summary(rows, sound)
    if arguments.json:
        print(json.dumps(found))
    return Exit.CLEAN if found["verdict"] == "PASS" else Exit.VIOLATION


def _plan(arguments: argparse.Namespace) -> Plan:
    unknown = sorted(set(arguments.bugs) - set(ENTRIES))
    if unknown:
        raise UsageError(f"no such bug: {', '.join(unknown)}; there are {', '.join(ENTRIES)}")
    try:
        seeds = tuple(int(word) for word in arguments.seed.split(","))
    except ValueError as error:
        raise UsageError(f"--seed {arguments.seed}: expected numbers with commas between") from error
    return Plan(
        bugs=tuple(arguments.bugs) or tuple(ENTRIES),
        seeds=seeds,
        budget_seconds=arguments.budget,
        sound_states=arguments.sound,
        workers=arguments.workers or os.cpu_count() or 1,
    )


def _teller(terminal: Terminal) -> Listener:
    def tell(notice: Notice) -> None:
        if isinstance(notice, Explored):
            terminal.progress(f"sound engine: {explore.progress_line(notice)}")
        elif isinstance(notice, Found):
            terminal.say(f"FALSE ALARM  {notice.kind}: {notice.explanation}\n  " + "\n  ".join(notice.operations))

    return tell
