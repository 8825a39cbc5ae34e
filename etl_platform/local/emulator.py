"""The AWS emulator as a child process on loopback. What lies in it is provisioned elsewhere."""

import http.client
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from etl_platform.local.processes import LocalStackError, Tethered, last_lines

LOOPBACK = "127.0.0.1"
_TOOL_ENVIRONMENT = Path(__file__).parents[2] / ".emulator"
_READY_PATH = "/_ministack/ready"


def listen_on_loopback(port: int | None = None) -> socket.socket:
    """A socket listening on 127.0.0.1, on a free port unless one is given.

    Raises:
        LocalStackError: the port is taken.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port or 0))
        listener.listen(100)
    except OSError as error:
        listener.close()
        raise LocalStackError(f"port {port} on {LOOPBACK} cannot be opened ({error.strerror})") from error
    return listener


def answers(url: str, path: str, timeout_s: float = 1.0) -> bool:
    """Whether a GET is answered with 200. Never through a proxy, unlike urllib."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=timeout_s)
    with suppress(OSError, http.client.HTTPException):
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        connection.close()
        return response.status == http.client.OK
    connection.close()
    return False


def wait_until_it_answers(process: Tethered, url: str, path: str, within_s: float) -> None:
    """Poll until ``url`` answers.

    Raises:
        LocalStackError: the process ended, or the deadline passed; with the log's end.
    """
    deadline = time.monotonic() + within_s
    while not answers(url, path):
        process.check()
        if time.monotonic() > deadline:
            raise LocalStackError(
                f"{process.name} does not answer on {url} after {within_s:.0f} s. The end of {process.log}:\n"
                f"{last_lines(process.log)}"
            )
        time.sleep(0.05)


def is_emulator(url: str) -> bool:
    return answers(url, _READY_PATH)


class Emulator:
    """S3, SNS and SQS on 127.0.0.1, all state in memory, gone with the context."""

    def __init__(
        self,
        work_dir: Path,
        *,
        port: int | None = None,
        region: str = "us-east-1",
        environment: Mapping[str, str] | None = None,
        tool_environment: Path = _TOOL_ENVIRONMENT,
        ready_within_s: float = 30.0,
    ) -> None:
        """``port`` None takes a free one; the log goes to ``work_dir``/emulator.log."""
        self.log = work_dir / "emulator.log"
        self.endpoint_url = ""
        self._work_dir, self._port, self._region = work_dir, port, region
        self._environment = dict(environment or {})
        self._program = tool_environment / "bin" / "hypercorn"
        self._ready_within_s = ready_within_s
        self._process: Tethered | None = None

    def start(self) -> None:
        """Start and wait until it answers.

        Raises:
            LocalStackError: it is not installed, the port is taken, or it does not come up.
        """
        if not self._program.exists():
            raise LocalStackError(f"the AWS emulator is not installed ({self._program}): run make setup")
        self._work_dir.mkdir(parents=True, exist_ok=True)
        # Handing over an open socket leaves no moment in which another process could take the port.
        with listen_on_loopback(self._port) as listener:
            port = listener.getsockname()[1]
            bind = f"fd://{listener.fileno()}"
            self._process = Tethered(
                "the AWS emulator",
                # No workers: with one, hypercorn serves from a second process.
                [
                    self._program,
                    "ministack.app:app",
                    "--bind",
                    bind,
                    "--workers",
                    "0",
                    "--graceful-timeout",
                    "1",
                ],
                environment=self._environment | self._switches(port),
                working_dir=self._work_dir,
                log=self.log,
                grace_s=5.0,
                pass_fds=[listener.fileno()],
            )
        self.endpoint_url = f"http://{LOOPBACK}:{port}"
        try:
            wait_until_it_answers(self._process, self.endpoint_url, _READY_PATH, self._ready_within_s)
        except BaseException:
            self.stop()
            raise

    def check(self) -> None:
        """Raise LocalStackError if the emulator has ended by itself."""
        if self._process is not None:
            self._process.check()

    @property
    def pid(self) -> int | None:
        """Process id of the tether that holds the emulator, None when it does not run."""
        return self._process.pid if self._process else None

    def stop(self) -> None:
        """End the emulator; safe to call twice."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _switches(self, port: int) -> dict[str, str]:
        return {
            "MINISTACK_HOST": LOOPBACK,
            "GATEWAY_PORT": str(port),
            "MINISTACK_REGION": self._region,
            "SERVICES": "s3,sns,sqs,sts,kms,monitoring",
            "PERSIST_STATE": "0",
            "S3_PERSIST": "0",
            # Left on, it opens an MQTT port on every interface.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            # Left unset, it looks for a Docker daemon and removes containers that carry its labels.
            "DOCKER_HOST": "unix:///nonexistent",
            "TMPDIR": str(self._work_dir),
            "PYTHONUNBUFFERED": "1",
        }
