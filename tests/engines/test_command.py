"""Engines that are programs: what is said to them, what is made of what they say, and what of one that misbehaves."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from chaoswal import corpus, outside
from chaoswal.cli import main
from chaoswal.disk.image import EMPTY
from chaoswal.disk.profiles import PROFILES
from chaoswal.engines.registry import EngineRef, Factory
from chaoswal.engines.talk import ProgramError
from chaoswal.errors import Exit, StepLimit, UsageError
from chaoswal.hunt import Attempt, Given
from chaoswal.ops import Ack, Append, Defer, Flush, Operation, Poll, Subscribe, Sync
from chaoswal.record.working import _performed
from chaoswal.runners import promises
from chaoswal.verdict import Violation
from chaoswal.workload import Driver
from tests.house.rules import ROOT

EXAMPLES = ROOT / "docs/examples"
SPEAKS, SH, C = (EXAMPLES / name for name in ("log_json.py", "log.sh", "log.c"))
traced = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


def speaking(tmp_path: Path, *lines: str, **options: str) -> EngineRef:
    """A program for the shell that answers ``open``, and then does this."""
    script = tmp_path / "program.sh"
    script.write_text("\n".join(["read -r question", "echo '{\"ok\": {}}'", *lines, ""]), encoding="utf-8")
    return EngineRef(name=f"cmd:sh {script} {{dir}}").with_options(**options)


def telling(run: str, check: str = "true", **options: str) -> EngineRef:
    """A program that is told records, and one that prints them, in words of the shell."""
    return EngineRef(name=f"cmd:sh -c '{run}' {{dir}}").with_options(check=f"sh -c '{check}' {{dir}}", **options)


Opens: TypeAlias = Callable[[EngineRef], Any]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opens]:
    """Opens engines on one directory; what still runs in the end is ended."""
    every: list[Any] = []

    def open_one(engine: EngineRef) -> Any:
        every.append(engine.factory().open_directory(str(tmp_path)))
        return every[-1]

    yield open_one
    for engine in every:
        engine.stop()


# -- what is said and understood ---------------------------------------------------------------------------------------


def test_a_program_that_speaks_json(opened: Opens) -> None:
    engine = EngineRef(name=f"cmd:{sys.executable} {SPEAKS} {{dir}}")
    log = opened(engine)
    assert log.promise == "append sync"
    assert [log.append(b"\x00\n\xff"), log.append(b"")] == [0, 1]
    log.sync()
    assert log.records() == [b"\x00\n\xff", b""]
    log.close()
    log = opened(engine)
    assert log.records() == [b"\x00\n\xff", b""]
    log.close()
    assert not hasattr(log, "subscribe")


def test_a_program_that_says_acks(tmp_path: Path, opened: Opens) -> None:
    engine = EngineRef(name=f"cmd:sh {SH} run {{dir}}").with_options(check=f"sh {SH} dump {{dir}}")
    log = opened(engine)
    assert list(log.records()) == []
    log.append(b"\x00\n\xff")
    log.append(b"")
    assert list(log.records()) == [b"\x00\n\xff", b""]
    log.append(b"three")  # begins another process
    log.sync()
    log.close()
    assert list(opened(engine).records()) == [b"\x00\n\xff", b"", b"three"]


def test_acks_that_come_when_they_are_asked_for(opened: Opens) -> None:
    run = 'while read -r word; do [ "$word" = sync ] && echo "ack $count" || count=$((count + 1)); done'
    log = opened(telling(run, promise="sync"))
    log.append(b"one")
    log.append(b"two")
    log.sync()
    log.sync()  # says nothing: there is nothing new
    assert log._acked == 2
    log.close()


SUBSCRIBES = """
import base64, json, sys
records, acked, given = [], set(), 0
for line in sys.stdin:
    said = json.loads(line)
    match said["op"]:
        case "open":
            answer = {"promise": "none", "offers": ["subscribe"]}
        case "append":
            records.append(said["payload"])
            answer = len(records) - 1
        case "poll":
            answer = [[n, records[n]] for n in range(given, min(len(records), given + said["count"]))]
            given += len(answer)
        case "ack":
            acked.add(said["sequence"])
            answer = None
        case "records":
            answer = [[number, record] for number, record in enumerate(records)]
        case _:
            answer = sorted(acked)
    print(json.dumps({"ok": answer}), flush=True)
"""


def test_a_program_with_subscribers(tmp_path: Path, opened: Opens) -> None:
    script = tmp_path / "subscribes.py"
    script.write_text(SUBSCRIBES, encoding="utf-8")
    log = opened(EngineRef(name=f"cmd:{sys.executable} {script} {{dir}}"))
    for payload in (b"zero", b"one", b"two"):
        log.append(payload)
    assert log.records() == [(0, b"zero"), (1, b"one"), (2, b"two")]
    subscriber = log.subscribe("s")
    assert subscriber.poll(2) == [(0, b"zero"), (1, b"one")]
    subscriber.ack(1)
    subscriber.defer(0)
    assert subscriber.poll(5) == [(0, b"zero"), (2, b"two")]
    subscriber.flush()
    assert log.ask("flush", name="s") == [1]
    log.close()


def test_an_option_goes_into_the_command_at_its_name(tmp_path: Path, opened: Opens) -> None:
    run = 'read -r record; echo "$1 $2" >$0/said; echo "ack 1"'
    engine = EngineRef(name=f"cmd:sh -c '{run}' {{dir}} {{sync}} {{other}}").with_options(
        check="true {dir}", sync="never"
    )
    log = opened(engine)
    log.append(b"one")
    log.close()
    assert (tmp_path / "said").read_text(encoding="utf-8") == "never {other}\n"


# -- what cannot be --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "complaint"),
    [
        ("cmd:./mylog", {}, "write {dir} there"),
        ("cmd:", {}, "write {dir} there"),
        ("cmd:./mylog 'run {dir}", {}, "cannot read the command"),
        ("cmd:./no-such-program {dir}", {}, "there is no program './no-such-program'"),
        ("cmd:true {dir}", {"sync": "no"}, "write {sync} there"),
        ("cmd:true {dir}", {"check": "true {dir}", "promise": "close"}, "promises by append or by sync"),
        ("cmd:true {dir}", {"check": "true"}, "write {dir} there"),
        ("cmd:true {dir}", {}, "true exited with 0 without an answer"),
        ("cmd:true {dir}", {"check": "false {dir}"}, "false exited with 1"),
    ],
)
def test_what_is_no_engine_is_told(name: str, options: dict[str, str], complaint: str) -> None:
    with pytest.raises(UsageError) as raised:
        promises(EngineRef(name=name).with_options(**options).factory())
    assert complaint in str(raised.value)


def test_kills_are_judged_by_explore(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kill-loop", "cmd:true {dir}"]) == Exit.USAGE
    assert "judged by explore" in capsys.readouterr().err


# -- programs that misbehave --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (["exit 3"], "sh exited with 3 without an answer"),
        (["echo it hurts >&2", "exit 3"], "exited with 3 without an answer; last it printed: 'it hurts'"),
        (["kill -SEGV $$"], "sh was ended by SIGSEGV"),
        (["read -r question", "echo rubbish"], "said 'rubbish' where it was to say a JSON object"),
        (["read -r question", "printf '\\377\\n'"], "where it was to say a JSON object"),
        (["read -r question", "echo '{\"good\": 1}'"], "where it was to say a JSON object"),
        (["read -r question", "printf '{\"ok\":'"], "without an answer"),
        (["read -r question", 'echo \'{"error": "no space"}\''], "records: no space"),
        (["read -r question", "echo '{\"ok\": 7}'"], "records: its answer cannot be read"),
        (["read -r question", "echo '{\"ok\": [7]}'"], "records: its answer cannot be read"),
        (["read -r question", 'echo \'{"ok": ["?"]}\''], "'?' is no base64"),
    ],
)
def test_a_program_that_misbehaves_is_told(tmp_path: Path, opened: Opens, lines: list[str], complaint: str) -> None:
    log = opened(speaking(tmp_path, *lines))
    with pytest.raises((ProgramError, StepLimit)) as raised:
        log.records()
    assert complaint in str(raised.value)


@pytest.mark.parametrize("said", ["rubbish", "ack", "ack 2", "ack -1", "sync 1"])
def test_what_is_no_ack_is_told(opened: Opens, said: str) -> None:
    log = opened(telling(f'read -r record; echo "{said}"'))
    with pytest.raises(ProgramError, match="where it was to say 'ack N', N at most 1"):
        log.append(b"one")


def test_a_program_that_does_not_end_well_has_not_closed(opened: Opens) -> None:
    log = opened(telling('read -r record; echo "ack 1"; read -r record; exit 4'))
    log.append(b"one")
    with pytest.raises(ProgramError, match="exited with 4"):
        log.close()


@pytest.mark.parametrize("run", ["exec sleep 100", "exec >&-; exec sleep 100"])
def test_a_program_that_hangs_is_killed(opened: Opens, run: str) -> None:
    log = opened(telling(run, deadline="0.2"))
    with pytest.raises(StepLimit):
        log.append(b"one")


def test_a_program_that_reads_nothing_is_killed(opened: Opens) -> None:
    log = opened(telling("exec sleep 100", deadline="0.2", promise="sync"))
    with pytest.raises(StepLimit, match="sh did not answer within"):
        log.append(b"x" * 1_000_000)


def test_what_is_printed_and_is_no_record_is_nothing_that_was_appended(opened: Opens) -> None:
    log = opened(telling("true", 'printf "00ff\\n-\\nrubbish\\n0\\n"'))
    assert log.records() == [b"\x00\xff", b"", b"the line 'rubbish'", b"the line '0'"]


@pytest.mark.parametrize(
    ("check", "kind", "explanation"),
    [
        ("exit 5", Violation.UNOPENABLE, "recovery raised ProgramError: sh exited with 5"),
        ("kill -9 $$", Violation.UNOPENABLE, "recovery raised ProgramError: sh was ended by SIGKILL"),
        ("exec sleep 100", Violation.HUNG, "sh did not answer within 0.2 s"),
    ],
)
def test_recovery_that_misbehaves_is_a_finding(check: str, kind: Violation, explanation: str) -> None:
    found = outside.recover(telling("true", check, deadline="0.2").factory(), EMPTY, (), probing=False)
    assert found.observed.fault is not None
    assert (found.observed.fault.kind, found.observed.fault.explanation) == (kind, explanation)


# -- the examples ----------------------------------------------------------------------------------------------------


@pytest.fixture(params=["json", "sh", "c"])
def example(request: pytest.FixtureRequest, tmp_path: Path) -> EngineRef:
    """One of the examples, whose option ``sync`` is still to be given."""
    if request.param == "json":
        return EngineRef(name=f"cmd:{sys.executable} {SPEAKS} {{dir}} {{sync}}")
    if request.param == "sh":
        run = f"sh {SH}"
    else:
        compiler = shutil.which("cc")
        if compiler is None:
            pytest.skip("there is no C compiler (cc)")
        run = str(tmp_path / "log")
        subprocess.run([compiler, "-o", run, str(C)], check=True)
    return EngineRef(name=f"cmd:{run} run {{dir}} {{sync}}").with_options(check=f"{run} dump {{dir}}")


def explored(engine: EngineRef) -> Attempt:
    """Two appends and all that a power cut may leave of them where nothing overtakes anything."""
    return Given(engine, [Append(size=30), Append(size=5), Sync()], [PROFILES["prefix"]]).attempt(0)


@traced
def test_the_examples_are_sound_and_their_missing_sync_is_found(example: EngineRef) -> None:
    attempt = explored(example.with_options(sync="yes"))
    assert attempt.catch is None
    assert attempt.coverage.judged >= 8
    catch = explored(example.with_options(sync="no-sync")).catch
    assert catch is not None
    assert catch.fault.kind is Violation.LOST


def test_an_operation_that_hangs_has_failed(tmp_path: Path, opened: Opens) -> None:
    driver = Driver(lambda: opened(telling("exec sleep 100", deadline="0.2")))
    assert _performed(driver, 0, Append(size=3)) == "error StepLimit: sh did not answer within 0.2 s"


DURABLE = """
import base64, json, os, sys
root, hasty = sys.argv[1], "hasty" in sys.argv
given = {}

def lines(name):
    path = os.path.join(root, name)
    return open(path).read().split() if os.path.exists(path) else []

def keep(name, words, syncs=True):
    path = os.path.join(root, name)
    with open(path + ".new", "w") as file:
        file.write(" ".join(words))
        file.flush()
        os.fsync(file.fileno())
    os.rename(path + ".new", path)
    if syncs:
        directory = os.open(root, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)

records, acked = lines("log"), {}
for line in sys.stdin:
    said = json.loads(line)
    name = "of-" + said.get("name", "")
    match said["op"]:
        case "open":
            answer = {"promise": "append", "offers": ["subscribe"]}
        case "append":
            records.append("=" + said["payload"])
            keep("log", records)
            answer = len(records) - 1
        case "records":
            answer = [record[1:] for record in records]
        case "subscribe":
            acked[name] = set(map(int, lines(name)))
            given[name] = 0
            answer = keep(name, map(str, sorted(acked[name])))
        case "poll":
            left = [n for n in range(given[name], len(records)) if n not in acked[name]][: said["count"]]
            given[name] = left[-1] + 1 if left else given[name]
            answer = [[n, records[n][1:]] for n in left]
        case "ack":
            answer = acked[name].add(said["sequence"])
        case "flush":
            answer = keep(name, map(str, sorted(acked[name])), syncs=not hasty)
        case _:
            answer = None
    print(json.dumps({"ok": answer}), flush=True)
"""


@pytest.mark.slow
@traced
def test_subscribers_of_a_program_are_judged(tmp_path: Path) -> None:
    script = tmp_path / "durable.py"
    script.write_text(DURABLE, encoding="utf-8")
    doing: list[Operation] = [Subscribe(name="s"), Append(size=5), Append(size=9), Poll(name="s", count=2)]
    doing += [Ack(name="s", places=(0,)), Flush(name="s"), Defer(name="s", places=(0,)), Poll(name="s", count=1)]
    engine = EngineRef(name=f"cmd:{sys.executable} -SI {script} {{dir}} {{mood}}")
    attempt = Given(engine.with_options(mood="calm"), doing, [PROFILES["prefix"]]).attempt(0)
    assert attempt.catch is None
    assert attempt.coverage.judged >= 10
    catch = Given(engine.with_options(mood="hasty"), doing, [PROFILES["prefix"]]).attempt(0).catch
    assert catch is not None
    assert catch.fault.kind is Violation.CURSOR_LOST


@traced
def test_a_finding_runs_its_command_only_if_it_is_told_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    name = "cmd:sh docs/examples/log.sh run {dir} no-sync"
    words = [name, "-o", "check=sh docs/examples/log.sh dump {dir}", "--states", "1", "--seed", "1", "--workers", "1"]
    assert main(["explore", *words, "--profile", "prefix", "--corpus", str(tmp_path), "--json"]) == Exit.VIOLATION
    told = capsys.readouterr()
    (found,) = json.loads(told.out)["findings"]
    assert f"replay {found['file']} --allow-commands" in told.err
    for command in (["replay", "--json"], ["show"], ["explore", "--program"]):
        code = main([*command, found["file"]])
        said = capsys.readouterr()
        assert code == (Exit.VIOLATION if command[0] == "replay" else Exit.USAGE)
        assert "which a file alone is not to run" in said.out + said.err
    assert main(["replay", found["file"], "--allow-commands", "--json"]) == Exit.VIOLATION
    assert json.loads(capsys.readouterr().out)["files"][0]["status"] == "FAILED"
    assert main(["replay", found["file"], "--emit-test", str(tmp_path / "test_it.py")]) == Exit.CLEAN
    finding = corpus.load(Path(found["file"]), command=str(EngineRef.of(name, [words[2]])))
    assert EngineRef.parse(str(finding.engine)) == finding.engine
    with pytest.raises(UsageError):
        corpus.load(Path(found["file"]), command=name)  # with the same, and another to check it


def test_names_of_files_that_hold_nothing_durable() -> None:
    factory: Factory = EngineRef(name="cmd:true {dir}").with_options(scratch="*.lock,*-shm").factory()
    assert factory.kind.scratch == ("*.lock", "*-shm")  # type: ignore[attr-defined]
