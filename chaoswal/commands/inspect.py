"""``inspect``: every file of a log, with every checksum verified."""

import argparse
import json
import time
from dataclasses import asdict

from tabulate import tabulate

from chaoswal.commands.directory import add_directory, looking_at
from chaoswal.errors import Exit
from chaoswal.wal.examine import Examined, examine


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.epilog = (
        "examples:\n  chaoswal inspect data/\n  chaoswal inspect data/ --json\n\n"
        "Nothing is changed, and a writer may have the log open. For what to do about damage: chaoswal doctor.\n\n"
        "exit code: 0 everything that is durable is good, 1 something is damaged or missing, 2 no log"
    )
    add_directory(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")


def execute(arguments: argparse.Namespace) -> int:
    """Inspect; the exit code."""
    with looking_at(arguments.directory) as vfs:
        examined = examine(vfs, time.sleep)
    print(json.dumps(_summary(examined)) if arguments.json else _table(examined))
    return Exit.VIOLATION if examined.damaged else Exit.CLEAN


def _table(examined: Examined) -> str:
    rows = [
        (file.name, file.kind, file.state, file.first, file.end, file.frames, f"{file.size_bytes:,}", file.detail)
        for file in examined.files
    ]
    heads = ["file", "kind", "state", "first", "end", "frames", "bytes", ""]
    lines = [tabulate(rows, heads, disable_numparse=True, missingval="")]
    lines.append(
        f"\nrecords {examined.start} to {examined.end - 1}" if examined.end > examined.start else "\nno records"
    )
    lines[-1] += f"; subscribers: {', '.join(examined.names) or 'none'}"
    if examined.owner:
        lines.append(f"last opened for writing by {examined.owner}")
    lines += [f"damaged: {action.error}" for action in examined.actions if action.error is not None]
    return "\n".join(lines)


def _summary(examined: Examined) -> dict[str, object]:
    return {
        "verdict": "FAIL" if examined.damaged else "PASS",
        "reasons": [str(action.error) for action in examined.actions if action.error is not None]
        + [
            f"{file.name}: {file.detail}"
            for file in examined.files
            if file.kind == "segment" and file.state == "damaged"
        ],
        "start": examined.start,
        "end": examined.end,
        "subscribers": list(examined.names),
        "owner": examined.owner,
        "files": [asdict(file) for file in examined.files],
    }
