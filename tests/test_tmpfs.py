"""Directories in memory: gone with whoever made the first of them, however that ended."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chaoswal import tmpfs

CHECKOUT = Path(__file__).parents[1]
SCRIPT = """
import os, sys
from chaoswal.tmpfs import fresh_directory
one = fresh_directory()
if not os.fork():
    other = fresh_directory()
    (other / "file").write_bytes(b"x")
    print(other, flush=True)
    os._exit(0)
os.wait()
print(one, fresh_directory(), flush=True)
if sys.argv[1] == "killed":
    os.kill(os.getpid(), 9)
"""


def run(how: str) -> list[Path]:
    command = [sys.executable, "-c", SCRIPT, how]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=CHECKOUT)
    assert done.returncode == (-9 if how == "killed" else 0), done.stderr
    return [Path(word) for word in done.stdout.split()]


def test_all_is_gone_when_it_ends() -> None:
    paths = run("ended")
    assert len(set(paths)) == 3
    assert len({path.parent for path in paths}) == 1
    assert not paths[0].parent.exists()


def test_what_a_killed_one_left_is_removed_by_the_next() -> None:
    left = run("killed")
    assert all(path.is_dir() for path in left)
    run("ended")
    assert not left[0].parent.exists()
    assert not [entry for entry in os.listdir(left[0].parent.parent) if entry == left[0].parent.name]


def test_what_a_campaign_has_left_goes_with_its_process_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tmpfs, "_where", lambda: tmp_path)
    (tmp_path / f"{tmpfs.campaign_of(12)}abc" / "worker-0").mkdir(parents=True)
    (tmp_path / f"{tmpfs.campaign_of(123)}abc").mkdir()
    tmpfs.remove_campaigns(12)
    assert os.listdir(tmp_path) == [f"{tmpfs.campaign_of(123)}abc"]
