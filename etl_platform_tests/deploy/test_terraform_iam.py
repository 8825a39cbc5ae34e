"""IAM: what each component may do, what docs/reference/iam-actions.md lists, and what the components called."""

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_platform.local.emulator import Emulator
from etl_platform.local.stack import REPOSITORY, inherited_environment
from etl_platform.object_keys import OVERVIEW_PAGE
from etl_platform_tests.deploy.iam_policies import Request, Statements, allows
from etl_platform_tests.deploy.iam_table import (
    COMPONENTS,
    DATA,
    DESTINATION,
    EMAIL,
    KEYS,
    PAGE,
    SOURCE,
    Policies,
    planned_policies,
    statements_of,
    table,
)
from etl_platform_tests.deploy.terraform_calls import Need, actions, grants, needs
from etl_platform_tests.faults.bench import Bench
from etl_platform_tests.faults.proxy import Call
from etl_platform_tests.faults.scenarios import SCENARIOS, Command, Scenario

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
SENSORS = ("overview_sensor", "email_arrivals_sensor", "contracts_sensor")
CREATED_ONCE = ("quarantine/_corrections/", "reports/", "reports/_facts/", "reports/_ignored/", "reports/_erased/")
NOT_ERASING = tuple(component for component in COMPONENTS if component != "retention")
PERMANENT = ("from_client/", "bronze/", *CREATED_ONCE)
"""Prefixes whose objects are never deleted."""
Needed = set[tuple[str, str, Need]]
"""Component, policy and what IAM checks."""


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> Policies:
    return planned_policies(tmp_path_factory.mktemp("iam"))


@pytest.fixture(scope="module")
def called(tmp_path_factory: pytest.TempPathFactory) -> Needed:
    """What the platform's processes needed in every fault scenario, undisturbed, and in some sensors and commands."""
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
            # People erase under a role of their own, from the pod of commands; retention_job makes the same calls.
            components = ("erase", "retention") if name == "erase" else (_component_of(SCENARIOS[name]),)
            for component in components:
                needed |= _needed(bench, name, component)
        for command in COMMANDS:
            bench.proxy.forget()
            answer = bench.process({"do": "cli", "arguments": list(command)}, lambda _call: None)
            assert answer is not None, command
            assert answer["exit"] == 0, answer
            component = {"run": "run", "doctor": "doctor"}.get(command[0], "commands")
            needed |= _needed(bench, command[0], component)
        for sensor in SENSORS:
            bench.proxy.forget()
            assert bench.process({"do": "tick", "sensor": sensor}, lambda _call: None) is not None, sensor
            needed |= _needed(bench, "email" if sensor.startswith("email") else "doctor", "code")
    return needed


def _component_of(scenario: Scenario) -> str:
    """Sensors run in the code server, jobs in runs, and commands in a pod of their own."""
    last = scenario.steps[-1]
    if isinstance(last, Command):
        return "run" if last.arguments[0] == "run" else "commands"
    return "code" if scenario.target == "tick" else "run"


def _needed(bench: Bench, what: str, component: str) -> Needed:
    """Each need with its policy, and the names of the bench's resources replaced by those of Terraform's defaults."""
    own = {bench.made.bucket: DATA, bench.made.email_bucket: EMAIL, "": ""}
    found: Needed = set()
    for call in bench.proxy.calls:
        for need in needs(call):
            bucket = own[need.bucket]
            if what == "attachments" and bucket:
                # That scenario copies within one bucket.
                bucket = DESTINATION if (need.key or need.prefix or "").startswith("attachments/") else SOURCE
            names = ["erase" if what == "erase" else POLICY_OF[bucket]]
            if not bucket and what in {"email", "doctor"}:
                # A call names its queue in the body: the email drain has one queue, doctor asks all of them.
                names = ["email-archive"] if what == "email" else ["email-archive", "file-processing"]
            found |= {(component, name, replace(need, bucket=bucket)) for name in names}
    return found


def listed() -> Iterator[tuple[str, str, str, str]]:
    """Policy, action, needed by and recorded, of each row of docs/reference/iam-actions.md."""
    policy = ""
    for line in (REPOSITORY / "docs" / "reference" / "iam-actions.md").read_text("utf-8").splitlines():
        if heading := re.fullmatch(r"## ([\w-]+)", line):
            policy = heading[1]
        elif row := re.fullmatch(r"\| `([a-z0-9]+:\w+)` \| [^|]+ \| ([^|]+) \| ([^|]+) \|", line):
            yield policy, row[1], row[2], row[3]


def test_the_page_has_the_table_of_components_and_prefixes(policies: Policies) -> None:
    text = table(policies)
    assert text in PAGE.read_text("utf-8"), "run `python -m etl_platform_tests.deploy.iam_table`"
    assert set(policies) == {*COMPONENTS, "erase"}


def test_the_gateway_reads_nothing_and_sends_to_its_own_queue_only(policies: Policies) -> None:
    can = statements_of(policies, "gateway")
    assert actions(can) == {"sqs:SendMessage", "sqs:GetQueueAttributes", "kms:Decrypt", "kms:GenerateDataKey"}
    queue = "sqs:us-gov-west-1:111122223333:made"
    assert allows(can, Request("sqs:SendMessage", queue))
    assert not allows(can, Request("sqs:SendMessage", f"{queue}-dlq"))
    key = "kms:us-gov-west-1:111122223333:key/made"
    assert allows(can, Request("kms:Decrypt", key, through="sqs.us-gov-west-1.amazonaws.com"))
    assert not allows(can, Request("kms:Decrypt", key, through="s3.us-gov-west-1.amazonaws.com"))
    assert not allows(can, Request("kms:Decrypt", key))


def test_the_metrics_read_the_overview_and_no_other_object(policies: Policies) -> None:
    can = statements_of(policies, "metrics")
    assert allows(can, Request("s3:GetObject", f"s3:::{DATA}/{OVERVIEW_PAGE}"))
    others = [key for key in KEYS.values() if key != OVERVIEW_PAGE]
    for key in (*others, f"{OVERVIEW_PAGE}.old", "reports/_index/summaries/2026-11-30.gz"):
        assert not allows(can, Request("s3:GetObject", f"s3:::{DATA}/{key}")), key
    for key in KEYS.values():
        assert not allows(can, Request("s3:ListBucket", f"s3:::{DATA}", prefix=key)), key
        for action in ("s3:GetObjectVersion", "s3:PutObject", "s3:DeleteObject"):
            assert not allows(can, Request(action, f"s3:::{DATA}/{key}", creates=True)), (action, key)


@pytest.mark.parametrize("component", NOT_ERASING)
def test_no_component_deletes_or_replaces_what_must_stay(policies: Policies, component: str) -> None:
    can = statements_of(policies, component)
    for prefix in PERMANENT:
        resource = f"s3:::{DATA}/{KEYS[prefix]}"
        for action in ("s3:DeleteObject", "s3:DeleteObjectVersion"):
            assert not allows(can, Request(action, resource)), (action, prefix)
    for prefix in CREATED_ONCE:
        assert not allows(can, Request("s3:PutObject", f"s3:::{DATA}/{KEYS[prefix]}")), prefix
    assert not allows(can, Request("s3:PutObject", f"s3:::{DATA}/{KEYS['from_client/']}", creates=True))


@pytest.mark.parametrize("component", ["code", "run", "commands"])
def test_a_policy_that_allows_everything_does_not_change_what_is_denied(policies: Policies, component: str) -> None:
    everything = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    can = [*statements_of(policies, component), everything]
    for prefix in ("from_client/", "bronze/", "quarantine/_corrections/"):
        assert not allows(can, Request("s3:DeleteObjectVersion", f"s3:::{DATA}/{KEYS[prefix]}")), prefix
    assert not allows(can, Request("s3:PutObject", f"s3:::{DATA}/{KEYS['quarantine/_corrections/']}"))
    assert allows(can, Request("s3:DeleteObject", f"s3:::{DATA}/{KEYS['silver/']}"))


def test_runs_of_retention_job_do_what_people_who_erase_do_and_read_contracts(policies: Policies) -> None:
    of_people = policies["erase"]["erase"]
    assert policies["retention"]["erase"] == [one for one in of_people if one["Sid"] != "BypassLock"]
    assert "s3:BypassGovernanceRetention" in actions(of_people), (
        "it is in no other policy: docs/reference/iam.md has each"
    )
    can = statements_of(policies, "retention")
    assert allows(can, Request("s3:GetObject", f"s3:::{DATA}/{KEYS['contracts/']}"))
    assert not allows(can, Request("s3:DeleteObject", f"s3:::{DATA}/{KEYS['contracts/']}"))
    assert not any(action.startswith("sqs:") for action in actions(can))


@pytest.mark.parametrize("component", COMPONENTS)
def test_no_component_touches_a_key_that_is_not_the_platforms(policies: Policies, component: str) -> None:
    can = statements_of(policies, component)
    for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObject"):
        assert not allows(can, Request(action, f"s3:::{DATA}/payroll/x.csv", creates=True))


def test_the_table_lists_what_is_granted(policies: Policies) -> None:
    rows = [(policy, action) for policy, action, _, _ in listed()]
    granted = {(name, action) for own in policies.values() for name, has in own.items() for action in actions(has)}

    assert len(rows) == len(set(rows))
    assert set(rows) == granted


def test_the_table_says_which_of_them_are_called(called: Needed) -> None:
    said = {(policy, action) for policy, action, _, recorded in listed() if recorded == "yes"}
    others = [recorded for *_, recorded in listed() if recorded != "yes"]

    assert {(policy, need.action) for _, policy, need in called} == said
    assert all(recorded.startswith("no: ") for recorded in others)


def test_every_call_is_granted_to_the_component_that_makes_it(called: Needed, policies: Policies) -> None:
    missing = [
        (component, need)
        for component, policy, need in sorted(called, key=str)
        if not grants(policies[component].get(policy, []), need)
    ]
    assert missing == []
    assert {component for component, _, _ in called} == {"code", "run", "retention", "commands", "doctor", "erase"}


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


def test_a_missing_grant_is_detected(policies: Policies) -> None:
    statements = policies["run"]["file_processing_s3"]

    assert grants(statements, Need("s3:PutObject", DATA, "silver/training/x.parquet"))
    assert not grants(statements, Need("s3:PutObject", DATA, "from_client/nm_albuquerque/Training.csv"))
    assert not grants(statements, Need("s3:PutObject", DATA, "reports/training/agency=a/x.json"))
    assert grants(statements, Need("s3:PutObject", DATA, "reports/training/agency=a/x.json", creates=True))
    assert not grants(statements, Need("s3:GetObject", DATA, "payroll/x.csv"))
    assert not grants(statements, Need("s3:GetObject", EMAIL, "reports/x.json"))
    assert not grants(statements, Need("s3:DeleteObject", DATA, "bronze/x"))
    assert not grants(statements, Need("s3:ListBucket", DATA, prefix="payroll/"))
    assert grants(statements, Need("s3:ListBucket", DATA, prefix="bronze/"))


RESOURCES = st.text("ab*?[]", min_size=1, max_size=6)


@given(RESOURCES, RESOURCES)
def test_a_denial_wins_over_every_permission(resource: str, pattern: str) -> None:
    request = Request("s3:GetObject", f"s3:::{resource}")
    allow = {"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}
    deny = {"Effect": "Deny", "Action": "*", "Resource": f"arn:aws-us-gov:s3:::{pattern}"}
    named: Statements = [allow | {"Resource": deny["Resource"]}]

    assert allows([allow], request)
    # The denial applies exactly where a permission with the same resource would.
    assert allows([allow, deny], request) is not allows(named, request)


def test_a_copy_reads_its_source_and_writes_its_target() -> None:
    call = Call(1, "CopyObject", "", "/b/bronze/x%20y", "b/from_client/x%20y?versionId=1")

    assert list(needs(call)) == [
        Need("s3:PutObject", "b", "bronze/x y"),
        Need("s3:GetObjectVersion", "b", "from_client/x y"),
    ]
