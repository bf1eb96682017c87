"""``doctor``: what is wrong with a log and what the next opening would do about it, without doing it."""

import argparse
import json
import time

from tabulate import tabulate

from chaoswal.commands.directory import add_directory, looking_at
from chaoswal.errors import Exit
from chaoswal.wal.examine import steady_survey
from chaoswal.wal.recovery import KEEP, REFUSE, REPORT, Action


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.epilog = (
        "examples:\n  chaoswal doctor data/\n  chaoswal doctor data/ --json\n\n"
        "Each line is a row of the decision tables in docs/format.md. Nothing is changed, and a writer may have the\n"
        "log open: then the lines are what recovery would do if it died now. Bytes inside segments are not read:\n"
        "chaoswal inspect does that.\n\n"
        "exit code: 0 the log opens, 1 something durable is damaged or missing, 2 no log"
    )
    add_directory(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")


def execute(arguments: argparse.Namespace) -> int:
    """Diagnose; the exit code."""
    with looking_at(arguments.directory) as vfs:
        _, actions = steady_survey(vfs, time.sleep)
    bad = [action for action in actions if action.verb in (REFUSE, REPORT)]
    print(json.dumps(_summary(actions, bad)) if arguments.json else _table(actions, bad))
    return Exit.VIOLATION if bad else Exit.CLEAN


def _table(actions: list[Action], bad: list[Action]) -> str:
    rows = [(action.label, action.name, action.verb) for action in actions]
    lines = [tabulate(rows, ["row", "file", "what recovery does"], disable_numparse=True), ""]
    lines += [str(action.error) for action in bad]
    if any(action.verb == REFUSE for action in bad):
        lines.append("verdict: the log does not open until this is repaired; opening changes nothing")
    elif bad:
        lines.append("verdict: the log opens; what is named above is reported when it is used, and stops cleanup")
    else:
        todo = sum(action.verb != KEEP for action in actions)
        lines.append(f"verdict: sound; the next opening does {todo} thing{'' if todo == 1 else 's'}")
    return "\n".join(lines)


def _summary(actions: list[Action], bad: list[Action]) -> dict[str, object]:
    return {
        "verdict": "FAIL" if bad else "PASS",
        "reasons": [str(action.error) for action in bad],
        "opens": not any(action.verb == REFUSE for action in bad),
        "actions": [
            {"row": action.label.partition(" ")[0], "what": action.label, "file": action.name, "does": action.verb}
            for action in actions
        ],
    }
