"""A gateway in a process of its own, and peers that send too much, too slowly, or too many posts while SQS hangs."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from etl_platform.gateway.bounded_http import HEAD_TIMEOUT_S, MAX_CONNECTIONS
from etl_platform.local.emulator import LOOPBACK
from etl_platform.local.processes import last_lines
from etl_platform.local.stack import inherited_environment
from etl_platform_tests.unit.sns_posts import CERT_URL, TOPIC, notification

_STARTS_WITHIN_S = 60
_SNS_WAITS_S = 15
CLOSING = 5
"""Connections that are being closed when they are counted."""
MIB = 1 << 20
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n"


@dataclass(frozen=True)
class Attacked:
    port: int
    process_id: int

    def connect(self) -> socket.socket:
        return socket.create_connection((LOOPBACK, self.port), 20)

    def is_healthy(self) -> bool:
        return requests.get(f"http://{LOOPBACK}:{self.port}/healthz", timeout=20).status_code == 200

    def memory(self) -> int:
        """Bytes of the process that are in memory."""
        pages = int(Path(f"/proc/{self.process_id}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE")

    def peak_memory(self) -> int:
        lines = Path(f"/proc/{self.process_id}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) << 10

    def connections(self) -> int:
        count = 0
        for file in Path(f"/proc/{self.process_id}/fd").iterdir():
            with suppress(FileNotFoundError):
                count += str(file.readlink()).startswith("socket:")
        return count

    def post(self, message_id: str) -> tuple[int, str, float]:
        """Status, reason and seconds of an unsigned post, which development mode accepts."""
        fields = notification(datetime.now(UTC), message_id)
        unsigned = {"SignatureVersion": "1", "Signature": "FAKE", "SigningCertURL": CERT_URL}
        started = time.monotonic()
        answer = requests.post(f"http://{LOOPBACK}:{self.port}/", data=json.dumps(fields | unsigned), timeout=60)
        return answer.status_code, answer.json().get("reason", ""), time.monotonic() - started


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Attacked]:
    """Its queue is at an address that accepts connections and never answers."""
    with socket.create_server((LOOPBACK, 0), backlog=128) as silent, ExitStack() as stack:
        environment = inherited_environment() | {
            "AWS_ENDPOINT_URL": f"http://{LOOPBACK}:{silent.getsockname()[1]}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "DATA_BUCKET_NAME": "a-bucket",
            "FILE_EVENTS_QUEUE_URL": f"http://{LOOPBACK}:{silent.getsockname()[1]}/000000000000/q",
            "GATEWAY_ALLOWED_TOPIC_ARNS": TOPIC,
            "GATEWAY_DEV_MODE": "true",
        }
        log = tmp_path / "gateway.log"
        command = [Path(sys.executable).parent / "etl-platform", "gateway", "--host", LOOPBACK, "--port", "0"]
        with log.open("wb") as output:
            process = subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=output, stderr=output)
        stack.callback(process.wait)
        stack.callback(process.kill)
        yield Attacked(_port(log), process.pid)


def _port(log: Path) -> int:
    deadline = time.monotonic() + _STARTS_WITHIN_S
    while time.monotonic() < deadline:
        for line in log.read_text("utf-8").splitlines():
            if "gateway listens" in line:
                return int(json.loads(line)["port"])
        time.sleep(0.1)
    raise AssertionError(last_lines(log))


def _send_until_refused(peer: socket.socket, block: bytes, times: int) -> bytes:
    """What the gateway answered; it may close the connection meanwhile."""
    with suppress(OSError):
        for _ in range(times):
            peer.sendall(block)
    answer = b""
    with suppress(OSError):
        while part := peer.recv(4096):
            answer += part
    return answer


def test_a_header_of_200_mib_is_refused_and_takes_no_memory(gateway: Attacked) -> None:
    before = gateway.peak_memory()
    with gateway.connect() as peer:
        peer.sendall(HEAD + b"X-Long: ")
        answer = _send_until_refused(peer, b"a" * MIB, 200)
    assert answer[:12] in {b"", b"HTTP/1.1 400"}
    assert gateway.peak_memory() - before < 8 * MIB
    assert gateway.is_healthy()


def test_thousands_of_headers_are_refused(gateway: Attacked) -> None:
    before = gateway.peak_memory()
    with gateway.connect() as peer:
        answer = _send_until_refused(peer, HEAD + b"".join(b"X-%d: 1\r\n" % n for n in range(100_000)) + b"\r\n", 1)
    assert answer[:12] in {b"", b"HTTP/1.1 400"}
    assert gateway.peak_memory() - before < 8 * MIB
    assert gateway.is_healthy()


def test_a_usual_head_passes_in_pieces_and_two_requests_on_one_connection_are_answered(gateway: Attacked) -> None:
    with gateway.connect() as peer:
        for _ in range(2):
            for piece in (b"GET /healthz HT", b"TP/1.1\r\nHost: x\r\n", b"X-Long: " + b"a" * 8_000 + b"\r\n\r\n"):
                peer.sendall(piece)
            answer = b""
            while not answer.endswith(b'{"status":"ok"}'):
                answer += peer.recv(4096)
            assert answer.startswith(b"HTTP/1.1 200")


def test_half_open_requests_keep_nobody_out_and_are_closed(gateway: Attacked) -> None:
    before, base = gateway.memory(), gateway.connections()
    with ExitStack() as stack:
        peers = [stack.enter_context(gateway.connect()) for _ in range(900)]
        for peer in peers:
            with suppress(OSError):
                peer.sendall(HEAD + b"X-Slow: ")
        assert gateway.is_healthy()
        assert gateway.connections() - base <= MAX_CONNECTIONS + CLOSING
        assert gateway.memory() - before < 32 * MIB
        # One byte at a time does not extend the time of a head, nor of a body that was answered already.
        late = stack.enter_context(gateway.connect())
        late.sendall(b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
        dripping, began = [peers[-1], late], time.monotonic()
        while gateway.connections() > base and time.monotonic() - began < 3 * HEAD_TIMEOUT_S:
            for peer in dripping:
                with suppress(OSError):
                    peer.sendall(b"a")
            time.sleep(0.5)
        assert gateway.connections() <= base
        assert time.monotonic() - began < HEAD_TIMEOUT_S + 5
    assert gateway.is_healthy()


def test_connections_that_are_kept_open_after_an_answer_keep_nobody_out(gateway: Attacked) -> None:
    base = gateway.connections()
    with ExitStack() as stack:
        for _ in range(MAX_CONNECTIONS + 50):
            peer = stack.enter_context(gateway.connect())
            peer.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert peer.recv(4096).startswith(b"HTTP/1.1 200")
        assert gateway.is_healthy()
        assert gateway.connections() - base <= MAX_CONNECTIONS + CLOSING


def test_while_sqs_hangs_posts_are_refused_before_sns_gives_up(gateway: Attacked) -> None:
    with ThreadPoolExecutor(61) as pool:
        first = [pool.submit(gateway.post, f"m{number}") for number in range(60)]
        time.sleep(6)
        late = pool.submit(gateway.post, "late").result()
        answers = [answer.result() for answer in first]
    assert {status for status, _, _ in answers} == {503}
    assert max(seconds for _, _, seconds in answers) < _SNS_WAITS_S
    shed = [seconds for _, reason, seconds in answers if reason == "busy"]
    assert len(shed) == 40
    assert max(shed) < 6
    assert late[:2] == (503, "busy")
    assert late[2] < 1
    assert gateway.is_healthy()
