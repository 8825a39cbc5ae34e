"""api_ingestion_job over a real HTTP server and a folder: events, checks, failures, schedule."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from etl_platform.cli.main import main
from etl_platform.definitions import build_defs
from etl_platform.defs.api_ingestion import DRIFT_CHECK, JOB_NAME
from etl_platform.deliveries.intake import Intake
from etl_platform.local.sample_api import SECRET_NAME, TOKEN, SampleApi, sample_api
from etl_platform.platform import Platform
from etl_platform.settings import Settings
from etl_platform_tests.dagster.workshop import AGENCY, Workshop, value_of
from etl_platform_tests.integration.api_server import Answer, api_server

OTHER = "nc_durham"
ASSET = dg.AssetKey(["api", "training"])


@dataclass
class ApiWorkshop(Workshop):
    """The workshop with a folder of declared APIs."""

    @property
    def settings(self) -> Settings:
        return replace(super().settings, api_sources_dir=self.root.parent / "apis")

    def declare(self, name: str, text: str) -> None:
        self.settings.api_sources_dir.mkdir(exist_ok=True)
        (self.settings.api_sources_dir / f"{name}.yaml").write_text(text)

    def run(self, config: dict[str, Any] | None = None, **how: Any) -> dg.ExecuteInProcessResult:
        platform = Platform(self.settings)
        self.platforms.append(platform)
        job = build_defs(self.settings, platform=platform).resolve_job_def(JOB_NAME)
        run_config = {"ops": {"ingest_apis": {"config": config or {}}}}
        return job.execute_in_process(instance=self.instance, raise_on_error=False, run_config=run_config, **how)

    def stored(self) -> dict[str, bytes]:
        return {key: body for key, body in self.objects().items() if not key.endswith("lock")}

    def checks(self, result: dg.ExecuteInProcessResult) -> dict[str | None, dg.AssetCheckEvaluation]:
        return {item.partition: item for item in self.evaluations(result) if item.check_name == DRIFT_CHECK}


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiWorkshop]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv(SECRET_NAME, TOKEN)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "apis").mkdir()
    with dg.DagsterInstance.ephemeral() as instance:
        yield ApiWorkshop(tmp_path / "objects", instance)


@pytest.fixture
def api(workshop: ApiWorkshop) -> Iterator[SampleApi]:
    with sample_api() as api:
        workshop.declare("academy", api.declaration())
        yield api


def broken(workshop: ApiWorkshop, name: str = "broken", agency: str = OTHER) -> None:
    """An API that nobody serves."""
    with api_server() as gone:
        pass
    workshop.declare(
        name,
        f"name: {name}\nagency: {agency}\nbase_url: {gone.url}\nresources:\n  - {{dataset: training, path: /x}}\n",
    )


def test_a_run_logs_the_snapshot_and_the_delivery_under_the_agency(workshop: ApiWorkshop, api: SampleApi) -> None:
    result = workshop.run()

    assert result.success
    for layer in ("api", "bronze", "silver"):
        (found,) = workshop.materializations(layer, "training")
        assert found.partition == AGENCY
    metadata = workshop.materializations("api", "training")[0].metadata
    assert value_of(metadata, "summary") == (
        "sample_academy training: 100 records in 3 pages; snapshot of 100 rows accepted"
    )
    assert value_of(metadata, "dagster/partition_row_count") == 100
    assert value_of(metadata, "snapshot_key") == f"from_api/{AGENCY}/Training.csv"
    assert value_of(metadata, "cursor") == "2025-01-01T09:39:00Z"
    assert value_of(metadata, "not_in_the_contract") == ["instructors", "updated_at"]
    assert workshop.checks(result)[AGENCY].passed
    silver = {item.check_name for item in workshop.evaluations(result) if item.asset_key != ASSET}
    assert "officer_id__pattern" in silver
    assert workshop.agencies_of("training") == {AGENCY}


def test_a_second_run_writes_nothing_and_repeats_no_delivery_event(workshop: ApiWorkshop, api: SampleApi) -> None:
    workshop.run()
    before = workshop.stored()

    result = workshop.run()

    assert result.success
    assert workshop.stored() == before
    assert len(workshop.materializations("silver", "training")) == 1
    assert len(workshop.materializations("bronze", "training")) == 1
    assert "nothing new" in value_of(workshop.materializations("api", "training")[-1].metadata, "summary")
    assert workshop.observations("training") == []


def test_a_change_at_the_api_is_in_silver_after_the_next_run(workshop: ApiWorkshop, api: SampleApi) -> None:
    workshop.run()
    api.records[3] |= {"hours": 99, "updated_at": "2025-02-01T00:00:00Z"}
    api.records.append(api.records[0] | {"officer_id": "NEW1", "updated_at": "2025-03-01T00:00:00Z"})

    assert workshop.run().success

    latest = workshop.materializations("silver", "training")[-1].metadata
    assert value_of(latest, "dagster/partition_row_count") == 101
    api_metadata = workshop.materializations("api", "training")[-1].metadata
    assert (value_of(api_metadata, "new"), value_of(api_metadata, "changed")) == (1, 1)


def test_changed_fields_are_a_warning_with_a_table(workshop: ApiWorkshop, api: SampleApi) -> None:
    workshop.run()
    api.records.append(
        api.records[0] | {"officer_id": "NEW1", "badge": 7, "score": "high", "updated_at": "2025-03-01T00:00:00Z"}
    )

    result = workshop.run()

    assert result.success
    check = workshop.checks(result)[AGENCY]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert check.description == "badge: added; score: type changed"
    drift = check.metadata["drift"]
    assert isinstance(drift, dg.TableMetadataValue)
    assert [record.data for record in drift.records] == [
        {"field": "badge", "change": "added", "before": "", "now": "integer"},
        {"field": "score", "change": "type changed", "before": "integer", "now": "string or integer"},
    ]


def test_a_partition_run_reads_the_apis_of_that_agency_only(workshop: ApiWorkshop, api: SampleApi) -> None:
    broken(workshop)
    workshop.instance.add_dynamic_partitions("training_agencies", [AGENCY, OTHER])

    result = workshop.run(partition_key=AGENCY)

    assert result.success
    (found,) = workshop.materializations("api", "training")
    assert found.partition == AGENCY
    assert len(workshop.materializations("silver", "training")) == 1


def test_a_person_may_materialize_the_asset_with_its_check(workshop: ApiWorkshop, api: SampleApi) -> None:
    workshop.instance.add_dynamic_partitions("training_agencies", [AGENCY])
    platform = Platform(workshop.settings)
    definitions = build_defs(workshop.settings, platform=platform)

    result = dg.materialize(
        [asset for asset in definitions.assets or [] if isinstance(asset, dg.AssetsDefinition)],
        selection=dg.AssetSelection.assets(ASSET),
        partition_key=AGENCY,
        instance=workshop.instance,
        resources={"platform": platform},
    )

    assert result.success
    assert workshop.checks(result)[AGENCY].passed


def test_bronze_and_silver_of_a_snapshot_can_be_reprocessed(workshop: ApiWorkshop, api: SampleApi) -> None:
    workshop.run()
    selection = [dg.AssetKey([layer, "training"]) for layer in ("bronze", "silver")]

    result = workshop.reprocess(selection=selection)

    assert result.success
    assert workshop.outcomes == ["accepted"]
    assert value_of(workshop.materializations("silver", "training")[-1].metadata, "dagster/partition_row_count") == 100


def test_an_api_that_fails_does_not_stop_the_others_and_fails_the_run(workshop: ApiWorkshop, api: SampleApi) -> None:
    workshop.declare("a_first", api.declaration(OTHER).replace("sample_academy", "refused").replace("/courses", "/no"))

    result = workshop.run()

    assert not result.success
    assert [item.partition for item in workshop.materializations("silver", "training")] == [AGENCY]
    (failure,) = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert failure.user_failure_data is not None
    assert failure.user_failure_data.description == (
        "1 failed: refused training: ApiResponseError: refused /no: status 404"
    )
    assert failure.user_failure_data.metadata["failed"]


def test_a_refused_secret_is_not_in_the_event_log(
    workshop: ApiWorkshop, api: SampleApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SECRET_NAME, "wrong-and-secret")

    result = workshop.run()

    assert not result.success
    log = "".join(repr(entry) for entry in workshop.instance.all_logs(result.run_id))
    assert f"the API refuses {SECRET_NAME}" in log
    assert "wrong-and-secret" not in log


def test_events_missing_from_a_dead_run_are_logged_by_the_next(
    workshop: ApiWorkshop, api: SampleApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Intake.ingest

    def record_and_die(*arguments: Any) -> Any:
        real(*arguments)
        raise RuntimeError("killed")

    with monkeypatch.context() as dying:
        dying.setattr(Intake, "ingest", record_and_die)
        assert not workshop.run().success
    assert workshop.materializations("silver", "training") == []

    assert workshop.run().success

    assert len(workshop.materializations("silver", "training")) == 1
    assert len(workshop.materializations("bronze", "training")) == 1


def test_a_run_can_be_limited_to_one_source(workshop: ApiWorkshop, api: SampleApi) -> None:
    workshop.declare("other", api.declaration(OTHER).replace("sample_academy", "other"))

    assert workshop.run({"source": "other"}).success

    assert [item.partition for item in workshop.materializations("silver", "training")] == [OTHER]


def test_without_a_declared_api_the_job_has_nothing_to_do(workshop: ApiWorkshop) -> None:
    assert workshop.run().success
    assert workshop.objects() == {}


def test_the_schedule_runs_only_if_an_api_is_declared(workshop: ApiWorkshop, api: SampleApi) -> None:
    def schedule(settings: Settings) -> dg.ScheduleDefinition:
        found = build_defs(settings).resolve_schedule_def("api_ingestion_schedule")
        assert isinstance(found, dg.ScheduleDefinition)
        return found

    assert schedule(workshop.settings).default_status is dg.DefaultScheduleStatus.RUNNING
    assert schedule(Settings()).default_status is dg.DefaultScheduleStatus.STOPPED, "the shipped folder has none"
    tick = schedule(workshop.settings).evaluate_tick(
        dg.build_schedule_context(resources={"platform": Platform(workshop.settings)})
    )
    assert tick.run_requests is not None
    (request,) = tick.run_requests
    assert request.partition_key is None


def test_a_file_of_a_dataset_that_an_api_has_filled_is_ingested_by_its_event(
    workshop: ApiWorkshop, api: SampleApi
) -> None:
    assert workshop.run().success
    snapshot = workshop.objects()[workshop.written("from_api")[0]]

    assert workshop.ingest(workshop.drop("Training.csv", snapshot, OTHER)).success
    assert {item.partition for item in workshop.materializations("silver", "training")} == {AGENCY, OTHER}


def command(monkeypatch: pytest.MonkeyPatch, workshop: ApiWorkshop, *arguments: str) -> int:
    monkeypatch.setenv("LOCAL_S3_ROOT", str(workshop.root))
    monkeypatch.setenv("API_SOURCES_DIR", str(workshop.settings.api_sources_dir))
    monkeypatch.setenv("LOG_LEVEL", "ERROR")
    return main(["run", JOB_NAME, *(["--", *arguments] if arguments else [])])


def test_the_command_prints_a_summary_and_returns_an_exit_code(
    workshop: ApiWorkshop, api: SampleApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch, workshop) == 0
    assert capsys.readouterr().out.splitlines() == [
        "api_ingestion_job: sample_academy training: 100 records in 3 pages; snapshot of 100 rows accepted",
        "api_ingestion_job: 1 resource: 1 landed, 0 unchanged, 0 failed",
    ]
    before = workshop.stored()

    assert command(monkeypatch, workshop, "--source", "sample_academy") == 0
    assert "1 resource: 0 landed, 1 unchanged, 0 failed" in capsys.readouterr().out
    assert workshop.stored() == before

    api.records.clear()
    api.records.append({"updated_at": "2026-01-01T00:00:00Z", "provider": "x"})
    assert command(monkeypatch, workshop, "--full") == 1
    assert "1 resource: 1 landed, 0 unchanged, 0 failed, 1 rejected" in capsys.readouterr().out

    monkeypatch.delenv(SECRET_NAME)
    assert command(monkeypatch, workshop) == 1
    shown = capsys.readouterr()
    assert "1 resource: 0 landed, 0 unchanged, 1 failed" in shown.out
    assert f"the secret {SECRET_NAME} is not set" in shown.out.splitlines()[-1]
    assert shown.out.splitlines()[-1].startswith(f"{JOB_NAME}: failed: 1 failed: ")

    assert command(monkeypatch, workshop, "--source", "nobody") == 2
    assert "declares sample_academy" in capsys.readouterr().err


def test_the_command_succeeds_without_a_declared_api(
    workshop: ApiWorkshop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch, workshop) == 0
    assert "no API is declared" in capsys.readouterr().out


def test_personal_data_of_an_answer_is_not_in_the_event_log(workshop: ApiWorkshop) -> None:
    with api_server() as server:
        server.answer = lambda _: Answer({"data": "Jane Doe, 078-05-1120", "error": "Jane Doe"})
        workshop.declare(
            "shop",
            f"name: shop\nagency: {AGENCY}\nbase_url: {server.url}\n"
            "resources:\n  - {dataset: training, path: /x, data_path: data}\n",
        )
        result = workshop.run()

    assert not result.success
    assert "Jane" not in "".join(repr(entry) for entry in workshop.instance.all_logs(result.run_id))
