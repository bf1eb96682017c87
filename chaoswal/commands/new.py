"""``new engine NAME``: the first files for an engine of one's own: an adapter that works, its test, a workflow.

The adapter is ``engines/smallest.py`` as it stands, or that of another contract beside it. Nothing that is there is
ever written over.
"""

import argparse
import inspect
import keyword
from collections.abc import Mapping
from pathlib import Path

from chaoswal.contracts import CONTRACTS, LOG
from chaoswal.engines import smallest, smallest_kv, smallest_queue
from chaoswal.errors import Exit, UsageError

_ADAPTERS = {"log": smallest, "queue": smallest_queue, "kv": smallest_kv}

_TEST = '''\
"""What {name} promises, held against crashes."""

from chaoswal.testing import EngineConformance
from {name} import Engine


class TestEngine(EngineConformance):
    engine = Engine
'''

_WORKFLOW = """\
name: crash consistency
on: [push, pull_request]
jobs:
  gate:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - run: sudo apt-get install --yes strace
      - run: pip install 'chaoswal[test]'
      - run: pytest test_{name}.py
      - run: python -m chaoswal gate {name}.py:Engine --budget 5m --junit gate.xml
      - uses: actions/upload-artifact@v4
        if: failure()
        with:
          name: findings
          path: |
            gate.xml
            chaoswal-findings/
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.epilog = (
        "examples:\n  chaoswal new engine mylog\n  chaoswal new engine mystore --contract kv\n"
        "  chaoswal new engine mylog --dir adapters\n\n"
        "It writes mylog.py, test_mylog.py and .github/workflows/mylog.yml, and nothing where one of them is there.\n\n"
        "exit code: 0 written, 2 usage"
    )
    parser.add_argument("what", choices=("engine",), help="what to begin")
    parser.add_argument("name", metavar="NAME", help="a name for the engine's module")
    contracts = ", ".join(CONTRACTS)
    parser.add_argument("--contract", choices=tuple(CONTRACTS), default=LOG.name, help=f"one of {contracts} (log)")
    parser.add_argument("--dir", type=Path, default=Path(), metavar="DIR", help="where (default: here)")


def execute(arguments: argparse.Namespace) -> int:
    """Write the files; the exit code."""
    name: str = arguments.name
    if not name.isidentifier() or keyword.iskeyword(name):
        raise UsageError(f"{name!r} is no name for a module of Python: letters, digits and _, and no digit first")
    files = {arguments.dir / place: text for place, text in _files(name, arguments.contract).items()}
    _write(files)
    for path in files:
        print(f"written  {path}")
    print(f"try      python -m pytest {arguments.dir / f'test_{name}.py'}")
    print(f"         python -m chaoswal explore {arguments.dir / f'{name}.py'}:Engine")
    return Exit.CLEAN


def _files(name: str, contract: str) -> Mapping[str, str]:
    return {
        f"{name}.py": inspect.getsource(_ADAPTERS[contract]),
        f"test_{name}.py": _TEST.format(name=name),
        f".github/workflows/{name}.yml": _WORKFLOW.format(name=name),
    }


def _write(files: Mapping[Path, str]) -> None:
    """All of them, or none where one is there already."""
    for path in files:
        if path.exists() or path.is_symlink():
            raise UsageError(f"{path} is there already: take another name, or another directory with --dir")
    for path, text in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise UsageError(f"cannot write {path}: {error.strerror}") from error
