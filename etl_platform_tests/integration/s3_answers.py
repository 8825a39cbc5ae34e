"""An S3 on loopback that gives the answer it is told to, and remembers what it was asked. It checks no signature."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

OBJECT = {
    "ETag": '"abc"',
    "Last-Modified": "Mon, 05 Jan 2026 10:00:00 GMT",
    "x-amz-version-id": "v1",
    "x-amz-meta-delivery-id": "d1",
    "Content-Type": "text/csv",
}
REFUSED = 300
_COMPARED = ("if-match", "if-none-match", "range", "x-amz-meta-", "x-amz-server-side-", "content-type")


@dataclass(frozen=True)
class Answer:
    """A PUT that succeeds has no body.

    ``cut``: the connection is closed after the headers and half of the body; before them if there is no body.
    """

    status: int = 200
    body: bytes = b"hello"
    headers: Mapping[str, str] = field(default_factory=lambda: OBJECT)
    cut: bool = False


@dataclass(frozen=True)
class Request:
    """``headers``: those that change what S3 does."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    by_obstore: bool = field(compare=False)


class S3Answers:
    """``answers`` are given in turn, the last one from then on."""

    def __init__(self) -> None:
        self.answers, self.requests = [Answer()], list[Request]()
        self.url = ""

    def next_answer(self, request: Request) -> Answer:
        self.requests.append(request)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def expect(self, *answers: Answer) -> None:
        self.answers, self.requests = list(answers), []


def refusal(status: int, code: str, message: str = "") -> Answer:
    body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Answer(status, body.encode(), {})


@contextmanager
def s3_answers() -> Iterator[S3Answers]:
    s3 = S3Answers()

    class Connection(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            compared = {name: value for name, value in headers.items() if name.startswith(_COMPARED)}
            by_obstore = headers["user-agent"].startswith("object_store")
            self.give(s3.next_answer(Request(self.command, self.path, compared, body, by_obstore)))

        do_GET = do_HEAD = do_PUT = do_any  # noqa: N815 - http.server calls them so

        def give(self, answer: Answer) -> None:
            if answer.cut and not answer.body:
                self.close_connection = True
                return
            body = b"" if self.command == "PUT" and answer.status < REFUSED else answer.body
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body[: len(body) // 2] if answer.cut else body)
            self.close_connection = answer.cut

        def log_message(self, *_: object) -> None:
            """Nothing: pytest would show it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Connection)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    s3.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield s3
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
