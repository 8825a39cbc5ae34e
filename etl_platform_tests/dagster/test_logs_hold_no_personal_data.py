"""The demo's look for personal values in its logs would find one; make demo itself shows that there is none."""

from pathlib import Path

import pytest

from etl_platform.local.personal_values import leaks, personal_values
from etl_platform.local.sample_emails import sample_emails
from etl_platform.local.samples import build_samples


def values() -> set[str]:
    return personal_values(build_samples(), sample_emails(25))


def test_names_addresses_birth_dates_and_words_of_emails_are_looked_for() -> None:
    officers = next(sample for sample in build_samples() if sample.name == "clean").content.decode().splitlines()
    names, row = officers[0].split(","), officers[1].split(",")
    of_one = {row[names.index(name)].lower() for name in ("first_name", "last_name", "email", "dob")}
    assert of_one < values()
    assert {"john.doe", "john.doe@police.example", "josé.núñez@policía.example"} < values()
    assert any(value.startswith("sample text ") for value in values())


@pytest.mark.parametrize("log", ["dagster.log", "jobs.log", "dagster_home/storage/run/compute_logs/step.err"])
def test_one_value_in_any_log_is_told_by_its_place_and_not_by_itself(tmp_path: Path, log: str) -> None:
    path = tmp_path / log
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("a line\ncould not put emails/2026/01/02/John.Doe/m.json\n", "utf-8")
    (tmp_path / "emulator.log").write_text("PUT /emails/john.doe", "utf-8")

    (found,) = leaks(tmp_path, values())

    assert found == f"{path}: 1 personal values of the samples, the first in line 2"


def test_logs_without_any_are_fine_and_no_logs_are_not(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing to look for"):
        leaks(tmp_path, values())
    (tmp_path / "dagster.log").write_text("officer_detail of nm_albuquerque: accepted\n", "utf-8")
    assert leaks(tmp_path, values()) == []
