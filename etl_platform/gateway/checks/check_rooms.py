"""Folders for files that are being checked: one for each file, deleted with all that is in it after the answer."""

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = "etl-platform-checks-"
_LOCK = "in-use"


class CheckRooms:
    """The folder of this process. What a process that was killed has left is deleted at the next start."""

    def __init__(self) -> None:
        parent = Path(tempfile.gettempdir())
        for left in parent.glob(f"{_PREFIX}*"):
            _delete_unused(left)
        self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        self._lock = (self._folder / _LOCK).open("wb")
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    @contextmanager
    def room(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(dir=self._folder) as room:
            yield Path(room)

    def close(self) -> None:
        self._lock.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _delete_unused(folder: Path) -> None:
    # Another user's folder, or one that another process has just deleted.
    with suppress(OSError), (folder / _LOCK).open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)
