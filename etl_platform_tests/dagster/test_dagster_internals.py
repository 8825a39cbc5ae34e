"""Each private part of Dagster that the product uses: what fails here says what an upgrade of Dagster broke."""

import json
import logging
import socket
import uuid
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dagster as dg
import grpc
import pytest
import sqlalchemy as sa
from dagster._core.events import StepMaterializationData
from dagster._core.execution import context_creation_job
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._daemon.monitoring.run_monitoring import monitor_started_run
from dagster._grpc.__generated__ import dagster_api_pb2
from dagster._grpc.__generated__.dagster_api_pb2_grpc import (
    DagsterApiServicer,
    add_DagsterApiServicer_to_server,
)
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult, StartRunResult
from dagster._serdes import deserialize_value, serialize_value

from etl_platform.defs.dagster_internals import (
    CodeServer,
    ShownCheck,
    code_server_of,
    define_job_of_several_partition_sets,
    last_evaluation,
    log_check_in_run,
    logged_by,
    newest_materialization_id,
    one_transaction,
    open_connections,
    shown_checks,
    use_logger_by_default,
    with_target,
)
from etl_platform.defs.run_logs import json_lines, run_loggers
from etl_platform.local.postgres import postgres_server

REPOSITORY = Path(__file__).parents[2]
LOOPBACK = "127.0.0.1"


class _StartsRuns:
    """As much of Dagster's client of a code server as a launch needs."""

    def __init__(self, port: int | None, path: str | None) -> None:
        self.host, self.port, self.socket, self.use_ssl = LOOPBACK, port, path, False

    def start_run(self, _arguments: object) -> str:
        return serialize_value(StartRunResult(success=True, message=None, serializable_error_info=None))


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    """Under the dagster.yaml of make dev, which names the WatchedRunLauncher."""
    home = tmp_path_factory.mktemp("home")
    (home / "dagster.yaml").write_text((REPOSITORY / "dagster.yaml").read_text("utf-8"), "utf-8")
    with dg.DagsterInstance.from_config(str(home)) as opened:
        yield opened


def launched(instance: dg.DagsterInstance, port: int | None = None, path: str | None = None) -> dg.DagsterRun:
    """A started run, launched through a code server at this port or socket."""
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("etl_platform"), "__repository__")
    run = dg.DagsterRun(
        job_name="a_job",
        run_id=str(uuid.uuid4()),
        status=dg.DagsterRunStatus.STARTED,
        remote_job_origin=RemoteJobOrigin(repository, "a_job"),
    )
    instance.add_run(run)
    client: Any = _StartsRuns(port, path)
    dg.DefaultRunLauncher.launch_run_from_grpc_client(instance, run, client)
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found


@pytest.fixture
def code_server() -> Iterator[int]:
    """The port of a code server whose one live run is ``alive``."""

    class Runs(DagsterApiServicer):  # type: ignore[misc]
        def CanCancelExecution(self, request: Any, _context: Any) -> Any:
            asked = deserialize_value(request.serialized_can_cancel_execution_request, CanCancelExecutionRequest)
            answer = serialize_value(CanCancelExecutionResult(can_cancel=asked.run_id == "alive"))
            return dagster_api_pb2.CanCancelExecutionReply(serialized_can_cancel_execution_result=answer)

    server = grpc.server(ThreadPoolExecutor(max_workers=1))
    add_DagsterApiServicer_to_server(Runs(), server)
    port = server.add_insecure_port(f"{LOOPBACK}:0")
    server.start()
    yield port
    server.stop(grace=None).wait()


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that accepts connections and never answers."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize(("port", "path"), [(3030, None), (None, "/run/code.sock")], ids=["port", "socket"])
def test_the_default_run_launcher_notes_its_code_server_in_a_tag_of_the_run(
    instance: dg.DagsterInstance, port: int | None, path: str | None
) -> None:
    run = launched(instance, port, path)
    assert code_server_of(run) == CodeServer(socket=path, host=LOOPBACK, port=port, use_ssl=False)


def test_a_code_server_says_whether_the_process_of_a_run_is_alive(code_server: int) -> None:
    server = CodeServer(socket=None, host=LOOPBACK, port=code_server, use_ssl=False)
    assert [server.is_running(run_id, timeout_s=30) for run_id in ("alive", "killed")] == [True, False]


def test_a_code_server_that_does_not_answer_is_no_evidence_against_its_run(silent_port: int) -> None:
    server = CodeServer(socket=None, host=LOOPBACK, port=silent_port, use_ssl=False)
    assert server.is_running("alive", timeout_s=1) is None


def test_run_monitoring_fails_a_run_whose_process_is_gone(instance: dg.DagsterInstance, code_server: int) -> None:
    run = launched(instance, code_server)
    assert _after_monitoring(instance, run) is dg.DagsterRunStatus.FAILURE


def test_run_monitoring_fails_a_run_whose_code_server_is_gone(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    run = launched(instance, path=str(tmp_path / "gone.sock"))
    assert _after_monitoring(instance, run) is dg.DagsterRunStatus.FAILURE


def _after_monitoring(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    (record,) = instance.get_run_records(dg.RunsFilter(run_ids=[run.run_id]))
    unused_workspace: Any = None
    monitor_started_run(instance, unused_workspace, record, logging.getLogger("test"))
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status


def _asset_job(loggers: dict[str, dg.LoggerDefinition] | None) -> dg.JobDefinition:
    """The job behind an asset's page; it is Dagster's own, so no code of ours can set its run config."""

    @dg.asset
    def greeting(context: dg.AssetExecutionContext) -> None:
        context.log.info("hello")

    job = dg.Definitions(assets=[greeting], loggers=loggers).get_repository_def().get_job("__ASSET_JOB")
    assert isinstance(job, dg.JobDefinition)
    return job


def test_a_run_without_run_config_uses_the_logger_of_its_definitions(capsys: pytest.CaptureFixture[str]) -> None:
    result = _asset_job(run_loggers()).execute_in_process()
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["run_id"] for line in lines if line["message"] == "hello"] == [result.run_id]


def test_dagster_by_itself_ignores_the_loggers_of_definitions(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason for ``use_logger_by_default``; it can be deleted as soon as this fails."""
    monkeypatch.setattr(context_creation_job, "default_system_loggers", dg.default_system_loggers)
    _asset_job({"console": json_lines}).execute_in_process()
    assert not any(line.startswith("{") for line in capsys.readouterr().err.splitlines())


def test_a_run_of_other_definitions_in_the_same_process_keeps_dagsters_logger(
    capsys: pytest.CaptureFixture[str],
) -> None:
    use_logger_by_default("console", json_lines)
    _asset_job(None).execute_in_process()
    lines = capsys.readouterr().err.splitlines()
    assert any(line.endswith("greeting - hello") for line in lines)
    assert not any(line.startswith("{") for line in lines)


def test_a_log_record_has_the_run_job_step_and_event_that_it_belongs_to() -> None:
    records: list[logging.LogRecord] = []

    @dg.logger
    def keep(_context: dg.InitLoggerContext) -> logging.Logger:
        logger = logging.Logger("keep")
        handler = logging.Handler()
        handler.emit = records.append  # type: ignore[method-assign]
        logger.addHandler(handler)
        return logger

    result = _asset_job({"keep": keep}).execute_in_process(run_config={"loggers": {"keep": {}}})

    found = [logged_by(record) for record in records]
    (hello,) = [item for item in found if item.message == "hello"]
    assert (hello.run_id, hello.job, hello.step, hello.event) == (result.run_id, "__ASSET_JOB", "greeting", None)
    events = [item.event.event_type for item in found if item.event is not None]
    assert dg.DagsterEventType.ASSET_MATERIALIZATION in events


class _TwoDatasets:
    """A job of two datasets, each with its own partitions, which logs an event of each as the intake does."""

    assets = tuple(
        dg.AssetSpec(name, partitions_def=dg.DynamicPartitionsDefinition(name=f"{name}_agencies"), skippable=True)
        for name in ("a", "b")
    )

    def __init__(self) -> None:
        @dg.multi_asset(specs=self.assets, can_subset=True)
        def ingest(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any]]:
            if context.has_partition_key:
                yield from (dg.MaterializeResult(asset_key=key) for key in context.selected_asset_keys)
                return
            for key in context.selected_asset_keys:
                context.log_event(dg.AssetMaterialization(key, partition=f"sender_of_{key.path[0]}"))

        self.ingest = ingest

    def job(self) -> dg.JobDefinition:
        job = define_job_of_several_partition_sets("job", dg.AssetSelection.all(), "Both datasets.")
        return dg.Definitions(assets=[self.ingest], jobs=[job]).resolve_job_def("job")


def test_a_job_may_have_assets_with_different_partitions(instance: dg.DagsterInstance) -> None:
    result = _TwoDatasets().job().execute_in_process(instance=instance)

    found = {
        event.asset_key.path[0]: event.partition
        for event in result.get_asset_materialization_events()
        if event.asset_key
    }
    assert found == {"a": "sender_of_a", "b": "sender_of_b"}


def test_a_run_of_such_a_job_may_have_a_partition_of_one_dataset(instance: dg.DagsterInstance) -> None:
    instance.add_dynamic_partitions("a_agencies", ["one"])

    result = (
        _TwoDatasets()
        .job()
        .execute_in_process(partition_key="one", asset_selection=[dg.AssetKey("a")], instance=instance)
    )

    (event,) = result.get_asset_materialization_events()
    assert (event.asset_key, event.partition) == (dg.AssetKey("a"), "one")


@pytest.mark.parametrize("is_small", [True, False], ids=["ours", "Dagster's"])
def test_a_subset_of_a_job_has_the_outputs_of_its_own_assets_only_if_its_assets_are_made_again(
    *, is_small: bool
) -> None:
    def assets_of(keys: Collection[dg.AssetKey]) -> dg.AssetsDefinition:
        @dg.multi_asset(name="fill", specs=[dg.AssetSpec(key) for key in sorted(keys)], can_subset=True)
        def fill(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any]]:
            yield from (dg.MaterializeResult(asset_key=key) for key in context.selected_asset_keys)

        return fill

    every = [dg.AssetKey(name) for name in "abc"]
    job = define_job_of_several_partition_sets("job", dg.AssetSelection.all(), "All.", assets_of if is_small else None)
    definitions = dg.Definitions(assets=[assets_of(every)], jobs=[job], loggers={"console": dg.colored_console_logger})
    whole = definitions.get_repository_def().get_job("job")
    assert set(whole.node_def_named("fill").output_dict) == set("abc")
    subset = whole.get_subset(asset_selection={dg.AssetKey("b")})
    assert set(subset.node_def_named("fill").output_dict) == ({"b"} if is_small else set("abc"))
    ran = subset.execute_in_process()
    assert [event.asset_key for event in ran.get_asset_materialization_events()] == [dg.AssetKey("b")]


def test_dagster_by_itself_defines_no_job_with_different_partitions() -> None:
    """The reason for ``define_job_of_several_partition_sets``; it can be deleted as soon as this fails."""
    job = dg.define_asset_job("job", dg.AssetSelection.all())
    with pytest.raises(dg.DagsterInvalidDefinitionError, match="Failed to resolve asset job"):
        dg.Definitions(assets=[_TwoDatasets().ingest], jobs=[job]).resolve_job_def("job")


def test_a_check_shows_the_row_that_was_inserted_last_and_a_result_logged_in_its_run_replaces_it(
    instance: dg.DagsterInstance,
) -> None:
    key = dg.AssetCheckKey(dg.AssetKey("checked"), uuid.uuid4().hex)
    assert shown_checks(instance, [key], "a") == {}
    assert last_evaluation(instance, key) is None
    instance.report_runless_asset_event(dg.AssetMaterialization(key.asset_key, partition="a"))
    wanted = dg.AssetRecordsFilter(key.asset_key, asset_partitions=["a"])
    (materialization,) = instance.fetch_materializations(wanted, limit=1).records
    runs = [instance.create_run_for_job(dg.job(name=name)(lambda: None)).run_id for name in ("first", "second")]
    for run_id, rows in ((runs[0], 1), (runs[1], 2), (runs[0], 3), (runs[1], 4)):
        evaluation = dg.AssetCheckEvaluation(key.asset_key, key.name, rows > 3, {"rows": rows}, partition="a")
        log_check_in_run(instance, run_id, with_target(evaluation, materialization))

        shown = shown_checks(instance, [key], "a")[key]
        assert shown == ShownCheck(runs[rows > 1], True, materialization.storage_id)
    last = last_evaluation(instance, key, "a")
    assert last
    assert (last.passed, last.metadata["rows"].value) == (True, 4)
    assert last_evaluation(instance, key) == last
    assert last_evaluation(instance, key, "b") is None


class Statements:
    """The statements and new connections of this process since the last ``clear``, by SQLAlchemy's events."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.connections = 0

    def clear(self) -> None:
        self.statements.clear()
        self.connections = 0


@pytest.fixture
def counted() -> Iterator[Statements]:
    counted = Statements()

    def connect(*_: object) -> None:
        counted.connections += 1

    def execute(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        counted.statements.append(statement)

    listeners = [(sa.pool.Pool, "connect", connect), (sa.engine.Engine, "before_cursor_execute", execute)]
    for listener in listeners:
        sa.event.listen(*listener)
    yield counted
    for listener in listeners:
        sa.event.remove(*listener)


@pytest.fixture(scope="module")
def in_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    home = tmp_path_factory.mktemp("postgres")
    with postgres_server() as server:
        storage = {"storage": {"postgres": {"postgres_url": server.get_uri()}}, "telemetry": {"enabled": False}}
        (home / "dagster.yaml").write_text(json.dumps(storage), "utf-8")
        with dg.DagsterInstance.from_config(str(home)) as opened:
            yield opened


def a_run(instance: dg.DagsterInstance) -> str:
    run = dg.DagsterRun(job_name="a_job", run_id=str(uuid.uuid4()), status=dg.DagsterRunStatus.STARTED)
    instance.add_run(run)
    return run.run_id


def materialize(instance: dg.DagsterInstance, run_id: str, asset: dg.AssetKey, partition: str) -> None:
    event = dg.DagsterEvent(
        event_type_value=dg.DagsterEventType.ASSET_MATERIALIZATION.value,
        job_name="a_job",
        event_specific_data=StepMaterializationData(
            dg.AssetMaterialization(asset, partition=partition, tags={"dagster/data_version": "1"})
        ),
    )
    instance.report_dagster_event(event, run_id)


def test_connections_to_postgres_stay_open_only_as_long_as_they_are_needed(
    in_postgres: dg.DagsterInstance, counted: Statements
) -> None:
    run_id, asset = a_run(in_postgres), dg.AssetKey("kept")
    with open_connections(in_postgres):
        materialize(in_postgres, run_id, asset, "a")
        in_postgres.get_run_records(limit=1)
        counted.clear()
        for _ in range(3):
            materialize(in_postgres, run_id, asset, "a")
            assert len(in_postgres.get_run_records(limit=1)) == 1
        assert counted.connections == 0
        assert not [statement for statement in counted.statements if "pg_catalog" in statement]
    counted.clear()
    materialize(in_postgres, run_id, asset, "a")
    assert counted.connections > 1, "as before"
    left = sa.text("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
    with in_postgres.run_storage.connect() as connection:
        assert connection.execute(left).scalar() == 1


def test_events_of_one_transaction_are_stored_together_or_not_at_all(in_postgres: dg.DagsterInstance) -> None:
    run_id, asset = a_run(in_postgres), dg.AssetKey("together")

    def partitions() -> list[str | None]:
        return [record.partition_key for record in in_postgres.fetch_materializations(asset, limit=10).records]

    report = in_postgres.report_engine_event

    def log_two() -> None:
        with one_transaction(in_postgres):
            materialize(in_postgres, run_id, asset, "a")
            materialize(in_postgres, run_id, asset, "b")
            with ThreadPoolExecutor(1) as another_thread:
                assert another_thread.submit(partitions).result() == []
                another_thread.submit(report, "of another thread", job_name="a_job", run_id=run_id).result()
            raise KeyError

    with pytest.raises(KeyError):
        log_two()
    assert partitions() == []
    (logged,) = in_postgres.all_logs(run_id)
    assert "of another thread" in logged.message
    with one_transaction(in_postgres):
        materialize(in_postgres, run_id, asset, "a")
        materialize(in_postgres, run_id, asset, "b")
    assert partitions() == ["b", "a"]


def test_the_latest_materialization_is_found_after_a_known_one(in_postgres: dg.DagsterInstance) -> None:
    run_id, asset = a_run(in_postgres), dg.AssetKey("latest")
    assert newest_materialization_id(in_postgres, asset, "a", None) is None
    materialize(in_postgres, run_id, asset, "a")
    first = newest_materialization_id(in_postgres, asset, "a", None)
    materialize(in_postgres, run_id, asset, "b")
    assert newest_materialization_id(in_postgres, asset, "a", first) == first
    materialize(in_postgres, run_id, asset, "a")
    second = newest_materialization_id(in_postgres, asset, "a", first)
    assert second is not None
    assert first is not None
    assert second > first


def test_sqlite_stores_events_as_without_transactions_and_open_connections(instance: dg.DagsterInstance) -> None:
    run_id, asset = a_run(instance), dg.AssetKey("in_sqlite")
    with open_connections(instance), one_transaction(instance):
        materialize(instance, run_id, asset, "a")
    assert newest_materialization_id(instance, asset, "a", None) is not None
