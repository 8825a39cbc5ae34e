"""Where the one-file executable starts: the command line of the wheel, or without arguments its page in the browser.

A double click has no arguments.
"""

import multiprocessing
import os
import sys
import webbrowser

from etl_platform_check.engine.command_line import main

_open = webbrowser.open


def _open_with_its_own_libraries(url: str) -> bool:
    """The browser must not load the libraries that are packed here; processes that check files must."""
    packed = os.environ.pop("LD_LIBRARY_PATH", None)
    if original := os.environ.get("LD_LIBRARY_PATH_ORIG"):
        os.environ["LD_LIBRARY_PATH"] = original
    try:
        return _open(url)
    finally:
        if packed:
            os.environ["LD_LIBRARY_PATH"] = packed


if __name__ == "__main__":
    # What is checked in a process of its own starts this file again.
    multiprocessing.freeze_support()
    webbrowser.open = _open_with_its_own_libraries
    sys.exit(main(sys.argv[1:] or ["file", "--serve"]))
