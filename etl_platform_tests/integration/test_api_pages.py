"""Every record exactly once, or an error: servers that cut pages off, ignore parameters, or count their records."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_platform.errors import ApiResponseError
from etl_platform.rest_apis.http_api import HttpApi
from etl_platform.rest_apis.source import ApiResource, ApiSource, Pagination, PagingType
from etl_platform_tests.integration.api_server import Answer, ApiServer, Asked, api_server
from etl_platform_tests.unit.making import contract_of, text

THINGS = contract_of([text("id", primaryKey=True)])


@pytest.fixture(scope="module")
def api() -> Iterator[ApiServer]:
    with pytest.MonkeyPatch.context() as environment, api_server() as server:
        environment.setenv("NO_PROXY", "127.0.0.1")
        yield server


def read(api: ApiServer, pagination: Pagination, answer: Callable[[Asked], Any], **params: str) -> list[str]:
    api.asked.clear()
    api.answer = lambda asked: Answer(answer(asked))
    resource = ApiResource(THINGS, "/things", params, ("features",), pagination)
    source = ApiSource("a.yaml", "shop", "nm_albuquerque", api.url, (resource,), max_pages=60)
    pages = HttpApi(lambda _: "", max_wait_s=0.01).pages(source, resource)
    return [record["id"] for page in pages for record in page]


def records(first: int, last: int) -> list[dict[str, str]]:
    return [{"id": str(number)} for number in range(max(first, 0), max(first, last))]


def ids(count: int) -> list[str]:
    return [str(number) for number in range(count)]


OFFSETS = Pagination(PagingType.OFFSET, "resultOffset", limit=100, limit_param="resultRecordCount")
PAGES = Pagination(PagingType.PAGE, "page")


@settings(max_examples=40, deadline=None)
@given(total=st.integers(0, 230), cap=st.integers(10, 120), limit=st.integers(10, 120))
def test_an_api_that_cuts_pages_off_loses_no_record_with_offsets(
    api: ApiServer, total: int, cap: int, limit: int
) -> None:
    def answer(asked: Asked) -> Any:
        start = int(asked.query["resultOffset"])
        end = min(total, start + min(cap, int(asked.query["resultRecordCount"])))
        return {"features": records(start, end), "exceededTransferLimit": end < total}

    pagination = Pagination(PagingType.OFFSET, "resultOffset", limit=limit, limit_param="resultRecordCount")
    assert read(api, pagination, answer) == ids(total)


@settings(max_examples=60, deadline=None)
@given(
    total=st.integers(0, 230),
    cap=st.integers(10, 120),
    size=st.integers(10, 120),
    counted=st.booleans(),
    keeps_places=st.booleans(),
)
def test_an_api_that_cuts_pages_off_loses_no_record_with_page_numbers(
    api: ApiServer, total: int, cap: int, size: int, counted: bool, keeps_places: bool
) -> None:
    """``keeps_places``: page 2 begins after the requested size, whatever page 1 had; the records between are lost."""

    def answer(asked: Asked) -> Any:
        wanted = int(asked.query["per_page"])
        start = (int(asked.query["page"]) - 1) * (wanted if keeps_places else min(cap, wanted))
        return {"features": records(start, min(total, start + min(cap, wanted))), "count": total}

    pagination = Pagination(PagingType.PAGE, "page", total=("count",) if counted else ())
    try:
        found = read(api, pagination, answer, per_page=str(size))
    except ApiResponseError:
        assert cap < size
        assert total > cap
        assert keeps_places or not counted
    else:
        assert found == ids(total) or (not counted and total <= size)


@settings(max_examples=60, deadline=None)
@given(sizes=st.lists(st.integers(0, 12), min_size=1, max_size=6), kind=st.sampled_from([OFFSETS, PAGES]))
def test_pages_of_any_sizes_give_every_record_once_or_an_error(
    api: ApiServer, sizes: list[int], kind: Pagination
) -> None:
    """With page numbers, only the last page may be smaller. A page of no record ends the pages."""

    def answer(asked: Asked) -> Any:
        if kind is PAGES:
            place = int(asked.query["page"]) - 1
            start = sum(sizes[:place])
        else:
            start = int(asked.query["resultOffset"])
            place = next((n for n in range(len(sizes)) if sum(sizes[: n + 1]) > start), len(sizes))
        size = sizes[place] if place < len(sizes) else 0
        return {"features": records(start, start + size)}

    sent = sizes[: sizes.index(0)] if 0 in sizes and kind is PAGES else sizes
    try:
        assert read(api, kind, answer) == ids(sum(sent))
        assert kind is OFFSETS or all(size == sent[0] for size in sent[:-1])
        assert kind is OFFSETS or not sent or sent[-1] <= sent[0]
    except ApiResponseError:
        assert kind is PAGES
        assert len({*sent[:-1]}) > 1 or sent[-1] > sent[0]


@pytest.mark.parametrize("pagination", [OFFSETS, PAGES], ids=str)
def test_an_api_that_ignores_the_parameter_is_an_error(api: ApiServer, pagination: Pagination) -> None:
    with pytest.raises(ApiResponseError, match="page 2 repeats the previous page; see pagination"):
        read(api, pagination, lambda _: {"features": records(0, 7)})
    assert len(api.asked) == 2


@pytest.mark.parametrize("pagination", [OFFSETS, PAGES], ids=str)
def test_pages_that_come_again_in_another_order_are_an_error(api: ApiServer, pagination: Pagination) -> None:
    def answer(asked: Asked) -> Any:
        page = records(0, 5) if asked.number % 2 else records(5, 10)
        return {"features": page[::-1] if asked.number > 2 else page}

    with pytest.raises(ApiResponseError, match="page 3 repeats an earlier page"):
        read(api, pagination, answer)


def test_offsets_beyond_the_end_that_give_the_last_page_again_are_an_error(api: ApiServer) -> None:
    def answer(asked: Asked) -> Any:
        start = min(int(asked.query["resultOffset"]), 15)
        return {"features": records(start, min(start + 10, 25))}

    with pytest.raises(ApiResponseError, match="repeats"):
        read(api, OFFSETS, answer)


@pytest.mark.parametrize("kind", [PagingType.NONE, PagingType.PAGE, PagingType.OFFSET])
@pytest.mark.parametrize(
    ("counted", "says"), [(25, None), (26, "counts 26 records and returned 25"), (24, "counts 24")]
)
def test_a_declared_total_is_compared(api: ApiServer, kind: PagingType, counted: int, says: str | None) -> None:
    def answer(asked: Asked) -> Any:
        start = int(asked.query.get("start", "0"))
        start = (start - 1) * 25 if kind is PagingType.PAGE else start
        return {"features": records(start, 25), "meta": {"total": counted}}

    pagination = Pagination(kind, "start", total=("meta", "total"))
    if says is None:
        assert read(api, pagination, answer) == ids(25)
    else:
        with pytest.raises(ApiResponseError, match=says):
            read(api, pagination, answer)


def test_a_total_that_changes_while_pages_are_read_may_be_any_between(api: ApiServer) -> None:
    def answer(asked: Asked) -> Any:
        start = int(asked.query["resultOffset"])
        return {"features": records(start, min(start + 10, 21)), "total": 20 + asked.number}

    assert read(api, Pagination(PagingType.OFFSET, "resultOffset", total=("total",)), answer) == ids(21)


@pytest.mark.parametrize("total", [None, "many", -1, 1.5, True, [3]])
def test_a_total_that_is_no_number_is_an_error(api: ApiServer, total: Any) -> None:
    with pytest.raises(ApiResponseError, match=r"(no meta.total|meta.total is not a number); see total"):
        read(api, Pagination(total=("meta", "total")), lambda _: {"features": records(0, 3), "meta": {"total": total}})


@pytest.mark.parametrize("place", [{"exceededTransferLimit": True}, {"properties": {"exceededTransferLimit": True}}])
def test_an_api_that_says_it_has_more_is_an_error_without_pagination(api: ApiServer, place: dict[str, Any]) -> None:
    with pytest.raises(ApiResponseError, match="the last page has exceededTransferLimit"):
        read(api, Pagination(), lambda _: {"features": records(0, 3), **place})


def test_a_short_page_is_no_error_where_the_total_is_declared(api: ApiServer) -> None:
    parts = {1: (0, 10), 2: (10, 13), 3: (13, 23)}

    def answer(asked: Asked) -> Any:
        return {"features": records(*parts.get(int(asked.query["page"]), (0, 0))), "total": 23}

    assert read(api, Pagination(PagingType.PAGE, "page", total=("total",)), answer) == ids(23)
    with pytest.raises(ApiResponseError, match="page 2 has 3 records instead of 10, and page 3 has more"):
        read(api, PAGES, answer)


def test_a_declared_size_is_what_a_full_page_has(api: ApiServer) -> None:
    def answer(asked: Asked) -> Any:
        start = (int(asked.query["page"]) - 1) * 10
        return {"features": records(start, min(start + 10, 25))}

    with pytest.raises(ApiResponseError, match="page 1 has 10 records instead of 50, and page 2 has more"):
        read(api, PAGES, answer, per_page="50")
    assert read(api, Pagination(PagingType.PAGE, "page", size=10), answer, per_page="50") == ids(25)
