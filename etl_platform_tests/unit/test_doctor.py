"""The doctor's check of contracts. The other checks need servers: ``integration/test_doctor.py``."""

import shutil
from pathlib import Path

from etl_platform.aws.health_checks import CheckResult, State, run_checks
from etl_platform.doctor import ExternalSystems
from etl_platform.settings import Settings
from etl_platform_tests.unit.making import CONTRACTS


def check(contracts: Path) -> CheckResult:
    checks = ExternalSystems(Settings(contracts_dir=contracts)).checks()
    (result,) = run_checks([check for check in checks if check.name == "contracts"], "us-east-1")
    return result


def test_the_doctor_names_a_contract_in_error(tmp_path: Path) -> None:
    contracts = tmp_path / "contracts"
    shutil.copytree(CONTRACTS, contracts)
    assert (check(contracts).state, check(contracts).detail) == (State.OK, "6 datasets")
    (contracts / "training.odcs.yaml").write_text("kind: x\n", "utf-8")
    found = check(contracts)
    assert found.state is State.FAILED
    assert "1 of 6 contracts are in error and set aside; the first is " in found.detail
    assert f"{contracts}/training.odcs.yaml:1: apiVersion None is not supported" in found.detail
    assert found.remedy == "correct the contract; etl-platform contract check lists every error"
