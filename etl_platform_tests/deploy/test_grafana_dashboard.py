"""The dashboard of Grafana: each expression is about metrics that exist, and Grafana can load the JSON."""

import json
import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from etl_platform.deliveries.circuit_breaker import Breaker, Limits, status_of
from etl_platform.deliveries.daily_counts import CountedDelivery, DailyCounts, DeliveryCounts, RunCounts
from etl_platform.gateway.metrics import DagsterReading, Depth, GatewayMetrics, Readings
from etl_platform.gateway.webhook import PostResult
from etl_platform_tests.deploy.helm_chart import CHART, copy_chart, objects, one, template
from etl_platform_tests.deploy.tools import tool

FILE = CHART / "dashboards" / "etl-platform.json"
DASHBOARD: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]]


@pytest.fixture(scope="module")
def exposition() -> str:
    """What /metrics shows if every source has answered."""
    counts = DeliveryCounts()
    counts.add(CountedDelivery("rejected", "training", "nc_durham", 1.0))
    runs = {"s3_data_quality_job": RunCounts(1, 1, 0, Counter(AccessDenied=1)), "email_archive_job": RunCounts(1, 1, 1)}
    daily = DailyCounts(counts, Counter({("s3_data_quality_job", "failure"): 1}), runs)
    reading = DagsterReading(status_of(Breaker(), 0, Limits(5, 60)), daily)
    source = ("file_processing", "queue")
    found = Readings(
        dagster=reading,
        depths={source: Depth(1, 1), ("file_processing", "dead_letters"): Depth(1, 0)},
        oldest_s={"file_processing": 5.0},
        is_up={source: True},
        ages_s={("file_processing", "dagster"): 1.0},
    )
    metrics = GatewayMetrics()
    metrics.count(PostResult(200, "queued"), 0.1)
    return metrics.text(found).decode()


def test_each_expression_names_metrics_and_labels_that_exist(exposition: str) -> None:
    samples = re.findall(r"^(\w+)(?:\{(.*)\})? ", exposition, re.MULTILINE)
    labels: dict[str, set[str]] = {}
    for name, text in samples:
        labels.setdefault(name, set()).update(re.findall(r'(\w+)="', text))
    for expression in EXPRESSIONS:
        names = re.findall(r"etl_platform_\w+", expression)
        assert names, expression
        for name in names:
            assert name in labels, expression
            used = set(re.findall(r'(\w+)="', expression))
            for group in re.findall(r"by \(([^)]*)\)", expression):
                used |= {label.strip() for label in group.split(",")}
            assert used <= labels[name], f"{expression} uses {used - labels[name]}"


def test_every_metric_is_on_the_dashboard(exposition: str) -> None:
    kinds = {name for name in re.findall(r"^# TYPE (\w+)", exposition, re.MULTILINE) if not name.endswith("_created")}
    shown = {
        re.sub(r"_(bucket|sum|count)$", "", name)
        for text in EXPRESSIONS
        for name in re.findall(r"etl_platform_\w+", text)
    }
    assert kinds == shown


def test_prometheus_parses_each_expression(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": text.replace("$__rate_interval", "5m")}
        for number, text in enumerate(EXPRESSIONS)
    ]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}), "utf-8")
    checked = subprocess.run(
        [tool("promtool"), "check", "rules", str(file)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_grafana_finds_what_it_needs() -> None:
    assert DASHBOARD["schemaVersion"] >= 36, "older ones are migrated at every load"
    assert (DASHBOARD["uid"], DASHBOARD["title"]) == ("etl-platform", "etl_platform")
    assert "id" not in DASHBOARD, "Grafana gives the id; a file with one replaces another dashboard"
    (variable,) = DASHBOARD["templating"]["list"]
    assert (variable["type"], variable["query"]) == ("datasource", "prometheus")
    source = {"type": "prometheus", "uid": f"${{{variable['name']}}}"}
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    for panel in PANELS:
        assert panel["datasource"] == source
        assert panel["title"]
        assert panel["type"] in {"stat", "timeseries", "bargauge"}
        assert all(target["datasource"] == source for target in panel["targets"])
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_panels_are_side_by_side_and_never_on_top_of_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells


def test_the_chart_makes_the_config_map_that_the_sidecar_loads_if_it_is_told_to(tmp_path: Path) -> None:
    chart = copy_chart(tmp_path)
    values = [CHART / "values-staging.yaml"]
    on = template(chart, values, {"monitoring.grafanaDashboard.enabled": True})
    assert on.returncode == 0, on.stderr
    made = one(objects(on.stdout), "ConfigMap", "file-processing-dashboards")
    assert made["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(made["data"]["etl-platform.json"]) == DASHBOARD
    off = template(chart, values)
    assert "file-processing-dashboards" not in off.stdout
