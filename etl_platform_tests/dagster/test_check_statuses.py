"""What Dagster shows of each check and partition: always what the latest report says, in every order of files."""

import time
from itertools import permutations
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from etl_platform.definitions import build_defs
from etl_platform.defs.checks.check_results import FILE_CHECK
from etl_platform.platform import Platform
from etl_platform_tests.dagster.check_statuses import shown_statuses
from etl_platform_tests.dagster.workshop import AGENCY, Workshop, value_of
from etl_platform_tests.simulation.memory import MemoryStore
from etl_platform_tests.unit.making import contract_data, custom, text, typed

SILVER = dg.AssetKey(["silver", "things"])
CLEAN, DIRTY, REFUSED = b"ident,size\na,1\nb,2\n", b"ident,size\na,1\nb,many\n", b"size\n1\n"
FILES = {"clean": CLEAN, "dirty": DIRTY, "refused": REFUSED}
FAILURES = {"clean": set(), "dirty": {"size__type"}, "refused": {FILE_CHECK}}
CHECKS = {
    FILE_CHECK,
    "keys_are_in_one_file",
    "like_last_time",
    "personal_data_is_announced",
    "ident__required",
    "ident__unique",
    "size__type",
    "file_is_on_time",
}


@pytest.fixture
def place(workshop: Workshop, tmp_path: Path) -> Workshop:
    """A contract with one key and one number, and a file expected each month; and a second dataset."""
    workshop.contracts_dir = tmp_path / "contracts"
    workshop.contracts_dir.mkdir()
    write_contract(workshop, "things")
    write_contract(workshop, "parts")
    return workshop


def write_contract(place: Workshop, dataset: str, version: str = "1.0.0") -> None:
    data = contract_data(
        [text("ident", primaryKey=True, required=True), typed("size", "integer")],
        customs=custom(filePatterns=[f"{dataset}*"]),
        slaProperties=[{"property": "frequency", "value": 1, "unit": "m"}],
    )
    data["id"] = data["schema"][0]["name"] = dataset
    data["schema"][0]["physicalName"] = f"{dataset}.csv"
    data["version"] = version
    (place.contracts_dir / f"{dataset}.odcs.yaml").write_text(yaml.safe_dump(data, sort_keys=False), "utf-8")


def statuses(place: Workshop, agency: str = AGENCY, dataset: str = "things") -> dict[str, str]:
    graph = build_defs(place.settings).resolve_asset_graph()
    asset = dg.AssetKey(["silver", dataset])
    keys = [key for key in graph.asset_check_keys if key.asset_key == asset]
    partitions = graph.get(asset).partitions_def
    assert partitions
    return shown_statuses(place.instance, keys, partitions, agency)


def failures(place: Workshop, agency: str = AGENCY, dataset: str = "things") -> set[str]:
    """The checks that are shown as failed, where every check has a result."""
    found = statuses(place, agency, dataset)
    assert set(found) == CHECKS, "a check has no current result"
    assert set(found.values()) <= {"SUCCEEDED", "FAILED"}
    return {name for name, status in found.items() if status == "FAILED"}


def send(place: Workshop, kind: str, agency: str = AGENCY, name: str = "Things.csv") -> None:
    assert place.ingest(place.drop(name, FILES[kind], agency)).success


def launch(place: Workshop, agency: str | None, *, assets: bool, checks: set[str] | None = None) -> Any:
    """A run as the UI starts it: of assets with all of their checks, or of checks alone."""
    platform = Platform(place.settings)
    if place.wrap_store is not None:
        platform.store = place.wrap_store(platform.store)
    job = build_defs(place.settings, platform=platform).resolve_implicit_global_asset_job_def()
    layers = {SILVER, dg.AssetKey(["bronze", "things"])} if assets else set()
    keys = {dg.AssetCheckKey(SILVER, name) for name in checks or CHECKS}
    return job.get_subset(asset_selection=layers, asset_check_selection=keys).execute_in_process(
        instance=place.instance,
        raise_on_error=False,
        tags={"dagster/partition": agency} if agency else {},
    )


def test_three_agencies_in_every_order_keep_their_own_results(place: Workshop) -> None:
    for order in permutations(FILES):
        sent: dict[str, str] = {}
        for kind in order:
            agency = f"{'_'.join(order)}.{kind}"
            send(place, kind, agency)
            sent[agency] = kind
            assert {name: failures(place, name) for name in sent} == {name: FAILURES[k] for name, k in sent.items()}


@pytest.mark.parametrize("second", FILES)
@pytest.mark.parametrize("first", FILES)
def test_a_refused_file_leaves_rules_with_the_rows_in_silver_and_others_replace_them(
    place: Workshop, first: str, second: str
) -> None:
    send(place, first)
    send(place, second)

    kept = FAILURES[first] - {FILE_CHECK} if second == "refused" else set()
    assert failures(place) == FAILURES[second] | kept


def test_a_result_names_the_file_whose_rows_it_is_about(place: Workshop) -> None:
    send(place, "dirty")
    assert _described(place, "size__type") == "Things.csv: 1 of 2 rows break this rule: size must be an integer."
    send(place, "refused")
    assert _described(place, "size__type") == (
        "Things.csv was refused before its rows were checked; in the file that silver still holds: 1 of 2 rows break "
        "this rule: size must be an integer."
    )
    assert "no_header_match" in _described(place, FILE_CHECK)
    send(place, "refused", "nc_durham")
    assert _described(place, "size__type") == (
        "Things.csv was refused before this rule was evaluated, and silver holds no earlier version of it."
    )


def test_a_refused_file_leaves_the_results_about_another_file_of_the_agency(place: Workshop) -> None:
    send(place, "dirty", name="Things_1.csv")
    send(place, "refused", name="Things_2.csv")
    assert failures(place) == {FILE_CHECK, "size__type"}
    assert _described(place, "size__type") == (
        "2 files (1 refused without rows): 1 of 2 rows break this rule: size must be an integer. "
        "All of them are in Things_1.csv."
    )

    assert launch(place, AGENCY, assets=False).success
    assert failures(place) == {FILE_CHECK, "size__type"}


def test_a_clean_file_leaves_the_checks_that_another_file_of_the_agency_fails(place: Workshop) -> None:
    send(place, "dirty", name="Things_1.csv")
    send(place, "clean", name="Things_2.csv")
    logged = _result(place, "size__type")
    assert failures(place) == {"size__type", "keys_are_in_one_file"}
    assert value_of(logged.metadata, "files") == 2
    (worst,) = logged.metadata["worst_files"].records
    assert (worst.data["file"], worst.data["rows_broken"]) == ("Things_1.csv", "1")
    assert worst.data["delivery_id"] == value_of(logged.metadata, "delivery_id")

    assert launch(place, AGENCY, assets=False).success
    assert failures(place) == {"size__type", "keys_are_in_one_file"}
    assert _result(place, "size__type").metadata == logged.metadata


def test_an_older_version_that_arrives_late_leaves_the_refusal_of_the_newer_one(place: Workshop) -> None:
    store, events = MemoryStore(time.time), []
    place.wrap_store = lambda _store: store
    for number, kind in enumerate(("clean", "refused")):
        store.write("local", f"from_client/{AGENCY}/Things.csv", FILES[kind])
        head = store.head("local", f"from_client/{AGENCY}/Things.csv")
        events.append({"version_id": head.version_id, "sequencer": f"00A{number}"})
    for event in reversed(events):
        assert place.ingest(f"from_client/{AGENCY}/Things.csv", **event).success

    assert place.outcomes == ["accepted"]
    assert failures(place) == {FILE_CHECK}
    assert launch(place, AGENCY, assets=False).success
    assert failures(place) == {FILE_CHECK}


def test_a_file_that_was_removed_from_silver_is_no_longer_judged(place: Workshop) -> None:
    """As the documents say to end that two files have the same keys."""
    send(place, "dirty", name="Things_1.csv")
    send(place, "clean", name="Things_2.csv")
    (shared,) = _result(place, "keys_are_in_one_file").metadata["shared_keys"].records
    (place.root / shared.data["silver"]).unlink()

    assert launch(place, AGENCY, assets=False).success

    assert failures(place) == set()
    assert value_of(_result(place, "size__type").metadata, "files") == 1


def test_a_report_that_cannot_be_read_fails_one_check_and_stops_no_delivery(place: Workshop) -> None:
    """As after a return to an older release."""
    send(place, "dirty", name="Things_1.csv")
    (report,) = (place.root / "reports" / "things" / f"agency={AGENCY}").iterdir()
    report.write_text(report.read_text().replace('"schema_version": 1', '"schema_version": 99'))

    send(place, "clean", name="Things_2.csv")

    assert place.outcomes == ["accepted"]
    assert failures(place) - {"keys_are_in_one_file"} == {FILE_CHECK}
    assert "schema_version is 99" in _described(place, FILE_CHECK)


def test_a_refused_file_gives_results_to_checks_that_have_none(place: Workshop) -> None:
    send(place, "dirty", name="Things_1.csv")
    with dg.DagsterInstance.ephemeral() as empty:
        place.instance = empty
        send(place, "refused", name="Things_2.csv")
        assert failures(place) == {FILE_CHECK, "size__type"}


def test_a_rule_that_is_younger_than_the_file_is_not_shown_as_kept(place: Workshop) -> None:
    send(place, "dirty")
    path = place.contracts_dir / "things.odcs.yaml"
    contract = yaml.safe_load(path.read_text("utf-8"))
    (size,) = (column for column in contract["schema"][0]["properties"] if column["name"] == "size")
    size["logicalTypeOptions"] = {"maximum": 9}
    path.write_text(yaml.safe_dump(contract, sort_keys=False), "utf-8")

    for step in (lambda: launch(place, AGENCY, assets=False, checks={"size__range"}), lambda: send(place, "refused")):
        step()
        assert "younger than the report" in _described(place, "size__range")
        assert statuses(place)["size__range"] == "FAILED"
        assert statuses(place)["size__type"] == "FAILED"
    send(place, "dirty")
    assert statuses(place)["size__range"] == "SUCCEEDED"


def _result(place: Workshop, check: str) -> dg.AssetCheckEvaluation:
    (record,) = place.instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(SILVER, check), limit=1
    )
    assert record.evaluation
    return record.evaluation


def _described(place: Workshop, check: str) -> str:
    return _result(place, check).description or ""


def test_a_partition_that_is_read_again_keeps_the_results_of_its_files(place: Workshop) -> None:
    send(place, "dirty")
    send(place, "refused", "nc_durham")

    for agency, kind in ((AGENCY, "dirty"), ("nc_durham", "refused")):
        assert launch(place, agency, assets=True).success
        assert failures(place, agency) == FAILURES[kind]
        assert place.reprocess(agency, [SILVER]).success
        assert failures(place, agency) == FAILURES[kind]


def test_a_run_that_fails_after_checks_were_planned_leaves_their_results(place: Workshop) -> None:
    send(place, "dirty")
    place.wrap_store = FullDisk

    assert not launch(place, AGENCY, assets=True).success

    assert failures(place) == FAILURES["dirty"]


class WrappedStore:
    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class FullDisk(WrappedStore):
    def download(self, *_args: Any) -> str:
        raise OSError("the disk is full")


def test_executing_one_check_of_a_partition_evaluates_it_and_writes_nothing_else(place: Workshop) -> None:
    send(place, "dirty")
    before = place.objects()

    result = launch(place, AGENCY, assets=False, checks={"size__type"})

    assert result.success
    assert [check.check_name for check in place.evaluations(result)] == ["size__type"]
    assert result.get_asset_materialization_events() == []
    assert place.objects() == before
    assert failures(place) == FAILURES["dirty"]


def test_executing_checks_finds_results_that_dagster_has_lost(place: Workshop) -> None:
    send(place, "dirty")
    with dg.DagsterInstance.ephemeral() as empty:
        place.instance = empty
        register(place, AGENCY)
        assert launch(place, AGENCY, assets=False).success
        assert failures(place) == FAILURES["dirty"]


def register(place: Workshop, agency: str) -> None:
    partitions = build_defs(place.settings).resolve_asset_graph().get(SILVER).partitions_def
    assert isinstance(partitions, dg.DynamicPartitionsDefinition)
    assert partitions.name
    place.instance.add_dynamic_partitions(partitions.name, [agency])


def test_checks_without_a_partition_are_not_executed_and_the_log_says_why(place: Workshop) -> None:
    send(place, "clean", "nc_durham")
    send(place, "dirty")
    keys = [dg.AssetCheckKey(SILVER, name) for name in CHECKS]
    shown_before = _shown_results(place, keys)

    result = launch(place, None, assets=False)

    assert result.success
    assert failures(place) == FAILURES["dirty"]
    assert failures(place, "nc_durham") == FAILURES["clean"]
    assert _shown_results(place, keys) == shown_before
    warnings = {entry.user_message for entry in place.instance.all_logs(result.run_id) if entry.level == 30}
    assert len(warnings) == 1
    assert "for a partition only" in warnings.pop()


def _shown_results(place: Workshop, keys: list[dg.AssetCheckKey]) -> dict[dg.AssetCheckKey, Any]:
    """What the UI shows of a check as a whole: its latest row, of whichever partition."""
    found = place.instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    return {key: (row.status, row.partition, row.evaluation) for key, row in found.items()}


def test_a_file_taken_in_by_hand_touches_no_other_dataset(place: Workshop) -> None:
    send(place, "dirty")
    rows = _shown_results(place, [dg.AssetCheckKey(SILVER, name) for name in CHECKS])
    key = place.drop("Parts.csv", CLEAN)

    result = place.by_hand(key)

    assert result.success
    assert {item.asset_key.path[-1] for item in place.evaluations(result)} == {"parts"}
    assert _shown_results(place, [dg.AssetCheckKey(SILVER, name) for name in CHECKS]) == rows
    assert failures(place) == FAILURES["dirty"]
    assert failures(place, dataset="parts") == set()
    assert "did not yield" not in repr([entry.user_message for entry in place.instance.all_logs(result.run_id)])


def test_runs_that_work_on_one_partition_at_once_leave_results_of_all_files(place: Workshop) -> None:
    """The outer run has rows for the checks when the inner one adds its own; then the outer one logs other files."""
    keys = [place.drop(f"Things_{number}.csv", content) for number, content in ((1, DIRTY), (2, DIRTY), (4, CLEAN))]
    place.wrap_store = _rival_on_download(place, place.drop("Things_3.csv", DIRTY), when="Things_2")
    place.workers = 1
    assert place.ingest(*keys).success
    assert failures(place) == FAILURES["dirty"] | {"keys_are_in_one_file"}
    assert _described(place, "size__type") == (
        "4 files: 3 of 8 rows break this rule: size must be an integer. They are in 3 files; "
        "the worst is Things_1.csv (1 of 2 rows)."
    )


def test_a_file_that_arrives_while_its_partition_is_read_again_leaves_every_result_current(place: Workshop) -> None:
    """The checks of the outer run were planned before the inner one logged its results."""
    send(place, "clean")
    place.wrap_store = _rival_on_download(place, place.drop("Things_2.csv", DIRTY))

    assert launch(place, AGENCY, assets=True).success

    assert failures(place) == FAILURES["dirty"] | {"keys_are_in_one_file"}


def test_a_re_read_does_not_hide_a_file_that_was_judged_after_it_had_evaluated(place: Workshop) -> None:
    """The rival has rows of its own before and after those that were planned for the outer run."""
    send(place, "clean")
    rival = place.drop("Things_2.csv", DIRTY)

    class StoreWithARival(WrappedStore):
        def list(self, bucket: str, prefix: str, after: str = "") -> Any:
            found = list(self._store.list(bucket, prefix, after))
            if (
                place.wrap_store is not None
                and prefix.startswith("reports/things/")
                and place.materializations("silver", "things")[1:]
            ):
                # The files were read again, and their reports are listed to evaluate the checks.
                place.wrap_store = None
                assert place.ingest(rival).success
            return found

    place.wrap_store = StoreWithARival
    assert launch(place, AGENCY, assets=True).success

    assert failures(place) == FAILURES["dirty"] | {"keys_are_in_one_file"}


def test_bronze_alone_read_again_shows_what_it_wrote_to_silver(place: Workshop) -> None:
    send(place, "clean")
    write_contract(place, "things", "1.1.0")

    assert place.reprocess(AGENCY, [dg.AssetKey(["bronze", "things"])], "things").success

    events = place.materializations("silver", "things")
    assert [event.tags["dagster/code_version"] for event in events] == ["1.0.0", "1.1.0"]
    assert failures(place) == set()


def _rival_on_download(place: Workshop, key: str, when: str = "Things") -> Any:
    """A store that takes in another file while the first one is downloaded."""

    class StoreWithARival(WrappedStore):
        def download(self, head: Any, path: Path) -> str:
            if place.wrap_store is not None and when in head.key:
                place.wrap_store = None
                assert place.ingest(key).success
            return str(self._store.download(head, path))

    return StoreWithARival


def test_the_last_materialization_counts_rows_that_another_run_wrote_meanwhile(place: Workshop) -> None:
    first, second = place.drop("Things_1.csv", CLEAN), place.drop("Things_2.csv", CLEAN)

    class StoreWithARival(WrappedStore):
        def list(self, bucket: str, prefix: str, after: str = "") -> Any:
            found = [*self._store.list(bucket, prefix, after)]
            if place.wrap_store is not None and prefix.startswith("silver/") and found:
                # Silver is there, so the run counts rows; its list of objects is complete by now.
                place.wrap_store = None
                assert place.ingest(second).success
            return iter(found)

    place.wrap_store = StoreWithARival
    assert place.ingest(first).success

    newest = place.materializations("silver", "things")[-1]
    assert value_of(newest.metadata, "dagster/partition_row_count") == 4


def test_silver_has_the_rows_of_the_whole_partition_and_a_version_of_their_bytes(place: Workshop) -> None:
    for name in ("Things_1.csv", "Things_2.csv", "Things_2.csv"):
        send(place, "clean", name=name)

    events = place.materializations("silver", "things")

    assert [value_of(event.metadata, "dagster/partition_row_count") for event in events] == [2, 4, 4]
    assert [value_of(event.metadata, "accepted_rows") for event in events] == [2, 2, 2]
    assert all("dagster/row_count" not in event.metadata for event in events)


def test_a_new_version_of_the_contract_shows_which_agencies_are_stale(place: Workshop) -> None:
    send(place, "clean")
    send(place, "clean", "nc_durham")
    assert {agency: stale(place, agency) for agency in (AGENCY, "nc_durham")} == {AGENCY: [], "nc_durham": []}

    write_contract(place, "things", "1.1.0")
    send(place, "refused", "nc_durham")
    assert stale(place, AGENCY) == stale(place, "nc_durham") == ["has a new code version"]

    assert launch(place, AGENCY, assets=True).success
    assert (stale(place, AGENCY), stale(place, "nc_durham")) == ([], ["has a new code version"])
    send(place, "refused")
    assert stale(place, AGENCY) == [], "silver is what it would be again"


def stale(place: Workshop, agency: str) -> list[str]:
    from dagster._core.definitions.data_version import CachingStaleStatusResolver
    from dagster._core.loader import LoadingContextForTest

    graph = build_defs(place.settings).resolve_asset_graph()
    resolver = CachingStaleStatusResolver(place.instance, graph, LoadingContextForTest(place.instance))
    return [cause.reason for cause in resolver.get_stale_causes(SILVER, agency)]
