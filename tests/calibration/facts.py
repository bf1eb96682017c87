"""What ext4 was seen to do: one row a fact, with everything that may be there after the power was lost.

Run as a program, this prints the table of the rows as measured here: ``python -m tests.calibration.facts``.

Contents are written as in ``3*100 0*50``: a hundred bytes of what line 3 of the program wrote, then fifty zeros.
"""

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby

from chaoswal.disk.profiles import EXT4_ORDERED
from tests.calibration import loopfs
from tests.calibration.programs import Files, allows, perform_for_real, volume_after

REPEATED = 2
"""Crashes of each kind for each fact in a test run."""

POWER_CUTS = ("now", "copy")
"""The crashes that end at the moment they say; ``logflush`` lets the journal run on first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A program and the states it was seen to leave; ``rows`` of the profile that this is evidence for."""

    claim: str
    rows: str
    program: str
    seen: tuple[Mapping[str, str], ...]
    beyond: str = ""
    """Why the profile does not allow it yet; empty where it does."""

    def lines(self) -> list[str]:
        """The program's lines."""
        return self.program.split("; ")


def written(files: Files) -> dict[str, str]:
    """Files as the table writes them; a directory is ``/``."""
    return {path: "/" if content is None else _runs(content) for path, content in files.items()}


def _runs(content: bytes) -> str:
    runs = [(byte, len(list(run))) for byte, run in groupby(content)]
    return " ".join(f"{max(0, byte - 1) if byte else 'zero'}*{length}" for byte, length in runs)


BASE = "create a; write a 0 600; fsync a; "

FACTS = (
    Fact(
        claim="nothing that was not synced is durable",
        rows="E3",
        program="create a; write a 0 100; mkdir d; create d/x",
        seen=({},),
    ),
    Fact(
        claim="fsync of a new file makes it and every earlier name durable, but no other file's bytes",
        rows="E4 E5",
        program="create a; write a 0 100; mkdir d; create d/b; write d/b 0 100; fsync d/b",
        seen=({"a": "", "d": "/", "d/b": "4*100"},),
    ),
    Fact(
        claim="fdatasync of a new, empty file makes earlier names durable",
        rows="E5",
        program="create a; create b; fdatasync b",
        seen=({"a": "", "b": ""},),
    ),
    Fact(
        claim="fdatasync after an append makes an earlier rename durable",
        rows="E4 E5",
        program=BASE + "create b; fsync b; rename a c; write b 0 600; fdatasync b",
        seen=({"b": "6*600", "c": "1*600"},),
    ),
    Fact(
        claim="fdatasync after a pure overwrite makes the bytes durable and no name",
        rows="E4 E6",
        program=BASE + "tick; create b; write a 0 600; fdatasync a",
        seen=({"a": "5*600"},),
    ),
    Fact(
        claim="fsync after a pure overwrite makes the bytes durable; names too, where it commits a new timestamp",
        rows="E4 E6",
        program=BASE + "tick; create b; write a 0 600; fsync a",
        seen=({"a": "5*600", "b": ""}, {"a": "5*600"}),
    ),
    Fact(
        claim="fsync of a file without a change since its last sync makes no name durable",
        rows="E5 E6",
        program=BASE + "create b; fsync b; rename a c; fsync b",
        seen=({"a": "1*600", "b": ""},),
    ),
    Fact(
        claim="fsync of a renamed file makes the rename durable",
        rows="E5",
        program=BASE + "rename a c; fsync c",
        seen=({"c": "1*600"},),
    ),
    Fact(
        claim="fdatasync of a renamed file does not",
        rows="E6",
        program=BASE + "rename a c; fdatasync c",
        seen=({"a": "1*600"},),
    ),
    Fact(
        claim="fsync of a directory makes its names durable, and no bytes",
        rows="E5",
        program="create a; write a 0 600; syncdir .",
        seen=({"a": ""},),
    ),
    Fact(
        claim="fsync of a changed directory makes names in other directories durable too",
        rows="E5",
        program=BASE + "mkdir d; syncdir .; rename a q; create d/x; syncdir d",
        seen=({"d": "/", "d/x": "", "q": "1*600"},),
    ),
    Fact(
        claim="a rename across directories is durable whole, whichever directory is synced",
        rows="E3 E5",
        program="mkdir d; mkdir e; create d/x; fsync d/x; syncdir .; rename d/x e/y; syncdir d",
        seen=({"d": "/", "e": "/", "e/y": ""},),
    ),
    Fact(
        claim="names are kept in order: what is after the last commit is lost",
        rows="E3",
        program=BASE + "rename a b; commit; rename b c; create d",
        seen=({"b": "1*600"},),
    ),
    Fact(
        claim="an unlink is lost or kept by the same order",
        rows="E3",
        program=BASE + "create b; fsync b; unlink b",
        seen=({"a": "1*600", "b": ""},),
    ),
    Fact(
        claim="a commit makes an unlink durable",
        rows="E3",
        program=BASE + "create b; fsync b; unlink b; commit",
        seen=({"a": "1*600"},),
    ),
    Fact(
        claim="a file created, written and renamed without a sync is empty when the journal commits",
        rows="E2 E7",
        program="create t; write t 0 600; rename t a; commit",
        seen=({"a": ""},),
    ),
    Fact(
        claim="replaced by rename without a sync: the new bytes, or as many zeros; the write-back is only started",
        rows="E2 E7",
        program=BASE + "create t; write t 0 600; rename t a; commit",
        seen=({"a": "4*600"}, {"a": "zero*600"}),
    ),
    Fact(
        claim="replaced by rename without a sync nor a commit: the old file",
        rows="E3",
        program=BASE + "create t; write t 0 600; rename t a; writeback a",
        seen=({"a": "1*600"},),
    ),
    Fact(
        claim="a growth whose bytes were written back, but not committed, is lost",
        rows="E2",
        program="create a; fsync a; write a 0 600; writeback a",
        seen=({"a": ""},),
    ),
    Fact(
        claim="a growth within an allocated block is kept by a commit while its bytes read zeros",
        rows="E2",
        program="create a; write a 0 100; fsync a; write a 100 50; commit",
        seen=({"a": "1*100 zero*50"},),
    ),
    Fact(
        claim="a growth into a new block is not kept by a commit",
        rows="E2",
        program="create a; write a 0 100; fsync a; write a 9000 50; commit",
        seen=({"a": "1*100"},),
    ),
    Fact(
        claim="an overwrite that was written back is durable while no name is",
        rows="E1 E6",
        program=BASE + "create b; write a 0 50; writeback a",
        seen=({"a": "4*50 1*550"},),
    ),
    Fact(
        claim="an overwrite is not made durable by a commit",
        rows="E1",
        program=BASE + "write a 0 50; commit",
        seen=({"a": "1*600"},),
    ),
    Fact(
        claim="a truncate without a sync is lost",
        rows="E3",
        program="create a; write a 0 5000; fsync a; truncate a 100",
        seen=({"a": "1*5000"},),
    ),
    Fact(
        claim="a truncate is kept by a commit, in order with names",
        rows="E3",
        program="create a; write a 0 5000; fsync a; truncate a 100; create b; commit",
        seen=({"a": "1*100", "b": ""},),
    ),
    Fact(
        claim="truncate and extend brings no old bytes back",
        rows="E3",
        program="create a; write a 0 5000; fsync a; truncate a 100; truncate a 5000; commit",
        seen=({"a": "1*100 zero*4900"},),
    ),
    Fact(
        claim="fdatasync after a truncate to another size makes earlier names durable",
        rows="E5",
        program=BASE + "create b; truncate a 300; fdatasync a",
        seen=({"a": "1*300", "b": ""},),
    ),
    Fact(
        claim="fsync after a truncate to the same size makes earlier names durable",
        rows="E5",
        program=BASE + "create b; truncate a 600; fsync a",
        seen=({"a": "1*600", "b": ""},),
    ),
    Fact(
        claim="fdatasync after a truncate to the same size makes no name durable",
        rows="E5",
        program=BASE + "create b; truncate a 600; fdatasync a",
        seen=({"a": "1*600"},),
        beyond="every truncate is taken for a change that fdatasync commits",
    ),
    Fact(
        claim="fdatasync after a growth was truncated away again makes no name durable",
        rows="E5",
        program="create a; write a 0 4096; fsync a; create b; write a 4096 100; truncate a 4096; fdatasync a",
        seen=({"a": "1*4096"},),
        beyond="every growth is taken for a change that fdatasync commits",
    ),
    Fact(
        claim="a change already committed by another file's sync is none: fsync makes no later name durable",
        rows="E5",
        program="create a; create b; fsync b; create c; fsync a",
        seen=({"a": "", "b": ""},),
    ),
    Fact(
        claim="a change already committed by the journal itself is none: fsync makes no later name durable",
        rows="E5",
        program="create a; commit; create c; fsync a",
        seen=({"a": ""},),
    ),
    Fact(
        claim="the same with fdatasync after an append that was written back and committed",
        rows="E5",
        program="create a; write a 0 10; writeback a; commit; create c; fdatasync a",
        seen=({"a": "1*10"},),
    ),
    Fact(
        claim="a growth by one write can be kept up to a page boundary, and the file end there",
        rows="E2",
        program="create a; write a 0 1500; fsync a; write a 1500 3000; commit",
        seen=({"a": "1*1500 zero*2596"},),
    ),
)


def measure(file_systems: loopfs.LoopFs, fact: Fact, repeated: int = REPEATED) -> Counter[str]:
    """How often each state was seen, in the table's writing."""
    seen: Counter[str] = Counter()
    for crash in POWER_CUTS * repeated:
        files = file_systems.after_crash(lambda root: perform_for_real(fact.lines(), root), crash)
        seen[str(written(files))] += 1
    return seen


def within(fact: Fact, file_systems: loopfs.LoopFs) -> bool:
    """Whether what is seen now is allowed by the profile."""
    volume = volume_after(fact.lines(), EXT4_ORDERED)
    return all(
        allows(volume, file_systems.after_crash(lambda root: perform_for_real(fact.lines(), root), crash))
        for crash in POWER_CUTS
    )


def main() -> None:
    """Print the table."""
    print(f"ext4, {loopfs.OPTIONS}, Linux {os.uname().release}\n")  # noqa: T201
    print("| rows | claim | program | seen |\n|---|---|---|---|")  # noqa: T201
    with loopfs.loop_file_systems() as file_systems:
        for fact in FACTS:
            seen = ", ".join(f"{count} times {state}" for state, count in measure(file_systems, fact, 10).most_common())
            print(f"| {fact.rows} | {fact.claim} | {fact.program} | {seen} |")  # noqa: T201


if __name__ == "__main__":
    main()
