"""Lines on a terminal or in a log, with one line of progress: rewritten on a terminal, rare elsewhere.

What people read goes to standard error, so that standard output stays free for the one object that programs read.
"""

import time
from typing import TextIO

_TERMINAL_SECONDS, _LOG_SECONDS = 0.5, 10.0


class Terminal:
    """A stream that people read."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._terminal = stream.isatty()
        self._last = time.monotonic()
        self._width = 0

    def say(self, words: str) -> None:
        """Write what is to stay, in the place of the progress."""
        clear = "\r" + " " * self._width + "\r" if self._width else ""
        self._width = 0
        print(clear + words, file=self._stream, flush=True)

    def progress(self, words: str) -> None:
        """Write how far it is, unless that was written a moment ago."""
        now = time.monotonic()
        if now - self._last < (_TERMINAL_SECONDS if self._terminal else _LOG_SECONDS):
            return
        self._last = now
        if self._terminal:
            print("\r" + words.ljust(self._width), end="", file=self._stream, flush=True)
            self._width = len(words)
        else:
            print(words, file=self._stream, flush=True)
