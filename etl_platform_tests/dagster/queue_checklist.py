"""What a queue-fed job needs beside its entry in ``queue_work/queues.py``, and what of it the repository lacks."""

import json
import re
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from typing import Any

import yaml

from etl_platform.cli.dead_letter_view import VIEWS
from etl_platform.cli.jobs import JOBS
from etl_platform.definitions import build_defs
from etl_platform.local.stack import REPOSITORY
from etl_platform.queue_work.queues import WorkQueue
from etl_platform.settings import Settings

TERRAFORM = "infra/file_processing/terraform"
CHART = "helm/etl-platform"
COMPOSE = "infra/local/docker-compose.yml"
RULES = f"{CHART}/rules/etl-platform.yaml"
GENERAL_ALERTS = ("EtlDeadLetters", "EtlQueueStuck", "EtlOldestMessageTooOld", "EtlRunsFailing")


def missing(queue: WorkQueue) -> list[str]:
    """One line for each place that lacks the queue or contradicts its entry: what is missing, and where."""
    found = (*_settings(queue), *_code(queue), *_terraform(queue), *_deployment(queue), *_documents(queue))
    return [f"queue `{queue.name}`: {line}" for line in found]


def _settings(queue: WorkQueue) -> Iterator[str]:
    known = {item.name for item in fields(Settings)}
    yield from _absent([name for name in _names(queue) if name not in known], "setting", "etl_platform/settings.py")


def _code(queue: WorkQueue) -> Iterator[str]:
    jobs, sensors = _definitions()
    if queue.job not in jobs:
        yield f"no job {queue.job} in etl_platform/definitions.py"
    if queue.sensor not in sensors:
        yield f"no sensor {queue.sensor} in etl_platform/definitions.py"
    if queue.job not in JOBS:
        yield f"no command `run {queue.job}` in etl_platform/cli/jobs/__init__.py"
    if queue.name not in VIEWS:
        yield "no view of its dead letters in VIEWS of etl_platform/cli/dead_letter_view.py"


def _terraform(queue: WorkQueue) -> Iterator[str]:
    key = queue.pipeline.replace("_", "-")
    path = f"{TERRAFORM}/queues.tf"
    entry = re.search(rf"^    {key} = \{{\n(.*?)^    \}}", _text(path), re.MULTILINE | re.DOTALL)
    if entry is None:
        yield f"no entry {key} in local.queues of {path}, so no queues, alarms and permissions"
    else:
        expected = {
            "queue": queue.queue_name,
            "dead_letters": queue.dlq_name,
            "max_receives": str(queue.max_receives),
            "bucket": queue.bucket_name,
        }
        for name, value in expected.items():
            found = re.search(rf'^ +{name} += (?:\{{ name = )?"?([\w.-]+)', entry[1], re.MULTILINE)
            actual = _default(found[1]) if found else "missing"
            if actual != value:
                yield f"{name} of {key} in {path} is {actual}, not {value}"
    for file, resource, what in (
        ("alarms.tf", '"aws_cloudwatch_metric_alarm" "queue_age"', "alarm on the age of its oldest message"),
        ("alarms.tf", '"aws_cloudwatch_metric_alarm" "dead_letters"', "alarm on its dead-letter queue"),
    ):
        if f"resource {resource} {{\n  for_each = local.queues\n" not in _text(f"{TERRAFORM}/{file}"):
            yield f"no {what} in {TERRAFORM}/{file}"
    if not re.search(r"^ +run += .*\bof += keys\(local\.queues\)", _text(f"{TERRAFORM}/permissions.tf"), re.MULTILINE):
        yield f"no permission to use the queue in {TERRAFORM}/permissions.tf"
    declared = re.findall(r'^output "(\w+)"', _text(f"{TERRAFORM}/outputs.tf"), re.MULTILINE)
    yield from _absent([name for name in _names(queue) if name not in declared], "output", f"{TERRAFORM}/outputs.tf")


def _deployment(queue: WorkQueue) -> Iterator[str]:
    schema = json.loads(_text(f"{CHART}/values.schema.json"))["properties"]["config"]["properties"]
    values = _yaml(f"{CHART}/values.yaml")["config"]
    variables = [name.upper() for name in _names(queue)]
    yield from _absent([name for name in variables if name not in schema], "config", f"{CHART}/values.schema.json")
    yield from _absent([name for name in variables if name not in values], "config", f"{CHART}/values.yaml")
    alerts = {rule.get("alert"): rule["expr"] for group in _yaml(RULES)["groups"] for rule in group["rules"]}
    for name in GENERAL_ALERTS:
        if "pipeline=" in alerts[name] and queue.pipeline not in alerts[name]:
            yield f"no alert {name} for the pipeline {queue.pipeline} in {RULES}"
    local = _yaml(COMPOSE)["x-settings"]
    for variable, value in zip(variables, (queue.queue_name, queue.dlq_name, queue.bucket_name), strict=True):
        if not local.get(variable, "").endswith(value):
            yield f"{variable} in {COMPOSE} does not name {value}"


def _documents(queue: WorkQueue) -> Iterator[str]:
    heading = queue.pipeline.replace("_", "-")
    if f"\n## {heading}\n" not in _text("docs/reference/iam-actions.md"):
        yield f"no heading {heading} in docs/reference/iam-actions.md"
    text = _pages()
    named = [queue.job, queue.sensor, *(name.upper() for name in _names(queue))]
    yield from _absent([name for name in named if f"`{name}`" not in text], "text on", "docs/")
    if f"fter {queue.max_receives} receives" not in text:
        yield f"no page of docs/ says that SQS gives up after {queue.max_receives} receives"


def _names(queue: WorkQueue) -> tuple[str, str, str]:
    return queue.url_setting, queue.dlq_url_setting, queue.bucket_setting


def _absent(names: list[str], what: str, where: str) -> Iterator[str]:
    if names:
        yield f"no {what} {', '.join(names)} in {where}"


def _default(value: str) -> str:
    """The default of ``var.x``; another value is returned as it is."""
    if not value.startswith("var."):
        return value
    name = value.removeprefix("var.")
    found = re.search(rf'^variable "{name}" \{{\n.*?default += "(.*?)"$', _variables(), re.MULTILINE | re.DOTALL)
    return found[1] if found else f"{value} without a default"


@cache
def _definitions() -> tuple[set[str], set[str]]:
    """Names of the jobs and of the sensors."""
    definitions = build_defs(Settings())
    return {job.name for job in definitions.jobs or ()}, {sensor.name for sensor in definitions.sensors or ()}


@cache
def _variables() -> str:
    return "\n".join(path.read_text("utf-8") for path in sorted((REPOSITORY / TERRAFORM).glob("variables*.tf")))


@cache
def _pages() -> str:
    """All pages for users; decision records only tell the past."""
    paths = sorted(path for path in (REPOSITORY / "docs").rglob("*.md") if path.parent.name != "decisions")
    return "\n".join(path.read_text("utf-8") for path in paths)


@cache
def _text(path: str) -> str:
    return (REPOSITORY / path).read_text("utf-8")


@cache
def _yaml(path: str) -> Any:
    return yaml.safe_load(_text(path))
