"""Runs that strace is attached to: what is counted begins where nothing is left that is not the engine's."""

import os
import shutil
import time
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import pytest

from chaoswal.engines.registry import EngineRef
from chaoswal.ops import Append
from chaoswal.processes import let_trace
from chaoswal.record import attached
from chaoswal.record.attached import Attached
from chaoswal.record.strace import path_of
from chaoswal.text import line
from tests.killloop.conftest import ROOT

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")

_LATE_SECONDS, _LOOK_SECONDS = 0.3, 0.002


def _traced() -> bool:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return "TracerPid:\t0\n" not in status


def _slow_to_begin() -> None:
    """Let each run give strace all the time to be attached before it begins."""

    def late() -> None:
        let_trace()
        deadline = time.monotonic() + _LATE_SECONDS
        while time.monotonic() < deadline and not _traced():
            time.sleep(_LOOK_SECONDS)

    patch.object(attached, "let_trace", late).start()


def test_what_a_run_does_before_it_waits_is_not_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the first run was slow to begin, and those behind were not, a call would be aimed at that they never meet."""
    monkeypatch.chdir(ROOT)
    factory = EngineRef.parse("tests/killloop/aimed.py:GoesOnBehind").factory()
    with closing(Attached("a test")) as runs:
        runs.server.prepare(_slow_to_begin)
        lived = runs.run(factory, str(tmp_path), [line(Append(size=10))], seconds=10)
    opened = [path_of(step.entered.text) for step in lived.steps if step.entered.name == "openat"]
    assert [os.path.basename(path) for path in opened] == ["fd", "log", "task"]
