"""REST APIs over HTTP: one resource's pages, by dlt's REST client. No files, no state.

dlt gives pagination, authentication and retries that honour Retry-After. What is added here are limits: one origin,
a pace, a size, an end, and answers that are what was declared.

https://dlthub.com/docs/general-usage/http/rest-client
"""

import hashlib
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from etl_platform.engine.errors import EtlPlatformError
from etl_platform.errors import ApiAnswerError, TransientError
from etl_platform.rest_apis.records import load_json
from etl_platform.rest_apis.source import ApiResource, ApiSource, Auth, AuthType, Keys, Pagination, PagingType

if TYPE_CHECKING:
    from dlt.sources.helpers.rest_client.paginators import BasePaginator
    from requests import PreparedRequest, Response
    from requests.adapters import HTTPAdapter
    from requests.auth import AuthBase

Record = dict[str, Any]

MAX_PAGE_BYTES = 32 << 20
"""As JSON; in memory it is several times as much."""
TRIES = 6
MAX_WAIT_S = 120
"""What Retry-After may ask for at most; an API that wants a longer rest gets the next run."""

_FIRST_WAIT_S = 1
_BLOCK = 1 << 16
_COME_AGAIN = frozenset({408, 425, 429, *range(500, 600)})
_NO_CONTENT = 204


class HttpApi:
    """Reads declared APIs.

    Args:
        secret_of: the value of a secret by its name; asked once per resource, so that it may change between runs.
        max_wait_s: the longest wait between two tries.
    """

    def __init__(self, secret_of: Callable[[str], str], max_wait_s: float = MAX_WAIT_S) -> None:
        self._secret_of, self._max_wait_s = secret_of, max_wait_s

    def pages(self, source: ApiSource, resource: ApiResource, cursor: str | None = None) -> Generator[list[Record]]:
        """Every page's records, in the API's order; a page is yielded once it came as a whole.

        Args:
            cursor: for the parameter of the incremental field; it is left out where there is none.

        Raises:
            ApiAnswerError: the API refuses, or answers something other than what was declared.
            SettingsError: the secret is not set.
            TransientError: the API cannot be reached, or failed at every try.
        """
        where = f"{source.name} {resource.path}"
        secret = self._secret_of(source.auth.secret) if source.auth.secret else ""
        params = dict(resource.params)
        if resource.incremental and cursor is not None:
            params[resource.incremental.param] = cursor
        with _errors(where), closing(_client(source, resource, where, secret, self._max_wait_s)) as client:
            pages = client.paginate(
                resource.path,
                params=params,
                paginator=_paginator(resource.pagination),
                hooks={"response": [partial(_read, where, source.auth.secret)]},
                allow_redirects=False,
                stream=True,
            )
            circle = _Circle(where, source.max_pages)
            for page in pages:
                circle.refuse(page)
                yield list(page)


class _Circle:
    """Notices a pagination that does not come to an end."""

    def __init__(self, where: str, max_pages: int) -> None:
        self._where, self._max_pages = where, max_pages
        self._asked: set[bytes] = set()
        self._last = b""
        self._pages = 0

    def refuse(self, page: Any) -> None:
        """Raise ApiAnswerError if this page is the one before, or the next one was asked for already."""
        self._pages += 1
        content = _digest(list(page)) if page else b""
        if content and content == self._last:
            raise ApiAnswerError(f"{self._where}: page {self._pages} is the page before it once more")
        self._last = content
        if not page.paginator.has_next_page:
            return
        following = _digest((page.request.url, sorted((page.request.params or {}).items())))
        if following in self._asked:
            raise ApiAnswerError(f"{self._where}: page {self._pages} leads back to a page that was read already")
        self._asked.add(following)
        if self._pages >= self._max_pages:
            raise ApiAnswerError(f"{self._where}: more than max_pages, {self._max_pages:,}")


def _digest(value: Any) -> bytes:
    return hashlib.sha256(repr(value).encode("utf-8", "surrogatepass")).digest()


def _client(source: ApiSource, resource: ApiResource, where: str, secret: str, max_wait_s: float) -> Any:
    from dlt.common.configuration.specs import RuntimeConfiguration
    from dlt.sources.helpers.requests.retry import DEFAULT_RETRY_EXCEPTIONS, Client
    from dlt.sources.helpers.rest_client.client import RESTClient
    from requests.exceptions import InvalidJSONError

    class Declared(RESTClient):
        """dlt takes what it finds; here an answer without the declared list is an error."""

        def extract_response(self, response: "Response", data_selector: Any) -> list[Any]:
            if response.status_code == _NO_CONTENT:
                return []
            return _records(where, resource, response.json())

        def close(self) -> None:
            self.session.close()

    session = Client(
        request_timeout=source.timeout_s,
        raise_for_status=False,
        # A gateway's page in place of an answer is as passing as its 502.
        exceptions=(*DEFAULT_RETRY_EXCEPTIONS, InvalidJSONError),
        status_codes=tuple(_COME_AGAIN),
        request_max_attempts=TRIES,
        request_backoff_factor=_FIRST_WAIT_S,
        request_max_retry_delay=max_wait_s,
    ).session
    transport = _transport(source)
    session.mount("https://", transport)
    session.mount("http://", transport)
    return Declared(
        source.base_url,
        headers={"Accept": "application/json"},
        auth=_auth(source.auth, secret),
        session=session,
        # Given, because dlt would otherwise look for it in the environment and in files.
        config=RuntimeConfiguration(),
        data_selector="$",
    )


def _transport(source: ApiSource) -> "HTTPAdapter":
    """What every try goes through: no other origin, whatever a link says, and not faster than declared."""
    from requests.adapters import HTTPAdapter

    origin = _origin(source.base_url)
    pause_s = 1 / source.requests_per_second if source.requests_per_second else 0.0
    lock = threading.Lock()
    next_at = time.monotonic()

    class Transport(HTTPAdapter):
        def send(self, request: "PreparedRequest", *args: Any, **kwargs: Any) -> "Response":
            nonlocal next_at
            if _origin(request.url or "") != origin:
                raise ApiAnswerError(f"{source.name} leads to another host; the secret is for {source.base_url} only")
            with lock:
                wait_s = next_at - time.monotonic()
                if wait_s > 0:
                    time.sleep(wait_s)
                next_at = time.monotonic() + pause_s
            return super().send(request, *args, **kwargs)

    return Transport()


def _origin(url: str) -> tuple[str, str | None, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


def _auth(auth: Auth, secret: str) -> "AuthBase | None":
    from dlt.sources.helpers.rest_client.auth import APIKeyAuth, BearerTokenAuth, HttpBasicAuth

    if auth.type is AuthType.BEARER:
        return BearerTokenAuth(token=secret)
    if auth.type is AuthType.API_KEY:
        return APIKeyAuth(name=auth.name, api_key=secret, location="query" if auth.in_query else "header")
    if auth.type is AuthType.BASIC:
        return HttpBasicAuth(username=auth.username or "", password=secret)
    return None


def _paginator(pagination: Pagination) -> "BasePaginator":
    from dlt.sources.helpers.rest_client import paginators as dlt_paginators

    if pagination.type is PagingType.PAGE:
        return dlt_paginators.PageNumberPaginator(pagination.first, page_param=pagination.param, total_path=None)
    if pagination.type is PagingType.OFFSET:
        return dlt_paginators.OffsetPaginator(
            pagination.limit, offset_param=pagination.param, limit_param=pagination.limit_param, total_path=None
        )
    path = "$" + "".join(f"['{key}']" for key in pagination.next)
    if pagination.type is PagingType.CURSOR:
        return dlt_paginators.JSONResponseCursorPaginator(path, cursor_param=pagination.param)
    if pagination.type is PagingType.LINK:
        return dlt_paginators.JSONLinkPaginator(path) if pagination.next else dlt_paginators.HeaderLinkPaginator()
    return dlt_paginators.SinglePagePaginator()


def _read(where: str, secret: str | None, response: "Response", *_args: Any, **_kwargs: Any) -> None:
    """Take the body in, bounded, and judge the answer; run for every try, so that what it raises may be retried."""
    from requests.exceptions import HTTPError, InvalidJSONError

    status = response.status_code
    if status in _COME_AGAIN:
        response.close()
        raise HTTPError(f"status {status}", response=response)
    if not 200 <= status < 300:
        response.close()
        raise ApiAnswerError(f"{where}: {_refusal(status, secret)}")
    body = bytearray()
    for block in response.iter_content(_BLOCK):
        body += block
        if len(body) > MAX_PAGE_BYTES:
            response.close()
            raise ApiAnswerError(f"{where}: a page of more than {MAX_PAGE_BYTES:,} bytes; ask for fewer records a page")
    try:
        document = None if status == _NO_CONTENT else load_json(bytes(body))
    except ValueError as error:
        raise InvalidJSONError(f"{where}: the answer is no JSON: {error}", response=response) from None
    # dlt's client and paginators each ask the answer for it, and would parse it anew, without our numbers.
    response._content = b""  # noqa: SLF001
    response.json = lambda **_: document  # type: ignore[method-assign]


def _refusal(status: int, secret: str | None) -> str:
    if status in {401, 403}:
        return f"status {status}: the API refuses {secret or 'a request without a secret'}"
    if 300 <= status < 400:
        return f"status {status}: a redirect, which is not followed; declare where it leads to as base_url"
    return f"status {status}"


def _records(where: str, resource: ApiResource, document: Any) -> list[Record]:
    """The declared list of records. Nothing of the answer is quoted: it may be about people."""
    records = _found(where, document, resource.data, "data_path")
    if not isinstance(records, list):
        at = ".".join(resource.data) or "the top"
        raise ApiAnswerError(f"{where}: a list of records was expected at {at}, not {_kind(records)}")
    for number, record in enumerate(records):
        if not isinstance(record, dict):
            raise ApiAnswerError(f"{where}: record {number} of a page is {_kind(record)}, not an object")
    pagination = resource.pagination
    if pagination.next and isinstance(document, dict):
        following = _value(document, pagination.next)
        if following is not None and not isinstance(following, str):
            raise ApiAnswerError(f"{where}: {'.'.join(pagination.next)} is {_kind(following)}, not a text")
    return records


def _found(where: str, document: Any, keys: Keys, name: str) -> Any:
    for depth, key in enumerate(keys):
        if not isinstance(document, dict) or key not in document:
            raise ApiAnswerError(f"{where}: the answer has no {'.'.join(keys[: depth + 1])}, see {name}")
        document = document[key]
    return document


def _value(document: Any, keys: Keys) -> Any:
    for key in keys:
        if not isinstance(document, dict):
            return None
        document = document.get(key)
    return document


def _kind(value: Any) -> str:
    return {dict: "an object", list: "a list", type(None): "null"}.get(type(value), "a single value")


@contextmanager
def _errors(where: str) -> Iterator[None]:
    """Translate what requests raises. Its messages quote the URL, in which a key may stand, so none is passed on."""
    from requests.exceptions import HTTPError, InvalidJSONError, RequestException
    from urllib3.exceptions import HTTPError as TransportError

    try:
        yield
    except EtlPlatformError:
        raise
    except InvalidJSONError as error:
        raise ApiAnswerError(f"{error}, {TRIES} times") from None
    except HTTPError as error:
        status = error.response.status_code if error.response is not None else "unknown"
        raise TransientError(f"{where}: status {status}, {TRIES} times") from None
    except ValueError as error:
        # Requests' own for URLs and headers are of this kind as well.
        raise ApiAnswerError(f"{where}: {type(error).__name__}: a link or a secret that cannot be sent") from None
    except (RequestException, TransportError) as error:
        raise TransientError(f"{where}: {type(error).__name__}, {TRIES} times") from None
