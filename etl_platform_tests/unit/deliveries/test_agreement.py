"""Report, silver and quarantine are of the same attempt, however attempts under two contracts take turns."""

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_platform import object_keys
from etl_platform.deliveries.delivery import Cause, ObjectVersion, Outcome
from etl_platform.deliveries.intake import Intake
from etl_platform.deliveries.ledger import Ledger
from etl_platform.deliveries.reconcile.discrepancies import Discrepancy
from etl_platform.deliveries.reconcile.reconcile import Reconciler
from etl_platform.deliveries.report import Report, Trigger
from etl_platform.engine.contract.model import Contract
from etl_platform.errors import TransientError
from etl_platform_tests.simulation.checks import checks_made_once
from etl_platform_tests.simulation.memory import MemoryStore
from etl_platform_tests.unit.deliveries.interleaving import Attempt, take_turns
from etl_platform_tests.unit.intake_place import KEY, NOW
from etl_platform_tests.unit.making import contract_of, text, typed

PARTITION = "things", "agency_a"
BEFORE, FILE = b"ident,size\nold,1\n", b"ident,size\na,1\nb,many\n"
CALLS = 24


def _contract(version: str, size: str, **more: object) -> Contract:
    contract = contract_of([text("ident", required=True), typed("size", size), text("note", **more)])
    return replace(contract, version=version, sha256=version * 32)


CONTRACTS = {
    "one row is bad": _contract("1", "integer"),
    "all rows are good": _contract("2", "string"),
    "the file is refused": replace(
        contract_of([text("ident", required=True), typed("size", "integer"), text("absent", required=True)]),
        sha256="3" * 32,
    ),
    "no row is good": _contract("4", "integer", required=True),
    "one row is bad for another reason": replace(
        contract_of([text("ident", required=True), text("size", logicalTypeOptions={"maxLength": 1}), text("note")]),
        sha256="5" * 32,
    ),
}
NAMES = sorted(CONTRACTS)


class Bucket:
    """A bucket with a file, after an older version of it that was accepted or not."""

    def __init__(self, *, has_older: bool) -> None:
        now = iter(range(1_767_600_000, 1_767_700_000))
        self.store = MemoryStore(lambda: float(next(now)))
        if has_older:
            older = self.drop(BEFORE, "00A")
            self.intake(self.store, NAMES[0]).ingest(self.intake(self.store, NAMES[0]).route(older), event(1))
        self.version = self.drop(FILE, "00B")

    def drop(self, body: bytes, sequencer: str) -> ObjectVersion:
        self.store.write("bucket", KEY, body)
        head = self.store.head("bucket", KEY)
        return ObjectVersion("bucket", KEY, head.version_id, head.etag, len(body), sequencer)

    @staticmethod
    def intake(store: MemoryStore, contract: str) -> Intake:
        return Intake(store, {"things": CONTRACTS[contract]}, "bucket", "from_client/", NOW)

    def arrival(self, contract: str, receives: int = 1) -> Attempt:
        def ingest(store: MemoryStore) -> Outcome:
            intake = self.intake(store, contract)
            return intake.ingest(intake.route(self.version), event(receives)).outcome

        return ingest

    def replay(self, contract: str, _receives: int = 1) -> Attempt:
        def reprocess(store: MemoryStore) -> list[Outcome]:
            done = self.intake(store, contract).reprocess(*PARTITION, Trigger(Cause.REPROCESS))
            return [one.outcome for one in done]

        return reprocess


def event(receives: int) -> Trigger:
    return Trigger(Cause.EVENT, "run", "message", receives)


def disagreements(store: MemoryStore) -> Iterator[str]:
    """In which way report, silver and quarantine of each delivery are of different attempts."""
    reports = Ledger(store, "bucket").reports(object_keys.report_prefix(*PARTITION))
    by_attempt = {(report.delivery_id, report.attempt_id): report for report in reports}
    heads = [store.head("bucket", head.key) for head in store.list("bucket", "silver/")]
    in_silver = {(head.metadata["delivery-id"], head.metadata.get("attempt")): head for head in heads}
    if len(in_silver) > 1:
        yield "two silver objects of one file"
    for attempt, head in in_silver.items():
        report = by_attempt.get(attempt)
        if report is None or report.outcome is not Outcome.ACCEPTED:
            yield f"silver is of {attempt}, whose report is {report and report.outcome}"
        elif report.written.silver_sha256 != head.metadata["sha256"]:
            yield "silver is of another attempt than the report"
    for report in reports:
        if report.attempt_id is None:
            current = next(
                (r for (d, a), r in by_attempt.items() if (d, a) in in_silver and d == report.delivery_id), report
            )
            yield from _of_delivery(store, current, in_silver)


def _of_delivery(store: MemoryStore, report: Report, in_silver: object) -> Iterator[str]:
    key = object_keys.quarantine_key(*PARTITION, report.delivery_id)
    body = store.contents("bucket", key).get(key)
    if (body is not None) != (report.written.quarantine_key is not None):
        yield f"quarantine is there: {body is not None}, but the report names {report.written.quarantine_key}"
    if body is not None and report.outcome is Outcome.ACCEPTED:
        bad = pl.read_parquet(io.BytesIO(body)).height
        if bad != report.check.quarantined_rows:
            yield "quarantine is of another attempt"
        (reasons,) = {tuple(pl.read_parquet(io.BytesIO(body))["reasons"].to_list())}
        if set(reasons) != set(report.check.reasons):
            yield f"quarantine has {reasons}, but the report {report.check.reasons}"


def findings(store: MemoryStore) -> list[tuple[Discrepancy, str, str]]:
    later = NOW() + timedelta(days=1)
    contracts = {"things": CONTRACTS[NAMES[0]]}
    found = Reconciler(store, "bucket", contracts, "from_client/", later, later).reconcile().findings
    return [(finding.kind, finding.key, finding.why) for finding in found]


@pytest.mark.parametrize("layer", ["silver", "quarantine"])
def test_reconciliation_finds_an_object_of_an_attempt_without_a_report(layer: str) -> None:
    bucket = Bucket(has_older=True)
    with checks_made_once():
        bucket.arrival("one row is bad")(bucket.store)
    assert findings(bucket.store) == []
    (key,) = (head.key for head in bucket.store.list("bucket", f"{layer}/"))
    head = bucket.store.head("bucket", key)

    other = dict(head.metadata) | {"made-of": "0123456789ab"}
    bucket.store.write("bucket", key, bucket.store.read("bucket", key), metadata=other)

    ((kind, _, why),) = findings(bucket.store)
    assert f"{layer} is of an attempt without a report" in why
    assert kind is (Discrepancy.STALE if layer == "silver" else Discrepancy.ORPHANED)


DEATHS = st.one_of(st.none(), st.integers(1, CALLS))


@settings(max_examples=300)
@given(data=st.data(), has_older=st.booleans())
def test_report_silver_and_quarantine_of_two_attempts_under_two_contracts_agree(
    data: st.DataObject, has_older: bool
) -> None:
    """Whatever dies comes again, as its message does, under the contract of the upgrade."""
    bucket = Bucket(has_older=has_older)
    contracts = data.draw(st.lists(st.sampled_from(NAMES), min_size=2, max_size=2))
    turns = data.draw(st.lists(st.integers(0, 1), max_size=2 * CALLS))
    deaths = data.draw(st.tuples(DEATHS, DEATHS))
    attempts = [bucket.arrival(contract) for contract in contracts]

    with checks_made_once():
        _until_all_are_done(bucket, attempts, turns, deaths, partial(bucket.arrival, contracts[1]))

    assert list(disagreements(bucket.store)) == []
    assert findings(bucket.store) == []
    if has_older:
        assert list(bucket.store.list("bucket", "silver/")), "the rows of the older version are gone"


@settings(max_examples=300)
@given(data=st.data())
def test_they_agree_when_a_partition_is_reprocessed_at_the_same_time(data: st.DataObject) -> None:
    """A person repeats a reprocessing that dies or asks to be repeated."""
    bucket = Bucket(has_older=True)
    contracts = data.draw(st.lists(st.sampled_from(NAMES), min_size=3, max_size=3))
    turns = data.draw(st.lists(st.integers(0, 2), max_size=3 * CALLS))
    deaths = data.draw(st.tuples(DEATHS, DEATHS, DEATHS))
    first, *others = contracts
    attempts = [bucket.arrival(first), *(bucket.replay(contract) for contract in others)]

    with checks_made_once():
        if data.draw(st.booleans()):
            attempts[0](bucket.store)
        again = [partial(bucket.arrival, first), *(partial(bucket.replay, contract) for contract in others)]
        _until_all_are_done(bucket, attempts, turns, deaths, *again)

    assert list(disagreements(bucket.store)) == []
    assert findings(bucket.store) == []
    assert list(bucket.store.list("bucket", "silver/")), "the rows of the older version are gone"


def _until_all_are_done(
    bucket: Bucket,
    attempts: Sequence[Attempt],
    turns: Sequence[int],
    deaths: Sequence[int | None],
    *again: Callable[[int], Attempt],
) -> None:
    """``again`` makes the next attempt of each that died or failed, or of all of them; its argument counts receives."""
    for number, actor in enumerate(take_turns(bucket.store, attempts, turns, deaths)):
        last, receives = actor, 2
        while last.died or last.error:
            assert last.error is None or isinstance(last.error, TransientError), last.error
            (last,) = take_turns(bucket.store, [again[min(number, len(again) - 1)](receives)], [], [None])
            receives += 1
            assert receives < 6, last.error
