"""Programs: every step has a text that parses back, and a bad one is refused with the reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaoswal.disk.faults import Fault
from chaoswal.disk.rot import Damage
from chaoswal.errors import UsageError
from chaoswal.ops import Ack, Append, Batch, Poll, Reopen, Subscribe, Sync
from chaoswal.program import (
    END,
    START,
    Anchor,
    AnchoredLoss,
    CrashStep,
    Life,
    Opening,
    Step,
    last_opening,
    lives,
    operations_of,
    parse_step,
    step_line,
)
from tests.disk.test_faults import FAULTS
from tests.disk.test_rot import DAMAGES

ROLES = st.from_regex(r"\A[a-z#._/-]{1,12}\Z")
EVENT_ANCHORS = st.builds(
    Anchor,
    call=st.sampled_from(["write", "truncate", "create", "rename", "unlink", "sync-begin", "make-directory"]),
    role=ROLES,
    nth=st.integers(1, 40),
)
POINTS = EVENT_ANCHORS | st.sampled_from([Anchor(call=START), Anchor(call=END)])
PARTS = st.sampled_from(["", "size", "name", "sector 0", "sector 17"])
LOSSES = st.builds(AnchoredLoss, anchor=EVENT_ANCHORS, part=PARTS)


@st.composite
def crash_steps(draw: st.DrawFn) -> CrashStep:
    """Any crash that there can be: a kill, perhaps inside a write, or a power cut."""
    operation = draw(st.integers(0, 50))
    if not draw(st.booleans()):
        taken = draw(st.integers(0, 9999))
        after = draw(st.builds(Anchor, call=st.just("write"), role=ROLES, nth=st.integers(1, 9)) if taken else POINTS)
        return CrashStep(power=False, operation=operation, after=after, taken=taken)
    torn = draw(st.none() | st.builds(AnchoredLoss, anchor=EVENT_ANCHORS, part=st.just("sector 3")))
    return CrashStep(
        power=True,
        operation=operation,
        after=draw(POINTS),
        all_but=draw(st.booleans()),
        losses=tuple(draw(st.lists(LOSSES, max_size=3))),
        torn=torn,
        keep=draw(st.integers(0, 511)) if torn else 0,
        garbage=draw(st.booleans()) if torn else False,
    )


PLAIN: list[Step] = [
    Append(size=3),
    Batch(sizes=(1, 2)),
    Sync(),
    Reopen(),
    Subscribe(name="s"),
    Poll(name="s", count=2),
]
ACKS = st.builds(Ack, name=st.sampled_from(["s", "t u"]), places=st.lists(st.integers(0, 9), max_size=3).map(tuple))
PAIRS = st.tuples(st.from_regex(r"\A[a-z_]{1,9}\Z"), st.text("ab =\"'\\#0.", max_size=6))
OPENINGS = st.builds(Opening, options=st.lists(PAIRS, max_size=3).map(tuple))
STEPS: st.SearchStrategy[Step] = st.one_of(crash_steps(), FAULTS, DAMAGES, st.sampled_from(PLAIN), ACKS, OPENINGS)


@given(STEPS)
def test_a_step_parses_back(step: Step) -> None:
    assert parse_step(step_line(step)) == step


LINES = [
    "power-cut in operation 3 after rename of segment-#.seg nth 1 lose rename of segment-#.seg nth 1",
    "kill in operation 2 inside write of wal-#.wal nth 1 at 4096",
    "kill in opening after start",
    "power-cut in opening after end lose all but write of wal-#.wal nth 2 sector 0",
    "power-cut in operation 4 after write of log nth 1 tear write of log nth 3 sector 0 at 17 with garbage",
    "power-cut in operation 1 after end lose all",
    "power-cut in operation 1 after end lose write of a nth 1 size, create of a nth 1",
    "fail EIO on fsync of *.wal nth 3 once",
    "short write of *.wal nth 2 at 10",
    "append 61",
    "lie on fdatasync of wal-*.wal nth 1 from then on",
    "fail EIO on read of * at offset 4096 nth 1 once",
    "misdirect sector 2 of log.manifest nth 1 to sector 0 of wal-#.wal nth 1",
]


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_its_own_text(line: str) -> None:
    assert step_line(parse_step(line)) == line


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("power-cut", "unknown word 'power-cut'"),
        ("power-cut ", "cannot read the crash"),
        ("power-cut in operation 1", "cannot read the crash"),
        ("power-cut in operation x after end", "cannot read the crash"),
        ("power-cut in operation 1 after end lose", "cannot read the crash"),
        ("power-cut in operation 1 after end lose nothing", "cannot read 'nothing'"),
        ("power-cut in operation 1 after end lose write of a nth 1 heart", "cannot read 'write of a nth 1 heart'"),
        ("power-cut in operation 1 after end lose write of a nth 1,create of a nth 1", "cannot read"),
        ("power-cut in operation 1 after end tear write of a nth 1 sector 0", "cannot read the crash"),
        ("power-cut in operation 1 after end with garbage", "cannot read the crash"),
        ("power-cut in operation 1 inside write of a nth 1", "cannot read the crash"),
        ("power-cut in operation 1 after end at 7", "cannot read the crash"),
        ("kill in operation 1 inside write of a nth 1", "cannot read the crash"),
        ("kill in operation 1 after write of a nth 1 at 4", "cannot read the crash"),
        ("kill in operation 1 inside write of a nth 1 at 0", "cannot read the crash"),
        ("kill in operation 1 inside end at 3", "cannot read the crash"),
        ("kill in operation 1 after end lose all", "cannot read the crash"),
        ("power-cut in operation 1 inside write of a nth 1 at 5", "cannot read the crash"),
        ("fail EIO on fsync", "cannot read the fault"),
        ("short write", "cannot read the fault"),
        ("flip bit 8 at 1 of a nth 1", "cannot read the damage"),
        ("__import__('os')", "unknown word"),
        ("append 1; sync", "cannot read"),
        ("open sync", "expected e.g. 'open sync=explicit wal_bytes=700'"),
        ("open sync='", "cannot read the opening"),
    ],
)
def test_a_bad_step_says_what_is_wrong(line: str, what: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_step(line)
    assert what in str(caught.value)


@given(st.text(max_size=20), st.sampled_from(LINES), st.integers(0, 80))
def test_nothing_else_is_raised(garbage: str, line: str, at: int) -> None:
    try:
        step = parse_step(line[:at] + garbage + line[at + 1 :])
    except UsageError:
        return  # refused, as it should be
    assert parse_step(step_line(step)) == step


def test_a_program_is_cut_at_its_crashes() -> None:
    one, two = Append(size=1), Append(size=2)
    kill = CrashStep(power=False, operation=1, after=Anchor(call=END))
    assert lives([]) == [Life()]
    assert lives([one]) == [Life(steps=(one,))]
    assert lives([one, kill]) == [Life(steps=(one,), crash=kill)]
    assert lives([one, kill, two]) == [Life(steps=(one,), crash=kill), Life(steps=(two,))]
    assert lives([one, kill, kill]) == [Life(steps=(one,), crash=kill), Life(crash=kill)]
    fault, flip = Fault.parse(LINES[7]), Damage.parse("flip bit 3 at 17 of a nth 1")
    assert operations_of([one, fault, kill, flip, two]) == [one, two]
    assert lives([one, kill, flip, flip, fault, two])[1] == Life(damages=(flip, flip), steps=(fault, two))
    assert lives([one, kill, flip]) == [Life(steps=(one,), crash=kill), Life(damages=(flip,))]


@pytest.mark.parametrize("before", [[], ["append 1"], ["append 1", LINES[5], "append 2"], [LINES[5], LINES[7]]])
def test_damage_stands_behind_a_crash(before: list[str]) -> None:
    with pytest.raises(UsageError, match="remove a nth 1: damage at rest must stand directly behind a crash"):
        lives([parse_step(line) for line in [*before, "remove a nth 1"]])


def test_an_opening_holds_from_the_next_opening_to_the_next_such_line() -> None:
    one, two = Append(size=1), Append(size=2)
    kill = CrashStep(power=False, operation=1, after=Anchor(call=END))
    a, b = Opening(options=(("sync", "each"),)), Opening(options=(("frame", "2"),))
    first, flip = Life(opening=a, steps=(one,), crash=kill), Damage.parse("flip bit 3 at 17 of a nth 1")
    assert lives([a, one, kill, kill]) == [first, Life(opening=a, crash=kill)]
    assert lives([a, one, kill, b, two]) == [first, Life(opening=b, steps=(two,))]
    assert lives([a, one, kill, flip, b, two]) == [first, Life(opening=b, damages=(flip,), steps=(two,))]
    assert lives([one, a, two, kill, one]) == [Life(steps=(one, two), crash=kill), Life(opening=a, steps=(one,))]
    assert lives([a, one, kill, b]) == [first], "the last is of who looks"
    assert last_opening([a, one, kill, b]) == b
    assert last_opening([one, kill]) == Opening()
    assert operations_of([a, one, kill, b, two]) == [one, two]
