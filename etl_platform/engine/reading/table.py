"""The interface that every reader implements, whatever the format of its file."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Protocol

import polars as pl

from etl_platform.engine.file_dialect import FileDialect

MAX_COLUMNS = 16_384
"""Of a file: the limit of Excel; only a damaged workbook has more."""


class Table(Protocol):
    """An opened file: its header, how it is read, and its rows.

    ``header`` holds the cells as sent, ``names`` the same made unique. ``batches`` may be read more than once;
    ``describe`` is complete after a full pass.
    """

    @property
    def header(self) -> Sequence[str]: ...

    @property
    def names(self) -> Sequence[str]: ...

    @property
    def serial_origin(self) -> date | None:
        """The day from which a workbook counts its dates; None for text."""
        ...

    @property
    def members(self) -> Sequence[str]:
        """Archive members that are read one after another; batches then have a column ``_member``."""
        ...

    @property
    def is_small(self) -> bool:
        """Whether all its rows may be held at once: then it is read once, and on no other thread."""
        ...

    def batches(self) -> Iterator[pl.DataFrame]:
        """Text columns by position, then ``_line``, ``_damage`` and ``_overflow``; blank lines and footers left out."""
        ...

    def some_columns(self, positions: Sequence[int]) -> Iterator[pl.DataFrame]:
        """A few columns, far cheaper; in damaged parts rows may differ from those of ``batches``."""
        ...

    def describe(self) -> FileDialect: ...
