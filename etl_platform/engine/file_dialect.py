"""How a file was read: format, encoding, header, and the lines that are not data. Values and their JSON form only."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from etl_platform.engine.json_fields import Json, known_fields, without_null
from etl_platform.engine.privacy.masking import shape

_LISTS = (
    "ignored_sheets",
    "pinned",
    "ignored_members",
    "rows_in_cells",
    "merged_cells",
    "hidden_rows",
    "hidden_columns",
)
_OMITTED_IF_NULL = (
    *("quote", "escape", "header_remark"),
    *("sheet", "sheet_is_hidden", "ignored_sheets", "merged_cells", "hidden_rows", "hidden_columns"),
    *("member", "ignored_members", "members", "corrected_rows"),
)


@dataclass(frozen=True)
class DroppedLine:
    """A line that was left out because it is not data.

    Attributes:
        text: its beginning, masked where the contract classifies columns.
        member: the archive member that it is in, where several were read.
    """

    line: int
    why: str
    text: str
    member: str | None = None

    def to_json(self) -> dict[str, Any]:
        found = {"member": self.member, "line": self.line, "why": self.why, "text": self.text}
        return without_null(found, "member")


@dataclass(frozen=True)
class CleanedCells:
    """Cells in which invisible characters were changed.

    Attributes:
        what: ``invisible`` characters removed, another ``blank`` replaced by a plain one, an ``accent`` composed with
            its letter, ``double_encoded`` text decoded again, or the text of a ``formula_text`` such as ``="00123"``.
        columns: the names of their columns.
        line: of the first one.
        member: the archive member that they are in, where several were read.
    """

    what: str
    cells: int
    columns: tuple[str, ...]
    line: int
    member: str | None = None

    @classmethod
    def from_json(cls, data: Json) -> "CleanedCells":
        return cls(**known_fields(cls, data) | {"columns": tuple(data["columns"])})

    def to_json(self) -> dict[str, Any]:
        found = {known.name: getattr(self, known.name) for known in fields(self)} | {"columns": list(self.columns)}
        return without_null(found, "member")


@dataclass(frozen=True)
class EncodingEvidence:
    """A word of a file that was read as Windows-1252, because it is not UTF-8.

    Attributes:
        word: masked where the contract classifies columns.
        line: of its first occurrence.
    """

    word: str
    line: int


@dataclass(frozen=True)
class FileDialect:
    """How a file was read.

    Attributes:
        delimiter: None for workbooks, and where a profile without a contract finds one column.
        quote: the character around quoted cells, or ``none``; null for workbooks and in older reports.
        escape: takes its meaning from the character after it.
        blank_after_delimiter: blanks before a cell are not part of it.
        sheet, ignored_sheets: of a workbook.
        sheet_is_hidden: whether Excel does not show the sheet that was read.
        merged_cells: ranges below the header, such as ``B2:B4``. Only the first cell of each has a value; the others
            are empty.
        hidden_rows, hidden_columns: lines and columns that Excel does not show, by a filter or by hand; they are read.
        header_line: 0 if the contract has ``header: none``.
        header_remark: why the header may be missing, in a profile without a contract.
        confidence: from 0 to 1, for each thing that was detected.
        pinned: names of what the contract sets instead of detection.
        member: of an archive, the only member that was read; ``ignored_members`` those that were not.
        members: of an archive, the members that were read as one table.
        corrected_rows: rows in which corrections replaced cells.
        cleaned: cells of which characters were changed.
        spanning_rows: rows with a line break in a quoted cell.
        rows_in_cells: the first lines within quoted cells that look like rows of their own.
        encoding_evidence: some words that support the guess of Windows-1252, the odd ones first.
    """

    format: str = ""
    compression: str | None = None
    encoding: str = ""
    delimiter: str | None = None
    quote: str | None = None
    escape: str | None = None
    blank_after_delimiter: bool = False
    line_end: str | None = None
    sheet: str | None = None
    ignored_sheets: tuple[str, ...] | None = None
    header_line: int = 0
    header_lines: int = 0
    header_remark: str | None = None
    preamble_lines: int = 0
    confidence: Mapping[str, float] = field(default_factory=dict)
    pinned: tuple[str, ...] = ()
    blank_lines: int = 0
    ragged_rows: int = 0
    repeated_headers: int = 0
    dropped: tuple[DroppedLine, ...] = ()
    ignored_members: tuple[str, ...] | None = None
    member: str | None = None
    members: tuple["MemberDialect", ...] | None = None
    corrected_rows: int | None = None
    cleaned: tuple[CleanedCells, ...] = ()
    spanning_rows: int = 0
    rows_in_cells: tuple[int, ...] = ()
    sheet_is_hidden: bool | None = None
    merged_cells: tuple[str, ...] | None = None
    hidden_rows: tuple[str, ...] | None = None
    hidden_columns: tuple[str, ...] | None = None
    encoding_evidence: tuple[EncodingEvidence, ...] = ()

    @property
    def masked(self) -> "FileDialect":
        """The same without texts of the file."""
        members = None if self.members is None else tuple(replace(m, dialect=m.dialect.masked) for m in self.members)
        return replace(
            self,
            dropped=tuple(replace(line, text=shape(line.text)) for line in self.dropped),
            encoding_evidence=tuple(replace(item, word=shape(item.word)) for item in self.encoding_evidence),
            members=members,
        )

    @classmethod
    def from_json(cls, data: Json) -> "FileDialect":
        found = known_fields(cls, data)
        found |= {name: tuple(data[name]) for name in _LISTS if data.get(name) is not None}
        found["dropped"] = tuple(DroppedLine(**known_fields(DroppedLine, line)) for line in data.get("dropped", ()))
        found["cleaned"] = tuple(map(CleanedCells.from_json, data.get("cleaned", ())))
        words = data.get("encoding_evidence", ())
        found["encoding_evidence"] = tuple(EncodingEvidence(**known_fields(EncodingEvidence, word)) for word in words)
        if found.get("members") is not None:
            found["members"] = tuple(map(MemberDialect.from_json, data["members"]))
        return cls(**found)

    def to_json(self) -> dict[str, Any]:
        found = {known.name: getattr(self, known.name) for known in fields(self)}
        found |= {name: list(found[name]) for name in _LISTS if found[name] is not None}
        found["confidence"] = dict(self.confidence)
        found["dropped"] = [line.to_json() for line in self.dropped]
        found["encoding_evidence"] = list(map(asdict, self.encoding_evidence))
        found["cleaned"] = [cells.to_json() for cells in self.cleaned]
        if self.members is not None:
            found["members"] = [member.to_json() for member in self.members]
        return without_null(found, *_OMITTED_IF_NULL)


@dataclass(frozen=True)
class MemberDialect:
    """How one of several members of an archive was read."""

    name: str
    rows: int
    dialect: FileDialect

    @classmethod
    def from_json(cls, data: Json) -> "MemberDialect":
        return cls(data["name"], data["rows"], FileDialect.from_json(data))

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "rows": self.rows, **self.dialect.to_json()}
