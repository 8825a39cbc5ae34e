"""A real HTTP server on the loopback interface whose answers, and faults, a test decides. No tests."""

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from etl_platform.local.http_server import serve_in_thread


@dataclass(frozen=True)
class Asked:
    """One request. ``number`` counts from 1."""

    number: int
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """What goes back.

    Attributes:
        document: the body as JSON, or bytes as they are.
        cut: after how many bytes of the body the connection ends.
        reset: whether it then ends with RST instead of FIN.
        chunked: without Content-Length.
    """

    document: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    reset: bool = False
    chunked: bool = False

    @property
    def body(self) -> bytes:
        return self.document if isinstance(self.document, bytes) else json.dumps(self.document).encode()


@dataclass
class ApiServer:
    """``answer`` may be replaced at any time; ``asked`` is what came, oldest first."""

    url: str
    answer: Callable[[Asked], Answer] = lambda _asked: Answer([])
    asked: list[Asked] = field(default_factory=list)

    @property
    def queries(self) -> list[Mapping[str, str]]:
        return [one.query for one in self.asked]


@contextmanager
def api_server() -> Iterator[ApiServer]:
    server_of: ApiServer
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
            with lock:
                asked = Asked(len(server_of.asked) + 1, url.path, query, dict(self.headers.items()))
                server_of.asked.append(asked)
            self._send(server_of.answer(asked))

        def _send(self, answer: Answer) -> None:
            body = answer.body
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.chunked:
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                self.wfile.write(b"%x\r\n%s\r\n" % (len(body), body if answer.cut is None else body[: answer.cut]))
                if answer.cut is None:
                    self.wfile.write(b"0\r\n\r\n")
            else:
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body if answer.cut is None else body[: answer.cut])
            self.wfile.flush()
            if answer.reset:
                # Closing with unsent data forbidden to linger is what sends RST.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
            if answer.cut is not None:
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            """Tests look at ``asked``."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that goes away in mid-answer is what some tests are about."""

    with serve_in_thread(Server(("127.0.0.1", 0), Handler)) as url:
        server_of = ApiServer(url)
        yield server_of
