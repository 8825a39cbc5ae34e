"""Pages from a real HTTP server: pagination, authentication, faults and invalid answers."""

import json
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from etl_platform.errors import ApiResponseError, TransientError
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
    """All pages; waits are milliseconds instead of seconds."""
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


def test_page_numbers_end_at_an_empty_page(api: ApiServer) -> None:
    api.answer = by_slice("page")

    assert ids(read(api, pagination=PAGED, data=DATA, params={"kind": "x y"})) == ALL

    assert [query["page"] for query in api.queries] == ["1", "2", "3", "4"]
    assert {query["kind"] for query in api.queries} == {"x y"}
    assert {one.path for one in api.asked} == {"/v1/things"}


def test_page_numbers_may_start_at_zero(api: ApiServer) -> None:
    api.answer = by_slice("page", first=0)

    assert ids(read(api, pagination=Pagination(PagingType.PAGE, "page", first=0), data=DATA)) == ALL


def test_offsets_grow_by_the_records_that_came(api: ApiServer) -> None:
    api.answer = by_slice("skip", size=7)
    pagination = Pagination(PagingType.OFFSET, "skip", limit=7, limit_param="take")

    assert ids(read(api, pagination=pagination, data=DATA)) == ALL

    assert [query["skip"] for query in api.queries] == ["0", "7", "14", "21", "25"]
    assert {query["take"] for query in api.queries} == {"7"}


def test_cursors_are_followed_to_the_last(api: ApiServer) -> None:
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


def test_the_incremental_cursor_is_sent_as_its_parameter(api: ApiServer) -> None:
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
def test_the_secret_is_sent_as_declared(
    api: ApiServer, auth: Auth, header: tuple[str, str] | None, query: tuple[str, str] | None
) -> None:
    read(api, auth=auth)

    (asked,) = api.asked
    if header:
        assert asked.headers[header[0]] == header[1]
    if query:
        assert asked.query[query[0]] == query[1]
    sent = f"{asked.headers}{asked.query}"
    assert (SECRET in sent) == bool(header or query) or auth.type is AuthType.BASIC


def test_an_api_without_a_secret_gets_none_from_the_users_netrc(
    api: ApiServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text(f"machine 127.0.0.1 login joe password {SECRET}\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))

    read(api)

    (asked,) = api.asked
    assert "Authorization" not in asked.headers
    assert asked.headers["User-Agent"].startswith("etl-platform/")


def once(fault: Answer, then: Callable[[Asked], Answer], at: int = 2) -> Callable[[Asked], Answer]:
    """Answer one request with the fault and the others with ``then``."""
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
def test_a_page_that_fails_is_requested_again(api: ApiServer, fault: Answer) -> None:
    api.answer = once(fault, by_slice("page"))

    assert ids(read(api, pagination=PAGED, data=DATA)) == ALL, "no record is repeated or missing"

    assert [query["page"] for query in api.queries] == ["1", "2", "2", "3", "4"]


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_respected_in_seconds_and_as_a_date(api: ApiServer, as_date: bool) -> None:
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


def test_a_long_retry_after_is_limited(api: ApiServer) -> None:
    api.answer = once(Answer(status=503, headers={"Retry-After": "86400"}), lambda _: Answer(RECORDS), at=1)
    began = time.monotonic()

    assert ids(read(api)) == ALL

    assert time.monotonic() - began < MAX_WAIT_S


@pytest.mark.parametrize("fault", [Answer(status=500), Answer(BODY, cut=50, reset=True)], ids=["500", "reset"])
def test_an_api_that_keeps_failing_is_a_transient_error(api: ApiServer, fault: Answer) -> None:
    api.answer = lambda _: fault

    with pytest.raises(TransientError, match=f"shop /things: .*in {TRIES} attempts"):
        read(api)

    assert len(api.asked) == TRIES


def test_an_unreachable_api_is_a_transient_error() -> None:
    with api_server() as gone:
        pass
    with pytest.raises(TransientError, match="shop /things: ConnectionError"):
        read(gone)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer(b"{"), "not valid JSON: .* at character 1"),
        (Answer(b"[1, NaN]"), "NaN is not allowed in JSON"),
        (Answer(b"[" * 100_000), "nested too deeply"),
        (Answer(b"\xff\xfe\xff"), "not valid JSON"),
        (Answer(b"null"), "the response has no data; see data_path"),
        (Answer({"rows": []}), "the response has no data; see data_path"),
        (Answer({"data": {"rows": []}}), "the response has no data.items; see data_path"),
        (Answer({"data": {"items": {"a": 1}}}), "at data.items, found an object"),
        (Answer({"data": {"items": None}}), "at data.items, found null"),
        (Answer({"data": {"items": [{"id": 1}, ["x"]]}}), "record 1 of a page is a list"),
        (Answer(status=404), "status 404"),
        (Answer(status=301, headers={"Location": "/elsewhere"}), "status 301: redirects are not followed"),
    ],
)
def test_an_answer_that_does_not_match_the_declaration_is_a_permanent_error(
    api: ApiServer, answer: Answer, message: str
) -> None:
    api.answer = lambda _: answer

    with pytest.raises(ApiResponseError, match=f"shop /things: .*{message}"):
        read(api, data=DATA, pagination=PAGED)


def test_no_value_of_an_answer_is_quoted(api: ApiServer) -> None:
    api.answer = lambda _: Answer({"data": {"items": "Jane Doe, 078-05-1120"}, "Jane Doe": 1})

    with pytest.raises(ApiResponseError) as raised:
        read(api, data=DATA)
    assert "Jane" not in str(raised.value)


def test_a_204_answer_has_no_records(api: ApiServer) -> None:
    api.answer = lambda _: Answer(b"", status=204)

    assert ids(read(api, data=DATA, pagination=PAGED)) == []


def test_a_repeated_page_is_an_error(api: ApiServer) -> None:
    api.answer = lambda asked: by_slice("page")(Asked(1, "", {"page": str(min(int(asked.query["page"]), 2))}, {}))

    with pytest.raises(ApiResponseError, match="page 3 repeats the previous page"):
        read(api, pagination=PAGED, data=DATA)
    assert len(api.asked) == 3


@pytest.mark.parametrize("kind", [PagingType.CURSOR, PagingType.LINK])
def test_a_circular_pagination_is_an_error(api: ApiServer, kind: PagingType) -> None:
    following = {None: "a", "a": "b", "b": "a"}

    def answer(asked: Asked) -> Answer:
        cursor = following[asked.query.get("cursor")]
        link = cursor if kind is PagingType.CURSOR else f"/v1/things?cursor={cursor}"
        return Answer({"items": [{"id": asked.number}], "next": link})

    api.answer = answer

    with pytest.raises(ApiResponseError, match="links to a page that was already read"):
        read(api, pagination=Pagination(kind, "cursor", next=("next",)), data=("items",))
    assert len(api.asked) == 3


def test_more_pages_than_max_pages_are_an_error(api: ApiServer) -> None:
    api.answer = lambda asked: Answer({"items": [], "next": f"c{asked.number}"})

    with pytest.raises(ApiResponseError, match="more than 20 pages; raise max_pages"):
        read(api, pagination=Pagination(PagingType.CURSOR, "c", next=("next",)), data=("items",), max_pages=20)
    assert len(api.asked) == 20


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("in_query", [False, True])
def test_a_refused_secret_is_a_permanent_error_with_its_name_and_not_its_value(
    api: ApiServer, status: int, in_query: bool, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("INFO")
    api.answer = lambda _: Answer({"error": f"bad key {SECRET}"}, status)

    with pytest.raises(ApiResponseError, match=f"status {status}: the API refuses SHOP_TOKEN") as raised:
        read(api, auth=Auth(AuthType.API_KEY, "SHOP_TOKEN", name="key", in_query=in_query))

    assert len(api.asked) == 1, "a permanent error is not retried"
    shown = f"{raised.value!r}{raised.value.__cause__}{caplog.text}{capfd.readouterr()}"
    assert SECRET not in shown


def test_a_connection_error_does_not_show_a_key_in_the_query(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with api_server() as gone:
        pass
    with pytest.raises(TransientError) as raised:
        read(gone, auth=Auth(AuthType.API_KEY, "T", name="key", in_query=True))

    error: BaseException = raised.value
    assert error.__suppress_context__
    assert SECRET not in f"{error!r}{caplog.text}"


@pytest.mark.parametrize("secret", ["two\r\nX-Evil: lines", "日本-token"])
def test_a_secret_that_is_invalid_in_a_header_is_an_error_without_it(api: ApiServer, secret: str) -> None:
    with pytest.raises(ApiResponseError) as raised:
        read(api, secret=secret, auth=Auth(AuthType.API_KEY, "T", name="X-Key"))

    assert secret not in str(raised.value)
    assert api.asked == []


@pytest.mark.parametrize("by", ["redirect", "link", "header"])
def test_the_secret_is_never_sent_to_another_host(api: ApiServer, by: str) -> None:
    with api_server() as other:
        other.answer = lambda _: Answer(RECORDS)
        answers = {
            "redirect": Answer(status=302, headers={"Location": f"{other.url}/v1/things"}),
            "link": Answer({"items": RECORDS, "next": f"{other.url}/v1/things"}),
            "header": Answer({"items": RECORDS}, headers={"Link": f'<{other.url}/v1/things>; rel="next"'}),
        }
        api.answer = lambda _: answers[by]
        pagination = Pagination(PagingType.LINK, next=("next",) if by == "link" else ())

        with pytest.raises(ApiResponseError, match=r"redirect|leads to another host"):
            read(api, auth=Auth(AuthType.BEARER, "T"), data=("items",), pagination=pagination)

        assert other.asked == []


@pytest.mark.parametrize("link", [{"a": 1}, 7, "http://[", "javascript:alert(1)", "https://127.0.0.1:99999999/"])
def test_an_invalid_link_is_a_permanent_error(api: ApiServer, link: Any) -> None:
    api.answer = lambda _: Answer({"items": RECORDS, "next": link})

    with pytest.raises(ApiResponseError):
        read(api, data=("items",), pagination=Pagination(PagingType.LINK, next=("next",)))


def test_a_page_that_is_too_large_is_an_error(api: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("etl_platform.rest_apis.http_api.MAX_PAGE_BYTES", 10_000)
    api.answer = lambda _: Answer(b"[" + b" " * 1_000_000 + b"]")

    with pytest.raises(ApiResponseError, match="a page of more than 10,000 bytes"):
        read(api)


def test_requests_respect_the_rate_limit(api: ApiServer) -> None:
    at: list[float] = []

    def answer(asked: Asked) -> Answer:
        at.append(time.monotonic())
        return once(Answer(status=500), by_slice("page"))(asked)

    read(api)  # The first read imports a lot.
    api.asked.clear()
    api.answer = answer
    began = time.monotonic()

    assert ids(read(api, pagination=PAGED, data=DATA, requests_per_second=10)) == ALL

    assert len(at) == 5, "failed attempts count, too"
    # Measure from before the first request, because it may arrive late.
    assert at[-1] - began >= 0.4


def test_numbers_keep_their_digits(api: ApiServer) -> None:
    api.answer = lambda _: Answer(b'[{"id": 12345678901234567890.10, "big": 9007199254740993}]')

    ((record,),) = read(api)

    assert (record["id"], record["big"]) == ("12345678901234567890.10", "9007199254740993")
