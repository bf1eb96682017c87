"""``replay`` and ``show`` as people type them: exit codes, one clear line for every error, and never a traceback."""

import errno
import importlib.util
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from chaoswal import cli, corpus
from chaoswal.arguments import again
from chaoswal.commands import replay as replay_command
from chaoswal.engines.registry import EngineRef
from chaoswal.errors import Exit, HarnessFault
from chaoswal.program import parse_step
from chaoswal.replay import Status
from chaoswal.verdict import Violation

ROOT = Path(__file__).parents[1]
LINES = ["append 1", "power-cut in operation 1 after end lose write of log nth 1"]


def finding(name: str = "NoSync", lines: list[str] | None = None, profile: str = "posix") -> corpus.Finding:
    return corpus.Finding(
        engine=EngineRef(name=f"{ROOT}/tests/toys.py:{name}"),
        profile=profile,
        expect=Violation.LOST,
        found="2026-11-20",
        seed=1,
        steps=tuple(parse_step(line) for line in (LINES if lines is None else lines)),
    )


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """The exit code, standard output and standard error of one command."""
    try:
        code = cli.main([str(word) for word in words])
    except SystemExit as end:
        code = int(end.code or 0)
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return code, out, err


# -- help ----------------------------------------------------------------------------------------------------------

EXAMPLE = re.compile(r"^  (?:\w+=\S+ )?chaoswal (\S.*?)(?:  .*)?$", re.MULTILINE)


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_examples_are_understood(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, told, _ = run(capsys, command, "--help")
    assert code == Exit.CLEAN
    examples = EXAMPLE.findall(told)
    assert examples, told
    for example in examples:
        for one in example.split("; chaoswal "):
            words = shlex.split(one)
            assert cli._parser(words).parse_args(words).execute, one


@pytest.mark.parametrize(
    "words",
    [
        "explore dbm.dumb --profile kill --states 3 --patience 30s",
        "gate --budget 2m --corpus 'my findings' --baseline b.toml -o sync=explicit",
        "kill-loop --cycles 3 --workers 1",
    ],
)
def test_what_is_told_to_run_it_again_is_what_was_typed_and_the_seed(words: str) -> None:
    typed = shlex.split(words)
    arguments = cli._parser(typed).parse_args(typed)
    assert again(arguments, 7) == f"python -m chaoswal {words} --seed 7"
    seeded = [*typed, "--seed=5"]
    assert again(cli._parser(seeded).parse_args(seeded), 5) == f"python -m chaoswal {words} --seed=5"


# -- replay --------------------------------------------------------------------------------------------------------


def test_a_finding_that_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = corpus.save(finding(), tmp_path)
    code, out, _ = run(capsys, "replay", path)
    assert code == Exit.VIOLATION
    assert "FAILED" in out
    assert "lost: records 0 were promised and are missing" in out
    assert "1 findings replayed, 1 not as they must be" in out


@pytest.mark.parametrize(
    ("lines", "status"),
    [(LINES, "FIXED"), (["append 1", "power-cut in operation 1 after unlink of log nth 1"], "STALE"), (None, "FIXED")],
)
def test_a_finding_that_is_gone(
    lines: list[str] | None, status: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus.save(finding("ToyLog", lines), tmp_path)
    code, out, _ = run(capsys, "replay", tmp_path)
    assert (code, status in out) == (Exit.CLEAN, True)


def damaged(tmp_path: Path, name: str) -> tuple[Path, str]:
    """A file that cannot be played, and what must be said of it."""
    path = corpus.save(finding(), tmp_path, name.replace(" ", "-"))
    content = path.read_bytes()
    match name:
        case "foreign":
            path.write_text("Dear diary,\n")
            return path, "not a finding: the first line must be"
        case "empty":
            path.write_bytes(b"")
            return path, "not a finding"
        case "truncated":
            path.write_bytes(content[: content.index(b"after end")])
            return path, "line 4: cannot read the crash"
        case "bit-flipped":
            path.write_bytes(content.replace(b"append", b"appenl"))
            return path, "line 3: unknown word 'appenl'"
        case "not text":
            path.write_bytes(b"\xff\xfe" + content)
            return path, "cannot read"
        case "unknown engine":
            path.write_bytes(content.replace(f"{ROOT}/tests/toys.py:NoSync".encode(), b"nobody"))
            return path, "unknown engine 'nobody'; there are wal, sqlite"
        case "missing class":
            path.write_bytes(content.replace(b":NoSync", b":Nobody"))
            return path, "has no class 'Nobody'"
        case "unknown profile":
            path.write_bytes(content.replace(b"profile posix", b"profile ntfs"))
            return path, "unknown profile 'ntfs'; there are: kill"
        case "unknown option":
            path.write_bytes(content.replace(b":NoSync ", b":NoSync wrong=1 "))
            return path, "cannot open"
        case _:
            path.unlink()
            path.mkdir()
            return path / "..", ""


DAMAGED = [
    "foreign",
    "empty",
    "truncated",
    "bit-flipped",
    "not text",
    "unknown engine",
    "missing class",
    "unknown profile",
    "unknown option",
]


@pytest.mark.parametrize("name", DAMAGED)
def test_what_cannot_be_replayed_is_an_error_of_its_own(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, why = damaged(tmp_path, name)
    corpus.save(finding("ToyLog"), tmp_path, "good")
    code, out, _ = run(capsys, "replay", tmp_path, "--json")
    told = json.loads(out)
    assert code == Exit.VIOLATION
    assert {Path(file["file"]).name: file["status"] for file in told["files"]} == {
        path.name: "ERROR",
        "good.chaos": "FIXED",
    }
    (reason,) = told["reasons"]
    assert str(path) in reason
    assert why in reason


@pytest.mark.parametrize("name", DAMAGED)
def test_what_cannot_be_shown(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, why = damaged(tmp_path, name)
    code, out, err = run(capsys, "show", path)
    assert (code, out) == (Exit.USAGE, "")
    assert err.startswith("chaoswal: ")
    assert err.count("\n") == 1
    assert why in err


def test_one_json_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus.save(finding("ToyLog"), tmp_path)
    code, out, err = run(capsys, "replay", tmp_path, "--json")
    told = json.loads(out)
    assert (code, err, told["verdict"], told["reasons"]) == (Exit.CLEAN, "", "PASS", [])
    assert [file["status"] for file in told["files"]] == ["FIXED"]
    assert told["seconds"] >= 0
    corpus.save(finding("NoSync"), tmp_path)
    assert json.loads(run(capsys, "replay", tmp_path, "--json")[1])["verdict"] == "FAIL"


def test_nothing_to_replay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "replay", tmp_path)[0] == Exit.NOTHING_RAN
    code, out, _ = run(capsys, "replay", tmp_path, "--json")
    assert (code, json.loads(out)["verdict"]) == (Exit.NOTHING_RAN, "UNKNOWN")


def test_a_path_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "replay", tmp_path / "missing")
    assert (code, out) == (Exit.USAGE, "")
    assert err == f"chaoswal: no such file or directory: {tmp_path}/missing\n"


@pytest.mark.parametrize("words", [["replay", "-o", "bug"], ["replay", "--no-such"], [], ["explode"], ["show"]])
def test_usage(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, *words, *([tmp_path] if words[:1] == ["replay"] else []))
    assert (code, out) == (Exit.USAGE, "")
    assert err


@pytest.mark.parametrize("words", [["--help"], ["replay", "--help"], ["show", "--help"], ["--version"]])
def test_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, *words)
    assert (code, err) == (Exit.CLEAN, "")
    assert "chaoswal" in out


def test_a_planted_bug_must_fail_and_without_it_be_fixed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engine = EngineRef(name="wal", options=(("bug", "no-such-bug"),))
    plain = corpus.Finding(
        engine=engine, profile="posix", expect=Violation.LOST, found="2026-11-20", seed=1, steps=finding().steps[:1]
    )
    corpus.save(plain, tmp_path)
    code, out, _ = run(capsys, "replay", tmp_path, "--json")
    assert (code, json.loads(out)["files"][0]["whose"]) == (Exit.VIOLATION, "planted")
    code, out, _ = run(capsys, "replay", tmp_path, "-o", "bug=", "--json")
    assert (code, json.loads(out)["files"][0]["whose"]) == (Exit.CLEAN, "")


@pytest.mark.parametrize(
    ("whose", "good"),
    [
        ("", "FIXED STALE"),
        ("planted", "FAILED"),
        ("theirs", "FAILED SKIPPED"),
        ("theirs, another version", "FIXED FAILED STALE SKIPPED"),
    ],
)
def test_what_may_come_of_a_finding(whose: str, good: str) -> None:
    results = [replay_command.Result(path=Path("x"), status=status, detail="", whose=whose) for status in Status]
    assert {result.status for result in results if result.good} == set(good.split())


# -- emitted tests --------------------------------------------------------------------------------------------------


def emitted_test(path: Path) -> Callable[[], None]:
    """The one test function of an emitted file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (name,) = (name for name in vars(module) if name.startswith("test_"))
    test: Callable[[], None] = getattr(module, name)
    return test


def test_an_emitted_test_fails_with_the_bug_and_passes_without(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = corpus.load(ROOT / "corpus/zoo/no-sync-before-ack.chaos")
    words = ["replay", found.id, "--corpus", ROOT / "corpus"]
    with_it, without = tmp_path / "test_with.py", tmp_path / "test_without.py"
    assert run(capsys, *words, "--emit-test", with_it) == (Exit.CLEAN, "", "")
    assert run(capsys, *words, "-o", "bug=", "--emit-test", without) == (Exit.CLEAN, "", "")
    with pytest.raises(AssertionError, match="promised and are missing"):
        emitted_test(with_it)()
    emitted_test(without)()


def test_an_emitted_test_may_hold_anything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Quotes and backslashes of an engine's path or options come back as they were."""
    odd = EngineRef(name="wal", options=(("key", 'a\'b"""c\\d e'),))
    path = corpus.save(
        corpus.Finding(engine=odd, profile="kill", expect=Violation.LOST, found="2026-11-20", seed=1, steps=()),
        tmp_path,
    )
    code, out, err = run(capsys, "replay", path, "--emit-test")
    assert (code, err) == (Exit.CLEAN, "")
    names: dict[str, str] = {}
    exec(out.partition("def test_")[0], names)
    assert corpus.loads(names["FINDING"], "emitted").engine == odd


def test_an_emitted_test_replaces_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = corpus.save(finding(), tmp_path)
    (tmp_path / "test_a.py").write_text("mine")
    for target, why in (("test_a.py", "is there already"), ("no/test_a.py", "cannot write")):
        code, out, err = run(capsys, "replay", path, "--emit-test", tmp_path / target)
        assert (code, out) == (Exit.USAGE, "")
        assert why in err
    assert (tmp_path / "test_a.py").read_text() == "mine"


def test_one_finding_is_emitted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus.save(finding(), tmp_path)
    corpus.save(finding("ToyLog"), tmp_path)
    code, _, err = run(capsys, "replay", tmp_path, "--emit-test")
    assert code == Exit.USAGE
    assert "--emit-test takes one finding; named are 2" in err


# -- show ----------------------------------------------------------------------------------------------------------


def test_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = corpus.save(finding(), tmp_path)
    for words in ([path], [finding().id, "--corpus", tmp_path]):
        code, out, err = run(capsys, "show", *words)
        assert (code, err) == (Exit.CLEAN, "")
        assert out.splitlines()[0].startswith("FAILED  lost: records 0 were promised and are missing")
        (write,) = [line for line in out.splitlines() if "write log [0:9]" in line]
        assert "LOST" in write
        assert "<- no fsync of log after: toys.py:" in write
        assert "-- power cut --" in out
        assert f"python -m chaoswal replay {path}" in out


def test_show_of_what_is_fixed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = corpus.save(finding("ToyLog"), tmp_path)
    code, out, _ = run(capsys, "show", path)
    assert code == Exit.CLEAN
    assert out.startswith("FIXED  lost: not seen any more")


def test_the_crashed_disk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [
        "append 1",
        "append 2",
        "power-cut in operation 2 after write of log nth 1 lose write of log nth 2 sector 0",
    ]
    path = corpus.save(finding("ToyLog", lines), tmp_path)
    for directory in (tmp_path / "new" / "disk", tmp_path / "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        assert run(capsys, "show", path, "--disk", directory)[0] == Exit.CLEAN
        assert os.listdir(directory) == ["log"]
        content = (directory / "log").read_bytes()
        assert (len(content), content[8:9], content[9:]) == (19, b"0", bytes(10))


def test_a_directory_that_holds_something_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = corpus.save(finding(), tmp_path)
    code, out, err = run(capsys, "show", path, "--disk", tmp_path)
    assert (code, out) == (Exit.USAGE, "")
    assert err == f"chaoswal: {tmp_path} is not empty: name a directory that does not exist\n"
    assert os.listdir(tmp_path) == [path.name]


def test_a_directory_that_cannot_be_used_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = corpus.save(finding(), tmp_path)
    for directory in (path, path / "below"):
        code, out, err = run(capsys, "show", path, "--disk", directory)
        assert (code, out) == (Exit.USAGE, "")
        assert err.startswith(f"chaoswal: cannot use {directory}: ")


def test_a_directory_that_cannot_be_written_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = corpus.save(finding(), tmp_path)
    code, out, err = run(capsys, "show", path, "--disk", "/proc/self/fdinfo/disk")
    assert (code, out) == (Exit.USAGE, "")
    assert err.startswith("chaoswal: cannot use /proc/self/fdinfo/disk: ")


def test_a_disk_that_does_not_fit_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(image: object, root: str) -> None:
        raise OSError(28, "No space left on device", root + "/log")

    monkeypatch.setattr("chaoswal.commands.show.save", full)
    path = corpus.save(finding(), tmp_path)
    code, out, err = run(capsys, "show", path, "--disk", tmp_path / "disk")
    assert (code, out) == (Exit.USAGE, "")
    assert err == f"chaoswal: cannot write {tmp_path}/disk: No space left on device\n"


def test_there_is_no_disk_without_a_crash(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = corpus.save(finding(lines=["append 1"]), tmp_path)
    code, _, err = run(capsys, "show", path, "--disk", tmp_path / "disk")
    assert code == Exit.USAGE
    assert "there is no crashed disk to write" in err
    assert not (tmp_path / "disk").exists()


@pytest.mark.parametrize("word", ["nobody", "x" * 5000, "no/such.chaos"])
def test_no_such_finding(word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "show", word, "--corpus", tmp_path)
    assert (code, out) == (Exit.USAGE, "")
    assert "no finding" in err


# -- whatever happens ------------------------------------------------------------------------------------------------


def test_our_own_fault_is_told_as_such(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: Path, options: EngineRef, command: str) -> None:
        raise HarnessFault("an invariant does not hold")

    monkeypatch.setattr(replay_command, "replay_file", broken)
    code, out, err = run(capsys, "replay", corpus.save(finding(), tmp_path))
    assert (code, out, err) == (Exit.INTERNAL, "", "chaoswal: an invariant does not hold\n")


def test_a_bug_of_ours_is_no_violation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: Path, options: EngineRef, command: str) -> None:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(replay_command, "replay_file", broken)
    code, out, err = run(capsys, "replay", corpus.save(finding(), tmp_path))
    assert (code, out) == (Exit.INTERNAL, "")
    assert err.startswith("chaoswal: internal error at test_cli.py:")
    assert err.endswith(": ZeroDivisionError: by nothing\n")


def test_interrupted(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(path: Path, options: EngineRef, command: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(replay_command, "replay_file", stopped)
    code, out, err = run(capsys, "replay", corpus.save(finding(), tmp_path))
    assert (code, out, err) == (Exit.INTERRUPTED, "", "chaoswal: interrupted\n")


SLOW = """
from tests.toys import ToyLog

class Slow(ToyLog):
    def __init__(self, root="", *, vfs, runtime=None):
        with open({started!r}):
            pass
        while True:
            pass
"""


def _wait_for_a_reader(pipe: Path, process: "subprocess.Popen[str]") -> None:
    """Until somebody opens it; what an engine prints is not heard, and what it writes elsewhere is no verdict."""
    while process.poll() is None:
        try:
            end = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            time.sleep(0.01)
        else:
            os.close(end)
            return


def test_control_c_ends_a_process(tmp_path: Path) -> None:
    started = tmp_path / "started"
    os.mkfifo(started)
    (tmp_path / "slow.py").write_text(SLOW.format(started=str(started)))
    path = corpus.save(finding(), tmp_path)
    path.write_text(path.read_text().replace(f"{ROOT}/tests/toys.py:NoSync", f"{tmp_path}/slow.py:Slow"))
    command = [sys.executable, "-m", "chaoswal", "replay", str(path), "--allow-commands"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        _wait_for_a_reader(started, process)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (Exit.INTERRUPTED, "chaoswal: interrupted\n")


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    path = corpus.save(finding(), tmp_path)
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "chaoswal", "show", str(path)]
    ended = subprocess.run(command, cwd=ROOT, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert "Traceback" not in ended.stderr
    assert "Exception" not in ended.stderr
    assert ended.returncode in (Exit.CLEAN, Exit.VIOLATION)
