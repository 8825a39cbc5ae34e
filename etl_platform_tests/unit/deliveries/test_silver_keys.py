"""Each source key has a silver object of its own, also beside the objects that release 0.2 wrote at shorter keys."""

import json
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest

from etl_platform import object_keys
from etl_platform.deliveries.agency_register import AgencyRegister
from etl_platform.deliveries.agency_rename import AgencyRename
from etl_platform.deliveries.delivery import Outcome
from etl_platform.deliveries.partition_state import PartitionState
from etl_platform.deliveries.reconcile.discrepancies import Discrepancy, Finding
from etl_platform.deliveries.reconcile.reconcile import Reconciler
from etl_platform.errors import TransientError
from etl_platform_tests.unit.intake_place import KEY, REPROCESS, Place, things

PARTITION = "things", "agency_a"


def rows(*names: str) -> bytes:
    return b"ident,size\n" + b"".join(f"{name},1\n".encode() for name in names)


def idents(place: Place, agency: str = "agency_a") -> list[str]:
    """What a reader of the whole partition sees."""
    import polars as pl

    paths = sorted(place.root.glob(f"silver/things/agency={agency}/*.parquet"))
    return sorted(ident for path in paths for ident in pl.read_parquet(path)["ident"])


def findings(place: Place) -> tuple[Finding, ...]:
    later = datetime.now(UTC) + timedelta(days=1)
    return Reconciler(place.store, "bucket", {"things": things()}, "from_client/", later, later).reconcile().findings


@cache
def keys_with_one_short_key() -> tuple[str, str]:
    """Two of some ten thousand folders whose files had the same silver key in release 0.2."""
    seen: dict[str, str] = {}
    for number in range(1_000_000):
        key = f"from_client/agency_a/{number}/Things.csv"
        other = seen.setdefault(object_keys.short_silver_key(*PARTITION, key), key)
        if other != key:
            return other, key
    raise AssertionError("no two keys")


def as_of_0_2(place: Place) -> None:
    """Give every silver object the key and the metadata that release 0.2 gave it."""
    for report in sorted(place.root.glob("reports/things/agency=*/*.json")):
        document = json.loads(report.read_text("utf-8"))
        key = document["written"]["silver_key"]
        if key is None:
            continue
        short = object_keys.short_silver_key(document["dataset"], document["agency"], document["source"]["key"])
        document["written"]["silver_key"] = short
        report.write_text(json.dumps(document) + "\n", "utf-8")
        for folder, suffix in ((place.root, ""), (place.root / ".meta", ".json")):
            if (folder / f"{key}{suffix}").exists():
                (folder / f"{key}{suffix}").rename(folder / f"{short}{suffix}")
        meta = place.root / ".meta" / f"{short}.json"
        if not meta.exists():
            continue
        meta.write_text(json.dumps({n: v for n, v in json.loads(meta.read_text()).items() if n != "source"}))


def test_two_files_with_the_same_short_key_both_keep_their_rows(place: Place) -> None:
    one, other = keys_with_one_short_key()

    place.ingest(place.drop(rows("a"), one))
    place.ingest(place.drop(rows("b"), other, seconds=2_000))

    assert idents(place) == ["a", "b"]
    assert findings(place) == ()


def test_a_newer_version_replaces_the_object_of_release_0_2_where_it_is(place: Place) -> None:
    place.ingest(place.drop(rows("a")))
    as_of_0_2(place)

    newer = place.ingest(place.drop(rows("b"), seconds=2_000))

    assert newer.report.written.silver_key == object_keys.short_silver_key(*PARTITION, KEY)
    assert idents(place) == ["b"]
    assert PartitionState(place.store, "bucket").content(*PARTITION).rows == 1
    older = place.ingest(place.drop(rows("c"), seconds=1_500))
    assert (older.outcome, idents(place)) == (Outcome.SUPERSEDED, ["b"])


def test_an_object_of_release_0_2_is_reprocessed_where_it_is(place: Place) -> None:
    place.ingest(place.drop(rows("a")))
    as_of_0_2(place)
    place.use(things(size_type="string"))

    (again,) = place.intake.reprocess(*PARTITION, REPROCESS)

    assert (again.outcome, idents(place)) == (Outcome.ACCEPTED, ["a"])
    assert again.report.written.silver_key == object_keys.short_silver_key(*PARTITION, KEY)


def test_reconciliation_finds_nothing_in_a_bucket_of_release_0_2(place: Place) -> None:
    for number, name in enumerate(("Things.csv", "2/things.csv", "日.csv/things.csv")):
        place.ingest(place.drop(rows("a"), f"from_client/agency_a/{name}", seconds=1_000 + number))
    as_of_0_2(place)
    assert findings(place) == ()


@pytest.fixture
def collided(place: Place) -> tuple[str, str]:
    """Two files of release 0.2 in one object, which holds the rows of the second; of the first it has none."""
    one, other = keys_with_one_short_key()
    place.ingest(place.drop(rows("a"), one))
    as_of_0_2(place)
    (lost,) = place.root.glob("silver/**/*.parquet")
    lost.unlink()
    (place.root / ".meta" / f"{lost.relative_to(place.root)}.json").unlink()
    place.ingest(place.drop(rows("b"), other, seconds=2_000))
    as_of_0_2(place)
    assert idents(place) == ["b"]
    return one, other


def test_reconciliation_finds_the_file_whose_rows_another_file_took(place: Place, collided: tuple[str, str]) -> None:
    (finding,) = findings(place)
    assert (finding.kind, finding.key) == (Discrepancy.ORPHANED, collided[0])
    assert finding.why == "silver of the accepted delivery is gone"


def test_materializing_the_partition_brings_the_lost_rows_back(place: Place, collided: tuple[str, str]) -> None:
    assert [done.outcome for done in place.intake.reprocess(*PARTITION, REPROCESS)] == [Outcome.ACCEPTED] * 2

    assert idents(place) == ["a", "b"]
    assert findings(place) == ()


def test_a_second_object_of_a_file_is_found_by_reconciliation(place: Place) -> None:
    """A run of release 0.2 that ends after the upgrade writes the shorter key beside the longer one."""
    place.ingest(place.drop(rows("a")))
    (silver,) = place.root.glob("silver/**/*.parquet")
    short = object_keys.short_silver_key(*PARTITION, KEY)
    meta = place.root / ".meta" / f"{silver.relative_to(place.root)}.json"
    (place.root / short).write_bytes(silver.read_bytes())
    (place.root / ".meta" / f"{short}.json").write_bytes(meta.read_bytes())

    (finding,) = findings(place)

    assert (finding.kind, finding.key) == (Discrepancy.ORPHANED, short)
    assert finding.why == f"has rows of a file whose silver is {silver.relative_to(place.root)}; delete it"


def test_an_object_of_another_file_at_the_key_is_not_overwritten(place: Place) -> None:
    done = place.ingest(place.drop(rows("a")))
    meta = place.root / ".meta" / f"{done.report.written.silver_key}.json"
    meta.write_text(meta.read_text().replace("Things.csv", "Others.csv"))

    with pytest.raises(TransientError, match=r"is not of from_client/agency_a/Things.csv, but of .*Others.csv"):
        place.ingest(place.drop(rows("b"), seconds=2_000))

    assert idents(place) == ["a"]


@pytest.mark.parametrize("newer_is_new", [False, True])
def test_a_renamed_agency_has_the_rows_of_a_file_of_release_0_2_once(place: Place, newer_is_new: bool) -> None:
    place.ingest(place.drop(rows("old"), seconds=2_000))
    as_of_0_2(place)
    AgencyRegister(place.store, "bucket").change(
        lambda now: now.with_renamed("agency_a", "agency_z", "ana", datetime(2026, 3, 1, tzinfo=UTC))
    )
    place.ingest(place.drop(rows("new"), seconds=3_000 if newer_is_new else 1_000))

    AgencyRename(place.store, "bucket", "agency_a", "agency_z").move()

    assert idents(place, "agency_z") == (["new"] if newer_is_new else ["old"])
    assert idents(place) == []
