"""Skips runs of blank lines before rows are parsed, because gigabytes of them pack into megabytes. No files."""

from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.reading.delimited.row_format import RowFormat

MAX_BLANK_BYTES = 1 << 30
"""Of one run of blank lines; only a damaged or hostile file has more."""


class BlankLines:
    """Skips the blank lines above the next row of a file."""

    def __init__(self, row_format: RowFormat) -> None:
        self._line_end = row_format.line_end
        # In a file of one column a line of blanks is a row.
        self._blanks = b"\r\n" if row_format.usual_width == 1 else b" \t\r\n"
        self._run = 0

    def skip(self, rows: bytes, line: int) -> tuple[bytes, int]:
        """The rows without the blank lines at their start, and how many lines those are.

        Args:
            line: 1-based line of the file on which ``rows`` starts.

        Raises:
            UnreadableFileError: ``too_many_blank_lines``.
        """
        if not rows or rows[0] not in self._blanks:
            self._run = 0
            return rows, 0
        blank = len(rows) - len(rows.lstrip(self._blanks))
        end = rows.rfind(self._line_end, 0, blank) + 1
        self._run = self._run + end if blank == len(rows) else 0
        if self._run > MAX_BLANK_BYTES:
            raise UnreadableFileError(
                "too_many_blank_lines",
                f"more than {MAX_BLANK_BYTES:,} bytes of blank lines end on line {line}; export the file again",
                line,
            )
        feeds, returns, both = (rows.count(mark, 0, end) for mark in (b"\n", b"\r", b"\r\n"))
        return rows[end:], feeds + returns - both
