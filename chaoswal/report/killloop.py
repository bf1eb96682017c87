"""The kill loop as people and programs read it: a progress line, a table of kills by place, findings, one JSON object.

What people read goes to standard error, so that standard output stays free for the one object that programs read.
"""

import json
import sys
import time
from typing import Any, TextIO

from tabulate import tabulate

from chaoswal.notices import Found, KillLoopFinished, Listener, Notice, Progress, Started

_TERMINAL_SECONDS, _LOG_SECONDS = 0.5, 10.0
_OPERATIONS_SHOWN = 40


def listener(*, as_json: bool) -> Listener:
    """Whoever listens to a campaign on this terminal."""
    text = Text(sys.stderr)
    if not as_json:
        return text

    def both(notice: Notice) -> None:
        text(notice)
        if isinstance(notice, KillLoopFinished):
            print(json.dumps(summary(notice)))

    return both


class Text:
    """Notices as lines; the progress line is rewritten on a terminal, and rare elsewhere."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._terminal = stream.isatty()
        self._last = time.monotonic()
        self._width = 0

    def __call__(self, notice: Notice) -> None:
        match notice:
            case Started():
                self._say(started(notice))
            case Progress():
                self._progress(notice)
            case Found():
                self._say(finding(notice))
            case KillLoopFinished():
                self._say(finished(notice))

    def _say(self, words: str) -> None:
        clear = "\r" + " " * self._width + "\r" if self._width else ""
        self._width = 0
        print(clear + words, file=self._stream, flush=True)

    def _progress(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._last < (_TERMINAL_SECONDS if self._terminal else _LOG_SECONDS):
            return
        self._last = now
        words = progress_line(progress)
        if self._terminal:
            print("\r" + words.ljust(self._width), end="", file=self._stream, flush=True)
            self._width = len(words)
        else:
            print(words, file=self._stream, flush=True)


def started(notice: Started) -> str:
    """What is about to happen."""
    return (
        f"kill loop: {notice.engine} · faults {', '.join(notice.faults)} · profile {notice.profile}"
        f" · {notice.workers} workers · seed {notice.seed}\n  in {notice.directory}"
    )


def progress_line(progress: Progress) -> str:
    """How far it is, on one line."""
    places = " ".join(f"{place} {count}" for place, count in by_place(progress).items())
    rate = progress.cycles / progress.seconds if progress.seconds else 0.0
    return f"{progress.cycles} cycles · {rate:.0f}/s · {progress.acks} acks · {progress.judged} judged · {places}"


def by_place(progress: Progress) -> dict[str, int]:
    """Kills by place, the most frequent first."""
    total: dict[str, int] = {}
    for (place, _), count in progress.kills.items():
        total[place] = total.get(place, 0) + count
    return dict(sorted(total.items(), key=lambda item: (-item[1], item[0])))


def by_option(progress: Progress) -> dict[str, dict[str, int]]:
    """How many openings each text of each option was drawn for."""
    total: dict[str, dict[str, int]] = {}
    for (option, text), count in sorted(progress.options.items()):
        total.setdefault(option, {})[text] = count
    return total


def _counts(texts: dict[str, int]) -> str:
    return ", ".join(f"{text or '(empty)'} {count}" for text, count in texts.items())


def finding(found: Found) -> str:
    """One violation: the cause first, the commands at the end."""
    rows = [f"    {line}" for line in found.operations[-_OPERATIONS_SHOWN:]]
    left_out = len(found.operations) - len(rows)
    head = [f"FAIL  {found.kind}: {found.explanation}", f"  profile {found.profile} · {found.id}"]
    head += [f"  guilty      {found.site}"] if found.site else []
    head += [f"  {line}" for line in found.deviations]
    head += ["  the last operations and crashes" + (f" ({left_out} before them)" if left_out else "")]
    tail = [f"  cycle {found.cycle} of worker {found.worker}"]
    tail += [f"  printed     {line}" for line in found.stderr.strip().splitlines()[-10:]]
    tail += [f"  kept        {found.kept}  (before/: as the last recovery found it)"] if found.kept else []
    tail += [f"  reproduce   python -m chaoswal replay {found.file}"] if found.file else []
    return "\n".join([*head, *rows, *tail])


def finished(notice: KillLoopFinished) -> str:
    """The verdict, and the table of kills by place and fault."""
    progress = notice.progress
    faults = sorted({fault for _, fault in progress.kills})
    rows = [
        (place, *(str(progress.kills.get((place, fault), 0)) for fault in faults), str(count))
        for place, count in by_place(progress).items()
    ]
    table = tabulate(
        rows,
        ["killed in", *faults, "all"],
        tablefmt="simple",
        disable_numparse=True,
        colalign=("left", *("right" for _ in [*faults, "all"])),
    )
    rate = progress.cycles / progress.seconds if progress.seconds else 0.0
    lines = [table] if rows else []
    lines += [f"drawn  {option}  {_counts(texts)}" for option, texts in by_option(progress).items()]
    lines += [
        f"{progress.cycles} cycles in {progress.seconds:.1f} s ({rate:.0f}/s)",
        f"{progress.directories} directories, {progress.acks} acks, {progress.partial} writes cut half-way",
        f"{progress.together} times several operations at once",
        f"{progress.judged} recoveries judged, {progress.distinct} distinct; exhaustive: {notice.exhaustive}",
        f"{notice.verdict}  {'; '.join(notice.reasons)}",
        f"  again       {notice.command}",
    ]
    return "\n".join(lines)


def summary(notice: KillLoopFinished) -> dict[str, Any]:
    """The object that programs read."""
    progress = notice.progress
    return {
        "verdict": str(notice.verdict),
        "reasons": list(notice.reasons),
        "engine": notice.engine,
        "seed": notice.seed,
        "seconds": round(progress.seconds, 3),
        "states": {"judged": progress.judged, "distinct": progress.distinct},
        "exhaustive": notice.exhaustive,
        "findings": [_found(found) for found in notice.findings],
        "cycles": progress.cycles,
        "cycles_per_second": round(progress.cycles / progress.seconds, 1) if progress.seconds else 0.0,
        "acks": progress.acks,
        "directories": progress.directories,
        "partial_writes": progress.partial,
        "together": progress.together,
        "kills": by_place(progress),
        "faults": _by_fault(progress),
        "options": by_option(progress),
        "command": notice.command,
    }


def _by_fault(progress: Progress) -> dict[str, int]:
    total: dict[str, int] = {}
    for (_, fault), count in sorted(progress.kills.items()):
        total[fault] = total.get(fault, 0) + count
    return total


def _found(found: Found) -> dict[str, Any]:
    return {
        "id": found.id,
        "kind": found.kind,
        "explanation": found.explanation,
        "profile": found.profile,
        "site": found.site,
        "operations": list(found.operations),
        "deviations": list(found.deviations),
        "file": found.file,
        "kept": found.kept,
        "seen_on": [],
    }
