"""The results of a dataset's asset checks, built from reports."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg

from etl_platform.defs.delivery_metadata import Metadata, errors_table, merge_checks
from etl_platform.defs.table_metadata import table
from etl_platform.deliveries.report import Report
from etl_platform.engine.contract.dataset_rules import Severity
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.rules.check_names import FILE_CHECK, KEYS_CHECK, check_name
from etl_platform.engine.rules.contract_rules import contract_rules
from etl_platform.object_keys import base_name

if TYPE_CHECKING:
    from etl_platform.engine.result import DatasetVerdict


@dataclass(frozen=True)
class CheckEvaluation:
    """The result of one asset check."""

    name: str
    passed: bool
    severity: dg.AssetCheckSeverity
    metadata: Metadata
    description: str | None = None


def check_outcomes(reports: Sequence[Report], contract: Contract) -> Iterator[CheckEvaluation]:
    """The checks of one or several files of a partition together.

    The check of the file itself always has a result; the check of a rule has one only if rows were checked.
    """
    last, totals = reports[-1], merge_checks(reports)
    yield CheckEvaluation(
        FILE_CHECK,
        not totals.errors,
        dg.AssetCheckSeverity.ERROR,
        {"delivery_id": last.delivery_id, **errors_table(totals.errors)},
        "; ".join(map(str, totals.errors)) or None,
    )
    yield from _shared_keys(reports)
    if not totals.rows:
        return
    severity = dg.AssetCheckSeverity.ERROR if totals.errors else dg.AssetCheckSeverity.WARN
    for rule in contract_rules(contract):
        broken = totals.reasons.get(rule.reason, 0)
        metadata: Metadata = {"delivery_id": last.delivery_id, "rows_broken": broken, "rows": totals.rows}
        if examples := totals.examples.get(rule.reason):
            metadata["first_lines"] = table([example.to_json() for example in examples])
        if unevaluated := totals.unevaluated.get(rule.reason):
            metadata["rows_not_evaluated"] = unevaluated
        yield CheckEvaluation(check_name(rule.reason), broken == 0, severity, metadata)
    yield from _dataset_outcomes(reports, contract)


def _shared_keys(reports: Sequence[Report]) -> Iterator[CheckEvaluation]:
    """A warning if rows of one file are in silver a second time, from another file of the partition."""
    compared = [(report, report.shared_keys) for report in reports if report.shared_keys is not None]
    if not compared:
        return
    found = [(report, shared) for report, comparison in compared for shared in comparison.shared]
    metadata: Metadata = {
        "delivery_id": compared[-1][0].delivery_id,
        "other_files": max(comparison.files for _, comparison in compared),
        "compared_files": max(comparison.compared for _, comparison in compared),
    }
    if found:
        rows = [
            {
                "file": report.source.key,
                "other_file": shared.source_key,
                "keys": shared.keys,
                "silver": shared.silver_key,
            }
            for report, shared in found
        ]
        metadata["shared_keys"] = table(rows)
    sentences = [
        f"{base_name(report.source.key)}: {shared}, so silver holds those rows twice" for report, shared in found
    ]
    yield CheckEvaluation(KEYS_CHECK, not found, dg.AssetCheckSeverity.WARN, metadata, "; ".join(sentences) or None)


def _dataset_outcomes(reports: Sequence[Report], contract: Contract) -> Iterator[CheckEvaluation]:
    """A rule that was added to the contract after the report has no result."""
    verdicts: dict[str, tuple[str, DatasetVerdict]] = {}
    for report in reports:
        for verdict in report.check.dataset_rules:
            # A failed verdict wins over passed ones.
            if verdict.name not in verdicts or verdicts[verdict.name][1].passed:
                verdicts[verdict.name] = report.delivery_id, verdict
    for rule in contract.dataset_rules:
        if rule.name not in verdicts:
            continue
        delivery_id, verdict = verdicts[rule.name]
        is_error = verdict.severity is Severity.ERROR
        yield CheckEvaluation(
            check_name(rule.name),
            verdict.passed,
            dg.AssetCheckSeverity.ERROR if is_error else dg.AssetCheckSeverity.WARN,
            {
                "delivery_id": delivery_id,
                "found": "(nothing)" if verdict.found is None else verdict.found,
                "allowed": verdict.allowed,
            },
            verdict.message,
        )
