"""What real file systems were seen to do: one row a fact, with everything that may be there after the power was lost.

Run as a program, this prints the table of the rows as measured here: ``python -m tests.calibration.facts xfs``.

Contents are written as in ``3*100 0*50``: a hundred bytes of what line 3 of the program wrote, then fifty zeros. A
key ``ext4 xfs`` says that both were seen to do the same.
"""

import os
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby

from chaoswal.realfs import loopfs
from tests.calibration.programs import Files, acts

AT_ONCE = ("now", "copy", "flushed", "torn")
"""The crashes that end at the moment they say; ``logflush`` lets the journal run on first, ``inside`` comes earlier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A program and the states it was seen to leave; ``rows`` of the profiles that this is evidence for."""

    about: str
    rows: str
    program: str
    seen: Mapping[str, tuple[Mapping[str, str], ...]]
    """For each file system all the states."""
    more: Mapping[str, str] = field(default_factory=dict)
    """For a file system whose profile claims less than was seen here: why that is not always so."""

    def lines(self) -> list[str]:
        """The program's lines."""
        return self.program.split("; ")

    def seen_on(self, name: str) -> tuple[Mapping[str, str], ...]:
        """The states that this file system was seen to leave."""
        return next(states for names, states in self.seen.items() if name in names.split())

    def may_show_more(self, name: str) -> bool:
        """Whether the states say more than the profile claims: for a reason, or by a nudge it knows nothing of."""
        return any(name in names.split() for names in self.more) or "commit" in self.lines()


def written(files: Files) -> dict[str, str]:
    """Files as the table writes them; a directory is ``/``."""
    return {path: "/" if content is None else _runs(content) for path, content in files.items()}


def _runs(content: bytes) -> str:
    runs = [(byte, len(list(run))) for byte, run in groupby(content)]
    return " ".join(f"{max(0, byte - 1) if byte else 'zero'}*{length}" for byte, length in runs)


FACTS = (
    Fact(
        about="what was not synced is lost",
        rows="E3 S3 B4",
        program="create a; write a 0 100; mkdir d; create d/x",
        seen={"ext4 xfs btrfs": ({},)},
    ),
    Fact(
        about="fsync of a new file and the names before it",
        rows="E4 E5 S5 S6 B5 B6",
        program="create a; write a 0 100; mkdir d; create d/b; write d/b 0 100; fsync d/b",
        seen={"ext4 xfs": ({"a": "", "d": "/", "d/b": "4*100"},), "btrfs": ({"d": "/", "d/b": "4*100"},)},
    ),
    Fact(
        about="fdatasync of a new, empty file and the name before it",
        rows="E5 E9 S6 B6",
        program="create a; create b; fdatasync b",
        seen={"ext4 xfs": ({"a": "", "b": ""},), "btrfs": ({"b": ""},)},
    ),
    Fact(
        about="fdatasync after an append and an earlier rename",
        rows="E4 E5 S5 S6 B5",
        program="create a; write a 0 600; fsync a; create b; fsync b; rename a c; write b 0 600; fdatasync b",
        seen={"ext4 xfs btrfs": ({"b": "6*600", "c": "1*600"},)},
        more={
            "btrfs": "the rename of a file that was synced is in the log, unless a transaction was committed in between"
        },
    ),
    Fact(
        about="fdatasync after an append and an earlier rename of what is committed",
        rows="E5 S6 B6",
        program="create a; write a 0 600; fsync a; create b; fsync b; commit; rename a c; write b 0 600; fdatasync b",
        seen={"ext4 xfs": ({"b": "7*600", "c": "1*600"},), "btrfs": ({"a": "1*600", "b": "7*600"},)},
    ),
    Fact(
        about="fdatasync after a pure overwrite: bytes and no name",
        rows="E4 E6 S5 S7 B6",
        program="create a; write a 0 600; fsync a; tick; create b; write a 0 600; fdatasync a",
        seen={"ext4 xfs btrfs": ({"a": "5*600"},)},
    ),
    Fact(
        about="fsync after a pure overwrite: names too, where it commits a new timestamp",
        rows="E4 E6 S5",
        program="create a; write a 0 600; fsync a; tick; create b; write a 0 600; fsync a",
        seen={"ext4 xfs": ({"a": "5*600", "b": ""},), "btrfs": ({"a": "5*600"},)},
        more={"ext4 xfs": "where the clock has not ticked since the last change there is no new timestamp"},
    ),
    Fact(
        about="fsync of a file without a change since its last sync",
        rows="E5 E6 S6 B6",
        program="create a; write a 0 600; fsync a; create b; fsync b; commit; rename a c; fsync b",
        seen={"ext4 xfs btrfs": ({"a": "1*600", "b": ""},)},
    ),
    Fact(
        about="fsync of a renamed file",
        rows="E5 S6 B6",
        program="create a; write a 0 600; fsync a; create b; rename a c; fsync c",
        seen={"ext4 xfs": ({"b": "", "c": "1*600"},), "btrfs": ({"c": "1*600"},)},
    ),
    Fact(
        about="fdatasync of a renamed file",
        rows="E9 S6 B6",
        program="create a; write a 0 600; fsync a; create b; rename a c; fdatasync c",
        seen={"ext4": ({"a": "1*600"},), "xfs": ({"b": "", "c": "1*600"},), "btrfs": ({"c": "1*600"},)},
    ),
    Fact(
        about="fsync of a linked file",
        rows="E5 S6 B6",
        program="create a; write a 0 600; fsync a; create b; link a c; fsync a",
        seen={"ext4 xfs": ({"a": "1*600", "b": "", "c": "1*600"},), "btrfs": ({"a": "1*600", "c": "1*600"},)},
    ),
    Fact(
        about="fdatasync of a linked file",
        rows="E9 S6 B6",
        program="create a; write a 0 600; fsync a; create b; link a c; fdatasync a",
        seen={
            "ext4": ({"a": "1*600"},),
            "xfs": ({"a": "1*600", "b": "", "c": "1*600"},),
            "btrfs": ({"a": "1*600", "c": "1*600"},),
        },
    ),
    Fact(
        about="fsync of a file that lost one of its names",
        rows="E5 S6 B6",
        program="create a; write a 0 600; fsync a; link a c; commit; create b; unlink c; fsync a",
        seen={"ext4 xfs btrfs": ({"a": "1*600", "b": ""},)},
    ),
    Fact(
        about="fsync of a directory: its names and no bytes",
        rows="E5 E11 S6 B8",
        program="create a; write a 0 600; syncdir .",
        seen={"ext4 xfs btrfs": ({"a": ""},)},
    ),
    Fact(
        about="fsync of a changed directory and names in another",
        rows="E11 S6 B8",
        program="create a; write a 0 600; fsync a; mkdir d; commit; rename a q; create d/x; syncdir d",
        seen={"ext4 xfs": ({"d": "/", "d/x": "", "q": "1*600"},), "btrfs": ({"a": "1*600", "d": "/", "d/x": ""},)},
    ),
    Fact(
        about="fsync of a directory without a change",
        rows="E11 S6 B8",
        program="mkdir d; commit; create a; syncdir d",
        seen={"ext4": ({"a": "", "d": "/"},), "xfs btrfs": ({"d": "/"},)},
    ),
    Fact(
        about="a file moved to another directory, the old one synced",
        rows="E3 E5 S3 S6 B9",
        program="mkdir d; mkdir e; create d/x; commit; rename d/x e/y; syncdir d",
        seen={"ext4 xfs btrfs": ({"d": "/", "e": "/", "e/y": ""},)},
    ),
    Fact(
        about="a file moved to another directory, the new one synced",
        rows="E3 E5 S3 S6 B9",
        program="mkdir d; mkdir e; create d/x; commit; rename d/x e/y; syncdir e",
        seen={"ext4 xfs": ({"d": "/", "e": "/", "e/y": ""},), "btrfs": ({"d": "/", "d/x": "", "e": "/", "e/y": ""},)},
    ),
    Fact(
        about="a file moved to another directory and synced",
        rows="E5 S6 B6",
        program="mkdir d; mkdir e; create d/x; commit; rename d/x e/y; fsync e/y",
        seen={"ext4 xfs btrfs": ({"d": "/", "e": "/", "e/y": ""},)},
    ),
    Fact(
        about="a directory moved to another, the new one synced",
        rows="E3 S3 B9",
        program="mkdir d; mkdir e; create d/x; commit; rename d e/f; syncdir e",
        seen={"ext4 xfs btrfs": ({"e": "/", "e/f": "/", "e/f/x": ""},)},
    ),
    Fact(
        about="a directory renamed, and a file in it synced",
        rows="E5 S6 B6",
        program="mkdir d; create d/x; commit; rename d e; create e/y; fsync e/y",
        seen={"ext4 xfs": ({"e": "/", "e/x": "", "e/y": ""},), "btrfs": ({"d": "/", "d/x": "", "d/y": ""},)},
    ),
    Fact(
        about="a new file in a new directory in a new directory, synced",
        rows="E5 S6 B6",
        program="create q; mkdir d; mkdir d/e; create d/e/x; fsync d/e/x",
        seen={
            "ext4 xfs": ({"d": "/", "d/e": "/", "d/e/x": "", "q": ""},),
            "btrfs": ({"d": "/", "d/e": "/", "d/e/x": ""},),
        },
    ),
    Fact(
        about="what is after the last commit is lost",
        rows="E3 S3 B4",
        program="create a; write a 0 600; fsync a; rename a b; commit; rename b c; create d",
        seen={"ext4 xfs btrfs": ({"b": "1*600"},)},
    ),
    Fact(
        about="an unlink without a commit",
        rows="E3 S3 B4",
        program="create a; write a 0 600; fsync a; create b; fsync b; unlink b",
        seen={"ext4 xfs btrfs": ({"a": "1*600", "b": ""},)},
    ),
    Fact(
        about="an unlink and a commit",
        rows="E3 S3 B4",
        program="create a; write a 0 600; fsync a; create b; fsync b; unlink b; commit",
        seen={"ext4 xfs btrfs": ({"a": "1*600"},)},
    ),
    Fact(
        about="an unlink and a sync of another file",
        rows="E5 S6 B6",
        program="create a; create b; commit; create w; unlink a; create c; fsync c",
        seen={"ext4 xfs": ({"b": "", "c": "", "w": ""},), "btrfs": ({"a": "", "b": "", "c": ""},)},
    ),
    Fact(
        about="created, written and renamed without a sync, and a commit",
        rows="E2 E7 S2 S8 B1",
        program="create t; write t 0 600; rename t a; commit",
        seen={"ext4 xfs btrfs": ({"a": ""},)},
    ),
    Fact(
        about="replaced by rename without a sync, and a commit",
        rows="E2 E7 S2 S8 B1",
        program="create a; write a 0 600; fsync a; create t; write t 0 600; rename t a; commit",
        seen={
            "ext4": (
                {"a": "4*600"},
                {"a": "zero*600"},
            ),
            "xfs": ({"a": ""},),
            "btrfs": ({"a": "4*600"},),
        },
    ),
    Fact(
        about="replaced by rename without a sync nor a commit",
        rows="E3 S3 B4",
        program="create a; write a 0 600; fsync a; commit; create t; write t 0 600; rename t a; writeback a",
        seen={"ext4 xfs btrfs": ({"a": "1*600"},)},
    ),
    Fact(
        about="replaced by rename of what is not synced, over what is, and a sync of another file",
        rows="E5 S6 B10",
        program="create a; write a 0 600; fsync a; create t; rename t a; create z; fsync z",
        seen={"ext4 xfs": ({"a": "", "z": ""},), "btrfs": ({"z": ""},)},
        more={"btrfs": "the same of the name that goes"},
    ),
    Fact(
        about="replaced by rename of what is synced, and a sync of another file",
        rows="E5 S6 B10",
        program="create a; write a 0 600; fsync a; create t; fsync t; rename t a; create z; fsync z",
        seen={"ext4 xfs btrfs": ({"a": "", "z": ""},)},
        more={"btrfs": "the same"},
    ),
    Fact(
        about="a name taken over from a file that was renamed, and synced",
        rows="E5 S6 B7",
        program="create a; write a 0 10; fsync a; create w; rename a c; create a; fsync a",
        seen={"ext4 xfs": ({"a": "", "c": "1*10", "w": ""},), "btrfs": ({"a": "", "c": "1*10"},)},
    ),
    Fact(
        about="a growth whose bytes were written back, not committed",
        rows="E2 S2 B1",
        program="create a; fsync a; write a 0 600; writeback a",
        seen={"ext4 xfs btrfs": ({"a": ""},)},
    ),
    Fact(
        about="a growth within an allocated block, and a commit",
        rows="E2 S2 B1",
        program="create a; write a 0 100; fsync a; write a 100 50; commit",
        seen={"ext4": ({"a": "1*100 zero*50"},), "xfs btrfs": ({"a": "1*100"},)},
    ),
    Fact(
        about="a growth into a new block, and a commit",
        rows="E2 S2 B1",
        program="create a; write a 0 100; fsync a; write a 9000 50; commit",
        seen={"ext4 xfs btrfs": ({"a": "1*100"},)},
    ),
    Fact(
        about="a growth by one write over a page boundary, and a commit",
        rows="E2 S2 B1",
        program="create a; write a 0 1500; fsync a; write a 1500 3000; commit",
        seen={"ext4": ({"a": "1*1500 zero*2596"},), "xfs btrfs": ({"a": "1*1500"},)},
    ),
    Fact(
        about="a growth written back after a rename: both or none",
        rows="E8 S4 B3",
        program="create a; write a 0 10; fsync a; create b; commit; rename b c; write a 10 5000; writeback a",
        seen={"ext4 xfs btrfs": ({"a": "1*10", "b": ""},)},
    ),
    Fact(
        about="an overwrite that was written back, not committed",
        rows="E1 E6 S1 S7 B3",
        program="create a; write a 0 600; fsync a; create b; write a 0 50; writeback a",
        seen={
            "ext4 xfs": (
                {"a": "4*50 1*550"},
                {"a": "1*600"},
            ),
            "btrfs": ({"a": "1*600"},),
        },
    ),
    Fact(
        about="an overwrite that was not written back, and a commit",
        rows="E1 S1 B1",
        program="create a; write a 0 600; fsync a; write a 0 50; commit",
        seen={"ext4 xfs btrfs": ({"a": "1*600"},)},
    ),
    Fact(
        about="two pages overwritten, one written back, and a commit",
        rows="E1 S1 B2",
        program="create a; write a 0 600; fsync a; create b; write b 0 600; fsync b; "
        "write a 0 50; write b 0 50; writeback b; commit",
        seen={"ext4 xfs btrfs": ({"a": "1*600", "b": "7*50 4*550"},)},
    ),
    Fact(
        about="a truncate without a sync",
        rows="E3 S3",
        program="create a; write a 0 5000; fsync a; truncate a 100",
        seen={"ext4 xfs btrfs": ({"a": "1*5000"},)},
    ),
    Fact(
        about="a truncate within a page, written back, not committed",
        rows="E10 S9 B3",
        program="create a; write a 0 750; fsync a; truncate a 3; writeback a",
        seen={
            "ext4 xfs": (
                {"a": "1*3 zero*747"},
                {"a": "1*750"},
                {"a": "1*3 zero*509 1*238"},
            ),
            "btrfs": ({"a": "1*750"},),
        },
    ),
    Fact(
        about="a truncate and a commit, in order with names",
        rows="E3 S3 B3",
        program="create a; write a 0 5000; fsync a; truncate a 100; create b; commit",
        seen={"ext4 xfs btrfs": ({"a": "1*100", "b": ""},)},
    ),
    Fact(
        about="truncate and extend, and a commit",
        rows="E3 S3 B11",
        program="create a; write a 0 5000; fsync a; truncate a 100; truncate a 5000; commit",
        seen={"ext4 xfs": ({"a": "1*100 zero*4900"},), "btrfs": ({"a": "1*4096 zero*904"},)},
    ),
    Fact(
        about="truncate and extend, and a sync",
        rows="E4 S5 B5",
        program="create a; write a 0 5000; fsync a; truncate a 100; truncate a 5000; fsync a",
        seen={"ext4 xfs btrfs": ({"a": "1*100 zero*4900"},)},
    ),
    Fact(
        about="fdatasync after a truncate to another size",
        rows="E5 S6 B6",
        program="create a; write a 0 600; fsync a; create b; truncate a 300; fdatasync a",
        seen={"ext4 xfs": ({"a": "1*300", "b": ""},), "btrfs": ({"a": "1*300"},)},
    ),
    Fact(
        about="fsync after a truncate to the same size",
        rows="E5 S6 B6",
        program="create a; write a 0 600; fsync a; create b; truncate a 600; fsync a",
        seen={"ext4 xfs": ({"a": "1*600", "b": ""},), "btrfs": ({"a": "1*600"},)},
    ),
    Fact(
        about="fdatasync after a truncate to the same size",
        rows="E9 S6 B6",
        program="create a; write a 0 600; fsync a; create b; truncate a 600; fdatasync a",
        seen={"ext4 btrfs": ({"a": "1*600"},), "xfs": ({"a": "1*600", "b": ""},)},
    ),
    Fact(
        about="fdatasync after an empty file was truncated to nothing",
        rows="E9 S6 B6",
        program="create a; fsync a; create b; truncate a 0; fdatasync a",
        seen={"ext4 btrfs": ({"a": ""},), "xfs": ({"a": "", "b": ""},)},
    ),
    Fact(
        about="fdatasync after a growth was truncated away again",
        rows="E9 S6 B6",
        program="create a; write a 0 4096; fsync a; create b; write a 4096 100; truncate a 4096; fdatasync a",
        seen={"ext4 btrfs": ({"a": "1*4096"},), "xfs": ({"a": "1*4096", "b": ""},)},
    ),
    Fact(
        about="fdatasync after a truncate was made up for by a write",
        rows="E9 S6 B6",
        program="create a; write a 0 600; fsync a; create b; truncate a 300; write a 300 300; fdatasync a",
        seen={"ext4 xfs": ({"a": "1*300 5*300", "b": ""},), "btrfs": ({"a": "1*300 5*300"},)},
    ),
    Fact(
        about="a change already committed by another file's sync is none",
        rows="E5 S6 B6",
        program="create a; create b; fsync b; create c; fsync a",
        seen={"ext4 xfs btrfs": ({"a": "", "b": ""},)},
    ),
    Fact(
        about="a change already committed by itself is none",
        rows="E5 S6 B6",
        program="create a; commit; create c; fsync a",
        seen={"ext4 xfs btrfs": ({"a": ""},)},
    ),
    Fact(
        about="the same with fdatasync after an append that was written back",
        rows="E5 S6 B6",
        program="create a; write a 0 10; writeback a; commit; create c; fdatasync a",
        seen={"ext4 xfs btrfs": ({"a": "1*10"},)},
    ),
)


def measure(file_system: loopfs.LoopFs, fact: Fact, repeated: int) -> Counter[str]:
    """How often each state was seen, in the table's writing."""
    seen: Counter[str] = Counter()
    for crash in (crash for crash in AT_ONCE if crash in file_system.kind.crashes):
        for seed in range(repeated):
            seen[str(written(file_system.after_crash(acts(fact.lines()), crash, seed)))] += 1
    return seen


def main(name: str) -> None:
    """Print the table of one file system."""
    kind = next(kind for kind in loopfs.FILE_SYSTEMS if kind.name == name)
    print(f"{kind.name}, {kind.options}, Linux {os.uname().release}\n")  # noqa: T201
    print("| rows | about | program | seen |\n|---|---|---|---|")  # noqa: T201
    with loopfs.loop_file_system(kind) as file_system:
        for fact in FACTS:
            seen = ", ".join(f"{count} times {state}" for state, count in measure(file_system, fact, 10).most_common())
            print(f"| {fact.rows} | {fact.about} | {fact.program} | {seen} |")  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
