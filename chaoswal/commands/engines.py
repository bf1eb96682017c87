"""``engines``: the engines that ship, with the version installed, what they promise, and how they are run.

``engines --setup NAME`` makes an environment with exactly the version of which something is known.
"""

import argparse
import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tabulate import tabulate

from chaoswal.engines.pinned import PINNED, default_cache, environment_of, python_of, set_up
from chaoswal.engines.registry import REGISTERED, EngineRef
from chaoswal.errors import Exit

ABSENT = "not installed"
COLUMNS = {column: column for column in ("name", "package", "version", "contract", "promise", "run", "pinned")}
COLUMNS["promise"] = "promises by default"


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.epilog = (
        "examples:\n  chaoswal engines\n  chaoswal engines --json\n  chaoswal explore dbm.dumb\n"
        "  chaoswal engines --setup duckdb --cache ~/engines\n  chaoswal explore my_engine.py:Engine\n\n"
        "Packages that are not installed: pip install 'chaoswal[engines]'\nexit code: 0"
    )
    parser.add_argument(
        "--setup", metavar="NAME", help="make an environment with the pinned version of this one, and say how to use it"
    )
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", default=default_cache(), help="where such environments are (%(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output, with documentation")


def execute(arguments: argparse.Namespace) -> int:
    """List them, or set one up; the exit code."""
    if arguments.setup is not None:
        return _set_up(arguments.setup, arguments.cache, as_json=arguments.json)
    engines = [describe(name, arguments.cache) for name in REGISTERED]
    if arguments.json:
        print(json.dumps({"engines": engines}))
        return Exit.CLEAN
    rows = [[_cell(one, column) for column in COLUMNS] for one in engines]
    print(tabulate(rows, list(COLUMNS.values()), disable_numparse=True))
    return Exit.CLEAN


def _set_up(name: str, cache: Path, *, as_json: bool) -> int:
    command = [str(python_of(set_up(name, cache))), "-m", "chaoswal", "explore", name]
    if as_json:
        print(json.dumps({"engine": name, "pinned": PINNED[name], "command": command}))
    else:
        print(f"{PINNED[name]} is set up; to explore it:\n    {shlex.join(command)}")
    return Exit.CLEAN


def describe(name: str, cache: Path) -> dict[str, str]:
    """What there is to say of an engine by its default options; its package need not be there."""
    factory = EngineRef(name=name).factory()
    kind: Any = factory.kind
    return {
        "name": name,
        "package": factory.package or "Python" if not factory.takes_vfs else "chaoswal",
        "version": ABSENT if factory.missing else factory.version,
        "contract": kind.contract,
        "promise": kind.promise,
        "run": "simulated disk" if factory.simulated else "under strace",
        "pinned": PINNED.get(name, ""),
        "environment": str(environment_of(name, cache) or ""),
        "documented": getattr(kind, "documented", ""),
    }


def _cell(engine: Mapping[str, str], column: str) -> str:
    return engine[column] + (", set up" if column == "pinned" and engine["environment"] else "")
