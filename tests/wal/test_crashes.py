"""The log under the checker: no crash may break a promise, and a part that is broken is found."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from chaoswal.check import Depth, Found, Judge, check
from chaoswal.disk.crashes import Bound
from chaoswal.disk.profiles import PROFILES
from chaoswal.engines.registry import Factory
from chaoswal.engines.wal import WalEngine
from chaoswal.ops import Append, Operation, Poll, Reopen, Subscribe, Sync
from chaoswal.oracle import History
from chaoswal.run import record
from chaoswal.vfs.memory import MemoryVfs
from chaoswal.vfs.protocol import File
from chaoswal.vfs.runtime import StillRuntime
from chaoswal.wal.frames import Pieces
from chaoswal.wal.held import HeldWal
from chaoswal.wal.log import Log, Parts
from chaoswal.wal.segment import SegmentBirth
from chaoswal.wal.walfile import WalBirth, WalFile
from chaoswal.workload import Generator, traits_of


def configured(seed: int) -> dict[str, str]:
    """Options that go with a seed."""
    sync = ["each", "explicit", "bytes"][seed % 3]
    options = {"sync": sync, "sync_bytes": "200", "wal_bytes": str([900, 300, 2000, 300][seed % 4])}
    return {**options, "preallocate_bytes": str([0, 600, 2500][seed // 2 % 3])}


def without_wal(seed: int) -> dict[str, str]:
    """Options that go with a seed, for a log without a WAL."""
    return {"durability": "segment-only", "wal_bytes": str([900, 300, 2000][seed % 3])}


def explore(
    kind: type[WalEngine],
    seed: int,
    profile: str,
    options: Callable[[int], dict[str, str]] = configured,
    program: Sequence[Operation] = (),
) -> Found | None:
    """A program (default: a random one), every crash within a small bound, crashes in recovery too."""
    factory = Factory(kind=kind, options=options(seed), name="wal")
    traits = traits_of(factory.open_simulated(MemoryVfs(), StillRuntime(0)))
    operations = list(program) or Generator(seed, traits.capabilities).program(15)
    bound, depth = Bound(deviations=1, random_states=4), Depth(levels=1, samples=4)
    run = record(factory, operations)
    return check(
        run, History(operations, traits), Judge(factory), PROFILES[profile], bound=bound, depth=depth, seed=seed
    )


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("seed", range(6))
def test_no_crash_breaks_a_promise(profile: str, seed: int) -> None:
    assert explore(WalEngine, seed, profile) is None
    assert explore(WalEngine, seed, profile, without_wal) is None


class _NoSync(WalFile):
    def sync(self) -> None:
        pass


class _NoDirectorySync(WalBirth):
    def sync_directory(self) -> None:
        pass


class _SegmentNotSynced(SegmentBirth):
    def sync(self, file: File) -> None:
        pass


@pytest.mark.parametrize(
    "parts", [Parts(wal_file=_NoSync), Parts(wal_birth=_NoDirectorySync), Parts(segment_birth=_SegmentNotSynced)]
)
def test_a_broken_part_is_found(parts: Parts) -> None:
    broken = type("Broken", (Log,), {"parts": parts})
    engine = type("BrokenEngine", (WalEngine,), {"log_class": broken})
    assert any(explore(engine, seed, "posix") for seed in range(6))


class _SyncsNothing(Log):
    """Without a WAL there is nothing to sync, it thinks."""

    def _sync(self) -> None:
        if not self._wal.held:
            super()._sync()


class _Forgets(Log):
    """Closes without having finished what is in memory."""

    def _close(self) -> None:
        if not self._standing.closed:
            self._flush_progress(list(self._feeds.values()))
            self._release()


class _CountsMemory(HeldWal):
    """Takes what is in memory for durable, and shows it."""

    def append(self, payload: Pieces, count: int) -> int:
        sequence = super().append(payload, count)
        self.settle(self.mark())
        return sequence


@pytest.mark.parametrize("profile", ["kill", "ext4-ordered"])
@pytest.mark.parametrize(
    ("broken", "last", "kind"),
    [
        (_SyncsNothing, Sync(), "stuck"),
        (_Forgets, Reopen(), "lost"),
        (type("Boastful", (Log,), {"parts": Parts(held_wal=_CountsMemory)}), Poll(name="s", count=9), "phantom"),
    ],
)
def test_a_broken_log_without_a_wal_is_found(broken: Any, last: Operation, kind: str, profile: str) -> None:
    program: list[Operation] = [Subscribe(name="s"), Append(size=30), Append(size=40), last]
    engine = type("BrokenEngine", (WalEngine,), {"log_class": broken})
    assert explore(WalEngine, 0, profile, without_wal, program) is None
    found = explore(engine, 0, profile, without_wal, program)
    assert found is not None
    assert found.fault.kind == kind
