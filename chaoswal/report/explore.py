"""An exploration as people and programs read it."""

from typing import Any

from chaoswal.notices import Explored, ExploreFinished, Started
from chaoswal.report.objects import common

UNREACHED_SHOWN = 12


def started(notice: Started) -> str:
    """What is about to happen."""
    return (
        f"explore: {notice.engine} · faults {', '.join(notice.faults)} · profiles {notice.profile}"
        f" · {notice.workers} {'worker' if notice.workers == 1 else 'workers'} · seed {notice.seed}"
    )


def progress_line(progress: Explored) -> str:
    """How far it is, on one line."""
    states = progress.judged + progress.nested
    rate = states / progress.seconds if progress.seconds else 0.0
    return (
        f"{progress.seconds:.0f} s · {progress.programs} programs · {states:,} states judged ({rate:,.0f}/s)"
        f" · {progress.distinct:,} distinct images"
    )


def finished(notice: ExploreFinished) -> str:
    """The verdict, and what it rests on."""
    progress = notice.progress
    ran, possible = notice.recovery_lines
    lines = [
        f"{progress_line(progress)}; {progress.nested:,} of the states inside recoveries",
        f"recovery ran {ran} of {possible} lines" + ("; never:" if notice.unreached else "")
        if possible
        else "lines that recovery ran: NOT MEASURED, it is in other processes",
        *(f"  {missed}" for missed in notice.unreached[:UNREACHED_SHOWN]),
        *([f"  and {left} more (--json lists all)"] if (left := len(notice.unreached) - UNREACHED_SHOWN) > 0 else []),
        f"exhaustive: {notice.exhaustive}",
        f"{notice.verdict}  {'; '.join(notice.reasons)}",
        f"  again       {notice.command}",
    ]
    return "\n".join(lines)


def summary(notice: ExploreFinished) -> dict[str, Any]:
    """The object that programs read."""
    progress = notice.progress
    states = {
        "judged": progress.judged + progress.nested,
        "inside_recoveries": progress.nested,
        "distinct": progress.distinct,
    }
    return {
        **common(notice, progress.seconds, states),
        "programs": progress.programs,
        "recovery_lines": {"ran": notice.recovery_lines[0], "of": notice.recovery_lines[1]},
        "unreached": list(notice.unreached),
    }
