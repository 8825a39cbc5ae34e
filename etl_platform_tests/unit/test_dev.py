"""make dev where another program has the gateway's port."""

import socket
from pathlib import Path

from etl_platform.local.dev import _start_gateway
from etl_platform.local.stack import Stack


def test_a_port_that_is_taken_is_told_and_stops_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = _start_gateway(Stack(tmp_path), port)
    assert said.startswith(f"not started: port {port}")
    assert "PORT=" in said
