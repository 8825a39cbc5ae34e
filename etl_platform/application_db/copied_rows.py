"""What PostgreSQL's COPY … TO STDOUT writes → frames of texts.

https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS: text format, so no row spans two lines.
"""

from collections.abc import Callable, Sequence

import polars as pl

from etl_platform.engine.errors import PermanentError

_CHUNK_BYTES = 4 << 20
_ESCAPES = {r"\\": "\\", r"\b": "\b", r"\f": "\f", r"\n": "\n", r"\r": "\r", r"\t": "\t", r"\v": "\v"}


class CopiedRows:
    """A file as COPY wants one: the server sends each row on its own, whole, and every 4 MiB of them are a frame.

    Args:
        columns: names of the frame's columns.
        take: is given each frame. COPY must say ``NULL ''``: null and an empty text are one here, null.
    """

    def __init__(self, columns: Sequence[str], take: Callable[[pl.DataFrame], None]) -> None:
        self._schema = pl.Schema(dict.fromkeys(columns, pl.String()))
        self._take = take
        self._waiting = bytearray()

    def write(self, row: bytes) -> None:
        self._waiting += row
        if len(self._waiting) >= _CHUNK_BYTES:
            self.flush()

    def flush(self) -> None:
        """Give away what waits; to be called once after the last row."""
        if not self._waiting:
            return
        chunk = bytes(self._waiting)
        self._waiting.clear()
        self._take(self._frame(chunk))

    def _frame(self, chunk: bytes) -> pl.DataFrame:
        try:
            frame = pl.read_csv(chunk, has_header=False, schema=self._schema, separator="\t", quote_char=None)
        except pl.exceptions.PolarsError:
            # Its message quotes what it could not read.
            raise PermanentError("the application database: a text that is not UTF-8") from None
        if b"\\" in chunk:
            frame = frame.with_columns(pl.all().str.replace_many(_ESCAPES))
        return frame
