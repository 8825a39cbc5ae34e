"""Deliveries whose check fails: those that would fail again are rejected, the run goes on, and a replay reads them."""

import shutil
from pathlib import Path

from etl_platform.settings import Settings
from etl_platform_tests.dagster.workshop import AGENCY, Workshop, value_of
from etl_platform_tests.integration.deliveries import as_csv, officers

TRAINING = b"officer_id,course_code,completed_on,hours\nA1,FA1,2025-01-05,4\n"
RULE = "implementation: termination_date >= hire_date"


def use_contracts(workshop: Workshop, folder: Path, *, broken: bool) -> None:
    """The shipped contracts, of which the one of the officers does not compile if ``broken``."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(Settings().contracts_dir, folder)
    path = folder / "officer_detail.odcs.yaml"
    rule = RULE.replace("hire_date", "hired_on") if broken else RULE
    path.write_text(path.read_text("utf-8").replace(RULE, rule), "utf-8")
    workshop.contracts_dir = folder


def test_a_contract_that_does_not_compile_rejects_its_files_and_no_others(workshop: Workshop, tmp_path: Path) -> None:
    use_contracts(workshop, tmp_path / "contracts", broken=True)
    officer_file = workshop.drop("Officer_Detail.csv", as_csv(officers("A", 3)))
    result = workshop.ingest(officer_file, workshop.drop("Training.csv", TRAINING))

    assert result.success
    assert workshop.outcomes == ["accepted", "rejected"]
    (check,) = [c for c in workshop.evaluations(result) if c.asset_key.path[-1] == "officer_detail" and not c.passed]
    assert (check.check_name, check.passed, check.partition) == ("file_is_readable_and_complete", False, AGENCY)
    assert "contract_error: " in (check.description or "")
    assert "hired_on" in (check.description or "")
    assert "The data team must correct the contract" in (check.description or "")
    (bronze,) = workshop.materializations("bronze", "officer_detail")
    assert value_of(bronze.metadata, "to_do").startswith("Nothing for the sender")

    use_contracts(workshop, tmp_path / "contracts", broken=False)
    assert workshop.reprocess().success
    assert "accepted" in workshop.outcomes
    assert len(workshop.materializations("silver", "officer_detail")) == 1
