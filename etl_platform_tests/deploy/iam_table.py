"""The table component × action × prefix of docs/reference/iam.md, evaluated from the policies of the planned stack.

``python -m etl_platform_tests.deploy.iam_table`` writes it into the page.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from etl_platform.local.stack import REPOSITORY
from etl_platform_tests.deploy.iam_policies import Request, Statements, allows
from etl_platform_tests.deploy.terraform_stacks import PROCESSING, REGION, Workplace

PAGE = REPOSITORY / "docs" / "reference" / "iam.md"
HEADING = "## Who may do what"
DATA, EMAIL, SOURCE, DESTINATION = "etl-file-processing-client-etl", "etl-email-archive", "documents", "copies"
COMPONENTS = ("gateway", "metrics", "code", "run", "commands", "doctor", "ui")
KEYS = {
    "from_client/": "from_client/nm_albuquerque/Training.csv",
    "from_api/": "from_api/nm_albuquerque/Training.parquet",
    "bronze/": "bronze/training/agency=a/0a1b/Training.csv",
    "silver/": "silver/training/agency=a/training-0a1b.parquet",
    "quarantine/": "quarantine/training/agency=a/0a1b.parquet",
    "quarantine/_corrections/": "quarantine/_corrections/training/agency=a/0a1b/0001.json",
    "reports/": "reports/training/agency=a/0a1b.json",
    "reports/_facts/": "reports/_facts/training/agency=a/0a1b.superseded.json",
    "reports/_ignored/": "reports/_ignored/0a1b.json",
    "reports/_waiting/": "reports/_waiting/0a1b.json",
    "reports/_index/": "reports/_index/days.json",
    "reports/_agencies.json": "reports/_agencies.json",
    "exports/": "exports/training/agency=a/training.csv",
    "contracts/": "contracts/training.odcs.yaml",
    "dagster/compute_logs/": "dagster/compute_logs/storage/0a1b/compute_logs/x.err",
    "any other key": "payroll/x.csv",
}
_QUEUES = {
    "queue of file events": "made",
    "dead letters of file events": "made-dlq",
    "queue of emails": "adopted",
    "dead letters of emails": "adopted-dlq",
}
_OF_QUEUES = {
    "receive": "sqs:ReceiveMessage",
    "delay": "sqs:ChangeMessageVisibility",
    "delete": "sqs:DeleteMessage",
    "send": "sqs:SendMessage",
    "count": "sqs:GetQueueAttributes",
}

Policies = Mapping[str, Mapping[str, Statements]]
"""Statements by component and policy."""


def planned_policies(folder: Path) -> Policies:
    """The policies as the mocked plan has them, with attachments from ``documents`` to ``copies``."""
    said = Workplace(folder).run(PROCESSING, "test", "-json", "-verbose", "-filter=tests/permissions.tftest.hcl").stdout
    plan = next(line for line in map(json.loads, said.splitlines()) if line["type"] == "test_plan")["test_plan"]
    found: dict[str, dict[str, Statements]] = {}
    for change in plan["resource_changes"]:
        if change["type"] == "aws_iam_policy":
            component, _, name = change["index"].partition("/")
            found.setdefault(component, {})[name] = json.loads(change["change"]["after"]["policy"])["Statement"]
    return found


def statements_of(policies: Policies, component: str) -> Statements:
    return [statement for statements in policies[component].values() for statement in statements]


def table(policies: Policies) -> str:
    """The Markdown table. A cell has what the component may do with every object below the prefix."""
    rows = [["where", *COMPONENTS], ["---"] * (1 + len(COMPONENTS))]
    can = {component: statements_of(policies, component) for component in COMPONENTS}
    for name, key in KEYS.items():
        cells = [_objects(can[component], DATA, key) for component in COMPONENTS]
        rows.append([name if " " in name else f"`{name}`", *cells])
    for what, bucket, key in (
        ("`emails/` of the archive", EMAIL, "emails/2026/01/02/a/b.json"),
        ("source of attachments", SOURCE, "any/key.pdf"),
        ("`attachments/` of their copies", DESTINATION, "attachments/agency=a/1/key.pdf"),
    ):
        rows.append([what, *(_objects(can[component], bucket, key) for component in COMPONENTS)])
    for what, queue in _QUEUES.items():
        rows.append([what, *(_queue(can[component], queue) for component in COMPONENTS)])
    rows += [[f"keys, through {it.upper()}", *(_keys(can[c], it) for c in COMPONENTS)] for it in ("s3", "sqs")]
    metrics = Request("cloudwatch:GetMetricData", "*")
    rows.append(["metrics of CloudWatch", *("read" if allows(can[c], metrics) else "" for c in COMPONENTS)])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _objects(can: Statements, bucket: str, key: str) -> str:
    return ", ".join(_object_actions(can, bucket, key))


def _object_actions(can: Statements, bucket: str, key: str) -> Iterator[str]:
    resource = f"s3:::{bucket}/{key}"
    if allows(can, Request("s3:ListBucket", f"s3:::{bucket}", prefix=key)):
        yield "list"
    if allows(can, Request("s3:GetObject", resource)):
        yield "read"
    if allows(can, Request("s3:PutObject", resource)):
        yield "write"
    elif allows(can, Request("s3:PutObject", resource, creates=True)):
        yield "create"
    if allows(can, Request("s3:DeleteObject", resource)):
        yield "delete"


def _queue(can: Statements, name: str) -> str:
    resource = f"sqs:{REGION}:111122223333:{name}"
    return ", ".join(word for word, action in _OF_QUEUES.items() if allows(can, Request(action, resource)))


def _keys(can: Statements, service: str) -> str:
    request = Request("kms:Decrypt", f"kms:{REGION}:111122223333:key/made", through=f"{service}.{REGION}.amazonaws.com")
    return "use" if allows(can, request) else ""


def with_table(page: str, text: str) -> str:
    """The page with another table below its heading."""
    before, heading, after = page.partition(f"{HEADING}\n")
    intro, _, rest = after.partition("\n| ")
    after_table = rest.partition("\n\n")[2]
    return f"{before}{heading}{intro}\n{text}\n{after_table}"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        PAGE.write_text(with_table(PAGE.read_text("utf-8"), table(planned_policies(Path(name)))), "utf-8")
