"""How much may be gone without a report where the end of a file is damaged: what nothing testifies for.

Theory of operation
-------------------
An engine that finds the end of its log bad cannot always tell damage from the torn tail of a crash, whose records
nobody was promised. It can where something undamaged *testifies*: a record that was appended when the bad one had been
promised, and may say so; or the durable progress of a subscriber that lies beyond. So an adapter may name the files
(``torn_tails``) at whose end damage may be taken for a torn tail where nothing testifies against it. What that is
follows from bytes alone, without a word of the engine's format:

* A record lies in a file if what was written there by the call that appended it is still there, byte for byte, as far
  as no later call wrote over it.
* It testifies if that is so after the damage as well. What it testifies to is what had been promised or shown when that
  call began: everything below was durable.
* A subscriber testifies to what it was promised to have finished, as long as no other file is damaged.

Conceded are the last records, from the first thing that is not whole on (a record, or whatever else an operation wrote
there), as far as they lie in such files and nothing testifies for them. All else is owed; and a file that is gone is no
torn tail. What wrote nothing at all (a key deleted that was not there) stands and falls with what came before it, as
does what may have been lost in a crash, and is not there.

Of a key-value store it is commits that testify and are conceded, and of a queue items put and items done with alike:
what its consumer was done with comes back where the end that told of it is cut.
"""

import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TypeAlias

from chaoswal.disk.image import Image, reachable
from chaoswal.oracle.ledger import Ledger
from chaoswal.trace import Begin, End, Event, Write

Written: TypeAlias = Sequence[tuple[frozenset[int], Write]]
"""What was written, in order, and by which calls: of several at once each may have been it."""

Piece: TypeAlias = tuple[int, int, bytes]
"""An inode, an offset in its file, and the bytes written there."""


def written(events: Iterable[Event]) -> list[tuple[frozenset[int], Write]]:
    """What the operations of a run wrote."""
    found: list[tuple[frozenset[int], Write]] = []
    under_way: frozenset[int] = frozenset()
    for event in events:
        match event:
            case Begin(op_index=op_index):
                under_way |= {op_index}
            case End(op_index=op_index):
                under_way -= {op_index}
            case Write() if under_way:
                found.append((under_way, event))
            case _:
                pass
    return found


def conceded(allowed: Ledger, before: Image, after: Image, writes: Written) -> int:
    """Behind how many steps all may be gone without a report, if the disk was damaged like this."""
    globs = allowed.traits.torn_tails
    files = {
        i for path, i in reachable(before.names, before.contents) if any(fnmatchcase(path, glob) for glob in globs)
    }
    pieces = _pieces(writes, files.intersection(after.names.values()))
    course = allowed.course()
    there, left = _calls_in(before, pieces), _calls_in(after, pieces)
    certain = max([known for call, known in zip(course.calls, course.known, strict=True) if call in left], default=0)
    if not _elsewhere(before, after, files):
        certain = max([certain, *(max(s.promised, default=-1) + 1 for s in allowed.subscribers.values())])
    nothing = set(course.calls).difference(*(calls for calls, _ in writes)).union(set(course.perhaps) - there)
    may_go, stays = there | nothing, left | nothing
    end = step = min(course.floor, len(course.calls))
    while step > certain and course.calls[step - 1] in may_go:
        step -= 1
    certain_call = max(course.calls[:step], default=-1)
    damaged = min((call for call in there - left if call > certain_call), default=sys.maxsize)
    while step < end and course.calls[step] in stays and course.calls[step] < damaged:
        step += 1
    return step


def _pieces(writes: Written, files: Collection[int]) -> dict[int, list[Piece]]:
    """What each call wrote to these files, without what was written over it later."""
    found: dict[int, list[Piece]] = {}
    later: list[Piece] = []
    for calls, write in reversed(writes):
        if write.inode not in files:
            continue
        piece = (write.inode, write.offset, write.data)
        left = _without([piece], later)
        for call in calls if left else ():
            found.setdefault(call, []).extend(left)
        later.append(piece)
    return found


def _without(pieces: list[Piece], later: Iterable[Piece]) -> list[Piece]:
    for inode, offset, data in later:
        stop = offset + len(data)
        pieces = [
            part
            for i, start, held in pieces
            for part in (
                [(i, start, held)]
                if i != inode or stop <= start or start + len(held) <= offset
                else [(i, start, held[: max(0, offset - start)]), (i, stop, held[max(0, stop - start) :])]
            )
            if part[2]
        ]
    return pieces


def _calls_in(image: Image, pieces: Mapping[int, Sequence[Piece]]) -> set[int]:
    """The calls of which all that was written is there."""
    named = set(image.names.values())
    return {call for call, mine in pieces.items() if all(i in named and _holds(image, i, at, d) for i, at, d in mine)}


def _holds(image: Image, inode: int, offset: int, data: bytes) -> bool:
    content = image.contents.get(inode) or b""
    return content[offset : offset + len(data)] == data


def _elsewhere(before: Image, after: Image, files: Collection[int]) -> bool:
    """Whether anything but these files was damaged."""
    others = {path: inode for path, inode in reachable(before.names, before.contents) if inode not in files}
    there = {path: inode for path, inode in reachable(after.names, after.contents) if inode not in files}
    return others != there or any(before.contents[inode] != after.contents[inode] for inode in others.values())
