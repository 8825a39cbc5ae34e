"""The harness's side of zygote.py: children of the platform, started, waited for and killed."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from etl_platform.local.stack import REPOSITORY, inherited_environment

_PROCESS_DEADLINE_S = 60.0


class Zygote:
    """The harness's end of zygote.py: one child at a time."""

    def __init__(self, work_dir: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "etl_platform_tests.faults.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=work_dir,
            env=inherited_environment() | {"PYTHONPATH": str(REPOSITORY), "OPENBLAS_NUM_THREADS": "1"},
            text=True,
            bufsize=1,
        )
        self.child: int | None = None
        self._read()

    def do(self, command: dict[str, Any]) -> int:
        """Run one command in a child; its exit code, negative for a signal."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self.child = int(self._read()["pid"])
        status = int(self._read()["status"])
        self.child = None
        return status

    def kill(self) -> None:
        """SIGKILL the child and wait until it has gone."""
        # A child may call before its process id has been read.
        wait(lambda: self.child is not None, "a process to kill")
        pid = self.child
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait(lambda: _is_gone(pid), "the end of a killed process")

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(_PROCESS_DEADLINE_S)
        self._process.stdout.close()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], _PROCESS_DEADLINE_S)
        line = self._process.stdout.readline() if readable else ""
        if not line:
            reason = "it ended; stderr says why" if readable else f"none within {_PROCESS_DEADLINE_S:.0f} s"
            self._process.kill()
            self.close()
            raise AssertionError(f"no answer from the zygote: {reason}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def wait(condition: Callable[[], bool], what: str, within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come within {within_s:.0f} s"
        time.sleep(0.005)


def _is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True
