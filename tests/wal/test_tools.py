"""``inspect``, ``tail`` and ``doctor``: what they say of sound, damaged and half-finished logs; nothing is changed."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaoswal.cli import main
from chaoswal.errors import Exit
from chaoswal.vfs.real import RealVfs
from chaoswal.vfs.runtime import RealRuntime
from chaoswal.wal import Log, LogError, Options
from chaoswal.wal.files import wal_name
from tests.house.rules import ROOT
from tests.wal.disks import Files, files_of, filled, payload

COUNT = 12
FILES = files_of(filled(COUNT))
SEGMENT = "segment-00000000000000000005.seg"
WAL = wal_name(10)

TOOLS = [
    ["inspect"],
    ["inspect", "--json"],
    ["doctor"],
    ["doctor", "--json"],
    ["tail"],
    ["tail", "--unsynced", "--json"],
]


def laid_out(directory: Path, files: Files) -> Path:
    """A directory with these files."""
    directory.mkdir()
    for name, data in files.items():
        (directory / name).write_bytes(data)
    return directory


def state_of(directory: Path) -> list[tuple[str, bytes, int]]:
    """Everything that a change would change."""
    found = [(path.name, path.read_bytes(), path.stat().st_mtime_ns) for path in directory.iterdir()]
    return sorted([*found, (".", b"", directory.stat().st_mtime_ns)])


def flipped(name: str, offset: int) -> Files:
    """The files with one bit flipped."""
    data = bytearray(FILES[name])
    data[offset] ^= 4
    return {**FILES, name: bytes(data)}


def opens(files: Files, directory: Path) -> bool:
    """Whether the log can be opened, and all subscribers and records be had."""
    try:
        with Log(RealVfs(laid_out(directory, files)), RealRuntime(), Options()) as log:
            list(log.records())
            for name in log.subscribers:
                log.subscribe(name)
    except (LogError, OSError):
        return False
    return True


DAMAGED: dict[str, Files] = {
    "a record of a segment": flipped(SEGMENT, 90),
    "the index of a segment": flipped(SEGMENT, len(FILES[SEGMENT]) - 60),
    "the header of a segment": flipped(SEGMENT, 20),
    "the footer of a segment": flipped(SEGMENT, len(FILES[SEGMENT]) - 20),
    "a durable record of the WAL": flipped(WAL, 60),
    "the header of the WAL": flipped(WAL, 3),
    "the manifest": flipped("log.manifest", 10),
    "a cursor": flipped("subscriber-s.cur", 10),
    "a missing segment": {name: data for name, data in FILES.items() if name != SEGMENT},
    "a missing WAL": {name: data for name, data in FILES.items() if name != WAL},
    "a missing cursor": {name: data for name, data in FILES.items() if name != "subscriber-s.cur"},
    "a missing manifest": {name: data for name, data in FILES.items() if name != "log.manifest"},
}

HALF_DONE: dict[str, tuple[Files, str]] = {
    "nothing": (FILES, "W2"),
    "a torn tail": ({**FILES, WAL: FILES[WAL] + b"torn"}, "W2"),
    "a birth": ({**FILES, SEGMENT + ".tmp": b"begun"}, "T1"),
    "a registration": ({**FILES, "subscriber-x.cur": b""}, "C2"),
    "a finalize": ({**FILES, wal_name(5): b"what is in the segment"}, "W3"),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_damage_is_told_with_its_file_and_nothing_is_changed(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = laid_out(tmp_path / "log", DAMAGED[what])
    before = state_of(directory)
    assert main(["inspect", str(directory)]) == Exit.VIOLATION
    assert "damaged" in (told := capsys.readouterr().out) or "missing" in told
    assert main(["inspect", "--json", str(directory)]) == Exit.VIOLATION
    summary = json.loads(capsys.readouterr().out)
    assert summary["verdict"] == "FAIL"
    assert summary["reasons"]
    within = what in ("a record of a segment", "the index of a segment", "the header of a segment")
    assert main(["doctor", str(directory)]) == (Exit.CLEAN if within else Exit.VIOLATION)
    capsys.readouterr()
    for words in (["tail", "-n", "all"], ["tail", "--unsynced"]):
        code = main([*words, str(directory)])
        assert code in (Exit.CLEAN, Exit.VIOLATION)
        assert (code == Exit.VIOLATION) == bool(capsys.readouterr().err)
    assert state_of(directory) == before
    assert what == "the index of a segment" or not opens(DAMAGED[what], tmp_path / "again")


@pytest.mark.parametrize("what", HALF_DONE)
def test_the_doctor_tells_what_recovery_would_do_and_does_not(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files, row = HALF_DONE[what]
    directory = laid_out(tmp_path / "log", files)
    before = state_of(directory)
    assert main(["doctor", "--json", str(directory)]) == Exit.CLEAN
    summary = json.loads(capsys.readouterr().out)
    assert (summary["verdict"], summary["opens"]) == ("PASS", True)
    assert row in [action["row"] for action in summary["actions"]]
    assert main(["doctor", str(directory)]) == Exit.CLEAN
    assert f"{row} " in capsys.readouterr().out
    assert main(["inspect", str(directory)]) == Exit.CLEAN
    assert ("left over" in (told := capsys.readouterr().out)) == (row in ("T1", "C2", "W3"))
    assert ("torn tail" in told) == (what == "a torn tail")
    assert state_of(directory) == before
    assert opens(files, tmp_path / "again")


def test_inspect_lists_every_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = laid_out(tmp_path / "log", FILES)
    assert main(["inspect", "--json", str(directory)]) == Exit.CLEAN
    summary = json.loads(capsys.readouterr().out)
    files = {file["name"]: file for file in summary["files"]}
    assert files.keys() == FILES.keys()
    assert {name: file["size_bytes"] for name, file in files.items()} == {name: len(FILES[name]) for name in FILES}
    assert (files[SEGMENT]["first"], files[SEGMENT]["end"], files[SEGMENT]["frames"]) == (5, 10, 5)
    assert (files[WAL]["kind"], files[WAL]["first"], files[WAL]["end"]) == ("WAL", 10, 12)
    assert (summary["start"], summary["end"], summary["subscribers"]) == (0, 12, ["s"])


@pytest.mark.parametrize("words", TOOLS)
def test_what_is_no_log_is_told_in_one_line(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty, foreign, file = tmp_path / "empty", tmp_path / "foreign", tmp_path / "file"
    empty.mkdir()
    foreign.mkdir()
    (foreign / "holiday.jpg").write_bytes(b"")
    file.write_bytes(b"")
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / "log.manifest").mkdir()
    for place in (empty, foreign, file, tmp_path / "strange", tmp_path / "missing"):
        assert main([*words, str(place)]) == Exit.USAGE, place
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.count("\n") == 1
        assert place.name in captured.err
    assert main(["tail", "-n", "few", str(empty)]) == Exit.USAGE


@pytest.mark.parametrize("name", sorted(FILES))
def test_noise_in_any_file_is_told_and_not_a_traceback(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, noise in enumerate((b"", b"\0", b"\xff" * 300, FILES[name] * 2, FILES[name][1:])):
        directory = laid_out(tmp_path / str(number), {**FILES, name: noise})
        codes = [main([*words, str(directory)]) for words in TOOLS]
        assert set(codes) <= {Exit.CLEAN, Exit.VIOLATION}
        assert codes[0] == codes[1]
        if name != WAL:
            assert codes[0] == Exit.VIOLATION
        capsys.readouterr()


def test_all_three_work_beside_a_writer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Log(RealVfs(tmp_path), RealRuntime(), Options(wal_bytes=300)) as log:
        for number in range(COUNT):
            log.append(payload(number))
        before = state_of(tmp_path)
        assert [main([*words, str(tmp_path)]) for words in TOOLS] == [Exit.CLEAN] * len(TOOLS)
        assert f"pid {os.getpid()}" in capsys.readouterr().out
        assert state_of(tmp_path) == before
        log.append(b"on")


BUSY = """
import os, sys
from chaoswal.vfs.real import RealVfs
from chaoswal.vfs.runtime import RealRuntime
from chaoswal.wal import Log, Options
log = Log(RealVfs(sys.argv[1]), RealRuntime(), Options(wal_bytes=2000, sync="explicit"))
subscriber = log.subscribe("s")
print("ready", flush=True)
while os.getppid() == int(sys.argv[2]):
    log.append(b"busy" * 20)
    log.sync()
    for number, _ in subscriber.poll(9):
        subscriber.ack(number)
    if log.next_sequence % 50 == 0:
        log.cleanup()
"""


def test_a_busy_writer_is_not_taken_for_damage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [sys.executable, "-c", BUSY, str(tmp_path), str(os.getpid())]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        try:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
            for _ in range(15):
                assert [main([*words, str(tmp_path)]) for words in TOOLS] == [Exit.CLEAN] * len(TOOLS)
            assert writer.poll() is None
        finally:
            writer.kill()
    capsys.readouterr()


# -- tail ----------------------------------------------------------------------------------------------------------


def test_tail_shows_the_last_records(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Log(RealVfs(tmp_path), RealRuntime()) as log:
        log.append_batch([b"plain", "größe\n".encode(), b"\xff\0", b""])
        log.rotate()
    for words, lines in (
        (["-n", "all"], ["0\tplain", "1\tgröße\\n", "2\t\\xff\\x00", "3\t"]),
        (["-n", "2", "--hex"], ["2\tff00", "3\t"]),
        (["-n", "0"], []),
        (["-n", "1", "--json"], ['{"sequence": 3, "payload": ""}']),
    ):
        assert main(["tail", *words, str(tmp_path)]) == Exit.CLEAN
        assert capsys.readouterr().out.splitlines() == lines


def test_tail_shows_what_is_not_known_to_be_durable_only_when_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Log(RealVfs(tmp_path), RealRuntime()) as log:
        log.append(b"a")
        log.append(b"b")
    assert main(["tail", str(tmp_path)]) == Exit.CLEAN
    assert capsys.readouterr().out == "0\ta\n"
    assert main(["tail", "--unsynced", str(tmp_path)]) == Exit.CLEAN
    assert capsys.readouterr().out == "0\ta\n1\tb\n"


@pytest.fixture
def following(tmp_path: Path) -> Iterator[tuple[Log, "subprocess.Popen[str]"]]:
    """A log, and a process that follows it."""
    with Log(RealVfs(tmp_path), RealRuntime(), Options(wal_bytes=200)) as log:
        words = [sys.executable, "-m", "chaoswal", "tail", "-f", "-n", "all", str(tmp_path)]
        with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            yield log, process
            process.kill()


def test_tail_follows_through_rotations_and_ends_by_ctrl_c(
    following: tuple[Log, "subprocess.Popen[str]"],
) -> None:
    log, process = following
    assert process.stdout is not None
    assert process.stderr is not None
    for number in range(30):
        log.append(payload(number))
        if number:  # the one before is known to be durable by now
            assert select.select([process.stdout], [], [], 20)[0], "tail shows nothing"
            assert process.stdout.readline() == f"{number - 1}\t{payload(number - 1).decode()}\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == Exit.INTERRUPTED
    assert process.stderr.read() == "chaoswal: interrupted\n"


def test_errors_of_damage_end_tail_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = laid_out(tmp_path / "log", DAMAGED["a record of a segment"])
    assert main(["tail", "-n", "all", str(directory)]) == Exit.VIOLATION
    captured = capsys.readouterr()
    assert captured.out.startswith("0\t")
    assert SEGMENT in captured.err
