"""What the recorder cannot see makes UNKNOWN, or is left to the recorder that can."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from chaoswal.engines.registry import SYSCALLS, EngineRef, Factory
from chaoswal.errors import Exit, Inconclusive, UsageError
from chaoswal.ops import Append
from chaoswal.patched.mounts import PREFIX
from chaoswal.replay import ready
from chaoswal.run import record
from chaoswal.trace import SyncBegin, SyncRange
from tests.patched.toys import (
    UNSEEN,
    KeepsFunctions,
    LateInDestructor,
    Later,
    OsLog,
    Unseen,
    WritesThrough,
)

ROOT = Path(__file__).parents[2]


def factory(kind: type[OsLog]) -> Factory:
    return EngineRef(name=f"tests.patched.toys:{kind.__name__}").factory()


@pytest.mark.parametrize("kind", UNSEEN)
def test_refused_when_opened(kind: type[Unseen]) -> None:
    with pytest.raises(Inconclusive, match="not all that the engine does is seen"):
        record(factory(kind), [])


def test_refused_later() -> None:
    assert len(record(factory(Later), [Append(size=1)] * 2).events) > 4
    with pytest.raises(Inconclusive, match=r"os\.sync"):
        record(factory(Later), [Append(size=1)] * 3)


def test_what_passes_is_silent() -> None:
    record(factory(OsLog), [Append(size=1)] * 3)


def test_unknown_on_the_command_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "chaoswal", "explore", "tests.patched.toys:Later", "-o", "recorder=patched"]
    command += ["--states", "50", "--seed", "1", "--workers", "1", "--json", "--corpus", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    told = json.loads(done.stdout)
    assert (done.returncode, told["verdict"]) == (Exit.INCONCLUSIVE, "UNKNOWN"), done.stderr
    assert "os.sync" in told["reasons"][0]
    assert not told["findings"]


def test_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for by its adapter only, the recorder gives way to the one that sees more; asked for by the user, not."""
    asked: list[Factory] = []

    def promises(factory: Factory) -> object:
        asked.append(factory)
        if factory.simulated:
            raise Inconclusive("not seen")
        return object()

    monkeypatch.setattr("chaoswal.replay.promises", promises)
    engine = EngineRef(name="tests.patched.toys:OsLog")
    taken, _ = ready(engine)
    assert (taken.recorder, taken.simulated) == (SYSCALLS, False)
    assert EngineRef.parse(taken.name).factory() == taken
    with pytest.raises(Inconclusive):
        ready(engine.with_options(recorder="patched"))


def test_no_such_recorder() -> None:
    with pytest.raises(UsageError, match="there is no recorder 'camera'"):
        EngineRef(name="tests.patched.toys:OsLog").with_options(recorder="camera").factory()


def test_c_code_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It fails as the machine fails, where no path below a file can be."""

    def opened(self: OsLog, root: str) -> None:
        raise OSError(errno.ENOTDIR, f"{os.strerror(errno.ENOTDIR)}: {root}")

    monkeypatch.setattr(OsLog, "__init__", opened)
    with pytest.raises(Inconclusive, match="past the simulated disk"):
        record(factory(OsLog), [])
    assert not os.path.lexists(PREFIX.rstrip("/"))


def test_functions_kept_from_before() -> None:
    """Trap 9: semidbm and ZODB keep ``os.fsync`` in defaults and names of their own, and would be said never to sync.

    An engine that was imported before, and keeps what it needs, syncs all the same.
    """
    script = (
        "from tests.patched.toys import KeepsFunctions\n"
        "from tests.patched.test_unseen import synced, factory\n"
        "print(synced(KeepsFunctions))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.stdout.strip() == str(synced(KeepsFunctions)), done.stderr
    assert synced(KeepsFunctions) == synced(OsLog)


def synced(kind: type[OsLog]) -> int:
    """How often something was synced while two records were appended."""
    run = record(factory(kind), [Append(size=1)] * 2)
    return sum(isinstance(event, SyncBegin | SyncRange) for event in run.events[run.opened :])


def test_writes_through() -> None:
    events = record(factory(WritesThrough), [Append(size=1)] * 2).events
    assert [event for event in events if isinstance(event, SyncRange)]
    assert synced(WritesThrough) == 2


def test_destructors_of_other_disks(capsys: pytest.CaptureFixture[str]) -> None:
    """An engine that saves in its destructor does so on its own disk, or nowhere."""
    runs = [record(factory(LateInDestructor), [Append(size=1)]) for _ in range(3)]
    assert runs[0].events == runs[1].events == runs[2].events
    assert not capsys.readouterr().err
