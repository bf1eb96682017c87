"""``tail``: the last records of a log, and those to come."""

import argparse
import json
import sys
import time
from collections.abc import Iterable

from chaoswal.commands.directory import add_directory, looking_at
from chaoswal.errors import Exit, UsageError
from chaoswal.wal.errors import CorruptLog, RecordGone
from chaoswal.wal.frames import Record
from chaoswal.wal.reader import LogReader

POLL_SECONDS = 0.05


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.epilog = (
        "examples:\n  chaoswal tail data/ -n 20\n  chaoswal tail data/ -f --hex\n"
        "  chaoswal tail data/ -n all --json\n\n"
        "Shown is what is known to be durable: the last append is, once another one follows or its WAL is finished\n"
        "(docs/adr/0005). --unsynced shows the rest too; a crash may take that away. Nothing is changed.\n\n"
        "exit code: 0, 1 damage, 2 no log, 130 ended by Ctrl-C"
    )
    add_directory(parser)
    parser.add_argument("-n", dest="count", metavar="N", default="10", help='how many records, or "all" (default: 10)')
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what is appended, until Ctrl-C")
    parser.add_argument("--hex", action="store_true", help="payloads as hexadecimal digits")
    parser.add_argument("--json", action="store_true", help="a JSON object a line, payloads in hexadecimal digits")
    parser.add_argument("--unsynced", action="store_true", help="also what is not known to be durable")


def execute(arguments: argparse.Namespace) -> int:
    """Show; the exit code."""
    count = _count(arguments.count)
    with looking_at(arguments.directory) as vfs:
        try:
            reader = LogReader(vfs, unsynced=arguments.unsynced, pause=time.sleep)
            first = reader.start_sequence if count is None else max(reader.start_sequence, reader.end_sequence - count)
            upcoming = _show_all(reader, first, arguments)
            while arguments.follow:
                time.sleep(POLL_SECONDS)
                upcoming = _show_all(reader, upcoming, arguments)
        except CorruptLog as error:
            sys.stdout.flush()
            print(f"chaoswal: {error}", file=sys.stderr)
            return Exit.VIOLATION
    return Exit.CLEAN


def _count(text: str) -> int | None:
    if text == "all":
        return None
    if not text.isdecimal():
        raise UsageError(f'-n {text}: it is a number of records, or "all"')
    return int(text)


def _show_all(reader: LogReader, sequence: int, arguments: argparse.Namespace) -> int:
    """Show everything from this number on; the number to go on with."""
    while True:
        try:
            run = reader.read(sequence)
        except RecordGone as gone:
            print(f"chaoswal: records {sequence} to {gone.start - 1} were cleaned up", file=sys.stderr)
            sequence = gone.start
            continue
        if not run:
            return sequence
        _show(run, arguments)
        sequence = run[-1][0] + 1


def _show(run: Iterable[Record], arguments: argparse.Namespace) -> None:
    for number, record in run:
        if arguments.json:
            print(json.dumps({"sequence": number, "payload": record.hex()}))
        else:
            print(f"{number}\t{record.hex() if arguments.hex else _text(record)}")
    sys.stdout.flush()


def _text(record: bytes) -> str:
    """The payload on one line: what is printable as it is, the rest escaped."""
    text = record.decode("utf-8", errors="backslashreplace")
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)
