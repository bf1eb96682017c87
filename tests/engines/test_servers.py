"""Engines that are servers: how they begin and end; a busy machine or a missing program is no fault of theirs."""

import os
import re
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from chaoswal.disk.profiles import PROFILES
from chaoswal.engines.registry import EngineRef
from chaoswal.engines.server import Served, Server
from chaoswal.engines.talk import ProgramError
from chaoswal.errors import Inconclusive, UsageError
from chaoswal.hunt import Attempt, Given
from chaoswal.ops import Append
from chaoswal.outside import promises
from chaoswal.verdict import Violation

SERVERS = {"redis": "redis-server", "nats": "nats-server"}
Begins = Callable[..., Server]


class Shell(Served):
    """A server of a few lines of shell, for which ``$0`` is the directory."""

    server = "sh"
    ready = re.compile(r"ready (\d+)\n")
    preface = re.compile(r"^\d\d:\d\d ")


@pytest.fixture
def begun(tmp_path: Path) -> Begins:
    """Begins a server with a script in a directory that holds a file ``there``."""
    (tmp_path / "there").touch()
    return lambda script, seconds=8.0: Shell().begun(lambda root: ["-c", script, root], str(tmp_path), seconds)


def is_gone(server: Server) -> bool:
    return server._process.returncode is not None


def test_a_server_is_ready_when_it_says_so_and_ends_when_it_is_asked(begun: Begins) -> None:
    server = begun("echo a line; echo ready 17; exec sleep 100")
    assert server.said[1] == "17"
    server.close()
    assert is_gone(server)


def test_one_that_the_directory_keeps_from_starting_has_failed(begun: Begins) -> None:
    with pytest.raises(ProgramError) as raised:
        begun("[ -e $0/there ] && echo 12:34 it is bad && exit 3; echo ready 1; exec sleep 100")
    assert str(raised.value) == "sh exited with 3; last it printed: 'it is bad'"


def test_one_that_starts_nowhere_says_nothing_of_the_engine(begun: Begins) -> None:
    """Trap 7: its port is taken, say. A server that does not start on an empty directory could not start at all."""
    with pytest.raises(Inconclusive, match="could not start, on an empty directory either: sh exited with 4"):
        begun("exit 4")


@pytest.mark.parametrize("script", ["exec sleep 100", "echo ready; exec sleep 100", "exec sleep 100 >&-"])
def test_one_that_is_not_ready_in_time_says_nothing_of_the_engine(begun: Begins, script: str) -> None:
    """Trap 7: a slow start is no failure."""
    with pytest.raises(Inconclusive, match=r"timed out: sh was not ready within 0.05 s"):
        begun(script, 0.05)


def test_one_that_does_not_end_in_time_is_killed(begun: Begins) -> None:
    server = begun("trap '' TERM; echo ready 1; while :; do sleep 100; done")
    server.seconds = 0.05
    with pytest.raises(Inconclusive, match=r"timed out: sh did not end within 0.05 s"):
        server.close()
    assert is_gone(server)


def test_one_that_dies_while_it_is_asked_has_failed(begun: Begins) -> None:
    server = begun("printf 'ready 1\n00:00 out of luck\n'; exec sleep 100")
    os.kill(server._process.pid, signal.SIGSEGV)
    error = server.gone(ConnectionError())
    assert str(error) == "sh was ended by SIGSEGV; last it printed: 'out of luck'"
    server.stop()  # is not harmed by being stopped again


def test_one_that_lives_and_hangs_up_is_told_by_its_client(begun: Begins) -> None:
    server = begun("echo ready 1; exec sleep 100")
    server.seconds, hung_up = 0.05, ConnectionError()
    assert server.gone(hung_up) is hung_up
    server.stop()


def test_one_that_was_begun_in_vain_is_stopped(begun: Begins) -> None:
    server = begun("echo ready 1; exec sleep 100")
    with pytest.raises(KeyError), server.kept():
        raise KeyError
    assert is_gone(server)


def test_a_server_dies_with_who_began_it(begun: Begins) -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        server = begun("echo ready 1; exec sleep 100")
        os.write(writing, b"%d" % server._process.pid)
        os._exit(0)
    os.waitpid(child, 0)
    orphan = int(os.read(reading, 20))
    os.close(reading)
    os.close(writing)
    end = time.monotonic() + 10
    while _lives(orphan):
        assert time.monotonic() < end
        time.sleep(0.001)


def _lives(process: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{process}/status").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("name", SERVERS)
def test_one_that_is_not_installed_is_told(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match=f"there is no program '{SERVERS[name]}' here: install the server"):
        EngineRef(name=name).factory().open_directory(str(tmp_path))


def test_one_that_could_not_start_is_no_engine_that_cannot_be_opened(tmp_path: Path) -> None:
    adapter = tmp_path / "adapter.py"
    adapter.write_text(
        "from chaoswal.errors import Inconclusive\n"
        "class Engine:\n    def __init__(self, root):\n        raise Inconclusive('could not start')\n",
        encoding="utf-8",
    )
    with pytest.raises(Inconclusive, match=r"^could not start$"):
        promises(f"{adapter}:Engine")


@pytest.mark.parametrize(("option", "complaint"), [("fsync=no", "always or everysec"), ("repair=maybe", "yes or no")])
def test_options_of_redis(option: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=complaint):
        EngineRef.of("redis", [option]).factory().open_directory(str(tmp_path))


# -- explored ---------------------------------------------------------------------------------------------------------


def explored(name: str, options: list[str], profile: str) -> Attempt:
    """Two appends and what a crash may leave of them."""
    for program in (SERVERS[name], "strace"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    pytest.importorskip(name)
    engine = EngineRef.of(name, options)
    return Given(engine, [Append(size=30), Append(size=5)], [PROFILES[profile]]).attempt(0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "profile", "kind"),
    [
        ("nats", "kill", None),
        ("nats", "prefix", Violation.LOST),  # nothing is ever synced
        ("nats", "ext4-ordered", Violation.LOST),
        ("redis", "kill", None),
        ("redis", "prefix", None),
        ("redis", "ext4-ordered", Violation.UNOPENABLE),  # zeros behind its end, of what was never acknowledged
    ],
)
def test_what_servers_promise(name: str, profile: str, kind: Violation | None) -> None:
    attempt = explored(name, [], profile)
    assert attempt.coverage.judged >= 10
    assert (attempt.catch and attempt.catch.fault.kind) == kind


@pytest.mark.slow
@pytest.mark.parametrize("profile", ["ext4-ordered", "xfs"])
def test_redis_repaired_as_it_says_has_all_that_was_acknowledged(profile: str) -> None:
    attempt = explored("redis", ["repair=yes"], profile)
    assert attempt.catch is None
    assert attempt.coverage.judged >= 10


@pytest.mark.slow
def test_redis_that_syncs_each_second_promises_no_single_append() -> None:
    attempt = explored("redis", ["fsync=everysec"], "prefix")
    assert attempt.catch is None
    assert attempt.coverage.judged >= 10
