"""Every finding of the corpus replays: a planted bug is seen, and without it the same program is right."""

from pathlib import Path

import pytest

from chaoswal import corpus
from chaoswal.commands.replay import changed
from chaoswal.disk.profiles import PROFILES
from chaoswal.engines.bugs import ENTRIES
from chaoswal.engines.registry import BUG, EngineRef
from chaoswal.program import operations_of
from chaoswal.replay import Status, replay

CORPUS = Path(__file__).parents[2] / "corpus"
FILES = corpus.files([CORPUS])
ZOO = [path for path in FILES if path.parent.name == "zoo"]
OPERATIONS_MAX = 4
CLEANED = "there must be a finished segment to clean up: subscribe, append, rotate, poll, ack, cleanup"
LONGER = {
    "cursor-set-before-record-joined": "two rounds of appends at once, and a sync of those that came in between",
    "cleanup-before-progress-durable": CLEANED,
    "cleanup-ignores-inactive": f"{CLEANED}, and a second subscriber",
    "cleanup-ignores-slowest": f"{CLEANED}, and a second subscriber",
    "deadlocks-under-budget": "as much as the budget holds",
    "deletes-though-the-manifest-failed": CLEANED,
    "damaged-progress-begins-anew": "subscribe, append, poll, ack, flush",
    "defer-drops": "subscribe, append, poll, defer, and poll again",
    "no-dir-sync-after-rename": "subscribe, append, poll, ack, flush",
    "reads-segments-in-name-order-that-is-not-number-order": "ten records in three segments",
    "recovers-to-a-different-state-the-second-time": CLEANED,
    "sequence-restarts-after-cleanup": CLEANED,
    "sequence-reused-after-truncation": "subscribe, append, poll, ack, and progress is flushed",
    "unlink-resurrects": CLEANED,
}
"""Those that need more operations, and for what."""
STALE = {
    "batch-split-by-rotation": "the sound engine rotates before a batch, and not in the middle of it",
    "syncs-before-the-last-write": "the sound engine writes a small segment in one call",
    "state-file-rewritten-in-place": "the sound engine truncates no manifest",
    "truncation-not-synced": "the sound engine truncates no WAL of an earlier session",
    "unlinks-before-renaming": "the sound engine unlinks no manifest",
}
"""Those whose anchor the sound engine does not have, and why."""
WITHOUT = EngineRef.of("option", [f"{BUG}="])


def test_every_bug_has_its_file() -> None:
    playable = {name for name, entry in ENTRIES.items() if entry.by != "reopening"}
    assert {path.stem for path in ZOO} == playable


@pytest.mark.parametrize("path", ZOO, ids=lambda path: path.stem)
def test_a_planted_bug_fails_as_expected(path: Path) -> None:
    finding = corpus.load(path)
    assert dict(finding.engine.options)[BUG] == path.stem
    assert finding.expect in ENTRIES[path.stem].kinds
    status, played = replay(finding.engine, finding.steps, PROFILES[finding.profile])
    assert status is Status.FAILED
    assert played.found
    assert played.found.fault.kind == finding.expect


@pytest.mark.parametrize("path", ZOO, ids=lambda path: path.stem)
def test_the_sound_engine_has_it_fixed(path: Path) -> None:
    finding = corpus.load(path)
    status, played = replay(changed(finding.engine, WITHOUT), finding.steps, PROFILES[finding.profile])
    assert status is (Status.STALE if path.stem in STALE else Status.FIXED), played.found


@pytest.mark.parametrize("path", ZOO, ids=lambda path: path.stem)
def test_a_finding_is_small(path: Path) -> None:
    steps = corpus.load(path).steps
    assert len(operations_of(steps)) <= OPERATIONS_MAX or path.stem in LONGER


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_is_as_it_would_be_written(path: Path) -> None:
    finding = corpus.load(path)
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    assert "\n".join([*lines, ""]) == corpus.dumps(finding)
