"""make dev when the gateway's port is in use, and the sample files that it writes."""

import socket
from pathlib import Path

from etl_platform.cli.main import main
from etl_platform.local.dev import _start_gateway
from etl_platform.local.samples import build_samples, write_samples
from etl_platform.local.stack import Stack


def test_a_gateway_port_in_use_is_reported_and_the_stack_continues(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        text = _start_gateway(Stack(tmp_path), port)
    assert text.startswith(f"not started: cannot listen on 127.0.0.1:{port}")
    assert "PORT=" in text


def test_the_samples_are_written_by_agency_and_can_be_checked(tmp_path: Path) -> None:
    write_samples(build_samples(), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"nm_albuquerque", "la_new_orleans", "nc_durham", "tx_el_paso"}
    assert main(["check", str(tmp_path / "la_new_orleans" / "Officer_Detail.csv")]) == 0
    assert main(["check", str(tmp_path / "nc_durham" / "Officer_Detail.csv")]) == 1
