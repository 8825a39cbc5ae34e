"""Three sets of IAM actions: what Terraform grants, what docs/reference/iam.md lists, and what the platform called."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from etl_platform.local.emulator import Emulator
from etl_platform.local.stack import REPOSITORY, inherited_environment
from etl_platform_tests.deploy.terraform_calls import Need, Policies, actions, grants, needs
from etl_platform_tests.deploy.terraform_stacks import PROCESSING, Workplace
from etl_platform_tests.faults.bench import Bench
from etl_platform_tests.faults.proxy import Call
from etl_platform_tests.faults.scenarios import SCENARIOS

DATA, EMAIL, SOURCE, DESTINATION = "etl-file-processing-client-etl", "etl-email-archive", "documents", "copies"
POLICY_OF = {
    DATA: "file_processing_s3",
    EMAIL: "email-archive",
    SOURCE: "attachments",
    DESTINATION: "attachments",
    "": "file-processing",
}
COMMANDS = (
    ("dlq", "list"),
    ("reconcile", "--since", "7d"),
    ("run", "employment_history_job", "--", "--all"),
    ("doctor",),
)
Needed = set[tuple[str, Need]]


@pytest.fixture(scope="module")
def granted(tmp_path_factory: pytest.TempPathFactory) -> Policies:
    """The role's policies as the mocked plan has them, with attachments from ``documents`` to ``copies``."""
    infra = Workplace(tmp_path_factory.mktemp("iam"))
    said = infra.run(PROCESSING, "test", "-json", "-verbose", "-filter=tests/permissions.tftest.hcl").stdout
    plan = next(line for line in map(json.loads, said.splitlines()) if line["type"] == "test_plan")["test_plan"]
    attached = [change for change in plan["resource_changes"] if change["type"] == "aws_iam_policy"]
    return {_policy_name(change): json.loads(change["change"]["after"]["policy"])["Statement"] for change in attached}


def _policy_name(change: dict[str, Any]) -> str:
    """The resource's name, or its key in ``local.queues``."""
    key = change.get("index")
    return key if isinstance(key, str) else str(change["name"])


@pytest.fixture(scope="module")
def called(tmp_path_factory: pytest.TempPathFactory) -> Needed:
    """What the platform's own processes needed in every fault scenario, undisturbed, and in some commands."""
    folder = tmp_path_factory.mktemp("called")
    needed: Needed = set()
    with (
        Emulator(folder / "emulator", environment=inherited_environment()) as emulator,
        Bench(folder / "bench", emulator.endpoint_url, "iam", read_timeout_s=20) as bench,
    ):
        # The commands want a database, which the attachments bring.
        for name in sorted(SCENARIOS, key=lambda name: name == "attachments"):
            bench.play(SCENARIOS[name], lambda _call: None)
            assert bench.proxy.calls, name
            needed |= _needed(bench, name)
        for command in COMMANDS:
            bench.proxy.forget()
            answer = bench.process({"do": "cli", "arguments": list(command)}, lambda _call: None)
            assert answer is not None, command
            assert answer["exit"] == 0, answer
            needed |= _needed(bench, command[0])
    return needed


def _needed(bench: Bench, what: str) -> Needed:
    """Each need with its policy, and the names of the bench's resources replaced by those of Terraform's defaults."""
    own = {bench.made.bucket: DATA, bench.made.email_bucket: EMAIL, "": ""}
    found: Needed = set()
    for call in bench.proxy.calls:
        for need in needs(call):
            bucket = own[need.bucket]
            if what == "attachments" and bucket:
                # That scenario copies within one bucket.
                bucket = DESTINATION if (need.key or need.prefix or "").startswith("attachments/") else SOURCE
            policies = [POLICY_OF[bucket]]
            if not bucket and what in {"email", "doctor"}:
                # A call names its queue in the body: the email drain has one queue, doctor asks all of them.
                policies = ["email-archive"] if what == "email" else ["email-archive", "file-processing"]
            found |= {(policy, replace(need, bucket=bucket)) for policy in policies}
    return found


def listed() -> Iterator[tuple[str, str, str, str]]:
    """Policy, action, needed by and recorded, of each row of docs/reference/iam.md."""
    policy = ""
    for line in (REPOSITORY / "docs" / "reference" / "iam.md").read_text("utf-8").splitlines():
        if heading := re.fullmatch(r"## ([\w-]+)", line):
            policy = heading[1]
        elif row := re.fullmatch(r"\| `([a-z0-9]+:\w+)` \| [^|]+ \| ([^|]+) \| ([^|]+) \|", line):
            yield policy, row[1], row[2], row[3]


def test_the_table_lists_what_is_granted(granted: Policies) -> None:
    rows = [(policy, action) for policy, action, _, _ in listed()]

    assert len(rows) == len(set(rows))
    assert set(rows) == {(policy, action) for policy, has in granted.items() for action in actions(has)}


def test_the_table_says_which_of_them_are_called(called: Needed) -> None:
    said = {(policy, action) for policy, action, _, recorded in listed() if recorded == "yes"}
    others = [recorded for *_, recorded in listed() if recorded != "yes"]

    assert {(policy, need.action) for policy, need in called} == said
    assert all(recorded.startswith("no: ") for recorded in others)


def test_every_call_is_granted_on_its_own_key_and_prefix(called: Needed, granted: Policies) -> None:
    assert [need for policy, need in sorted(called, key=str) if not grants(granted[policy], need)] == []


def test_the_functions_in_the_table_exist() -> None:
    named = {name for *_, by, _ in listed() for name in re.findall(r"`(\w[\w/]*\.py:\w+)`", by)}
    missing = [
        name
        for name in sorted(named)
        if f"def {name.partition(':')[2]}("
        not in (REPOSITORY / "etl_platform" / name.partition(":")[0]).read_text("utf-8")
    ]
    assert len(named) > 15
    assert missing == []


def test_a_missing_grant_is_detected(granted: Policies) -> None:
    statements = granted["file_processing_s3"]

    assert grants(statements, Need("s3:PutObject", DATA, "silver/training/x.parquet"))
    assert not grants(statements, Need("s3:PutObject", DATA, "from_client/nm_albuquerque/Training.csv"))
    assert not grants(statements, Need("s3:GetObject", DATA, "payroll/x.csv"))
    assert not grants(statements, Need("s3:GetObject", EMAIL, "reports/x.json"))
    assert not grants(statements, Need("s3:DeleteObject", DATA, "bronze/x"))
    assert not grants(statements, Need("s3:ListBucket", DATA, prefix="payroll/"))
    assert grants(statements, Need("s3:ListBucket", DATA, prefix="bronze/"))


def test_a_copy_reads_its_source_and_writes_its_target() -> None:
    call = Call(1, "CopyObject", "", "/b/bronze/x%20y", "b/from_client/x%20y?versionId=1")

    assert list(needs(call)) == [
        Need("s3:PutObject", "b", "bronze/x y"),
        Need("s3:GetObjectVersion", "b", "from_client/x y"),
    ]
