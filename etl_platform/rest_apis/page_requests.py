"""Which request returns the first page of a resource, and which one the page after a response. No network."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urljoin, urlsplit

from etl_platform.rest_apis.responses import value_at
from etl_platform.rest_apis.source import ApiResource, ApiSource, Pagination, PagingType


@dataclass(frozen=True)
class PageRequest:
    """A GET request; ``params`` are added to the query of ``url``."""

    url: str
    params: Mapping[str, str] = field(default_factory=dict)

    @property
    def identity(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        """Equal for two requests of the same page."""
        return self.url, tuple(sorted(self.params.items()))

    def adding(self, params: Mapping[str, str]) -> "PageRequest":
        return replace(self, params={**self.params, **params})


@dataclass(frozen=True)
class Page:
    """A response, as far as pagination reads it.

    Attributes:
        document: its JSON.
        link: the URL of its Link header with rel="next".
        has_content: False for status 204, No Content.
    """

    document: Any
    link: str | None = None
    has_content: bool = True


def first_request(source: ApiSource, resource: ApiResource, cursor: str | None) -> PageRequest:
    """The request of the first page; ``cursor`` is the value for the parameter of the incremental field."""
    request = PageRequest(source.base_url.rstrip("/") + resource.path, dict(resource.params))
    if resource.incremental and cursor is not None:
        request = request.adding({resource.incremental.param: cursor})
    paging = resource.pagination
    if paging.type is PagingType.PAGE:
        return request.adding({paging.param: str(paging.first)})
    if paging.type is PagingType.OFFSET:
        return request.adding({paging.param: "0", paging.limit_param: str(paging.limit)})
    return request


def next_request(paging: Pagination, request: PageRequest, page: Page, records: int) -> PageRequest | None:
    """The request of the page after ``page``, which ``request`` returned with this many records; None after the last.

    An offset grows by the records that came, because an API may return fewer than the limit and have more. ArcGIS, for
    one, cuts pages off at its maxRecordCount.
    """
    if paging.type in {PagingType.PAGE, PagingType.OFFSET}:
        step = 1 if paging.type is PagingType.PAGE else records
        return request.adding({paging.param: str(int(request.params[paging.param]) + step)}) if records else None
    if paging.type is PagingType.CURSOR:
        cursor = value_at(page.document, paging.next)
        return request.adding({paging.param: cursor}) if cursor else None
    if paging.type is PagingType.LINK:
        link = value_at(page.document, paging.next) if paging.next else page.link
        return _linked(request, link) if link else None
    return None


def _linked(request: PageRequest, link: str) -> PageRequest:
    """The request of a link, which states all parameters itself.

    Raises:
        ValueError: the link is not a URL.
    """
    return PageRequest(link if urlsplit(link).scheme else urljoin(request.url, link))
