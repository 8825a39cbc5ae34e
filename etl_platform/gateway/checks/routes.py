"""The routes under ``/check``: a page with a form for people, and a JSON verdict for programs.

A file is read only after its token was found right, so the form has the token in front of the file.
"""

import hashlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO

import anyio
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from etl_platform.engine.pages.drop_page import DropPage, drop_page
from etl_platform.engine.web_check.file_form import FileForm, RefusedPostError, plain_name, too_large
from etl_platform.engine.web_check.page_headers import page_headers
from etl_platform.gateway.bounded_calls import BusyError, SheddingThreads
from etl_platform.gateway.checks.admission import Admission, BusyPostError
from etl_platform.gateway.checks.check_child import CheckJob
from etl_platform.gateway.checks.check_process import run_check
from etl_platform.gateway.checks.check_rooms import CheckRooms
from etl_platform.gateway.checks.rate_limits import client_address
from etl_platform.gateway.checks.tokens import CheckTokens, TokenLine
from etl_platform.settings import Settings

log = logging.getLogger(__name__)

PATH = "/check"
CHECK_SECONDS = 60
_TOKEN_TIMEOUT_S = 10.0
_BODY_TIMEOUT_S = 120.0
_DISCARD_TIMEOUT_S = 10.0
_FORM = DropPage(
    about="The file is sent to the data team's server, checked with the rules that run when it arrives, and deleted. "
    "It is not a delivery: send it as usual afterwards.",
    kept="Neither the file nor the verdict is stored. Values that may be personal are shown by their shape. A "
    "receipt on the verdict is for questions to the data team.",
    most="",
    action=PATH,
    asks_token=True,
)
CountCheck = Callable[[str, str, float], None]
"""Counts a post: outcome, reason of a refusal, seconds."""


@dataclass
class _Upload:
    """A file that is arriving."""

    token: TokenLine
    path: Path
    file: BinaryIO
    digest: "hashlib._Hash"

    def write(self, block: bytes | bytearray, /) -> int:
        self.digest.update(block)
        return self.file.write(block)


class CheckRoutes:
    """The checks of one process.

    Raises:
        SettingsError: the file of tokens cannot be read.
    """

    def __init__(self, settings: Settings, count: CountCheck) -> None:
        assert settings.gateway_check_tokens_file is not None
        self._settings, self._count = settings, count
        self._admission = Admission(CheckTokens(settings.gateway_check_tokens_file))
        self._rooms = CheckRooms()
        self._processes = SheddingThreads(settings.gateway_checks_at_once, CHECK_SECONDS + 5.0)
        self._most_bytes = settings.gateway_check_max_mib << 20
        self._most = f"{settings.gateway_check_max_mib:,} MiB"

    def routes(self) -> list[Route]:
        return [
            Route(PATH, self.page),
            Route(PATH, self.post_form, methods=["POST"]),
            Route(f"{PATH}/{{dataset}}", self.post_file, methods=["POST"]),
        ]

    def close(self) -> None:
        self._rooms.close()

    async def page(self, request: Request) -> Response:
        try:
            self._admission.count_request(self._address(request))
        except BusyPostError as error:
            return self._form_again(error, {})
        return _page(drop_page(replace(_FORM, most=self._most)), 200)

    async def post_form(self, request: Request) -> Response:
        """A form of the page, which is answered with a page."""
        fields: dict[str, str] = {}
        with ExitStack() as stack:
            try:
                upload, form = await self._receive_form(request, stack, fields)
                answer = await self._check(upload, form.file_name or "", fields.get("dataset", ""), as_page=True)
            except RefusedPostError as error:
                await self._refused(request, error)
                return self._form_again(error, fields)
        return _page(answer, 200)

    async def post_file(self, request: Request) -> Response:
        """A file as the body, which is answered with JSON."""
        dataset = request.path_params["dataset"]
        with ExitStack() as stack:
            try:
                upload = await self._receive_file(request, stack)
                name = plain_name(request.query_params.get("file", "")) or f"{plain_name(dataset)}.csv"
                answer = await self._check(upload, name, dataset, as_page=False)
            except RefusedPostError as error:
                await self._refused(request, error)
                return _refusal_json(error)
        return Response(answer, media_type="application/json", headers={"Cache-Control": "no-store"})

    def _address(self, request: Request) -> str:
        forwarded = ",".join(request.headers.getlist("x-forwarded-for"))
        peer = request.client.host if request.client else ""
        return client_address(peer, forwarded, self._settings.gateway_proxies)

    def _begin(self, token: str, address: str, stack: ExitStack) -> _Upload:
        """A place and a folder for a file, if its token is right."""
        line = self._admission.agency(token, address)
        stack.enter_context(self._admission.place(line))
        path = stack.enter_context(self._rooms.room()) / "posted"
        return _Upload(line, path, stack.enter_context(path.open("wb")), hashlib.sha256())

    async def _receive_form(
        self, request: Request, stack: ExitStack, fields: dict[str, str]
    ) -> tuple[_Upload, FileForm]:
        address = self._address(request)
        self._admission.count_request(address)
        uploads: list[_Upload] = []

        def begin(given: Mapping[str, str]) -> _Upload:
            fields.update(given)
            uploads.append(self._begin(given.get("token", ""), address, stack))
            return uploads[0]

        self._refuse_too_long(request)
        form = FileForm(request.headers.get("content-type", ""), begin, self._most_bytes, self._most)
        async for block in _blocks(request, lambda: bool(uploads)):
            form.feed(block)
        form.finish()
        fields.update(form.fields)
        return uploads[0], form

    async def _receive_file(self, request: Request, stack: ExitStack) -> _Upload:
        address = self._address(request)
        self._admission.count_request(address)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        upload = self._begin(token.strip() if scheme.lower() == "bearer" else "", address, stack)
        self._refuse_too_long(request)
        size = 0
        async for block in _blocks(request, lambda: True):
            size += len(block)
            if size > self._most_bytes:
                raise too_large(self._most)
            upload.write(block)
        if not size:
            raise RefusedPostError(
                400, "no_file", "The body is empty; send the file as it is, as curl --data-binary does."
            )
        return upload

    def _refuse_too_long(self, request: Request) -> None:
        length = request.headers.get("content-length", "")
        # A form is a little longer than its file.
        if length.isascii() and length.isdigit() and int(length) > self._most_bytes + (1 << 16):
            raise too_large(self._most)

    async def _check(self, upload: _Upload, name: str, dataset: str, *, as_page: bool) -> bytes:
        upload.file.flush()
        started, settings = time.monotonic(), self._settings
        job = CheckJob(
            path=str(upload.path),
            name=name,
            sha256=upload.digest.hexdigest(),
            dataset=dataset,
            agency=upload.token.agency,
            as_page=as_page,
            contracts_dir=str(settings.contracts_dir.absolute()),
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            memory_mib=settings.gateway_check_memory_mib,
            seconds=CHECK_SECONDS,
        )
        about = {"agency": upload.token.agency, "size_bytes": upload.path.stat().st_size}
        try:
            found, answer = await self._processes.run(partial(run_check, job))
        except BusyError:
            raise BusyPostError(503, "busy", "Too many files are being checked; try again in a minute.", 60) from None
        except RefusedPostError as error:
            log.warning("file not checked", extra=about | {"reason": error.code})
            raise
        except Exception:
            log.exception("the check of a file failed", extra=about)
            raise RefusedPostError(500, "failed", "The check failed, which is a fault on our side.") from None
        seconds = time.monotonic() - started
        log.info("file checked", extra=about | found | {"seconds": round(seconds, 1)})
        self._count(found["outcome"], "", seconds)
        return answer

    async def _refused(self, request: Request, error: RefusedPostError) -> None:
        self._count("not_checked", error.code, 0.0)
        if error.status == 401:
            log.warning("check refused", extra={"reason": error.code, "address": self._address(request)})
        if error.code != "slow":
            await _discard(request, 4 * self._most_bytes)

    def _form_again(self, error: RefusedPostError, fields: Mapping[str, str]) -> Response:
        form = replace(
            _FORM, most=self._most, problem=error.message, dataset=error.dataset or fields.get("dataset", "")
        )
        return _page(drop_page(form), error.status, error)


async def _blocks(request: Request, is_admitted: Callable[[], bool]) -> AsyncIterator[bytes]:
    """The body, with a limit of time for the part before the token was found right, and one for all of it.

    Raises:
        RefusedPostError: it takes too long, or ends early.
    """
    started, stream = time.monotonic(), request.stream()
    try:
        while True:
            limit_s = _BODY_TIMEOUT_S if is_admitted() else _TOKEN_TIMEOUT_S
            with anyio.fail_after(max(0.0, started + limit_s - time.monotonic())):
                block = await anext(stream, None)
            if block is None:
                return
            yield block
    except TimeoutError:
        raise RefusedPostError(408, "slow", "The file took too long to arrive; try again.") from None
    except ClientDisconnect:
        raise RefusedPostError(400, "cut_off", "The file did not arrive whole; send it again.") from None


async def _discard(request: Request, most_bytes: int) -> None:
    """Read what is still to come: a client that is cut off while it sends never sees the answer."""
    if "expect" in request.headers:
        return
    with anyio.move_on_after(_DISCARD_TIMEOUT_S):
        try:
            async for block in request.stream():
                most_bytes -= len(block)
                if most_bytes < 0:
                    return
        except (ClientDisconnect, RuntimeError):
            # RuntimeError: all of it was read.
            return


def _headers(error: RefusedPostError | None) -> dict[str, str]:
    if isinstance(error, BusyPostError):
        return {"Retry-After": str(error.retry_s)}
    return {"WWW-Authenticate": "Bearer"} if error and error.status == 401 else {}


def _page(content: str | bytes, status: int, error: RefusedPostError | None = None) -> Response:
    return Response(content, status, page_headers() | _headers(error), "text/html; charset=utf-8")


def _refusal_json(error: RefusedPostError) -> Response:
    document = {"outcome": "not_checked", "reason": error.code, "detail": error.message}
    return JSONResponse(document, error.status, _headers(error) | {"Cache-Control": "no-store"})
