"""SNS over https on the loopback interface, behind a proxy that leads every host to it. No tests.

So the code under test asks for https://sns.us-east-1.amazonaws.com and verifies a certificate of that name, as it does
in AWS; only the authority is the test's own.
"""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from etl_platform.local.http_server import serve_in_thread
from etl_platform_tests.unit.sns_posts import Signer, make_signer


@dataclass(frozen=True)
class Page:
    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class SnsServer:
    """``pages`` by path; whatever else is asked for is a 404. ``asked`` is host and path of what came."""

    proxy_url: str
    authority: Path
    pages: dict[str, Page] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@contextmanager
def sns_server(folder: Path, host: str = "sns.us-east-1.amazonaws.com") -> Iterator[SnsServer]:
    authority = make_signer("an authority of the test", authority=True)
    (folder / "authority.pem").write_bytes(authority.pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_chain(folder, make_signer(host, authority)))
    server_of: SnsServer

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        host = ""

        def do_CONNECT(self) -> None:
            self.host = self.path
            self.send_response(200)
            self.end_headers()
            try:
                self.connection = context.wrap_socket(self.connection, server_side=True)
            except ssl.SSLError:
                # The client does not like the certificate, which is what a test wants to see.
                self.close_connection = True
                return
            # A CONNECT speaks HTTP/1.0, after which the connection would end.
            self.close_connection = False
            self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)

        def do_GET(self) -> None:
            server_of.asked.append(f"{self.host}{self.path}")
            page = server_of.pages.get(self.path, Page(status=404))
            self.send_response(page.status)
            for name, value in {"Content-Length": str(len(page.body)), **page.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(page.body)

        def finish(self) -> None:
            super().finish()
            self.connection.close()

        def log_message(self, *args: object) -> None:
            pass

    with serve_in_thread(ThreadingHTTPServer(("127.0.0.1", 0), Proxy)) as url:
        server_of = SnsServer(url, folder / "authority.pem")
        yield server_of


def _chain(folder: Path, signer: Signer) -> Path:
    path = folder / "server.pem"
    path.write_bytes(signer.pem + signer.key_pem)
    return path
