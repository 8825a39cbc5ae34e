"""Corrected rows: the content of a corrections file, and which of its cells are new. No files, no Dagster.

The place of a row is the line on which it begins in the delivered file and, in a zip of several files, the member. A
corrections file has ``_line`` (and ``_member``, ``_delivery_id``) and columns of the delivered file; cells of the other
columns stay as sent. ``reasons`` and ``_overflow`` of an exported quarantine are ignored.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from etl_platform.engine.columns import (
    BAD_QUOTE,
    CUT,
    DELIVERY,
    LINE,
    MEMBER,
    OUTSIDE,
    RESERVED,
    SPANS_ROWS,
    TOO_FEW,
    TOO_MANY,
)
from etl_platform.engine.errors import UsageError

_DAMAGES = frozenset({TOO_FEW, TOO_MANY, BAD_QUOTE, SPANS_ROWS, CUT, OUTSIDE})
_MAX_NAMED = 10
MAX_ROWS, MAX_CELLS = 200_000, 3_200_000
"""Of a corrections file, and in effect for one delivery: all of them are in memory. Decision 0036 has the figures."""

Place: TypeAlias = tuple[str | None, int]
"""Member and line."""
Cells: TypeAlias = Mapping[str, str | None]
"""Texts by column name; None for an empty cell."""


@dataclass(frozen=True)
class Corrections:
    """The cells that replace sent ones."""

    rows: Mapping[Place, Cells] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.rows)

    def merged(self, later: "Corrections") -> "Corrections":
        """Both, cell by cell; the later correction wins."""
        rows = {place: {**self.rows.get(place, {}), **cells} for place, cells in later.rows.items()}
        return Corrections({**self.rows, **rows})

    @property
    def sha256(self) -> str:
        """Equal for equal cells, whatever files they came from."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    def to_json(self) -> list[dict[str, Any]]:
        ordered = sorted(self.rows.items(), key=lambda item: (item[0][0] or "", item[0][1]))
        return [{"member": member, "line": line, "cells": dict(cells)} for (member, line), cells in ordered]

    @classmethod
    def from_json(cls, rows: Iterable[Mapping[str, Any]]) -> "Corrections":
        return cls({(row["member"], row["line"]): row["cells"] for row in rows})


@dataclass(frozen=True, slots=True)
class GivenRow:
    """One row of a corrections file; ``at`` is its line in that file, ``place`` the row that it corrects."""

    at: int
    delivery_id: str | None
    place: Place
    cells: Cells


def read_given(header: Sequence[str], rows: Iterable[tuple[int, Sequence[str | None]]]) -> list[GivenRow]:
    """The rows of a corrections file.

    Args:
        header: its first row.
        rows: line in the corrections file, and texts in the header's order.

    Raises:
        UsageError: the column ``_line`` is missing, a column occurs twice, a ``_line`` is not a line number, or there
            are too many rows or cells.
    """
    names = [cell.strip() for cell in header]
    if LINE not in names:
        raise UsageError(
            f"the corrections have no column {LINE}; export the rows with `etl-platform quarantine … --out FILE` and "
            "correct that file"
        )
    twice = sorted(name for name, times in Counter(names).items() if times > 1)
    if twice:
        raise UsageError(f"the corrections have the column {twice[0]!r} twice; keep one of them")
    given: list[GivenRow] = []
    for at, texts in rows:
        _refuse_too_many(len(given) + 1, (len(given) + 1) * len(names), "the file has")
        row = {name: text or None for name, text in zip(names, texts, strict=True)}
        line = (row[LINE] or "").strip()
        if not (line.isascii() and line.isdigit()):
            raise UsageError(f"line {at} of the corrections: {LINE} is not a line number; keep that column as exported")
        cells = {name: text for name, text in row.items() if name not in RESERVED}
        given.append(GivenRow(at, row.get(DELIVERY), (row.get(MEMBER), int(line)), cells))
    if not given:
        raise UsageError("the corrections have no rows; keep the rows that you corrected in the file")
    return given


@dataclass(frozen=True)
class Quarantined:
    """The rows of a delivery that may be corrected.

    Attributes:
        columns: of the delivered file, by their names in its quarantine.
        rows: the quarantined rows as sent or last corrected, and their reasons.
        in_effect: earlier corrections.
    """

    delivery_id: str
    columns: Sequence[str]
    rows: Mapping[Place, tuple[Cells, str]]
    in_effect: Corrections


@dataclass(frozen=True)
class Resolved:
    """The corrections of one delivery in a corrections file.

    Attributes:
        corrections: the rows to store; empty where all of them are in effect already.
        changed: by column, the number of rows in which it is new.
        untouched: number of rows without a change.
    """

    corrections: Corrections
    changed: Mapping[str, int]
    untouched: int


def resolve(given: Sequence[GivenRow], quarantined: Quarantined) -> Resolved:
    """Compare corrections with the quarantine of their delivery.

    Unchanged rows are stored too, so that the same file can be replayed after its other rows have left quarantine.

    Raises:
        UsageError: naming columns or lines that do not match, or because there are too many corrections.
    """
    _refuse_mismatches(given, quarantined)
    kept: dict[Place, Cells] = {}
    changed: Counter[str] = Counter()
    untouched = 0
    for row in given:
        sent, reasons = quarantined.rows.get(row.place, ({}, ""))
        before = {**sent, **quarantined.in_effect.rows.get(row.place, {})}
        differs = [name for name, text in row.cells.items() if text != (before.get(name) or None)]
        changed.update(differs)
        untouched += not differs
        damaged = not _DAMAGES.isdisjoint(reasons.split(";")) and row.place not in quarantined.in_effect.rows
        if damaged and not differs:
            continue
        if damaged and len(row.cells) < len(quarantined.columns):
            missing = ", ".join(name for name in quarantined.columns if name not in row.cells)
            raise UsageError(
                f"line {row.place[1]} is damaged ({reasons}), so its correction needs every column; add {missing}"
            )
        # An unchanged empty cell stays what it was, null or an empty text.
        kept[row.place] = {name: text if name in differs else before.get(name) for name, text in row.cells.items()}
    if changed:
        _refuse_total(quarantined.in_effect, kept)
    return Resolved(Corrections(kept if changed else {}), changed, untouched)


def _refuse_total(in_effect: Corrections, kept: Mapping[Place, Cells]) -> None:
    places = in_effect.rows.keys() | kept.keys()
    cells = sum(len(in_effect.rows.get(place, {}).keys() | kept.get(place, {}).keys()) for place in places)
    _refuse_too_many(len(places), cells, "with those in effect there are")


def _refuse_too_many(rows: int, cells: int, what: str) -> None:
    if rows > MAX_ROWS or cells > MAX_CELLS:
        raise UsageError(
            f"the corrections are too many: {what} more than {MAX_ROWS:,} rows or {MAX_CELLS:,} cells; keep only the "
            "columns and rows that you corrected, or have the corrected file sent"
        )


def _refuse_mismatches(given: Sequence[GivenRow], quarantined: Quarantined) -> None:
    unknown = [name for name in given[0].cells if name not in quarantined.columns]
    if unknown:
        known = ", ".join(quarantined.columns)
        raise UsageError(f"delivery {quarantined.delivery_id} has no column {unknown[0]!r}; it has {known}")
    places = Counter(row.place for row in given)
    _refuse(
        "twice in the corrections; keep one row of each",
        [place for place, times in places.items() if times > 1],
        quarantined,
    )
    unknown_places = [
        place for place in places if place not in quarantined.rows and place not in quarantined.in_effect.rows
    ]
    _refuse("not in quarantine, so there is nothing to correct; remove the row", unknown_places, quarantined)


def _refuse(why: str, places: Sequence[Place], quarantined: Quarantined) -> None:
    if not places:
        return
    lines = ", ".join(f"{line} of {member}" if member else str(line) for member, line in places[:_MAX_NAMED])
    more = f" and {len(places) - _MAX_NAMED:,} more" if len(places) > _MAX_NAMED else ""
    raise UsageError(f"delivery {quarantined.delivery_id}: line {lines}{more}: {why}")


@dataclass(frozen=True)
class ChangedRow:
    """A row whose outcome changed: its reasons before and after, None where it was good. No values."""

    member: str | None
    line: int
    before: str | None
    after: str | None


@dataclass(frozen=True)
class RowChanges:
    """Rows whose outcome changed between two readings of a delivery.

    Attributes:
        other_reasons: rows that are still bad, for other reasons.
        lines: the first changed rows, in the order of the file.
    """

    now_good: int
    now_bad: int
    other_reasons: int
    lines: tuple[ChangedRow, ...] = ()


def by_delivery(given: Sequence[GivenRow], delivery_id: str | None, known: Sequence[str]) -> dict[str, list[GivenRow]]:
    """Rows by their delivery: the one that a row names, else ``delivery_id``, else the only known one.

    Raises:
        UsageError: a row names another delivery than ``delivery_id``, or no delivery where several are known.
    """
    rows: dict[str, list[GivenRow]] = {}
    others = [row for row in given if delivery_id and row.delivery_id not in {None, delivery_id}]
    if others:
        lines = ", ".join(str(row.at) for row in others[:_MAX_NAMED])
        raise UsageError(
            f"line {lines} of the corrections belongs to delivery {others[0].delivery_id}, not to {delivery_id}; "
            "remove it, or leave --delivery out"
        )
    only = delivery_id or (known[0] if len(known) == 1 else None)
    for row in given:
        owner = row.delivery_id or only
        if owner is None:
            raise UsageError(
                f"line {row.at} of the corrections names no delivery, and {len(known)} have quarantined rows; "
                f"add --delivery ID or a column {DELIVERY}"
            )
        rows.setdefault(owner, []).append(row)
    return rows
