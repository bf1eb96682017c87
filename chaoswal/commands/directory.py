"""What the commands that look at a log's directory share: opening it, and errors that are told in one line."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chaoswal.errors import UsageError
from chaoswal.vfs.protocol import Vfs
from chaoswal.vfs.real import RealVfs
from chaoswal.wal.errors import LogError
from chaoswal.wal.files import LOCK_NAME


def add_directory(parser: argparse.ArgumentParser) -> None:
    """Let a command take the directory of a log."""
    parser.add_argument("directory", metavar="DIR", type=Path, help="the directory of a log of the builtin engine")


@contextmanager
def looking_at(directory: Path) -> Iterator[Vfs]:
    """The directory as a file system; UsageError, in one line, for whatever cannot be looked at."""
    try:
        vfs = RealVfs(directory)
        if not set(vfs.list()) - {LOCK_NAME}:
            raise UsageError(f"{directory} is empty: there is no log in it")
        yield vfs
    except (OSError, LogError) as error:
        if isinstance(error, BrokenPipeError):
            raise
        reason = f"{error.strerror}: {error.filename}" if isinstance(error, OSError) and error.filename else str(error)
        raise UsageError(f"cannot look at {directory}: {reason}") from error
