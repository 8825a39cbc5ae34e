"""make dev when a port is in use, and the sample files that it writes."""

import socket
from pathlib import Path

import pytest

from etl_platform.cli.main import main
from etl_platform.local.__main__ import main as local_main
from etl_platform.local.dev import _start_gateway, runs_page
from etl_platform.local.samples import build_samples, write_samples
from etl_platform.local.stack import Stack, write_env_file
from etl_platform.settings import DEV_STACK_ENV


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


def test_a_port_in_use_names_the_argument_that_chooses_another(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert local_main(["dev", "--ui-port", str(port)]) == 1
    assert f"make dev UI_PORT={port + 1}" in capsys.readouterr().err


def test_the_page_of_runs_has_the_port_of_the_running_stack(tmp_path: Path) -> None:
    assert runs_page(tmp_path) == "http://127.0.0.1:3000/runs"
    write_env_file(tmp_path / DEV_STACK_ENV, {"UI_PORT": "3177"})
    assert runs_page(tmp_path) == "http://127.0.0.1:3177/runs"
