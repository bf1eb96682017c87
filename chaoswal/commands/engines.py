"""``engines``: the engines that ship, with the version installed, what they promise, and how they are run."""

import argparse
import json
from typing import Any

from tabulate import tabulate

from chaoswal.engines.registry import REGISTERED, EngineRef
from chaoswal.errors import Exit

ABSENT = "not installed"
COLUMNS = {column: column for column in ("name", "package", "version", "contract", "promise", "run")}
COLUMNS["promise"] = "promises by default"


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.epilog = (
        "examples:\n  chaoswal engines\n  chaoswal engines --json\n  chaoswal explore dbm.dumb\n"
        "  chaoswal explore my_engine.py:Engine\n\n"
        "Packages that are not installed: pip install 'chaoswal[engines]'\nexit code: 0"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output, with documentation")


def execute(arguments: argparse.Namespace) -> int:
    """List them; the exit code."""
    engines = [describe(name) for name in REGISTERED]
    if arguments.json:
        print(json.dumps({"engines": engines}))
        return Exit.CLEAN
    rows = [[one[column] for column in COLUMNS] for one in engines]
    print(tabulate(rows, list(COLUMNS.values()), disable_numparse=True))
    return Exit.CLEAN


def describe(name: str) -> dict[str, str]:
    """What there is to say of an engine by its default options; its package need not be there."""
    factory = EngineRef(name=name).factory()
    kind: Any = factory.kind
    return {
        "name": name,
        "package": factory.package or "Python" if not factory.takes_vfs else "chaoswal",
        "version": ABSENT if factory.absent else factory.version,
        "contract": kind.contract,
        "promise": kind.promise,
        "run": "simulated disk" if factory.simulated else "under strace",
        "documented": getattr(kind, "documented", ""),
    }
