"""Opens a file in a process of its own with little memory, because a reader that asks for too much ends its process."""

import subprocess
import sys
from pathlib import Path

from etl_platform_tests.unit.making import PROJECT

_SCRIPT = """
import resource
import sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]) << 30,) * 2)
from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.reading.open_table import open_table
try:
    print(sum(batch.height for batch in open_table(Path(sys.argv[1]), None).batches()))
except UnreadableFileError as error:
    print(error.code)
"""


def read_in_little_memory(path: Path, *, gib: int) -> str:
    """The number of rows of the file, or the code of its refusal."""
    done = subprocess.run(
        # The script sets its limit itself: code between fork and exec runs handlers of libraries such as gRPC.
        [sys.executable, "-c", _SCRIPT, str(path), str(gib)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-400:]
    return done.stdout.strip()
