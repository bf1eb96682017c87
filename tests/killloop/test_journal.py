"""Journals: what the notes of a child say it did, and when."""

from pathlib import Path

from chaoswal.killloop.journal import OUTSIDE, Journal, read
from chaoswal.patched.announced import stamp
from chaoswal.trace import Begin, End
from chaoswal.vfs.noted import CODES

BEGIN, END = CODES[Begin], CODES[End]


def test_an_operation_was_between_its_begin_and_the_next_begin_after_its_end() -> None:
    journal = read([(BEGIN, 0, 10.0), (END, 0, "0"), (BEGIN, 1, 12.0), (END, 1, "1"), (BEGIN, 2, 15.0)])
    assert journal.times(20.0) == {0: (10.0, 12.0), 1: (12.0, 15.0), 2: (15.0, 20.0)}


def test_operations_beside_each_other_began_together_and_each_ended_when_it_did() -> None:
    notes = [(BEGIN, 0, 10.0), (BEGIN, 1, 11.0), (END, 0, "0"), (BEGIN, 2, 13.0), (END, 2, "2"), (END, 1, "1")]
    assert read(notes).times(20.0) == {0: (10.0, 13.0), 1: (10.0, 20.0), 2: (10.0, 20.0)}
    assert read([*notes, (BEGIN, 3, 15.0)]).times(20.0) == {
        0: (10.0, 13.0),
        1: (10.0, 15.0),
        2: (10.0, 15.0),
        3: (15.0, 20.0),
    }


def test_what_it_has_changed_elsewhere_is_what_is_not_as_it_was(tmp_path: Path) -> None:
    there, absent = tmp_path / "there", tmp_path / "absent"
    there.write_bytes(b"1")
    outside = {str(path): stamp(str(path)) for path in (there, absent)}
    assert read((OUTSIDE, path, before) for path, before in outside.items()).strayed is None
    absent.touch()
    absent.unlink()
    assert Journal(outside=outside).strayed is None
    there.write_bytes(b"12")
    assert Journal(outside=outside).strayed == str(there)
