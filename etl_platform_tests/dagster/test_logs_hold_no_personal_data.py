"""The demo's scan of its logs finds personal values. make demo itself checks that the logs contain none."""

from pathlib import Path

import pytest

from etl_platform.local.personal_values import personal_values, scan_logs
from etl_platform.local.sample_emails import sample_emails
from etl_platform.local.samples import build_samples


def values() -> set[str]:
    return personal_values(build_samples(), sample_emails(25))


def test_names_addresses_birth_dates_and_email_texts_are_personal_values() -> None:
    officers = next(sample for sample in build_samples() if sample.name == "clean").content.decode().splitlines()
    names, row = officers[0].split(","), officers[1].split(",")
    of_one_officer = {row[names.index(name)].lower() for name in ("first_name", "last_name", "email", "dob")}
    assert of_one_officer < values()
    assert {"john.doe", "john.doe@police.example", "josé.núñez@policía.example"} < values()
    assert any(value.startswith("sample text ") for value in values())


@pytest.mark.parametrize("log", ["dagster.log", "jobs.log", "dagster_home/storage/run/compute_logs/step.err"])
def test_a_value_in_a_log_is_reported_by_line_and_not_quoted(tmp_path: Path, log: str) -> None:
    path = tmp_path / log
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("a line\ncould not put emails/2026/01/02/John.Doe/m.json\n", "utf-8")
    (tmp_path / "emulator.log").write_text("PUT /emails/john.doe", "utf-8")

    (found,) = scan_logs(tmp_path, values())

    assert found == f"{path}: contains 1 personal values of the samples, the first in line 2"


def test_clean_logs_pass_and_missing_logs_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing to check"):
        scan_logs(tmp_path, values())
    (tmp_path / "dagster.log").write_text("officer_detail of nm_albuquerque: accepted\n", "utf-8")
    assert scan_logs(tmp_path, values()) == []
