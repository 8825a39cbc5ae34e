"""The HTTP routes and their JSON responses. ``webhook`` decides what happens to a post."""

import hmac
import logging
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING

import anyio
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from etl_platform.aws.clients import error_type
from etl_platform.aws.sns_message import MAX_BODY_BYTES
from etl_platform.errors import SettingsError
from etl_platform.gateway.bounded_calls import BusyError, SheddingThreads, call_within
from etl_platform.gateway.checks.routes import CheckRoutes
from etl_platform.gateway.metrics import GatewayMetrics, read_sources
from etl_platform.gateway.overview_page import OverviewRoute
from etl_platform.gateway.systems import GatewaySystems, Part
from etl_platform.gateway.webhook import PostResult, Webhook

if TYPE_CHECKING:
    from etl_platform.deliveries.circuit_breaker import BreakerStatus

log = logging.getLogger(__name__)

_POSTS_AT_ONCE = 20
_HANGS_AFTER_S = 3.0
"""A post is answered in milliseconds unless SQS or SNS hangs."""
_BODY_TIMEOUT_S = 10.0
_MAX_DISCARDED_BYTES = 4 * MAX_BODY_BYTES
_READINESS_TIMEOUT_S = 3.0
_BREAKER_TIMEOUT_S = 30.0
"""The first call imports Dagster."""


class Gateway:
    """The application of one process. Posts and probes have separate threads, so neither waits for the other."""

    def __init__(self, systems: GatewaySystems) -> None:
        self._systems = systems
        self._webhook = None if systems.only is Part.CHECK else Webhook(systems.settings, systems.queue)
        self._metrics = GatewayMetrics(checks=Part.CHECK in systems.parts)
        self._checks = systems.readiness_checks()
        self._sources = systems.metric_sources()
        self._posts = SheddingThreads(_POSTS_AT_ONCE, _HANGS_AFTER_S)
        self._probes = anyio.CapacityLimiter(max(1, 3 * len(self._checks)))
        self._scrapes = anyio.CapacityLimiter(max(1, 3 * len(self._sources)))
        self._dagster = anyio.CapacityLimiter(1)
        self._file_checks = (
            CheckRoutes(systems.settings, self._metrics.count_check) if Part.CHECK in systems.parts else None
        )

    def close(self) -> None:
        if self._file_checks is not None:
            self._file_checks.close()

    def application(self) -> Starlette:
        reset_methods = ["POST", "GET"] if self._systems.settings.gateway_dev_mode else ["POST"]
        routes = {
            Part.WEBHOOK: [Route("/", self.post, methods=["POST"]), Route("/", _empty, methods=["HEAD"])],
            Part.METRICS: [
                Route("/breaker", self.breaker),
                Route("/breaker/reset", self.reset, methods=reset_methods),
            ],
            Part.CHECK: self._file_checks.routes() if self._file_checks else [],
        }
        if self._systems.settings.gateway_overview_access:
            routes[Part.METRICS].append(Route("/overview", self._overview.answer))
        return Starlette(
            routes=[
                Route("/healthz", _healthy),
                Route("/readyz", self.ready),
                Route("/metrics", self.metrics),
                *(route for part in self._systems.parts for route in routes[part]),
            ]
        )

    @cached_property
    def _overview(self) -> OverviewRoute:
        settings = self._systems.settings
        assert settings.gateway_overview_access
        return OverviewRoute(
            settings.gateway_overview_access, settings.gateway_admin_token, self._systems.overview_page
        )

    async def post(self, request: Request) -> Response:
        started = time.monotonic()
        result = await self._handle(request)
        self._metrics.count(result, time.monotonic() - started)
        return JSONResponse(result.document, result.status)

    async def _handle(self, request: Request) -> PostResult:
        try:
            with anyio.fail_after(_BODY_TIMEOUT_S):
                body = await _body(request)
        except TimeoutError:
            return PostResult(408, "refused", "slow")
        except ClientDisconnect:
            return PostResult(400, "refused", "cut_off")
        if body is None:
            return PostResult(413, "refused", "too_large")
        assert self._webhook is not None
        try:
            return await self._posts.run(partial(self._webhook.handle, body, datetime.now(UTC)))
        except BusyError:
            return PostResult(503, "unavailable", "busy")
        except Exception as error:
            # A bug here must not lose a notification: SNS retries after a 5xx.
            log.exception("post failed", extra={"error_type": error_type(error)})
            return PostResult(500, "failed")

    async def ready(self, _: Request) -> Response:
        states: dict[str, str] = {}

        async def check(name: str, call: Callable[[], object]) -> None:
            try:
                await call_within(call, _READINESS_TIMEOUT_S, self._probes)
                states[name] = "ok"
            except TimeoutError:
                states[name] = f"no answer within {_READINESS_TIMEOUT_S:.0f} s"
            except Exception as error:  # noqa: BLE001 - the edge of a probe: any error means not ready
                states[name] = error_type(error)

        async with anyio.create_task_group() as group:
            for name, call in self._checks.items():
                group.start_soon(check, name, call)
        is_ready = all(state == "ok" for state in states.values())
        if not is_ready:
            log.warning("not ready", extra={"checks": states})
        return JSONResponse(
            {"status": "ready" if is_ready else "not_ready", "checks": states}, 200 if is_ready else 503
        )

    async def metrics(self, _: Request) -> Response:
        readings = await read_sources(self._sources, self._scrapes)
        return Response(self._metrics.text(readings), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def breaker(self, _: Request) -> Response:
        return await self._breaker_response(self._systems.breaker)

    async def reset(self, request: Request) -> Response:
        if request.method == "POST" and (refused := self._refusal(request)):
            return refused
        return await self._breaker_response(self._systems.reset_breaker)

    def _refusal(self, request: Request) -> Response | None:
        token = self._systems.settings.gateway_admin_token
        if token is None:
            return _error(
                403,
                "forbidden",
                "resetting over HTTP is off: set GATEWAY_ADMIN_TOKEN, or run etl-platform breaker reset",
            )
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not given:
            refused = _error(401, "unauthorized", "send the header Authorization: Bearer <GATEWAY_ADMIN_TOKEN>")
            refused.headers["WWW-Authenticate"] = "Bearer"
            return refused
        if not hmac.compare_digest(given.strip().encode(), token.encode()):
            log.warning("breaker reset refused", extra={"reason": "wrong_token"})
            return _error(403, "forbidden", "the token is not the value of GATEWAY_ADMIN_TOKEN")
        return None

    async def _breaker_response(self, call: "Callable[[], BreakerStatus | None]") -> Response:
        try:
            status = await call_within(call, _BREAKER_TIMEOUT_S, self._dagster)
        except SettingsError as error:
            return _error(503, "unavailable", str(error))
        except Exception as error:
            log.exception("Dagster's records cannot be read")
            return _error(503, "unavailable", error_type(error))
        if status is None:
            return _error(503, "unavailable", "the reset failed; see the latest run of breaker_reset_job")
        return JSONResponse(asdict(status))


async def _body(request: Request) -> bytes | None:
    """The whole body; None if it is too large.

    Part of an oversized body is read and discarded: a client that is cut off while it sends never sees the response.
    """
    body, size = bytearray(), 0
    async for block in request.stream():
        size += len(block)
        if size <= MAX_BODY_BYTES:
            body += block
        elif size > _MAX_DISCARDED_BYTES:
            return None
    return bytes(body) if size <= MAX_BODY_BYTES else None


async def _empty(_: Request) -> Response:
    return Response()


async def _healthy(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


def _error(status: int, kind: str, detail: str) -> JSONResponse:
    return JSONResponse({"status": kind, "detail": detail}, status)
