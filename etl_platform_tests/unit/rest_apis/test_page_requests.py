"""Which request comes after a page, for what a real server in the integration tests does not return."""

from typing import Any

import pytest

from etl_platform.rest_apis.page_requests import Page, PageRequest, first_request, next_request
from etl_platform.rest_apis.source import ApiResource, ApiSource, Pagination, PagingType
from etl_platform_tests.unit.making import contract_of, text

REQUEST = PageRequest("https://api.example.com/v1/things", {"kind": "x"})
BY_CURSOR = Pagination(PagingType.CURSOR, "after", next=("meta", "next"))
BY_LINK = Pagination(PagingType.LINK, next=("meta", "next"))
BY_HEADER = Pagination(PagingType.LINK)


@pytest.mark.parametrize("paging", [BY_CURSOR, BY_LINK])
@pytest.mark.parametrize(
    "document", [{}, {"meta": {}}, {"meta": None}, {"meta": {"next": None}}, {"meta": {"next": ""}}, [], None]
)
def test_a_response_without_a_cursor_or_link_is_the_last_page(paging: Pagination, document: Any) -> None:
    assert next_request(paging, REQUEST, Page(document), 10) is None


@pytest.mark.parametrize(
    ("link", "url"),
    [
        ("/v1/things?from=10", "https://api.example.com/v1/things?from=10"),
        ("?from=10", "https://api.example.com/v1/things?from=10"),
        ("https://api.example.com/v2?from=10", "https://api.example.com/v2?from=10"),
        ("//elsewhere.example.com/v1", "https://elsewhere.example.com/v1"),
    ],
)
def test_a_link_states_all_parameters_itself(link: str, url: str) -> None:
    assert next_request(BY_LINK, REQUEST, Page({"meta": {"next": link}}), 10) == PageRequest(url)
    assert next_request(BY_HEADER, REQUEST, Page([], link), 10) == PageRequest(url)


def test_parameters_of_the_first_request_stay_with_page_numbers_offsets_and_cursors() -> None:
    for paging in (Pagination(PagingType.PAGE, "self"), Pagination(PagingType.OFFSET, "self"), BY_CURSOR):
        resource = ApiResource(contract_of([text("id")]), "/things", {"kind": "x"}, pagination=paging)
        first = first_request(
            ApiSource("a.yaml", "shop", "x", "https://api.example.com/v1", (resource,)), resource, None
        )
        following = next_request(paging, first, Page({"meta": {"next": "c"}}), 10)
        assert following is not None
        assert following.params["kind"] == "x"
        assert following.identity != first.identity


def test_the_only_page_of_a_resource_has_no_next() -> None:
    assert next_request(Pagination(), REQUEST, Page([{"id": 1}], "/v1/things?from=10"), 1) is None
