"""A finding as text: cause first, the commands at the end."""

from pathlib import Path

from tabulate import tabulate

from chaoswal.corpus import Finding
from chaoswal.explain import Explanation


def render(finding: Finding, explanation: Explanation, path: Path | None) -> str:
    """What a person reads about one finding."""
    rows = [
        (number, line.operation, line.event, line.fate, f"<- {line.site}" if line.fate.startswith("LOST") else "")
        for number, line in enumerate(explanation.lines, start=1)
    ]
    table = tabulate(
        rows, ["#", "operation", "disk event", "at the crash", ""], tablefmt="plain", disable_numparse=True
    )
    where = path or f"corpus/{finding.id}.chaos"
    guilty = f"  not durable: what {explanation.guilty} wrote or named\n" if explanation.guilty else ""
    return (
        f"{explanation.status}  {explanation.headline}\n"
        f"  {finding.engine} · profile {finding.profile} · {finding.id}\n{guilty}\n"
        + "\n".join(f"  {line}".rstrip() for line in table.splitlines())
        + f"\n\n  recovered {explanation.recovered}\n"
        f"  found {finding.found}, seed {finding.seed}\n"
        f"  reproduce   python -m chaoswal replay {where}\n"
        f"  look        python -m chaoswal show {where} --disk DIR\n"
    )
