"""``etl-platform agency`` on a bucket and a Dagster instance: partitions, events and what later runs make of them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from etl_platform.cli.main import main
from etl_platform.definitions import build_defs
from etl_platform.platform import Platform
from etl_platform_tests.dagster.workshop import AGENCY, Workshop
from etl_platform_tests.integration.deliveries import as_csv, officers

OTHER = "tx_el_paso"
TRAINING = b"officer_id,course_code,completed_on,hours\nA1,F,2026-01-02,3\n"
FILE = f"from_client/{AGENCY}/Officer_Detail.csv"


@pytest.fixture
def place(dagster_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workshop]:
    """Two agencies, of which one sent two datasets; the command line uses the same bucket and instance."""
    (dagster_home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    environment = {"LOCAL_S3_ROOT": tmp_path / "objects", "DAGSTER_HOME": dagster_home, "LOG_LEVEL": "ERROR"}
    for name, value in environment.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.chdir(tmp_path)
    with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
        place = Workshop(tmp_path / "objects", instance)
        files = [place.drop("Officer_Detail.csv", as_csv(officers("A", 3)), agency) for agency in (AGENCY, OTHER)]
        assert place.ingest(*files, place.drop("Training.csv", TRAINING)).success
        yield place


def run(place: Workshop, job: str) -> dg.ExecuteInProcessResult:
    definitions = build_defs(place.settings, platform=Platform(place.settings))
    return definitions.resolve_job_def(job).execute_in_process(instance=place.instance, raise_on_error=False)


def test_list_shows_what_each_agency_sent_and_its_state(place: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["agency", "retire", OTHER, "--by", "ana"]) == 0
    capsys.readouterr()

    assert main(["agency", "list"]) == 0

    header, _rule, one, other = capsys.readouterr().out.splitlines()
    assert header.split("  ")[0] == "agency"
    assert one.startswith(f"{AGENCY}  active")
    assert one.endswith("officer_detail, training")
    assert other.startswith(f"{OTHER}      retired on ")
    assert " (ana)  " in other


def test_a_retired_agency_leaves_all_partitions_and_no_job_brings_it_back(
    place: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    place.instance.add_dynamic_partitions("agencies", [AGENCY])

    assert main(["agency", "retire", AGENCY]) == 0

    shown = capsys.readouterr().out
    assert "removed from the partitions agencies, officer_detail_agencies, training_agencies" in shown
    assert place.ingest(FILE).success
    assert place.outcomes == ["ignored"]
    assert run(place, "expected_files_job").success
    assert run(place, "reconcile_job").success
    assert place.agencies_of("officer_detail") == {OTHER}
    assert place.agencies_of("training") == set()
    assert place.instance.get_dynamic_partitions("agencies") == []


def test_a_run_that_registered_a_retired_agency_meanwhile_is_corrected_by_the_daily_job(place: Workshop) -> None:
    main(["agency", "retire", AGENCY])
    place.instance.add_dynamic_partitions("training_agencies", [AGENCY])

    assert run(place, "expected_files_job").success

    assert place.agencies_of("training") == set()


def test_a_restored_agency_has_its_partitions_and_reconcile_takes_its_late_file_in(
    place: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["agency", "retire", AGENCY])
    late = place.drop("Officers_reserve.csv", as_csv(officers("L", 2)))
    place.ingest(late)

    assert main(["agency", "restore", AGENCY]) == 0

    assert place.agencies_of("officer_detail") == {AGENCY, OTHER}
    assert place.agencies_of("training") == {AGENCY}
    assert f"etl-platform reconcile --agency {AGENCY} --repair" in capsys.readouterr().out
    main(["reconcile", "--agency", AGENCY, "--grace", "0m", "--repair"])
    assert "1 accepted" in capsys.readouterr().out
    assert len([key for key in place.written("silver/officer_detail") if AGENCY in key]) == 2


def test_a_renamed_agency_has_its_history_and_its_late_files_under_the_new_name(
    place: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["agency", "rename", AGENCY, "nm_abq"]) == 0

    shown = capsys.readouterr().out
    assert f"files in the folder {AGENCY} belong to nm_abq from now on" in shown
    assert "officer_detail: 1 file read again" in shown
    assert place.agencies_of("officer_detail") == {"nm_abq", OTHER}
    assert place.agencies_of("training") == {"nm_abq"}
    for layer in ("bronze", "silver"):
        assert place.materializations(layer, "officer_detail")[-1].partition == "nm_abq"
    place.drop("Officer_Detail.csv", as_csv(officers("B", 5)))
    place.ingest(FILE)
    assert place.outcomes == ["accepted"]
    assert not [key for key in place.written("silver") if f"agency={AGENCY}/" in key]
    assert len([key for key in place.written("silver/officer_detail") if "nm_abq" in key]) == 1
    assert run(place, "reconcile_job").success

    assert main(["agency", "rename", AGENCY, "nm_abq"]) == 0
    assert f"moved 0 objects of {AGENCY} to nm_abq" in capsys.readouterr().out


def test_a_rename_waits_until_the_new_name_has_the_overlays_of_the_old_one(
    place: Workshop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    contracts = tmp_path / "adapted"
    shutil.copytree(place.settings.contracts_dir, contracts)
    monkeypatch.setenv("CONTRACTS_DIR", str(contracts))
    old, new = contracts / "agencies" / AGENCY, contracts / "agencies" / "nm_abq"
    old.mkdir(parents=True)
    (old / "training.yaml").write_text("columns: {hours: {synonyms: [Stunden]}}\n")

    assert main(["agency", "rename", AGENCY, "nm_abq"]) == 2

    copy = f"copy {old / 'training.yaml'} to {new / 'training.yaml'}, deploy, and run this again"
    assert copy in capsys.readouterr().err
    assert "reports/_agencies.json" not in place.objects()
    shutil.copytree(old, new)
    assert main(["agency", "rename", AGENCY, "nm_abq"]) == 0
    assert f"remove {old / 'training.yaml'}" in capsys.readouterr().out
    reports = [path.read_text() for path in (place.root / "reports/training/agency=nm_abq").rglob("*.json")]
    assert [text for text in reports if '"agencies/nm_abq/training.yaml"' in text]


def test_migrate_fills_the_partitions_of_an_instance_that_had_one_set_for_all(
    place: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("officer_detail_agencies", "training_agencies"):
        for agency in place.instance.get_dynamic_partitions(name):
            place.instance.delete_dynamic_partition(name, agency)
    place.instance.add_dynamic_partitions("agencies", [AGENCY, OTHER])

    assert main(["agency", "migrate"]) == 0

    assert capsys.readouterr().out.splitlines() == [
        f"officer_detail: added {AGENCY}, {OTHER}",
        f"training: added {AGENCY}",
        f"agencies: removed 2 that only sent files: {AGENCY}, {OTHER}",
    ]
    assert place.agencies_of("officer_detail") == {AGENCY, OTHER}
    assert main(["agency", "migrate"]) == 0
    assert capsys.readouterr().out.splitlines() == ["the partitions of every dataset are complete"]


@pytest.mark.parametrize("command", ["retire", "restore", "rename"])
def test_an_agency_that_never_sent_anything_is_probably_misspelt(
    place: Workshop, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    names = ["nm_albuqerque", *(["nm_abq"] if command == "rename" else [])]

    assert main(["agency", command, *names]) == 2

    assert "nm_albuqerque has not sent any file" in capsys.readouterr().err
    assert "reports/_agencies.json" not in place.objects()


def test_without_dagster_home_the_register_changes_and_the_partitions_follow_later(
    place: Workshop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DAGSTER_HOME")

    assert main(["agency", "retire", AGENCY]) == 0

    assert "follow with the next run of expected_files_job" in capsys.readouterr().out
    assert run(place, "expected_files_job").success
    assert place.agencies_of("training") == set()


def test_a_replay_names_a_renamed_agency_by_its_new_name_and_adds_no_partition(
    place: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["agency", "rename", AGENCY, "nm_abq"])
    capsys.readouterr()

    assert main(["replay", "--agency", AGENCY, "--dataset", "training"]) == 0
    assert main(["replay", "--agency", AGENCY, "--dataset", "complaints"]) == 1

    assert "has not delivered any complaints yet" in capsys.readouterr().out
    assert place.agencies_of("training") == {"nm_abq"}
    assert place.agencies_of("complaints") == set()
    assert not [key for key in place.written("silver") if f"agency={AGENCY}/" in key]


def test_a_retired_agency_is_restored_before_it_is_replayed(
    place: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["agency", "retire", AGENCY])

    assert main(["replay", "--agency", AGENCY, "--dataset", "training"]) == 2

    assert f"etl-platform agency restore {AGENCY}" in capsys.readouterr().err
    assert place.agencies_of("training") == set()


def test_commands_follow_a_renamed_agency(place: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    assert place.ingest(place.drop("Training.csv", TRAINING + b"A2,F,never,3\n")).success
    main(["agency", "rename", AGENCY, "nm_abq"])
    capsys.readouterr()

    for name in (AGENCY, "nm_abq"):
        assert main(["quarantine", "--agency", name, "--dataset", "training"]) == 0
        assert "completed_on.type 1" in capsys.readouterr().out
        assert main(["status", "--agency", name, "--json"]) == 0
        assert '"agency": "nm_abq"' in capsys.readouterr().out


def test_a_retired_agency_leaves_the_sets_of_contracts_in_error_too(
    place: Workshop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    contracts = tmp_path / "contracts"
    shutil.copytree(place.contracts_dir, contracts)
    (contracts / "training.odcs.yaml").write_text("id: [", "utf-8")
    monkeypatch.setenv("CONTRACTS_DIR", str(contracts))

    assert main(["agency", "retire", AGENCY]) == 0

    assert place.agencies_of("training") == set()
