"""``check --serve`` in a process of its own. No tests."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from etl_platform.local.stack import inherited_environment


@contextmanager
def local_page(folder: Path, *arguments: str) -> Iterator[str]:
    """The address of the page. Its temporary files lie in ``folder``, which is empty at the end."""
    command = [Path(sys.executable).with_name("etl-platform"), "check", "--serve", *arguments]
    # The browser is a program that does nothing.
    environment = inherited_environment() | {"TMPDIR": str(folder), "BROWSER": "true", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, env=environment, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line.startswith("Drop files on http://127.0.0.1:"), line
            yield line.split()[-1]
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)
    assert process.returncode == 128 + signal.SIGINT
    assert not list(folder.iterdir())
