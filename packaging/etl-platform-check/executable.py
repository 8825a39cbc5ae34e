"""Where the one-file executable starts: the command line of the wheel, or without arguments its page in the browser.

A double click has no arguments.
"""

import multiprocessing
import os
import sys

from etl_platform_check.engine.command_line import main


def _restore_library_path() -> None:
    """The browser must not load the libraries that are packed here."""
    if original := os.environ.pop("LD_LIBRARY_PATH_ORIG", None):
        os.environ["LD_LIBRARY_PATH"] = original
    else:
        os.environ.pop("LD_LIBRARY_PATH", None)


if __name__ == "__main__":
    # What is checked in a process of its own starts this file again.
    multiprocessing.freeze_support()
    _restore_library_path()
    sys.exit(main(sys.argv[1:] or ["file", "--serve"]))
