"""Reads a resource once, from its cursor to its last page: converts records to rows and moves the cursor."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from urllib.parse import quote

from etl_platform.errors import ApiResponseError
from etl_platform.rest_apis.cursor_values import CursorValue, parse_cursor_value
from etl_platform.rest_apis.field_types import FieldTypes
from etl_platform.rest_apis.records import ColumnMatcher, Record, cell
from etl_platform.rest_apis.snapshots import Row
from etl_platform.rest_apis.source import ApiResource, Incremental

_MAX_CURSOR = 500
"""Characters: S3 takes 2 KB of metadata, https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html"""

_NO_CURSOR_VALUE = CursorValue("text", "")

OnProgress = Callable[[int, int], None]
"""Called with the number of pages and records read so far."""


@lru_cache(4_096)
def _field_name(name: str) -> str:
    """A field's name as it appears in the header; empty if it is blank."""
    return cell(name).strip()


@dataclass
class Extraction:
    """Converts the records of a resource to rows, page by page.

    Attributes:
        now: UTC; later timestamps do not move the cursor.
        cursor: the value to start from, and afterwards the highest value of the incremental field.
        types, pages, records: field types, number of pages and number of records that were read so far.
    """

    resource: ApiResource
    now: datetime
    on_progress: OnProgress
    cursor: str | None = None
    types: FieldTypes = field(default_factory=FieldTypes)
    pages: int = 0
    records: int = 0
    _highest: CursorValue | None = None

    def __post_init__(self) -> None:
        self._matcher = ColumnMatcher(self.resource.contract)
        self._now = parse_cursor_value(self.now.isoformat())
        if self.cursor is not None:
            self._highest = parse_cursor_value(self.cursor)

    def rows(self, page: list[Record]) -> Iterator[Row]:
        """The rows of one page.

        Raises:
            ApiResponseError: a record has no value of the incremental field or one of another kind, has too many
                fields, or is nested too deeply.
        """
        for record in page:
            named = {_field_name(name): value for name, value in record.items()}
            try:
                self.types.add(named)
                cells = {name: text for name, value in named.items() if name and (text := cell(value))}
            except ValueError as error:
                raise ApiResponseError(f"{self.resource.path}: {error}") from None
            incremental = self.resource.incremental
            value = self._move_cursor(incremental, cells) if incremental else _NO_CURSOR_VALUE
            yield Row(self._matcher.key(cells), cells, value.order)
        self.pages += 1
        self.records += len(page)
        self.on_progress(self.pages, self.records)

    def snapshot_row(self, cells: dict[str, str]) -> Row:
        """A row of the current snapshot."""
        incremental = self.resource.incremental
        value = parse_cursor_value(cells.get(incremental.field, "")) if incremental else _NO_CURSOR_VALUE
        return Row(self._matcher.key(cells), cells, value.order)

    def _move_cursor(self, incremental: Incremental, cells: Mapping[str, str]) -> CursorValue:
        """The record's value of the incremental field; becomes the cursor if it is the highest so far."""
        name, text = incremental.field, cells.get(incremental.field, "")
        if not text:
            raise ApiResponseError(f"{self.resource.path}: a record has no {name}, the incremental field")
        value = parse_cursor_value(text)
        if self._highest is not None and value.kind != self._highest.kind:
            kinds = " and a ".join(sorted({value.kind, self._highest.kind}))
            raise ApiResponseError(f"{self.resource.path}: {name} is a {kinds}, which cannot be compared")
        # Ignore timestamps in the future, or one typo would stop the cursor.
        is_future = value.kind == self._now.kind and value.is_after(self._now)
        if not is_future and (self._highest is None or value.is_after(self._highest)):
            if len(quote(text)) > _MAX_CURSOR:
                raise ApiResponseError(f"{self.resource.path}: a {name} of more than {_MAX_CURSOR} characters")
            self._highest, self.cursor = value, text
        return value
