"""Reads the pages of a resource over HTTP: authentication, attempts, limits. No files, no state.

A single origin, a request rate and a page size are enforced at each attempt. Which page comes next is decided in
``page_requests``, whether the pages are complete in ``page_checks``.
"""

import time
from base64 import b64encode
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from etl_platform.engine.errors import EtlPlatformError
from etl_platform.errors import ApiResponseError, TransientError
from etl_platform.rest_apis.page_checks import PageChecks
from etl_platform.rest_apis.page_requests import Page, PageRequest, first_request, next_request
from etl_platform.rest_apis.records import Record, load_json
from etl_platform.rest_apis.responses import records_of
from etl_platform.rest_apis.retry_waits import wait_before_retry
from etl_platform.rest_apis.source import ApiResource, ApiSource, AuthType
from etl_platform.settings import code_version

if TYPE_CHECKING:
    from requests import PreparedRequest, Response, Session

MAX_PAGE_BYTES = 32 << 20
"""Of JSON text; parsed, a page takes several times as much memory."""
TRIES = 6
MAX_WAIT_S = 120
"""The longest wait that Retry-After can request; after longer ones, the next run tries again."""

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
        from requests import Session

        where = f"{source.name} {resource.path}"
        secret = self._read_secret(source.auth.secret) if source.auth.secret else ""
        checks = PageChecks(where, resource, source.max_pages)
        with Session() as session:
            client = _Client(session, source, where, secret, self._max_wait_s)
            request: PageRequest | None = first_request(source, resource, cursor)
            while request is not None:
                with _errors(where):
                    page = client.get(request)
                records = records_of(where, resource, page.document) if page.has_content else []
                with _errors(where):
                    request = next_request(resource.pagination, request, page, len(records))
                checks.check(records, page.document, request and request.identity)
                yield records
            checks.finish()


class _AttemptFailedError(Exception):
    """A failed attempt that is repeated. ``error`` is raised if it was the last one."""

    def __init__(self, error: EtlPlatformError, retry_after: str | None = None) -> None:
        self.error, self.retry_after = error, retry_after
        super().__init__(error)


class _Client:
    """Sends the requests of one resource, one after the other."""

    def __init__(self, session: "Session", source: ApiSource, where: str, secret: str, max_wait_s: float) -> None:
        self._session, self._source, self._where = session, source, where
        self._secret, self._max_wait_s = secret, max_wait_s
        self._next_at = time.monotonic()
        session.headers.update({"Accept": "application/json", "User-Agent": f"etl-platform/{code_version()}"})

    def get(self, request: PageRequest) -> Page:
        """The page of a request, in up to TRIES attempts.

        The body is part of an attempt: a connection may break in the middle of it. So is its JSON: a gateway may return
        an HTML page, which is as temporary as a status of 502.
        """
        tries = 1
        while True:
            try:
                return self._attempt(request)
            except _AttemptFailedError as failed:
                if tries == TRIES:
                    raise failed.error from None
                time.sleep(wait_before_retry(tries, failed.retry_after, now=time.time(), max_wait_s=self._max_wait_s))
            tries += 1

    def _attempt(self, request: PageRequest) -> Page:
        from requests import Request, RequestException
        from urllib3.exceptions import HTTPError

        prepared = self._session.prepare_request(
            Request("GET", request.url, params=dict(request.params), auth=self._authenticate)
        )
        assert prepared.url
        self._refuse_other_origin(prepared.url)
        self._wait_for_rate()
        # The proxies and certificates of the environment.
        how = self._session.merge_environment_settings(prepared.url, proxies={}, stream=True, verify=None, cert=None)
        try:
            with self._session.send(prepared, timeout=self._source.timeout_s, allow_redirects=False, **how) as response:
                return self._page(response)
        except ValueError:
            # A URL or a header that cannot be sent; some of these are RequestExceptions too.
            raise
        except (RequestException, HTTPError) as error:
            raise _AttemptFailedError(
                TransientError(f"{self._where}: {type(error).__name__}, in {TRIES} attempts")
            ) from None

    def _page(self, response: "Response") -> Page:
        status = response.status_code
        if status in _RETRYABLE_STATUSES:
            raise _AttemptFailedError(
                TransientError(f"{self._where}: status {status}, in {TRIES} attempts"),
                response.headers.get("Retry-After"),
            )
        if not 200 <= status < 300:
            raise ApiResponseError(f"{self._where}: {_refusal(status, self._source.auth.secret)}")
        if status == _NO_CONTENT:
            return Page(None, has_content=False)
        body = bytearray()
        for block in response.iter_content(_BLOCK):
            body += block
            if len(body) > MAX_PAGE_BYTES:
                raise ApiResponseError(
                    f"{self._where}: a page of more than {MAX_PAGE_BYTES:,} bytes; request fewer records per page"
                )
        try:
            document = load_json(bytes(body))
        except ValueError as error:
            message = f"{self._where}: the response is not valid JSON: {error}, in {TRIES} attempts"
            raise _AttemptFailedError(ApiResponseError(message)) from None
        return Page(document, response.links.get("next", {}).get("url"))

    def _authenticate(self, prepared: "PreparedRequest") -> "PreparedRequest":
        """Also without a secret, since requests would otherwise look for one in the user's ~/.netrc."""
        auth = self._source.auth
        if auth.type is AuthType.BEARER:
            prepared.headers["Authorization"] = f"Bearer {self._secret}"
        elif auth.type is AuthType.BASIC:
            pair = f"{auth.username or ''}:{self._secret}"
            prepared.headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        elif auth.type is AuthType.API_KEY and auth.in_query:
            assert prepared.url
            prepared.prepare_url(prepared.url, {auth.name: self._secret})
        elif auth.type is AuthType.API_KEY:
            prepared.headers[auth.name] = self._secret
        return prepared

    def _refuse_other_origin(self, url: str) -> None:
        base_url = self._source.base_url
        if _origin(url) != _origin(base_url):
            raise ApiResponseError(
                f"{self._source.name}: a link leads to another host; the secret is only for {base_url}"
            )

    def _wait_for_rate(self) -> None:
        rate = self._source.requests_per_second
        if rate is not None:
            time.sleep(max(0.0, self._next_at - time.monotonic()))
            self._next_at = time.monotonic() + 1 / rate


def _origin(url: str) -> tuple[str, str | None, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


def _refusal(status: int, secret: str | None) -> str:
    if status in {401, 403}:
        return f"status {status}: the API refuses {secret or 'a request without a secret'}; see auth"
    if 300 <= status < 400:
        return f"status {status}: redirects are not followed; declare the target as base_url"
    return f"status {status}"


@contextmanager
def _errors(where: str) -> Iterator[None]:
    """Translate errors of URLs and headers without their messages: they quote the URL, which may contain an API key."""
    try:
        yield
    except ValueError as error:
        raise ApiResponseError(f"{where}: {type(error).__name__}: a link or the secret is not valid in HTTP") from None
