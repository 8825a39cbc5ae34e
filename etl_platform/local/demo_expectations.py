"""Compares the results of the demo with what its samples expect. No network, no Dagster."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from etl_platform import object_keys
from etl_platform.deliveries.report import Report
from etl_platform.local.samples import Sample


@dataclass(frozen=True)
class UploadedSample:
    """A sample in the bucket. A repeated event has the delivery id of its object."""

    sample: Sample
    delivery_id: str


@dataclass(frozen=True)
class Result:
    """The platform's result of one delivery. ``remark`` has its errors and quarantine reasons, for people."""

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


def expected_keys(uploaded: UploadedSample) -> set[str]:
    """The keys of the objects that the platform writes for a sample."""
    sample, delivery_id = uploaded.sample, uploaded.delivery_id
    if sample.outcome == "duplicate":
        return set()
    if sample.outcome == "ignored":
        return {object_keys.ignored_key(delivery_id)}
    assert sample.dataset is not None, sample.name
    assert sample.agency is not None, sample.name
    partition = sample.dataset, object_keys.segment(sample.agency)
    keys = {
        object_keys.report_key(*partition, delivery_id),
        object_keys.bronze_key(*partition, delivery_id, object_keys.base_name(sample.key)),
    }
    if sample.outcome == "accepted":
        keys.add(object_keys.silver_key(*partition, sample.key))
    if sample.quarantined:
        keys.add(object_keys.quarantine_key(*partition, delivery_id))
    return keys


def result_differences(sample: Sample, result: Result | None) -> list[str]:
    """One line for each value of a delivery that differs from its sample."""
    if result is None:
        return [f"{sample.name}: expected {sample.outcome}, but no report was written"]
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
        f"{sample.name}: {fact}: expected {expected}, got {actual}{remark}"
        for fact, expected, actual in facts
        if expected != actual
    ]


def listing_differences(uploaded: Iterable[UploadedSample], listing: Collection[str]) -> list[str]:
    """One line for each object that is missing or that no sample expects. The index of reports is passed over."""
    expected = set().union(*(expected_keys(item) for item in uploaded))
    found = {key for key in listing if not key.startswith(object_keys.INDEX)}
    return [f"object missing: {key}" for key in sorted(expected - found)] + [
        f"object not expected: {key}" for key in sorted(found - expected)
    ]


def all_differences(
    uploaded: Sequence[UploadedSample], results: Mapping[str, Result], listing: Collection[str]
) -> list[str]:
    """Every difference; ``results`` are by sample name."""
    lines = [line for item in uploaded for line in result_differences(item.sample, results.get(item.sample.name))]
    return lines + listing_differences(uploaded, listing)
