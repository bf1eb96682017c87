"""Notes: what was whole is read back, and a note that was torn at any byte is not."""

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaoswal.killloop.notes import Notes, NotesFull

SIZE = 1 << 13
PLAIN = st.one_of(st.integers(), st.binary(max_size=60), st.text(max_size=20), st.booleans(), st.none())
ROUNDS = st.lists(st.lists(PLAIN, max_size=4).map(tuple), max_size=12)


@given(ROUNDS, ROUNDS)
def test_a_round_reads_back_what_was_noted_in_it(old: list[tuple[object, ...]], new: list[tuple[object, ...]]) -> None:
    notes = Notes(SIZE)
    for number, some in enumerate((old, new)):
        notes.start(number)
        for note in some:
            notes.note(note)
        assert list(notes.read()) == some


@given(ROUNDS, ROUNDS.filter(bool), st.data())
def test_a_note_torn_at_any_byte_over_old_ones_is_not_there(
    old: list[tuple[object, ...]], new: list[tuple[object, ...]], data: st.DataObject
) -> None:
    notes = Notes(SIZE)
    notes.start(1)
    for note in old:
        notes.note(note)
    stale = notes._memory[:]
    notes.start(2)
    for note in new[:-1]:
        notes.note(note)
    start = notes._at
    notes.note(new[-1])
    whole = notes._memory[:]
    kept = data.draw(st.integers(start, notes._at - 1))
    notes._memory[kept:] = stale[kept:]  # what a kill inside the last note leaves
    assert list(notes.read()) == (new if notes._memory[:] == whole else new[:-1])


def test_a_round_does_not_see_the_notes_of_another_however_like_they_are() -> None:
    notes = Notes(SIZE)
    notes.start(1)
    notes.note(("same",))
    notes.start(2)
    assert list(notes.read()) == []


class Slow(Notes):
    """Lets every other thread go on in the middle of a note."""

    def _seed(self, at: int) -> int:
        time.sleep(0.0005)
        return super()._seed(at)


def test_threads_note_beside_each_other() -> None:
    notes = Slow(SIZE)
    notes.start(1)

    def note(who: int) -> None:
        for number in range(5):
            notes.note((who, number))

    threads = [threading.Thread(target=note, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seen = list(notes.read())
    assert [[number for who, number in seen if who == one] for one in range(4)] == [list(range(5))] * 4


def test_a_full_memory_says_so() -> None:
    notes = Notes(SIZE)
    notes.start(1)
    with pytest.raises(NotesFull):
        notes.note((b"x" * SIZE,))
    assert list(notes.read()) == []
