"""Whether a file itself contradicts how the contract reads a column: day and month, or point and comma, exchanged.

A text that only the other reading explains, such as 25/12/1980 where the month is first, is evidence against the
contract. If there is too much of it, the texts that both readings explain, such as 05/06/1980, cannot be trusted.
"""

from collections.abc import Iterator, Set
from dataclasses import dataclass

import polars as pl

from etl_platform.engine.columns import DAMAGE, LINE, MEMBER
from etl_platform.engine.privacy.masking import shown
from etl_platform.engine.reading.table import Table
from etl_platform.engine.result import FileError
from etl_platform.engine.rules.compiled_contract import CompiledContract
from etl_platform.engine.values.other_readings import OtherReading

_FEW = 2
_EVIDENCE_PER_TYPO = 4
_SHARE = 100
"""Up to two typing errors need four times as many rows that prove the contract's reading; more of them a hundred."""


@dataclass
class Evidence:
    """How many rows only the contract's reading explains, only the other one, and both with different values.

    Attributes:
        place: of the first row that only the other one explains: line, member of an archive, text.
    """

    ours: int = 0
    theirs: int = 0
    both: int = 0
    place: tuple[int, str | None, str] | None = None

    @property
    def disproves(self) -> bool:
        """Whether the rows that only the other reading explains are more than a few typing errors."""
        tolerated = self.ours // (_EVIDENCE_PER_TYPO if self.theirs <= _FEW else _SHARE)
        return self.theirs > tolerated


class ContraryTexts:
    """Counts the texts that only the other reading of a column explains, in the pass that checks the rows."""

    def __init__(self, compiled: CompiledContract) -> None:
        self._compiled = compiled
        self._masked: Set[str] = frozenset()
        self._found = [(reading, Evidence()) for reading in compiled.other_readings]

    def update(self, bad: pl.DataFrame) -> None:
        """Add the bad rows of a checked batch. Almost free where no text has the wrong type."""
        for reading, evidence in self._found:
            refused = bad[f"rule:{reading.column}.type"]
            if refused.any():
                places = [name for name in (LINE, MEMBER) if name in bad.columns]
                texts = bad.select(*places, f"text:{reading.column}")
                self._add(texts.filter(refused & bad[DAMAGE].is_null()), reading, evidence)

    def _add(self, refused: pl.DataFrame, reading: OtherReading, evidence: Evidence) -> None:
        contrary = refused.filter(reading.their_value.is_not_null())
        evidence.theirs += contrary.height
        if evidence.place is None and contrary.height:
            first = contrary.row(0, named=True)
            evidence.place = first[LINE], first.get(MEMBER), first[f"text:{reading.column}"]

    def errors(self, table: Table, masked: Set[str]) -> Iterator[FileError]:
        """Why the file is ambiguous. Reads the table again if there are contrary texts."""
        self._masked = masked
        suspect = {reading.code for reading, evidence in self._found if evidence.theirs}
        found = [(reading, evidence) for reading, evidence in self._found if reading.code in suspect]
        if found:
            self._count(table, found)
        disproved = {(r.ours, r.theirs): r.column for r, evidence in found if evidence.theirs and evidence.disproves}
        for reading, evidence in found:
            if not evidence.both:
                continue
            if evidence.theirs and evidence.disproves:
                yield self._error(reading, evidence)
            elif not evidence.ours and (like := disproved.get((reading.ours, reading.theirs))):
                # A column without evidence of its own is written as the others of its file.
                yield self._error(reading, evidence, like)

    def _count(self, table: Table, found: list[tuple[OtherReading, Evidence]]) -> None:
        names = {f"text:{reading.column}" for reading, _ in found}
        texts = [text for text in self._compiled.texts if text.meta.output_name() in names]
        counts: list[pl.Expr] = []
        for place, (reading, _) in enumerate(found):
            ours, theirs = reading.our_value, reading.their_value
            counts.append((ours.is_not_null() & theirs.is_null()).sum().alias(f"{place}:ours"))
            counts.append((ours != theirs).sum().alias(f"{place}:both"))
        for cells in table.batches():
            row = cells.filter(pl.col(DAMAGE).is_null()).select(texts).select(counts).row(0, named=True)
            for place, (_, evidence) in enumerate(found):
                evidence.ours += row[f"{place}:ours"]
                evidence.both += row[f"{place}:both"]

    def _error(self, reading: OtherReading, evidence: Evidence, like: str | None = None) -> FileError:
        name, ours, theirs = reading.column, reading.ours, reading.theirs
        setter = self._setter(name)
        message = (
            f"{name}: {_rows(evidence.both)} can be read with {ours} or with {theirs}, as different values; "
            f"{_rows(evidence.ours)} can only be read with {ours}, as the {setter} has it, and "
            f"{_rows(evidence.theirs)} only with {theirs}"
        )
        if like is None and evidence.place is not None:
            message += f" (first: {self._place(name, *evidence.place)})"
        elif like is not None:
            message += f", as is {like}"
        return FileError(
            reading.code,
            f"{message}; {_ADVICE[reading.code].format(ours=ours, setter=setter)}",
            evidence.place and evidence.place[0],
        )

    def _setter(self, name: str) -> str:
        """What says how the column is written: the contract, or the overlay of the agency."""
        column = self._compiled.contract.column(name)
        own = column.overlay
        return "overlay" if own and (own.decimal_comma or column.formats != own.contract_formats) else "contract"

    def _place(self, name: str, line: int, member: str | None, text: str) -> str:
        where = f"line {line}" if member is None else f"line {line} of {member}"
        sent = self._compiled.contract.column(name).as_sent(text)
        return where if name in self._masked else f"{where}, {shown(sent)!r}"


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


_ADVICE = {
    "ambiguous_dates": "send dates as yyyy-MM-dd, or ask the data team to change the {setter}'s formats",
    "ambiguous_numbers": "send numbers with {ours} and without signs between thousands",
}
