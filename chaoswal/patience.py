"""How long an engine may take before it is taken to hang: as long as the user says.

Who runs one may wait for less, once he knows it to hang and how long it usually takes (``warm.Patience``).
"""

PATIENCE_SECONDS = 20.0
"""So long an engine may take to open and show what it holds, where nobody says otherwise."""

_patience = PATIENCE_SECONDS


class Deadline:
    """How long one kind of thing may take."""

    def __init__(self, times: float) -> None:
        """``times``: so many times the user's patience."""
        self._times = times

    @property
    def seconds(self) -> float:
        """How long it may take."""
        return self._times * _patience


OPENING = Deadline(1)
"""Of an engine that is opened and looked at in a process of its own."""

RUN = Deadline(3)
"""Of a program that is run to its end in a process of its own, besides the time it was asked to wait."""

SHRINK = Deadline(6)
"""Of all runs and openings by which one finding is made small; then the best so far is taken."""

SILENCE = Deadline(3)
"""Of a process that an engine shares with the checker, and that has not opened one nor asked it for anything."""


def be_patient(seconds: float) -> None:
    """From now on an opening may take so long, here and in what is forked from here."""
    global _patience  # noqa: PLW0603 - one for the process
    _patience = seconds
