"""Parses the output of PostgreSQL's COPY … TO STDOUT into frames of text columns.

In the text format each row is one line: https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS
"""

from collections.abc import Callable, Sequence

import polars as pl

from etl_platform.engine.errors import PermanentError

_CHUNK_BYTES = 4 << 20
_ESCAPES = {r"\\": "\\", r"\b": "\b", r"\f": "\f", r"\n": "\n", r"\r": "\r", r"\t": "\t", r"\v": "\v"}


class CopyOutput:
    """The file-like object that psycopg2's ``copy_expert`` writes rows to; makes a frame of every 4 MiB.

    Args:
        columns: names of the frame's columns.
        on_frame: called with each frame. COPY must use ``NULL ''``, so that null and empty text both become null.
    """

    def __init__(self, columns: Sequence[str], on_frame: Callable[[pl.DataFrame], None]) -> None:
        self._schema = pl.Schema(dict.fromkeys(columns, pl.String()))
        self._on_frame = on_frame
        self._buffer = bytearray()

    def write(self, row: bytes) -> None:
        """Buffer one row; the server sends each row whole."""
        self._buffer += row
        if len(self._buffer) >= _CHUNK_BYTES:
            self.flush()

    def flush(self) -> None:
        """Pass the buffered rows on as a frame; call it once after the last row."""
        if not self._buffer:
            return
        chunk = bytes(self._buffer)
        self._buffer.clear()
        self._on_frame(self._frame(chunk))

    def _frame(self, chunk: bytes) -> pl.DataFrame:
        try:
            frame = pl.read_csv(chunk, has_header=False, schema=self._schema, separator="\t", quote_char=None)
        except pl.exceptions.PolarsError:
            # Polars' message quotes the value, which may be personal data.
            raise PermanentError("the application database returned text that is not UTF-8") from None
        if b"\\" in chunk:
            frame = frame.with_columns(pl.all().str.replace_many(_ESCAPES))
        return frame
