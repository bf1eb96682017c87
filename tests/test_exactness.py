"""``explore --program`` is exact: it judges every image that an independent brute force gives, and no other.

The brute force (``tests/disk/brute.py``) knows the prose of the profiles and nothing of volumes, chains and cuts. Here
it is asked at every crash point of a recorded workload for the states within two deviations; torn writes are torn by
hand.
"""

from collections.abc import Callable, Sequence

import pytest

from chaoswal import check
from chaoswal.disk.crashes import in_flight
from chaoswal.disk.disk import Disk
from chaoswal.disk.effects import GARBAGE
from chaoswal.disk.image import Image
from chaoswal.disk.profiles import PROFILES
from chaoswal.engines.registry import EngineRef
from chaoswal.hunt import Given
from chaoswal.program import operations_of, parse_step
from chaoswal.replay import simulated
from chaoswal.run import record
from chaoswal.trace import Write
from tests.disk.brute import RULES, Files, Pictures, near, rests_on, shown, world_after

WORKLOADS = {
    "nothing": ("wal", []),
    "one record": ("wal", ["append 10"]),
    "never synced": ("wal sync=explicit preallocate_bytes=0", ["append 10", "append 600", "append 10"]),
    "synced now and then": ("wal sync=explicit", ["append 10", "sync", "append 700", "append 1", "sync", "append 5"]),
    "an atomic batch": ("wal frame=2", ["append 10", "batch 10 20 30", "append 10"]),
    "rotated": ("wal sync=explicit wal_bytes=300", [*["append 60"] * 5, "rotate", "append 10", "rotate"]),
    "by size": ("wal frame=1 wal_bytes=200 preallocate_bytes=0", ["append 90"] * 6),
    "grown ahead": ("wal sync=explicit preallocate_bytes=700", ["append 10", "append 900", "sync", "append 10"]),
    "read": ("wal", ["subscribe s", "append 10", "append 10", "poll s 2", "ack s 0", "flush s", "append 10"]),
    "cleaned up": (
        "wal sync=explicit",
        ["subscribe s", "append 10", "rotate", "append 10", "poll s 2", "ack s 0 1", "flush s", "cleanup"],
    ),
    "dropped": ("wal budget_bytes=1500 budget_policy=drop-oldest", [*["append 400"] * 5, "maintain"]),
    "opened again": ("wal sync=explicit", ["append 10", "reopen", "append 20", "append 30", "reopen", "append 40"]),
    "segments only": ("wal durability=segment-only", ["append 10", "append 20", "rotate", "append 30"]),
    "a missing sync": (
        "wal sync=explicit bug=rename-before-sync",
        ["append 10", "rotate", "append 20", "append 30", "rotate"],
    ),
}
"""Up to twelve operations each."""

QUICK = ("one record", "never synced", "an atomic batch", "read")


def torn_of(disk: Disk, profile: str) -> set[Files]:
    """Under ``posix`` each of the last two pieces that writes have pending, torn, and nothing lost."""
    if profile != "posix":
        return set()
    world = world_after(disk, RULES[profile])
    pictures = Pictures(disk, RULES[profile], world.deeds)
    pending = [deed for deed in rests_on(RULES[profile], world) if deed.what == "bytes"]
    pieces = sorted((d for d in pending if isinstance(d.event, Write)), key=lambda d: (d.time, d.start))
    found = set()
    for deed in pieces[-2:]:
        length = len(deed.data)
        for keep in {0, 1, length // 2, length - 1} - {length}:
            for rest in {GARBAGE[: length - keep], b""} if keep else {GARBAGE[: length - keep]}:
                found.add(pictures.left_by(set(world.deeds), {deed: deed.data[:keep] + rest}))
    return found


def brute(engine: EngineRef, lines: Sequence[str], profile: str) -> set[Files]:
    """All there is within two deviations after any event."""
    factory, _ = simulated(engine)
    run = record(factory, operations_of([parse_step(line) for line in lines]))
    assert all(in_flight(event) == [] for event in run.events), "no write is long enough to be killed inside"
    found: set[Files] = set()
    for point in range(len(run.events) + 1):
        disk = run.start.after(run.events[:point])
        found |= near(disk, profile, 2) | torn_of(disk, profile)
    return found


class Everything(check.Judge):
    """A judge that keeps every image it is asked about, and finds no fault with any."""

    images: set[Files]

    def sight(self, key: object, image: Callable[[], Image], names: Sequence[str]) -> check.Sight:
        self.images.add(shown(image()))
        return super().sight(key, image, names)  # type: ignore[arg-type]


def explored(engine: EngineRef, lines: Sequence[str], profile: str, monkeypatch: pytest.MonkeyPatch) -> set[Files]:
    """What the command judges; it goes on behind a violation, so that nothing is left out."""
    images: set[Files] = set()
    monkeypatch.setattr(Everything, "images", images, raising=False)
    monkeypatch.setattr("chaoswal.hunt.Judge", Everything)
    monkeypatch.setattr("chaoswal.oracle.History.judge", lambda self, observed: None)
    monkeypatch.setattr("chaoswal.oracle.History.open", lambda self, observed, **_: None)
    steps = [parse_step(line) for line in lines]
    attempt = Given(engine, steps, [PROFILES[profile]], deviations=2).attempt(0)
    assert attempt.catch is None
    return images


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in WORKLOADS])
def test_exactly_the_images_of_the_brute_force(name: str, profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words, lines = WORKLOADS[name]
    assert len(lines) <= 12
    engine = EngineRef.parse(words)
    assert explored(engine, lines, profile, monkeypatch) == brute(engine, lines, profile)


def test_a_state_that_is_left_out_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    words, lines = WORKLOADS["never synced"]
    engine = EngineRef.parse(words)
    whole = brute(engine, lines, "posix")
    monkeypatch.setattr("chaoswal.disk.crashes._pairs", lambda choices: iter(()))
    assert explored(engine, lines, "posix", monkeypatch) < whole
