"""Sheets of texts in a new workbook: no cell is a formula, a link or a number. What they hold is decided elsewhere."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl_platform.engine.errors import UsageError

if TYPE_CHECKING:
    import xlsxwriter
    from xlsxwriter.worksheet import Worksheet

MAX_TEXT = 32_767
"""UTF-16 units of a cell of Excel."""
MAX_CHOICES = 1_000
MAX_NOTES = 2_000
"""Excel opens a sheet slowly with more notes."""
_MAX_WIDTH, _MIN_WIDTH = 40, 8
_NOTE = {"x_scale": 2.5, "y_scale": 1.5, "font_size": 10, "author": "etl_platform"}
_HEADER = {"num_format": "@", "bold": True, "bottom": 1, "text_wrap": True, "valign": "top"}
_FORMATS: Mapping[str, Mapping[str, Any]] = {
    # As text, Excel keeps leading zeros and dates as they are typed.
    "plain": {"num_format": "@"},
    "header": {**_HEADER, "bg_color": "#E7ECEF"},
    "required": {**_HEADER, "bg_color": "#FFE699"},
    "wrong": {"num_format": "@", "bg_color": "#FCE4D6", "font_color": "#7F2A0B", "border": 1},
    "kept": {"num_format": "@", "font_color": "#57606A"},
}


class TextWorkbook:
    """A workbook; rows of a sheet are written from top to bottom, and are in memory one at a time."""

    def __init__(self, workbook: "xlsxwriter.Workbook") -> None:
        self._workbook = workbook
        self._formats = {name: workbook.add_format(dict(form)) for name, form in _FORMATS.items()}
        self._lists: list[Sequence[str]] = []

    def sheet(self, name: str, widths: Sequence[int]) -> "TextSheet":
        """Add a sheet with a header that stays in view; ``widths`` are those of its columns in characters."""
        sheet = self._workbook.add_worksheet(name)
        sheet.freeze_panes(1, 0)
        for column, width in enumerate(widths):
            sheet.set_column(column, column, min(_MAX_WIDTH, max(_MIN_WIDTH, width + 2)), self._formats["plain"])
        return TextSheet(sheet, self._formats, self)

    def add_list(self, values: Sequence[str]) -> str:
        """The range of cells that will hold the values of a drop-down."""
        self._lists.append(values)
        column = _column_letters(len(self._lists) - 1)
        return f"=Lists!${column}$1:${column}${len(values)}"

    def write_lists(self) -> None:
        """Write the values of all drop-downs into a hidden sheet, after all other sheets."""
        if not self._lists:
            return
        sheet = self._workbook.add_worksheet("Lists")
        sheet.hide()
        for row in range(max(map(len, self._lists))):
            for column, values in enumerate(self._lists):
                if row < len(values):
                    sheet.write_string(row, column, values[row])


class TextSheet:
    """One sheet of a workbook."""

    def __init__(self, sheet: "Worksheet", formats: Mapping[str, Any], workbook: TextWorkbook) -> None:
        self._sheet, self._formats, self._workbook = sheet, formats, workbook
        self._rows = self._notes = 0

    def write_row(
        self,
        texts: Sequence[str | None],
        *,
        forms: Mapping[int, str] | None = None,
        notes: Mapping[int, str] | None = None,
        form: str = "plain",
    ) -> None:
        """Write the next row.

        Args:
            forms: of single cells, by column; ``form`` is that of all others.
            notes: of cells, by column. There are none beyond MAX_NOTES.

        Raises:
            UsageError: a text is too long for Excel.
        """
        row = self._rows
        for column, text in enumerate(texts):
            cell_form = self._formats[(forms or {}).get(column, form)]
            if not text:
                self._sheet.write_blank(row, column, None, cell_form)
            elif self._sheet.write_string(row, column, text, cell_form) != 0 or _units(text) > MAX_TEXT:
                raise UsageError(f"a cell has more than {MAX_TEXT:,} characters, too many for a workbook; write CSV")
        for column, note in (notes or {}).items():
            if self._notes < MAX_NOTES:
                self._sheet.write_comment(row, column, note[:MAX_TEXT], _NOTE)
                self._notes += 1
        self._rows += 1

    def add_choices(self, column: int, rows: int, values: Sequence[str]) -> None:
        """A drop-down in the rows below the header; other values can be typed after a warning."""
        self._sheet.data_validation(
            1,
            column,
            max(1, rows),
            column,
            {
                "validate": "list",
                "source": self._workbook.add_list(values),
                "error_type": "warning",
                "error_title": "Another value",
                "error_message": "The contract does not list this value, so its row would be refused.",
            },
        )


@contextmanager
def new_workbook(path: Path) -> Iterator[TextWorkbook]:
    """A workbook that is complete at the end of the block; if that fails, no file is left.

    Raises:
        OSError: it cannot be written.
    """
    import xlsxwriter
    from xlsxwriter.exceptions import FileCreateError

    workbook = xlsxwriter.Workbook(
        path,
        {
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
        },
    )
    texts = TextWorkbook(workbook)
    try:
        yield texts
        texts.write_lists()
    except BaseException:
        # Closing removes the temporary files, which hold values.
        workbook.close()
        path.unlink(missing_ok=True)
        raise
    try:
        workbook.close()
    except FileCreateError as error:
        raise OSError(f"{path}: {error}") from None


def _units(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _column_letters(column: int) -> str:
    from xlsxwriter.utility import xl_col_to_name

    return str(xl_col_to_name(column))
