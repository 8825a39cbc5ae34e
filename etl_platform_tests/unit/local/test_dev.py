"""make dev where another program has the gateway's port, and the files that it leaves to drop."""

import socket
from pathlib import Path

from etl_platform.cli.main import main
from etl_platform.local.dev import _start_gateway
from etl_platform.local.samples import build_samples, keep_samples
from etl_platform.local.stack import Stack


def test_a_port_that_is_taken_is_told_and_stops_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = _start_gateway(Stack(tmp_path), port)
    assert said.startswith(f"not started: port {port}")
    assert "PORT=" in said


def test_the_samples_lie_by_agency_to_be_dropped_and_checked(tmp_path: Path) -> None:
    keep_samples(build_samples(), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"nm_albuquerque", "la_new_orleans", "nc_durham", "tx_el_paso"}
    assert main(["check", str(tmp_path / "la_new_orleans" / "Officer_Detail.csv")]) == 0
    assert main(["check", str(tmp_path / "nc_durham" / "Officer_Detail.csv")]) == 1
