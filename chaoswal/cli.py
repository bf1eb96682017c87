"""The command line: parse, run, and turn every error into one clear line and the right exit code."""

import argparse
import importlib
import sys
from collections.abc import Sequence

from chaoswal import __version__
from chaoswal.errors import ChaoswalError, Exit, Inconclusive, place_and_text
from chaoswal.patience import be_patient

COMMANDS = {
    "kill-loop": (
        "chaoswal.commands.kill_loop",
        "kill real processes that write to a real disk, and judge what is left",
    ),
    "explore": ("chaoswal.commands.explore", "draw programs and judge every crash state of each, within a bound"),
    "gate": ("chaoswal.commands.gate", "the corpus, a self-test, exploration and kills, against what is known: for CI"),
    "engines": ("chaoswal.commands.engines", "list the engines that ship: version, promise, and how they are run"),
    "lint": ("chaoswal.commands.lint", "list what looks like a mistake in one run, and try the crash for it"),
    "replay": ("chaoswal.commands.replay", "replay findings of the corpus: FIXED, FAILED, STALE or ERROR"),
    "show": ("chaoswal.commands.show", "tell one finding event by event; put its crashed disk into a directory"),
    "enact": ("chaoswal.commands.enact", "make the calls of one finding on real file systems, and cut the power"),
    "inspect": ("chaoswal.commands.inspect", "list every file of a log and verify every checksum"),
    "tail": ("chaoswal.commands.tail", "show the last records of a log, and follow it"),
    "doctor": ("chaoswal.commands.doctor", "say what is wrong with a log and what recovery would do, without doing it"),
    "selftest": (
        "chaoswal.commands.selftest",
        "hunt every planted bug: all must be found, and none in the sound engine",
    ),
    "bench": ("chaoswal.commands.bench", "measure the checker, as ratios within one run"),
    "new": ("chaoswal.commands.new", "begin an engine of your own: an adapter that works, its test, a workflow for CI"),
}
"""Each command's module, which has ``configure(parser)`` and ``execute(arguments)``, and what it is for."""


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    words = sys.argv[1:] if words is None else list(words)
    parser = _parser(words)
    try:
        arguments = parser.parse_args(words)
    except SystemExit as end:  # usage was told, or help
        return int(end.code or 0)
    if getattr(arguments, "patience", None):  # which not every command has, and kill-loop another default of
        be_patient(arguments.patience)
    try:
        return int(arguments.execute(arguments))
    except ChaoswalError as error:
        unknown = "UNKNOWN: " if isinstance(error, Inconclusive) else ""
        print(f"chaoswal: {unknown}{error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("chaoswal: interrupted", file=sys.stderr)
        return Exit.INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has gone: there is nobody to tell
        return Exit.CLEAN
    except MemoryError:
        print("chaoswal: UNKNOWN: out of memory: no verdict", file=sys.stderr)
        return Exit.INCONCLUSIVE
    except Exception as error:  # noqa: BLE001 - a bug of ours must not end with the exit code of a violation
        print(f"chaoswal: internal error at {place_and_text(error)}", file=sys.stderr)
        return Exit.INTERNAL
    except BaseException as error:  # noqa: BLE001 - nobody here raises others: an engine did, and was not contained
        name = type(error).__name__
        print(f"chaoswal: UNKNOWN: an engine raised {name} where the checker ran: no verdict", file=sys.stderr)
        return Exit.INCONCLUSIVE


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="chaoswal",
        description="Can a kill or a power cut make a storage engine lose, reorder, invent or resurrect a record?",
        epilog="examples:\n  chaoswal kill-loop --cycles 200 --faults kill,torn,power\n  chaoswal replay corpus\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"chaoswal {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, (module, purpose) in COMMANDS.items():
        command = commands.add_parser(
            name, help=purpose, description=purpose, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if name in words:  # only the command that is asked for is imported
            chosen = importlib.import_module(module)
            chosen.configure(command)
            command.set_defaults(execute=chosen.execute, words=list(words))
    return parser
