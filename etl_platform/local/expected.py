"""What the demo's samples call for, and where reality differs. No network, no Dagster."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from etl_platform import object_keys
from etl_platform.deliveries.report import Report
from etl_platform.local.samples import Sample


@dataclass(frozen=True)
class Dropped:
    """A sample in the bucket. A repeated event shares the delivery id of the object's first one."""

    sample: Sample
    delivery_id: str


@dataclass(frozen=True)
class Result:
    """What the platform made of one delivery. ``remark`` is the sender's errors and reasons, for people."""

    outcome: str
    agency: str | None = None
    dataset: str | None = None
    rows: int | None = None
    quarantined: int | None = None
    silver_key: str | None = None
    remark: str = ""

    @classmethod
    def of_report(cls, report: Report) -> "Result":
        check = report.check
        remarks = [error.code for error in check.errors]
        remarks += [f"{rule}: {rows}" for rule, rows in check.reasons.items()]
        return cls(
            outcome=str(report.outcome),
            agency=report.agency,
            dataset=report.dataset,
            rows=check.rows,
            quarantined=check.quarantined_rows,
            silver_key=report.written.silver_key,
            remark=", ".join(remarks),
        )


def expected_keys(dropped: Dropped) -> set[str]:
    """The objects that a sample leaves behind, its source aside."""
    sample, delivery_id = dropped.sample, dropped.delivery_id
    if sample.outcome == "duplicate":
        return set()
    if sample.outcome == "ignored":
        return {object_keys.ignored_key(delivery_id)}
    assert sample.dataset is not None, sample.name
    assert sample.agency is not None, sample.name
    place = sample.dataset, object_keys.segment(sample.agency)
    keys = {
        object_keys.report_key(*place, delivery_id),
        object_keys.bronze_key(*place, delivery_id, object_keys.base_name(sample.key)),
    }
    if sample.outcome == "accepted":
        keys.add(object_keys.silver_key(*place, sample.key))
    if sample.quarantined:
        keys.add(object_keys.quarantine_key(*place, delivery_id))
    return keys


def result_differences(sample: Sample, result: Result | None) -> list[str]:
    """One line per fact about a delivery that is not as the sample says."""
    if result is None:
        return [f"{sample.name}: expected {sample.outcome}, but nothing was recorded"]
    facts: list[tuple[str, object, object]] = [("outcome", sample.outcome, result.outcome)]
    if sample.rows is not None:
        facts += [("rows", sample.rows, result.rows), ("quarantined", sample.quarantined, result.quarantined)]
    if sample.outcome not in {"ignored", "duplicate"}:
        facts += [("agency", sample.agency, result.agency), ("dataset", sample.dataset, result.dataset)]
    if sample.outcome == "accepted" and sample.dataset and sample.agency:
        silver = object_keys.silver_key(sample.dataset, object_keys.segment(sample.agency), sample.key)
        facts.append(("silver key", silver, result.silver_key))
    remark = f" ({result.remark})" if result.remark else ""
    return [
        f"{sample.name}: {fact}: expected {expected}, actual {actual}{remark}"
        for fact, expected, actual in facts
        if expected != actual
    ]


def listing_differences(dropped: Iterable[Dropped], listing: Collection[str]) -> list[str]:
    """One line per object that is missing or that no sample calls for."""
    expected = set().union(*(expected_keys(item) for item in dropped))
    found = set(listing)
    return [f"object missing: {key}" for key in sorted(expected - found)] + [
        f"object not called for: {key}" for key in sorted(found - expected)
    ]


def all_differences(dropped: Sequence[Dropped], results: Mapping[str, Result], listing: Collection[str]) -> list[str]:
    """Every difference; ``results`` are by sample name."""
    lines = [line for item in dropped for line in result_differences(item.sample, results.get(item.sample.name))]
    return lines + listing_differences(dropped, listing)
