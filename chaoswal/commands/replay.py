"""``replay``: play the findings of a corpus and say of each whether it is FIXED, FAILED, STALE, SKIPPED or an ERROR.

A finding that names a planted bug is a canary: it must fail, and where it does not the checker has lost its eyes.
Without the bug (``-o bug=``) it must be fixed. One in software of others (``theirs``) is a canary too, as long as the
version it was found in is the one installed; another version may have it mended or not. It is skipped where that
software cannot be run at all.
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
from chaoswal.engines.registry import BUG, EngineRef, Factory
from chaoswal.errors import ChaoswalError, Exit, Unavailable, UsageError
from chaoswal.pool import apart
from chaoswal.replay import Status, replay

CORPUS = Path("corpus")

OURS, PLANTED, THEIRS, THEIRS_CHANGED = "", "planted", "theirs", "theirs, another version"
_GOOD = {
    OURS: {Status.FIXED, Status.STALE},
    PLANTED: {Status.FAILED},
    THEIRS: {Status.FAILED, Status.SKIPPED},
    THEIRS_CHANGED: {Status.FAILED, Status.FIXED, Status.STALE, Status.SKIPPED},
}
"""What may come of a finding, by whose mistake it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of one file."""

    path: Path
    status: Status
    detail: str
    whose: str = OURS

    @property
    def good(self) -> bool:
        """Whether it is as it must be."""
        return self.status in _GOOD[self.whose]


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.epilog = (
        "examples:\n  chaoswal replay                       every finding under ./corpus\n"
        "  chaoswal replay corpus/wal/a91f3c.chaos\n"
        "  chaoswal replay corpus -o bug=        the planted bugs taken out: all must be fixed\n"
        "  chaoswal replay a91f3c --emit-test tests/test_a91f3c.py\n\n"
        "exit code: 0 as it must be, 1 a finding fails (or a planted bug, or one of theirs, does not), 2 usage,\n"
        "5 no findings, or none that can be played here"
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
    words.patience(parser)
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
    if _nothing(results):
        return Exit.NOTHING_RAN
    return Exit.CLEAN if all(result.good for result in results) else Exit.VIOLATION


def _nothing(results: list[Result]) -> bool:
    """Whether none was played."""
    return all(result.status is Status.SKIPPED for result in results)


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
    whose = OURS
    try:
        finding = corpus.load(path, command=command)
        engine = changed(finding.engine, options)
        whose = _whose(finding, engine)
        present(engine.factory())
        status, shown = apart(lambda: _replayed(engine, finding))
    except ChaoswalError as error:
        skipped = isinstance(error, Unavailable) and whose in (THEIRS, THEIRS_CHANGED)
        status = Status.SKIPPED if skipped else Status.ERROR
        return Result(path=path, status=status, detail=str(error), whose=whose)
    return Result(path=path, status=status, detail=shown or f"was {finding.expect}", whose=whose)


def _replayed(engine: EngineRef, finding: corpus.Finding) -> tuple[Status, str]:
    status, played = replay(engine, finding.steps, PROFILES[finding.profile])
    return status, f"{played.found.fault.kind}: {played.found.fault.explanation}" if played.found else ""


def _whose(finding: corpus.Finding, engine: EngineRef) -> str:
    """Whose mistake it is that a finding shows in this engine. With other options, software of others is as ours."""
    if BUG in dict(engine.options):
        return PLANTED
    if not finding.theirs or engine != finding.engine:
        return OURS
    return THEIRS if engine.factory().version in (finding.theirs.version, "") else THEIRS_CHANGED


def present(factory: Factory) -> None:
    """Unavailable where the package that an engine comes with, or the server that it is, is not installed."""
    missing = factory.missing
    if missing:
        how = f"apt-get install {missing}" if missing == factory.server else "pip install 'chaoswal[engines]'"
        raise Unavailable(f"{missing} is not installed: {how}")


def changed(engine: EngineRef, options: EngineRef) -> EngineRef:
    """The engine with options set, or taken away where their value is empty."""
    merged = {**dict(engine.options), **dict(options.options)}
    return EngineRef(name=engine.name, options=tuple((key, value) for key, value in merged.items() if value))


def _table(results: list[Result]) -> str:
    rows = [(result.status, result.whose, result.path, result.detail[:90]) for result in results]
    bad = sum(not result.good for result in results)
    skipped = sum(result.status is Status.SKIPPED for result in results)
    end = f"{len(results) - skipped} findings replayed, {bad} not as they must be"
    end += f", {skipped} skipped" if skipped else ""
    return tabulate(rows, ["", "", "file", "what"], tablefmt="plain", disable_numparse=True) + f"\n{end}"


def _summary(results: list[Result], seconds: float) -> dict[str, object]:
    good = all(result.good for result in results)
    return {
        "verdict": "UNKNOWN" if _nothing(results) else "PASS" if good else "FAIL",
        "reasons": [f"{result.path}: {result.status}: {result.detail}" for result in results if not result.good],
        "seconds": round(seconds, 3),
        "files": [
            {"file": str(result.path), "status": result.status, "whose": result.whose, "detail": result.detail}
            for result in results
        ],
    }
