"""What holds when a schedule has ended: each file has one result; record, silver and quarantine agree. No tests.

Results are compared with those of the same files in order, each announced once, without faults. Where two versions of a
contract were at work, each result is that of one of them, and everything about the file is of the same one.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from etl_platform import object_keys
from etl_platform.deliveries.delivery import Cause, Outcome
from etl_platform.deliveries.report import AmendmentKind, Attempt, Report, Trigger
from etl_platform.deliveries.waiting import WaitingRecords
from etl_platform.storage.object_store import ObjectHead
from etl_platform_tests.simulation.features import FLOOD, KILLER
from etl_platform_tests.simulation.files import BUCKET, FAILING_AGENCY, contracts
from etl_platform_tests.simulation.memory import MemoryStore
from etl_platform_tests.simulation.plan import Plan
from etl_platform_tests.simulation.truth import Truth, arrivals, in_order, read_reports

LONGEST_WAIT_S, LONGEST_IN_A_FLOOD_S, LONGEST_BESIDE_A_KILLER_S = 600.0, 75.0, 1_200.0
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class _Plain:
    """The end of the plain order under one version of the contracts."""

    store: MemoryStore
    reports: Mapping[str, Report]


class Judgement:
    """Raises AssertionError where a store does not end as it must."""

    def __init__(self, store: MemoryStore, plan: Plan, truth: Truth) -> None:
        self._store, self._plan, self._truth = store, plan, truth
        self._arrivals = arrivals(store)
        self._reports: dict[str, list[Report]] = defaultdict(list)
        for report in read_reports(store):
            self._reports[report.delivery_id].append(report)
        self._silver = {head.key: store.head(BUCKET, head.key) for head in store.list(BUCKET, "silver/")}
        self._plain_ends = {sha256: _Plain(end, arrivals(end)) for sha256, end in _plain_ends(plan)}

    def judge(self) -> None:
        self._judge_arrivals()
        self._judge_silver()
        self._judge_quarantine()
        if self._plan.is_bounded:
            self._judge_waiting()
        waiting = {record.delivery_id for record in WaitingRecords(self._store, BUCKET).unfinished()}
        assert waiting <= self._truth.poisoned, f"shown as waiting, but done: {waiting - self._truth.poisoned}"

    def _judge_arrivals(self) -> None:
        """Each file has one report; a poisoned one is never read, so it has none or was superseded before."""
        ours, poisoned = dict(self._arrivals), self._truth.poisoned
        assert all(ours.pop(delivery_id).outcome is Outcome.SUPERSEDED for delivery_id in poisoned & ours.keys())
        for plain in self._plain_ends.values():
            assert ours.keys() == plain.reports.keys(), f"deliveries differ: {ours.keys() ^ plain.reports.keys()}"
        for delivery_id, report in ours.items():
            plain = self._plain_of(report)
            if report.outcome is not Outcome.SUPERSEDED:
                expected = _comparable(plain.reports[delivery_id])
                assert _comparable(report) == expected, f"the report of {delivery_id} differs"
            bronze = str(report.written.bronze_key)
            assert self._store.read(BUCKET, bronze) == plain.store.read(BUCKET, bronze), f"{bronze} differs"

    def _judge_silver(self) -> None:
        """Silver holds the newest version that was accepted, as one attempt with a report has written it."""
        held: dict[str, str] = {}
        for head in self._silver.values():
            report = self._author(head)
            held[report.source.key] = report.delivery_id
            plain = self._plain_of(report).store.objects[BUCKET, head.key]
            written = [one.body for one in plain if one.head.metadata.get("delivery-id") == report.delivery_id]
            assert self._store.read(BUCKET, head.key) in written, f"{head.key} differs"
        assert len(held) == len(self._silver), f"a file has two objects: {sorted(self._silver)}"
        for delivery_id in filter(self._has_good_rows, self._arrivals):
            arrival = self._arrivals[delivery_id]
            holder = held.get(arrival.source.key)
            assert holder is not None, f"no silver has the rows of {delivery_id}"
            assert self._truth.rank[holder] >= self._truth.rank[delivery_id], f"{holder} is older than {delivery_id}"
            if arrival.outcome is Outcome.ACCEPTED and holder != delivery_id:
                amendment = object_keys.amendment_key(*arrival.partition, delivery_id, AmendmentKind.SUPERSEDED)
                assert self._store.contents(BUCKET, amendment), f"no amendment says that {delivery_id} is superseded"

    def _judge_quarantine(self) -> None:
        """The quarantine of a file is that of the attempt in silver, else that of one of its reports."""
        objects = self._store.contents(BUCKET, "quarantine/").items()
        found = {key: hashlib.sha256(body).hexdigest() for key, body in objects}
        authors = {report.delivery_id: report for report in map(self._author, self._silver.values())}
        for delivery_id, arrival in self._arrivals.items():
            key = object_keys.quarantine_key(*arrival.partition, delivery_id)
            reports = [authors[delivery_id]] if delivery_id in authors else self._reports[delivery_id]
            content, named = found.pop(key, None), {report.written.quarantine_sha256 for report in reports}
            assert content in named, f"quarantine of {delivery_id}: {content}, in reports {named}"
        assert not found, f"quarantine without a report: {sorted(found)}"

    def _judge_waiting(self) -> None:
        """A file is reported soon after its first message, unless its agency only fails or it kills its runs."""
        for delivery_id, number in self._truth.rank.items():
            if self._plan.puts[number].agency != FAILING_AGENCY and number not in self._plan.poisoned:
                announced_at = min(one.at for one in self._plan.announcements if number in one.puts)
                waited_s = self._truth.reported_at[delivery_id] - announced_at
                assert waited_s <= self._longest_wait_s, f"put {number} waited {waited_s:.0f} s"

    @property
    def _longest_wait_s(self) -> float:
        if FLOOD in self._plan.features:
            return LONGEST_IN_A_FLOOD_S
        # A file can share three runs with the one that kills them, each of which is noticed after up to 300 s.
        return LONGEST_BESIDE_A_KILLER_S if KILLER in self._plan.features else LONGEST_WAIT_S

    def _author(self, head: ObjectHead) -> Report:
        """The report of the attempt that wrote a silver object."""
        delivery_id, attempt_id = head.metadata["delivery-id"], head.metadata.get("attempt")
        found = [report for report in self._reports[delivery_id] if report.attempt_id == attempt_id]
        assert found, f"{head.key}: no report of attempt {attempt_id} at {delivery_id}"
        (report,) = found
        assert report.outcome is Outcome.ACCEPTED, f"{head.key} holds {delivery_id}, which is {report.outcome}"
        assert report.written.silver_key == head.key, f"{head.key}: its report names {report.written.silver_key}"
        content = hashlib.sha256(self._store.read(BUCKET, head.key)).hexdigest()
        assert report.written.silver_sha256 == content, f"{head.key} is not what the report of {delivery_id} names"
        return report

    def _has_good_rows(self, delivery_id: str) -> bool:
        """Whether a report accepts the file, or it was superseded unread and every contract would accept it."""
        reports = self._reports[delivery_id]
        if any(report.outcome is Outcome.ACCEPTED for report in reports):
            return True
        if self._arrivals[delivery_id].outcome is not Outcome.SUPERSEDED or delivery_id in self._truth.poisoned:
            return False
        return all(plain.reports[delivery_id].outcome is Outcome.ACCEPTED for plain in self._plain_ends.values())

    def _plain_of(self, report: Report) -> _Plain:
        assert report.contract is not None
        return self._plain_ends[report.contract.sha256]


def _plain_ends(plan: Plan) -> Iterator[tuple[str, MemoryStore]]:
    for version in plan.contract_versions:
        end = in_order(plan, version)
        # Every dataset has its own contract, and so its own hash.
        yield from ((contract.sha256, end) for contract in contracts(version).values())


def _comparable(report: Report) -> Report:
    """A report with the same attempt, without the sequencer and eTags, which some of a put may not have.

    Which previous files it is compared with depends on the order in which they are ingested.
    """
    source, written = replace(report.source, sequencer=None), replace(report.written, silver_etag=None)
    written = replace(written, quarantine_etag=None)
    attempt = Attempt(Trigger(Cause.EVENT), _NEVER, _NEVER)
    return replace(report, attempt=attempt, source=source, written=written, drift=None)
