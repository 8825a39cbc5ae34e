"""Pages from a real HTTP server that misbehaves in every way that APIs do."""

import json
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from typing import Any

import pytest

from etl_platform.errors import ApiAnswerError, TransientError
from etl_platform.rest_apis.http_api import MAX_WAIT_S, TRIES, HttpApi
from etl_platform.rest_apis.source import (
    ApiResource,
    ApiSource,
    Auth,
    AuthType,
    Incremental,
    Pagination,
    PagingType,
)
from etl_platform_tests.integration.api_server import Answer, ApiServer, Asked, api_server
from etl_platform_tests.unit.making import contract_of, text

THINGS = contract_of([text("id", primaryKey=True), text("name")])
SECRET = "s3cr3t-of-the-api"
RECORDS = [{"id": str(number), "name": f"thing {number}"} for number in range(25)]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with api_server() as server:
        yield server


def read(api: ApiServer, *, secret: str = SECRET, cursor: str | None = None, **more: Any) -> list[list[Any]]:
    """All pages, with waits of a few milliseconds instead of seconds."""
    of_source = {name: more.pop(name) for name in ("auth", "max_pages", "requests_per_second") if name in more}
    resource = ApiResource(THINGS, more.pop("path", "/things"), **more)
    source = ApiSource("a.yaml", "shop", "nm_albuquerque", f"{api.url}/v1", (resource,), **of_source)
    return list(HttpApi(lambda _name: secret, max_wait_s=0.01).pages(source, resource, cursor))


def by_slice(parameter: str, *, size: int = 10, first: int = 1) -> Callable[[Asked], Answer]:
    def answer(asked: Asked) -> Answer:
        value = int(asked.query[parameter])
        start = (value - first) * size if parameter == "page" else value
        return Answer({"data": {"items": RECORDS[start : start + size]}})

    return answer


def ids(pages: list[list[Any]]) -> list[str]:
    return [record["id"] for page in pages for record in page]


ALL = [record["id"] for record in RECORDS]
PAGED = Pagination(PagingType.PAGE, "page")
DATA = ("data", "items")


def test_pages_are_counted_from_the_first_to_an_empty_one(api: ApiServer) -> None:
    api.answer = by_slice("page")

    assert ids(read(api, pagination=PAGED, data=DATA, params={"kind": "x y"})) == ALL

    assert [query["page"] for query in api.queries] == ["1", "2", "3", "4"]
    assert {query["kind"] for query in api.queries} == {"x y"}
    assert {one.path for one in api.asked} == {"/v1/things"}


def test_pages_may_be_counted_from_zero(api: ApiServer) -> None:
    api.answer = by_slice("page", first=0)

    assert ids(read(api, pagination=Pagination(PagingType.PAGE, "page", first=0), data=DATA)) == ALL


def test_offsets_go_by_the_limit(api: ApiServer) -> None:
    api.answer = by_slice("skip", size=7)
    pagination = Pagination(PagingType.OFFSET, "skip", limit=7, limit_param="take")

    assert ids(read(api, pagination=pagination, data=DATA)) == ALL

    assert [query["skip"] for query in api.queries] == ["0", "7", "14", "21", "28"]
    assert {query["take"] for query in api.queries} == {"7"}


def test_cursors_are_followed_until_there_is_none(api: ApiServer) -> None:
    def answer(asked: Asked) -> Answer:
        start = int(asked.query.get("after", "c0")[1:])
        following = f"c{start + 10}" if start + 10 < len(RECORDS) else None
        return Answer({"items": RECORDS[start : start + 10], "meta": {"@next.key": following}})

    api.answer = answer
    pagination = Pagination(PagingType.CURSOR, "after", next=("meta", "@next.key"))

    assert ids(read(api, pagination=pagination, data=("items",))) == ALL
    assert [query.get("after") for query in api.queries] == [None, "c10", "c20"]


@pytest.mark.parametrize("in_body", [False, True])
def test_links_are_followed_relative_or_absolute(api: ApiServer, in_body: bool) -> None:
    def answer(asked: Asked) -> Answer:
        start = int(asked.query.get("from", "0"))
        link = {0: "/v1/things?from=10&kind=x", 10: f"{api.url}/v1/things?from=20&kind=x"}.get(start)
        headers = {"Link": f'<{link}>; rel="next", </v1/things>; rel="first"'} if link and not in_body else {}
        body = {"items": RECORDS[start : start + 10], "next": link} if in_body else RECORDS[start : start + 10]
        return Answer(body, headers=headers)

    api.answer = answer
    pagination = Pagination(PagingType.LINK, next=("next",) if in_body else ())

    assert ids(read(api, pagination=pagination, data=("items",) if in_body else (), params={"kind": "x"})) == ALL
    assert [query["kind"] for query in api.queries] == ["x", "x", "x"]


def test_a_cursor_of_the_incremental_field_goes_into_its_parameter(api: ApiServer) -> None:
    read(api, incremental=Incremental("updated_at", "since"), cursor="2026-01-01T00:00:00+02:00")
    read(api, incremental=Incremental("updated_at", "since"))

    assert [query.get("since") for query in api.queries] == ["2026-01-01T00:00:00+02:00", None]


@pytest.mark.parametrize(
    ("auth", "header", "query"),
    [
        (Auth(AuthType.BEARER, "T"), ("Authorization", f"Bearer {SECRET}"), None),
        (Auth(AuthType.API_KEY, "T", name="X-Api-Key"), ("X-Api-Key", SECRET), None),
        (Auth(AuthType.API_KEY, "T", name="key", in_query=True), None, ("key", SECRET)),
        (Auth(AuthType.BASIC, "T", "joe"), ("Authorization", "Basic am9lOnMzY3IzdC1vZi10aGUtYXBp"), None),
        (Auth(), None, None),
    ],
)
def test_the_secret_stands_where_the_api_wants_it(
    api: ApiServer, auth: Auth, header: tuple[str, str] | None, query: tuple[str, str] | None
) -> None:
    read(api, auth=auth)

    (asked,) = api.asked
    if header:
        assert asked.headers[header[0]] == header[1]
    if query:
        assert asked.query[query[0]] == query[1]
    told = f"{asked.headers}{asked.query}"
    assert (SECRET in told) == bool(header or query) or auth.type is AuthType.BASIC


def once(fault: Answer, then: Callable[[Asked], Answer], at: int = 2) -> Callable[[Asked], Answer]:
    """The fault at one request, good answers otherwise."""
    return lambda asked: fault if asked.number == at else then(asked)


BODY = json.dumps({"data": {"items": RECORDS}}).encode()


@pytest.mark.parametrize(
    "fault",
    [
        Answer({"error": "later"}, 500),
        Answer({"error": "later"}, 503),
        Answer({"error": "slow down"}, 429),
        Answer(BODY, cut=100),
        Answer(BODY, cut=100, reset=True),
        Answer(BODY, cut=0, reset=True),
        Answer(BODY, cut=100, chunked=True),
        Answer(b"<html>Please wait</html>"),
        Answer(BODY[:-1]),
    ],
    ids=["500", "503", "429", "truncated", "reset", "reset-at-once", "chunk-cut", "html", "half-json"],
)
def test_a_page_that_fails_in_mid_stream_is_asked_for_once_more(api: ApiServer, fault: Answer) -> None:
    api.answer = once(fault, by_slice("page"))

    assert ids(read(api, pagination=PAGED, data=DATA)) == ALL, "nothing twice, nothing left out"

    assert [query["page"] for query in api.queries] == ["1", "2", "2", "3", "4"]


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_waited_for_in_seconds_and_as_a_date(api: ApiServer, as_date: bool) -> None:
    at: list[float] = []

    def answer(asked: Asked) -> Answer:
        at.append(time.time())
        after = formatdate(time.time() + 2, usegmt=True) if as_date else "1"
        return Answer(status=429, headers={"Retry-After": after}) if asked.number == 1 else Answer(RECORDS)

    api.answer = answer
    resource = ApiResource(THINGS, "/things")
    source = ApiSource("a.yaml", "shop", "x", api.url, (resource,))

    assert ids(list(HttpApi(str).pages(source, resource))) == ALL

    # A date has whole seconds.
    assert at[1] - at[0] >= 0.95
    assert at[1] - at[0] < MAX_WAIT_S / 2


def test_a_retry_after_of_a_day_does_not_hold_a_run_for_a_day(api: ApiServer) -> None:
    api.answer = once(Answer(status=503, headers={"Retry-After": "86400"}), lambda _: Answer(RECORDS), at=1)
    began = time.monotonic()

    assert ids(read(api)) == ALL

    assert time.monotonic() - began < MAX_WAIT_S


@pytest.mark.parametrize("fault", [Answer(status=500), Answer(BODY, cut=50, reset=True)], ids=["500", "reset"])
def test_an_api_that_stays_down_is_a_passing_error_after_some_tries(api: ApiServer, fault: Answer) -> None:
    api.answer = lambda _: fault

    with pytest.raises(TransientError, match=f"shop /things: .*{TRIES} times"):
        read(api)

    assert len(api.asked) == TRIES


def test_an_api_that_is_not_there_is_a_passing_error() -> None:
    with api_server() as gone:
        pass
    with pytest.raises(TransientError, match="shop /things: ConnectionError"):
        read(gone)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Answer(b"{"), "no JSON: .* at character 1"),
        (Answer(b"[1, NaN]"), "NaN is no JSON"),
        (Answer(b"[" * 100_000), "nested too deeply"),
        (Answer(b"\xff\xfe\xff"), "no JSON"),
        (Answer(b"null"), "the answer has no data, see data_path"),
        (Answer({"rows": []}), "the answer has no data, see data_path"),
        (Answer({"data": {"rows": []}}), "the answer has no data.items, see data_path"),
        (Answer({"data": {"items": {"a": 1}}}), "expected at data.items, not an object"),
        (Answer({"data": {"items": None}}), "expected at data.items, not null"),
        (Answer({"data": {"items": [{"id": 1}, ["x"]]}}), "record 1 of a page is a list"),
        (Answer(status=404), "status 404"),
        (Answer(status=301, headers={"Location": "/elsewhere"}), "status 301: a redirect"),
    ],
)
def test_an_answer_that_was_not_declared_is_a_lasting_error(api: ApiServer, answer: Answer, says: str) -> None:
    api.answer = lambda _: answer

    with pytest.raises(ApiAnswerError, match=f"shop /things: .*{says}"):
        read(api, data=DATA, pagination=PAGED)


def test_no_value_of_an_answer_is_quoted(api: ApiServer) -> None:
    api.answer = lambda _: Answer({"data": {"items": "Jane Doe, 078-05-1120"}, "Jane Doe": 1})

    with pytest.raises(ApiAnswerError) as raised:
        read(api, data=DATA)
    assert "Jane" not in str(raised.value)


def test_an_answer_without_content_has_no_records(api: ApiServer) -> None:
    api.answer = lambda _: Answer(b"", status=204)

    assert ids(read(api, data=DATA, pagination=PAGED)) == []


def test_a_page_that_comes_again_is_an_error_and_no_endless_loop(api: ApiServer) -> None:
    api.answer = lambda asked: by_slice("page")(Asked(1, "", {"page": str(min(int(asked.query["page"]), 2))}, {}))

    with pytest.raises(ApiAnswerError, match="page 3 is the page before it once more"):
        read(api, pagination=PAGED, data=DATA)
    assert len(api.asked) == 3


@pytest.mark.parametrize("kind", [PagingType.CURSOR, PagingType.LINK])
def test_a_pagination_that_runs_in_a_circle_ends_with_an_error(api: ApiServer, kind: PagingType) -> None:
    following = {None: "a", "a": "b", "b": "a"}

    def answer(asked: Asked) -> Answer:
        cursor = following[asked.query.get("cursor")]
        link = cursor if kind is PagingType.CURSOR else f"/v1/things?cursor={cursor}"
        return Answer({"items": [{"id": asked.number}], "next": link})

    api.answer = answer

    with pytest.raises(ApiAnswerError, match="leads back to a page that was read already"):
        read(api, pagination=Pagination(kind, "cursor", next=("next",)), data=("items",))
    assert len(api.asked) == 3


def test_a_cursor_that_never_ends_is_an_error_after_max_pages(api: ApiServer) -> None:
    api.answer = lambda asked: Answer({"items": [], "next": f"c{asked.number}"})

    with pytest.raises(ApiAnswerError, match="more than max_pages, 20"):
        read(api, pagination=Pagination(PagingType.CURSOR, "c", next=("next",)), data=("items",), max_pages=20)
    assert len(api.asked) == 20


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("in_query", [False, True])
def test_a_refused_secret_is_a_lasting_error_that_names_it_and_does_not_show_it(
    api: ApiServer, status: int, in_query: bool, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("INFO")
    api.answer = lambda _: Answer({"error": f"bad key {SECRET}"}, status)

    with pytest.raises(ApiAnswerError, match=f"status {status}: the API refuses SHOP_TOKEN") as raised:
        read(api, auth=Auth(AuthType.API_KEY, "SHOP_TOKEN", name="key", in_query=in_query))

    assert len(api.asked) == 1, "a lasting error is not tried again"
    shown = f"{raised.value!r}{raised.value.__cause__}{caplog.text}{capfd.readouterr()}"
    assert SECRET not in shown


def test_a_key_in_the_query_is_in_no_message_of_a_broken_connection(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with api_server() as gone:
        pass
    with pytest.raises(TransientError) as raised:
        read(gone, auth=Auth(AuthType.API_KEY, "T", name="key", in_query=True))

    error: BaseException = raised.value
    assert error.__suppress_context__
    assert SECRET not in f"{error!r}{caplog.text}"


@pytest.mark.parametrize("secret", ["two\r\nX-Evil: lines", "日本-token"])
def test_a_secret_that_no_header_can_carry_is_an_error_without_it(api: ApiServer, secret: str) -> None:
    with pytest.raises(ApiAnswerError) as raised:
        read(api, secret=secret, auth=Auth(AuthType.API_KEY, "T", name="X-Key"))

    assert secret not in str(raised.value)
    assert api.asked == []


@pytest.mark.parametrize("by", ["redirect", "link", "header"])
def test_the_secret_never_goes_to_another_host(api: ApiServer, by: str) -> None:
    with api_server() as other:
        other.answer = lambda _: Answer(RECORDS)
        answers = {
            "redirect": Answer(status=302, headers={"Location": f"{other.url}/v1/things"}),
            "link": Answer({"items": RECORDS, "next": f"{other.url}/v1/things"}),
            "header": Answer({"items": RECORDS}, headers={"Link": f'<{other.url}/v1/things>; rel="next"'}),
        }
        api.answer = lambda _: answers[by]
        pagination = Pagination(PagingType.LINK, next=("next",) if by == "link" else ())

        with pytest.raises(ApiAnswerError, match=r"redirect|leads to another host"):
            read(api, auth=Auth(AuthType.BEARER, "T"), data=("items",), pagination=pagination)

        assert other.asked == []


@pytest.mark.parametrize("link", [{"a": 1}, 7, "http://[", "javascript:alert(1)", "https://127.0.0.1:99999999/"])
def test_a_link_that_is_none_is_a_lasting_error(api: ApiServer, link: Any) -> None:
    api.answer = lambda _: Answer({"items": RECORDS, "next": link})

    with pytest.raises(ApiAnswerError):
        read(api, data=("items",), pagination=Pagination(PagingType.LINK, next=("next",)))


def test_a_page_without_end_is_an_error_and_not_read_into_memory(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etl_platform.rest_apis.http_api.MAX_PAGE_BYTES", 10_000)
    api.answer = lambda _: Answer(b"[" + b" " * 1_000_000 + b"]")

    with pytest.raises(ApiAnswerError, match="a page of more than 10,000 bytes"):
        read(api)


def test_requests_are_not_faster_than_the_rate_limit(api: ApiServer) -> None:
    at: list[float] = []

    def answer(asked: Asked) -> Answer:
        at.append(time.monotonic())
        return once(Answer(status=500), by_slice("page"))(asked)

    read(api)  # The first read imports a lot.
    api.asked.clear()
    api.answer = answer
    began = time.monotonic()

    assert ids(read(api, pagination=PAGED, data=DATA, requests_per_second=10)) == ALL

    assert len(at) == 5, "a try that fails counts as well"
    # Not from the first one's arrival: it may have been long on its way.
    assert at[-1] - began >= 0.4


def test_numbers_keep_the_digits_they_came_with(api: ApiServer) -> None:
    api.answer = lambda _: Answer(b'[{"id": 12345678901234567890.10, "big": 9007199254740993}]')

    ((record,),) = read(api)

    assert (record["id"], record["big"]) == ("12345678901234567890.10", "9007199254740993")
