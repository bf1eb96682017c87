"""The baseline: what it lets through, and until when; a file that is read strictly and written stably."""

import datetime as dt
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaoswal.baseline import Known, compare, dump, load, parse
from chaoswal.errors import UsageError
from tests.report.campaigns import found

DAY = dt.date(2026, 12, 31)
NEXT = DAY + dt.timedelta(days=1)
WORDS = st.text(min_size=1, max_size=20).filter(str.strip)
ENTRIES = st.lists(
    st.builds(
        Known,
        fingerprint=WORDS,
        reason=WORDS,
        expires=st.dates(),
        engine=st.one_of(st.just(""), st.sampled_from(["wal", "wal sync=explicit"]), WORDS),
    ),
    max_size=5,
    unique_by=lambda entry: (entry.fingerprint, entry.engine),
)


def known(fingerprint: str = "f1", *, expires: dt.date = DAY, engine: str = "") -> Known:
    return Known(fingerprint=fingerprint, reason="why", expires=expires, engine=engine)


# -- comparing -----------------------------------------------------------------------------------------------------


def test_what_is_listed_is_borne_with_to_the_last_day() -> None:
    findings, baseline = [found(), found(fingerprint="f2")], [known()]
    today, after = compare(findings, baseline, DAY), compare(findings, baseline, NEXT)
    assert (today.new, today.known, today.expired) == ((findings[1],), (findings[0],), ())
    assert (after.new, after.known, after.expired) == ((findings[1],), (), (findings[0],))
    assert (today.passes, after.passes, compare([found()], baseline, DAY).passes) == (False, False, True)
    assert not compare([found()], baseline, NEXT).passes


def test_what_is_listed_and_not_found_is_to_be_taken_out() -> None:
    baseline = [known("f1"), known("gone"), known("gone too", expires=DAY - dt.timedelta(days=9))]
    comparison = compare([found()], baseline, DAY)
    assert comparison.fixed == (baseline[1], baseline[2])
    assert comparison.passes, "a baseline that is too long lets nothing through"


def test_a_finding_without_a_fingerprint_goes_by_its_id() -> None:
    assert compare([found(fingerprint="", id="abc")], [known("abc")], DAY).passes


@pytest.mark.parametrize(
    ("listed", "engine", "applies"),
    [
        ("", "wal sync=explicit", True),
        ("wal", "wal sync=explicit", True),
        ("wal", "wal", True),
        ("wal sync=explicit", "wal sync=explicit", True),
        ("wal sync=explicit", "wal", False),
        ("wal sync=explicit", "wal sync=explicit frame=2", False),
        ("sqlite", "wal", False),
        ("my own/e.py:E", "'my own/e.py:E' a=b", True),
        ("wal", "", False),
    ],
)
def test_an_entry_may_be_for_one_engine(listed: str, engine: str, applies: bool) -> None:
    comparison = compare([found()], [known(engine=listed)], DAY, engine)
    assert comparison.passes == applies
    assert comparison.fixed == (), "what is for another engine is not fixed by this one"


def test_of_two_entries_the_later_day_counts() -> None:
    baseline = [known(engine="wal"), known(expires=NEXT)]
    assert compare([found()], baseline, NEXT, "wal").passes
    assert compare([found()], baseline[::-1], NEXT, "wal").passes


@given(ENTRIES, st.lists(st.sampled_from(["a", "b", "c"])), st.dates())
def test_every_finding_and_every_entry_is_told_once(
    entries: list[Known], fingerprints: list[str], today: dt.date
) -> None:
    baseline = [*entries, known("a", expires=dt.date.max), known("b", expires=dt.date.min)]
    findings = [found(fingerprint=fingerprint) for fingerprint in fingerprints]
    comparison = compare(findings, baseline, today, "wal")
    told = [*comparison.new, *comparison.known, *comparison.expired]
    assert sorted(item.fingerprint for item in told) == sorted(fingerprints)
    assert {item.fingerprint for item in comparison.known} <= {"a", *(entry.fingerprint for entry in entries)}
    assert {entry.fingerprint for entry in comparison.fixed}.isdisjoint(fingerprints)
    assert comparison.passes == (not comparison.new and not comparison.expired)


# -- the file ------------------------------------------------------------------------------------------------------

TEXT = """\
[[known]]
fingerprint = "f2"
reason = "the \\"second\\" one"
expires = 2027-01-31

[[known]]
fingerprint = "f1"
engine = "wal sync=explicit"
reason = "the first one"
expires = 2026-12-31
"""
READ = (
    Known(fingerprint="f2", reason='the "second" one', expires=dt.date(2027, 1, 31)),
    Known(fingerprint="f1", reason="the first one", expires=DAY, engine="wal sync=explicit"),
)


def test_a_file_is_read_and_written(tmp_path: Path) -> None:
    path = tmp_path / "chaoswal-baseline.toml"
    path.write_text(TEXT, encoding="utf-8")
    assert load(path) == READ
    assert dump(reversed(READ)) == dump(READ) == TEXT
    assert dump([]) == ""
    assert parse("# nothing is known\n", "x") == ()


def test_the_example_of_the_document_is_one() -> None:
    text = (Path(__file__).parents[1] / "docs/ci.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```toml\n(.+?)^```", text, re.MULTILINE | re.DOTALL)
    assert dump(parse(example, "docs/ci.md")) == example


@given(ENTRIES)
def test_what_is_written_reads_back(entries: list[Known]) -> None:
    text = dump(entries)
    assert set(parse(text, "x")) == set(entries)
    assert dump(parse(text, "x")) == text


BLOCK = '[[known]]\nfingerprint = "f1"\nreason = "why"\nexpires = 2026-12-31\n'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[[known]\n", "at line 1"),
        (BLOCK + 'engine = "wal\n', "at line 5"),
        ("version = 1\n", "line 1: unknown key 'version'"),
        ("\n[other]\nkey = 1\n", "line 2: unknown key 'other'"),
        ("known = 3\n", "known is a list of tables"),
        ("[known]\n", "known is a list of tables"),
        (BLOCK + BLOCK.replace("reason", "because"), "line 7: unknown key 'because'; there are fingerprint, engine"),
        (BLOCK + "\n" + BLOCK.replace('reason = "why"\n', ""), "line 6: this entry has no reason"),
        (BLOCK.replace("expires = 2026-12-31\n", "") + BLOCK, "line 1: this entry has no expires"),
        (BLOCK.replace('"why"', '" "'), "line 3: reason = ' ': it is empty"),
        (BLOCK.replace('"why"', "3"), "line 3: reason = 3: expected a text in quotes"),
        (BLOCK.replace("2026-12-31", '"2026-12-31"'), "line 4: expires = '2026-12-31': expected a date without quotes"),
        (BLOCK.replace("2026-12-31", "2026-12-31T00:00:00"), "expected a date without quotes"),
        (BLOCK.replace('"f1"', '""'), "line 2: fingerprint = '': it is empty"),
        (BLOCK + "\n" + BLOCK, "line 7: 'f1' is there twice; keep one"),
        ("known = [{}]\n", "baseline.toml: this entry has no fingerprint"),
    ],
)
def test_a_file_is_read_strictly(text: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "baseline.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as raised:
        load(path)
    assert str(raised.value).startswith(str(path))
    assert why in str(raised.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        load(tmp_path / "missing.toml")
    with pytest.raises(UsageError, match="cannot read"):
        load(tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="cannot read"):
        load(tmp_path / "binary")
