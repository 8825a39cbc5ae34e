"""A contract as frozen values.

``contract_reader`` reads one from its text; ``rules`` evaluates it; ``file_names`` finds that of a file.
"""

import re
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from functools import cached_property, lru_cache
from pathlib import PurePosixPath
from unicodedata import normalize

from etl_platform.engine.contract.cadence import Cadence
from etl_platform.engine.contract.classifications import is_open
from etl_platform.engine.contract.contract_status import NOT_IN_FORCE
from etl_platform.engine.contract.dataset_rules import DatasetRule
from etl_platform.engine.contract.drift_limits import DriftLimits
from etl_platform.engine.contract.foreign_keys import ForeignKey
from etl_platform.engine.contract.overlay import ColumnOverlay, Overlay
from etl_platform.engine.contract.reading_overrides import ReadingOverrides

DELIVERY_DAY = "delivery_day"
"""The day of delivery in the SQL of row rules and derived columns. No column has this name."""
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
"""Names of datasets and rules."""
RESERVED_DATASET = re.compile("reports|.*_quarantine", re.IGNORECASE)
"""Names that no dataset may have: SQL and Athena have tables of these names beside those of the datasets."""
COLUMN_NAME = re.compile(r"_*[A-Za-z][A-Za-z0-9_]*")
DATA_SUFFIXES = (".csv", ".tsv", ".txt", ".xlsx", ".xls", ".gz", ".zip")


class ColumnType(StrEnum):
    STRING = "string"
    DATE = "date"
    TIMESTAMP = "timestamp"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TIME = "time"


@dataclass(frozen=True)
class ReferenceTable:
    """A small table next to the contracts. Every cell is text; ``lines`` are the rows' first lines in its file."""

    name: str
    path: str
    sha256: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]

    def cells(self, column: str) -> tuple[str, ...]:
        place = self.header.index(column)
        return tuple(row[place] for row in self.rows)


@dataclass(frozen=True)
class Lookup:
    """The cell ``take`` of the table row whose ``key`` equals the value of ``source``, by default the column's text."""

    table: ReferenceTable
    key: str
    take: str
    source: str | None = None


@dataclass(frozen=True)
class TransformHook:
    """A function ``module:name`` that computes columns of a dataset from its other columns."""

    path: str
    pandas: bool
    line: int


@dataclass(frozen=True)
class Column:
    """One property: how its text is read and which rules it has. ``line`` is its line in the contract.

    Attributes:
        not_future: whether its date must not be after the day of delivery.
        labels: the text of silver for each of ``allowed``.
        decimal: precision and scale of an exact number.
        lookup: the reference table that gives the value.
        expression: SQL over other columns that gives the value.
        declared_sources: ``transformSourceObjects``, the columns that ``expression`` or ``lookup`` should use.
        computed: by the contract's transform hook.
        two_digit_years_from: the first of the hundred years that a format with ``yy`` can mean.
        known_values: the usual values; others are reported, not rejected.
        named_format: a format that ODCS names, such as ``email`` or ``i16``.
        overlay: how one agency writes it; ``formats`` are the agency's then.
        id: by which references may name it.
    """

    name: str
    type: ColumnType
    line: int
    description: str = ""
    required: bool = False
    unique: bool = False
    classification: str | None = None
    synonyms: tuple[str, ...] = ()
    pattern: str | None = None
    min_length: int | None = None
    max_length: int | None = None
    minimum: str | float | None = None
    maximum: str | float | None = None
    exclusive_minimum: str | float | None = None
    exclusive_maximum: str | float | None = None
    not_future: bool = False
    allowed: tuple[str, ...] | None = None
    formats: tuple[str, ...] = ()
    named_format: str | None = None
    money: bool = False
    null_tokens: tuple[str, ...] = ()
    true_values: tuple[str, ...] = ()
    false_values: tuple[str, ...] = ()
    trim: bool = False
    case: str | None = None
    labels: tuple[str, ...] | None = None
    decimal: tuple[int, int] | None = None
    lookup: Lookup | None = None
    expression: str | None = None
    declared_sources: tuple[str, ...] | None = None
    computed: bool = False
    known_values: tuple[str, ...] = ()
    two_digit_years_from: int | None = None
    overlay: ColumnOverlay | None = None
    id: str | None = None

    @property
    def of_contract(self) -> "Column":
        """The column with the contract's own formats: bounds and reference tables are written in these."""
        if self.overlay is None:
            return self
        own = self.overlay
        return replace(self, formats=own.contract_formats, two_digit_years_from=own.contract_pivot, overlay=None)

    def as_sent(self, text: str) -> str:
        """A text in the contract's way as its agency wrote it, for messages."""
        return text if self.overlay is None else self.overlay.as_sent(text)

    @property
    def header_names(self) -> tuple[str, ...]:
        """The names that a file's header may give the column."""
        return (self.name, *self.synonyms)

    @property
    def masked(self) -> bool:
        """Whether its values are masked in results, reports and the UI."""
        return not is_open(self.classification)

    @property
    def derived(self) -> bool:
        """Whether its value comes from other columns of the row, without the hook."""
        return self.expression is not None or (self.lookup is not None and self.lookup.source is not None)

    @property
    def in_file(self) -> bool:
        return not self.derived and not self.computed

    @property
    def is_code(self) -> bool:
        """Whether the file has a code where silver has a label or a cell of a reference table."""
        return self.in_file and (self.labels is not None or self.lookup is not None)

    @property
    def type_name(self) -> str:
        return f"decimal({self.decimal[0]},{self.decimal[1]})" if self.decimal else str(self.type)


@dataclass(frozen=True)
class RowRule:
    """A SQL boolean expression over typed columns that must not be false for any row."""

    name: str
    sql: str
    line: int
    description: str = ""


@dataclass(frozen=True)
class Contract:
    """The rules of one kind of file.

    Attributes:
        sha256: over the contract's text, the reference tables that it uses, and the overlay.
        overlay: of the agency whose files this contract is for; None where it has none.
        line: on which the schema of the dataset starts.
        schema_id: by which references may name the dataset.
    """

    path: str
    id: str
    version: str
    sha256: str
    dataset: str
    physical_name: str
    file_patterns: tuple[str, ...]
    description: str
    grain: str
    owner: str | None
    domain: str | None
    line: int
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    row_rules: tuple[RowRule, ...]
    dataset_rules: tuple[DatasetRule, ...] = ()
    max_rejected_percent: float | None = None
    reading_overrides: ReadingOverrides = field(default_factory=ReadingOverrides)
    cadence: Cadence | None = None
    erase_after: timedelta | None = None
    """How long after its delivery a file is erased; None if it is kept."""
    drift_limits: DriftLimits = field(default_factory=DriftLimits)
    foreign_keys: tuple[ForeignKey, ...] = ()
    schema_id: str | None = None
    notes: tuple[str, ...] = ()
    hook: TransformHook | None = None
    status: str = "active"
    patterns_line: int | None = None
    """The line of ``file_patterns``; None if there are none."""
    rejects_personal_data: bool = False
    """Whether personal data in a column that does not announce it refuses the file."""
    pads_short_rows: bool = False
    """Whether a row with fewer cells than the header is complete, and its last cells are empty."""
    overlay: Overlay | None = None

    @property
    def in_force(self) -> bool:
        return self.status not in NOT_IN_FORCE

    def __hash__(self) -> int:
        # A contract has thousands of values, and what is derived from it is kept by it.
        return hash((self.path, self.sha256))

    @cached_property
    def file_columns(self) -> tuple[Column, ...]:
        """The columns that the header of a file should have."""
        return tuple(column for column in self.columns if column.in_file)

    @property
    def known_headers(self) -> dict[str, str]:
        """The column that each name in a header means; names in the form of ``fold``."""
        return {fold(name): column.name for column in self.file_columns for name in column.header_names}

    @property
    def keys(self) -> frozenset[str]:
        """The columns whose values identify rows, alone or together."""
        return frozenset(self.primary_key) | {column.name for column in self.columns if column.unique}

    @property
    def has_masked_columns(self) -> bool:
        """Whether the report and messages must not show texts of the file."""
        return any(column.masked for column in self.columns)

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)


@lru_cache(4_096)
def file_stem(file_name: str) -> str:
    """The name without the extensions of supported formats and compressions."""
    name = file_name
    while (suffix := PurePosixPath(name).suffix.lower()) and suffix in DATA_SUFFIXES:
        name = name[: -len(suffix)]
    return name


def usual_file_name(physical_name: str) -> str:
    """``physicalName`` as a file name: without an extension it is that of a CSV file."""
    return physical_name if PurePosixPath(physical_name).suffix else f"{physical_name}.csv"


@lru_cache(4_096)
def fold(text: str, keep: str = "") -> str:
    """A header or name in one normal form: without case, spaces, invisible characters and punctuation.

    ``Officer ID`` and ``officer_id`` become the same, and so do the two ways of Unicode to write ``é``.
    """
    if not text.isascii():
        # Folding the case can break the normal form, and wide letters get their case only by it (Unicode 3.13, D146).
        text = normalize("NFKC", normalize("NFKC", text).casefold())
    return re.sub(rf"[^\w{re.escape(keep)}]|_", "", text.casefold())
