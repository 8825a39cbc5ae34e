"""The pages about deployment and alerts against what they name: alerts, scripts, inputs, chart values.

``unit/test_documents.py`` checks links, files, targets, commands and settings of all pages.
"""

import re
from pathlib import Path

import pytest
import yaml

from etl_platform.local.stack import REPOSITORY
from etl_platform_tests.deploy.helm_chart import CHART
from etl_platform_tests.documents import Page

DOCS = REPOSITORY / "docs"
ALERTS = Page(DOCS / "operate" / "alerts.md")
PAGES = [ALERTS, *(Page(DOCS / "operate" / name) for name in ("symptoms.md", "tuning.md"))]
PAGES += [Page(path) for path in sorted((DOCS / "deploy").glob("*.md"))]
RULES = [
    rule
    for path in (CHART / "rules").glob("*.yaml")
    for group in yaml.safe_load(path.read_text())["groups"]
    for rule in group["rules"]
]
SYMPTOMS = {
    "No messages",
    "Uploads fail",
    "Memory",
    "Connection refused",
    "Port in use",
    "TLS mismatch",
    "A subscription stays unconfirmed",
    "Module not found",
    "A contract is in error",
}
GONE = {"aws_iam_role_policy_attachment.s3_access"}


def test_every_alert_has_a_section_under_the_address_that_it_gives() -> None:
    alerts = [rule for rule in RULES if "alert" in rule]

    assert {rule["alert"] for rule in alerts} == set(re.findall(r"^### (Etl\w+)$", ALERTS.text, re.MULTILINE))
    for rule in alerts:
        assert rule["annotations"]["runbook_url"].partition("#")[2] in ALERTS.anchors


def test_the_chart_links_its_alerts_to_the_page_that_has_them() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert values["monitoring"]["prometheusRule"]["runbookUrl"].endswith(ALERTS.name)


def test_every_symptom_has_a_section() -> None:
    page = (DOCS / "operate" / "symptoms.md").read_text()
    assert set(re.findall(r"^## (.+)$", page, re.MULTILINE)) == SYMPTOMS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_actions_of_manage_sh_exist(page: Page) -> None:
    named = {action for text in [*page.typed, *page.code] for action in re.findall(r"manage\.sh ([a-z-]+)", text)}
    assert named <= {"init", "plan", "apply", "destroy", "update-image", "outputs"}


def test_terraforms_addresses_and_inputs_are_declared() -> None:
    declared = "\n".join(path.read_text() for path in REPOSITORY.glob("infra/*/terraform/*.tf"))
    addresses = [found for page in PAGES for found in re.findall(r"`(aws_[a-z_]+)\.([a-z_0-9]+)`", page.text)]
    assert len(addresses) > 4
    for kind, name in addresses:
        assert f"{kind}.{name}" in GONE or f'resource "{kind}" "{name}"' in declared
    rows = (DOCS / "deploy" / "eks.md").read_text().split("| input | what to know |")[1].split("\n\n")[0]
    inputs = [
        name for row in re.findall(r"^\| (`[^|]+) \|", rows, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    ]
    assert len(inputs) > 8
    for name in inputs:
        assert f'variable "{name}"' in declared


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_values_of_the_chart_are_there(page: Page) -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    for text in page.code:
        for path in re.findall(rf"(?<![\w./])(?:{'|'.join(values)})(?:\.\w+)+\b", text):
            found = values
            for name in path.split("."):
                assert name in found, path
                found = found[name]


@pytest.mark.parametrize("script", sorted(path.name for path in REPOSITORY.glob("infra/*/scripts/*.sh")))
def test_every_script_is_in_the_table(script: str) -> None:
    assert script in (DOCS / "deploy" / "migrate-infrastructure.md").read_text()


def test_no_script_hard_codes_an_aws_partition() -> None:
    for path in [*REPOSITORY.glob("infra/**/*.sh"), *REPOSITORY.glob("infra/**/scripts/*.py")]:
        assert not re.search(r"arn:aws(-us-gov|-cn)?:", Path(path).read_text()), path
