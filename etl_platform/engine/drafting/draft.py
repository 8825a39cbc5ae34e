"""Drafts a contract that accepts the files it was drafted from: sample, guess, check, relax what fails."""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from etl_platform.engine.check import check_contract, check_file
from etl_platform.engine.columns import DAMAGED_ROW, TOO_FEW
from etl_platform.engine.contract.contract_reader import parse_contract
from etl_platform.engine.contract.model import Column, ColumnType
from etl_platform.engine.drafting.column_names import common_words, dataset_name, file_patterns
from etl_platform.engine.drafting.column_rules import SharedFacts, typed_column, with_rules
from etl_platform.engine.drafting.column_samples import DraftError, FileSample, sample_file
from etl_platform.engine.drafting.draft_text import DraftColumn, DraftContract, contract_yaml
from etl_platform.engine.drafting.file_columns import SharedTable, share_columns
from etl_platform.engine.drafting.key_candidates import composite_keys, single_key
from etl_platform.engine.errors import UsageError
from etl_platform.engine.output.plain_text import counted
from etl_platform.engine.result import CheckResult
from etl_platform.engine.split import Progress

_EVIDENT = 0.999
_LEAST_EVIDENCE = 1_000
"""A type that 99.9 % of at least so many values have is kept; the others are typing errors for the quarantine."""
_SHORT_ROWS = 0.01
_FEW_ROWS = 20
_MOST_ROUNDS = 12
_MOST_KEYS = 3
_COLUMN_ERRORS = frozenset({"ambiguous_dates", "ambiguous_numbers"})


@dataclass(frozen=True)
class Draft:
    """The text of a contract, and what it is about. ``quarantined``: rows of the files that break it."""

    text: str
    dataset: str
    columns: int
    rows: int
    quarantined: int


def draft_contract(
    paths: Sequence[Path], dataset: str | None, today: date, progress: Progress = lambda _stage, _rows: None
) -> Draft:
    """Draft one contract for files of the same kind; their folders are taken as their agencies.

    Raises:
        DraftError: a file that cannot be read, or has no header, no rows or no columns that a contract can name.
        UsageError: the file names have no word in common to name the dataset, and ``dataset`` is None.
    """
    labels = _labels(paths)
    files = [sample_file(path, label) for path, label in zip(paths, labels, strict=True)]
    table = share_columns(files, today.year)
    if not table.columns:
        reason = "; ".join(table.left_out) or "no column has a name"
        raise DraftError(f"{paths[0]}: no column can be named in a contract: {reason}")
    return _Drafting(files, table, _without_columns(paths, dataset), today, progress).run()


def _labels(paths: Sequence[Path]) -> list[str]:
    """The name of each file in comments: with its folder if there are several, with a number if it is not unique."""
    folders = [path.absolute().parent.name for path in paths]
    several = len(set(folders)) > 1
    names = [f"{folder}/{path.name}" if several else path.name for folder, path in zip(folders, paths, strict=True)]
    if len(set(names)) == len(names):
        return names
    return [f"{name} ({number})" for number, name in enumerate(names, 1)]


def _without_columns(paths: Sequence[Path], dataset: str | None) -> DraftContract:
    """The names of the contract, and patterns for its files."""
    names = [path.name for path in paths]
    parts = common_words(names)
    if not parts and dataset is None:
        which = "name has no word" if len(names) == 1 else "names have no word in common"
        raise UsageError(f"{names[0]}: the file {which} to name the dataset by; add --dataset NAME")
    name = dataset or dataset_name(parts)
    physical_name = "_".join(parts) or name
    return DraftContract(name, physical_name, file_patterns(names, parts), ())


class _Drafting:
    """One draft: the guesses so far, corrected by what the engine's own check finds."""

    def __init__(
        self, files: Sequence[FileSample], table: SharedTable, named: DraftContract, today: date, progress: Progress
    ) -> None:
        self._files, self._table, self._today, self._progress = files, table, today, progress
        self._rows = sum(file.rows for file in files)
        labels = [file.label for file in files]
        typed = [typed_column(column, labels, today.year) for column in table.columns]
        self._facts: dict[str, SharedFacts] = {facts.name: facts for _, facts, _ in typed}
        self._remarks: dict[str, list[str]] = {facts.name: remarks for _, facts, remarks in typed}
        self._draft = replace(named, columns=tuple(DraftColumn(column) for column, _, _ in typed))

    def run(self) -> Draft:
        self._settle_types()
        self._add_rules()
        results = self._relax()
        draft = self._with_evidence(results)
        text = contract_yaml(draft)
        check_contract(parse_contract(text, "draft"))
        quarantined = sum(result.quarantined_rows or 0 for result in results)
        return Draft(text, draft.dataset, len(draft.columns), self._rows, quarantined)

    def _settle_types(self) -> None:
        """Check types and uniqueness over all rows; the profiles then have the bounds."""
        open_columns = tuple(
            replace(draft, column=replace(draft.column, classification="internal")) for draft in self._draft.columns
        )
        self._draft = replace(self._draft, columns=open_columns)
        self._bounds = _bounds_of(self._relax())

    def _add_rules(self) -> None:
        columns = tuple(
            with_rules(draft.column, self._facts[draft.column.name], self._bounds[draft.column.name], self._today)
            for draft in self._draft.columns
        )
        columns = tuple(
            replace(draft, evidence=(*draft.evidence, *self._remarks[draft.column.name])) for draft in columns
        )
        self._draft = replace(self._draft, columns=columns)
        plain = [draft.column for draft in columns]
        keys = [key] if (key := single_key(plain)) else self._composite_keys(plain)
        for key in keys:
            self._draft = replace(self._draft, primary_key=key)
            if len(key) == 1 or not any("+" in reason for reason in _counted(self._check())):
                return
        self._draft = replace(self._draft, primary_key=())

    def _composite_keys(self, columns: Sequence[Column]) -> list[tuple[str, ...]]:
        paths = {file.label: file.path for file in self._files}
        found = composite_keys(columns, self._table.columns, paths)
        return [key for key, _ in zip(found, range(_MOST_KEYS), strict=False)]

    def _relax(self) -> list[CheckResult]:
        """Check all files, and take back each rule that they break, until nothing is left to take back."""
        for _ in range(_MOST_ROUNDS):
            results = self._check()
            broken = self._not_kept(_counted(results))
            self._note_types(_counted(results), broken)
            wrong = {name for result in results for name in _wrong_readings(result)}
            pads = _counted(results)[TOO_FEW] > self._rows * _SHORT_ROWS and not self._draft.pads_short_rows
            if not broken and not wrong and not pads:
                self._refuse_rejected(results)
                return results
            self._draft = replace(self._draft, pads_short_rows=self._draft.pads_short_rows or pads)
            for reason in broken:
                self._take_back(reason)
            for name in wrong:
                self._change(name, _as_text)
        raise DraftError(f"{self._files[0].path}: no contract was found that accepts the file; report this")

    def _not_kept(self, broken: Mapping[str, int]) -> list[str]:
        """The rules to take back: all that are broken, except types that are evident."""
        return [
            reason
            for reason, rows in broken.items()
            if not reason.startswith(DAMAGED_ROW) and not self._is_evident(reason, rows)
        ]

    def _note_types(self, rows: Mapping[str, int], broken: Sequence[str]) -> None:
        """Say why a column becomes text although most of its values have another type."""
        for name, suffix in (reason.partition(".")[::2] for reason in broken):
            if suffix == "type":
                kind = next(draft.column.type for draft in self._draft.columns if draft.column.name == name)
                others = f"{rows[f'{name}.type']:,} of {self._facts[name].filled:,}"
                self._remarks[name] = [f"{others} filled rows are not of type {kind}, so the column is text"]

    def _is_evident(self, reason: str, rows: int) -> bool:
        name, _, suffix = reason.partition(".")
        if suffix != "type":
            return False
        filled = self._facts[name].filled
        return filled >= _LEAST_EVIDENCE and rows <= filled * (1 - _EVIDENT)

    def _take_back(self, reason: str) -> None:
        name, _, suffix = reason.partition(".")
        if "+" in name:
            self._draft = replace(self._draft, primary_key=())
            return
        if suffix in {"required", "unique"} and name in self._draft.primary_key:
            self._draft = replace(self._draft, primary_key=())
        self._change(name, lambda column: _without(column, suffix))

    def _change(self, name: str, change: Callable[[Column], Column]) -> None:
        columns = tuple(
            replace(draft, column=change(draft.column)) if draft.column.name == name else draft
            for draft in self._draft.columns
        )
        self._draft = replace(self._draft, columns=columns)

    def _check(self) -> list[CheckResult]:
        contract = parse_contract(contract_yaml(self._draft), "draft")
        results = []
        for file in self._files:
            with tempfile.TemporaryDirectory(prefix="etl-platform-") as scratch:
                results.append(check_file(file.path, contract, Path(scratch), self._progress, as_of=self._today))
        return results

    def _refuse_rejected(self, results: Sequence[CheckResult]) -> None:
        for file, result in zip(self._files, results, strict=True):
            if result.errors:
                reasons = ", ".join(f"{counted(rows, 'row')} {reason}" for reason, rows in result.reasons.items())
                because = f" ({reasons})" if reasons else ""
                raise DraftError(f"{file.path}: no contract accepts this file: {result.errors[0]}{because}")

    def _with_evidence(self, results: Sequence[CheckResult]) -> DraftContract:
        broken = _counted(results)
        columns = tuple(
            replace(draft, evidence=(*draft.evidence, *_exceptions(draft.column, broken)))
            for draft in self._draft.columns
        )
        return replace(self._draft, columns=columns, remarks=tuple(self._about_files(broken)))

    def _about_files(self, broken: Mapping[str, int]) -> Iterable[str]:
        files = ", ".join(f"{file.label} ({counted(file.rows, 'row')})" for file in self._files)
        yield f"Drafted from {files}"
        yield (
            "The rules hold for these rows: keep those that are meant for the next files, and remove the others. "
            "Values of columns without a classification are masked until you write internal or public"
        )
        if self._rows < _FEW_ROWS:
            yield f"Only {counted(self._rows, 'row')}: most rules are guesses; draft again from a larger file"
        for file in self._files:
            if file.dialect.header_lines > 1:
                yield f"The header of {file.label} has {file.dialect.header_lines} rows, whose names are joined"
            if sheets := file.dialect.ignored_sheets:
                yield f"Drafted from the sheet {file.dialect.sheet} of {file.label}, and not from {', '.join(sheets)}"
        if not self._draft.primary_key:
            yield "No key was found: no identifier is unique, alone or with one or two further columns"
        damaged = {reason: rows for reason, rows in broken.items() if reason.startswith(DAMAGED_ROW)}
        for reason, rows in damaged.items():
            yield f"{counted(rows, 'damaged row')} would be quarantined ({reason})"
        yield from (f"Left out: {sentence}" for sentence in self._table.left_out)


def _counted(results: Iterable[CheckResult]) -> Counter[str]:
    return sum((Counter(result.reasons) for result in results), Counter())


def _wrong_readings(result: CheckResult) -> Iterable[str]:
    """Columns that the file writes in two ways; their messages begin with the name of the column."""
    return (error.message.partition(":")[0] for error in result.errors if error.code in _COLUMN_ERRORS)


def _exceptions(column: Column, broken: Mapping[str, int]) -> Iterable[str]:
    if rows := broken.get(f"{column.name}.type"):
        yield f"{rows:,} row{' is' if rows == 1 else 's are'} not a {column.type} and would be quarantined"


def _as_text(column: Column) -> Column:
    plain = Column(column.name, ColumnType.STRING, column.line, trim=True, synonyms=column.synonyms)
    return replace(plain, required=column.required, classification=column.classification)


_FIELDS: dict[str, dict[str, Any]] = {
    "required": {"required": False},
    "unique": {"unique": False},
    "format": {"named_format": None},
    "pattern": {"pattern": None},
    "allowed": {"allowed": None},
    "range": {"minimum": None, "maximum": None},
    "not_future": {"not_future": False},
}
"""By the suffix of a reason, the fields of a column without that rule."""


def _without(column: Column, suffix: str) -> Column:
    return _as_text(column) if suffix == "type" else replace(column, **_FIELDS[suffix])


def _bounds_of(results: Sequence[CheckResult]) -> dict[str, tuple[Any, Any]]:
    """By column, the least and the greatest value over all files."""
    found: dict[str, tuple[Any, Any]] = {}
    for result in results:
        for name, profile in result.profile.items():
            low, high = found.get(name, (None, None))
            lows = [value for value in (low, profile.min) if value is not None]
            highs = [value for value in (high, profile.max) if value is not None]
            found[name] = min(lows, default=None), max(highs, default=None)
    return found
