"""Checks that the pages of a resource have all of its records once, as far as responses show. No network.

Error messages quote no value of a response, because it may be personal data.
"""

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from etl_platform.errors import ApiResponseError
from etl_platform.rest_apis.records import Record
from etl_platform.rest_apis.responses import value_at
from etl_platform.rest_apis.source import ApiResource, PagingType

_COUNTED = frozenset({PagingType.PAGE, PagingType.OFFSET})
_SIZE_PARAMS = frozenset(
    [
        *["per_page", "perpage", "page_size", "pagesize", "page[size]", "limit", "_limit", "$limit", "max_results"],
        *["maxresults", "take", "top", "$top", "rows", "size", "resultrecordcount"],
    ]
)
"""Usual names of the parameter that requests a number of records per page, in lower case."""


class PageChecks:
    """Checks page after page.

    Args:
        where: the API and the path, for messages.
        max_pages: more pages are an error.
    """

    def __init__(self, where: str, resource: ApiResource, max_pages: int) -> None:
        self._where, self._paging, self._max_pages = where, resource.pagination, max_pages
        self._requested: set[bytes] = set()
        self._seen: set[bytes] = set()
        self._last = b""
        self._size = resource.pagination.size or _requested_size(resource.params)
        self._short: tuple[int, int] | None = None
        self._totals: set[int] = set()
        self._pages = self._records = 0
        self._document: Any = None

    def check(self, records: Sequence[Record], document: Any, following: Hashable) -> None:
        """Check one page.

        Args:
            document: the response.
            following: the next request; None after the last page.

        Raises:
            ApiResponseError: the page repeats an earlier one, follows a page that was not full, or links to a page that
                was already requested; or there are too many pages.
        """
        self._pages, self._records = self._pages + 1, self._records + len(records)
        self._document = document
        if records:
            self._refuse_repetition(records)
            self._refuse_gap(len(records))
        if self._paging.total:
            self._note_total(document)
        if following is not None:
            self._refuse_endless(following)

    def finish(self) -> None:
        """Raise ApiResponseError if the API has more records than it returned, or fewer."""
        if _has_more(self._document):
            raise ApiResponseError(
                f"{self._where}: the last page has exceededTransferLimit, so there are more records; see pagination"
            )
        if not self._paging.total:
            return
        if not self._totals:
            raise ApiResponseError(f"{self._where}: the response has no {'.'.join(self._paging.total)}; see total")
        # Records may be added or deleted while the pages are read.
        if not min(self._totals) <= self._records <= max(self._totals):
            raise ApiResponseError(
                f"{self._where}: the API counts {max(self._totals):,} records and returned {self._records:,}; "
                "see pagination and total"
            )

    def _refuse_repetition(self, records: Sequence[Record]) -> None:
        content = _digest(sorted(map(_digest, records)))
        if content == self._last or (content in self._seen and self._paging.type in _COUNTED):
            which = "the previous page" if content == self._last else "an earlier page"
            raise ApiResponseError(f"{self._where}: page {self._pages} repeats {which}; see pagination")
        self._last = content
        self._seen.add(content)

    def _refuse_gap(self, size: int) -> None:
        """With page numbers, a page that is not full must be the last: the API may have cut it off."""
        if self._paging.type is not PagingType.PAGE or self._paging.total:
            return
        if self._short is not None:
            number, count = self._short
            raise ApiResponseError(
                f"{self._where}: page {number} has {count:,} records instead of {self._size:,}, and page {self._pages} "
                "has more, so records may be missing; request as many per page as the API returns, or declare total"
            )
        self._size = self._size if self._size and self._pages > 1 else max(size, self._size or 0)
        if size < self._size:
            self._short = self._pages, size
        elif size > self._size:
            raise ApiResponseError(
                f"{self._where}: page {self._pages} has {size:,} records and the pages before it {self._size:,}, so "
                "records may be missing; declare total"
            )

    def _note_total(self, document: Any) -> None:
        value = value_at(document, self._paging.total)
        if value is None:
            return
        if not isinstance(value, str | int) or isinstance(value, bool) or not str(value).isdecimal():
            raise ApiResponseError(f"{self._where}: {'.'.join(self._paging.total)} is not a number; see total")
        self._totals.add(int(value))

    def _refuse_endless(self, following: Hashable) -> None:
        request = _digest(following)
        if request in self._requested:
            raise ApiResponseError(f"{self._where}: page {self._pages} links to a page that was already read")
        self._requested.add(request)
        if self._pages >= self._max_pages:
            raise ApiResponseError(
                f"{self._where}: more than {self._max_pages:,} pages; raise max_pages if this is right"
            )


def _requested_size(params: Mapping[str, str]) -> int | None:
    """The number of records per page that the parameters request; None if they do not, or in several ways."""
    sizes = {value for name, value in params.items() if name.lower() in _SIZE_PARAMS and value.isdecimal()}
    return int(sizes.pop()) or None if len(sizes) == 1 else None


def _has_more(document: Any) -> bool:
    """ArcGIS: https://developers.arcgis.com/rest/services-reference/enterprise/query-feature-service-layer/"""
    flags = (
        value_at(document, ("exceededTransferLimit",)),
        value_at(document, ("properties", "exceededTransferLimit")),
    )
    return True in flags


def _digest(value: Any) -> bytes:
    return hashlib.sha256(repr(value).encode("utf-8", "surrogatepass")).digest()
