"""The gate as people and programs read it: a line for each stage, what was found beside the baseline, the verdict."""

from typing import Any

from tabulate import tabulate

from chaoswal.notices import Explored, Found, GateFinished, Notice, Progress, Replayed, Stage
from chaoswal.report import explore, killloop
from chaoswal.report.causes import causes
from chaoswal.report.objects import common
from chaoswal.report.terminal import Terminal

OPERATIONS_SHOWN = 20


def tell(terminal: Terminal, notice: Notice) -> None:
    """One notice, as it comes."""
    match notice:
        case Stage():
            terminal.say(f"{notice.name:<10} {notice.verdict:<8}{notice.seconds:6.1f} s  {notice.judged}")
        case Found():
            terminal.say(f"FAIL  {notice.kind}: {notice.explanation}")
        case Explored():
            terminal.progress(f"explore: {explore.progress_line(notice)}")
        case Progress():
            terminal.progress(f"kill-loop: {killloop.progress_line(notice)}")
        case Replayed():
            terminal.progress(f"corpus: {notice.done} of {notice.of} findings replayed")
        case GateFinished():
            terminal.say(closing(notice))


def closing(finished: GateFinished) -> str:
    """The causes, the baseline, and the verdict."""
    rows = [
        (
            "known" if cause.reason else cause.level,
            cause.fingerprint,
            cause.found.kind,
            ", ".join(cause.found.profiles or (cause.found.profile,)),
            cause.found.guilt or cause.found.site,
            cause.found.file,
        )
        for cause in causes(finished, finished.known)
    ]
    head = ["", "cause", "kind", "under", "to blame", "file"]
    lines = [tabulate(rows, head, tablefmt="simple", disable_numparse=True)] if rows else []
    lines += [f"known {name}: {reason}" for name, reason in finished.known.items()]
    lines += [
        f"not found within this budget: {name}; if it is mended, take it out of the baseline" for name in finished.fixed
    ]
    why = "; ".join(finished.reasons)
    lines.append(f"{finished.verdict}  {finished.engine}, seed {finished.seed}: {why}  ({finished.seconds:.1f} s)")
    lines.append(f"again: {finished.command}")
    return "\n".join(lines)


def summary(finished: GateFinished) -> dict[str, Any]:
    """The object that programs read."""
    return {
        **common(finished, finished.seconds, {}),
        "stages": [
            {
                "name": stage.name,
                "verdict": stage.verdict,
                "judged": stage.judged,
                "findings": stage.findings,
                "seconds": round(stage.seconds, 3),
                "reasons": list(stage.reasons),
            }
            for stage in finished.stages
        ],
        "known": finished.known,
        "fixed": list(finished.fixed),
    }
