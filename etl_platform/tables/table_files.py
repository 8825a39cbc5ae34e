"""A file system for DuckDB whose files are made when DuckDB opens them. No tables, no SQL.

DuckDB asks for the paths of a table when it binds it, and opens those that its filters leave. So objects are listed
only if the query names their table, and downloaded only if the query needs their agency.
"""

import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec

SCHEME = "etl"
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
Make = Callable[[Path], None]
"""Writes the file at a path."""


@dataclass
class _LazyFile:
    path: Path
    make: Make
    lock: threading.Lock = field(default_factory=threading.Lock)


class _OpenFile:
    """A file that is closed when the last reference is gone, because DuckDB does not close the files of Python."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        weakref.finalize(self, self._file.close)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class TableFiles(fsspec.AbstractFileSystem):  # type: ignore[misc]  # it has no types
    """Patterns that stand for lists of files, and files that do not exist before they are opened.

    Attributes:
        lists: whether patterns are listed. Before, while views are created, each stands for one file only.
        error: the first error while files were listed or made. DuckDB raises only its text.
    """

    protocol = SCHEME
    cachable = False

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._files: dict[str, _LazyFile] = {}
        self._lists: dict[str, tuple[str, Callable[[], Sequence[str]]]] = {}
        self._listed: dict[str, Sequence[str]] = {}
        self._lock = threading.Lock()
        self.lists = False
        self.error: Exception | None = None

    def add_file(self, path: str, make: Make) -> str:
        """A file that ``make`` writes when it is opened first; returns its URL."""
        url = f"{SCHEME}://{path}"
        self._files[url] = _LazyFile(self._folder / str(len(self._files)), make)
        return url

    def add_pattern(self, path: str, first: str, list_files: Callable[[], Sequence[str]]) -> str:
        """A pattern with ``*``: the file ``first``, and then those that ``list_files`` lists, once; returns its URL."""
        url = f"{SCHEME}://{path}"
        self._lists[url] = first, list_files
        return url

    def glob(self, path: str, **_: Any) -> Sequence[str]:
        if path not in self._lists:
            return [path]
        first, list_files = self._lists[path]
        if not self.lists:
            return [first]
        with self._lock, self._noting_errors():
            if path not in self._listed:
                self._listed[path] = [first, *list_files()]
            return self._listed[path]

    def size(self, path: str) -> int:
        return self._local(path).stat().st_size

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        return {"name": path, "size": self.size(path), "type": "file"}

    def modified(self, path: str) -> datetime:
        return _LONG_AGO

    def _open(self, path: str, mode: str = "rb", **_: Any) -> "_OpenFile":
        return _OpenFile(self._local(path))

    def _local(self, path: str) -> Path:
        file = self._files[path if path.startswith(SCHEME) else f"{SCHEME}://{path}"]
        with file.lock, self._noting_errors():
            if not file.path.exists():
                file.make(file.path)
        return file.path

    @contextmanager
    def _noting_errors(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self.error = self.error or error
            raise
