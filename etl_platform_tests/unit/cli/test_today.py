"""``etl-platform today``: which new agencies are probably misspelt, and which files are refused now."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from etl_platform.cli.main import main
from etl_platform.deliveries.delivery import Cause, Outcome
from etl_platform.deliveries.ledger import Ledger
from etl_platform.deliveries.report import Report
from etl_platform.platform import Platform
from etl_platform.settings import load_settings
from etl_platform_tests.unit.making_reports import attempt_of, report_of

DAY = timedelta(days=1)
LATER = datetime.now(UTC) + timedelta(minutes=1)


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


def put(platform: Platform, number: int, outcome: Outcome, after: timedelta, **fields: Any) -> Report:
    """A report of a file that arrived today, so long after the first one."""
    at = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + after
    delivery_id = fields.pop("delivery_id", f"{number:020x}")
    report = report_of(delivery_id, last_modified=at, ended_at=at, dataset="training", outcome=outcome, **fields)
    return Ledger(platform.store, platform.bucket).put(report)


def refused(capsys: pytest.CaptureFixture[str]) -> list[str]:
    capsys.readouterr()
    main(["today", "--json"])
    return [one["delivery_id"] for one in json.loads(capsys.readouterr().out)["refused"]]


def test_a_refused_file_is_no_longer_listed_when_a_good_one_of_its_name_came(
    platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    put(platform, 1, Outcome.REJECTED, timedelta())
    assert refused(capsys) == [f"{1:020x}"]
    assert main(["today"]) == 1
    put(platform, 2, Outcome.ACCEPTED, timedelta(seconds=1))
    assert refused(capsys) == []
    assert main(["today"]) == 0
    assert "nothing is refused, stuck or overdue" in capsys.readouterr().out


def test_it_is_listed_as_long_as_only_other_files_are_good(
    platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    put(platform, 1, Outcome.ACCEPTED, timedelta())
    put(platform, 2, Outcome.REJECTED, timedelta(seconds=1))
    put(platform, 3, Outcome.ACCEPTED, timedelta(seconds=2), key="from_client/nm_albuquerque/Other.csv")
    put(platform, 4, Outcome.SUPERSEDED, timedelta(seconds=3))
    assert refused(capsys) == [f"{2:020x}"]


def test_it_is_no_longer_listed_when_it_was_read_again_with_success(
    platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    first = put(platform, 1, Outcome.REJECTED, timedelta())
    again = {"delivery_id": first.delivery_id, "attempt_id": "0" * 8, "attempt": attempt_of(Cause.REPROCESS, LATER)}
    put(platform, 2, Outcome.ACCEPTED, timedelta(), **again)
    assert refused(capsys) == []
