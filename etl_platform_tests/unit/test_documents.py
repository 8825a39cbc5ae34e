"""The documents name what exists, and the reference pages list all of it. The checks are in ``documents``."""

import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from etl_platform.errors import SettingsError
from etl_platform.settings import Settings
from etl_platform_tests.documents import (
    ROOT,
    Page,
    constant_texts,
    help_of,
    pages,
    problems,
    settings_names,
    subcommands,
)

REFERENCE = ROOT / "docs" / "reference"
DECISIONS = ROOT / "docs" / "decisions"


@pytest.fixture(scope="module")
def jobs() -> set[str]:
    """Jobs, sensors and schedules of the definitions, and the jobs that only the command line has."""
    from etl_platform.cli.jobs import JOBS
    from etl_platform.definitions import defs

    repository = defs().get_repository_def()
    names = [*repository.job_names, *(sensor.name for sensor in repository.sensor_defs)]
    return {*names, *(schedule.name for schedule in repository.schedule_defs), *JOBS} - {"__ASSET_JOB"}


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_a_page_is_short_and_names_only_what_exists(page: Page, jobs: set[str]) -> None:
    assert list(problems(page, jobs)) == []


def test_each_kind_of_wrong_name_is_found(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# Other\n")
    page = tmp_path / "page.md"
    page.write_text(
        "# Bad\n\n[a](gone.md) [b](other.md#gone) [c](other.md#other) [d](https://example.com) `infra/gone.tf` "
        "`engine/gone.py` `etl_platform.gone` `make gone` `etl-platform gone` `etl-platform status --gone` "
        "`etl-platform run s3_data_quality_job -- --gone` `NO_SUCH_SETTING` `AWS_REGION` `gone_job` `a_job`\n\n"
        "```sh\netl-platform quarantine --agency A   # a dataset is missing\n```\n\n" + "word " * 1_500
    )
    assert [re.sub(r"1,\d+ words", "many words", problem) for problem in problems(Page(page), {"a_job", "b_job"})] == [
        "it has many words; split it, a page has fewer than 1,500",
        "the link gone.md leads to no file",
        "the link other.md#gone leads to no heading",
        "there is no infra/gone.tf",
        "no file ends in engine/gone.py",
        "there is no module etl_platform.gone",
        "there is no target `make gone`",
        "`etl-platform gone`: there is no such command",
        "`etl-platform status` has no option --gone",
        "`etl-platform run s3_data_quality_job --` has no option --gone",
        "`etl-platform quarantine --agency A` is not a complete command",
        "nothing reads the variable NO_SUCH_SETTING",
        "there is no s3_data_quality_job",
        "there is no gone_job",
    ]


def test_names_of_the_past_are_not_looked_for() -> None:
    page = Page(ROOT / "docs" / "deploy" / "migrate-names.md")
    assert "file_processing.cli.sns_main" in page.text
    assert "file_processing.cli.sns_main" not in page.current
    assert "etl-platform jobs" in page.code


def test_the_decision_on_libraries_has_a_reason_for_each_runtime_dependency_and_no_other() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    installed = {re.split("[<>=]", dependency)[0] for dependency in project["dependencies"]}
    text = (DECISIONS / "0006-libraries.md").read_text("utf-8")
    table = text.partition("| Runtime library |")[2].partition("\n\n")[0]
    rows = [line.split("|")[1] for line in table.splitlines()[2:]]
    assert sorted(name.strip() for row in rows for name in row.split(",")) == sorted(installed)


def test_every_page_is_in_the_index() -> None:
    for folder in (ROOT / "docs", DECISIONS):
        index = (folder / "README.md").read_text("utf-8")
        below = [path for path in folder.rglob("*.md") if path.name != "README.md"]
        listed = {(folder / target).resolve() for target in re.findall(r"\]\(([^)#]+\.md)", index)}
        assert [path for path in sorted(below) if path not in listed and path.parent != DECISIONS] == []
    assert [path for path in sorted(DECISIONS.glob("0*.md")) if path not in listed] == []


def test_a_decision_record_has_a_status_a_date_and_its_sections() -> None:
    for path in sorted(DECISIONS.glob("0*.md")):
        text = path.read_text("utf-8")
        assert text.startswith(f"# {path.name[:4]} "), path.name
        status = r"Status: (accepted|replaced by \d{4}), \d{4}-\d\d-\d\d(; changed \d{4}-\d\d-\d\d)?"
        assert re.fullmatch(status, text.splitlines()[2]), path.name
        sections = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert [name for name in ("Context", "Decision", "Consequence") if name not in sections] == [], path.name


def test_a_number_without_a_decision_record_is_explained() -> None:
    numbers = {int(path.name[:4]) for path in DECISIONS.glob("0*.md")}
    missing = {f"{number:04}" for number in range(1, max(numbers))} - {f"{number:04}" for number in numbers}
    explained = (DECISIONS / "README.md").read_text("utf-8").partition("never used")[0].rpartition("\n\n")[2]
    assert missing == set(re.findall(r"\d{4}", explained))


def test_the_settings_page_lists_every_setting_with_its_default() -> None:
    rows = re.findall(r"^\| (`[A-Z][^|]*)\|([^|]*)\|", (REFERENCE / "settings.md").read_text("utf-8"), re.MULTILINE)
    listed = {name: default for names, default in rows for name in re.findall(r"`([A-Z0-9_]+)`", names)}
    assert set(listed) == settings_names()

    for item in Settings.__dataclass_fields__.values():
        shown = listed[item.name.upper()]
        if isinstance(item.default, str | int):
            assert str(item.default).lower() in shown.lower(), item.name


def test_the_settings_page_has_the_limits_that_the_settings_have() -> None:
    page = (REFERENCE / "settings.md").read_text("utf-8")
    limits = re.findall(r"^\| `([A-Z0-9_]+)`[^|]* \| .*?\(([\d,]+)\u2013([\d,]+)\)", page, re.MULTILINE)
    assert len(limits) > 10
    for name, low, high in limits:
        least, most = int(low.replace(",", "")), int(high.replace(",", ""))
        for value in (least, most):
            Settings.from_environment({name: str(value)})
        for value in (least - 1, most + 1):
            with pytest.raises(SettingsError, match=name):
                Settings.from_environment({name: str(value)})


def test_the_command_page_lists_every_command_and_option() -> None:
    page = (REFERENCE / "commands.md").read_text("utf-8")
    groups = [(name, subcommands(name)) for name in subcommands()]
    leaves = [(name, *leaf) for name, below in groups for leaf in ([(one,) for one in below] or [()])]
    assert len(leaves) > 15
    for words in leaves:
        command = f"etl-platform {' '.join(words)}"
        usages = [text for text in re.findall(r"`([^`]+)`", page) if f"{text} ".startswith(f"{command} ")]
        assert usages, command
        options = set(re.findall(r"--[a-z-]+", (help_of(*words) or "").partition("\n\n")[0]))
        assert options <= set(re.findall(r"--[a-z-]+", " ".join(usages))), command


def test_the_job_page_lists_every_job_sensor_and_schedule(jobs: set[str]) -> None:
    rows = re.findall(r"^\| `(\w+)` \|", (REFERENCE / "jobs.md").read_text("utf-8"), re.MULTILINE)
    assert set(rows) == jobs


def test_the_metrics_page_lists_every_metric() -> None:
    from etl_platform.deliveries.circuit_breaker import Breaker, Limits, status_of
    from etl_platform.deliveries.daily_counts import DailyCounts, DeliveryCounts
    from etl_platform.gateway.metrics import DagsterReading, GatewayMetrics, Readings

    counts = DailyCounts(DeliveryCounts(), Counter(), {})
    reading = DagsterReading(status_of(Breaker(), 0, Limits(5, 60)), counts)
    shown = GatewayMetrics().text(Readings(dagster=reading)).decode()
    names = {name for name in re.findall(r"^# TYPE (\w+)", shown, re.MULTILINE) if not name.endswith("_created")}
    page = (REFERENCE / "metrics.md").read_text("utf-8")
    assert set(re.findall(r"`(etl_platform_\w+)", page)) == names


def test_the_contract_page_lists_every_custom_property() -> None:
    from etl_platform.engine.contract.custom_properties import OURS

    page = (REFERENCE / "contract.md").read_text("utf-8")
    rows = re.findall(r"^\| custom ([^|]*)\|", page, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == OURS


def test_the_refusals_page_explains_every_code_of_the_reader() -> None:
    page = (ROOT / "docs" / "send" / "refusals.md").read_text("utf-8")
    explained = {
        code for row in re.findall(r"^\| (`.*?) \|", page, re.MULTILINE) for code in re.findall(r"`(\w+)`", row)
    }
    source = "\n".join(path.read_text("utf-8") for path in (ROOT / "etl_platform" / "engine").rglob("*.py"))
    raised = set(re.findall(r'UnreadableFileError\(\s*"(\w+)"', source))
    assert len(raised) > 15
    # Of a replay only, which a sender does not start.
    assert raised - explained == {"corrections_misplaced"}
    for module in (
        "deliveries/check_errors.py",
        "deliveries/erased_deliveries.py",
        "deliveries/refusals.py",
        "storage/refused_reads.py",
    ):
        source += (ROOT / "etl_platform" / module).read_text("utf-8")
    assert [code for code in sorted(explained - {"NoSuchKey"}) if f'"{code}"' not in source] == []


def test_messages_that_the_documents_quote_are_in_the_code() -> None:
    parts = constant_texts(ROOT / "etl_platform")
    errors = Page(REFERENCE / "contract-errors.md").text.partition("```text\n")[2].partition("```")[0]
    quoted = [line.split(": ", 1)[1] for line in errors.splitlines() if "Unevaluated" not in line]
    for page in pages():
        for table in page.text.split("| Message |")[1:]:
            rows = re.findall(r"^\| (`[^|]+) \|", table.partition("\n\n")[0], re.MULTILINE)
            quoted += [message for row in rows for message in re.findall(r"`([^`]+)`", row)]
    assert len(quoted) > 15
    assert [text for text in quoted if not any(part in text or text in part for part in parts)] == []


def test_ci_runs_what_the_readme_says() -> None:
    run = re.findall(r"^make ([a-z-]+)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    readme = (ROOT / "README.md").read_text("utf-8")
    assert run
    assert [name for name in run if f"`make {name}`" not in readme] == []
