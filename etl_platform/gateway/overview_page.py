"""The route ``/overview``: who may read the page of all agencies, and the page as overview_page_job last wrote it.

The page is one object of the bucket, and the only one that this process may read.
"""

import hmac
import logging
from base64 import b64decode
from binascii import Error
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from etl_platform.errors import AccessDeniedError, ObjectMissingError, TransientError
from etl_platform.gateway.bounded_calls import call_within
from etl_platform.settings import ADMIN_ACCESS

log = logging.getLogger(__name__)
_TIMEOUT_S = 10.0
_OLD_AFTER = timedelta(hours=3)
"""overview_page_job runs once an hour."""
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_NOT_MADE = (
    "There is no page yet. overview_page_job writes it once an hour; `etl-platform overview` makes one at once.\n"
)


@dataclass(frozen=True)
class StoredPage:
    """The page, and when it was written (UTC)."""

    content: bytes
    written_at: datetime


class OverviewRoute:
    """Answers requests for the page.

    Args:
        access: the setting GATEWAY_OVERVIEW_ACCESS: ``token``, or the header in which a proxy names the user.
        token: the admin token.
        read: reads the page from the bucket.
    """

    def __init__(self, access: str, token: str | None, read: Callable[[], StoredPage]) -> None:
        import anyio

        self._access, self._token, self._read = access, token, read
        self._threads = anyio.CapacityLimiter(2)

    async def answer(self, request: Request) -> Response:
        if not self._may_read(request):
            return self._refusal()
        try:
            page = await call_within(self._read, _TIMEOUT_S, self._threads)
        except (AccessDeniedError, ObjectMissingError):
            # S3 answers 403 for a missing object, because this process may list nothing.
            return PlainTextResponse(_NOT_MADE, 404, _HEADERS)
        except (TimeoutError, TransientError) as error:
            log.warning("the overview cannot be read", extra={"error": str(error)})
            return PlainTextResponse("The bucket did not respond. Try again.\n", 503, _HEADERS)
        return Response(_with_age(page, datetime.now(UTC)), 200, _HEADERS, "text/html; charset=utf-8")

    def _may_read(self, request: Request) -> bool:
        if self._access != ADMIN_ACCESS:
            return bool(request.headers.get(self._access, "").strip())
        return self._token is not None and hmac.compare_digest(_given_token(request), self._token.encode())

    def _refusal(self) -> Response:
        if self._access != ADMIN_ACCESS:
            text = f"The proxy in front of the gateway must set the header {self._access}.\n"
            return PlainTextResponse(text, 403, _HEADERS)
        if self._token is None:
            return PlainTextResponse("The gateway has no GATEWAY_ADMIN_TOKEN.\n", 403, _HEADERS)
        ask = {"WWW-Authenticate": 'Basic realm="overview", charset="UTF-8"'}
        return PlainTextResponse("The password is GATEWAY_ADMIN_TOKEN, with any user name.\n", 401, _HEADERS | ask)


def _given_token(request: Request) -> bytes:
    """The token of a program, or the password that a browser asked for; empty without either."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return given.strip().encode()
    if scheme.lower() != "basic":
        return b""
    try:
        return b64decode(given.strip(), validate=True).partition(b":")[2]
    except Error:
        return b""


def _with_age(page: StoredPage, now: datetime) -> bytes:
    """The page; an old one has a warning on top."""
    hours = (now - page.written_at) // timedelta(hours=1)
    if now - page.written_at <= _OLD_AFTER:
        return page.content
    warning = f'<p class="warning"><strong>This page is {hours:,} hours old:</strong> look at overview_page_job.</p>'
    return page.content.replace(b"<main>", b"<main>" + warning.encode(), 1)
