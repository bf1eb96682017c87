"""The log under the checker: no crash may break a promise, and a part that is broken is found."""

import pytest

from chaoswal.check import Depth, Found, Judge, check
from chaoswal.disk.crashes import Bound
from chaoswal.disk.profiles import PROFILES
from chaoswal.engines.registry import Factory
from chaoswal.engines.wal import WalEngine
from chaoswal.oracle import History
from chaoswal.run import record
from chaoswal.vfs.memory import MemoryVfs
from chaoswal.vfs.protocol import File
from chaoswal.vfs.runtime import StillRuntime
from chaoswal.wal.log import Log, Parts
from chaoswal.wal.segment import SegmentBirth
from chaoswal.wal.walfile import WalBirth, WalFile
from chaoswal.workload import Generator, traits_of


def explore(kind: type[WalEngine], seed: int, profile: str, length: int = 15) -> Found | None:
    """One random program, every crash within a small bound, crashes in recovery too."""
    sync = ["each", "explicit", "bytes"][seed % 3]
    options = {"sync": sync, "sync_bytes": "200", "wal_bytes": str([900, 300, 2000, 300][seed % 4])}
    options["preallocate_bytes"] = str([0, 600, 2500][seed // 2 % 3])
    factory = Factory(kind=kind, options=options, name="wal")
    traits = traits_of(factory.open_simulated(MemoryVfs(), StillRuntime(0)))
    operations = Generator(seed, traits.capabilities).program(length)
    bound, depth = Bound(deviations=1, random_states=4), Depth(levels=1, samples=4)
    run = record(factory, operations)
    return check(
        run, History(operations, traits), Judge(factory), PROFILES[profile], bound=bound, depth=depth, seed=seed
    )


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("seed", range(6))
def test_no_crash_breaks_a_promise(profile: str, seed: int) -> None:
    assert explore(WalEngine, seed, profile) is None


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
