"""A page of another origin cannot change anything through Dagster's webserver: real webservers, real requests."""

import http.client
import json
import os
import socket
import sys
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from etl_platform.local.emulator import wait_until_ready
from etl_platform.local.processes import ProcessTree
from etl_platform.local.stack import inherited_environment

ORIGIN, FOREIGN = "http://ui.example.gov", "http://attacker.example.com"
MUTATION = "mutation { setAutoMaterializePaused(paused: %s) }"
JSON = "application/json"
_BIN = Path(sys.executable).parent
_WITHIN_S = 90.0


@dataclass(frozen=True)
class Webserver:
    port: int

    def send(self, method: str, path: str, body: str = "", **headers: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body or None, {"Host": "ui.example.gov", **named})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def paused(self) -> bool:
        body = json.dumps({"query": "{ instance { autoMaterializePaused } }"})
        status, answer = self.send("POST", "/graphql", body, Origin=ORIGIN, Content_Type=JSON)
        assert status == 200, answer
        return bool(json.loads(answer)["data"]["instance"]["autoMaterializePaused"])


@contextmanager
def webserver(folder: Path, *command: str, **environment: str) -> Iterator[Webserver]:
    (folder / "home").mkdir()
    (folder / "home" / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    (folder / "empty.py").write_text("import dagster as dg\n\ndefs = dg.Definitions()\n")
    (folder / "workspace.yaml").write_text("load_from:\n  - python_file: empty.py\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = ProcessTree(
        "webserver",
        [_BIN / command[0], *command[1:], "--host", "127.0.0.1", "--port", str(port)],
        environment=inherited_environment()
        | {"DAGSTER_HOME": str(folder / "home"), "PATH": os.environ["PATH"]}
        | environment,
        working_dir=folder,
        log=folder / "webserver.log",
    )
    try:
        wait_until_ready(process, f"http://127.0.0.1:{port}", "/server_info", _WITHIN_S)
        yield Webserver(port)
    finally:
        process.stop()


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webserver]:
    folder = tmp_path_factory.mktemp("ui")
    with webserver(folder, "etl-platform", "ui", "--origin", ORIGIN, "--workspace", "workspace.yaml") as started:
        yield started


ATTACK = MUTATION % "false"
"""Dagster starts paused, so the attack is to resume."""
ATTACK_QUERY = urllib.parse.urlencode({"query": ATTACK})


def test_a_page_of_the_ui_reads_and_changes(ui: Webserver) -> None:
    for value in (False, True):
        body = json.dumps({"query": MUTATION % str(value).lower()})
        status, answer = ui.send("POST", "/graphql", body, Origin=ORIGIN, Content_Type=f"{JSON}; charset=utf-8")
        assert (status, ui.paused()) == (200, value), answer
    assert ui.send("GET", "/")[0] == 200
    assert ui.send("GET", "/runs?query=x")[0] == 200


@pytest.mark.parametrize("path", ["/graphql", "/graphql/", "//graphql", "/%67raphql"])
@pytest.mark.parametrize("origin", [{}, {"Origin": FOREIGN}, {"Origin": ORIGIN}], ids=["link", "foreign", "own"])
def test_a_get_changes_nothing_from_any_origin(ui: Webserver, path: str, origin: dict[str, str]) -> None:
    assert ui.send("GET", f"{path}?{ATTACK_QUERY}", **origin)[0] == 403
    assert ui.paused()


REFUSED = {
    "a form of another origin": {"Origin": FOREIGN, "Content_Type": "application/x-www-form-urlencoded"},
    "text of another origin": {"Origin": FOREIGN, "Content_Type": "text/plain"},
    "JSON of another origin": {"Origin": FOREIGN, "Content_Type": JSON},
    "a sandboxed frame": {"Origin": "null", "Content_Type": JSON},
    "no origin": {"Content_Type": JSON},
    "an origin that begins with ours": {"Origin": f"{ORIGIN}.attacker.example.com", "Content_Type": JSON},
    "another scheme": {"Origin": ORIGIN.replace("http:", "https:"), "Content_Type": JSON},
    "a name that leads here": {"Origin": FOREIGN, "Host": "attacker.example.com", "Content_Type": JSON},
    "our origin and no JSON": {"Origin": ORIGIN, "Content_Type": "text/plain"},
    "JSON in a parameter": {"Origin": ORIGIN, "Content_Type": f"text/plain; x={JSON}"},
    "GraphQL as text": {"Origin": ORIGIN, "Content_Type": "application/graphql"},
}


@pytest.mark.parametrize("headers", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("path", ["/graphql", "/report_asset_materialization/a"])
def test_a_post_that_another_page_could_send_is_refused(ui: Webserver, path: str, headers: dict[str, str]) -> None:
    body = json.dumps({"query": ATTACK})
    status, answer = ui.send("POST", f"{path}?{ATTACK_QUERY}", body, **headers)
    assert status == 403, answer
    assert answer.startswith("refused: ")
    assert ui.paused()


@pytest.mark.parametrize(("origin", "expected"), [(ORIGIN, 101), (FOREIGN, 403)])
def test_a_websocket_opens_for_pages_of_the_ui_only(ui: Webserver, origin: str, expected: int) -> None:
    request = (
        f"GET /graphql HTTP/1.1\r\nHost: ui.example.gov\r\nOrigin: {origin}\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: graphql-ws\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", ui.port), timeout=60) as connection:
        connection.sendall(request.encode())
        assert connection.recv(1024).startswith(f"HTTP/1.1 {expected} ".encode())


def test_dagsters_own_webserver_runs_the_mutation_of_a_link_so_these_tests_attack(tmp_path: Path) -> None:
    with webserver(tmp_path, "dagster-webserver", "-w", "workspace.yaml") as stock:
        assert stock.send("GET", f"/graphql?{ATTACK_QUERY}", Origin=FOREIGN)[0] == 200
        assert not stock.paused()


def test_the_variable_of_the_chart_makes_dagsters_webserver_read_only(tmp_path: Path) -> None:
    variable = {"DAGSTER_WEBSERVER_READ_ONLY": "true"}
    with webserver(tmp_path, "dagster-webserver", "-w", "workspace.yaml", **variable) as read_only:
        _, answer = read_only.send("GET", f"/graphql?{ATTACK_QUERY}", Origin=FOREIGN)
        assert read_only.paused(), answer
