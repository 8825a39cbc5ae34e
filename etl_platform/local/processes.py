"""Child processes of the local stack: started on a subreaper, logging to a file, ended with all they started."""

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

_TETHER_ENDS_WITHIN_S = 12.0
_TAIL_BYTES = 32_768
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class LocalStackError(EtlPlatformError):
    """The local stack cannot run here; the message says why and what to do."""


def last_lines(path: Path, count: int = 15) -> str:
    """The end of a log, indented for a message; empty if there is none."""
    if not path.exists():
        return ""
    with path.open("rb") as log:
        log.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        lines = _COLOURS.sub("", log.read().decode(errors="replace")).splitlines()[-count:]
    return "\n".join(f"    {line}" for line in lines)


class Tethered:
    """One command in a session of its own, with everything that it starts.

    Start it in the main thread: the kernel ends the tether with the *thread* that started it (prctl(2)).
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
        """Start ``command`` (its first item is a path); ``grace_s`` is what it gets to end by itself."""
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
        """The tether's process id: all else is below it."""
        return self._process.pid

    def check(self) -> None:
        """Raise LocalStackError with the log's end if the command has ended by itself."""
        code = self._process.poll()
        if code is not None:
            raise LocalStackError(
                f"{self.name} ended by itself with exit code {code}. The end of {self.log}:\n{last_lines(self.log)}"
            )

    def stop(self) -> None:
        """End the command and all that it started. Safe to call twice."""
        atexit.unregister(self.stop)
        if self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(self._grace_s + _TETHER_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            subreaper.signal_each([*subreaper.descendants(self.pid), self.pid], signal.SIGKILL)
            self._process.wait(_TETHER_ENDS_WITHIN_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
