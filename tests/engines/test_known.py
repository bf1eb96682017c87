"""What is known of engines as they are: where they break is found, and of what kind it is; elsewhere nothing is."""

import importlib.util
import shutil
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import pytest

from chaoswal.disk.profiles import PROFILES
from chaoswal.engines.registry import EngineRef
from chaoswal.errors import Inconclusive
from chaoswal.hunt import Attempt, Given
from chaoswal.ops import Append, Done, Enqueue, Operation, Sync, Take
from chaoswal.patched import unseen
from chaoswal.program import Step, parse_step
from chaoswal.verdict import Violation

APPENDS: list[Operation] = [Append(size=30), Append(size=300), Sync(), Append(size=30)]

STRICT = """
from chaoswal.engines.lmdb import LmdbEngine

class Strict(LmdbEngine):
    def __init__(self, root, **options):
        super().__init__(root, **options)
        self.promise = "append sync"
"""
"""LMDB whose appends are taken for promised, whatever its documentation says of the options it is given."""


def explored(engine: EngineRef, module: str, operations: Sequence[Step], profile: str) -> Attempt:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed")
    return Given(engine, operations, [PROFILES[profile]]).attempt(0)


def test_lmdb_without_syncs_is_corrupt() -> None:
    catch = explored(EngineRef.of("lmdb", ["sync=no"]), "lmdb", APPENDS, "ext4-ordered").catch
    assert catch
    assert catch.fault.kind is Violation.INVENTED


def test_lmdb_that_does_not_sync_its_meta_page_loses_the_last_transaction_and_says_so(tmp_path: Path) -> None:
    """Nothing is wrong by its own promise, but for the window at its creation, which it has in any case."""
    option = ["metasync=no"]
    (tmp_path / "strict.py").write_text(STRICT, encoding="utf-8")
    strict = explored(EngineRef.of(f"{tmp_path}/strict.py:Strict", option), "lmdb", APPENDS, "ext4-ordered").catch
    assert strict
    assert strict.fault.kind is Violation.LOST
    for options in (option, []):
        catch = explored(EngineRef.of("lmdb", options), "lmdb", APPENDS, "ext4-ordered").catch
        assert catch
        assert (catch.fault.kind, catch.steps[-1].operation) == (Violation.UNOPENABLE, 0)  # type: ignore[union-attr]


def test_lmdb_that_writes_through_a_map_is_not_judged() -> None:
    with pytest.raises(Inconclusive, match=r"data\.mdb is mapped, and writes through mmap are not seen"):
        explored(EngineRef.of("lmdb", ["writemap=yes"]), "lmdb", APPENDS, "ext4-ordered")


@pytest.mark.slow
@pytest.mark.parametrize("autosave", ["yes", "no"])
@pytest.mark.parametrize("profile", ["kill", "prefix", "xfs", "ext4-ordered", "btrfs", "posix"])
def test_persist_queue_in_sqlite_is_sound(autosave: str, profile: str) -> None:
    engine = EngineRef.of("persist-queue", ["kind=sqlite", f"autosave={autosave}"])
    done = [Done()] if autosave == "no" else []
    attempt = explored(engine, "persistqueue", [Enqueue(size=30), Enqueue(size=5), Take(), *done], profile)
    assert attempt.catch is None
    assert attempt.coverage.judged >= 40


def test_persist_queue_in_sqlite_hands_out_what_was_put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("persistqueue")
    monkeypatch.setattr(unseen, "_engines", set())  # another test of this process may have run it on the simulated disk
    engine = EngineRef.of("persist-queue", ["kind=sqlite", "autosave=no", "recorder=syscalls"]).factory()
    queue = engine.open_directory(str(tmp_path))
    for item in (b"one", b"\x00", b""):
        queue.put(item)  # type: ignore[attr-defined]
    assert list(queue.items()) == [b"one", b"\x00", b""]  # type: ignore[attr-defined]
    assert [queue.get() for _ in range(2)] == [b"one", b"\x00"]  # type: ignore[attr-defined]
    queue.ack()  # type: ignore[attr-defined]
    queue.close()
    again = engine.open_directory(str(tmp_path))
    assert list(again.items()) == [b""]  # type: ignore[attr-defined]
    again.close()


@pytest.mark.slow
@pytest.mark.parametrize("profile", ["kill", "prefix"])
def test_duckdb_goes_on_behind_a_torn_tail_since_1_2_2(profile: str) -> None:
    """Before, what was inserted behind a tail that recovery had not cut was never read again."""
    pytest.importorskip("duckdb")
    torn = parse_step("power-cut in operation 2 after write of log.duckdb.wal nth 1")
    steps = [Append(size=30), Append(size=9000), torn, Append(size=40)]
    catch = explored(EngineRef(name="duckdb"), "duckdb", steps, profile).catch
    known = tuple(map(int, version("duckdb").split(".")[:3])) < (1, 2, 2)
    assert (catch and catch.fault.kind) == (Violation.LOST if known else None)
