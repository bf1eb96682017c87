"""The table: every event with its fate, also of what goes without saying, and a note at the guilty one."""

from chaoswal.check import Judge
from chaoswal.disk.profiles import PREFIX, PROFILES
from chaoswal.engines.registry import EngineRef
from chaoswal.explain.table import Line, pointed, tell_life
from chaoswal.guilt import Guilt
from chaoswal.program import Step, lives, parse_step
from chaoswal.replay import live, play, simulated
from tests import toys

LOST = "power-cut in operation 2 after end lose write of log nth 1"


def rows(lines: list[str], profile: str = "posix", name: str = "NoSync") -> list[Line]:
    """The rows of the last life."""
    steps: list[Step] = [parse_step(line) for line in lines]
    factory, traits = simulated(EngineRef(name=f"{toys.__file__}:{name}"))
    lived = list(live(factory, traits, steps, PROFILES[profile]))
    lived[-1].crash = play(factory, traits, steps, PROFILES[profile], Judge(factory)).crash
    return list(tell_life(lived[-1], lives(steps)[-1].steps, PROFILES[profile], 1))


def fates(lines: list[Line]) -> list[tuple[str, str]]:
    return [(line.event, line.fate) for line in lines if line.fate]


def test_fates() -> None:
    assert fates(rows(["append 1", "append 2", LOST.replace("nth 1", "nth 2")])) == [
        ("create log", "durable"),
        ("truncate log to 0", "durable"),
        ("write log [0:9]", "pending, kept"),
        ("write log [9:19]", "LOST"),
    ]


def test_what_is_lost_with_another_is_lost_too() -> None:
    """There is no losing the first write to a sector alone, though the step names it alone."""
    for profile in (PREFIX.name, "posix"):
        assert [fate for _, fate in fates(rows(["append 1", "append 2", LOST], profile))][-2:] == ["LOST", "LOST"]


def test_parts_and_tears() -> None:
    part = rows(["append 600", "power-cut in operation 1 after end lose write of log nth 1 sector 1"])
    assert fates(part)[-1] == ("write log [0:608]", "LOST: sector 1")
    torn = rows(["append 600", "power-cut in operation 1 after end tear write of log nth 1 sector 0 at 7 with garbage"])
    assert fates(torn)[-1] == ("write log [0:608]", "TORN after 7 bytes of sector 0")
    cut = rows(["append 5000", "kill in operation 1 inside write of log nth 1 at 4096"], "kill")
    assert fates(cut)[-1] == ("write log [0:5008]", "cut after 4096 bytes")


def test_what_a_kill_had_left_pending_is_told_where_it_is_lost() -> None:
    lines = [
        "append 1",
        "kill in operation 1 after write of log nth 1",
        "power-cut in opening after end lose write of log nth 1",
    ]
    first = rows(lines, name="ServesBeforeSync")[0]
    assert (first.operation, first.event, first.fate) == ("(earlier)", "write log [0:9]", "LOST")


def test_operations_results_and_faults_in_order() -> None:
    lines = rows(["append 1", "fail EIO on rename of * nth 1 once", "append 2", LOST])
    told = [line.operation or line.event for line in lines if line.operation or not line.fate]
    assert told == [
        "(opening)",
        "fsync the directory",
        "fsync log",
        "1 append 1",
        "returned 0",
        "-- fail EIO on rename of * nth 1 once --",
        "2 append 2",
        "returned 1",
    ]


def test_notes() -> None:
    lines = [
        Line(event="write", fate="durable", site="a.py:1"),
        Line(event="write", fate="LOST", site="a.py:1"),
        Line(event="write", fate="LOST: size", site="b.py:2"),
        Line(event="write", fate="durable", site="b.py:2"),
    ]
    missing = Guilt(site="a.py:1", words="no fsync of log after a.py:1 (write)", sync=True)
    assert [line.note for line in pointed(lines, missing)] == ["", "<- no fsync of log after: a.py:1", "<- b.py:2", ""]
    other = Guilt(site="b.py:2", words="not a missing sync: the disk is wrong from b.py:2 on", sync=False)
    assert [line.note for line in pointed(lines, other)] == ["", "<- a.py:1", "<- b.py:2", "<- look here: b.py:2"]
    assert [line.note for line in pointed(lines, None)] == ["", "<- a.py:1", "<- b.py:2", ""]
