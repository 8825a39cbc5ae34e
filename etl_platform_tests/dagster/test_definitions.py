"""The code location: it loads anywhere, says what each dataset is, and refuses a broken contract."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from etl_platform.definitions import build_defs
from etl_platform.engine.contract.file_names import choose_contract
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.contract_folder import load_contracts
from etl_platform.engine.errors import ContractError
from etl_platform.engine.rules.check_names import check_name
from etl_platform.engine.rules.contract_rules import contract_rules
from etl_platform.settings import Settings
from etl_platform_tests.unit.making import contract_data, custom

CONTRACTS = load_contracts(Settings().contracts_dir)
HEAVY = (
    "duckdb",
    "sqlglot",
    "polars",
    "pandas",
    "boto3",
    "botocore",
    "dagster_aws",
    "pyarrow",
    "jsonschema",
    "openpyxl",
    "requests.sessions",
)


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return build_defs(Settings())


@pytest.fixture(params=CONTRACTS.values(), ids=CONTRACTS.keys())
def contract(request: pytest.FixtureRequest) -> Contract:
    found: Contract = request.param
    return found


def test_definitions_load_without_environment_network_and_heavy_libraries(tmp_path: Path) -> None:
    program = (
        "import socket, sys\n"
        "def refuse(*_): raise AssertionError('the network was asked for')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "import etl_platform.definitions as d\n"
        "assert d.defs().resolve_job_def('s3_data_quality_job')\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)))\n"
    )
    environment = {"PATH": "/nonexistent", "HOME": str(tmp_path)}
    if "LD_LIBRARY_PATH" in os.environ:
        environment["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]", "imported at load, though only a run needs it"


def test_the_names_are_those_that_others_depend_on(definitions: dg.Definitions) -> None:
    assert definitions.resolve_job_def("s3_data_quality_job")
    sensor = definitions.resolve_sensor_def("file_arrivals_sensor")
    assert [job.name for job in sensor.jobs] == ["s3_data_quality_job", "ignored_files_job"]
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    for name in ("reconcile", "expected_files"):
        assert definitions.resolve_job_def(f"{name}_job")
        schedule = definitions.resolve_schedule_def(f"{name}_job_schedule")
        assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING


def test_there_is_a_bronze_and_a_silver_asset_per_contract_and_no_other(definitions: dg.Definitions) -> None:
    keys = {tuple(key.path) for key in definitions.resolve_asset_graph().get_all_asset_keys()}

    assert {key for key in keys if key[0] in {"bronze", "silver"}} == {
        (layer, name) for name in CONTRACTS for layer in ("bronze", "silver")
    }
    assert set(CONTRACTS) >= {
        "officer_detail",
        "employment_history",
        "complaints",
        "use_of_force",
        "traffic_stops",
        "training",
    }


def test_silver_is_made_of_bronze_and_both_are_partitioned_by_agency(
    definitions: dg.Definitions, contract: Contract
) -> None:
    graph = definitions.resolve_asset_graph()
    bronze, silver = (graph.get(dg.AssetKey([layer, contract.dataset])) for layer in ("bronze", "silver"))

    assert silver.parent_keys == {bronze.key}
    assert bronze.parent_keys == {dg.AssetKey(["sources", "file_events_queue"])}
    for node in (bronze, silver):
        assert isinstance(node.partitions_def, dg.DynamicPartitionsDefinition)
        assert node.partitions_def.name == f"{contract.dataset}_agencies"


def test_lineage_starts_at_external_assets_without_partitions(tmp_path: Path) -> None:
    """A partition of a source would be looked up in a run of the intake, which has no partition key."""
    settings = Settings(data_bucket_name="data", api_sources_dir=_declared_api(tmp_path))

    graph = build_defs(settings).resolve_asset_graph()

    starts = {key for key in graph.get_all_asset_keys() if not graph.get(key).parent_keys}
    assert {key.path[0] for key in starts} == {"sources", "contracts", "api_declarations"}, "all others have a source"
    sources = [graph.get(key) for key in graph.get_all_asset_keys() if key.path[0] == "sources"]
    assert all(node.is_external and node.partitions_def is None and node.description for node in sources)
    drop_folder = graph.get(dg.AssetKey(["sources", "drop_folder"]))
    assert drop_folder.metadata["dagster/uri"].value == "s3://data/from_client/"
    api = graph.get(dg.AssetKey(["sources", "api_roster"]))
    assert api.metadata["dagster/uri"].value == "https://api.example.org/v1"
    assert api.child_keys == {dg.AssetKey(["api", "training"])}


def test_a_source_shows_no_password() -> None:
    settings = Settings(database_url="postgresql://reader:geheim@db.internal:5432/app?sslmode=require&password=x")

    graph = build_defs(settings).resolve_asset_graph()

    database = graph.get(dg.AssetKey(["sources", "application_database"]))
    assert database.metadata["dagster/uri"].value == "postgresql://db.internal:5432/app"


def test_a_dataset_links_to_its_contract_and_its_objects(contract: Contract) -> None:
    name = Path(contract.path).name
    local = build_defs(Settings(data_bucket_name="data")).resolve_asset_graph()
    hosted = build_defs(Settings(contracts_url="https://git.example.org/contracts/")).resolve_asset_graph()

    for layer in ("bronze", "silver"):
        node, linked = (graph.get(dg.AssetKey([layer, contract.dataset])) for graph in (local, hosted))
        assert node.metadata["dagster/uri"] == f"s3://data/{layer}/{contract.dataset}/"
        (file,) = node.metadata["dagster/code_references"].code_references
        assert Path(file.file_path).read_text("utf-8").splitlines()[file.line_number - 1].endswith(contract.dataset)
        (page,) = linked.metadata["dagster/code_references"].code_references
        assert page.url == f"https://git.example.org/contracts/{name}#L{contract.line}"
        assert node.tags["domain"] == contract.domain
        assert ("classification" in node.tags) == contract.has_masked_columns
    assert local.get(dg.AssetKey(["silver", contract.dataset])).metadata["dagster/table_name"] == contract.dataset


def test_a_domain_with_blanks_is_a_tag_too(tmp_path: Path) -> None:
    text = Path(CONTRACTS["training"].path).read_text("utf-8")
    domain = "Use of force & conduct, " + "x" * 80
    written = re.sub("^domain: .*$", f"domain: '{domain}'", text, flags=re.MULTILINE)
    (tmp_path / "training.odcs.yaml").write_text(written, "utf-8")

    graph = build_defs(Settings(contracts_dir=tmp_path)).resolve_asset_graph()

    tag = graph.get(dg.AssetKey(["silver", "training"])).tags["domain"]
    assert tag.startswith("Use-of-force-conduct-x")
    assert len(tag) == 63


def test_a_dataset_says_whose_it_is_and_what_a_row_is(definitions: dg.Definitions, contract: Contract) -> None:
    graph = definitions.resolve_asset_graph()
    bronze, silver = (graph.get(dg.AssetKey([layer, contract.dataset])) for layer in ("bronze", "silver"))

    assert bronze.owners == silver.owners == [f"team:{contract.owner}"]
    assert "s3" in bronze.kinds
    assert {"s3", "parquet"} <= silver.kinds
    assert contract.grain
    assert contract.grain in (silver.description or "")
    assert bronze.description


def test_the_column_schema_is_the_contract_s(definitions: dg.Definitions, contract: Contract) -> None:
    node = definitions.resolve_asset_graph().get(dg.AssetKey(["silver", contract.dataset]))

    columns = node.metadata["dagster/column_schema"].columns

    assert [column.name for column in columns] == [column.name for column in contract.columns]
    for shown, column in zip(columns, contract.columns, strict=True):
        assert shown.type == str(column.type)
        assert shown.constraints.nullable is not column.required
        assert shown.constraints.unique is column.unique
        assert (shown.tags or {}).get("classification") == column.classification


def test_there_is_a_check_per_rule_and_one_for_the_file(definitions: dg.Definitions, contract: Contract) -> None:
    graph = definitions.resolve_asset_graph()
    silver = dg.AssetKey(["silver", contract.dataset])
    specs = [graph.get_check_spec(key) for key in graph.get_check_keys_for_assets({silver})]

    rules = [check_name(rule.reason) for rule in contract_rules(contract)]
    rules += [check_name(rule.name) for rule in contract.dataset_rules]
    rules += ["file_is_on_time"] if contract.cadence else []
    rules += ["keys_are_in_one_file"] if contract.primary_key else []
    rules += ["personal_data_is_announced"]
    rules += ["like_last_time"] if contract.drift_limits.severity else []
    assert len(set(rules)) == len(rules), "two rules would share a check"
    assert {spec.name for spec in specs} == {"file_is_readable_and_complete", *rules}
    assert all(spec.description for spec in specs)
    assert all(isinstance(spec.partitions_def, dg.DynamicPartitionsDefinition) for spec in specs)
    assert {spec.partitions_def.name for spec in specs if spec.partitions_def} == {f"{contract.dataset}_agencies"}


def test_a_run_does_its_work_in_its_own_process(definitions: dg.Definitions) -> None:
    """A process for the step would buy nothing and cost its start and imports, in every run."""
    assert definitions.resolve_job_def("s3_data_quality_job").executor_def is dg.in_process_executor


@pytest.mark.parametrize("gap", ["_", " ", "-", ""], ids=["underscore", "space", "hyphen", "nothing"])
def test_a_declared_pattern_knows_a_file_name_however_its_words_are_joined(contract: Contract, gap: str) -> None:
    for pattern in contract.file_patterns:
        name = pattern.replace("?", gap).replace("*", "_2026-01") + ".csv"
        found = choose_contract(CONTRACTS.values(), name)
        assert found is contract, f"{name} by {pattern}"


def test_a_folder_without_contracts_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=re.escape(str(tmp_path))):
        build_defs(Settings(contracts_dir=tmp_path))


def test_a_new_contract_is_a_new_dataset_without_code(tmp_path: Path) -> None:
    text = Path(CONTRACTS["training"].path).read_text("utf-8")
    (tmp_path / "drills.odcs.yaml").write_text(text.replace("name: training", "name: drills"), "utf-8")

    graph = build_defs(Settings(contracts_dir=tmp_path)).resolve_asset_graph()

    keys = {tuple(key.path) for key in graph.get_all_asset_keys()}
    assert {key for key in keys if key[0] in {"bronze", "silver"}} == {("bronze", "drills"), ("silver", "drills")}


def test_a_contract_that_came_after_the_definitions_is_unknown_to_the_sensor_too(tmp_path: Path) -> None:
    training = Path(CONTRACTS["training"].path).read_text("utf-8")
    (tmp_path / "training.odcs.yaml").write_text(training, "utf-8")
    definitions = build_defs(Settings(contracts_dir=tmp_path))
    (tmp_path / "drills.odcs.yaml").write_text(training.replace("name: training", "name: drills"), "utf-8")

    # A run of a dataset that has no assets would fail the whole tick, and hold up the files of the others.
    with dg.build_resources(definitions.resources or {}) as resources:
        assert set(resources.platform.contracts) == {"training"}


def test_made_columns_have_their_types_and_checks(tmp_path: Path) -> None:
    lookup = {"table": "courts", "key": "code", "take": "name"}
    columns = [
        {"name": "court", "logicalType": "string", "customProperties": custom(lookup=lookup)},
        {"name": "fee", "logicalType": "number", "physicalType": "decimal(8,2)", "transformLogic": "NULL"},
        {"name": "late", "logicalType": "boolean", "customProperties": custom(computed=True)},
    ]
    data = contract_data(columns, dataset="citations", customs=custom(transform="a_module.of_the_runs:function"))
    (tmp_path / "citations.odcs.yaml").write_text(json.dumps(data), "utf-8")
    (tmp_path / "references").mkdir()
    (tmp_path / "references" / "courts.csv").write_text("code,name\nM,Municipal\n", "utf-8")

    graph = build_defs(Settings(contracts_dir=tmp_path)).resolve_asset_graph()

    silver = dg.AssetKey(["silver", "citations"])
    checks = {key.name for key in graph.get_check_keys_for_assets({silver})}
    assert checks == {
        "file_is_readable_and_complete",
        "like_last_time",
        "personal_data_is_announced",
        "court__lookup",
        "fee__derive",
        "fee__type",
        "late__type",
    }
    types = [column.type for column in graph.get(silver).metadata["dagster/column_schema"].columns]
    assert types == ["string", "decimal(8,2)", "boolean"]


def _declared_api(folder: Path) -> Path:
    (folder / "roster.yaml").write_text(
        "name: roster\nagency: nm_albuquerque\nbase_url: https://api.example.org/v1\n"
        "resources:\n  - {dataset: training, path: /courses, data_path: items}\n",
        "utf-8",
    )
    return folder
