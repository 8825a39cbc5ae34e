"""An empty workbook for the files of one contract: header, notes and drop-downs. No file is read here."""

from pathlib import Path

from etl_platform.engine.contract.model import Column, ColumnType, Contract
from etl_platform.engine.rules.contract_rules import contract_rules
from etl_platform.engine.spreadsheets.text_sheet import MAX_CHOICES, TextWorkbook, new_workbook

_CHOICE_ROWS = 10_000
"""Rows below the header that have drop-downs."""


def write_template(contract: Contract, out: Path) -> None:
    """Write the workbook.

    Raises:
        OSError: it cannot be written.
    """
    sentences: dict[str, list[str]] = {}
    for rule in contract_rules(contract):
        if rule.column:
            sentences.setdefault(rule.column, []).append(rule.description)
    columns = contract.file_columns
    notes = {place: _note(column, sentences.get(column.name, [])) for place, column in enumerate(columns)}
    with new_workbook(out) as workbook:
        sheet = workbook.sheet("Rows", [len(column.name) for column in columns])
        sheet.write_row(
            [column.name for column in columns],
            form="header",
            forms={place: "required" for place, column in enumerate(columns) if column.required},
            notes={place: note for place, note in notes.items() if note},
        )
        for place, column in enumerate(columns):
            if values := _choices(column):
                sheet.add_choices(place, _CHOICE_ROWS, values)
        _write_columns(workbook, contract, sentences)


def _note(column: Column, sentences: list[str]) -> str:
    return "\n".join(filter(None, (" ".join(column.description.split()), *sentences)))


def _choices(column: Column) -> list[str]:
    """The values of a drop-down; none where there are too many."""
    if column.type is ColumnType.BOOLEAN:
        return ["true", "false"]
    values = [column.as_sent(value) for value in column.allowed or ()]
    return values if len(values) <= MAX_CHOICES else []


def _write_columns(workbook: TextWorkbook, contract: Contract, sentences: dict[str, list[str]]) -> None:
    """A second sheet, which explains the columns and the rules about whole rows."""
    sheet = workbook.sheet("Columns", [24, 38, 38])
    sheet.write_row(["column", "meaning", "what is required"], form="header")
    for column in contract.file_columns:
        required = " ".join(sentences.get(column.name, []))
        sheet.write_row([column.name, " ".join(column.description.split()), required])
    for rule in contract_rules(contract):
        if rule.column is None:
            sheet.write_row(["(whole row)", "", rule.description])
