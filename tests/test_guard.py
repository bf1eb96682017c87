"""The guard: whatever becomes of the process that checks, somebody says so; and nobody is left below."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chaoswal.errors import Exit

CHECKOUT = Path(__file__).parents[1]
SCRIPT = """
import os, signal, sys, time
from chaoswal.guard import guarded
from chaoswal.processes import adopt_orphans, bury_orphans, children, within

def buries():
    adopt_orphans()
    if not os.fork():
        for _ in range(3):
            if not os.fork():
                os.setsid()
                time.sleep(600)
        os._exit(0)
    os.wait()
    assert len(children()) == 3
    bury_orphans()
    return len(children())

def loads(seconds, allowed):
    with within(allowed):
        time.sleep(seconds)
    time.sleep(1)
    return 1

COMMANDS = {
    "loads": lambda: loads(0, 0.5),
    "hangs": lambda: loads(600, 0.5),
    "ends": lambda: 1,
    "stops": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "dies": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "leaves": lambda: os._exit(0),
    "buries": buries,
}
sys.exit(guarded(COMMANDS[sys.argv[1]]))
"""


@pytest.mark.parametrize(
    ("what", "code", "why"),
    [
        ("ends", 1, ""),
        ("buries", 0, ""),
        ("loads", 1, ""),
        (
            "hangs",
            Exit.INCONCLUSIVE,
            "UNKNOWN: the process that checks was ended, for its engine hangs while",
        ),
        ("stops", Exit.INCONCLUSIVE, "UNKNOWN: the process that checks was stopped by SIGSTOP"),
        ("dies", Exit.INCONCLUSIVE, "UNKNOWN: the process that checks was ended by SIGKILL"),
        ("leaves", Exit.INCONCLUSIVE, "UNKNOWN: the process that checks exited with 0"),
    ],
)
def test_an_end_is_told(what: str, code: int, why: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, what], cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == code, done.stderr
    assert why in done.stderr
    assert bool(done.stderr) == bool(why)


def test_an_engine_that_hangs_while_it_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "hangs.py").write_text("while True:\n    pass\n", encoding="ascii")
    command = [sys.executable, "-m", "chaoswal", "explore", "hangs.py:Engine", "--seed", "1", "--patience", "1s"]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (Exit.INCONCLUSIVE, "")
    assert "its engine hangs while it is loaded, or takes longer than --patience allows: no verdict" in done.stderr
