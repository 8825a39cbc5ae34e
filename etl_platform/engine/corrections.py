"""Rows that people mended: what a corrections file says, and what of it is new. No files, no Dagster.

A row is known by its place: the line on which it begins in the delivered file and, in a zip of several files, the
member. A corrections file has ``_line`` (and ``_member``, ``_delivery_id``) and columns of the delivered file; a column
that is left out keeps what was sent. ``reasons`` and ``_overflow`` of an exported quarantine may stay and are not read.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from etl_platform.engine.columns import BAD_QUOTE, DELIVERY, LINE, MEMBER, RESERVED, TOO_FEW, TOO_MANY
from etl_platform.engine.errors import UsageError

_DAMAGES = frozenset({TOO_FEW, TOO_MANY, BAD_QUOTE})
_NAMED = 10

Place: TypeAlias = tuple[str | None, int]
"""Member and line."""
Cells: TypeAlias = Mapping[str, str | None]
"""Texts by column name; None where a cell is empty."""


@dataclass(frozen=True)
class Corrections:
    """The cells that take the place of those that were sent."""

    rows: Mapping[Place, Cells] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.rows)

    def merged(self, later: "Corrections") -> "Corrections":
        """Both, cell by cell; the later one wins."""
        rows = {place: {**self.rows.get(place, {}), **cells} for place, cells in later.rows.items()}
        return Corrections({**self.rows, **rows})

    @property
    def sha256(self) -> str:
        """The same for the same cells, whatever files they came in."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    def to_json(self) -> list[dict[str, Any]]:
        ordered = sorted(self.rows.items(), key=lambda item: (item[0][0] or "", item[0][1]))
        return [{"member": member, "line": line, "cells": dict(cells)} for (member, line), cells in ordered]

    @classmethod
    def from_json(cls, rows: Iterable[Mapping[str, Any]]) -> "Corrections":
        return cls({(row["member"], row["line"]): row["cells"] for row in rows})


@dataclass(frozen=True)
class GivenRow:
    """One row of a corrections file, which itself stands on line ``at``."""

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
        UsageError: there is no ``_line``, a column stands twice, or a ``_line`` is no line number.
    """
    names = [cell.strip() for cell in header]
    if LINE not in names:
        raise UsageError(f"the corrections have no column {LINE}; start from `etl-platform quarantine … --out FILE`")
    twice = sorted(name for name, times in Counter(names).items() if times > 1)
    if twice:
        raise UsageError(f"the corrections have the column {twice[0]!r} twice")
    given = []
    for at, texts in rows:
        row = {name: text or None for name, text in zip(names, texts, strict=True)}
        line = (row[LINE] or "").strip()
        if not (line.isascii() and line.isdigit()):
            raise UsageError(f"line {at} of the corrections: {LINE} holds no line number")
        cells = {name: text for name, text in row.items() if name not in RESERVED}
        given.append(GivenRow(at, row.get(DELIVERY), (row.get(MEMBER), int(line)), cells))
    if not given:
        raise UsageError("the corrections have no rows")
    return given


@dataclass(frozen=True)
class Quarantined:
    """What of a delivery may be corrected.

    Attributes:
        columns: of the delivered file, by the names that its quarantine has.
        rows: the quarantined rows as they were sent or last corrected, and their reasons.
        in_effect: what was corrected before.
    """

    delivery_id: str
    columns: Sequence[str]
    rows: Mapping[Place, tuple[Cells, str]]
    in_effect: Corrections


@dataclass(frozen=True)
class Resolved:
    """What a corrections file says of one delivery.

    Attributes:
        corrections: the rows to keep; empty where all of it is in effect already.
        changed: per column, the rows in which it differs from what was there.
        untouched: rows that were given back as they were.
    """

    corrections: Corrections
    changed: Mapping[str, int]
    untouched: int


def resolve(given: Sequence[GivenRow], of: Quarantined) -> Resolved:
    """Hold corrections against what is known of their delivery.

    A row that was given back as it was changes nothing; it is kept with the others, so that the same file can be given
    again once their neighbours' correction has made it good.

    Raises:
        UsageError: naming columns or lines that do not fit.
    """
    _refuse_misfits(given, of)
    kept: dict[Place, Cells] = {}
    changed: Counter[str] = Counter()
    untouched = 0
    for row in given:
        sent, reasons = of.rows.get(row.place, ({}, ""))
        before = {**sent, **of.in_effect.rows.get(row.place, {})}
        differs = [name for name, text in row.cells.items() if text != (before.get(name) or None)]
        changed.update(differs)
        untouched += not differs
        damaged = not _DAMAGES.isdisjoint(reasons.split(";")) and row.place not in of.in_effect.rows
        if damaged and not differs:
            continue
        if damaged and len(row.cells) < len(of.columns):
            missing = ", ".join(name for name in of.columns if name not in row.cells)
            raise UsageError(
                f"line {row.place[1]} is damaged ({reasons}), so its correction needs every column; {missing} not given"
            )
        # A cell that says the same keeps its own kind of nothing.
        kept[row.place] = {name: text if name in differs else before.get(name) for name, text in row.cells.items()}
    return Resolved(Corrections(kept if changed else {}), changed, untouched)


def _refuse_misfits(given: Sequence[GivenRow], of: Quarantined) -> None:
    unknown = [name for name in given[0].cells if name not in of.columns]
    if unknown:
        known = ", ".join(of.columns)
        raise UsageError(f"delivery {of.delivery_id} has no column {unknown[0]!r}; it has {known}")
    places = Counter(row.place for row in given)
    _refuse("twice in the corrections", [place for place, times in places.items() if times > 1], of)
    strange = [place for place in places if place not in of.rows and place not in of.in_effect.rows]
    _refuse("not in quarantine, so there is nothing to correct", strange, of)


def _refuse(why: str, places: Sequence[Place], of: Quarantined) -> None:
    if not places:
        return
    lines = ", ".join(f"{line} of {member}" if member else str(line) for member, line in places[:_NAMED])
    more = f" and {len(places) - _NAMED:,} more" if len(places) > _NAMED else ""
    raise UsageError(f"delivery {of.delivery_id}: line {lines}{more}: {why}")


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
    """Rows by the delivery that they belong to: the one that they name, the one asked for, or the only one there is.

    Raises:
        UsageError: a row names another delivery than the one asked for, or none where several could be meant.
    """
    rows: dict[str, list[GivenRow]] = {}
    strange = [row for row in given if delivery_id and row.delivery_id not in {None, delivery_id}]
    if strange:
        lines = ", ".join(str(row.at) for row in strange[:_NAMED])
        raise UsageError(f"line {lines} of the corrections: of delivery {strange[0].delivery_id}, not of {delivery_id}")
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
