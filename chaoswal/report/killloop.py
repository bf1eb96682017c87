"""The kill loop as people and programs read it: a line of progress, a table of kills by place, findings, an object."""

from typing import Any

from tabulate import tabulate

from chaoswal.notices import Found, KillLoopFinished, Progress, Started
from chaoswal.report.objects import common

_OPERATIONS_SHOWN = 40
_WORDS = {"error": "FAIL", "warning": "WARN"}


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
    aimed = f"{progress.struck} of {progress.aimed} calls struck · " if progress.aimed else ""
    return (
        f"{progress.cycles} cycles · {rate:.0f}/s · {aimed}{progress.acks} acks · {progress.judged} judged · {places}"
    )


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
    head = [f"{_WORDS[found.severity]}  {found.kind}: {found.explanation}", f"  profile {found.profile} · {found.id}"]
    guilty = ", ".join(word for word in (found.site, found.function, found.guilt) if word)
    head += [f"  guilty      {guilty}"] if guilty else []
    head += [f"  between     {found.between}"] if found.between else []
    head += [f"  {line}" for line in found.deviations]
    head += ["  the last operations and crashes" + (f" ({left_out} before them)" if left_out else "")]
    rows += ["  which is not shrunk to the end: that takes too long"] if found.cut else []
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
        ["struck in" if progress.aimed else "killed in", *faults, "all"],
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
        *_struck(progress),
        f"{progress.judged} recoveries judged, {progress.distinct} distinct; exhaustive: {notice.exhaustive}",
        f"{notice.verdict}  {'; '.join(notice.reasons)}",
        f"  again       {notice.command}",
    ]
    return "\n".join(lines)


def _struck(progress: Progress) -> list[str]:
    """How many calls were struck, where they were aimed at; or what there is where kills come at random."""
    if progress.aimed:
        return [f"{progress.struck} of {progress.aimed} calls were struck where they were aimed at"]
    return [f"{progress.together} times several operations at once"]


def summary(notice: KillLoopFinished) -> dict[str, Any]:
    """The object that programs read."""
    progress = notice.progress
    return {
        **common(notice, progress.seconds, {"judged": progress.judged, "distinct": progress.distinct}),
        "cycles": progress.cycles,
        "cycles_per_second": round(progress.cycles / progress.seconds, 1) if progress.seconds else 0.0,
        "acks": progress.acks,
        "directories": progress.directories,
        "partial_writes": progress.partial,
        "together": progress.together,
        "aimed": progress.aimed,
        "struck": progress.struck,
        "kills": by_place(progress),
        "faults": _by_fault(progress),
        "options": by_option(progress),
    }


def _by_fault(progress: Progress) -> dict[str, int]:
    total: dict[str, int] = {}
    for (_, fault), count in sorted(progress.kills.items()):
        total[fault] = total.get(fault, 0) + count
    return total
