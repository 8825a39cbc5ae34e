"""Several members of one archive as one table, one after another. ``zip_members`` decides which."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import polars as pl

from etl_platform.engine.columns import MEMBER
from etl_platform.engine.contract.model import fold
from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.file_dialect import FileDialect, MemberDialect
from etl_platform.engine.reading.packed.zip_members import members_error
from etl_platform.engine.reading.table import Table


@contextmanager
def naming_member(name: str) -> Iterator[None]:
    """Rejections start with the name of this member."""
    try:
        yield
    except UnreadableFileError as error:
        raise UnreadableFileError(error.code, f"{name}: {error.message}", error.line) from None


class MemberTables:
    """Tables with the same header, in the archive's order. Lines count within each member.

    Raises:
        UnreadableFileError: ``zip_members`` where headers differ.
    """

    def __init__(self, tables: Mapping[str, Table], ignored: Sequence[str]) -> None:
        self._tables, self._ignored = tables, ignored
        self._rows = dict.fromkeys(tables, 0)
        first = next(iter(tables.values()))
        shapes = {(tuple(map(fold, table.header)), table.serial_origin) for table in tables.values()}
        if len(shapes) > 1:
            raise members_error(list(tables), "whose headers differ")
        self.header, self.names, self.serial_origin = first.header, first.names, first.serial_origin
        self.members = tuple(tables) if len(tables) > 1 else ()
        self.is_small = first.is_small and not self.members

    def batches(self) -> Iterator[pl.DataFrame]:
        for name, table in self._tables.items():
            self._rows[name] = 0
            with naming_member(name):
                for frame in table.batches():
                    self._rows[name] += frame.height
                    yield frame.with_columns(pl.lit(name).alias(MEMBER)) if self.members else frame

    def some_columns(self, positions: Sequence[int]) -> Iterator[pl.DataFrame]:
        for name, table in self._tables.items():
            with naming_member(name):
                yield from table.some_columns(positions)

    def describe(self) -> FileDialect:
        """The dialect of the first member, and that of each member where there are several."""
        parts = {name: table.describe() for name, table in self._tables.items()}
        first = replace(next(iter(parts.values())), ignored_members=tuple(self._ignored))
        if not self.members:
            return replace(first, member=next(iter(parts)))
        return replace(
            first,
            members=tuple(MemberDialect(name, self._rows[name], part) for name, part in parts.items()),
            blank_lines=sum(part.blank_lines for part in parts.values()),
            ragged_rows=sum(part.ragged_rows for part in parts.values()),
            spanning_rows=sum(part.spanning_rows for part in parts.values()),
            repeated_headers=sum(part.repeated_headers for part in parts.values()),
            cleaned=tuple(replace(cells, member=name) for name, part in parts.items() for cells in part.cleaned),
            dropped=tuple(replace(line, member=name) for name, part in parts.items() for line in part.dropped),
        )
