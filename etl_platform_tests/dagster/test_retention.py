"""``retention_job``: lists by default, erases if it is told to, and does nothing without a contract that says so."""

import shutil
from datetime import UTC, datetime, timedelta
from os import utime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from etl_platform.definitions import build_defs
from etl_platform.platform import Platform
from etl_platform.settings import Settings
from etl_platform_tests.dagster.workshop import Workshop
from etl_platform_tests.integration.deliveries import as_csv, officers


@pytest.fixture
def workshop(tmp_path: Path, dagster_home: Path) -> Workshop:
    contracts = tmp_path / "contracts"
    shutil.copytree(Settings().contracts_dir, contracts)
    path = contracts / "officer_detail.odcs.yaml"
    text = path.read_text("utf-8")
    assert "    customProperties:\n" in text
    more = "    customProperties:\n      - {property: eraseAfterRetention, value: true}\n"
    path.write_text(text.replace("    customProperties:\n", more, 1), "utf-8")
    instance = dg.DagsterInstance.from_config(str(dagster_home))
    return Workshop(tmp_path / "root", instance, contracts_dir=contracts)


def run(workshop: Workshop, **config: Any) -> dg.ExecuteInProcessResult:
    platform = Platform(workshop.settings)
    job = build_defs(workshop.settings, platform=platform).resolve_job_def("retention_job")
    run_config = {"ops": {"erase_ended": {"config": config}}} if config else None
    return job.execute_in_process(instance=workshop.instance, run_config=run_config)


def test_files_older_than_their_contract_says_are_listed_and_then_erased(workshop: Workshop) -> None:
    key = workshop.drop("Officer_Detail.csv", as_csv(officers("SECRET", 4)))
    eight_years_ago = (datetime.now(UTC) - timedelta(days=8 * 366)).timestamp()
    utime(workshop.root / key, (eight_years_ago, eight_years_ago))
    workshop.ingest(key)
    assert workshop.outcomes == ["accepted"]

    run(workshop)
    assert workshop.written("silver")
    run(workshop, dry_run=False)

    assert not workshop.written("silver")
    assert not workshop.written("from_client")
    run(workshop, dry_run=False)
