"""A run's lines on stderr: JSON, each with the run's id, and with the delivery's where it speaks of one."""

import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from etl_platform.definitions import build_defs
from etl_platform.platform import Platform
from etl_platform_tests.dagster.workshop import AGENCY, JOB, StoreThatFails, Workshop
from etl_platform_tests.integration.deliveries import as_csv, officers

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package's logger as a run's process finds it; commands that were tested before have set it up."""
    log = logging.getLogger("etl_platform")
    monkeypatch.setattr(log, "handlers", [])
    monkeypatch.setattr(log, "propagate", True)
    before = log.level
    log.setLevel(logging.NOTSET)
    yield
    log.setLevel(before)


@pytest.fixture
def workshop(tmp_path: Path, dagster_home: Path) -> Iterator[Workshop]:
    """Under the dagster.yaml that make dev uses."""
    shutil.copy(REPOSITORY / "dagster.yaml", dagster_home)
    with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
        yield Workshop(tmp_path / "objects", instance)


def lines(
    workshop: Workshop, capsys: pytest.CaptureFixture[str], *keys: str, level: str | None = None
) -> tuple[str, list[dict[str, Any]]]:
    """The id and the lines of a run of the sensor; ``level`` is what a person may set in its config."""
    platform = Platform(workshop.settings)
    if workshop.wrap_store is not None:
        platform.store = workshop.wrap_store(platform.store)
    deliveries = [{"bucket": "local", "key": key, "message_id": f"message of {key}"} for key in keys]
    config = {"ops": {"ingest": {"config": {"deliveries": deliveries}}}}
    logs = {} if level is None else {"loggers": {"console": {"config": {"log_level": level}}}}
    # As the sensor asks for it: the assets of the files.
    assets = {dg.AssetKey([layer, name]) for layer in ("bronze", "silver") for name in ("officer_detail", "training")}
    whole = build_defs(workshop.settings, platform=platform).get_repository_def().get_job(JOB)
    job = whole.get_subset(asset_selection=assets, asset_check_selection=set())
    capsys.readouterr()
    ran = job.execute_in_process(instance=workshop.instance, run_config={**config, **logs}, raise_on_error=False)
    return ran.run_id, [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_each_line_has_the_run_and_one_a_delivery_has_all_of_its_ids(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    good = workshop.drop("Officer_Detail.csv", as_csv(officers("A", 8, bad=3)))
    empty = workshop.drop("Training.csv", b"")

    run_id, found = lines(workshop, capsys, good, empty)

    assert {line["run_id"] for line in found} == {run_id}
    assert {line["job"] for line in found} == {JOB}
    done = {line["dataset"]: line for line in found if line["message"] == "delivery done"}
    assert {name: line["outcome"] for name, line in done.items()} == {
        "officer_detail": "accepted",
        "training": "rejected",
    }
    assert all(line["agency"] == AGENCY and len(line["delivery_id"]) == 20 for line in done.values())
    assert len(done) == sum("delivery_id" in line for line in found), "a line each"


def test_a_failed_delivery_names_agency_and_dataset_and_what_the_package_warns_of_is_the_runs(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    key = workshop.drop("Officer_Detail.csv", as_csv(officers("A", 4)), "broken")
    log = logging.getLogger("etl_platform.deliveries.batch")

    def warn_and_fail(store: Any) -> Any:
        log.warning("before the run: nobody's")
        return _Warning(StoreThatFails(store, "agency=broken"), log)

    workshop.wrap_store = warn_and_fail
    run_id, found = lines(workshop, capsys, key)

    (failed,) = [line for line in found if line["message"].startswith("failed ")]
    assert (failed["run_id"], failed["level"], failed["agency"], failed["dataset"]) == (
        run_id,
        "ERROR",
        "broken",
        "officer_detail",
    )
    (warned,) = [line for line in found if line["message"] == "heartbeat failed"]
    assert (warned["run_id"], warned["reason"]) == (run_id, "a test")
    (failure,) = [line for line in found if line.get("event") == "STEP_FAILURE"]
    assert "agency=broken" in failure["error"] or "from_client/broken" in failure["error"], (
        "why, as the run's last line says"
    )


def test_a_level_above_info_leaves_the_deliveries_out(workshop: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    _, found = lines(workshop, capsys, workshop.drop("Training.csv", b""), level="WARNING")
    assert found == []


@pytest.mark.parametrize("job", ["__ASSET_JOB", JOB])
def test_what_a_person_materializes_logs_so_as_well(
    workshop: Workshop, capsys: pytest.CaptureFixture[str], job: str
) -> None:
    """From an asset's page, or as a backfill, Dagster runs a job of its own, which no config of ours reaches."""
    _, before = lines(workshop, capsys, workshop.drop("Officer_Detail.csv", as_csv(officers("A", 4))))
    definitions = build_defs(workshop.settings, platform=Platform(workshop.settings))
    ran = (
        definitions.get_repository_def()
        .get_job(job)
        .execute_in_process(
            instance=workshop.instance,
            partition_key=AGENCY,
            asset_selection=[dg.AssetKey(["bronze", "officer_detail"]), dg.AssetKey(["silver", "officer_detail"])],
        )
    )
    found = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert {(line["run_id"], line["job"]) for line in found} == {(ran.run_id, job)}
    ids = ("agency", "dataset", "delivery_id", "outcome")
    (again,) = [tuple(line[name] for name in ids) for line in found if "delivery_id" in line]
    (first,) = [tuple(line[name] for name in ids) for line in before if "delivery_id" in line]
    assert again == first


class _Warning:
    """A store whose first use makes the package warn, as a heartbeat would."""

    def __init__(self, store: Any, log: logging.Logger) -> None:
        self._store, self._log = store, log

    def head(self, *arguments: Any) -> Any:
        self._log.warning("heartbeat failed", extra={"reason": "a test"})
        return self._store.head(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)
