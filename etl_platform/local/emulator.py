"""Runs the AWS emulator as a child process on the loopback interface. provision.py creates its resources."""

import http.client
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from etl_platform.local.processes import LocalStackError, ProcessTree, last_lines

LOOPBACK = "127.0.0.1"
_TOOL_ENVIRONMENT = Path(__file__).parents[2] / ".emulator"
_READY_PATH = "/_ministack/ready"
_GRACE_S = 20.0
"""It writes its state when it is stopped."""


def listen_on_loopback(port: int | None = None) -> socket.socket:
    """A socket that listens on 127.0.0.1, on a free port unless one is given.

    Raises:
        LocalStackError: the port is in use.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port or 0))
        listener.listen(100)
    except OSError as error:
        listener.close()
        raise LocalStackError(f"cannot listen on {LOOPBACK}:{port} ({error.strerror})") from error
    return listener


def responds(url: str, path: str, timeout_s: float = 1.0) -> bool:
    """Whether a GET returns 200. Unlike urllib, it uses no proxy."""
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


def wait_until_ready(process: ProcessTree, url: str, path: str, within_s: float) -> None:
    """Poll until ``url`` responds.

    Raises:
        LocalStackError: the process ended, or it does not respond in time; with the end of its log.
    """
    deadline = time.monotonic() + within_s
    while not responds(url, path):
        process.check()
        if time.monotonic() > deadline:
            raise LocalStackError(
                f"{process.name} does not respond at {url} after {within_s:.0f} s. Its log, {process.log}, ends with:\n"
                f"{last_lines(process.log)}"
            )
        time.sleep(0.05)


def is_emulator(url: str) -> bool:
    return responds(url, _READY_PATH)


class Emulator:
    """S3, SNS and SQS on 127.0.0.1. Without ``state_dir`` all state is in memory and lost when the context ends."""

    def __init__(
        self,
        work_dir: Path,
        *,
        port: int | None = None,
        region: str = "us-east-1",
        environment: Mapping[str, str] | None = None,
        state_dir: Path | None = None,
        tool_environment: Path = _TOOL_ENVIRONMENT,
        ready_within_s: float = 30.0,
    ) -> None:
        """Configure an emulator; ``start`` starts it. The log is ``work_dir``/emulator.log.

        Args:
            port: a free one by default.
            state_dir: where state is kept: read at the start, and written when the emulator is stopped.
        """
        self.log = work_dir / "emulator.log"
        self.endpoint_url = ""
        self._work_dir, self._port, self._region = work_dir, port, region
        self._environment, self._state_dir = dict(environment or {}), state_dir
        self._program = tool_environment / "bin" / "hypercorn"
        self._ready_within_s = ready_within_s
        self._process: ProcessTree | None = None

    def start(self) -> None:
        """Start the emulator and wait until it responds.

        Raises:
            LocalStackError: it is not installed, the port is in use, or it does not start.
        """
        if not self._program.exists():
            raise LocalStackError(f"the AWS emulator is not installed ({self._program}): run make setup")
        self._work_dir.mkdir(parents=True, exist_ok=True)
        # Pass an open socket, so that no other process can take the port in between.
        with listen_on_loopback(self._port) as listener:
            port = listener.getsockname()[1]
            bind = f"fd://{listener.fileno()}"
            self._process = ProcessTree(
                "the AWS emulator",
                # With one worker, hypercorn would serve from a second process.
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
                environment=self._environment | self.settings_for(port),
                working_dir=self._work_dir,
                log=self.log,
                grace_s=_GRACE_S,
                pass_fds=[listener.fileno()],
            )
        self.endpoint_url = f"http://{LOOPBACK}:{port}"
        try:
            wait_until_ready(self._process, self.endpoint_url, _READY_PATH, self._ready_within_s)
        except BaseException:
            self.stop()
            raise

    def check(self) -> None:
        """Raise LocalStackError if the emulator has ended."""
        if self._process is not None:
            self._process.check()

    @property
    def pid(self) -> int | None:
        """Process id of the emulator's subreaper; None if it does not run."""
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

    def _persistence(self) -> dict[str, str]:
        if self._state_dir is None:
            return {"PERSIST_STATE": "0", "S3_PERSIST": "0"}
        state = self._state_dir.resolve()
        return {
            "PERSIST_STATE": "1",
            "STATE_DIR": str(state),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(state / "objects"),
        }

    def settings_for(self, port: int) -> dict[str, str]:
        return {
            "MINISTACK_HOST": LOOPBACK,
            "GATEWAY_PORT": str(port),
            "MINISTACK_REGION": self._region,
            "SERVICES": "s3,sns,sqs,sts,kms,monitoring",
            **self._persistence(),
            # The default opens an MQTT port on every interface.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            # By default it looks for a Docker daemon and removes containers with its labels.
            "DOCKER_HOST": "unix:///nonexistent",
            "TMPDIR": str(self._work_dir),
            "PYTHONUNBUFFERED": "1",
        }
