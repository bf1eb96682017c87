"""``enact``: make the calls of one finding on real file systems, cut the power, and say where it was really seen."""

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

from chaoswal import corpus
from chaoswal.arguments import allow_commands, count, listed, patience, whole
from chaoswal.commands.replay import CORPUS, changed
from chaoswal.enact import Enacted, Scene, Try, enact, sightings
from chaoswal.engines.registry import EngineRef
from chaoswal.errors import Exit, UsageError
from chaoswal.evidence import Evidence
from chaoswal.processes import interruptible
from chaoswal.realfs.loopfs import FILE_SYSTEMS
from chaoswal.report.enact import render, summary

TRIES, WAIT_SECONDS = 60, 3


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    names = ",".join(kind.name for kind in FILE_SYSTEMS)
    parser.epilog = (
        "examples:\n  chaoswal enact corpus/zoo/no-sync-before-ack.chaos\n"
        "  chaoswal enact a91f3c --fs ext4,xfs --tries 200 --wait 0\n"
        "  chaoswal enact a91f3c -o bug=            the planted bug taken out\n"
        "  chaoswal enact a91f3c --save             and note what came of it in the finding's file\n\n"
        "Needs root, loop devices, FUSE, and mkfs of each file system; what is missing is said, and that file system\n"
        "skipped. Images are in memory or where temporary files are, and everything is unmounted at the end.\n\n"
        "exit code: 0 never, 1 seen, 2 usage, 4 not seen (which refutes nothing) or not enacted"
    )
    parser.add_argument("id", metavar="FINDING", help="the id or name of a finding, or its file")
    parser.add_argument("--fs", dest="names", default=names, metavar="NAMES", help=f"some of {names} (default: all)")
    parser.add_argument("--tries", type=count, default=TRIES, metavar="N", help=f"for each file system ({TRIES})")
    parser.add_argument(
        "--wait",
        type=whole,
        default=WAIT_SECONDS,
        metavar="SECONDS",
        help=f"wait so long before two more power cuts, 0: none ({WAIT_SECONDS})",
    )
    parser.add_argument("--seed", type=whole, default=0, metavar="N", help="what the tries are drawn by (0)")
    parser.add_argument(
        "-o",
        dest="options",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="set an option of the engine; KEY= takes it away",
    )
    parser.add_argument("--save", action="store_true", help="note what came of it in the finding's file, as evidence")
    parser.add_argument("--corpus", type=Path, default=CORPUS, metavar="DIR", help=f"where ids are ({CORPUS})")
    allow_commands(parser, corpus.ANY)
    patience(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")


def execute(arguments: argparse.Namespace) -> int:
    """Enact; the exit code."""
    started = time.monotonic()
    if arguments.save and arguments.options:
        raise UsageError("--save notes what is true of the finding as it is: it does not go with -o")
    names = listed("--fs", arguments.names, [kind.name for kind in FILE_SYSTEMS])
    path = corpus.find(arguments.id, arguments.corpus)
    finding = corpus.load(path, command=arguments.command)
    engine = changed(finding.engine, EngineRef.of("option", arguments.options))
    scene = Scene(replace(finding, engine=engine))
    with interruptible():
        enacted = [_enact(scene, name, arguments) for name in names]
    if arguments.save:
        corpus.note(path, (finding.evidence or Evidence()).and_also(sightings(finding, enacted)))
    if arguments.json:
        print(json.dumps(summary(scene, enacted, path, arguments.seed, time.monotonic() - started)))
    else:
        print(render(scene, enacted))
    return Exit.VIOLATION if any(one.seen for one in enacted) else Exit.INCONCLUSIVE


def _enact(scene: Scene, name: str, arguments: argparse.Namespace) -> Enacted:
    kind = next(kind for kind in FILE_SYSTEMS if kind.name == name)
    done = 0

    def tell(_: Try) -> None:
        nonlocal done
        done += 1
        if sys.stderr.isatty():
            print(f"\r{name}: {done} tries", end="\r", file=sys.stderr, flush=True)

    return enact(scene, kind, tries=arguments.tries, seed=arguments.seed, wait_seconds=arguments.wait, tell=tell)
