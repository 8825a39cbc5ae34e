"""Dagster's UI with everything that changes something, for use behind a login, and the check of each request's origin.

Dagster's webserver runs GraphQL mutations for a GET, or for a form that any web page posts. A browser adds a person's
session to both. So a request that could change something must come from a page of the UI itself.
"""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import dagster as dg

from etl_platform.defs.dagster_internals import open_workspace

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_READING = {"GET", "HEAD"}
_HEALTH = "/server_info"


def serve_writable_ui(workspace: Path, origin: str, host: str, port: int) -> None:
    """Serve the UI of a workspace until the process is stopped, for pages of ``origin`` only."""
    import uvicorn
    from dagster_webserver.app import create_app_from_workspace_process_context

    with dg.DagsterInstance.get() as instance, open_workspace(instance, str(workspace)) as opened:
        app = SameOriginOnly(create_app_from_workspace_process_context(opened), origin)
        uvicorn.run(app, host=host, port=port, log_level="warning")


class SameOriginOnly:
    """An ASGI application that refuses what a page of another origin could send, with status 403.

    Args:
        origin: of the UI as browsers see it, such as ``https://etl.example.gov``.
    """

    def __init__(self, app: App, origin: str) -> None:
        self._app, self._origin = app, origin.lower()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reason = self._reason_to_refuse(scope) if scope["type"] in {"http", "websocket"} else None
        if reason is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": reason})
        else:
            headers = [(b"content-type", b"text/plain; charset=utf-8")]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            await send({"type": "http.response.body", "body": f"refused: {reason}\n".encode()})

    def _reason_to_refuse(self, scope: Scope) -> str | None:
        found = scope["headers"]
        # A probe of the kubelet calls the pod by its address.
        if scope["path"] != _HEALTH and _values(found, b"host") != [urlsplit(self._origin).netloc]:
            return f"the host is not that of {self._origin}"
        if scope["type"] == "http" and scope["method"] in _READING:
            # GraphQL's GET can carry a mutation, and the UI does not use it.
            return "GraphQL takes only POST" if scope["path"].strip("/").endswith("graphql") else None
        if _values(found, b"origin") != [self._origin]:
            return f"the request does not come from a page of {self._origin}"
        if scope["type"] == "http" and [v.partition(";")[0].strip() for v in _values(found, b"content-type")] != [
            "application/json"
        ]:
            return "the content type is not application/json"
        return None


def _values(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> list[str]:
    return [value.decode("latin-1").lower() for name, value in headers if name.lower() == wanted]
