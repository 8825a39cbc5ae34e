"""``etl-platform today``: which new agencies are probably misspelt."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from etl_platform.cli.main import main
from etl_platform.deliveries.ledger import Ledger
from etl_platform.platform import Platform
from etl_platform.settings import load_settings
from etl_platform_tests.unit.making_reports import report_of

DAY = timedelta(days=1)


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Platform:
    monkeypatch.setenv("LOCAL_S3_ROOT", str(tmp_path))
    return Platform(load_settings())


def receive(platform: Platform, root: Path, number: int, agency: str, at: datetime) -> None:
    """A report of a file of the agency, written at that time."""
    key = f"from_client/{agency}/Training.csv"
    report = report_of(f"{number:020x}", key=key, last_modified=at, ended_at=at, agency=agency, dataset="training")
    Ledger(platform.store, platform.bucket).put(report)
    for path in root.rglob(f"{number:020x}*.json"):
        os.utime(path, (at.timestamp(), at.timestamp()))


def test_a_new_agency_named_almost_as_another_is_named_with_the_command_that_renames_it(
    platform: Platform, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now = datetime.now(UTC)
    receive(platform, tmp_path, 1, "nm_albuquerque", now - 2 * DAY)
    receive(platform, tmp_path, 2, "nm_albuquerqe", now)
    receive(platform, tmp_path, 3, "tx_el_paso", now)
    assert main(["today"]) == 1
    found = capsys.readouterr().out
    assert "etl-platform agency rename nm_albuquerqe nm_albuquerque" in found
    assert "rename nm_albuquerque" not in found
    assert "rename tx_el_paso" not in found


def test_agencies_with_similar_names_that_have_sent_files_before_are_not_named(
    platform: Platform, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now = datetime.now(UTC)
    for number, (agency, at) in enumerate(
        [("ca_north_1", now - 2 * DAY), ("ca_north_2", now - DAY), ("ca_north_1", now), ("ca_north_2", now)]
    ):
        receive(platform, tmp_path, number, agency, at)
    main(["today"])
    assert "agency rename" not in capsys.readouterr().out
