"""What the machines of this folder judged, at the end of the run."""

import pytest

from chaoswal.check import Coverage

TOTAL = Coverage()
"""The sum over all machines of this run."""


@pytest.fixture
def total() -> Coverage:
    """Where a machine adds what it judged."""
    return TOTAL


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line with the number of pairs."""
    if TOTAL.judged:
        terminalreporter.write_line(
            f"judged {TOTAL.judged:,} (image, history) pairs on {TOTAL.distinct:,} distinct images,"
            f" and {TOTAL.nested:,} more of crashes inside recoveries"
        )
