"""Words of the command line that more than one command takes: counts, times, lists; wrong ones are usage errors."""

import argparse
import re
import shlex
from collections.abc import Collection

from chaoswal.errors import UsageError
from chaoswal.patience import PATIENCE_SECONDS

_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smh]?)")
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def count(word: str) -> int:
    """A number from 1 on; underscores may stand between its digits."""
    return _number(word, 1)


def whole(word: str) -> int:
    """A number from 0 on; underscores may stand between its digits."""
    return _number(word, 0)


def _number(word: str, least: int) -> int:
    digits = word.replace("_", "")
    if not digits.isdecimal() or int(digits) < least:
        raise argparse.ArgumentTypeError(f"{word!r} is not a number from {least} on")
    return int(digits)


def seconds(word: str) -> float:
    """A time in seconds, from ``60s``, ``5m``, ``1h`` or a bare number of seconds."""
    match = _DURATION.fullmatch(word)
    found = float(match[1]) * _UNITS[match[2]] if match else 0.0
    if not found:
        raise argparse.ArgumentTypeError(f"{word!r} is not a time: expected 60s, 5m, 1h, or seconds")
    return found


def listed(option: str, words: str, known: Collection[str]) -> tuple[str, ...]:
    """The words of a list with commas, in the order of ``known``; UsageError where one is not among those."""
    asked = [word.strip() for word in words.split(",") if word.strip()]
    found = tuple(word for word in known if word in asked)
    if not found or not set(asked) <= set(known):
        raise UsageError(f"{option} {words}: expected some of {', '.join(known)}, with commas between")
    return found


def patience(parser: argparse.ArgumentParser) -> None:
    """The option ``--patience``, in seconds; ``cli.main`` hands it to ``be_patient``."""
    told = f"an opening that takes longer hangs ({PATIENCE_SECONDS:g}s); six times as long a finding is made small"
    parser.add_argument("--patience", type=seconds, default=PATIENCE_SECONDS, metavar="TIME", help=told)


def again(arguments: argparse.Namespace, seed: int) -> str:
    """The command that runs this once more: its words as they were typed, and the seed, which may have been drawn."""
    typed: list[str] = arguments.words
    told = any(word.startswith("--seed") for word in typed)
    return shlex.join(["python", "-m", "chaoswal", *typed, *([] if told else ["--seed", str(seed)])])


def allow_commands(parser: argparse.ArgumentParser, word: str) -> None:
    """The option ``--allow-commands``, which sets ``command`` to this word."""
    parser.add_argument(
        "--allow-commands",
        dest="command",
        action="store_const",
        const=word,
        default="",
        help="run what findings name as their engine: programs (cmd:…), modules, files elsewhere",
    )
