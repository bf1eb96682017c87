"""Corpus files: they parse back, line for line, and a bad one says in which file and line what is wrong."""

import os
import queue
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaoswal import corpus
from chaoswal.disk.profiles import PROFILES
from chaoswal.engines.registry import EngineRef
from chaoswal.errors import Inconclusive, UsageError
from chaoswal.evidence import Evidence, Sighting, Theirs, in_order, level
from chaoswal.ops import Append, Sync
from chaoswal.verdict import Violation
from tests.test_program import STEPS

WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=10)
KEYS = WORDS.filter(lambda word: "=" not in word)
REFS = st.builds(EngineRef, name=WORDS, options=st.lists(st.tuples(KEYS, WORDS | st.just("")), max_size=3).map(tuple))
PLAIN_REFS = st.builds(
    EngineRef,
    name=st.sampled_from(["wal", "tests/toys.py:NoSync", "a b.py:C", "it's"]),
    options=st.lists(st.tuples(st.sampled_from(["bug", "k"]), st.sampled_from(["", "x y", "1"])), max_size=2).map(
        tuple
    ),
)
NAMES = st.sampled_from(["ext4", "xfs", "btrfs"])
KINDS = st.lists(st.sampled_from([str(kind) for kind in Violation]), max_size=2).map(tuple)
SEEN = st.builds(
    Sighting, file_system=NAMES, linux=st.sampled_from(["6.1", "6.18.44"]), kinds=KINDS, weak=st.booleans()
)
MISSED = st.builds(Sighting, file_system=NAMES, linux=st.just("6.18.44"), missed=st.integers(0, 99))
EVIDENCE = st.builds(
    Evidence,
    sightings=st.lists(SEEN | MISSED, max_size=3, unique_by=lambda one: one.file_system).map(in_order),
    creating=st.booleans(),
)
LINKS = st.lists(st.sampled_from(["https://example.org/1", "https://example.org/2"]), min_size=1, max_size=2).map(tuple)
THEIRS = st.builds(Theirs, package=st.just("some-queue"), version=st.just("1.1.0")) | st.builds(
    Theirs,
    package=st.just("a"),
    version=st.just("2"),
    told=st.sampled_from(["reported", "documented"]),
    links=LINKS,
)
FINDINGS = st.builds(
    corpus.Finding,
    engine=PLAIN_REFS,
    profile=st.sampled_from(sorted(PROFILES)),
    expect=st.sampled_from(list(Violation)),
    found=st.dates().map(str),
    seed=st.integers(0, 1 << 62),
    steps=st.lists(STEPS, max_size=4).map(tuple),
    profiles=st.lists(st.sampled_from(sorted(PROFILES)), max_size=3).map(tuple),
    origin=st.none()
    | st.builds(
        corpus.Origin,
        operations=st.integers(0, 1000),
        states=st.integers(0, 1 << 40),
        cut=st.booleans(),
    ),
    theirs=st.none() | THEIRS,
    evidence=st.none() | EVIDENCE,
)


@given(REFS)
def test_an_engine_reference_parses_back(ref: EngineRef) -> None:
    assert EngineRef.parse(str(ref)) == ref


@pytest.mark.parametrize(
    ("text", "what"),
    [("wal bug", "cannot read the option 'bug' of wal: expected key=value"), ("wal =x", "cannot read the option '=x'")],
)
def test_a_bad_engine_reference(text: str, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        EngineRef.parse(text)


@pytest.mark.parametrize("text", ["", "  ", "wal 'bug=x"])
def test_an_engine_reference_without_sense(text: str) -> None:
    with pytest.raises(UsageError):
        EngineRef.parse(text)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("nothing", "unknown engine 'nothing'; there are wal, sqlite"),
        ("no/such/file.py:Class", "no such file: no/such/file.py"),
        ("tests/toys.py:Missing", "tests/toys.py has no class 'Missing'"),
        ("no.such.module:Class", "cannot import the engine's module 'no.such.module'"),
        (".relative:Class", "cannot import"),
        (":Class", "cannot import"),
    ],
)
def test_an_engine_that_is_not_there(name: str, what: str) -> None:
    with pytest.raises(UsageError) as caught:
        EngineRef(name=name).factory()
    assert what in str(caught.value)


def test_loading_names_the_file_that_fails(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("1/0\n")
    with pytest.raises(UsageError, match=r"cannot load the engine's file .*broken\.py: ZeroDivisionError"):
        EngineRef(name=f"{tmp_path}/broken.py:Class").factory()
    (tmp_path / "broken.py").write_text("raise MemoryError\n")
    with pytest.raises(Inconclusive, match=r"no memory left to load the engine's file .*broken\.py"):
        EngineRef(name=f"{tmp_path}/broken.py:Class").factory()


def test_a_file_of_a_module_s_name_does_not_replace_it(tmp_path: Path) -> None:
    (tmp_path / "queue.py").write_text("class Engine:\n    pass\n")
    before = sys.modules["queue"]
    assert EngineRef(name=f"{tmp_path}/queue.py:Engine").factory().kind.__name__ == "Engine"
    assert sys.modules["queue"] is before is queue


@given(FINDINGS)
def test_a_finding_parses_back(finding: corpus.Finding) -> None:
    assert corpus.loads(corpus.dumps(finding), "name") == finding


FINDING = corpus.Finding(
    engine=EngineRef(name="tests/toys.py:NoSync"),
    profile="ext4-ordered",
    expect=Violation.LOST,
    found="2026-11-20",
    seed=8271,
    steps=(Append(size=61), Sync()),
)
TEXT = """chaoswal-finding 1
engine tests/toys.py:NoSync    profile ext4-ordered    expect lost    found 2026-11-20 seed 8271
append 61
sync
"""


def test_the_text() -> None:
    assert corpus.dumps(FINDING) == TEXT
    assert corpus.loads("# said before\n\n" + TEXT + "# and after\n\n", "name") == FINDING


def test_where_a_finding_comes_from() -> None:
    lines = TEXT.splitlines(keepends=True)
    more = ["profiles prefix posix\n", "shrunk from 48 operations in 913 states, not to the end\n"]
    whole = corpus.loads("".join([*lines[:2], *more, *lines[2:]]), "name")
    assert whole.profiles == ("prefix", "posix")
    assert whole.origin == corpus.Origin(operations=48, states=913, cut=True)
    assert whole.steps == FINDING.steps
    assert whole.id == FINDING.id, "what it was shrunk from does not change what it is"
    assert str(corpus.Origin(operations=4, states=9)) == "shrunk from 4 operations in 9 states"


NOTED = TEXT.replace(
    "append 61",
    "theirs some-queue 1.1.0 reported https://example.org/7\n"
    "evidence allowed by ext4-ordered · seen on real ext4, xfs as hole (Linux 6.18.44)"
    " · not seen on real btrfs in 20 tries (Linux 6.18.44) · while creating\nappend 61",
)


def test_what_speaks_for_a_finding() -> None:
    whole = corpus.loads(NOTED, "name")
    assert corpus.dumps(whole) == NOTED
    assert whole.theirs == Theirs(
        package="some-queue", version="1.1.0", told="reported", links=("https://example.org/7",)
    )
    assert whole.evidence is not None
    assert whole.evidence.seen_on == ["ext4", "xfs"]
    assert whole.evidence.creating
    assert whole.id == FINDING.id, "what speaks for it does not change what it is"


@pytest.mark.parametrize(
    ("profiles", "words"),
    [
        (["kill", "prefix", "posix"], "a kill is enough"),
        (["xfs", "ext4-ordered", "posix"], "allowed by xfs, ext4-ordered, posix"),
        (["posix"], "allowed by POSIX only"),
    ],
)
def test_how_much_of_a_disaster_it_takes(profiles: list[str], words: str) -> None:
    assert level(profiles) == words


def test_what_was_seen_once_stays_seen() -> None:
    seen = Sighting(file_system="ext4", linux="6.1")
    missed = [Sighting(file_system=name, linux="6.2", missed=9) for name in ("ext4", "xfs")]
    both = Evidence(sightings=(seen,)).and_also(missed)
    assert both.sightings == (seen, missed[1])
    later = Sighting(file_system="xfs", linux="6.3")
    assert both.and_also([later]).seen_on == ["ext4", "xfs"]


def test_evidence_is_noted_in_the_file_and_comments_stay(tmp_path: Path) -> None:
    path = tmp_path / "a.chaos"
    path.write_text("# first\n" + NOTED.replace("append 61", "# then\nappend 61"), encoding="utf-8")
    found = corpus.load(path).evidence
    assert found is not None
    corpus.note(path, found.and_also([Sighting(file_system="btrfs", linux="6.18.44")]))
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# first\n")
    assert "\n# then\nappend 61\n" in text
    assert "evidence allowed by ext4-ordered · seen on real ext4, xfs as hole, btrfs (Linux 6.18.44) · while" in text
    bare = corpus.save(FINDING, tmp_path, "bare")
    corpus.note(bare, Evidence())
    assert corpus.load(bare) == replace(FINDING, evidence=Evidence())


def test_the_id_follows_from_what_matters() -> None:
    assert len(FINDING.id) == 6
    again = corpus.loads(TEXT.replace("2026-11-20 seed 8271", "2027-01-01 seed 1"), "name")
    assert again.id == FINDING.id
    for other in (
        TEXT.replace("append 61", "append 62"),
        TEXT.replace("lost", "hole"),
        TEXT.replace("NoSync", "NoCut"),
    ):
        assert corpus.loads(other, "name").id != FINDING.id


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("", "a.chaos: not a finding: the first line must be 'chaoswal-finding 1'"),
        ("hello\n", "not a finding"),
        (TEXT.replace("finding 1", "finding 2"), "not a finding"),
        (" " + TEXT, "not a finding"),
        ("chaoswal-finding 1\n", "line 2 must read"),
        (TEXT.replace("    profile", " profile"), "line 2 must read"),
        (TEXT.replace("seed 8271", "seed many"), "line 2 must read"),
        (TEXT.replace("2026-11-20", "yesterday"), "line 2 must read"),
        (TEXT.replace("ext4-ordered", "ntfs"), "a.chaos: unknown profile 'ntfs'; there are: kill, prefix"),
        (TEXT.replace("expect lost", "expect worst"), "unknown kind of violation 'worst'; there are: lost, hole"),
        (TEXT.replace("NoSync ", "NoSync bug "), "a.chaos, line 2: cannot read the option 'bug'"),
        (TEXT.replace("engine tests", "engine 'tests"), "a.chaos, line 2: cannot read"),
        (TEXT + "explode\n", "a.chaos, line 5: unknown word 'explode'"),
        (TEXT + "profiles posix\n", "a.chaos, line 5: unknown word 'profiles'"),
        (TEXT.replace("append 61", "profiles ntfs"), "a.chaos: unknown profile 'ntfs'"),
        (TEXT.replace("append 61", "profiles  posix"), "a.chaos, line 3: unknown word 'profiles'"),
        (NOTED.replace("allowed by ext4-ordered", "a kill is enough"), "line 4: by its profiles it must begin with"),
        (NOTED.replace("seen on real ext4", "seen on ext4"), "a.chaos, line 4: cannot read 'seen on ext4"),
        (NOTED.replace(" as hole", " hole"), "a.chaos, line 4: cannot read 'xfs hole': expected a file system"),
        (NOTED.replace("btrfs in 20 tries", "btrfs"), "line 4: cannot read 'btrfs': expected a file system and 'in N"),
        (NOTED.replace("reported https", "reported http"), "a.chaos, line 3: expected PACKAGE VERSION, then"),
        (NOTED.replace("1.1.0 ", ""), "a.chaos, line 3: expected PACKAGE VERSION, then"),
        (TEXT.replace("append 61", "shrunk from 4 operations"), "a.chaos, line 3: unknown word 'shrunk'"),
        ("# c\n" + TEXT + "append\n", "a.chaos, line 6: cannot read 'append'"),
        (TEXT + "kill now\n", "a.chaos, line 5: cannot read the crash 'kill now'"),
        (TEXT + "fail EIO\n", "a.chaos, line 5: cannot read the fault 'fail EIO'"),
    ],
)
def test_a_bad_file_says_where_and_what(content: str, what: str) -> None:
    with pytest.raises(UsageError) as caught:
        corpus.loads(content, "a.chaos")
    assert what in str(caught.value)
    assert str(caught.value).startswith("a.chaos")


def refused(content: str) -> str:
    """Why a file is refused; empty where it is a finding, which then has a text of its own."""
    try:
        finding = corpus.loads(content, "a.chaos")
    except UsageError as error:
        return str(error)
    assert corpus.loads(corpus.dumps(finding), "b.chaos") == finding
    return ""


@given(st.integers(0, len(TEXT) - 1), st.integers(0, 7))
def test_a_flipped_bit_is_refused_or_another_finding(at: int, bit: int) -> None:
    content = bytearray(TEXT.encode())
    content[at] ^= 1 << bit
    why = refused(content.decode("utf-8", errors="replace"))
    assert not why or why.startswith("a.chaos")


@given(st.integers(0, len(TEXT)))
def test_a_cut_file_is_refused_or_shorter(length: int) -> None:
    why = refused(TEXT[:length])
    assert why.startswith("a.chaos") or "seed 8" in TEXT[:length]


def test_reading_executes_nothing(tmp_path: Path) -> None:
    trap = tmp_path / "trap.py"
    trap.write_text(f"open({str(tmp_path / 'sprung')!r}, 'w').close()\nclass Engine: pass\n")
    path = tmp_path / "a.chaos"
    path.write_text(TEXT.replace("tests/toys.py:NoSync", f"{trap}:Engine"))
    corpus.load(path, command=corpus.ANY)
    assert not (tmp_path / "sprung").exists()


def test_saved_and_loaded(tmp_path: Path) -> None:
    path = corpus.save(FINDING, tmp_path / "made" / "for it")
    assert path.name == f"{FINDING.id}.chaos"
    assert corpus.load(path) == FINDING
    assert corpus.save(FINDING, tmp_path, "named").name == "named.chaos"
    assert sorted(file.name for file in tmp_path.rglob("*.*")) == [f"{FINDING.id}.chaos", "named.chaos"]


def test_found_by_id_name_or_path(tmp_path: Path) -> None:
    path = corpus.save(FINDING, tmp_path / "sub", "named")
    for word in (FINDING.id, "named", str(path)):
        assert corpus.find(word, tmp_path) == path
    with pytest.raises(UsageError, match="no finding 'other' in"):
        corpus.find("other", tmp_path)
    with pytest.raises(UsageError, match="no finding 'other' in"):
        corpus.find("other", tmp_path / "missing")


def test_one_bad_file_does_not_hide_the_others(tmp_path: Path) -> None:
    (tmp_path / "0-bad.chaos").write_text("garbage")
    path = corpus.save(FINDING, tmp_path, "named")
    assert corpus.find(FINDING.id, tmp_path) == path


def test_files(tmp_path: Path) -> None:
    path = corpus.save(FINDING, tmp_path / "b")
    (tmp_path / "notes.txt").write_text("no finding")
    assert corpus.files([tmp_path]) == [path]
    assert corpus.files([tmp_path / "notes.txt"]) == [tmp_path / "notes.txt"]
    assert corpus.files([]) == []
    with pytest.raises(UsageError, match="no such file or directory"):
        corpus.files([tmp_path / "missing"])


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        corpus.load(tmp_path / "missing.chaos")
    (tmp_path / "binary.chaos").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=r"cannot read .*binary\.chaos"):
        corpus.load(tmp_path / "binary.chaos")
    os.mkdir(tmp_path / "directory.chaos")
    with pytest.raises(UsageError, match=r"cannot read .*directory\.chaos"):
        corpus.load(tmp_path / "directory.chaos")
