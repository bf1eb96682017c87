"""``python -m chaoswal``, and the script ``chaoswal``."""

import sys

from chaoswal.cli import main
from chaoswal.guard import guarded


def guarded_main() -> int:
    """The command of this process's words, run where no engine can end it."""
    return guarded(main)


if __name__ == "__main__":
    sys.exit(guarded_main())
