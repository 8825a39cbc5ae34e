"""HTTP/1.1 connections bounded in number, and their request heads in size and time. uvicorn itself bounds no time."""

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_CONNECTIONS = 200
"""From here on a connection that waits makes room for a new one, or the new one is answered 503."""
MAX_HEAD_BYTES = 16 << 10
"""Of the request line and all headers together, and so of their number."""
HEAD_TIMEOUT_S = 10.0


class BoundedProtocol(H11Protocol):
    """Closes a connection that has not sent a whole request head within HEAD_TIMEOUT_S."""

    deadline: asyncio.TimerHandle | None = None
    """Set while no request is in work: a head, or the rest of a body that was answered already, is still to come."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        is_full = len(self.connections) >= MAX_CONNECTIONS - 1 and not self._make_room()
        super().connection_made(transport)
        if is_full and len(self.connections) > 2 * MAX_CONNECTIONS:
            transport.abort()
            return
        self._follow()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._follow()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._follow()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel()
        super().connection_lost(exc)

    def _make_room(self) -> bool:
        """Drop the connection that has been without a request for longest; False if all have one in work."""
        waiting = [other for other in self.connections if isinstance(other, BoundedProtocol) and other.deadline]
        longest = min(waiting, key=lambda other: other.deadline.when(), default=None)  # type: ignore[union-attr]
        if longest is None:
            return False
        longest.drop()
        self.connections.discard(longest)
        return True

    def _follow(self) -> None:
        """Start the clock when no request is in work, and stop it when a head is complete."""
        is_free = self.conn.their_state is h11.IDLE or (
            self.conn.their_state is h11.SEND_BODY and self.conn.our_state is h11.DONE
        )
        if not is_free:
            self._cancel()
        elif self.deadline is None:
            # More bytes do not extend it, or one byte at a time would hold the connection for ever.
            self.deadline = self.loop.call_later(HEAD_TIMEOUT_S, self.drop)

    def drop(self) -> None:
        self._cancel()
        self.transport.abort()

    def _cancel(self) -> None:
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None
