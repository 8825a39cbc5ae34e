"""The table component × action × prefix of docs/reference/iam.md, evaluated from the policies of the planned stack.

``python -m etl_platform_tests.deploy.iam_table`` writes it into the page.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from etl_platform.local.stack import REPOSITORY
from etl_platform_tests.deploy.iam_policies import Request, Statements, allows
from etl_platform_tests.deploy.terraform_stacks import PROCESSING, REGION, Workplace

PAGE = REPOSITORY / "docs" / "reference" / "iam.md"
HEADING = "## Who may do what"
DATA, EMAIL, SOURCE, DESTINATION = "etl-file-processing-client-etl", "etl-email-archive", "documents", "copies"
COMPONENTS = ("gateway", "metrics", "code", "run", "retention", "commands", "doctor", "ui")
"""Those of the chart, with a service account each."""
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
    "reports/_notices/": "reports/_notices/_outbox.json",
    "reports/_erased/": "reports/_erased/0a1b/2c3d.4e5f",
    "reports/_index/": "reports/_index/days.json",
    "reports/_index/overview.html": "reports/_index/overview.html",
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
    "consume": ("sqs:ReceiveMessage", "sqs:ChangeMessageVisibility", "sqs:DeleteMessage"),
    "send": ("sqs:SendMessage",),
    "count": ("sqs:GetQueueAttributes",),
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
            # That of people who erase is not in the map of components.
            key = change["index"] if change["name"] == "component" else f"{change['name']}/{change['name']}"
            component, _, name = key.partition("/")
            found.setdefault(component, {})[name] = json.loads(change["change"]["after"]["policy"])["Statement"]
    return found


def statements_of(policies: Policies, component: str) -> Statements:
    return [statement for statements in policies[component].values() for statement in statements]


def table(policies: Policies) -> str:
    """The Markdown table. A cell has what the component may do with every object below the prefixes."""
    roles = (*COMPONENTS, *sorted(set(policies) - set(COMPONENTS)))
    can = [statements_of(policies, role) for role in roles]
    rows: dict[tuple[str, ...], list[str]] = {}
    for name, cells in _rows(can):
        rows.setdefault(tuple(cells), []).append(name)
    head = [("where", *roles), ("---",) * (1 + len(roles))]
    lines = [*head, *((", ".join(names), *cells) for cells, names in rows.items())]
    return "".join(f"|{'|'.join(line)}|\n" for line in lines)


def _rows(can: Sequence[Statements]) -> Iterator[tuple[str, list[str]]]:
    for name, key in KEYS.items():
        yield (name if " " in name else f"`{name}`"), [_objects(each, DATA, key) for each in can]
    for name, bucket, key in (
        ("`emails/` of the archive", EMAIL, "emails/2026/01/02/a/b.json"),
        ("source of attachments", SOURCE, "any/key.pdf"),
        ("`attachments/` of their copies", DESTINATION, "attachments/agency=a/1/key.pdf"),
    ):
        yield name, [_objects(each, bucket, key) for each in can]
    for name, queue in _QUEUES.items():
        yield name, [_queue(each, queue) for each in can]
    for service in ("s3", "sqs"):
        yield f"keys, through {service.upper()}", [_keys(each, service) for each in can]
    metrics = Request("cloudwatch:GetMetricData", "*")
    yield "metrics of CloudWatch", ["read" if allows(each, metrics) else "" for each in can]


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
    if allows(can, Request("s3:DeleteObjectVersion", resource)):
        yield "erase"
    elif allows(can, Request("s3:DeleteObject", resource)):
        yield "delete"


def _queue(can: Statements, name: str) -> str:
    resource = f"sqs:{REGION}:111122223333:{name}"
    words = []
    for word, actions in _OF_QUEUES.items():
        allowed = {allows(can, Request(action, resource)) for action in actions}
        # A cell has no word for a part of them.
        assert len(allowed) == 1, (name, word)
        words += [word] * allowed.pop()
    return ", ".join(words)


def _keys(can: Statements, service: str) -> str:
    request = Request("kms:Decrypt", f"kms:{REGION}:111122223333:key/made", through=f"{service}.{REGION}.amazonaws.com")
    return "use" if allows(can, request) else ""


def with_table(page: str, text: str) -> str:
    """The page with another table below its heading."""
    before, heading, after = page.partition(f"{HEADING}\n")
    intro, _, rest = after.partition("\n|")
    after_table = rest.partition("\n\n")[2]
    return f"{before}{heading}{intro}\n{text}\n{after_table}"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        PAGE.write_text(with_table(PAGE.read_text("utf-8"), table(planned_policies(Path(name)))), "utf-8")
