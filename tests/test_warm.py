"""Warm processes: jobs in batches, and that what dies, hangs or lies there does no harm here."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chaoswal.errors import HarnessFault, UsageError
from chaoswal.text import spans
from chaoswal.warm import OUTPUT_BYTES, PATIENCE_SECONDS_MIN, Patience, Warm

LOADED: list[str] = []


def load(word: str) -> None:
    LOADED.append(word)


def who(*words: str) -> Iterator[object]:
    yield os.getpid()
    yield (*LOADED, *words)


def end_with(number: int) -> Iterator[str]:
    yield "before"
    sys.stderr.write("last\nwords\n")
    os.kill(os.getpid(), number)
    yield "after"


def leave(code: int) -> Iterator[str]:
    yield "before"
    raise SystemExit(code)


def close_all() -> Iterator[str]:
    """A job that closes what it is heard through, and lives on."""
    os.closerange(3, 200)
    time.sleep(60)
    yield ""


def leave_somebody(path: str) -> Iterator[int]:
    """A job that starts a process, and hangs."""
    with subprocess.Popen(["sleep", "60"]) as process:
        Path(path).write_text(str(process.pid), encoding="ascii")
        yield process.pid
        time.sleep(60)


def leave_a_fork() -> Iterator[int]:
    """A job that forks, which keeps its end of the pipe open, and dies."""
    if not os.fork():
        time.sleep(3600)
    yield os.getpid()
    os._exit(3)


def refuse() -> Iterator[str]:
    yield "before"
    raise UsageError("not so")


def fail() -> Iterator[str]:
    yield spans(1)  # type: ignore[arg-type]


def chatter() -> Iterator[str]:
    sys.stdout.write("x" * 10 * OUTPUT_BYTES)
    sys.stdout.flush()
    yield ""
    os._exit(0)


@pytest.fixture(scope="module")
def warm() -> Iterator[Warm]:
    with closing(Warm(batch=3)) as made:
        yield made


def test_a_child_does_a_batch_and_another_takes_its_place(warm: Warm) -> None:
    with closing(Warm(batch=2)) as server:
        pids = [server.do(who, seconds=20).items[0] for _ in range(5)]
    assert pids[0] == pids[1] != pids[2] == pids[3] != pids[4]
    assert os.getpid() not in pids


def test_what_is_prepared_is_there_for_every_child() -> None:
    with closing(Warm(batch=1)) as server:
        for word in ("one", "one", "two"):
            server.prepare(load, word)
        outcome = server.do(who, "three", seconds=20)
    assert outcome.items[1] == ("one", "two", "three")
    assert outcome.whole
    assert not LOADED


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGABRT])
def test_a_job_that_dies_has_told_what_it_told(warm: Warm, number: signal.Signals) -> None:
    outcome = warm.do(end_with, number, seconds=20)
    assert outcome.items == ["before"]
    assert outcome.died == f"was ended by {number.name}"
    assert outcome.output == "last\nwords\n"
    assert warm.do(who, seconds=20).whole


def test_a_job_that_exits_ends_nobody_else(warm: Warm) -> None:
    outcome = warm.do(leave, 9, seconds=20)
    assert outcome.died == "exited with 3"
    assert "SystemExit: 9" in outcome.output


def test_a_job_that_hangs_is_killed_with_all_it_started(warm: Warm, tmp_path: Path) -> None:
    outcome = warm.do(leave_somebody, str(tmp_path / "pid"), seconds=2)
    assert outcome.hung
    assert not outcome.died
    assert is_gone(outcome.items[0])


def test_who_has_hung_once_is_waited_for_less(warm: Warm, tmp_path: Path) -> None:
    patience = Patience()
    patience.learn(0.01)
    assert patience.seconds(60) == 60
    assert patience.do(warm, leave_somebody, str(tmp_path / "pid"), seconds=0.3).hung
    assert patience.seconds(60) == PATIENCE_SECONDS_MIN
    patience.learn(0.5)
    patience.learn(0.1)
    assert patience.seconds(60) == 10
    assert patience.seconds(5) == 5


def test_what_was_asleep_is_no_reason_to_be_patient(warm: Warm) -> None:
    patience = Patience()
    assert patience.do(warm, who, seconds=20, asleep=100.0).whole
    assert not patience.longest
    assert patience.do(warm, who, seconds=20).whole
    assert 0 < patience.longest < 20


def is_gone(pid: int) -> bool:
    """Whether a process is no more, or waits for nothing but to be buried by whoever inherited it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").split()[2] in "ZX"
    except FileNotFoundError:
        return True


def test_a_death_is_noticed_though_a_fork_keeps_the_pipe_open(warm: Warm) -> None:
    outcome = warm.do(leave_a_fork, seconds=20)
    assert outcome.died == "exited with 3"


def test_a_job_that_closes_everything_is_as_good_as_dead(warm: Warm) -> None:
    outcome = warm.do(close_all, seconds=20)
    assert outcome.died == "was ended by SIGKILL"


def test_the_checkers_own_errors_are_raised_here(warm: Warm) -> None:
    with pytest.raises(UsageError, match="not so"):
        warm.do(refuse, seconds=20)
    with pytest.raises(HarnessFault, match=r"text.py:\d+: TypeError"):
        warm.do(fail, seconds=20)
    with pytest.raises(HarnessFault, match="TypeError"):
        warm.prepare(load)
    assert warm.do(who, seconds=20).whole


def test_the_end_of_what_was_printed_is_kept_and_no_more(warm: Warm) -> None:
    assert warm.do(chatter, seconds=20).output == "x" * OUTPUT_BYTES
    assert warm.do(end_with, signal.SIGKILL, seconds=20).output == "last\nwords\n"


def test_a_program_that_does_not_start_is_told() -> None:
    with closing(Warm(batch=1, under=["false"])) as server, pytest.raises(HarnessFault, match="false exited with 1"):
        server.prepare(os.getpid)


def test_a_server_under_a_program_has_one_processor() -> None:
    before = os.sched_getaffinity(0)
    with closing(Warm(batch=1, under=["env"])) as server:
        [processors] = server.do(processors_of, seconds=20).items
    assert len(processors) == 1
    assert os.sched_getaffinity(0) == before


def processors_of() -> Iterator[set[int]]:
    yield os.sched_getaffinity(0)


def test_a_server_ends_with_its_client(tmp_path: Path) -> None:
    """Though that is killed in the middle of a job, which ends too."""
    script = tmp_path / "client.py"
    script.write_text(
        f"import sys; sys.path[:] = {sys.path!r}\n"
        "from chaoswal.warm import Warm\n"
        "from tests.test_warm import leave_somebody\n"
        f"Warm(batch=1).do(leave_somebody, {str(tmp_path / 'pid')!r}, seconds=60)\n",
        encoding="utf-8",
    )
    with subprocess.Popen([sys.executable, str(script)], cwd=Path(__file__).parents[1]) as client:
        wait_for(lambda: (tmp_path / "pid").exists() and bool((tmp_path / "pid").read_text()))
        client.kill()
    wait_for(lambda: is_gone(int((tmp_path / "pid").read_text(encoding="ascii"))))


def wait_for(done: object, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not done():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.01)
