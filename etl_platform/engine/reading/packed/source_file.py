"""The bytes of a packed file, for the libraries that unpack it. No formats."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from etl_platform.engine.machine_errors import machine_error

T = TypeVar("T")


class SourceFile(io.BufferedIOBase):
    """An open file that remembers an error of the machine, because zipfile takes some of them for a damaged archive.

    Args:
        source: a path, or bytes that stay open.

    Attributes:
        failed: the first error of the machine while the file was read.
    """

    def __init__(self, source: Path | io.BytesIO) -> None:
        self._file = source.open("rb") if isinstance(source, Path) else source
        self._is_owner = isinstance(source, Path)
        self.failed: BaseException | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        return self._watched(lambda: self._file.read(size))

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._watched(lambda: self._file.seek(offset, whence))

    def tell(self) -> int:
        return self._watched(self._file.tell)

    def close(self) -> None:
        if self._is_owner:
            self._file.close()
        super().close()

    def _watched(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except Exception as error:
            self.failed = self.failed or machine_error(error)
            raise
