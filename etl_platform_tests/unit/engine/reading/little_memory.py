"""Opens a file in a process of its own with little memory, because a reader that asks for too much ends its process."""

import resource
import subprocess
import sys
from pathlib import Path

from etl_platform_tests.unit.making import PROJECT

_SCRIPT = """
import sys
from pathlib import Path
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
        [sys.executable, "-c", _SCRIPT, str(path)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (gib << 30, gib << 30)),
    )
    assert done.returncode == 0, done.stderr[-400:]
    return done.stdout.strip()
