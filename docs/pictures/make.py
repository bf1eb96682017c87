"""Draws the picture of the README: runs the command below and writes what it says as an SVG. ``make picture`` runs it.

What a finding says is drawn, and not how long it took, so that the same engine gives the same picture again. The lines
that it names are those of the Python that runs this.
"""

import io
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

WORDS = ["explore", "dbm.dumb", "--profile", "kill", "--seed", "7", "--states", "100"]
PICTURE = Path(__file__).with_name("dbm-dumb.svg")
COLUMNS = 122
STYLES = {
    r"^FAILED .*": "bold red",
    r"not a missing sync:.*": "yellow",
    r"<- look here:.*": "bold red",
    r"-- kill --": "bold red",
    r"^  (recovered|allowed) .*": "bold",
    r"^\$ .*": "bold green",
}


def said() -> str:
    """What the command says of its finding."""
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "chaoswal", *WORDS, "--workers", "1"]
        done = subprocess.run(command, cwd=directory, check=False, capture_output=True, text=True)
    return shown(done.stderr)


def shown(output: str) -> str:
    """The part of an exploration's output that is drawn: its finding."""
    start, end = output.index("FAILED"), output.index("  reproduce")
    return output[start:end].rstrip()


def drawn(text: str) -> str:
    """The picture."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    picture = Text(f"$ python -m chaoswal {' '.join(WORDS)}\n\n{text}", no_wrap=True, overflow="ellipsis")
    for form, style in STYLES.items():
        picture.highlight_regex(f"(?m){form}", style)
    console.print(picture)
    lines = console.export_svg(title="chaoswal", unique_id="chaoswal").splitlines()
    return "\n".join(line.rstrip() for line in lines) + "\n"


if __name__ == "__main__":
    PICTURE.write_text(drawn(said()), encoding="utf-8")
