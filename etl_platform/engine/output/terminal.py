"""What standard output is: its width if it is a terminal, and whether it shows colours. No text."""

import os
import shutil
import sys


def terminal_width() -> int | None:
    """Columns of the terminal, or of COLUMNS; None if standard output is a file or a pipe."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def has_colours() -> bool:
    """Only a terminal has colours, and not if NO_COLOR is set (https://no-color.org) or TERM is dumb."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
