"""``python -m chaoswal``."""

import sys

from chaoswal.cli import main

if __name__ == "__main__":
    sys.exit(main())
