"""``replay``: play the findings of a corpus and say of each whether it is FIXED, FAILED, STALE or an ERROR.

A finding that names a planted bug is a canary: it must fail, and where it does not the checker has lost its eyes.
Without the bug (``-o bug=``) it must be fixed.
"""

import argparse
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path

from tabulate import tabulate

from chaoswal import arguments as words
from chaoswal import corpus
from chaoswal.disk.profiles import PROFILES
from chaoswal.engines.registry import BUG, EngineRef
from chaoswal.errors import ChaoswalError, Exit, UsageError
from chaoswal.replay import Status, replay

CORPUS = Path("corpus")

_GOOD = {True: {Status.FAILED}, False: {Status.FIXED, Status.STALE}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of one file."""

    path: Path
    status: Status
    detail: str
    planted: bool

    @property
    def good(self) -> bool:
        """Whether it is as it must be: a planted bug seen, any other finding gone."""
        return self.status in _GOOD[self.planted]


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.epilog = (
        "examples:\n  chaoswal replay                       every finding under ./corpus\n"
        "  chaoswal replay corpus/wal/a91f3c.chaos\n"
        "  chaoswal replay corpus -o bug=        the planted bugs taken out: all must be fixed\n"
        "  chaoswal replay a91f3c --emit-test tests/test_a91f3c.py\n\n"
        "exit code: 0 as it must be, 1 a finding fails (or a planted bug does not), 2 usage, 5 no findings"
    )
    parser.add_argument(
        "paths", metavar="PATH", nargs="*", help="files, directories, or ids of findings (default: corpus)"
    )
    parser.add_argument(
        "-o",
        dest="options",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="set an option of the engine; KEY= takes it away",
    )
    parser.add_argument("--corpus", type=Path, default=CORPUS, metavar="DIR", help=f"where ids are ({CORPUS})")
    parser.add_argument(
        "--emit-test",
        metavar="FILE",
        nargs="?",
        const="-",
        help="write the one finding named as a test for pytest, to be fixed (without FILE: to standard output)",
    )
    words.allow_commands(parser, corpus.ANY)
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")


def execute(arguments: argparse.Namespace) -> int:
    """Replay; the exit code."""
    started = time.monotonic()
    found = _files(arguments.paths, arguments.corpus)
    options = EngineRef.of("option", arguments.options)
    if arguments.emit_test:
        return _emit_test(found, options, arguments.emit_test)
    results = [replay_file(path, options, arguments.command) for path in found]
    if arguments.json:
        print(json.dumps(_summary(results, time.monotonic() - started)))
    else:
        print(_table(results))
    if not results:
        return Exit.NOTHING_RAN
    return Exit.CLEAN if all(result.good for result in results) else Exit.VIOLATION


def _files(words: list[str], directory: Path) -> list[Path]:
    """The files named, by path or by id; what looks like a path is one."""
    paths = [Path(word) for word in words]
    named = [
        path if path.exists() or path.name != word else corpus.find(word, directory)
        for path, word in zip(paths, words, strict=True)
    ]
    return corpus.files(named or [directory])


def _emit_test(paths: list[Path], options: EngineRef, target: str) -> int:
    """Write one finding as a test."""
    if len(paths) != 1:
        raise UsageError(f"--emit-test takes one finding; named are {len(paths)}")
    finding = corpus.load(paths[0], command=corpus.ANY)  # it is written down, not run
    text = corpus.as_test(replace(finding, engine=changed(finding.engine, options)))
    if target == "-":
        print(text, end="")
        return Exit.CLEAN
    try:
        with open(target, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise UsageError(f"{target} is there already: name a file that is not") from error
    except OSError as error:
        raise UsageError(f"cannot write {target}: {error.strerror}") from error
    return Exit.CLEAN


def replay_file(path: Path, options: EngineRef, command: str = "") -> Result:
    """Replay one file with these engine options set; what cannot be played is an ERROR of its own."""
    planted = False
    try:
        finding = corpus.load(path, command=command)
        engine = changed(finding.engine, options)
        planted = BUG in dict(engine.options)
        status, played = replay(engine, finding.steps, PROFILES[finding.profile])
    except ChaoswalError as error:
        return Result(path=path, status=Status.ERROR, detail=str(error), planted=planted)
    detail = f"{played.found.fault.kind}: {played.found.fault.explanation}" if played.found else f"was {finding.expect}"
    return Result(path=path, status=status, detail=detail, planted=planted)


def changed(engine: EngineRef, options: EngineRef) -> EngineRef:
    """The engine with options set, or taken away where their value is empty."""
    merged = {**dict(engine.options), **dict(options.options)}
    return EngineRef(name=engine.name, options=tuple((key, value) for key, value in merged.items() if value))


def _table(results: list[Result]) -> str:
    rows = [(result.status, "planted" if result.planted else "", result.path, result.detail[:90]) for result in results]
    bad = sum(not result.good for result in results)
    end = f"{len(results)} findings replayed, {bad} not as they must be"
    return tabulate(rows, ["", "", "file", "what"], tablefmt="plain", disable_numparse=True) + f"\n{end}"


def _summary(results: list[Result], seconds: float) -> dict[str, object]:
    good = all(result.good for result in results)
    return {
        "verdict": "UNKNOWN" if not results else "PASS" if good else "FAIL",
        "reasons": [f"{result.path}: {result.status}: {result.detail}" for result in results if not result.good],
        "seconds": round(seconds, 3),
        "files": [
            {"file": str(result.path), "status": result.status, "planted": result.planted, "detail": result.detail}
            for result in results
        ],
    }
