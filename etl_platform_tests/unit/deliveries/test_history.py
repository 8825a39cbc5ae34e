"""The order and the links of a source key's deliveries, on records alone."""

from itertools import permutations
from typing import Any

from etl_platform.deliveries.history import histories

KEY = "from_client/nm_albuquerque/Officer_Detail.csv"


def record(identity: str, *, cause: str = "event", by: str | None = None, **facts: Any) -> dict[str, Any]:
    """A ledger's record, as far as a history looks at it."""
    source = {"key": KEY, "last_modified": "2026-11-26T08:00:00+00:00", "sequencer": None}
    attempt = {"cause": cause, "ended_at": facts.pop("ended_at", "2026-11-26T08:01:00+00:00")}
    return {
        "delivery_id": identity,
        "dataset": "officer_detail",
        "source": source | facts,
        "attempt": attempt,
        "superseded_by": by,
    }


def fact(identity: str, by: str) -> dict[str, Any]:
    return {"fact": "superseded", "delivery_id": identity, "superseded_by": by}


def order(records: list[dict[str, Any]], facts: list[dict[str, Any]]) -> list[str]:
    (chain,) = histories(records, facts).values()
    return [entry.arrival["delivery_id"] for entry in chain]


def test_deliveries_of_one_second_stand_in_the_order_in_which_they_superseded_each_other() -> None:
    late = record("d", last_modified="2026-11-26T08:00:01+00:00")
    same = [record("c"), record("b", by="c"), record("a")]
    for records in permutations([*same, late]):
        assert order(list(records), [fact("a", "b"), fact("c", "d")]) == ["d", "c", "b", "a"]


def test_the_time_and_the_sequencer_count_more_than_who_superseded_whom() -> None:
    older, newer = record("a", sequencer="01"), record("b", sequencer="02")
    for records in ([older, newer], [newer, older]):
        assert order(records, [fact("b", "a")]) == ["b", "a"]


def test_deliveries_that_superseded_each_other_in_a_ring_are_told_all_the_same() -> None:
    assert sorted(order([record("a"), record("b")], [fact("a", "b"), fact("b", "a")])) == ["a", "b"]


def test_replays_stand_below_their_delivery_newest_first() -> None:
    first, second = (record("a", cause="replay", ended_at=f"2026-11-26T09:0{minute}:00+00:00") for minute in (1, 2))
    (chain,) = histories([first, record("a"), second], []).values()
    assert [one["attempt"]["ended_at"][:16] for one in chain[0].replays] == ["2026-11-26T09:02", "2026-11-26T09:01"]
