"""The minute at the top of the README: its commands are there, and say what it says they say."""

import html
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from chaoswal.cli import main
from chaoswal.engines import smallest
from chaoswal.errors import Exit
from tests.house.rules import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
MINUTE = README[README.index("## A minute") : README.index("## Try it")]
PICTURE = (ROOT / "docs/pictures/dbm-dumb.svg").read_text(encoding="utf-8")
DRAWN_WITH = (3, 11)
"""The Python whose dbm.dumb is in the picture."""
PROMISE = "os.fsync(self.fd)  # the promise"


def command(start: str) -> list[str]:
    """The words of the one command of the minute that begins so, with the same states wherever it runs."""
    (line,) = re.findall(rf"^    python -m chaoswal ({re.escape(start)}.*)$", MINUTE, re.MULTILINE)
    return [*shlex.split(line), *(["--workers", "1"] if start.startswith("explore") else [])]


def test_every_command_of_the_minute_is_tried_here() -> None:
    lines = re.findall(r"^    python -m chaoswal (\S+ \S+)", MINUTE, re.MULTILINE)
    assert lines == ["explore dbm.dumb", "new engine", "explore mylog.py:Engine", "explore sqlite"]


def drawn() -> list[str]:
    """The lines of the picture."""
    rows: dict[float, str] = {}
    for y, text in re.findall(r'<text class="chaoswal-r\d+" x="[\d.]+" y="([\d.]+)"[^>]*>([^<]*)</text>', PICTURE):
        rows[float(y)] = rows.get(float(y), "") + html.unescape(text).replace("\xa0", " ")
    return [rows[y].rstrip() for y in sorted(rows)]


def test_the_standard_library_loses_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = command("explore dbm.dumb")
    monkeypatch.chdir(tmp_path)
    assert main(words) == Exit.VIOLATION
    said = capsys.readouterr().err
    assert re.search(r"^FAILED  lost: key0 is missing", said, re.MULTILINE)
    if sys.version_info[:2] != DRAWN_WITH:
        pytest.skip("the picture is of the dbm.dumb of Python {}.{}".format(*DRAWN_WITH))
    first, *rest = [line for line in drawn() if line]
    assert bare(first) == bare(f"$ python -m chaoswal {' '.join(words[:-2])}")
    finding = said[said.index("FAILED") : said.index("  reproduce")]
    assert [bare(line) for line in rest] == [bare(line) for line in finding.splitlines() if line]


def bare(line: str) -> str:
    """A line without blanks, which a picture has as places, the day it was found on, and lines of a patch release."""
    return re.sub(r"found [\d-]+|dumb\.py:\d+|\s", "", line)


@pytest.mark.slow
def test_an_engine_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(command("new engine")) == Exit.CLEAN
    words = command("explore mylog.py:Engine")
    assert main(words) == Exit.CLEAN
    assert "\nPASS  no violation\n" in capsys.readouterr().err
    path = tmp_path / "mylog.py"
    text = path.read_text(encoding="utf-8")
    assert text.count(PROMISE) == Path(smallest.__file__).read_text(encoding="utf-8").count(PROMISE) == 1
    path.write_text(text.replace(PROMISE, "pass  #"), encoding="utf-8")
    assert main(words) == Exit.VIOLATION
    told = re.findall(r"^    (FAILED  .*|  no fsync .*)$", MINUTE, re.MULTILINE)
    assert len(told) == 2
    assert "\n".join(told) in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_sqlite_is_clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    words = command("explore sqlite")
    monkeypatch.chdir(tmp_path)
    assert main(words) == Exit.CLEAN
    assert "\nPASS  no violation\n" in capsys.readouterr().err
