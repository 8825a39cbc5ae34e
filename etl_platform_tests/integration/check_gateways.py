"""A gateway that only checks files, in a process of its own. No tests."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from etl_platform.gateway.checks.tokens import new_token
from etl_platform.local.processes import last_lines
from etl_platform.local.stack import inherited_environment
from etl_platform_tests.unit.engine.web_check.forms import CONTENT_TYPE, form

_STARTS_WITHIN_S = 60
AGENCIES = 70


@dataclass(frozen=True)
class CheckGateway:
    port: int
    process: "subprocess.Popen[bytes]"
    folder: Path
    tokens: tuple[str, ...]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "gateway.log").read_text("utf-8")

    def post(
        self, content: bytes, token: str | None = None, path: str = "/check/officer_detail", address: str = "10.0.0.1"
    ) -> tuple[int, dict[str, Any]]:
        headers = {"X-Forwarded-For": address} | ({"Authorization": f"Bearer {token}"} if token is not None else {})
        answer = requests.post(self.url + path, data=content, headers=headers, timeout=200)
        return answer.status_code, answer.json()

    def post_form(
        self, content: bytes, token: str, name: str = "Officer_Detail.csv", dataset: str = "", address: str = "10.0.0.1"
    ) -> requests.Response:
        body = form(name, content, fields=[("token", token), ("dataset", dataset)])
        headers = {"Content-Type": CONTENT_TYPE, "X-Forwarded-For": address}
        return requests.post(f"{self.url}/check", data=body, headers=headers, timeout=200)

    def metrics(self) -> str:
        return requests.get(f"{self.url}/metrics", timeout=20).text

    def peak_memory(self) -> int:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) << 10

    def files(self) -> list[Path]:
        """What the process has written, beside its log, the tokens and the lock of its folder."""
        known = {"gateway.log", "tokens", "in-use"}
        return [path for path in self.folder.rglob("*") if path.is_file() and path.name not in known]


@contextmanager
def check_gateway(folder: Path, **settings: str) -> Iterator[CheckGateway]:
    """Agency ``agency_<n>`` has token n. Everything is written below ``folder``."""
    made = [new_token(f"agency_{number}") for number in range(AGENCIES)]
    (folder / "tokens").write_text("# of the tests\n\n" + "\n".join(line for _, line in made), "utf-8")
    environment = inherited_environment() | {
        "TMPDIR": str(folder),
        "GATEWAY_CHECK_TOKENS_FILE": "tokens",
        "GATEWAY_PROXIES": "1",
        **settings,
    }
    command = [Path(sys.executable).with_name("etl-platform"), "gateway", "--only", "check", "--port", "0"]
    log = folder / "gateway.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=output, stderr=output)
    try:
        yield CheckGateway(_port(log), process, folder, tuple(token for token, _ in made))
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _port(log: Path) -> int:
    deadline = time.monotonic() + _STARTS_WITHIN_S
    while time.monotonic() < deadline:
        for line in log.read_text("utf-8").splitlines():
            if "gateway listens" in line:
                return int(json.loads(line)["port"])
        time.sleep(0.1)
    raise AssertionError(last_lines(log))


def memory_of_children(process_id: int) -> int:
    """Bytes in memory of the processes that a process has started."""
    total = 0
    for task in Path(f"/proc/{process_id}/task").glob("*/children"):
        for child in task.read_text().split():
            try:
                total += int(Path(f"/proc/{child}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
            except (FileNotFoundError, ProcessLookupError):
                continue
    return total
