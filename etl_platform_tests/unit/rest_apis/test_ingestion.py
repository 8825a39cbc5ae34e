"""A resource becomes a snapshot and the snapshot a delivery: what is landed, what is not, and what drifted."""

import csv
import json
import random
from collections.abc import Generator, Sequence
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
from etl_platform.errors import ApiAnswerError, TransientError
from etl_platform.rest_apis.ingestion import ApiIngester, ApiIngestion
from etl_platform.rest_apis.records import load_json
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
class Shelf:
    """An API as ``ApiIngester`` asks it, with the pages that a test gives; numbers as an answer would bring them."""

    given: list[list[dict[str, Any]]] = field(default_factory=list)
    cursors: list[str | None] = field(default_factory=list)
    breaks: bool = False

    def pages(
        self, source: ApiSource, resource: ApiResource, cursor: str | None = None
    ) -> Generator[list[dict[str, Any]]]:
        self.cursors.append(cursor)
        for page in self.given:
            yield load_json(json.dumps(page).encode())
        if self.breaks:
            raise TransientError("the API went away")


@dataclass
class Place:
    root: Path
    shelf: Shelf = field(default_factory=Shelf)
    contract: Contract = THINGS
    incremental: Incremental | None = None
    store: Any = None
    full: bool = False
    now: datetime = NOW

    def ingest(self, *pages: list[dict[str, Any]]) -> ApiIngestion:
        self.shelf.given = list(pages)
        resource = ApiResource(self.contract, "/things", incremental=self.incremental)
        source = ApiSource("a.yaml", "shop", "nm_albuquerque", "https://shop.example", (resource,))
        store = self.store or LocalStore(self.root)
        ingester = ApiIngester(store, {self.contract.dataset: self.contract}, "local", self.shelf, lambda: self.now)
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
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def thing(identity: Any, day: int | None = None, **more: Any) -> dict[str, Any]:
    updated = {} if day is None else {"updated_at": f"2026-02-{day:02}T08:00:00Z"}
    return {"id": identity, "name": f"thing {identity}", "price": 1.5, "ok": True, **updated, **more}


def test_all_pages_become_one_snapshot_and_one_delivery(place: Place) -> None:
    done = place.ingest([thing("b"), thing("a")], [thing("c", price=None, ok=False)])

    assert done.landed
    assert done.ingested is not None
    assert done.ingested.outcome is Outcome.ACCEPTED
    assert done.ingested.report.source.key == KEY
    assert place.silver.select("id", "name", "price", "ok").rows() == [
        ("a", "thing a", 1.5, True),
        ("b", "thing b", 1.5, True),
        ("c", "thing c", None, False),
    ]
    assert done.summary == "shop things: 3 records in 2 pages; snapshot of 3 rows accepted"


def test_the_same_answer_twice_writes_nothing_the_second_time(place: Place) -> None:
    place.ingest([thing("a"), thing("b")])
    before = listing(place.root)

    done = place.ingest([thing("b")], [thing("a")])

    assert not done.landed
    assert done.ingested is not None
    assert done.ingested.outcome is Outcome.DUPLICATE
    assert listing(place.root) == before
    assert done.summary.endswith("2 records in 2 pages, nothing new; snapshot of 2 rows accepted before")


def test_no_records_at_all_are_a_no_op(place: Place) -> None:
    done = place.ingest([])

    assert (done.landed, done.ingested, listing(place.root)) == (False, None, {})
    assert done.summary == "shop things: 0 records in 1 page, nothing to land"


def test_no_records_where_there_were_some_leave_the_snapshot_as_it_is(place: Place) -> None:
    place.ingest([thing("a")])
    before = listing(place.root)

    done = place.ingest([])

    assert (done.landed, done.drift) == (False, ())
    assert listing(place.root) == before


def test_a_record_that_comes_twice_is_one_row(place: Place) -> None:
    place.ingest([thing("a", price=1), thing("b")], [thing("a", price=2)])

    assert [(row["id"], row["price"]) for row in place.snapshot] == [("a", "2"), ("b", "1.5")]


def test_without_a_primary_key_equal_records_are_one_and_the_order_is_nobodys(place: Place) -> None:
    place.contract = BAG
    place.ingest([{"name": "x", "price": 2}, {"name": "w", "price": 1}], [{"name": "x", "price": 3}])
    before = listing(place.root)

    done = place.ingest([{"price": 3, "name": "x"}, {"name": "x", "price": 2}], [{"name": "w", "price": 1}])

    assert not done.landed
    assert listing(place.root) == before
    assert len(place.snapshot) == 3


def test_new_and_changed_records_are_merged_into_the_snapshot(place: Place) -> None:
    place.incremental = STEP
    place.ingest([thing("a", 1), thing("b", 2)], [thing("c", 3)])

    done = place.ingest([thing("c", 3), thing("b", 4, name="new name"), thing("d", 5)])

    assert place.shelf.cursors == [STEP.initial, "2026-02-03T08:00:00Z"]
    assert (done.landed, done.new, done.changed, done.rows) == (True, 1, 1, 4)
    assert [(row["id"], row["name"]) for row in place.snapshot] == [
        ("a", "thing a"),
        ("b", "new name"),
        ("c", "thing c"),
        ("d", "thing d"),
    ]
    assert len(place.silver) == 4
    assert done.summary == ("shop things: 3 records in 1 page, 1 new and 1 changed; snapshot of 4 rows accepted")


def test_of_two_versions_of_a_record_the_newest_wins_whenever_it_comes(place: Place) -> None:
    place.incremental = STEP
    place.ingest([thing("a", 9, name="newest"), thing("a", 3, name="old")])
    place.ingest([thing("a", 5, name="late"), thing("b", 10)])

    assert [row["name"] for row in place.snapshot] == ["newest", "thing b"]


def test_an_incremental_run_without_news_writes_nothing(place: Place) -> None:
    place.incremental = STEP
    place.ingest([thing("a", 1), thing("b", 2)])
    before = listing(place.root)

    assert not place.ingest([thing("b", 2)]).landed
    assert not place.ingest([]).landed

    assert listing(place.root) == before


def test_a_reading_that_breaks_off_lands_nothing_and_the_next_begins_where_it_began(place: Place) -> None:
    place.incremental = STEP
    place.ingest([thing("a", 1)])
    before = listing(place.root)
    place.shelf.breaks = True

    with pytest.raises(TransientError):
        place.ingest([thing("b", 2)], [thing("c", 3)])

    assert listing(place.root) == before
    place.shelf.breaks = False
    place.ingest([thing("b", 2)], [thing("c", 3)])
    assert place.shelf.cursors[1] == place.shelf.cursors[2] == "2026-02-01T08:00:00Z"
    assert [row["id"] for row in place.snapshot] == ["a", "b", "c"]


def test_a_run_that_died_between_landing_and_intake_is_mended_by_the_next(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(Intake, "ingest", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            place.ingest([thing("a")])
    assert (place.root / KEY).exists()
    assert not (place.root / "silver").exists()

    done = place.ingest([thing("a")])

    assert not done.landed
    assert done.ingested is not None
    assert done.ingested.outcome is Outcome.ACCEPTED
    assert len(place.silver) == 1


class Meddled(LocalStore):
    """Somebody lands a snapshot of their own while this one is read."""

    def write(self, bucket: str, key: str, body: Any, **more: Any) -> str:
        if key == KEY:
            super().write(bucket, key, b'"id"\n"theirs"\n')
        return super().write(bucket, key, body, **more)


@pytest.mark.parametrize("first", [True, False])
def test_of_two_runs_at_once_one_lands_and_the_other_says_so(place: Place, first: bool) -> None:
    if not first:
        place.ingest([thing("a")])
    place.store = Meddled(place.root)

    with pytest.raises(TransientError, match="landed by another run meanwhile"):
        place.ingest([thing("b")])

    assert [row["id"] for row in place.snapshot] == ["theirs"]


def test_a_full_reading_forgets_what_is_no_more(place: Place) -> None:
    place.incremental = STEP
    place.ingest([thing("a", 1), thing("b", 2)])
    place.full = True

    done = place.ingest([thing("b", 2)])

    assert place.shelf.cursors[-1] == STEP.initial
    assert (done.landed, [row["id"] for row in place.snapshot]) == (True, ["b"])


def test_a_declaration_that_changed_starts_afresh(place: Place) -> None:
    place.incremental = STEP
    place.ingest([thing("a", 1)])
    place.incremental = replace(STEP, param="modified_after")

    place.ingest([thing("b", 2)])

    assert place.shelf.cursors[-1] == STEP.initial
    assert [row["id"] for row in place.snapshot] == ["b"]


def test_a_date_of_the_year_2999_does_not_stop_what_comes_until_then(place: Place) -> None:
    place.incremental = STEP
    place.ingest([thing("a", 3), thing("z", updated_at="2999-01-01T00:00:00Z")])

    place.ingest([thing("b", 4)])

    assert place.shelf.cursors[-1] == "2026-02-03T08:00:00Z"
    assert [row["id"] for row in place.snapshot] == ["a", "b", "z"]


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
def test_the_cursor_goes_by_what_a_value_means(place: Place, values: Sequence[Any], highest: int) -> None:
    place.incremental = Incremental("seq", "after")

    done = place.ingest([thing("a", seq=values[0]), thing("b", seq=values[1])])

    assert done.cursor == str(values[highest])


def test_an_incremental_field_without_a_common_order_is_an_error(place: Place) -> None:
    place.incremental = Incremental("seq", "after")

    with pytest.raises(ApiAnswerError, match="seq is a number and a timestamp"):
        place.ingest([thing("a", seq=5), thing("b", seq="2026-01-01")])
    with pytest.raises(ApiAnswerError, match="a record has no seq, the incremental field"):
        place.ingest([thing("a", seq=None)])
    assert listing(place.root) == {}


@pytest.mark.parametrize("depth", [450, 900])
def test_a_value_that_is_nested_too_deeply_is_an_error_that_says_so(place: Place, depth: int) -> None:
    deep: Any = "core"
    for _ in range(depth):
        deep = {"a": deep}
    with pytest.raises(ApiAnswerError, match="nested too deeply"):
        place.ingest([thing("a", extra=deep)])


def test_every_kind_of_value_keeps_its_content(place: Place) -> None:
    deep = {"b": [1, 2.50, None, True, "ü"], "a": {"x": 'say "hi"'}}
    odd = 'semi;colon, comma\ttab "quotes"\nline\r\nend'

    place.ingest([thing("a", extra=deep, long=10**30, tiny=1e-7, odd=odd, none=None, no=False)])

    (row,) = place.snapshot
    assert json.loads(row["extra"]) == deep
    assert (row["long"], row["tiny"], row["none"], row["no"]) == ("1" + "0" * 30, "0.0000001", "", "false")
    assert row["odd"] == odd


def test_any_text_comes_through_the_engine_as_it_is(place: Place) -> None:
    """The reader finds out how a file is written; a snapshot must leave it no doubt."""
    dice = random.Random(7)
    alphabet = "ab;,\t|\"' \n\r\\=+@-_/:0123é漢😀"
    names = ["".join(dice.choice(alphabet) for _ in range(dice.randrange(1, 30))) for _ in range(400)]
    records = [{"id": f"r{number:03}", "name": name, "price": number} for number, name in enumerate(names)]

    done = place.ingest(records)

    assert done.ingested is not None
    assert done.ingested.report.check.quarantined_rows == 0, done.ingested.report.check.reasons
    found = dict(place.silver.select("id", "name").rows())
    different = {n["id"]: (n["name"], found.get(n["id"])) for n in records if (found.get(n["id"]) or "") != n["name"]}
    assert {k: v for k, v in different.items() if v[0].strip()} == {}


def test_the_order_of_names_within_a_record_is_no_change(place: Place) -> None:
    place.ingest([thing("a", extra={"x": 1, "y": {"p": 1, "q": 2}})])
    before = listing(place.root)

    assert not place.ingest([{"extra": {"y": {"q": 2, "p": 1}, "x": 1}, **thing("a")}]).landed

    assert listing(place.root) == before


def test_half_a_character_and_nul_do_not_stop_the_others(place: Place) -> None:
    done = place.ingest([thing("a", name="x\ud800y\0z"), thing("b")])

    assert done.ingested is not None
    assert done.ingested.outcome is Outcome.ACCEPTED
    assert [row["name"] for row in place.snapshot] == ["x?y?z", "thing b"]


def test_a_field_may_have_the_name_of_a_synonym(place: Place) -> None:
    place.ingest([{"ID": "a", "Title": "first", "price": 1}])

    assert list(place.snapshot[0]) == ["ID", "Title", "price"]
    assert place.silver.select("id", "name").rows() == [("a", "first")]


def test_a_field_outside_the_contract_is_landed_and_told(place: Place) -> None:
    done = place.ingest([thing("a", colour="red")])

    assert place.snapshot[0]["colour"] == "red"
    assert done.unknown_fields == ("colour",)
    assert done.drift == (), "there is no snapshot before it that it could differ from"


def drifted(done: ApiIngestion) -> list[tuple[str, str, str, str]]:
    return [(item.field, item.change, item.before, item.now) for item in done.drift]


def test_fields_that_appear_vanish_or_change_their_type_are_drift(place: Place) -> None:
    place.ingest([thing("a", colour="red", size=1)])

    done = place.ingest([thing("a", size="XL", weight=None)])

    assert drifted(done) == [
        ("colour", "vanished", "string", ""),
        ("size", "other type", "integer", "string"),
        ("weight", "added", "", "null"),
    ]
    assert drifted(place.ingest([thing("a", size="XL", weight=None)])) == [], "a change is told once"


def test_a_type_that_a_column_cannot_take_is_drift_each_time(place: Place) -> None:
    first = drifted(place.ingest([thing("a", price=[1])]))
    again = drifted(place.ingest([thing("a", price=[1])]))

    assert first == again == [("price", "not the contract's type", "number", "array")]


def test_an_incremental_reading_is_held_against_the_whole_snapshot(place: Place) -> None:
    place.incremental = STEP
    place.ingest([thing("a", 1, note="x"), thing("b", 1, note=5)])

    assert drifted(place.ingest([thing("c", 2, note=6)])) == []
    assert drifted(place.ingest([thing("c", 3)])) == [("note", "vanished", "string or integer", "")]
    assert "note" in place.snapshot[0], "older rows still have it"


def test_a_snapshot_that_somebody_else_wrote_is_replaced(place: Place) -> None:
    place.incremental = STEP
    LocalStore(place.root).write("local", KEY, b"\xff not even a table")

    done = place.ingest([thing("a", 1)])

    assert (done.landed, done.new, place.shelf.cursors) == (True, None, [STEP.initial])
    assert [row["id"] for row in place.snapshot] == ["a"]


def test_records_with_names_as_data_are_an_error_and_no_file_of_a_million_columns(place: Place) -> None:
    with pytest.raises(ApiAnswerError, match="more than 1,000 different fields"):
        place.ingest([{f"key {n}": 1} for n in range(1_500)])
    with pytest.raises(ApiAnswerError, match="the records have no fields"):
        place.ingest([{}, {"": 1}])
    assert listing(place.root) == {}


def test_a_bad_row_goes_to_quarantine_as_from_any_file(place: Place) -> None:
    done = place.ingest([thing("a"), thing("b", price="much"), thing(None)])

    assert done.ingested is not None
    assert done.ingested.report.check.reasons == {"id.required": 1, "price.type": 1}
    assert not done.is_red


def test_a_snapshot_without_a_required_column_is_rejected_and_red(place: Place) -> None:
    done = place.ingest([{"name": "x"}])

    assert done.is_red
    assert place.ingest([{"name": "x"}]).is_red, "and stays so until it is mended"


@pytest.mark.parametrize("missing", ["types", "rows", "declaration"])
def test_metadata_that_somebody_lost_start_afresh(place: Place, missing: str) -> None:
    place.incremental = STEP
    place.ingest([thing("a", 1)])
    store = LocalStore(place.root)
    head = store.head("local", KEY)
    kept = {name: value for name, value in head.metadata.items() if name != missing}
    store.write("local", KEY, store.read("local", KEY), metadata=kept)

    place.ingest([thing("b", 2)])

    assert place.shelf.cursors[-1] == STEP.initial
    assert [row["id"] for row in place.snapshot] == ["b"]
