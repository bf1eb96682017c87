"""``lint`` as people type it: what it prints, exit codes, one object for programs, and never a traceback."""

import json
import re
from pathlib import Path

import pytest

from chaoswal import cli, corpus
from chaoswal.errors import Exit
from chaoswal.lint.rules import RULES

ROOT = Path(__file__).parents[1]

CLEAN = """\
PASS  wal: nothing confirmed, 0 notes
looked at: 7 patterns in one run and in two with a failing sync, N events in all; 0 proposed crashes judged; this is \
no search for others
"""

CONFIRMED = """\
    pattern          where
--  ---------------  ----------------------------  -----------------------------------------------------
1   ack-before-sync  nosync.py:46 in Engine.append  confirmed: lost under prefix, xfs, ext4-ordered, btrfs, posix

1. append 30 promised write log [0:38], which no sync had covered
   lost: records 0 were promised and are missing; allowed are records[c:n] with 0 <= c <= 0, 1 <= n <= 1
     append 30
     power-cut in operation 1 after end lose write of log nth 1
FAIL  tests/house/nosync.py:Engine: lost: ack-before-sync at nosync.py:46 in Engine.append
looked at: 7 patterns in one run and in two with a failing sync, N events in all; N proposed crashes judged; this is \
no search for others
"""


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """The exit code, standard output and standard error of ``lint``."""
    try:
        code = cli.main(["lint", *map(str, words)])
    except SystemExit as end:
        code = int(end.code or 0)
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return code, out, err


@pytest.fixture(autouse=True)
def at_the_top(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines go by their path from the top of the checkout."""
    monkeypatch.chdir(ROOT)


def counted(text: str) -> str:
    """A transcript without the numbers that change with the engine, and without the padding of tables."""
    text = re.sub(r"\d+ (events|proposed)", r"N \1", text)
    text = re.sub(r"-{4,}", "----", text)
    return "\n".join(line.rstrip() for line in text.splitlines())


def test_the_builtin_log_is_clean(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys)
    assert (code, err) == (Exit.CLEAN, "")
    assert counted(out) == counted(CLEAN).replace("0 proposed", "N proposed")


def test_what_is_confirmed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "tests/house/nosync.py:Engine")
    assert (code, err) == (Exit.VIOLATION, "")
    assert counted(out) == counted(CONFIRMED)


def test_a_note_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "tests/lint/toys.py:Hints")
    assert code == Exit.CLEAN
    assert "name-not-synced" in out
    assert "not confirmed; possible under posix" in out
    assert "PASS  tests/lint/toys.py:Hints: nothing confirmed, 2 notes" in out


def test_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "wal", "-o", "bug=rename-before-sync", "--json")
    told = json.loads(out)
    assert (code, err, told["verdict"]) == (Exit.VIOLATION, "", "FAIL")
    assert told["engine"] == "wal bug=rename-before-sync"
    assert told["notes"] == []
    (found,) = told["findings"]
    assert (found["rule"], found["kind"], found["profile"]) == ("rename-before-sync", "unopenable", "xfs")
    assert found["profiles"] == ["xfs", "ext4-ordered", "btrfs", "posix"]
    assert found["operations"][-1].startswith("power-cut in operation ")
    assert found["deviations"] == ["write of segment-#.seg.tmp nth 1"]
    assert (found["file"], found["seen_on"]) == ("", [])
    assert re.fullmatch(r"[0-9a-f]{6}", found["id"])
    assert re.fullmatch(r"wal/segment\.py:\d+", found["site"])
    assert found["function"] == "SegmentBirth.write"
    assert told["states"]["judged"] >= told["states"]["distinct"] > 0
    assert told["seconds"] >= 0
    assert told["reasons"] == [f"unopenable: rename-before-sync at {found['site']} in SegmentBirth.write"]


def test_notes_are_told_apart_from_findings(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "tests/lint/toys.py:Hints", "--json")
    told = json.loads(out)
    assert (code, told["verdict"], told["findings"]) == (Exit.CLEAN, "PASS", [])
    assert [note["rule"] for note in told["notes"]] == ["name-not-synced", "sync-of-the-wrong-file"]


def test_a_run_that_fails_without_a_crash_is_told_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("wal", "-o", "bug=replays-none")
    code, out, _ = run(capsys, *words)
    assert code == Exit.VIOLATION
    assert out.startswith("FAIL  wal bug=replays-none: duplicated without any crash, so that there is no passing run: ")
    code, out, _ = run(capsys, *words, "--json")
    told = json.loads(out)
    assert (code, told["verdict"], told["findings"], len(told["reasons"])) == (Exit.VIOLATION, "FAIL", [], 1)


def test_what_is_confirmed_is_kept_and_replays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "wal", "-o", "bug=unlink-old-before-new-durable", "--corpus", tmp_path / "new", "--json")
    (found,) = json.loads(out)["findings"]
    path = tmp_path / "new" / f"{found['id']}.chaos"
    assert (code, found["file"]) == (Exit.VIOLATION, str(path))
    assert corpus.load(path).expect == found["kind"]
    assert f"kept {path}" in run(capsys, "wal", "-o", "bug=unlink-old-before-new-durable", "--corpus", path.parent)[1]
    assert cli.main(["replay", str(path)]) == Exit.CLEAN, "a planted bug must fail"
    assert "FAILED" in capsys.readouterr().out
    assert cli.main(["replay", str(path), "-o", "bug="]) == Exit.CLEAN


def test_findings_that_cannot_be_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    code, out, err = run(capsys, "tests/toys.py:NoSync", "--corpus", tmp_path / "file")
    assert (code, out) == (Exit.USAGE, "")
    assert err.startswith(f"chaoswal: cannot keep findings in {tmp_path}/file: ")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["sqlite"], "sqlite takes no vfs"),
        (["nobody"], "unknown engine 'nobody'"),
        (["wal", "-o", "bug=none-such"], "unknown bug 'none-such'"),
        (["wal", "-o", "wrong=1"], "cannot open wal wrong=1"),
        (["wal", "-o", "wrong"], "expected key=value"),
        (["wal", "--profile", "ntfs"], "unknown profile 'ntfs'; there are: kill"),
        (["missing.py:Engine"], "no such file: missing.py"),
    ],
)
def test_usage(words: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, *words)
    assert (code, out) == (Exit.USAGE, "")
    assert err.startswith("chaoswal: ")
    assert why in err
    assert err.count("\n") == 1


def test_help_lists_the_patterns(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--help")
    assert code == Exit.CLEAN
    assert "examples:" in out
    assert all(rule.name in out and rule.says in out for rule in RULES)


def test_the_document_tells_of_every_rule_and_of_no_other() -> None:
    text = (ROOT / "docs/lint.md").read_text(encoding="utf-8")
    assert re.findall(r"^### `([a-z-]+)`$", text, re.MULTILINE) == [rule.name for rule in RULES]
