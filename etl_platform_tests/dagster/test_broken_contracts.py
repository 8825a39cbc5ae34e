"""Contracts in error: the code location always loads, other datasets go on, and the files of such contracts wait."""

import json
import logging
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from etl_platform.definitions import build_defs
from etl_platform.platform import Platform
from etl_platform.settings import Settings
from etl_platform_tests.dagster.workshop import JOB, Workshop
from etl_platform_tests.unit.making import CONTRACTS

TEXTS = {path.name: path.read_text("utf-8") for path in sorted(CONTRACTS.glob("*.odcs.yaml"))}
TRAINING = b"officer_id,course_code,completed_on,hours\nA1,FA,2026-01-02,2\n"
STOPS = b"stop_id,stop_date,officer_id\nS1,2026-01-02,A1\n"
API = """\
name: academy
agency: nm_albuquerque
base_url: https://api.example.gov
resources:
  - {dataset: training, path: /courses}
"""


def load(contracts: Path, apis: Path | None = None) -> dg.RepositoryDefinition:
    """The definitions as a code server loads them: every job, asset and check resolved."""
    settings = Settings(contracts_dir=contracts, **({"api_sources_dir": apis} if apis else {}))
    repository = build_defs(settings).get_repository_def()
    repository.load_all_definitions()
    assert repository.get_job(JOB)
    return repository


def assets(repository: dg.RepositoryDefinition, layer: str = "silver") -> set[str]:
    return {key.path[1] for key in repository.asset_graph.get_all_asset_keys() if key.path[0] == layer}


def checks(repository: dg.RepositoryDefinition, dataset: str) -> set[str]:
    return {key.name for key in repository.asset_graph.get_check_keys_for_assets({dg.AssetKey(["silver", dataset])})}


@pytest.fixture
def contracts(tmp_path: Path) -> Path:
    folder = tmp_path / "contracts"
    shutil.copytree(CONTRACTS, folder)
    return folder


BROKEN: dict[str, Callable[[str], str]] = {
    "no YAML": lambda text: text.replace("kind:", "kind: ["),
    "no mapping": lambda _: "- 1",
    "empty": lambda _: "",
    "unknown field": lambda text: text.replace("physicalName", "physicalNam"),
    "unknown type": lambda text: text.replace("logicalType: number", "logicalType: colour"),
    "reserved check": lambda text: text.replace("name: expiry_after_completion", "name: file_is_on_time"),
    "shared check": lambda text: text.replace("name: expiry_after_completion", "name: officer_id__required"),
    "second dataset": lambda text: text.replace("- name: training", "- name: complaints"),
    "second id": lambda text: text.replace("id: training", "id: complaints"),
    "dataset's name": lambda text: text.replace("- name: training", "- name: 7-x"),
    "missing table": lambda text: text.replace(
        "customProperties: [{property: formats, value: [money]}]",
        "customProperties: [{property: lookup, value: {table: none, key: a, take: b}}]",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_the_location_loads_with_a_contract_in_error_and_the_others_keep_their_checks(
    contracts: Path, kind: str
) -> None:
    path = contracts / "training.odcs.yaml"
    damaged = BROKEN[kind](TEXTS[path.name])
    assert damaged != TEXTS[path.name]
    path.write_text(damaged, "utf-8")

    repository = load(contracts)

    assert len(checks(repository, "officer_detail")) > 10
    assert not checks(repository, "training")
    others = {name.partition(".")[0] for name in TEXTS} - {"training"}
    assert others <= assets(repository) <= {*others, "training"}


def test_the_location_loads_if_every_contract_is_in_error(contracts: Path) -> None:
    for path in contracts.glob("*.odcs.yaml"):
        path.write_text("x: [", "utf-8")
    assert assets(load(contracts)) == {name.partition(".")[0] for name in TEXTS}
    for path in contracts.glob("*.odcs.yaml"):
        path.rename(path.with_name(f"7-{path.name}"))
    assert assets(load(contracts)) == set()


def test_a_contract_in_error_takes_no_name_that_another_one_needs(contracts: Path) -> None:
    text = TEXTS["training.odcs.yaml"].replace("name: expiry_after_completion", "name: hours_ok")
    (contracts / "training.odcs.yaml").write_text(text, "utf-8")
    (contracts / "training_hours_ok.odcs.yaml").write_text("x: [", "utf-8")

    repository = load(contracts)

    assert "hours_ok" in checks(repository, "training")
    assert "training_hours_ok" not in assets(repository)


def test_an_api_in_error_does_not_stop_the_location(contracts: Path, tmp_path: Path) -> None:
    apis = tmp_path / "apis"
    apis.mkdir()
    (apis / "a.yaml").write_text(API)
    (apis / "b.yaml").write_text(API.replace("training", "complaints").replace("academy", "board"))
    (apis / "c.yaml").write_text("name: [")
    (contracts / "training.odcs.yaml").write_text("x: [", "utf-8")

    assert assets(load(contracts, apis), "api") == {"complaints"}


def test_one_warning_names_what_is_set_aside(contracts: Path, caplog: pytest.LogCaptureFixture) -> None:
    (contracts / "training.odcs.yaml").write_text("x: [", "utf-8")
    with caplog.at_level(logging.WARNING, "etl_platform"):
        load(contracts)
    (record,) = caplog.records
    assert f"set aside: {contracts}/training.odcs.yaml:2: invalid YAML" in record.getMessage()


def test_a_run_that_was_requested_before_the_error_takes_the_other_files_and_lets_those_wait(
    workshop: Workshop, contracts: Path
) -> None:
    workshop.contracts_dir = contracts
    (contracts / "training.odcs.yaml").write_text("x: [", "utf-8")
    keys = [workshop.drop("Training.csv", TRAINING), workshop.drop("Stops.csv", STOPS)]

    result = workshop.ingest(*keys, datasets=["training", "traffic_stops"])

    assert result.success
    assert workshop.outcomes == ["accepted", "ignored"]
    (report,) = workshop.written("reports/_ignored")
    document = json.loads(workshop.objects()[report])
    assert [error["code"] for error in document["errors"]] == ["contract_error"]
    assert f"the file waits for its contract: {contracts}/training.odcs.yaml:2: " in document["errors"][0]["message"]
    assert workshop.written("silver")[0].startswith("silver/traffic_stops/")

    (contracts / "training.odcs.yaml").write_text(TEXTS["training.odcs.yaml"], "utf-8")
    workshop.ingest(keys[0])
    assert workshop.outcomes == ["accepted"]


def test_a_partition_of_a_contract_in_error_is_not_read_again_and_the_run_says_why(
    workshop: Workshop, contracts: Path
) -> None:
    workshop.contracts_dir = contracts
    workshop.ingest(workshop.drop("Training.csv", TRAINING))
    (contracts / "training.odcs.yaml").write_text("x: [", "utf-8")
    before = workshop.objects()

    result = workshop.reprocess(selection=[dg.AssetKey(["silver", "training"])])

    assert not result.success
    (failure,) = result.get_step_failure_events()
    assert "training.odcs.yaml:2: invalid YAML" in str(failure.step_failure_data.error)
    assert workshop.objects() == before


def evaluations(events: Sequence[Any]) -> dict[str, tuple[bool, str | None, Any]]:
    """By the name of the declaration: whether it passed, its description and the line."""
    found = {}
    for event in events:
        assert event.check_name == "contract_is_valid"
        line = event.metadata.get("line")
        found[event.asset_key.to_user_string()] = event.passed, event.description, line.value if line else None
    return found


def tick(workshop: Workshop, cursor: str | None) -> dg.SensorResult | dg.SkipReason:
    """One tick of the sensor over definitions that were loaded just now."""
    definitions = build_defs(workshop.settings)
    platform = Platform(workshop.settings)
    with dg.build_sensor_context(
        instance=workshop.instance,
        cursor=cursor,
        repository_def=definitions.get_repository_def(),
        resources={"platform": platform},
    ) as context:
        result: Any = definitions.resolve_sensor_def("contracts_sensor")(context)
        return result  # type: ignore[no-any-return]


def test_the_check_turns_red_with_file_and_line_and_green_after_the_correction(
    workshop: Workshop, contracts: Path
) -> None:
    workshop.contracts_dir = contracts
    first = tick(workshop, None)
    assert isinstance(first, dg.SensorResult)
    names = {f"contracts/{name.partition('.')[0]}" for name in TEXTS}
    assert evaluations(first.asset_events) == dict.fromkeys(names, (True, None, None))
    assert isinstance(tick(workshop, first.cursor), dg.SkipReason), "an event only on change"

    path = contracts / "training.odcs.yaml"
    path.write_text(TEXTS[path.name].replace("logicalType: number", "logicalType: colour", 1), "utf-8")
    line = next(n for n, text in enumerate(path.read_text("utf-8").splitlines(), 1) if "colour" in text)
    second = tick(workshop, first.cursor)
    assert isinstance(second, dg.SensorResult)
    ((name, (passed, description, shown)),) = evaluations(second.asset_events).items()
    assert (name, passed, shown) == ("contracts/training", False, line)
    assert description
    assert description.startswith(f"{path}:{line}: ")
    assert isinstance(tick(workshop, second.cursor), dg.SkipReason)

    path.write_text(TEXTS[path.name], "utf-8")
    third = tick(workshop, second.cursor)
    assert isinstance(third, dg.SensorResult)
    assert evaluations(third.asset_events) == {"contracts/training": (True, None, None)}
    assert third.run_requests == [], "no file waited"


def test_the_check_is_red_for_a_rule_that_does_not_compile_though_the_dataset_stays(
    workshop: Workshop, contracts: Path
) -> None:
    workshop.contracts_dir = contracts
    path = contracts / "training.odcs.yaml"
    rule = "expires_on > completed_on"
    assert rule in TEXTS[path.name]
    path.write_text(TEXTS[path.name].replace(rule, "expires_onn > completed_on"), "utf-8")
    result = tick(workshop, None)
    assert isinstance(result, dg.SensorResult)
    red = {name: found for name, found in evaluations(result.asset_events).items() if not found[0]}
    assert list(red) == ["contracts/training"]
    assert "there is no column 'expires_onn'" in str(red["contracts/training"][1])
    assert "training" in assets(load(contracts))


def test_files_that_waited_are_taken_in_when_their_contract_is_correct_again(
    workshop: Workshop, contracts: Path
) -> None:
    workshop.contracts_dir = contracts
    cursor = tick(workshop, None).cursor  # type: ignore[union-attr]
    (contracts / "training.odcs.yaml").write_text("x: [", "utf-8")
    cursor = tick(workshop, cursor).cursor  # type: ignore[union-attr]
    for agency in ("nm_albuquerque", "nc_durham"):
        workshop.ingest(workshop.drop("Training.csv", TRAINING, agency), datasets=["training"])
    workshop.ingest(workshop.drop("Vehicle_Fleet.csv", b"a\n1\n"), datasets=["training"])
    (contracts / "training.odcs.yaml").write_text(TEXTS["training.odcs.yaml"], "utf-8")

    result = tick(workshop, cursor)

    assert isinstance(result, dg.SensorResult)
    (request,) = result.run_requests or []
    assert request.tags["etl_platform/agency"] == "nc_durham, nm_albuquerque"
    assert request.asset_selection == [dg.AssetKey(["bronze", "training"]), dg.AssetKey(["silver", "training"])]
    deliveries = request.run_config["ops"]["ingest"]["config"]["deliveries"]
    assert [item["key"] for item in deliveries] == [
        "from_client/nm_albuquerque/Training.csv",
        "from_client/nc_durham/Training.csv",
    ]
    workshop.ingest(*(item["key"] for item in deliveries))
    assert workshop.outcomes == ["accepted", "accepted"]
    assert isinstance(tick(workshop, result.cursor), dg.SkipReason)


@pytest.mark.parametrize("cursor", ["", "x", "[]", '{"contracts/training": 1}', '{"contracts/training": {"x": 1}}'])
def test_a_broken_cursor_checks_everything_again(workshop: Workshop, contracts: Path, cursor: str) -> None:
    workshop.contracts_dir = contracts
    result = tick(workshop, cursor)
    assert isinstance(result, dg.SensorResult)
    assert len(result.asset_events) == len(TEXTS)


def test_an_api_in_error_has_a_red_check_and_names_with_other_characters_do_not_collide(
    contracts: Path, tmp_path: Path
) -> None:
    apis = tmp_path / "apis"
    apis.mkdir()
    for name in ("a-b.yaml", "a_b.yaml", "a b.yaml", "a_b.yml"):
        (apis / name).write_text("name: [")
    (contracts / "a-b.odcs.yml").write_text("x: [")
    repository = load(contracts, apis)
    signs = [key.path for key in repository.asset_graph.get_all_asset_keys() if key.path[0] == "api_declarations"]
    assert len(signs) == 4
    assert ["api_declarations", "a_b"] in signs


def test_a_person_can_run_the_check_of_one_contract(workshop: Workshop, contracts: Path) -> None:
    (contracts / "training.odcs.yaml").write_text("x: [", "utf-8")
    workshop.contracts_dir = contracts
    definitions = build_defs(workshop.settings)
    checks = [
        dg.AssetCheckKey(dg.AssetKey(["contracts", name]), "contract_is_valid") for name in ("training", "complaints")
    ]
    job = definitions.resolve_implicit_global_asset_job_def().get_subset(asset_check_selection=set(checks))
    result = job.execute_in_process(instance=workshop.instance)
    found = {item.asset_key.path[1]: item for item in workshop.evaluations(result)}
    assert {name: item.passed for name, item in found.items()} == {"training": False, "complaints": True}
    assert found["training"].metadata["line"].value == 2
