"""What was found in engines of others is still seen, blamed on the same call, told of, and found by name alone."""

import json
import re
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest

from chaoswal import corpus
from chaoswal.cli import main
from chaoswal.commands.replay import present, replay_file
from chaoswal.disk.profiles import PROFILES
from chaoswal.engines.registry import EngineRef
from chaoswal.errors import Exit, Unavailable
from chaoswal.evidence import Theirs
from chaoswal.guilt import guilty
from chaoswal.replay import Status, ready
from tests.house.rules import ROOT

REAL = ROOT / "corpus" / "real"
FILES = sorted(REAL.glob("*.chaos"))
NONE = EngineRef(name="option")

NOT, NOTHING = "not a missing sync: ", "recovery is wrong, and changes nothing; before it came the"
GUILTY = {
    "dbm-dumb-index-before-data": "no fsync of store.dat after dumb.py (write)",
    "dbm-dumb-index-of-zeros": f"{NOT}recovery fails at ast.py",
    "dbm-dumb-killed-behind-its-rename": f"{NOT}the disk is wrong from the rename of store.bak in dumb.py on",
    "dbm-dumb-old-index-comes-back": "no sync of the directory after dumb.py (rename)",
    "dbm-dumb-sync-does-not-sync": "no fsync of store.dir after dumb.py (write)",
    "dbm-dumb-value-of-two-puts": f"{NOT}{NOTHING} write of store.dat in dumb.py",
    "diskcache-append-is-gone": "no fsync of cache.db-wal after append (write)",
    "duckdb-insert-behind-a-power-cut-is-gone": f"{NOT}the disk is wrong from the write of log.duckdb.wal in append on",
    "duckdb-insert-behind-a-torn-tail-is-gone": (
        f"{NOT}it is enough to be killed in the write of log.duckdb.wal in append"
    ),
    "duckdb-killed-in-a-checkpoint": f"{NOT}it is enough to be killed in the write of log.duckdb in close",
    "duckdb-killed-while-creating": f"{NOT}the disk is wrong from the create of log.duckdb in opening on",
    "leveldb-current-points-nowhere": "no sync of the directory after opening (rename)",
    "leveldb-manifest-not-synced": "no fsync of MANIFEST-# after opening (write)",
    "litequeue-put-is-gone": "no fsync of queue.db-wal after append (write)",
    "lmdb-killed-while-creating": f"{NOT}it is enough to be killed in the write of data.mdb in opening",
    "lmdb-name-not-synced": "no sync of the directory after opening (create)",
    "lmdb-nometasync-commit-is-gone": "no fsync of data.mdb after append (write)",
    "lmdb-nosync-bus-error": "no fsync of data.mdb after append (write)",
    "lmdb-nosync-hole": f"{NOT}the disk is wrong from the write of data.mdb in append on",
    "lmdb-nosync-invented": f"{NOT}the disk is wrong from the write of data.mdb in append on",
    "nats-publish-is-gone": "no fsync of jetstream/$G/streams/log/msgs/#.blk after append (write)",
    "persist-queue-got-comes-back": "no sync of the directory after queue.py (rename)",
    "persist-queue-info-is-empty": f"{NOT}recovery fails at pickle.py",
    "persist-queue-put-forgets-what-is-not-done": f"{NOT}no crash is needed; last came the rename of info in queue.py",
    "persist-queue-put-is-gone": "no sync of the directory after queue.py (rename)",
    "persist-queue-zeros-are-served": f"{NOT}{NOTHING} rename of info in queue.py",
    "sqlite-delete-commit-is-gone": "no sync of the directory after append (unlink)",
    "sqlite-delete-normal-malformed": f"{NOT}the disk is wrong from the write of log.db-journal in append on",
    "sqlite-delete-off-malformed": f"{NOT}{NOTHING} unlink of log.db-journal in append",
    "sqlite-memory-half-a-commit": f"{NOT}the disk is wrong from the write of log.db in append on",
    "sqlite-memory-killed-while-creating": f"{NOT}the disk is wrong from the write of log.db in opening on",
    "sqlite-off-half-a-commit": f"{NOT}the disk is wrong from the write of log.db in append on",
    "sqlite-off-killed-while-creating": f"{NOT}the disk is wrong from the write of log.db in opening on",
    "sqlitedict-commit-is-gone": "no sync of the directory after sync (unlink)",
    "sqlitedict-malformed-while-creating": "no fsync of log.db-journal after opening (write)",
    "tantivy-commit-is-gone": "no sync of the directory after sync (rename)",
}
"""Who is to blame for each, without the numbers of lines. Where it is a sync, guilt has put it in, and looked again."""

EXPLORED: dict[str, list[str]] = {
    "dbm.dumb --states 3000": [
        "dbm-dumb-value-of-two-puts",
        "dbm-dumb-index-before-data",
        "dbm-dumb-sync-does-not-sync",
        "dbm-dumb-old-index-comes-back",
    ],
    "dbm.dumb --profile kill --seed 7 --states 100": ["dbm-dumb-killed-behind-its-rename"],
    "persist-queue --states 3000": ["persist-queue-put-is-gone", "persist-queue-got-comes-back"],
    "persist-queue --profile ext4-ordered --states 4000": [
        "persist-queue-info-is-empty",
        "persist-queue-zeros-are-served",
        "persist-queue-put-forgets-what-is-not-done",
    ],
    "litequeue --states 300": ["litequeue-put-is-gone"],
    "diskcache --states 300": ["diskcache-append-is-gone"],
    "nats --states 60": ["nats-publish-is-gone"],
    "tantivy --states 300": ["tantivy-commit-is-gone"],
    "sqlitedict --states 100": ["sqlitedict-commit-is-gone"],
    "duckdb --states 25": ["duckdb-insert-behind-a-torn-tail-is-gone"],
    "duckdb --states 200": ["duckdb-killed-in-a-checkpoint", "duckdb-killed-while-creating"],
    "leveldb --states 2000": ["leveldb-manifest-not-synced", "leveldb-current-points-nowhere"],
    "lmdb --states 600": ["lmdb-killed-while-creating", "lmdb-name-not-synced"],
    "lmdb -o sync=no --states 600": ["lmdb-nosync-bus-error"],
    "lmdb -o metasync=no -o promise=append --states 200": ["lmdb-nometasync-commit-is-gone"],
    "sqlite -o journal=delete --states 300": ["sqlite-delete-commit-is-gone"],
    "sqlite -o journal=delete -o synchronous=normal --states 3000": ["sqlite-delete-normal-malformed"],
    "sqlite -o journal=delete -o synchronous=off --states 600": ["sqlite-delete-off-malformed"],
    "sqlite -o journal=memory --states 600": ["sqlite-memory-half-a-commit", "sqlite-memory-killed-while-creating"],
    "sqlite -o journal=off --states 600": ["sqlite-off-half-a-commit", "sqlite-off-killed-while-creating"],
}
"""What finds each, by seed 1 where there is no other."""


@cache
def loaded(name: str) -> corpus.Finding:
    """A finding by the name of its file."""
    return corpus.load(REAL / f"{name}.chaos")


def theirs_of(finding: corpus.Finding) -> Theirs:
    """Whose software it is in."""
    assert finding.theirs is not None
    return finding.theirs


def there(finding: corpus.Finding) -> None:
    """Skip where the software is not there, or not in the version it was found in."""
    factory = finding.engine.factory()
    try:
        present(factory)
        ready(finding.engine)
    except Unavailable as error:
        pytest.skip(str(error))
    wanted = theirs_of(finding)
    if factory.version != wanted.version:
        pytest.skip(f"{wanted.package} {factory.version} is installed: it was found in {wanted.version}")


def names() -> list[object]:
    """Every finding; those that are watched under strace take longer."""
    return [
        pytest.param(path.stem, marks=() if loaded(path.stem).engine.factory().simulated else pytest.mark.slow)
        for path in FILES
    ]


def unnumbered(words: str) -> str:
    """Words without the numbers of lines, which another release moves."""
    return re.sub(r"\.py:\d+", ".py", words)


def test_every_finding_is_expected_and_carries_its_evidence() -> None:
    assert {path.stem for path in FILES} == set(GUILTY)
    for path in FILES:
        finding = corpus.load(path)
        assert finding.theirs, path
        assert finding.evidence_words, path


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # destructors of what did not open
@pytest.mark.parametrize("name", names())
def test_it_is_still_seen_and_blamed_on_the_same_call(name: str) -> None:
    finding = loaded(name)
    there(finding)
    result = replay_file(REAL / f"{name}.chaos", NONE)
    assert (result.status, result.whose) == (Status.FAILED, "theirs")
    assert result.detail.startswith(f"{finding.expect}: ")
    guilt = guilty(finding.engine, finding.steps, PROFILES[finding.profile])
    assert guilt is not None
    assert unnumbered(guilt.words) == GUILTY[name]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.slow
@pytest.mark.parametrize("command", EXPLORED)
def test_it_is_found_by_name_alone(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = [loaded(name) for name in EXPLORED[command]]
    there(expected[0])
    words = [*([] if "--seed" in command else ["--seed", "1"]), "--workers", "1", "--json", "--strict"]
    assert main(["explore", *command.split(), *words, "--corpus", str(tmp_path)]) == Exit.VIOLATION
    told = {(one["kind"], unnumbered(one["guilt"])) for one in json.loads(capsys.readouterr().out)["findings"]}
    wanted = {(str(finding.expect), GUILTY[name]) for name, finding in zip(EXPLORED[command], expected, strict=True)}
    assert wanted <= told


def test_without_the_software_it_is_skipped_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chaoswal.engines.lmdb.LmdbEngine.package", "no-such-distribution")
    result = replay_file(REAL / "lmdb-nosync-hole.chaos", NONE)
    assert (result.status, result.good) == (Status.SKIPPED, True)
    assert "no-such-distribution is not installed" in result.detail


@pytest.mark.parametrize(
    ("version", "said"),
    [("", "nats-server is not installed: apt-get install"), ("2.9.10", "no-such-distribution is not installed: pip")],
)
def test_without_the_server_or_its_client_it_is_skipped(
    version: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chaoswal.engines.registry.version_of", lambda _: version)
    monkeypatch.setattr("chaoswal.engines.nats.NatsEngine.package", "no-such-distribution")
    result = replay_file(REAL / "nats-publish-is-gone.chaos", NONE)
    assert (result.status, result.good) == (Status.SKIPPED, True)
    assert said in result.detail


def test_without_strace_it_is_skipped_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chaoswal.commands.replay.replay", no_strace)
    result = replay_file(REAL / "sqlite-delete-commit-is-gone.chaos", NONE)
    assert (result.status, result.good) == (Status.SKIPPED, True)
    assert result.detail == "there is none"


def no_strace(*_: object) -> NoReturn:
    """What the recorder says where there is no strace."""
    raise Unavailable("there is none")


def test_another_version_may_have_it_mended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chaoswal.engines.dumb.DumbEngine.version", "9.9")
    result = replay_file(REAL / "dbm-dumb-sync-does-not-sync.chaos", NONE)
    assert (result.status, result.whose, result.good) == (Status.FAILED, "theirs, another version", True)


TROPHIES = (ROOT / "docs/trophies.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| \[([\w-]+)\]\(\.\./corpus/real/([\w-]+)\.chaos\) \| (.+) \|$", TROPHIES, re.MULTILINE)


def test_every_finding_is_told_of_as_its_file_has_it() -> None:
    assert sorted(name for name, _, _ in ROWS) == sorted(GUILTY)
    for name, file, told in ROWS:
        finding, cells = loaded(name), told.split(" | ")
        assert name == file
        wanted = theirs_of(finding)
        assert cells[0] == f"{wanted.package} {wanted.version}"
        assert cells[1] == f"`{finding.expect}`"
        assert cells[4] == GUILTY[name]
        assert cells[5] == finding.evidence_words
        links = ", ".join(f"[{place}]({link})" for place, link in enumerate(wanted.links, start=1))
        assert cells[6] == f"{wanted.told or 'not yet reported'} {links}".strip()


def test_the_commands_that_are_told_of_are_those_that_are_tried() -> None:
    told = re.findall(r"^    python -m chaoswal explore (.+)$", TROPHIES, re.MULTILINE)
    assert [command.replace(" --seed 1", "") for command in told] == list(EXPLORED)
