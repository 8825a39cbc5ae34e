"""``python -m etl_platform`` is ``etl-platform``."""

import sys

from etl_platform.cli.main import main

sys.exit(main())
