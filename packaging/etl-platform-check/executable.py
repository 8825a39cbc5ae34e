"""Where the one-file executable starts: the command line of the wheel."""

import multiprocessing
import sys

from etl_platform_check.engine.command_line import main

if __name__ == "__main__":
    # Of several files each is checked in a process of its own, which starts this file again.
    multiprocessing.freeze_support()
    sys.exit(main())
