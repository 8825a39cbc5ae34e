"""Refused rows as a workbook: wrong cells are coloured and have their rules as notes. ``replay`` reads it back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from etl_platform.engine.columns import DELIVERY, LINE, MEMBER, OVERFLOW, REASONS
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.corrections import MAX_CELLS, MAX_ROWS
from etl_platform.engine.errors import UsageError
from etl_platform.engine.example_values import header_names
from etl_platform.engine.output.quarantine_files import export_frames, guarded_names
from etl_platform.engine.repairs import SEPARATOR
from etl_platform.engine.result import CheckResult
from etl_platform.engine.rules.contract_rules import sentences_of
from etl_platform.engine.rules.derived_columns import rule_inputs
from etl_platform.engine.spreadsheets.text_sheet import MAX_CHOICES, TextSheet, TextWorkbook, new_workbook

_SERVICE = (DELIVERY, MEMBER, LINE, OVERFLOW, REASONS)
"""Columns that are not to be corrected."""
Places: TypeAlias = Mapping[str, Sequence[int]]
"""Columns of a sheet by reason."""


@dataclass(frozen=True)
class RefusedRows:
    """The refused rows of one file, with the result of its check."""

    quarantine: Path
    result: CheckResult


def write_workbook(parts: Mapping[str, RefusedRows], contract: Contract | None, out: Path) -> int:
    """Write the refused rows of files as one workbook; returns their number.

    Args:
        parts: by delivery id; with ``""`` there is no column for it. All have the same columns.

    Raises:
        UsageError: there are more rows or cells than corrections may have, or a text is too long for Excel.
    """
    frames = export_frames({name: part.quarantine for name, part in parts.items()})
    sentences: dict[str, str] = {}
    for part in parts.values():
        sentences |= part.result.sentences or (sentences_of(contract, part.result.reasons) if contract else {})
    written = 0
    with new_workbook(out) as workbook:
        sheet: TextSheet | None = None
        places: dict[str, Places] = {}
        for name, frame in frames:
            header = frame.columns
            if sheet is None:
                sheet = workbook.sheet("Rows", [len(column) for column in header])
                sheet.write_row(header, form="header")
                _add_choices(sheet, header, next(iter(parts.values())).result, contract)
            if name not in places:
                places[name] = _places(header, parts[name].result, contract)
            written += frame.height
            _refuse_too_many(written, written * len(header))
            for row in frame.rows():
                _write_row(sheet, header, row, places[name], sentences)
        _write_rules(workbook, sentences)
    return written


def _refuse_too_many(rows: int, cells: int) -> None:
    if rows > MAX_ROWS or cells > MAX_CELLS:
        raise UsageError(
            f"more than {MAX_ROWS:,} rows or {MAX_CELLS:,} cells are refused, too many to correct by hand; correct the "
            "rule with the most rows at its source and send the file again"
        )


def _places(header: Sequence[str], result: CheckResult, contract: Contract | None) -> Places:
    """The columns of the sheet that each rule is about; a rule about the row as a whole is at its line number."""
    inputs = rule_inputs(contract) if contract else {}
    places = {name: place for place, name in enumerate(header)}
    names = {reason: guarded_names(header_names(result, inputs, reason)) or [LINE] for reason in result.reasons}
    return {reason: [places[name] for name in found if name in places] for reason, found in names.items()}


def _add_choices(sheet: TextSheet, header: Sequence[str], result: CheckResult, contract: Contract | None) -> None:
    """Drop-downs for the columns whose values the contract lists."""
    matched = result.columns.matched if result.columns else {}
    for column in contract.file_columns if contract else ():
        values = [column.as_sent(value) for value in column.allowed or ()]
        if column.name in matched and 0 < len(values) <= MAX_CHOICES:
            (name,) = guarded_names([matched[column.name]])
            sheet.add_choices(header.index(name), result.quarantined_rows or 1, values)


def _write_row(
    sheet: TextSheet, header: Sequence[str], row: Sequence[Any], places: Places, sentences: Mapping[str, str]
) -> None:
    texts = [None if value is None else str(value) for value in row]
    forms = {place: "kept" for place, name in enumerate(header) if name in _SERVICE}
    notes: dict[int, list[str]] = {}
    for reason in str(row[header.index(REASONS)]).split(SEPARATOR):
        # Another attempt may have written the quarantine than the report, with other reasons.
        for place in places.get(reason) or [header.index(LINE)]:
            forms[place] = "wrong"
            notes.setdefault(place, []).append(sentences.get(reason, reason))
    sheet.write_row(texts, forms=forms, notes={place: "\n".join(found) for place, found in notes.items()})


def _write_rules(workbook: TextWorkbook, sentences: Mapping[str, str]) -> None:
    sheet = workbook.sheet("Rules", [30, 38])
    sheet.write_row(["reason", "what is required"], form="header")
    for reason, sentence in sentences.items():
        sheet.write_row([reason, " ".join(sentence.split())])
