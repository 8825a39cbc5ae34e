"""Both stacks: formatted, valid, tested on mocks, read by checkov. Nothing is asked of AWS."""

import json
import re
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from etl_platform.local.stack import REPOSITORY
from etl_platform_tests.deploy.terraform_stacks import NETWORK, PROCESSING, TerraformError, Workplace
from etl_platform_tests.deploy.tools import tool

INFRA = REPOSITORY / "infra"


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    return Workplace(tmp_path_factory.mktemp("offline"))


def inputs(stack: str) -> str:
    return "\n".join(path.read_text("utf-8") for path in sorted((INFRA / stack / "terraform").glob("*.tf")))


def test_every_file_is_formatted(offline: Workplace) -> None:
    assert offline.run(NETWORK, "fmt", "-check", "-recursive", str(offline.folder)).stdout == ""


@pytest.mark.parametrize("stack", [NETWORK, PROCESSING])
def test_a_stack_is_valid(offline: Workplace, stack: str) -> None:
    assert json.loads(offline.run(stack, "validate", "-json").stdout)["diagnostics"] == []


def test_terraforms_own_tests_pass(offline: Workplace) -> None:
    for stack, runs in ((NETWORK, 7), (PROCESSING, 44)):
        said = offline.run(stack, "test").stdout
        passed = re.search(r"Success! (\d+) passed, 0 failed", said)
        assert passed, said
        assert int(passed[1]) >= runs


def test_a_wrong_value_is_reported_in_one_sentence_that_begins_with_its_name(offline: Workplace) -> None:
    wrong = {"aws_profile": "", "source_prefix": "silver/", "public_access_cidrs": '["0.0.0.0/0"]'}
    refused = offline.run(PROCESSING, "plan", "-input=false", variables=wrong, check=False)

    said = " ".join(line.strip("│ ") for line in refused.stderr.splitlines())
    assert refused.returncode == 1
    assert "source_prefix takes a key prefix such as from_client/, outside of what the platform writes" in said
    assert "public_access_cidrs takes networks such as 203.0.113.0/24, and not the whole internet." in said
    for stack in (NETWORK, PROCESSING):
        tried = "\n".join(path.read_text("utf-8") for path in (INFRA / stack / "terraform" / "tests").glob("*.hcl"))
        for name, body in re.findall(r'^variable "(\w+)" \{\n(.*?)^\}', inputs(stack), re.MULTILINE | re.DOTALL):
            assert re.search(r"^  description = ", body, re.MULTILINE), name
            assert re.search(r"^  type +=", body, re.MULTILINE), name
            for message in re.findall(r'error_message = "(.*)"$', body, re.MULTILINE):
                assert message.startswith(name), message
                assert re.search(rf"\bvar\.{name}[,\]]", tried), f"no test expects a wrong {name} to fail"


def test_the_example_names_existing_variables() -> None:
    for stack in (NETWORK, PROCESSING):
        example = (INFRA / stack / "terraform" / "terraform.tfvars.example").read_text("utf-8")
        named = set(re.findall(r"^(?:# )?(\w+) += ", example, re.MULTILINE))
        known = set(re.findall(r'^variable "(\w+)"', inputs(stack), re.MULTILINE))
        assert named <= known, named - known


def test_the_page_of_costs_adds_up_and_has_the_defaults() -> None:
    page = (REPOSITORY / "docs" / "deploy" / "cost.md").read_text("utf-8")
    row = re.compile(r"^\| ([^|]+) \| (\d+) \| (hour|GB|month) \| ([\d.]+) \| ([\d.]+) \|", re.MULTILINE)
    total = Decimal(0)
    for what, quantity, unit, price, month in row.findall(page.partition("Options")[0]):
        assert int(quantity) * Decimal(price) * (730 if unit == "hour" else 1) == Decimal(month), what
        total += Decimal(month)
    assert f"**{total}**" in page
    for what, quantity, unit, price, month in row.findall(page.partition("Options")[2]):
        assert int(quantity) * Decimal(price) * (730 if unit == "hour" else 1) == Decimal(month), what
    defaults = inputs(PROCESSING)
    for name, value in (("node_instance_types", '["m6i.xlarge"]'), ("db_instance_class", '"db.t4g.medium"')):
        assert re.search(rf'variable "{name}" {{[^}}]*default += {re.escape(value)}', defaults), name
        assert value.strip('[]"') in page
    assert "max = 6, desired = 4" in defaults
    assert 'default     = ["a", "b"]' in inputs(NETWORK)


@pytest.mark.parametrize("stack", [NETWORK, PROCESSING])
def test_the_example_of_a_backend_locks_the_state(tmp_path: Path, stack: str) -> None:
    text = (INFRA / stack / "terraform" / "backend.tf.example").read_text("utf-8")
    assert re.search(r"^    use_lockfile = true", text, re.MULTILINE)
    assert f'key          = "etl-platform/{stack}.tfstate"' in text
    here = Workplace(tmp_path)
    (tmp_path / stack / "terraform" / "backend.tf").write_text(text, "utf-8")
    # Every argument is known to this Terraform, which then asks AWS who it is.
    with pytest.raises(TerraformError, match="GetCallerIdentity") as failed:
        here.run(stack, "validate")
    assert "Unsupported argument" not in str(failed.value)


def test_both_stacks_lock_the_same_provider_for_every_platform() -> None:
    locks = [
        (INFRA / stack / "terraform" / ".terraform.lock.hcl").read_text("utf-8") for stack in (NETWORK, PROCESSING)
    ]
    assert locks[0] == locks[1]
    assert len(re.findall(r'^    "zh:[0-9a-f]{64}",$', locks[0], re.MULTILINE)) == 15
    assert re.search(r'^    "h1:', locks[0], re.MULTILINE)


def test_no_arn_hard_codes_a_partition() -> None:
    found = [
        f"{path.relative_to(INFRA)}: {line.strip()}"
        for path in sorted(INFRA.glob("*/terraform/*.tf"))
        for line in path.read_text("utf-8").splitlines()
        if "arn:aws:" in line or "arn:aws-us-gov" in line
    ]
    assert found == []


def test_checkov_finds_nothing_outside_of_the_baseline() -> None:
    program = [tool("checkov"), "--directory", str(INFRA), "--framework", "terraform", "--output", "json", "--quiet"]
    # checkov's list of Kubernetes versions is older than AWS's; test_kubernetes_version has the dates.
    program += ["--skip-check", "CKV_AWS_339"]
    said = subprocess.run([*program, "--compact", "--soft-fail"], capture_output=True, text=True, check=True).stdout
    baseline = yaml.safe_load((INFRA / "checkov.baseline.yaml").read_text("utf-8"))

    found = json.loads(said)
    assert found["summary"]["passed"] > 100
    assert found["summary"]["parsing_errors"] == 0
    assert all(entry["reason"] for entry in baseline)
    assert {(entry["check_id"], entry["resource"]) for entry in found["results"]["failed_checks"]} == {
        (entry["check"], entry["resource"]) for entry in baseline
    }
