"""docs/deployment.md and docs/runbooks.md against what they speak of: files, commands, alerts, settings, values."""

import re
import shlex
from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from etl_platform.cli.main import _parser
from etl_platform.local.stack import REPOSITORY
from etl_platform.settings import Settings
from etl_platform_tests.deploy.helm_chart import CHART

DOCS = REPOSITORY / "docs"
PAGES = ["deployment.md", "runbooks.md"]
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
}
GONE = {"aws_iam_role_policy_attachment.s3_access"}


def anchors(page: str) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", (DOCS / page).read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def commands(page: str) -> list[str]:
    """Every command line of the shell examples, with its continuation lines joined and comments left out."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.split(" #")[0].strip() for line in lines if line.strip() and not line.startswith("#")]


def sections(page: str, title: str) -> list[str]:
    part = (DOCS / page).read_text().split(f"\n## {title}\n")[1].split("\n## ")[0]
    return re.findall(r"^### (.+)$", part, re.MULTILINE)


def quoted(page: str, pattern: str) -> set[str]:
    """What stands in code quotes and matches, but for the tables of what there was."""
    text = (DOCS / page).read_text().split("\n## What there was")[0]
    return {found for code in re.findall(r"`([^`\n]+)`", text) for found in re.findall(pattern, code)}


def test_every_alert_has_a_runbook_under_the_address_that_it_gives() -> None:
    alerts = [rule for rule in RULES if "alert" in rule]

    assert {rule["alert"] for rule in alerts} == set(sections("runbooks.md", "Alerts"))
    for rule in alerts:
        assert rule["annotations"]["runbook_url"].partition("#")[2] in anchors("runbooks.md")


def test_every_symptom_has_a_runbook() -> None:
    assert set(sections("runbooks.md", "Symptoms")) == SYMPTOMS


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for path, anchor in re.findall(r"\]\(([^)#:]*)#?([^):]*)\)", (DOCS / page).read_text()):
        assert (DOCS / path).exists(), path
        assert not anchor or anchor in anchors(path or page), f"{path}#{anchor}"


@pytest.mark.parametrize("page", PAGES)
def test_files_and_targets_of_the_examples_exist(page: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    for line in commands(page):
        for path in re.findall(r"(?:infra|helm)/[\w./-]+", line):
            there = REPOSITORY / path
            # Written by whoever follows the page.
            assert there.exists() or there.name in {"terraform.tfvars", ".env"}, line
        for name in re.findall(r"\bmake ([a-z-]+)", line):
            assert name in targets, line
        for action in re.findall(r"manage\.sh ([a-z-]+)", line):
            assert action in {"init", "plan", "apply", "destroy", "update-image", "outputs"}, line


@pytest.mark.parametrize("page", PAGES)
def test_the_platforms_own_commands_are_understood(page: str) -> None:
    texts = [line for line in commands(page) if re.search(r"(^|-- )(etl|etl-platform) ", line)]
    texts += [text for text in quoted(page, r"^etl(?:-platform)? [a-z].*") if "…" not in text and "*" not in text]
    assert texts
    for text in texts:
        words = shlex.split(re.split(r"(?:^|-- )etl(?:-platform)? ", text, maxsplit=1)[1])
        _parser().parse_args(words)


@pytest.mark.parametrize("page", PAGES)
def test_settings_and_variables_are_known(page: str) -> None:
    own = [REPOSITORY / "infra" / "local" / ".env.example", REPOSITORY / "etl_platform_tests" / "deploy" / "tools.py"]
    places = [*REPOSITORY.glob("infra/**/*.sh"), *own]
    elsewhere = "\n".join(path.read_text() for path in places)
    known = {field.name.upper() for field in fields(Settings)} | {"AWS_CA_BUNDLE"}

    named = quoted(page, r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")
    assert {name for name in named - known if not re.search(rf"\b{name}\b", elsewhere)} == set()


def test_terraforms_addresses_and_inputs_are_declared() -> None:
    declared = "\n".join(path.read_text() for path in REPOSITORY.glob("infra/*/terraform/*.tf"))
    addresses = re.findall(r"`(aws_[a-z_]+)\.([a-z_0-9]+)`", (DOCS / "deployment.md").read_text())
    assert len(addresses) > 4
    for kind, name in addresses:
        assert f"{kind}.{name}" in GONE or f'resource "{kind}" "{name}"' in declared
    rows = (DOCS / "deployment.md").read_text().split("| input | what to know |")[1].split("\n\n")[0]
    for name in re.findall(r"^\| `(\w+)`", rows, re.MULTILINE):
        assert f'variable "{name}"' in declared


@pytest.mark.parametrize("page", PAGES)
def test_values_of_the_chart_are_there(page: str) -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    for path in quoted(page, rf"\b(?:{'|'.join(values)})(?:\.\w+)+\b"):
        found = values
        for name in path.split("."):
            assert name in found, path
            found = found[name]


@pytest.mark.parametrize("script", sorted(path.name for path in REPOSITORY.glob("infra/*/scripts/*.sh")))
def test_every_script_is_in_the_table(script: str) -> None:
    assert script in (DOCS / "deployment.md").read_text()


def test_no_script_hard_codes_an_aws_partition() -> None:
    for path in [*REPOSITORY.glob("infra/**/*.sh"), *REPOSITORY.glob("infra/**/scripts/*.py")]:
        assert not re.search(r"arn:aws(-us-gov|-cn)?:", Path(path).read_text()), path
