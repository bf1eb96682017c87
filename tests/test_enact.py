"""Enacting: which ways are tried, what is refused, what is told; and with root, on real file systems."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import pytest

from chaoswal import corpus
from chaoswal.cli import main
from chaoswal.disk.image import Image
from chaoswal.enact import CUTS, WAITED, Enacted, Move, Scene, Try, Way, When, ways
from chaoswal.errors import Exit, Inconclusive, UsageError
from chaoswal.realfs import loopfs
from chaoswal.realfs.loopfs import BTRFS, EXT4, FILE_SYSTEMS, XFS, FileSystem
from chaoswal.report.enact import evidence, render, summary, verdict
from chaoswal.trace import Write
from chaoswal.verdict import Fault, Verdict, Violation

ZOO = Path(__file__).parent.parent / "corpus" / "zoo"
HEAD = "chaoswal-finding 1\nengine {engine}    profile ext4-ordered    expect lost    found 2026-11-21 seed 0\n"
why_not = cache(loopfs.why_not)


def finding(*steps: str, engine: str = "wal sync=each") -> corpus.Finding:
    return corpus.loads(HEAD.format(engine=engine) + "\n".join(steps), "test")


def scene(name: str = "no-sync-before-ack") -> Scene:
    return Scene(corpus.load(ZOO / f"{name}.chaos"))


# -- the plan ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FILE_SYSTEMS, ids=lambda kind: kind.name)
def test_every_cut_is_tried_at_once_first(kind: FileSystem) -> None:
    found = ways(kind.crashes, 12, 40, 0, waits=True)
    cuts = [cut for cut in CUTS if cut in kind.crashes]
    assert [way.cut for way in found[: len(cuts)]] == cuts
    assert {way.when for way in found[: len(cuts)]} == {When.AT_ONCE}
    assert [way.cut for way in found[40:]] == [cut for cut in WAITED if cut in cuts]
    assert {way.cut for way in found} == set(cuts)


def test_what_the_file_system_does_by_itself_lies_among_the_calls() -> None:
    found = ways(EXT4.crashes, 3, 200, 0, waits=False)
    moves = [move for way in found for move in way.moves]
    assert {move.behind for move in moves} == {0, 1, 2, 3}
    assert {(move.share > 0, move.commits) for move in moves} == {(True, True), (True, False), (False, True)}
    assert all(list(way.moves) == sorted(way.moves, key=lambda move: move.behind) for way in found)
    assert all((way.when is When.MOVED_ON) == bool(way.moves) for way in found)


def test_what_the_finding_loses_is_aimed_at() -> None:
    """What stood there before is durable, then half of the pages with the metadata; of the rest a part."""
    plain, found = (ways(EXT4.crashes, 9, 60, 0, waits=False, aims=aims) for aims in ((), (4,)))
    aimed = [way for one, way in zip(plain, found, strict=True) if one != way]
    assert 20 < len(aimed) < 30
    assert {way.cut for way in aimed} == {"torn"}
    half, rest = Move(behind=9, share=0.5, commits=True), Move(behind=9, share=1.0)
    assert {way.moves for way in aimed} == {(Move(behind=4, share=1.0, commits=True), half, rest)}
    assert len({way.seed for way in aimed}) == len(aimed)


def test_a_scene_aims_at_the_writes_that_the_crash_loses() -> None:
    """Its file says ``lose write of wal-#.wal nth 1 size``: that call comes behind so many."""
    assert Scene(finding("append 1", "power-cut in operation 1 after end")).aims == ()
    one = scene()
    assert [one.calls[aim] for aim in one.aims] == [one.calls[-1]]
    assert isinstance(one.calls[-1], Write)


def test_the_tries_follow_from_the_seed() -> None:
    assert ways(XFS.crashes, 9, 60, 5, waits=True) == ways(XFS.crashes, 9, 60, 5, waits=True)
    assert ways(XFS.crashes, 9, 60, 5, waits=True) != ways(XFS.crashes, 9, 60, 6, waits=True)
    assert ways(XFS.crashes, 9, 2, 5, waits=False) == ways(XFS.crashes, 9, 60, 5, waits=False)[:2]


def test_a_scene_has_the_calls_up_to_the_crash() -> None:
    first = Scene(finding("append 1", "append 2", "power-cut in operation 1 after start"))
    last = Scene(finding("append 1", "append 2", "power-cut in operation 2 after end"))
    assert first.calls == last.calls[: len(first.calls)]
    assert len(first.calls) < len(last.calls)


def test_what_a_kill_left_pending_is_done_again() -> None:
    """The second life begins on what the first had not synced: its calls come first, and nothing is laid down."""
    steps = ["append 1", "kill in operation 1 after end", "append 2", "power-cut in operation 2 after end"]
    one = Scene(finding(*steps))
    alone = Scene(finding("append 1", "power-cut in operation 1 after end"))
    assert one.calls[: len(alone.calls)] == alone.calls


def test_an_image_is_judged_by_what_was_promised() -> None:
    fault = scene().judged(Image({}, {}))
    assert fault is not None
    assert fault.kind is Violation.LOST


# -- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "error", "why"),
    [
        (["append 1"], UsageError, "does not end in a crash"),
        (["append 1", "kill in operation 1 after end"], UsageError, "kill leaves"),
        (["append 1", "power-cut in operation 1 after rename of nothing nth 1"], Inconclusive, "anchor"),
        (
            ["fail EIO on fdatasync of *.wal nth 1 once", "append 1", "power-cut in operation 1 after end"],
            Inconclusive,
            "sync fails",
        ),
    ],
)
def test_what_cannot_be_enacted_is_refused(steps: list[str], error: type[Exception], why: str) -> None:
    with pytest.raises(error, match=why):
        Scene(finding(*steps))


def test_what_is_wrong_without_a_crash_is_refused() -> None:
    steps = ["subscribe s", "append 1", "poll s 1", "defer s 0", "poll s 1", "power-cut in operation 5 after end"]
    with pytest.raises(UsageError, match="before the power is cut"):
        Scene(finding(*steps, engine="wal sync=each bug=defer-drops"))


@pytest.mark.parametrize("kind", FILE_SYSTEMS, ids=lambda kind: kind.name)
def test_without_means_a_file_system_is_skipped(
    kind: FileSystem, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    code = main(["enact", str(ZOO / "no-sync-before-ack.chaos"), "--fs", kind.name])
    said = capsys.readouterr().out
    assert code == Exit.INCONCLUSIVE
    assert f"{kind.name}" in said
    assert "skipped: needs root" in said
    assert "UNKNOWN  not enacted" in said


def test_a_file_system_that_is_not_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["enact", str(ZOO / "no-sync-before-ack.chaos"), "--fs", "ext3"]) == Exit.USAGE
    assert "ext4, xfs, btrfs" in capsys.readouterr().err


# -- what is told --------------------------------------------------------------------------------------------------


def tried(*cuts: str, kind: Violation | None = Violation.LOST, when: When = When.AT_ONCE) -> tuple[Try, ...]:
    fault = Fault(kind=kind, explanation="records 0 are missing") if kind else None
    return tuple(Try(way=Way(cut=cut, when=when), fault=fault) for cut in cuts)


def test_the_evidence_names_where_it_was_seen_and_where_not() -> None:
    enacted = [
        Enacted(file_system=EXT4, tries=tried("now", "copy")),
        Enacted(file_system=XFS, tries=tried("now", kind=None)),
        Enacted(file_system=BTRFS, skipped="mkfs.btrfs is not installed"),
    ]
    one = scene()
    said = evidence(one.finding, enacted)
    assert said.startswith("seen on real ext4 (Linux ")
    assert re.search(r" · not seen on real xfs in 1 tries \(Linux [\d.]+\)$", said)
    text = render(one, enacted)
    assert re.search(r"^btrfs +skipped: mkfs\.btrfs is not installed", text, re.MULTILINE)
    assert verdict(enacted) is Verdict.FAIL
    assert "FAIL  seen on real ext4" in text
    seen_on = summary(one, enacted, Path("f.chaos"), 0, 1.0)["findings"][0]["seen_on"]
    assert seen_on == ["ext4"]


def test_another_violation_and_another_disk_are_told_apart() -> None:
    one = scene().finding
    other = [Enacted(file_system=EXT4, tries=tried("now", kind=Violation.HOLE))]
    assert "real ext4 as hole (" in evidence(one, other)
    weak = [Enacted(file_system=EXT4, tries=(*tried("torn"), *tried("now", kind=None)))]
    assert "real ext4 with a disk cache lost in part (" in evidence(one, weak)


@pytest.mark.root
def test_what_came_of_it_is_noted_in_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "one.chaos"
    path.write_text((ZOO / "no-sync-before-ack.chaos").read_text(encoding="utf-8"), encoding="utf-8")
    before = corpus.load(path)
    words = ["enact", str(path), "--fs", on(EXT4).name, "--tries", "1", "--wait", "0", "--save"]
    assert main(words) == Exit.VIOLATION
    after = corpus.load(path)
    assert after.evidence is not None
    assert after.evidence.seen_on == ["ext4"]
    assert (after.id, after.steps) == (before.id, before.steps)


def test_nothing_is_noted_of_another_engine(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["enact", str(ZOO / "no-sync-before-ack.chaos"), "--save", "-o", "bug="]) == Exit.USAGE
    assert "it does not go with -o" in capsys.readouterr().err


def test_a_way_is_told_in_words() -> None:
    move = Move(behind=3, share=0.5, commits=True)
    bare = Move(behind=4, commits=True)
    pages = Move(behind=4, share=1.0)
    assert str(Way(cut="now", when=When.AT_ONCE)) == "shutdown, at once"
    assert str(Way(cut="copy", when=When.MOVED_ON, moves=(move, bare, pages))) == (
        "image copied, moved on: behind call 3 half of the dirty pages and the metadata, "
        "behind call 4 the metadata, behind call 4 all of the dirty pages"
    )


def test_what_is_not_seen_is_unknown() -> None:
    enacted = [Enacted(file_system=EXT4, tries=tried("now", "torn", kind=None))]
    assert verdict(enacted) is Verdict.UNKNOWN


def test_what_could_not_be_mounted_is_told() -> None:
    broken = Enacted(file_system=EXT4, tries=(Try(way=Way(cut="torn", when=When.AT_ONCE), mounted=False),))
    assert "not mounted 1" in render(scene(), [broken])
    assert "not seen on real ext4 in 0 tries" in evidence(scene().finding, [broken])


# -- real file systems ---------------------------------------------------------------------------------------------


def on(kind: FileSystem) -> FileSystem:
    if reason := why_not(kind):
        pytest.skip(f"no loop images of {kind.name} here: {reason}")
    return kind


@pytest.mark.root
@pytest.mark.parametrize("kind", [EXT4, XFS], ids=lambda kind: kind.name)
@pytest.mark.parametrize("name", ["no-sync-before-ack", "rename-before-sync"])
def test_a_planted_bug_is_seen_and_the_sound_engine_is_not(
    kind: FileSystem, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["enact", str(ZOO / f"{name}.chaos"), "--fs", on(kind).name, "--tries", "8", "--wait", "0"]
    assert main(words) == Exit.VIOLATION
    assert f"seen on real {kind.name} (" in capsys.readouterr().out
    assert main([*words, "-o", "bug=", "--json"]) == Exit.INCONCLUSIVE
    told = json.loads(capsys.readouterr().out)
    assert told["verdict"] == "UNKNOWN"
    assert sum(row["tries"] for row in told["file_systems"][0]["rows"]) == 8
    assert sum(row["not_mounted"] for row in told["file_systems"][0]["rows"]) == 0


@pytest.mark.root
@pytest.mark.slow
def test_an_exploration_enacts_what_it_finds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    on(EXT4)
    words = ["explore", "wal", "-o", "bug=no-sync-before-ack", "--states", "3000", "--seed", "1", "--enact", "--json"]
    assert main([*words, "--profile", "ext4-ordered", "--corpus", str(tmp_path)]) == Exit.VIOLATION
    captured = capsys.readouterr()
    assert "seen on real ext4" in captured.err
    found = json.loads(captured.out)["findings"]
    assert any("ext4" in one["seen_on"] for one in found)


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.parametrize("kind", FILE_SYSTEMS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("name", ["no-sync-before-ack", "rename-before-sync", "no-dir-sync-after-new-wal"])
def test_the_sound_engine_is_never_seen(kind: FileSystem, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["enact", str(ZOO / f"{name}.chaos"), "--fs", on(kind).name, "-o", "bug=", "--tries", "100"]
    assert main(words) == Exit.INCONCLUSIVE
    assert "not seen" in capsys.readouterr().out


def children_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()


@pytest.mark.root
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_by_one_that_is_interrupted(number: signal.Signals) -> None:
    on(EXT4)
    command = [sys.executable, "-m", "chaoswal", "enact", str(ZOO / "no-sync-before-ack.chaos"), "--fs", "ext4"]
    process = subprocess.Popen([*command, "--tries", "5000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not (below := children_of(process.pid)) and process.poll() is None:
        time.sleep(0.01)
    prefix = f"{loopfs.PREFIX}{below[0]}-"
    while prefix not in Path("/proc/self/mounts").read_text(encoding="utf-8") and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(number)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == Exit.INTERRUPTED, said
    assert prefix not in Path("/proc/self/mounts").read_text(encoding="utf-8")
    assert list(loopfs.SCRATCH.glob(f"{prefix}*")) == []
    files = [path.read_text(encoding="utf-8") for path in Path("/sys/block").glob("loop*/loop/backing_file")]
    assert not any(prefix in file for file in files)
