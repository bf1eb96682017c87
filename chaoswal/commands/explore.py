"""``explore``: drawn programs, every crash state within a bound, and each violation shrunk to a file."""

import argparse
import datetime as dt
import json
import os
import secrets
import sys
from pathlib import Path

from chaoswal import arguments as words
from chaoswal import corpus
from chaoswal.campaign import Campaign, Explorer
from chaoswal.check import Depth
from chaoswal.disk.crashes import Bound
from chaoswal.disk.profiles import PROFILES, Profile
from chaoswal.enact import enact_everywhere, sightings
from chaoswal.engines.registry import EngineRef
from chaoswal.errors import ChaoswalError, Inconclusive, UsageError
from chaoswal.evidence import Evidence
from chaoswal.explain import explain
from chaoswal.hunt import BOUND, CRASH, DEPTH, FAULTS, Given, Hunter
from chaoswal.notices import Explored, ExploreFinished, Found, Listener, Notice, Started
from chaoswal.pool import apart
from chaoswal.processes import interruptible
from chaoswal.replay import ready
from chaoswal.report import explore as report
from chaoswal.report.enact import evidence
from chaoswal.report.finding import render
from chaoswal.report.terminal import Terminal

BUDGET_SECONDS = 60.0
ENACTED = 20
"""So many times a finding is tried on each real file system."""
CORPUS = Path("corpus")

_EPILOG = """examples:
  chaoswal explore                                 the builtin log, for a minute, on all cores
  chaoswal explore wal -o bug=no-checksum          the same with a planted bug
  chaoswal explore my_engine.py:Engine --budget 5m
  chaoswal explore 'cmd:./mylog {dir}'             a program in any language, which speaks JSON lines
  chaoswal explore --faults crash,io,rot,leak --strict
  chaoswal explore --states 1_000_000 --seed 7     the same states and findings on every machine
  chaoswal explore --program FILE --bound 2        every state within two deviations of one program, or of a finding
  chaoswal explore --profile ext4-ordered,posix    these file systems only

faults:
  crash  kills and power cuts after every event
  io     a call fails, once or from then on; a write is cut short; and crashes behind that
  rot    what was durable is damaged at rest: bits, sectors, whole files (for engines that say how they report it)
  leak   descriptors, files and memory that reopening leaves behind

A finding that a kill, a prefix of the events or a named file system allows is an error; one that only posix allows, or
that lies before the first promise, is a warning, and a violation only with --strict.

exit code: 0 clean, 1 violation, 2 usage, 3 internal error, 4 inconclusive, 5 nothing ran, 130 interrupted"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "engine", metavar="ENGINE", nargs="?", help="a name, path/to/file.py:Class, or cmd:PROGRAM (default: wal)"
    )
    parser.add_argument("-o", dest="options", metavar="KEY=VALUE", action="append", default=[], help="engine option")
    parser.add_argument("--profile", default=",".join(PROFILES), metavar="LIST", help="file systems (default: all)")
    parser.add_argument("--faults", default=CRASH, metavar="LIST", help=f"{', '.join(FAULTS)} (default: {CRASH})")
    parser.add_argument("--bound", type=words.whole, default=BOUND.deviations, metavar="K", help="deviations (1)")
    parser.add_argument("--depth", type=words.whole, metavar="N", help="crashes in recovery (2; on real directories 0)")
    parser.add_argument(
        "--program", type=Path, metavar="FILE", help="explore one program whole: a finding, or its steps"
    )
    parser.add_argument("--budget", type=words.seconds, metavar="TIME", help="so long: 60s, 5m, 1h (default: 60s)")
    parser.add_argument("--states", type=words.count, metavar="N", help="so many judged states instead")
    parser.add_argument("--seed", type=words.whole, metavar="N", help="what is drawn follows from it (default: random)")
    parser.add_argument("--workers", type=words.count, metavar="N", help="processes (default: one a core)")
    words.allow_commands(parser, corpus.ANY)
    parser.add_argument("--strict", action="store_true", help="a warning is a violation too")
    parser.add_argument("--corpus", type=Path, default=CORPUS, metavar="DIR", help=f"for findings (default: {CORPUS})")
    parser.add_argument("--enact", action="store_true", help="try each finding on real file systems, as `enact` does")
    words.patience(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")


def execute(arguments: argparse.Namespace) -> int:
    """Explore; the exit code."""
    campaign = _plan(arguments)
    with interruptible():
        return Explorer(campaign, _listener(as_json=arguments.json, enacting=arguments.enact)).run()


def _plan(arguments: argparse.Namespace) -> Campaign:
    """The campaign, or a UsageError that says what is wrong with it."""
    if arguments.corpus.exists() and not arguments.corpus.is_dir():
        raise UsageError(f"--corpus {arguments.corpus}: is not a directory")
    if arguments.program and (arguments.budget or arguments.states):
        raise UsageError("--program is explored whole: it takes neither --budget nor --states")
    seed = secrets.randbelow(1_000_000) if arguments.seed is None else arguments.seed
    hunter = _given(arguments, seed) if arguments.program else _hunter(arguments, seed)
    unbounded = arguments.states or arguments.program
    return Campaign(
        hunter=hunter,
        states=arguments.states,
        budget_seconds=arguments.budget or (None if unbounded else BUDGET_SECONDS),
        workers=arguments.workers or os.cpu_count() or 1,
        strict=arguments.strict,
        corpus=arguments.corpus / engine_folder(hunter.engine),
        today=dt.datetime.now(tz=dt.UTC).date(),
        command=words.again(arguments, seed),
    )


def _profiles(arguments: argparse.Namespace) -> list[Profile]:
    return [PROFILES[name] for name in words.listed("--profile", arguments.profile, PROFILES)]


def _depth(arguments: argparse.Namespace, engine: EngineRef) -> Depth | None:
    levels = arguments.depth
    if levels is None:
        levels = DEPTH.levels if ready(engine)[0].simulated else 0
    return Depth(levels=levels, samples=DEPTH.samples, bound=DEPTH.bound) if levels else None


def _hunter(arguments: argparse.Namespace, seed: int) -> Hunter:
    engine = EngineRef.of(arguments.engine or "wal", arguments.options)
    states = BOUND.states_per_point * max(1, arguments.bound)
    bound = Bound(deviations=arguments.bound, random_states=BOUND.random_states, states_per_point=states)
    faults = words.listed("--faults", arguments.faults, FAULTS)
    return Hunter(engine, _profiles(arguments), seed=seed, bound=bound, depth=_depth(arguments, engine), faults=faults)


def _given(arguments: argparse.Namespace, seed: int) -> Given:
    """The program of a file: a finding's without its last crashes, or plain steps."""
    path: Path = arguments.program
    engine, steps = corpus.load_program(path, command=corpus.ANY if arguments.engine else arguments.command)
    if arguments.engine or engine is None:
        engine = EngineRef.of(arguments.engine or "wal", arguments.options)
    return Given(
        engine, steps, _profiles(arguments), deviations=arguments.bound, depth=_depth(arguments, engine), seed=seed
    )


def engine_folder(engine: EngineRef) -> str:
    """The folder of an engine's findings."""
    return Path(engine.name.rpartition(":")[0] or engine.name).stem


def _enacted(finding: corpus.Finding, path: Path) -> tuple[str, list[str]]:
    """What comes of trying it on real file systems, in one line and in its file, and those it was seen on."""
    try:
        enacted = enact_everywhere(finding, tries=ENACTED, seed=finding.seed)
    except ChaoswalError as error:
        return f"not enacted: {error}", []
    corpus.note(path, (finding.evidence or Evidence()).and_also(sightings(finding, enacted)))
    return evidence(finding, enacted), [one.file_system.name for one in enacted if one.seen]


def _rendered(finding: corpus.Finding, file: Path) -> str:
    """The finding told; where its engine would not have that, as its file tells it."""
    try:
        return apart(lambda: render(finding, explain(finding), file))
    except Inconclusive as error:
        return f"FAIL  {finding.expect}: {file}\n{corpus.dumps(finding)}it cannot be told event by event: {error}\n"


def _listener(*, as_json: bool, enacting: bool) -> Listener:
    """Whoever listens to an exploration on this terminal."""
    terminal = Terminal(sys.stderr)
    seen_on: dict[str, list[str]] = {}

    def listen(notice: Notice) -> None:
        match notice:
            case Started():
                terminal.say(report.started(notice))
            case Explored():
                terminal.progress(report.progress_line(notice))
            case Found(file=""):
                terminal.say(f"FAIL  {notice.kind}: {notice.explanation}")
            case Found(file=file):
                finding = corpus.load(Path(file), command=corpus.ANY)  # it has just been run
                terminal.say(_rendered(finding, Path(file)))
                if enacting:
                    said, seen_on[notice.id] = _enacted(finding, Path(file))
                    terminal.say(f"  {said}\n")
            case ExploreFinished():
                terminal.say(report.finished(notice))
                if as_json:
                    told = report.summary(notice)
                    for found in told["findings"]:
                        found["seen_on"] = seen_on.get(found["id"], [])
                    print(json.dumps(told))

    return listen
