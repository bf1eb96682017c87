"""The adapter of SQLite: a log that comes back, numbers from 0, and promises no more than its options hold."""

from pathlib import Path

import pytest

from chaoswal.engines.sqlite import SqliteEngine

_PROMISES = [
    ("wal", "full", "append append_batch sync"),
    ("wal", "extra", "append append_batch sync"),
    ("wal", "normal", "sync"),
    ("wal", "off", "none"),
    ("delete", "extra", "append append_batch"),
    ("delete", "full", "append append_batch"),
    ("delete", "normal", "none"),
    ("delete", "off", "none"),
    ("truncate", "full", "append append_batch"),
    ("persist", "extra", "append append_batch"),
    ("persist", "normal", "none"),
    ("memory", "full", "none"),
    ("off", "extra", "none"),
]


@pytest.mark.parametrize(("journal", "synchronous", "promise"), _PROMISES)
def test_what_was_appended_is_there_again(tmp_path: Path, journal: str, synchronous: str, promise: str) -> None:
    engine = SqliteEngine(str(tmp_path), journal=journal, synchronous=synchronous)
    assert engine.promise == promise
    assert engine.next_sequence() == 0
    assert engine.append(b"a") == 0
    assert engine.append_batch([b"b", b"", b"b"]) == 1
    engine.sync()
    engine.close()
    again = SqliteEngine(str(tmp_path), journal=journal, synchronous=synchronous)
    assert list(again.records()) == [b"a", b"b", b"", b"b"]
    assert again.next_sequence() == 4
    assert again.append(b"c") == 4
    again.close()


def test_a_batch_that_fails_leaves_nothing(tmp_path: Path) -> None:
    engine = SqliteEngine(str(tmp_path))
    with pytest.raises(Exception, match="NOT NULL"):
        engine.append_batch([b"a", None])  # type: ignore[list-item]
    assert list(engine.records()) == []
    assert engine.append(b"b") == 0
    engine.close()


@pytest.mark.parametrize("options", [{"journal": "paper"}, {"synchronous": "sometimes"}])
def test_an_unknown_option_names_those_there_are(tmp_path: Path, options: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"journal=wal\|delete"):
        SqliteEngine(str(tmp_path), **options)
