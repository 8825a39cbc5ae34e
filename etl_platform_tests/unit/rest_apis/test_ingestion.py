"""A resource becomes a snapshot, and the snapshot a delivery: landing, merging, changed fields."""

import csv
import json
import random
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl_platform.deliveries.delivery import Cause, Outcome
from etl_platform.deliveries.intake import Intake
from etl_platform.deliveries.report import Trigger
from etl_platform.engine.contract.model import Contract
from etl_platform.errors import ApiResponseError, TransientError
from etl_platform.rest_apis.ingestion import ApiIngester, ApiIngestionResult
from etl_platform.rest_apis.records import MAX_DEPTH, load_json
from etl_platform.rest_apis.source import ApiResource, ApiSource, Incremental
from etl_platform.storage.local_store import LocalStore
from etl_platform_tests.unit.making import contract_of, listing, text, typed

THINGS = contract_of(
    [
        text("id", primaryKey=True),
        text("name", synonyms=[{"synonym": "title"}]),
        typed("price", "number"),
        typed("ok", "boolean"),
    ]
)
BAG = contract_of([text("name"), typed("price", "number")])
STEP = Incremental("updated_at", "since", "2026-01-01T00:00:00Z")
NOW = datetime(2026, 6, 1, tzinfo=UTC)
KEY = "from_api/nm_albuquerque/things.csv"


@dataclass
class FakeApi:
    """A PageReader that returns the pages of a test, parsed like an answer."""

    next_pages: list[list[dict[str, Any]]] = field(default_factory=list)
    cursors: list[str | None] = field(default_factory=list)
    fails: bool = False

    def pages(
        self, source: ApiSource, resource: ApiResource, cursor: str | None = None
    ) -> Generator[list[dict[str, Any]]]:
        self.cursors.append(cursor)
        for page in self.next_pages:
            yield load_json(json.dumps(page).encode())
        if self.fails:
            raise TransientError("the API does not answer")


@dataclass
class Ingestion:
    """An agency's resource, its snapshot and silver in a local folder."""

    root: Path
    api: FakeApi = field(default_factory=FakeApi)
    contract: Contract = THINGS
    incremental: Incremental | None = None
    store: Any = None
    full: bool = False
    now: datetime = NOW

    def ingest(self, *pages: list[dict[str, Any]]) -> ApiIngestionResult:
        self.api.next_pages = list(pages)
        resource = ApiResource(self.contract, "/things", incremental=self.incremental)
        source = ApiSource("a.yaml", "shop", "nm_albuquerque", "https://shop.example", (resource,))
        store = self.store or LocalStore(self.root)
        ingester = ApiIngester(store, {self.contract.dataset: self.contract}, "local", self.api, lambda: self.now)
        return ingester.ingest(source, resource, Trigger(Cause.EVENT, "run"), now=self.now, full=self.full)

    @property
    def snapshot(self) -> list[dict[str, str]]:
        csv.field_size_limit(1 << 30)
        with (self.root / KEY).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    @property
    def silver(self) -> pl.DataFrame:
        (path,) = (self.root / "silver").rglob("*.parquet")
        return pl.read_parquet(path)


@pytest.fixture
def ingestion(tmp_path: Path) -> Ingestion:
    return Ingestion(tmp_path)


def thing(identity: Any, day: int | None = None, **more: Any) -> dict[str, Any]:
    updated = {} if day is None else {"updated_at": f"2026-02-{day:02}T08:00:00Z"}
    return {"id": identity, "name": f"thing {identity}", "price": 1.5, "ok": True, **updated, **more}


def test_all_pages_become_one_snapshot_and_one_delivery(ingestion: Ingestion) -> None:
    result = ingestion.ingest([thing("b"), thing("a")], [thing("c", price=None, ok=False)])

    assert result.landed
    assert result.ingested is not None
    assert result.ingested.outcome is Outcome.ACCEPTED
    assert result.ingested.report.source.key == KEY
    assert ingestion.silver.select("id", "name", "price", "ok").rows() == [
        ("a", "thing a", 1.5, True),
        ("b", "thing b", 1.5, True),
        ("c", "thing c", None, False),
    ]
    assert result.summary == "shop things: 3 records in 2 pages; snapshot of 3 rows accepted"


def test_the_same_records_again_write_nothing(ingestion: Ingestion) -> None:
    ingestion.ingest([thing("a"), thing("b")])
    before = listing(ingestion.root)

    result = ingestion.ingest([thing("b")], [thing("a")])

    assert not result.landed
    assert result.ingested is not None
    assert result.ingested.outcome is Outcome.DUPLICATE
    assert listing(ingestion.root) == before
    assert result.summary.endswith("2 records in 2 pages, nothing new; snapshot of 2 rows accepted before")


def test_no_records_land_nothing(ingestion: Ingestion) -> None:
    result = ingestion.ingest([])

    assert (result.landed, result.ingested, listing(ingestion.root)) == (False, None, {})
    assert result.summary == "shop things: 0 records in 1 page, nothing to land"


def test_no_records_leave_an_earlier_snapshot_unchanged(ingestion: Ingestion) -> None:
    ingestion.ingest([thing("a")])
    before = listing(ingestion.root)

    result = ingestion.ingest([])

    assert (result.landed, result.field_changes) == (False, ())
    assert listing(ingestion.root) == before


def test_two_records_with_one_key_become_one_row(ingestion: Ingestion) -> None:
    ingestion.ingest([thing("a", price=1), thing("b")], [thing("a", price=2)])

    assert [(row["id"], row["price"]) for row in ingestion.snapshot] == [("a", "2"), ("b", "1.5")]


def test_without_a_primary_key_equal_records_become_one_row_in_any_order(ingestion: Ingestion) -> None:
    ingestion.contract = BAG
    ingestion.ingest([{"name": "x", "price": 2}, {"name": "w", "price": 1}], [{"name": "x", "price": 3}])
    before = listing(ingestion.root)

    result = ingestion.ingest([{"price": 3, "name": "x"}, {"name": "x", "price": 2}], [{"name": "w", "price": 1}])

    assert not result.landed
    assert listing(ingestion.root) == before
    assert len(ingestion.snapshot) == 3


def test_new_and_changed_records_are_merged_into_the_snapshot(ingestion: Ingestion) -> None:
    ingestion.incremental = STEP
    ingestion.ingest([thing("a", 1), thing("b", 2)], [thing("c", 3)])

    result = ingestion.ingest([thing("c", 3), thing("b", 4, name="new name"), thing("d", 5)])

    assert ingestion.api.cursors == [STEP.initial, "2026-02-03T08:00:00Z"]
    assert (result.landed, result.new, result.changed, result.rows) == (True, 1, 1, 4)
    assert [(row["id"], row["name"]) for row in ingestion.snapshot] == [
        ("a", "thing a"),
        ("b", "new name"),
        ("c", "thing c"),
        ("d", "thing d"),
    ]
    assert len(ingestion.silver) == 4
    assert result.summary == ("shop things: 3 records in 1 page, 1 new and 1 changed; snapshot of 4 rows accepted")


def test_the_newest_version_of_a_record_wins_in_any_order(ingestion: Ingestion) -> None:
    ingestion.incremental = STEP
    ingestion.ingest([thing("a", 9, name="newest"), thing("a", 3, name="old")])
    ingestion.ingest([thing("a", 5, name="late"), thing("b", 10)])

    assert [row["name"] for row in ingestion.snapshot] == ["newest", "thing b"]


def test_an_incremental_run_without_changes_writes_nothing(ingestion: Ingestion) -> None:
    ingestion.incremental = STEP
    ingestion.ingest([thing("a", 1), thing("b", 2)])
    before = listing(ingestion.root)

    assert not ingestion.ingest([thing("b", 2)]).landed
    assert not ingestion.ingest([]).landed

    assert listing(ingestion.root) == before


def test_a_failed_reading_lands_nothing_and_the_next_starts_at_the_same_cursor(ingestion: Ingestion) -> None:
    ingestion.incremental = STEP
    ingestion.ingest([thing("a", 1)])
    before = listing(ingestion.root)
    ingestion.api.fails = True

    with pytest.raises(TransientError):
        ingestion.ingest([thing("b", 2)], [thing("c", 3)])

    assert listing(ingestion.root) == before
    ingestion.api.fails = False
    ingestion.ingest([thing("b", 2)], [thing("c", 3)])
    assert ingestion.api.cursors[1] == ingestion.api.cursors[2] == "2026-02-01T08:00:00Z"
    assert [row["id"] for row in ingestion.snapshot] == ["a", "b", "c"]


def test_a_snapshot_that_a_dead_run_landed_is_ingested_by_the_next(
    ingestion: Ingestion, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(Intake, "ingest", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            ingestion.ingest([thing("a")])
    assert (ingestion.root / KEY).exists()
    assert not (ingestion.root / "silver").exists()

    result = ingestion.ingest([thing("a")])

    assert not result.landed
    assert result.ingested is not None
    assert result.ingested.outcome is Outcome.ACCEPTED
    assert len(ingestion.silver) == 1


class StoreWithRival(LocalStore):
    """Another run writes the snapshot just before this one."""

    def write(self, bucket: str, key: str, body: Any, **more: Any) -> str:
        if key == KEY:
            super().write(bucket, key, b'"id"\n"theirs"\n')
        return super().write(bucket, key, body, **more)


@pytest.mark.parametrize("first", [True, False])
def test_the_second_of_two_concurrent_runs_fails(ingestion: Ingestion, first: bool) -> None:
    if not first:
        ingestion.ingest([thing("a")])
    ingestion.store = StoreWithRival(ingestion.root)

    with pytest.raises(TransientError, match="another run landed this snapshot meanwhile"):
        ingestion.ingest([thing("b")])

    assert [row["id"] for row in ingestion.snapshot] == ["theirs"]


def test_a_full_reading_removes_deleted_records(ingestion: Ingestion) -> None:
    ingestion.incremental = STEP
    ingestion.ingest([thing("a", 1), thing("b", 2)])
    ingestion.full = True

    result = ingestion.ingest([thing("b", 2)])

    assert ingestion.api.cursors[-1] == STEP.initial
    assert (result.landed, [row["id"] for row in ingestion.snapshot]) == (True, ["b"])


def test_a_changed_declaration_reads_everything_again(ingestion: Ingestion) -> None:
    ingestion.incremental = STEP
    ingestion.ingest([thing("a", 1)])
    ingestion.incremental = replace(STEP, param="modified_after")

    ingestion.ingest([thing("b", 2)])

    assert ingestion.api.cursors[-1] == STEP.initial
    assert [row["id"] for row in ingestion.snapshot] == ["b"]


def test_a_timestamp_in_the_future_does_not_move_the_cursor(ingestion: Ingestion) -> None:
    ingestion.incremental = STEP
    ingestion.ingest([thing("a", 3), thing("z", updated_at="2999-01-01T00:00:00Z")])

    ingestion.ingest([thing("b", 4)])

    assert ingestion.api.cursors[-1] == "2026-02-03T08:00:00Z"
    assert [row["id"] for row in ingestion.snapshot] == ["a", "b", "z"]


@pytest.mark.parametrize(
    ("values", "highest"),
    [
        (["2026-02-03T08:00:00Z", "2026-02-03T08:00:00.5Z"], 1),
        (["2026-02-03T08:00:00+02:00", "2026-02-03T07:00:00Z"], 1),
        (["2026-02-03", "2026-02-02T23:59:59Z"], 0),
        ([9, 10], 1),
        (["9", "10"], 1),
        ([1.5, 1.25], 0),
        (["01HZX", "01HZA"], 0),
    ],
)
def test_the_cursor_compares_values_by_their_kind(ingestion: Ingestion, values: Sequence[Any], highest: int) -> None:
    ingestion.incremental = Incremental("seq", "after")

    result = ingestion.ingest([thing("a", seq=values[0]), thing("b", seq=values[1])])

    assert result.cursor == str(values[highest])


def test_values_of_the_incremental_field_that_cannot_be_compared_are_an_error(ingestion: Ingestion) -> None:
    ingestion.incremental = Incremental("seq", "after")

    with pytest.raises(ApiResponseError, match="seq is a number and a timestamp"):
        ingestion.ingest([thing("a", seq=5), thing("b", seq="2026-01-01")])
    with pytest.raises(ApiResponseError, match="a record has no seq, the incremental field"):
        ingestion.ingest([thing("a", seq=None)])
    assert listing(ingestion.root) == {}


@pytest.mark.parametrize("wrap", [lambda inner: {"a": inner}, lambda inner: [inner]], ids=["objects", "arrays"])
def test_a_value_may_be_nested_to_the_limit_and_no_deeper(ingestion: Ingestion, wrap: Callable[[Any], Any]) -> None:
    deep: Any = "core"
    for _ in range(MAX_DEPTH):
        deep = wrap(deep)

    ingestion.ingest([thing("a", extra=deep)])

    (row,) = ingestion.snapshot
    assert json.loads(row["extra"]) == deep
    for too_deep in (wrap(deep), [wrap(deep)] * 2):
        with pytest.raises(ApiResponseError, match="nested too deeply: more than 200"):
            ingestion.ingest([thing("a", extra=too_deep)])


def test_every_kind_of_value_keeps_its_content(ingestion: Ingestion) -> None:
    deep = {"b": [1, 2.50, None, True, "ü"], "a": {"x": 'say "hi"'}}
    odd = 'semi;colon, comma\ttab "quotes"\nline\r\nend'

    ingestion.ingest([thing("a", extra=deep, long=10**30, tiny=1e-7, odd=odd, none=None, no=False)])

    (row,) = ingestion.snapshot
    assert json.loads(row["extra"]) == deep
    assert (row["long"], row["tiny"], row["none"], row["no"]) == ("1" + "0" * 30, "0.0000001", "", "false")
    assert row["odd"] == odd


def test_any_text_reaches_silver_unchanged(ingestion: Ingestion) -> None:
    """The reader detects the dialect of a snapshot, which must be unambiguous for any text."""
    dice = random.Random(7)
    alphabet = "ab;,\t|\"' \n\r\\=+@-_/:0123é漢😀"
    names = ["".join(dice.choice(alphabet) for _ in range(dice.randrange(1, 30))) for _ in range(400)]
    records = [{"id": f"r{number:03}", "name": name, "price": number} for number, name in enumerate(names)]

    result = ingestion.ingest(records)

    assert result.ingested is not None
    assert result.ingested.report.check.quarantined_rows == 0, result.ingested.report.check.reasons
    found = dict(ingestion.silver.select("id", "name").rows())
    different = {n["id"]: (n["name"], found.get(n["id"])) for n in records if (found.get(n["id"]) or "") != n["name"]}
    assert {k: v for k, v in different.items() if v[0].strip()} == {}


def test_another_order_of_fields_is_not_a_change(ingestion: Ingestion) -> None:
    ingestion.ingest([thing("a", extra={"x": 1, "y": {"p": 1, "q": 2}})])
    before = listing(ingestion.root)

    assert not ingestion.ingest([{"extra": {"y": {"q": 2, "p": 1}, "x": 1}, **thing("a")}]).landed

    assert listing(ingestion.root) == before


def test_lone_surrogates_and_nul_are_replaced(ingestion: Ingestion) -> None:
    result = ingestion.ingest([thing("a", name="x\ud800y\0z"), thing("b")])

    assert result.ingested is not None
    assert result.ingested.outcome is Outcome.ACCEPTED
    assert [row["name"] for row in ingestion.snapshot] == ["x?y?z", "thing b"]


def test_a_field_matches_a_synonym(ingestion: Ingestion) -> None:
    ingestion.ingest([{"ID": "a", "Title": "first", "price": 1}])

    assert list(ingestion.snapshot[0]) == ["ID", "Title", "price"]
    assert ingestion.silver.select("id", "name").rows() == [("a", "first")]


def test_an_unknown_field_is_landed_and_reported(ingestion: Ingestion) -> None:
    result = ingestion.ingest([thing("a", colour="red")])

    assert ingestion.snapshot[0]["colour"] == "red"
    assert result.unknown_fields == ("colour",)
    assert result.field_changes == (), "there is no earlier snapshot to compare with"


def changes_of(result: ApiIngestionResult) -> list[tuple[str, str, str, str]]:
    return [(item.field, item.change, item.before, item.now) for item in result.field_changes]


def test_added_removed_and_retyped_fields_are_reported_once(ingestion: Ingestion) -> None:
    ingestion.ingest([thing("a", colour="red", size=1)])

    result = ingestion.ingest([thing("a", size="XL", weight=None)])

    assert changes_of(result) == [
        ("colour", "removed", "string", ""),
        ("size", "type changed", "integer", "string"),
        ("weight", "added", "", "null"),
    ]
    assert changes_of(ingestion.ingest([thing("a", size="XL", weight=None)])) == [], "a change is reported once"


def test_a_type_that_the_contract_does_not_allow_is_reported_every_time(ingestion: Ingestion) -> None:
    first = changes_of(ingestion.ingest([thing("a", price=[1])]))
    again = changes_of(ingestion.ingest([thing("a", price=[1])]))

    assert first == again == [("price", "type not allowed by the contract", "number", "array")]


def test_an_incremental_reading_is_compared_with_the_whole_snapshot(ingestion: Ingestion) -> None:
    ingestion.incremental = STEP
    ingestion.ingest([thing("a", 1, note="x"), thing("b", 1, note=5)])

    assert changes_of(ingestion.ingest([thing("c", 2, note=6)])) == []
    assert changes_of(ingestion.ingest([thing("c", 3)])) == [("note", "removed", "string or integer", "")]
    assert "note" in ingestion.snapshot[0], "older rows still have it"


def test_a_snapshot_of_another_program_is_replaced(ingestion: Ingestion) -> None:
    ingestion.incremental = STEP
    LocalStore(ingestion.root).write("local", KEY, b"\xff not even a table")

    result = ingestion.ingest([thing("a", 1)])

    assert (result.landed, result.new, ingestion.api.cursors) == (True, None, [STEP.initial])
    assert [row["id"] for row in ingestion.snapshot] == ["a"]


def test_records_with_too_many_fields_or_with_no_field_are_an_error(ingestion: Ingestion) -> None:
    with pytest.raises(ApiResponseError, match="more than 1,000 different fields"):
        ingestion.ingest([{f"key {n}": 1} for n in range(1_500)])
    with pytest.raises(ApiResponseError, match="the records have no fields"):
        ingestion.ingest([{}, {"": 1}])
    assert listing(ingestion.root) == {}


def test_a_bad_row_is_quarantined_like_a_row_of_a_file(ingestion: Ingestion) -> None:
    result = ingestion.ingest([thing("a"), thing("b", price="much"), thing(None)])

    assert result.ingested is not None
    assert result.ingested.report.check.reasons == {"id.required": 1, "price.type": 1}
    assert not result.is_rejected


def test_a_snapshot_without_a_required_column_is_rejected(ingestion: Ingestion) -> None:
    result = ingestion.ingest([{"name": "x"}])

    assert result.is_rejected
    assert ingestion.ingest([{"name": "x"}]).is_rejected, "and stays rejected until it is corrected"


@pytest.mark.parametrize("missing", ["types", "rows", "declaration"])
def test_missing_metadata_make_the_next_run_read_everything(ingestion: Ingestion, missing: str) -> None:
    ingestion.incremental = STEP
    ingestion.ingest([thing("a", 1)])
    store = LocalStore(ingestion.root)
    head = store.head("local", KEY)
    kept = {name: value for name, value in head.metadata.items() if name != missing}
    store.write("local", KEY, store.read("local", KEY), metadata=kept)

    ingestion.ingest([thing("b", 2)])

    assert ingestion.api.cursors[-1] == STEP.initial
    assert [row["id"] for row in ingestion.snapshot] == ["b"]
