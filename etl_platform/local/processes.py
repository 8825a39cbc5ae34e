"""Child processes of the local stack. Each logs to a file and is ended together with all its descendants."""

import atexit
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from etl_platform.engine.errors import EtlPlatformError
from etl_platform.local import subreaper

_SUBREAPER_STOP_S = 12.0
_TAIL_BYTES = 32_768
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class LocalStackError(EtlPlatformError):
    """The local stack cannot start or has failed; the message says why, and what to do."""


def last_lines(path: Path, count: int = 15) -> str:
    """The last lines of a log, indented for a message; empty if the file does not exist."""
    if not path.exists():
        return ""
    with path.open("rb") as log:
        log.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        lines = _COLOURS.sub("", log.read().decode(errors="replace")).splitlines()[-count:]
    return "\n".join(f"    {line}" for line in lines)


class ProcessTree:
    """A command in its own session with all its descendants, supervised by ``subreaper``.

    Start it in the main thread, because the kernel ends the subreaper with the *thread* that started it (prctl(2)).
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str],
        working_dir: Path,
        log: Path,
        grace_s: float = 10.0,
        pass_fds: Iterable[int] = (),
    ) -> None:
        """Start ``command``, whose first item is a path. ``grace_s`` is its time to stop after SIGTERM."""
        self.name, self.log = name, log
        self._grace_s = grace_s
        arguments = [os.getpid(), grace_s, *command]
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", subreaper.__file__, *map(str, arguments)],
                env=dict(environment),
                cwd=working_dir,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=tuple(pass_fds),
            )
        atexit.register(self.stop)

    @property
    def pid(self) -> int:
        """The process id of the subreaper, which is the root of the tree."""
        return self._process.pid

    def check(self) -> None:
        """Raise LocalStackError with the end of the log if the command has ended."""
        code = self._process.poll()
        if code is not None:
            raise LocalStackError(
                f"{self.name} ended unexpectedly with exit code {code}. Its log, {self.log}, ends with:\n"
                f"{last_lines(self.log)}"
            )

    def stop(self) -> None:
        """End the command and all its descendants. Safe to call twice."""
        atexit.unregister(self.stop)
        if self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(self._grace_s + _SUBREAPER_STOP_S)
        except subprocess.TimeoutExpired:
            subreaper.signal_each([*subreaper.descendants(self.pid), self.pid], signal.SIGKILL)
            self._process.wait(_SUBREAPER_STOP_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
