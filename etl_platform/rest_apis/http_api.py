"""Reads the pages of a resource over HTTP, with dlt's REST client. No files, no state.

dlt provides pagination, authentication and retries that respect Retry-After. This module adds limits: a single origin,
a request rate, a page size, and checks that responses match the declaration and that pages are complete.

https://dlthub.com/docs/general-usage/http/rest-client
"""

import threading
import time
from collections.abc import Callable, Generator, Hashable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from etl_platform.engine.errors import EtlPlatformError
from etl_platform.errors import ApiResponseError, TransientError
from etl_platform.rest_apis.page_checks import PageChecks
from etl_platform.rest_apis.records import Record, load_json
from etl_platform.rest_apis.responses import records_of
from etl_platform.rest_apis.source import ApiResource, ApiSource, Auth, AuthType, Pagination, PagingType

if TYPE_CHECKING:
    from dlt.sources.helpers.rest_client.paginators import BasePaginator
    from requests import PreparedRequest, Response
    from requests.adapters import HTTPAdapter
    from requests.auth import AuthBase

MAX_PAGE_BYTES = 32 << 20
"""Of JSON text; parsed, a page takes several times as much memory."""
TRIES = 6
MAX_WAIT_S = 120
"""The longest wait that Retry-After can request; after longer ones, the next run tries again."""

_FIRST_WAIT_S = 1
_BLOCK = 1 << 16
_RETRYABLE_STATUSES = frozenset({408, 425, 429, *range(500, 600)})
_NO_CONTENT = 204


class HttpApi:
    """Reads declared APIs.

    Args:
        read_secret: returns the value of a secret by its name; called once per resource and run.
        max_wait_s: the longest wait between two attempts.
    """

    def __init__(self, read_secret: Callable[[str], str], max_wait_s: float = MAX_WAIT_S) -> None:
        self._read_secret, self._max_wait_s = read_secret, max_wait_s

    def pages(self, source: ApiSource, resource: ApiResource, cursor: str | None = None) -> Generator[list[Record]]:
        """The records of each page, in the API's order; a page is yielded after it was received completely.

        Args:
            cursor: value for the parameter of the incremental field; without it the parameter is not sent.

        Raises:
            ApiResponseError: the API refuses a request, a response does not match the declaration, or the pages are not
                all records.
            SettingsError: the secret is not set.
            TransientError: the API cannot be reached, or every attempt failed.
        """
        where = f"{source.name} {resource.path}"
        secret = self._read_secret(source.auth.secret) if source.auth.secret else ""
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
            checks = PageChecks(where, resource, source.max_pages)
            for page in pages:
                checks.check(page, page.response.json(), _next_request(page))
                yield list(page)
            checks.finish()


def _next_request(page: Any) -> Hashable:
    """The request of the next page; None after the last one."""
    if not page.paginator.has_next_page:
        return None
    return page.request.url, tuple(sorted((name, str(value)) for name, value in (page.request.params or {}).items()))


def _client(source: ApiSource, resource: ApiResource, where: str, secret: str, max_wait_s: float) -> Any:
    from dlt.common.configuration.specs import RuntimeConfiguration
    from dlt.sources.helpers.requests.retry import DEFAULT_RETRY_EXCEPTIONS, Client
    from dlt.sources.helpers.rest_client.client import RESTClient
    from requests.exceptions import InvalidJSONError

    class DeclaredClient(RESTClient):
        """Raises an error for a response without the declared list; dlt would accept any list in it."""

        def extract_response(self, response: "Response", data_selector: Any) -> list[Any]:
            if response.status_code == _NO_CONTENT:
                return []
            return records_of(where, resource, response.json())

        def close(self) -> None:
            self.session.close()

    session = Client(
        request_timeout=source.timeout_s,
        raise_for_status=False,
        # Retry invalid JSON: a gateway may return an HTML page, which is as temporary as a 502.
        exceptions=(*DEFAULT_RETRY_EXCEPTIONS, InvalidJSONError),
        status_codes=tuple(_RETRYABLE_STATUSES),
        request_max_attempts=TRIES,
        request_backoff_factor=_FIRST_WAIT_S,
        request_max_retry_delay=max_wait_s,
    ).session
    transport = _transport(source)
    session.mount("https://", transport)
    session.mount("http://", transport)
    return DeclaredClient(
        source.base_url,
        headers={"Accept": "application/json"},
        auth=_auth(source.auth, secret),
        session=session,
        # Without a configuration dlt would read one from the environment and from files.
        config=RuntimeConfiguration(),
        data_selector="$",
    )


def _transport(source: ApiSource) -> "HTTPAdapter":
    """The adapter of every attempt: refuses other origins, even if a link names one, and limits the request rate."""
    from requests.adapters import HTTPAdapter

    origin = _origin(source.base_url)
    pause_s = 1 / source.requests_per_second if source.requests_per_second else 0.0
    lock = threading.Lock()
    next_at = time.monotonic()

    class Transport(HTTPAdapter):
        def send(self, request: "PreparedRequest", *args: Any, **kwargs: Any) -> "Response":
            nonlocal next_at
            if _origin(request.url or "") != origin:
                raise ApiResponseError(
                    f"{source.name}: a link leads to another host; the secret is only for {source.base_url}"
                )
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
        return _offsets(pagination)
    path = "$" + "".join(f"['{key}']" for key in pagination.next)
    if pagination.type is PagingType.CURSOR:
        return dlt_paginators.JSONResponseCursorPaginator(path, cursor_param=pagination.param)
    if pagination.type is PagingType.LINK:
        return dlt_paginators.JSONLinkPaginator(path) if pagination.next else dlt_paginators.HeaderLinkPaginator()
    return dlt_paginators.SinglePagePaginator()


def _offsets(pagination: Pagination) -> "BasePaginator":
    from dlt.sources.helpers.rest_client.paginators import OffsetPaginator

    class ReceivedOffsets(OffsetPaginator):
        """Moves on by the records that came: an API may return fewer than the limit and have more.

        ArcGIS, for one, cuts pages off at its maxRecordCount.
        """

        def update_state(self, response: "Response", data: list[Any] | None = None) -> None:
            self.value_step = len(data or ())
            super().update_state(response, data)

    return ReceivedOffsets(
        pagination.limit, offset_param=pagination.param, limit_param=pagination.limit_param, total_path=None
    )


def _read(where: str, secret: str | None, response: "Response", *_args: Any, **_kwargs: Any) -> None:
    """Read and check one response, up to MAX_PAGE_BYTES. dlt retries some of the errors that this raises."""
    from requests.exceptions import HTTPError, InvalidJSONError

    status = response.status_code
    if status in _RETRYABLE_STATUSES:
        response.close()
        raise HTTPError(f"status {status}", response=response)
    if not 200 <= status < 300:
        response.close()
        raise ApiResponseError(f"{where}: {_refusal(status, secret)}")
    body = bytearray()
    for block in response.iter_content(_BLOCK):
        body += block
        if len(body) > MAX_PAGE_BYTES:
            response.close()
            raise ApiResponseError(
                f"{where}: a page of more than {MAX_PAGE_BYTES:,} bytes; request fewer records per page"
            )
    try:
        document = None if status == _NO_CONTENT else load_json(bytes(body))
    except ValueError as error:
        raise InvalidJSONError(f"{where}: the response is not valid JSON: {error}", response=response) from None
    # dlt's client and its paginators call json() again, which would parse the body a second time, without Number.
    response._content = b""  # noqa: SLF001
    response.json = lambda **_: document  # type: ignore[method-assign]


def _refusal(status: int, secret: str | None) -> str:
    if status in {401, 403}:
        return f"status {status}: the API refuses {secret or 'a request without a secret'}; see auth"
    if 300 <= status < 400:
        return f"status {status}: redirects are not followed; declare the target as base_url"
    return f"status {status}"


@contextmanager
def _errors(where: str) -> Iterator[None]:
    """Translate errors of requests without their messages: they quote the URL, which may contain an API key."""
    from requests.exceptions import HTTPError, InvalidJSONError, RequestException
    from urllib3.exceptions import HTTPError as TransportError

    try:
        yield
    except EtlPlatformError:
        raise
    except InvalidJSONError as error:
        raise ApiResponseError(f"{error}, in {TRIES} attempts") from None
    except HTTPError as error:
        status = error.response.status_code if error.response is not None else "unknown"
        raise TransientError(f"{where}: status {status}, in {TRIES} attempts") from None
    except ValueError as error:
        # requests raises ValueError for URLs and headers that it cannot send.
        raise ApiResponseError(f"{where}: {type(error).__name__}: a link or the secret is not valid in HTTP") from None
    except (RequestException, TransportError) as error:
        raise TransientError(f"{where}: {type(error).__name__}, in {TRIES} attempts") from None
