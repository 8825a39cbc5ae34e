"""A table in the forms that commands print: for people, or as CSV. What is in it is decided elsewhere."""

import argparse
import csv
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from etl_platform.engine.output.formula_guard import FORMULA_START
from etl_platform.engine.output.plain_text import escape_control_characters
from etl_platform.engine.output.terminal_table import MAX_NAME, table


def add_formats(parser: argparse.ArgumentParser, json_help: str) -> "argparse._MutuallyExclusiveGroup":
    """Add ``--json`` and ``--csv``, of which at most one may be given."""
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help=json_help)
    form.add_argument("--csv", action="store_true", help="print the table as CSV, with whole cells")
    return form


@dataclass(frozen=True)
class Table:
    """Rows below a header.

    Attributes:
        last: how many characters people are shown of the cells of the last column; by default as of the others.
        cell: the same for the other columns. Names are not cut, values of files are.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[Any]]
    last: int | None = None
    cell: int = MAX_NAME

    def __str__(self) -> str:
        """For people: fits the terminal."""
        return table(self.header, self.rows, cell=self.cell, last=self.last)

    def print_csv(self) -> None:
        """For spreadsheets: no cell moves the cursor or runs as a formula."""
        write_csv(self.header, ([_guarded(cell) for cell in row] for row in self.rows))


def write_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print lines of CSV, with empty cells for None; the rows are not kept in memory."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)


def _guarded(cell: Any) -> Any:
    if not isinstance(cell, str):
        return cell
    text = escape_control_characters(cell)
    return f"'{text}" if re.match(FORMULA_START, text) else text
