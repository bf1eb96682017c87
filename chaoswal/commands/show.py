"""``show``: tell one finding event by event, and put the disk its crash left into a directory."""

import argparse
from pathlib import Path

from chaoswal import arguments as words
from chaoswal import corpus
from chaoswal.disk.directory import save
from chaoswal.disk.image import Image
from chaoswal.errors import Exit, UsageError
from chaoswal.explain import explain
from chaoswal.pool import apart
from chaoswal.report.finding import render


def configure(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.epilog = (
        "examples:\n  chaoswal show a91f3c\n  chaoswal show corpus/wal/a91f3c.chaos --disk crashed/\n\n"
        "The directory of --disk must not exist, or be empty; open your engine on it with your own debugger."
    )
    parser.add_argument("id", metavar="ID", help="the id or name of a finding, or its file")
    parser.add_argument("--corpus", type=Path, default=Path("corpus"), help="where ids are looked up (default: corpus)")
    words.allow_commands(parser, corpus.ANY)
    words.patience(parser)
    parser.add_argument("--disk", type=Path, metavar="DIR", help="write the disk as the crash left it")


def execute(arguments: argparse.Namespace) -> int:
    """Show; the exit code."""
    path = corpus.find(arguments.id, arguments.corpus)
    finding = corpus.load(path, command=arguments.command)
    text, disk = apart(lambda: _told(finding, path))
    if arguments.disk:
        if disk is None:
            raise UsageError("this finding needs no crash: there is no crashed disk to write")
        _empty(arguments.disk)
        _write(disk, arguments.disk)
    print(text, end="")
    return Exit.CLEAN


def _told(finding: corpus.Finding, path: Path) -> tuple[str, Image | None]:
    explanation = explain(finding)
    return render(finding, explanation, path), explanation.disk


def _write(image: Image, directory: Path) -> None:
    try:
        save(image, str(directory))
    except OSError as error:
        raise UsageError(f"cannot write {directory}: {error.strerror}") from error


def _empty(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise UsageError(f"{directory} is not empty: name a directory that does not exist")
    except OSError as error:
        raise UsageError(f"cannot use {directory}: {error.strerror}") from error
