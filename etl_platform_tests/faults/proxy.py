"""An HTTP proxy on loopback between the platform and the AWS emulator: it counts calls and does harm at one of them.

It forwards what it gets, Host and signature untouched, so that the emulator answers as if it were not there.
"""

import http.client
import json
import select
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

LOOPBACK = "127.0.0.1"
_HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive", "expect"}
_UPSTREAM_TIMEOUT_S = 60


class Moment(StrEnum):
    """Around the emulator's work: nothing has happened yet, or all has and nobody knows."""

    BEFORE = "before"
    AFTER = "after"


class Harm(StrEnum):
    """What is done to a call. A pause calls the hook and goes on; a kill calls it and drops the call."""

    PAUSE = "pause"
    KILL = "kill"
    ERROR = "500"
    SLOW_DOWN = "503"
    DENIED = "403"
    ARCHIVED = "archived"
    CUSTOMER_KEY = "SSE-C"
    RESET = "reset"
    TIMEOUT = "timeout"
    TRUNCATED = "truncated"


_ERRORS = {
    Harm.ERROR: (500, "InternalError"),
    Harm.SLOW_DOWN: (503, "SlowDown"),
    Harm.DENIED: (403, "AccessDenied"),
    Harm.ARCHIVED: (403, "InvalidObjectState"),
    Harm.CUSTOMER_KEY: (400, "InvalidRequest"),
}
_MESSAGES = {
    Harm.CUSTOMER_KEY: "The object was stored using a form of Server Side Encryption. The correct parameters must be "
    "provided to retrieve the object."
}
TRANSIENT = (Harm.ERROR, Harm.SLOW_DOWN, Harm.RESET, Harm.TIMEOUT, Harm.TRUNCATED)


@dataclass(frozen=True)
class Call:
    """One call to AWS. ``key`` is an object key or a queue's name; ``number`` counts from 1.

    ``target`` is path and query as they were sent, and ``copy_source`` what a copy is made of. A call that ``creates``
    is refused if the key exists.
    """

    number: int
    operation: str
    key: str
    target: str = ""
    copy_source: str = ""
    creates: bool = False

    def __str__(self) -> str:
        return f"{self.operation} {self.key}"


@dataclass(frozen=True)
class Fault:
    harm: Harm
    moment: Moment = Moment.BEFORE
    hook: Callable[[Call], None] = lambda _call: None


Plan = Callable[[Call], Fault | None]


@dataclass(frozen=True)
class _Answer:
    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes


class FaultProxy:
    """Listens on a free port; ``url`` is the platform's endpoint.

    Calls are numbered, recorded and shown to the plan while it watches; otherwise they pass.
    """

    def __init__(self, upstream_url: str) -> None:
        self.upstream = urlsplit(upstream_url).netloc
        self._server = _Server((LOOPBACK, 0), self)
        self.url = f"http://{LOOPBACK}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="proxy", daemon=True)
        self._lock = threading.Lock()
        self._plan: Plan | None = None
        self.stopping = threading.Event()
        self.calls: list[Call] = []
        self.receipt_handles: list[str] = []
        self.errors: list[BaseException] = []

    @contextmanager
    def watch(self, plan: Plan = lambda _call: None) -> Iterator[None]:
        """Record calls and ask ``plan`` about each; numbers go on from those recorded before.

        Raises:
            AssertionError: a plan or a hook failed, so the harm may not have been done.
        """
        with self._lock:
            self._plan = plan
        try:
            yield
        finally:
            with self._lock:
                self._plan = None
        if self.errors:
            raise AssertionError(f"harm not done: {self.errors[0]!r}") from self.errors.pop()

    def forget(self) -> None:
        """Start a new count."""
        with self._lock:
            self.calls, self.receipt_handles = [], []

    def count(self, operation: str) -> int:
        with self._lock:
            return sum(call.operation == operation for call in self.calls)

    def record(
        self, operation: str, key: str, target: str, copy_source: str, creates: bool
    ) -> tuple[Call, Fault | None]:
        with self._lock:
            call, plan = Call(len(self.calls) + 1, operation, key, target, copy_source, creates), self._plan
            if plan is None:
                return call, None
            self.calls.append(call)
        return call, plan(call)

    def note_receipts(self, body: bytes) -> None:
        """Remember the handles of received messages: whoever made the call may not live to tell them."""
        found = [message["ReceiptHandle"] for message in json.loads(body or b"{}").get("Messages") or []]
        with self._lock:
            self.receipt_handles += found

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def at(number: int, fault: Fault) -> Plan:
    """A plan that does one harm, to call ``number``."""
    return lambda call: fault if call.number == number else None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], proxy: FaultProxy) -> None:
        self.proxy = proxy
        super().__init__(address, _Connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that die or hang up in mid-call are what this is for; anything else is a fault of the test."""
        error = sys.exception()
        if error is not None and not isinstance(error, ConnectionError):
            self.proxy.errors.append(error)


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_any(self) -> None:
        proxy = self.server.proxy
        target = self.requestline.split(" ")[1]
        operation, key = name_of(self.command, target, self.headers)
        creates = "if-none-match" in self.headers
        call, fault = proxy.record(operation, key, target, self.headers.get("x-amz-copy-source", ""), creates)
        body = self._body()
        if fault is not None and fault.moment is Moment.BEFORE and not self._goes_on(call, fault, None):
            return
        answer = self._ask(target, body)
        if operation == "ReceiveMessage" and answer.status == http.client.OK:
            proxy.note_receipts(answer.body)
        if fault is not None and fault.moment is Moment.AFTER and not self._goes_on(call, fault, answer):
            return
        self._answer(answer)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_any  # noqa: N815 - http.server calls them so

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline() not in {b"\r\n", b"\n", b""}:
            continue
        return body

    def _ask(self, target: str, body: bytes) -> _Answer:
        upstream = http.client.HTTPConnection(self.server.proxy.upstream, timeout=_UPSTREAM_TIMEOUT_S)
        try:
            upstream.putrequest(self.command, target, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _HOP_BY_HOP | {"content-length"}:
                    upstream.putheader(name, value)
            if body or self.command in {"PUT", "POST"}:
                upstream.putheader("Content-Length", str(len(body)))
            upstream.endheaders(body)
            found = upstream.getresponse()
            return _Answer(found.status, found.reason, found.getheaders(), found.read())
        finally:
            upstream.close()

    def _answer(self, answer: _Answer, *, cut: bool = False) -> None:
        self.send_response_only(answer.status, answer.reason)
        has_length = False
        for name, value in answer.headers:
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
                has_length |= name.lower() == "content-length"
        if not has_length and answer.status >= http.client.OK and answer.status != http.client.NO_CONTENT:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body[: len(answer.body) // 2] if cut else answer.body)

    def _goes_on(self, call: Call, fault: Fault, answer: _Answer | None) -> bool:
        """Do the harm; whether the call goes on as if nothing had been."""
        if fault.harm in {Harm.PAUSE, Harm.KILL}:
            fault.hook(call)
        if fault.harm is Harm.PAUSE:
            return True
        if fault.harm in _ERRORS:
            self._answer(_error(fault.harm, is_queue="X-Amz-Target" in self.headers))
            return False
        if fault.harm is Harm.TIMEOUT:
            self._wait_for_hang_up()
        elif fault.harm is Harm.TRUNCATED and answer is not None and len(answer.body) > 1 and self.command != "HEAD":
            self._answer(answer, cut=True)
        self._reset()
        return False

    def _wait_for_hang_up(self) -> None:
        while not self.server.proxy.stopping.is_set():
            readable, _, _ = select.select([self.connection], [], [], 0.05)
            if readable:
                return

    def _reset(self) -> None:
        """Close at once; unless something was sent before, the client sees ECONNRESET."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that http.server gives it
        """The calls are recorded; a line each on stderr would hide the test's own."""


def name_of(method: str, target: str, headers: Any) -> tuple[str, str]:
    """AWS's name of an operation, and the object key or queue that it is about."""
    action = headers.get("X-Amz-Target")
    url = urlsplit(target)
    if action:
        return action.rpartition(".")[2], url.path.rpartition("/")[2]
    query = parse_qs(url.query, keep_blank_values=True)
    bucket, _, key = url.path.lstrip("/").partition("/")
    if not key:
        return _about_a_bucket(method, query), unquote(bucket)
    names = {"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject", "DELETE": "DeleteObject"}
    name = names.get(method, f"{method}Object")
    if method == "PUT" and "x-amz-copy-source" in headers:
        name = "CopyObject"
    elif "tagging" in query:
        name = f"{method.title()}ObjectTagging"
    elif "uploadId" in query or "uploads" in query:
        name = "UploadPart" if method == "PUT" else f"{method.title()}MultipartUpload"
    return name, unquote(key)


def _about_a_bucket(method: str, query: Mapping[str, object]) -> str:
    if method == "POST" and "delete" in query:
        return "DeleteObjects"
    if method == "POST":
        return "GetCallerIdentity"  # STS alone names its operation in the body
    asked = {
        "versions": "ListObjectVersions",
        "versioning": "GetBucketVersioning",
        "encryption": "GetBucketEncryption",
        "policy": "GetBucketPolicy",
        "publicAccessBlock": "GetPublicAccessBlock",
        "notification": "GetBucketNotificationConfiguration",
    }
    found = next((name for word, name in asked.items() if word in query), "ListObjects")
    return found if method == "GET" else f"{method.title()}Bucket"


def _error(harm: Harm, *, is_queue: bool) -> _Answer:
    status, code = _ERRORS[harm]
    if is_queue:
        body = json.dumps({"__type": f"com.amazonaws.sqs#{code}", "message": "injected"}).encode()
        return _Answer(status, code, [("Content-Type", "application/x-amz-json-1.0")], body)
    message = _MESSAGES.get(harm, "injected")
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    return _Answer(status, code, [("Content-Type", "application/xml")], body)
