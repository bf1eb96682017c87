"""The command: bad input, findings, JSON, and an end that leaves nothing behind."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from chaoswal.cli import main
from chaoswal.errors import Exit
from tests.killloop.conftest import ROOT, SUBJECTS, TOYS, Command

_USAGE = [
    (["nope"], "unknown engine 'nope'"),
    (["wal", "-o", "nonsense=1"], "nonsense"),
    (["wal", "-o", "wal_bytes"], "expected key=value"),
    (["--profile", "fat12"], "unknown profile 'fat12'"),
    (["--faults", "fire"], "expected some of kill, torn, power"),
    (["sqlite", "--faults", "kill,power"], "takes no vfs"),
    (["--faults", "power", "--profile", "kill"], "nothing is ever lost"),
    (["--dir", "/nonexistent/x"], "there is no such directory"),
    (["--dir", __file__], "is not a directory"),
    (["--dir", str(ROOT / "tests")], "did not put there"),
    (["--cycles", "0"], "is not a number from 1 on"),
    (["--duration", "soon"], "is not a time"),
    (["--seed", "-4"], "from 0 on"),
]


@pytest.mark.parametrize(("words", "expected"), _USAGE, ids=[" ".join(words)[:24] for words, _ in _USAGE])
def test_bad_input_is_one_clear_message(capsys: pytest.CaptureFixture[str], words: list[str], expected: str) -> None:
    try:
        code = main(["kill-loop", *words])
    except SystemExit as end:
        code = int(end.code or 0)
    told = capsys.readouterr()
    assert code == Exit.USAGE
    assert expected in told.err
    assert told.out == ""


def test_a_mistake_is_told_without_a_traceback(command: Command) -> None:
    done = command("nope")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_cannot_be_written_to(command: Command, place: Path) -> None:
    place.chmod(0o500)
    done = command("--dir", str(place))
    assert done.returncode == 2
    assert "cannot be written to" in done.stderr


def test_a_clean_campaign_as_json_leaves_its_directory_empty(command: Command, place: Path) -> None:
    done = command(f"{TOYS}:ToyLog", "--cycles", "30", "--faults", "kill,torn,power", "--dir", str(place), "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["verdict"] == "PASS"
    assert summary["cycles"] == 30 == sum(summary["kills"].values()) == sum(summary["faults"].values())
    assert set(summary) >= {"reasons", "engine", "seed", "seconds", "states", "exhaustive", "findings"}
    assert summary["states"]["judged"] >= summary["states"]["distinct"] > 0
    assert re.search(r"killed in +kill +power +torn +all", done.stderr)
    assert list(place.iterdir()) == []


def test_what_is_kept_may_be_used_again(command: Command, place: Path) -> None:
    words = (f"{TOYS}:ToyLog", "--cycles", "4", "--dir", str(place), "--keep")
    assert command(*words).returncode == 0
    assert (place / "worker-0").is_dir()
    assert command(*words).returncode == 0
    (place / "mine").touch()
    assert command(*words).returncode == 2
    assert (place / "mine").exists()


def test_a_finding_is_told_kept_and_replayed(command: Command, place: Path) -> None:
    done = command(f"{TOYS}:NoSync", "--faults", "power", "--dir", str(place), "--json", "--seed", "3")
    assert done.returncode == 1, done.stderr
    found, *_ = json.loads(done.stdout)["findings"]  # each of the workers may have come to one
    assert "FAIL  " in done.stderr
    assert "reproduce   python -m chaoswal replay" in done.stderr
    assert (Path(found["kept"]) / "before").is_dir()
    replayed = subprocess.run(
        [sys.executable, "-m", "chaoswal", "replay", found["file"]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "FAILED" in replayed.stdout


def test_what_an_engine_prints_does_not_mix_with_what_we_say(command: Command, place: Path) -> None:
    done = command(f"{SUBJECTS}:Prints", "--cycles", "10", "--dir", str(place))
    assert done.returncode == 0
    assert "appending" not in done.stdout + done.stderr


def test_an_unnoted_change_is_no_verdict(command: Command, place: Path) -> None:
    done = command(f"{SUBJECTS}:GoesAround", "--faults", "power", "--dir", str(place))
    assert done.returncode == 4
    assert re.search(r"^UNKNOWN  .*no verdict is possible", done.stderr, re.MULTILINE)
    assert "PASS" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_no_process_and_no_file(place: Path, number: signal.Signals) -> None:
    words = [
        sys.executable,
        "-m",
        "chaoswal",
        "kill-loop",
        f"{TOYS}:ToyLog",
        "--cycles",
        "100000",
        "--dir",
        str(place),
        "--json",
    ]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for((place / "worker-1" / "data-1").is_dir)
    time.sleep(0.3)
    family = below(process.pid)
    assert len(family) >= 4
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert json.loads(out)["verdict"] == "UNKNOWN"
    assert "Traceback" not in err
    assert [pid for pid in family if Path(f"/proc/{pid}").exists()] == []
    assert list(place.iterdir()) == []


def test_an_interrupt_of_the_whole_group_is_the_same(place: Path) -> None:
    """As a terminal does it: everybody gets the signal."""
    words = [sys.executable, "-m", "chaoswal", "kill-loop", f"{TOYS}:ToyLog", "--cycles", "100000", "--dir", str(place)]
    process = subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True)
    wait_for((place / "worker-1" / "data-1").is_dir)
    time.sleep(0.3)
    family = below(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert [pid for pid in family if Path(f"/proc/{pid}").exists()] == []
    assert list(place.iterdir()) == []


def test_whoever_is_killed_takes_everybody_below_along(place: Path) -> None:
    words = [sys.executable, "-m", "chaoswal", "kill-loop", f"{SUBJECTS}:Hangs", "--dir", str(place)]
    process = subprocess.Popen(words, cwd=ROOT, stderr=subprocess.DEVNULL)
    wait_for((place / "worker-1" / "data-1").is_dir)
    time.sleep(0.5)
    family = below(process.pid)
    assert family
    process.kill()
    process.wait()
    wait_for(lambda: not any(running(pid) for pid in family))


def wait_for(condition: Callable[[], bool]) -> None:
    """Until it is so; a failure where it is not so in time."""
    until = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < until, "it never came to be"
        time.sleep(0.01)


def below(pid: int) -> list[int]:
    """Every process below this one, by its id."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue  # it has just ended
            parents.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for one in found:  # grows while it is walked
        found += parents.get(one, [])
    return found[1:]


def running(pid: int) -> bool:
    """Whether a process is there and not only waiting to be buried."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_without_eyes_no_kill_loop_passes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("chaoswal.killloop.campaign.canary", lambda: False)
    assert main(["kill-loop", "--cycles", "4", "--seed", "1"]) == Exit.INCONCLUSIVE
    assert "would mean nothing" in capsys.readouterr().err
