"""The job as the sensor starts it: deliveries in the config, events under each agency's partition."""

from typing import Any

import dagster as dg
import pytest
from dagster._core.snap import build_config_schema_snapshot

from etl_platform.definitions import build_defs
from etl_platform.defs.checks.check_results import FILE_CHECK
from etl_platform.errors import ReportError, TransientError
from etl_platform.object_keys import AGENCY_REGISTER
from etl_platform_tests.dagster.workshop import AGENCY, JOB, StoreThatFails, Workshop, value_of
from etl_platform_tests.integration.deliveries import as_csv, officers

OTHER = "nc_durham"
NOT_EVALUATED = {"departed_has_termination_date", "termination_not_before_hire"}
"""Rules over a column that the files of ``officers`` lack."""


def test_each_delivery_is_logged_under_its_agency(workshop: Workshop) -> None:
    keys = [
        workshop.drop("Officer_Detail.csv", as_csv(officers("A", 8, bad=3))),
        workshop.drop("Officer_Detail.csv", as_csv(officers("B", 5)), OTHER),
    ]

    result = workshop.ingest(*keys)

    assert result.success
    assert workshop.outcomes == ["accepted", "accepted"]
    for layer in ("bronze", "silver"):
        found = workshop.materializations(layer, "officer_detail")
        assert sorted(item.partition or "" for item in found) == [OTHER, AGENCY]
    by_agency = {item.partition: item.metadata for item in workshop.materializations("silver", "officer_detail")}
    assert value_of(by_agency[AGENCY], "dagster/partition_row_count") == 5
    assert value_of(by_agency[AGENCY], "rows") == 8
    assert value_of(by_agency[AGENCY], "quarantined_rows") == 3
    assert value_of(by_agency[OTHER], "quarantined_rows") == 0
    assert len(value_of(by_agency[AGENCY], "sha256")) == 64
    assert value_of(by_agency[AGENCY], "dialect")["encoding"]
    assert workshop.objects().keys() >= {
        value_of(by_agency[AGENCY], "silver_key"),
        value_of(by_agency[AGENCY], "quarantine_key"),
    }


def test_check_results_are_stored_under_the_partition(workshop: Workshop) -> None:
    key = workshop.drop("Officer_Detail.csv", as_csv(officers("A", 8, bad=3)))

    result = workshop.ingest(key)

    evaluations = workshop.evaluations(result)
    assert {item.partition for item in evaluations} == {AGENCY}
    assert {item.asset_key for item in evaluations} == {dg.AssetKey(["silver", "officer_detail"])}
    red = {item.check_name for item in evaluations if not item.passed}
    assert red == {"email__pattern"} | NOT_EVALUATED
    (email,) = (item for item in evaluations if item.check_name == "email__pattern")
    assert email.severity is dg.AssetCheckSeverity.WARN
    assert value_of(email.metadata, "rows_broken") == 3
    assert "aaa aaaaa" in repr(email.metadata["first_lines"]), "the form of the value, not the value"
    declared = {spec.name for spec in _check_specs(workshop) if spec.asset_key.path == ["silver", "officer_detail"]}
    assert {item.check_name for item in evaluations} == declared


def test_an_agency_is_registered_for_a_dataset_as_its_first_file_arrives(workshop: Workshop) -> None:
    workshop.ingest(workshop.drop("Officer_Detail.csv", as_csv(officers("A", 2))))
    workshop.ingest(workshop.drop("Training.csv", b"", OTHER))

    assert workshop.agencies_of("officer_detail") == {AGENCY}
    assert workshop.agencies_of("training") == {OTHER}, "a refused file counts"
    assert workshop.agencies_of("complaints") == set()


def test_one_run_registers_the_agencies_of_all_its_datasets(workshop: Workshop) -> None:
    files = [workshop.drop("Officer_Detail.csv", as_csv(officers("A", 2)), agency) for agency in (AGENCY, OTHER)]

    result = workshop.ingest(*files, workshop.drop("Training.csv", b""))

    assert result.success
    assert workshop.agencies_of("officer_detail") == {AGENCY, OTHER}
    assert workshop.agencies_of("training") == {AGENCY}


def test_a_rejected_file_has_red_checks_and_a_green_run(workshop: Workshop) -> None:
    headless = [{k: v for k, v in row.items() if k != "hire_date"} for row in officers("A", 4)]

    result = workshop.ingest(workshop.drop("Officer_Detail.csv", as_csv(headless)))

    assert result.success
    assert workshop.outcomes == ["rejected"]
    (check,) = (item for item in workshop.evaluations(result) if not item.passed)
    assert check.check_name == "file_is_readable_and_complete"
    assert check.severity is dg.AssetCheckSeverity.ERROR
    assert "hire_date" in (check.description or "")
    assert len(workshop.materializations("bronze", "officer_detail")) == 1
    assert workshop.materializations("silver", "officer_detail") == []
    assert workshop.written("silver") == []


def test_bronze_shows_what_became_of_the_file_and_what_to_do(workshop: Workshop) -> None:
    headless = [{k: v for k, v in row.items() if k != "hire_date"} for row in officers("A", 4)]
    key = workshop.drop("Officer_Detail.csv", as_csv(headless))

    workshop.ingest(key)

    (bronze,) = workshop.materializations("bronze", "officer_detail")
    shown = {name: value.value for name, value in bronze.metadata.items()}
    assert bronze.description == shown["verdict"]
    assert shown["verdict"].startswith("Officer_Detail.csv: rejected: missing_column: ")
    assert shown["to_do"].startswith("Send the code and the message to the sender.")
    assert shown["read_as"] == "utf-8, ',', header on line 1"
    assert {shown["file"], shown["outcome"], shown["source"]} == {"Officer_Detail.csv", "rejected", f"s3://local/{key}"}
    assert shown["size_bytes"] == len(workshop.objects()[key])
    assert workshop.objects().keys() >= {shown["bronze_key"], shown["report_key"]}
    assert workshop.observations("officer_detail") == [], "a delivery has one event in bronze"


def test_bronze_of_an_accepted_file_counts_its_quarantined_rows(workshop: Workshop) -> None:
    workshop.ingest(workshop.drop("Officer_Detail.csv", as_csv(officers("A", 8, bad=3))))

    (bronze,) = workshop.materializations("bronze", "officer_detail")
    shown = {name: value.value for name, value in bronze.metadata.items()}
    assert shown["verdict"].startswith(
        "Officer_Detail.csv: accepted, 3 rows of 8 in quarantine: 3 rows: email must match the regular expression"
    )
    assert shown["show"] == f"etl-platform show {shown['delivery_id']} --html verdict.html"
    assert f"etl-platform quarantine --agency {AGENCY} --dataset officer_detail" in shown["to_do"]
    assert (shown["rows"], shown["quarantined_rows"]) == (8, 3)
    assert workshop.objects().keys() >= {shown["silver_key"], shown["quarantine_key"]}


def test_an_older_version_leaves_the_newest_file_as_the_latest_in_bronze(workshop: Workshop) -> None:
    key = workshop.drop("Officer_Detail.csv", as_csv(officers("A", 9)))
    workshop.ingest(key, sequencer="02")
    newest = workshop.platforms[-1].finished[0].report.delivery_id
    workshop.drop("Officer_Detail.csv", as_csv(officers("A", 4)))

    workshop.ingest(key, sequencer="01")

    assert workshop.outcomes == ["superseded"]
    (bronze,) = workshop.materializations("bronze", "officer_detail")
    (older,) = workshop.observations("officer_detail")
    assert value_of(bronze.metadata, "delivery_id") == newest
    assert f"superseded, because the newer delivery {newest} was processed first" in (older.description or "")


@pytest.mark.parametrize("content", [b"", b"officer_id,last_name,hire_date\n"], ids=["no bytes", "no rows"])
def test_an_empty_file_is_rejected_by_name(workshop: Workshop, content: bytes) -> None:
    result = workshop.ingest(workshop.drop("Officer_Detail.csv", content))

    assert result.success
    assert workshop.outcomes == ["rejected"]
    assert {check.check_name for check in workshop.evaluations(result) if not check.passed} == {FILE_CHECK}


def test_an_object_that_is_gone_is_an_outcome_and_no_failure(workshop: Workshop) -> None:
    result = workshop.ingest(f"from_client/{AGENCY}/Officer_Detail.csv", etag="of-a-deleted-object")

    assert result.success
    assert workshop.outcomes == ["rejected"]
    (report,) = (item.report for item in workshop.platforms[-1].finished)
    assert [error.code for error in report.check.errors] == ["NoSuchKey"]
    (bronze,) = workshop.materializations("bronze", "officer_detail")
    assert "rejected: NoSuchKey" in value_of(bronze.metadata, "verdict")
    assert "bronze_key" not in bronze.metadata
    assert {check.check_name for check in workshop.evaluations(result) if not check.passed} == {FILE_CHECK}


def test_what_no_contract_knows_leaves_a_trace_and_no_event(workshop: Workshop) -> None:
    result = workshop.ingest(workshop.drop("Vehicle_Fleet.csv", b"a\n1\n"))

    assert result.success
    assert workshop.outcomes == ["ignored"]
    assert len(workshop.written("reports/_ignored")) == 1
    assert workshop.agencies_of("officer_detail") == set()
    (line,) = (text for text in _lines(workshop, result) if text.startswith("ignored "))
    assert "Vehicle_Fleet.csv" in line
    assert "no_contract: no contract matches this file name" in line
    assert "etl_platform/dataset" not in workshop.instance.get_runs(limit=1)[0].tags, "a tag without a value"


@pytest.mark.parametrize(
    ("delivery", "problem"),
    [
        ({"key": "from_client/typo_agency/Officer_Detail.csv"}, "no s3://local/from_client/typo_agency/Officer_Detail"),
        ({"key": f"from_client/{AGENCY}/Officer_Detail.csv", "version_id": "v1"}, "in version v1"),
        ({"key": ""}, "the key is empty"),
        ({"key": "x", "bucket": "s3://local"}, "bucket 's3://local' takes a bucket's name, without s3://"),
        ({"key": "../../etc/passwd"}, "../../etc/passwd"),
    ],
)
def test_a_file_that_a_person_names_and_that_does_not_exist_fails_the_run_and_leaves_nothing(
    workshop: Workshop, delivery: dict[str, str], problem: str
) -> None:
    there = workshop.drop("Officer_Detail.csv", as_csv(officers("A", 2)), OTHER)
    before = workshop.objects()

    result = workshop.by_hand(there, **delivery)

    assert not result.success
    (failure,) = result.filter_events(lambda event: event.is_step_failure)
    assert failure.step_failure_data.user_failure_data is not None
    text = failure.step_failure_data.user_failure_data.description or ""
    assert text.startswith("nothing was ingested: 1 file not found: ")
    assert problem in text
    assert workshop.objects() == before
    assert workshop.agencies_of("officer_detail") == set()
    assert workshop.evaluations(result) == []


def _lines(workshop: Workshop, result: dg.ExecuteInProcessResult) -> list[str]:
    return [entry.user_message for entry in workshop.instance.all_logs(result.run_id)]


def test_a_delivery_that_fails_fails_the_run_after_the_others_are_done(workshop: Workshop) -> None:
    keys = [workshop.drop("Officer_Detail.csv", as_csv(officers("A", 4)), agency) for agency in ("aa", "broken", "zz")]
    workshop.wrap_store = lambda store: StoreThatFails(store, "agency=broken")

    result = workshop.ingest(*keys)

    assert not result.success
    assert workshop.outcomes == ["accepted", "accepted"]
    done = workshop.materializations("silver", "officer_detail")
    assert sorted(item.partition or "" for item in done) == ["aa", "zz"]
    (failure,) = result.filter_events(lambda event: event.is_step_failure)
    assert failure.step_failure_data.user_failure_data is not None
    assert "from_client/broken/Officer_Detail.csv" in (failure.step_failure_data.user_failure_data.description or "")
    assert not [key for key in workshop.written("reports") if "broken" in key]

    workshop.wrap_store = None
    again = workshop.ingest(*keys)

    assert again.success
    assert workshop.outcomes == ["accepted", "duplicate", "duplicate"]


def test_a_second_announcement_changes_no_object_and_is_seen_as_duplicate(workshop: Workshop) -> None:
    keys = [
        workshop.drop("Officer_Detail.csv", as_csv(officers("A", 6, bad=2))),
        workshop.drop("Training.csv", b""),
    ]
    workshop.ingest(*keys)
    before = workshop.objects()

    result = workshop.ingest(*keys)

    assert result.success
    assert workshop.outcomes == ["duplicate", "duplicate"]
    assert workshop.objects() == before
    assert value_of(workshop.observations("officer_detail")[-1].metadata, "outcome") == "duplicate"
    assert workshop.observations("officer_detail")[-1].partition == AGENCY
    assert len(workshop.materializations("silver", "officer_detail")) == 1
    assert workshop.evaluations(result) == []


def test_a_message_that_was_received_before_has_its_events_logged_again(workshop: Workshop) -> None:
    """Its first run may have died between the record and the events."""
    key = workshop.drop("Officer_Detail.csv", as_csv(officers("A", 6, bad=2)))
    workshop.ingest(key)
    before = workshop.objects()

    result = workshop.ingest(key, message_id="m-1", receive_count=2)

    assert workshop.outcomes == ["duplicate"]
    assert workshop.objects() == before
    first, second = workshop.materializations("silver", "officer_detail")
    assert value_of(first.metadata, "delivery_id") == value_of(second.metadata, "delivery_id")
    red = {check.check_name for check in workshop.evaluations(result) if not check.passed}
    assert red == {"email__pattern"} | NOT_EVALUATED


def test_events_that_are_logged_late_leave_what_silver_holds_as_the_latest(workshop: Workshop) -> None:
    """The run of the older file died between its report and its events, and the newer file was accepted meanwhile."""
    key = workshop.drop("Officer_Detail.csv", as_csv(officers("A", 4)))
    workshop.ingest(key)
    old = workshop.platforms[-1].finished[0].report
    workshop.drop("Officer_Detail.csv", as_csv(officers("A", 9, bad=1)))
    workshop.ingest(key)
    new = workshop.platforms[-1].finished[0].report

    (workshop.root / key).unlink()

    version = old.source.version_id
    result = workshop.ingest(key, version_id=version, message_id="m-1", receive_count=2)

    logged = [value_of(m.metadata, "delivery_id") for m in workshop.materializations("silver", "officer_detail")]
    assert logged == [old.delivery_id, new.delivery_id, old.delivery_id, new.delivery_id]
    email = [check for check in workshop.evaluations(result) if check.check_name == "email__pattern"]
    assert [check.passed for check in email] == [False, False], "checks are always about what silver holds"


def test_a_newer_file_of_the_same_key_replaces_silver(workshop: Workshop) -> None:
    key = workshop.drop("Officer_Detail.csv", as_csv(officers("A", 4)))
    workshop.ingest(key)
    (silver,) = workshop.written("silver")
    first = workshop.objects()[silver]
    workshop.drop("Officer_Detail.csv", as_csv(officers("A", 9)))

    workshop.ingest(key)

    assert workshop.outcomes == ["accepted"]
    assert workshop.written("silver") == [silver]
    assert workshop.objects()[silver] != first
    assert len(workshop.written("bronze")) == 2


def test_classified_values_are_masked_in_what_dagster_shows(workshop: Workshop) -> None:
    rows = officers("A", 5)
    rows[0] |= {"first_name": "Quuxfirst", "last_name": "Quuxlast", "email": "quux.secret@police.example"}
    rows[1] |= {"email": "quux secret", "dob": "1980-13-31", "salary": "$61,234.50"}

    result = workshop.ingest(workshop.drop("Officer_Detail.csv", as_csv(rows)))

    (silver,) = workshop.materializations("silver", "officer_detail")
    preview, profile = (repr(silver.metadata[name]) for name in ("preview", "profile"))
    assert "A0000" in preview, "what is not classified can be read"
    assert "•••" in preview
    assert "2011-06-01" in profile
    shown = repr([item.metadata for item in workshop.materializations("bronze", "officer_detail")])
    shown += repr(silver.metadata) + repr([item.metadata for item in workshop.evaluations(result)])
    for secret in ("Quux", "quux", "1980-02-29", "1980-13-31", "51000", "51,000", "61,234", "Zorbex"):
        assert secret not in shown


def _check_specs(workshop: Workshop) -> list[dg.AssetCheckSpec]:
    assets = build_defs(workshop.settings).resolve_asset_graph()
    return [assets.get_check_spec(key) for key in assets.asset_check_keys]


def test_the_launchpad_shows_an_example_and_a_run_of_it_explains_what_to_do(workshop: Workshop) -> None:
    job = build_defs(workshop.settings).resolve_job_def(JOB)
    schema = build_config_schema_snapshot(job)
    root = schema.get_config_snap(job.run_config_schema.run_config_schema_type.key)
    assert "from_client/<agency>/<File>.csv" in root.get_field("ops").default_value_as_json_str
    fields = [field for kind in schema.all_config_snaps_by_key.values() for field in kind.fields or []]
    delivery = [field for field in fields if field.name in {"bucket", "key", "version_id", "receive_count"}]
    assert len(delivery) == 4
    assert all(field.description for field in delivery)

    result = job.execute_in_process(instance=workshop.instance, raise_on_error=False)

    assert not result.success
    (event,) = result.filter_events(lambda item: item.is_step_failure)
    assert "Replace bucket and key" in (event.step_failure_data.user_failure_data.description or "")


@pytest.mark.parametrize("error", [TransientError("GET: SlowDown"), ReportError("not a register of agencies")])
def test_while_the_register_of_agencies_cannot_be_read_only_what_needs_it_waits(
    workshop: Workshop, error: Exception
) -> None:
    class NoRegister:
        def __init__(self, store: Any) -> None:
            self._store = store

        def __getattr__(self, name: str) -> Any:
            return getattr(self._store, name)

        def read(self, bucket: str, key: str) -> bytes:
            if key == AGENCY_REGISTER:
                raise error
            found: bytes = self._store.read(bucket, key)
            return found

    key = workshop.drop("Officer_Detail.csv", as_csv(officers("A", 4)))
    (workshop.root / "from_client" / "stray.csv").write_bytes(b"x")
    workshop.wrap_store = NoRegister
    assert not workshop.ingest(key, "from_client/stray.csv").success
    assert workshop.outcomes == ["ignored"]
    assert workshop.agencies_of("officer_detail") == set(), "it may have another name"
    workshop.wrap_store = None
    assert workshop.ingest(key).success
    assert workshop.outcomes == ["accepted"]
