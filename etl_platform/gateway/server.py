"""The gateway's process: one listening socket and one uvicorn server, until SIGTERM."""

import errno
import logging
import socket
from contextlib import closing
from datetime import UTC, datetime

import uvicorn

from etl_platform.errors import SettingsError
from etl_platform.gateway.app import Gateway
from etl_platform.gateway.bounded_http import MAX_CONNECTIONS, MAX_HEAD_BYTES, BoundedProtocol
from etl_platform.gateway.systems import GatewaySystems, Part
from etl_platform.settings import Settings

log = logging.getLogger(__name__)

_BACKLOG = 512
_SHUTDOWN_TIMEOUT_S = 15
"""Time for open requests to finish; below terminationGracePeriodSeconds (30)."""


def serve(settings: Settings, host: str, port: int, only: Part | None = None) -> None:
    """Serve one part, or both, until SIGTERM; port 0 chooses a free port, which is logged.

    Raises:
        SettingsError: a setting is missing, or the address cannot be bound.
    """
    gateway = Gateway(GatewaySystems(settings, lambda: datetime.now(UTC), only))
    with listen(host, port) as listener, closing(gateway):
        if settings.gateway_dev_mode:
            log.warning("development mode: unsigned posts are accepted, and GET resets the breaker")
        log.info("gateway listens", extra={"host": host, "port": listener.getsockname()[1]})
        make_server(gateway).run(sockets=[listener])


def make_server(gateway: Gateway) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            gateway.application(),
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            lifespan="off",
            http=BoundedProtocol,
            h11_max_incomplete_event_size=MAX_HEAD_BYTES,
            limit_concurrency=MAX_CONNECTIONS,
            ws="none",
            timeout_graceful_shutdown=_SHUTDOWN_TIMEOUT_S,
        )
    )


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        SettingsError: the port is in use, or the address does not belong to this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise SettingsError(f"--host {host}: {error.strerror}") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise SettingsError(f"port {port} is in use on {host}; choose another with --port or PORT") from None
        raise SettingsError(f"cannot listen on {host} port {port}: {error.strerror}") from None
    return listener
