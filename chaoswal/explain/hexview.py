"""A torn write in hexadecimal: what was written, what the crash left of it, and marks below the bytes that differ."""

from collections.abc import Iterator

from chaoswal.anchors import tell
from chaoswal.disk.crashes import Crash, crashed
from chaoswal.disk.profiles import Profile
from chaoswal.run import Run
from chaoswal.trace import Write

WIDTH_BYTES = 16
LINES_MAX = 4
"""So many lines of bytes that differ are shown of a write."""


def torn_regions(run: Run, crash: Crash, profile: Profile) -> list[str]:
    """The lines of every write of which a crash kept a part; none where all were kept or lost whole."""
    written = run.start.after(run.events[: crash.point + (1 if crash.taken else 0)]).view.contents
    left = crashed(run.start, run.events, crash, profile).view.contents
    lines: list[str] = []
    for item in tell(run.start, run.events[: crash.point + 1]):
        event = item.event
        if not isinstance(event, Write) or item.number not in _touched(run, crash):
            continue
        before, after = written.get(event.inode) or b"", left.get(event.inode)
        stop = event.offset + len(event.data)
        if after is not None and _in_part(before[event.offset : stop], after[event.offset : stop], event.data):
            lines.append(f"{item.path} [{event.offset}:{stop}], as it was written and as it was left")
            lines += _compared(before[:stop], after[:stop], event.offset)
    return lines


def _touched(run: Run, crash: Crash) -> set[int]:
    torn = [crash.torn.loss.event] if crash.torn else []
    cut = [len(run.start.events) + crash.point] if crash.taken else []
    return {*(loss.event for loss in crash.losses), *torn, *cut}


def _in_part(before: bytes, after: bytes, data: bytes) -> bool:
    """Whether something of the write is there, and something is not."""
    return before != after and any(one == other for one, other in zip(after, data, strict=False))


def _compared(before: bytes, after: bytes, start: int) -> Iterator[str]:
    alike = shown = 0
    for at in range(start - start % WIDTH_BYTES, len(before), WIDTH_BYTES):
        rows = [content[at : at + WIDTH_BYTES] for content in (before, after)]
        if rows[0] == rows[1] or shown == LINES_MAX:
            alike += 1
            continue
        if alike:
            yield f"  … {alike * WIDTH_BYTES} bytes alike …"
            alike = 0
        shown += 1
        yield from _line(at, *rows)
    if alike:
        yield f"  … {alike * WIDTH_BYTES} bytes more …"


def _line(at: int, before: bytes, after: bytes) -> Iterator[str]:
    marks = [" " if after[place : place + 1] == bytes([byte]) else "^" for place, byte in enumerate(before)]
    yield f"  {at:06x}  written  {before.hex(' '):47}  {_readable(before)}"
    yield f"          left     {after.hex(' '):47}  {_readable(after)}"
    yield f"                   {' '.join(mark * 2 for mark in marks)}".rstrip()


def _readable(row: bytes) -> str:
    return "|" + "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row) + "|"
