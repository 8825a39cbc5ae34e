"""The results of a dataset's asset checks, built from the reports of a partition's files. Nothing is logged here.

The checks of rules are about rows: those of the newest file, or those in silver if the newest file was refused before a
row of it was checked. Without rows no rule is broken. Only FILE_CHECK tells that the file was refused.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import dagster as dg

from etl_platform.defs.checks.check_evaluation import CheckEvaluation
from etl_platform.defs.checks.check_groups import group_results
from etl_platform.defs.checks.drift_evaluation import drift_evaluation
from etl_platform.defs.datasets.delivery_metadata import Metadata, errors_table, merge_checks
from etl_platform.defs.table_metadata import table
from etl_platform.deliveries.partition_state import JudgedFile
from etl_platform.deliveries.report import Report
from etl_platform.engine.contract.dataset_rules import Severity
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.rules.check_names import DRIFT_CHECK, FILE_CHECK, KEYS_CHECK, check_name, rule_checks
from etl_platform.engine.rules.contract_rules import contract_rules
from etl_platform.object_keys import base_name

if TYPE_CHECKING:
    from etl_platform.engine.result import CheckResult, DatasetVerdict

_YOUNGER = "The rule is younger than the report of the file."


def check_specs(contract: Contract) -> Iterator[tuple[str, str]]:
    """Name and description of every check that ``check_evaluations`` gives a result."""
    yield FILE_CHECK, "The file can be read and its header has every required column."
    if contract.primary_key:
        yield KEYS_CHECK, "No other file of the agency has rows with the same primary keys."
    if contract.drift_limits.severity is not None:
        yield DRIFT_CHECK, "The file is like the previous ones: columns, rows, empty cells, values, distributions."
    yield from ((check.name, check.description) for check in rule_checks(contract))


def check_evaluations(files: Sequence[JudgedFile], contract: Contract) -> list[CheckEvaluation]:
    """One result for every check of the dataset, about all given files of a partition together."""
    if not files:
        text = "The agency has not delivered a file of this dataset."
        return [CheckEvaluation(name, True, dg.AssetCheckSeverity.WARN, {}, text) for name, _ in check_specs(contract)]
    return [
        file_evaluation([file.report for file in files]),
        *([_keys_evaluation(files)] if contract.primary_key else []),
        *([_drift_evaluation(files, severity)] if (severity := contract.drift_limits.severity) else []),
        *group_results((*_rule_evaluations(files, contract), *_dataset_evaluations(files, contract)), contract),
    ]


def file_evaluation(reports: Sequence[Report]) -> CheckEvaluation:
    """The result of FILE_CHECK, about all given deliveries together."""
    errors = merge_checks(reports).errors
    names = len(reports) > 1
    texts = [
        f"{base_name(report.source.key)}: {error}" if names else str(error)
        for report in reports
        for error in report.check.errors
    ]
    return CheckEvaluation(
        FILE_CHECK,
        not errors,
        dg.AssetCheckSeverity.ERROR,
        {"delivery_id": reports[-1].delivery_id, **errors_table(errors)},
        "; ".join(texts) or f"{_names(reports)} was accepted.",
    )


def _keys_evaluation(files: Sequence[JudgedFile]) -> CheckEvaluation:
    """A warning if rows of one file are in silver a second time, from another file of the partition."""
    held = [file.in_silver for file in files if file.in_silver]
    if not held:
        return _without_rows(KEYS_CHECK, files)
    compared = [(report, report.shared_keys) for report in held if report.shared_keys is not None]
    if not compared:
        return _not_evaluated(KEYS_CHECK, files, "The keys were not compared with those of other files.")
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
    return CheckEvaluation(KEYS_CHECK, not found, dg.AssetCheckSeverity.WARN, metadata, "; ".join(sentences) or None)


def _drift_evaluation(files: Sequence[JudgedFile], severity: Severity) -> CheckEvaluation:
    held = [file.in_silver for file in files if file.in_silver]
    if not held:
        return _without_rows(DRIFT_CHECK, files)
    why = "The file was not compared with the previous ones."
    return drift_evaluation(held, severity) or _not_evaluated(DRIFT_CHECK, files, why)


def _rule_evaluations(files: Sequence[JudgedFile], contract: Contract) -> Iterator[CheckEvaluation]:
    checked = [file.checked for file in files if file.checked]
    if not checked:
        for rule in contract_rules(contract):
            yield _without_rows(check_name(rule.reason), files)
        return
    totals, subject = merge_checks(checked), _subject(files)
    # Rows that broke a rule are in quarantine, which is a warning. Of a refused file, no row is anywhere but in bronze.
    severity = dg.AssetCheckSeverity.ERROR if totals.errors else dg.AssetCheckSeverity.WARN
    for rule in contract_rules(contract):
        if rule.reason not in totals.reasons and not all(
            _has_rule(report, rule.reason, contract) for report in checked
        ):
            yield _not_evaluated(check_name(rule.reason), files, _YOUNGER)
        else:
            yield _rule_evaluation(rule.reason, totals, subject, severity, checked[-1].delivery_id)


def _has_rule(report: Report, reason: str, contract: Contract) -> bool:
    """Whether the rows were checked by a rule. A report of release 0.2 does not list rules, so its contract decides."""
    if report.rules is not None:
        return reason in report.rules
    return report.contract is not None and report.contract.sha256 == contract.sha256


def _rule_evaluation(
    reason: str, totals: "CheckResult", subject: str, severity: dg.AssetCheckSeverity, delivery_id: str
) -> CheckEvaluation:
    broken, rows = totals.reasons.get(reason, 0), totals.rows or 0
    metadata: Metadata = {"delivery_id": delivery_id, "rows_broken": broken, "rows": rows}
    if examples := totals.examples.get(reason):
        metadata["first_lines"] = table([example.to_json() for example in examples])
    if unevaluated := totals.unevaluated.get(reason):
        metadata["rows_not_evaluated"] = unevaluated
    count = f"{broken:,} of {rows:,} rows break" if broken else "no row breaks"
    return CheckEvaluation(check_name(reason), broken == 0, severity, metadata, f"{subject}: {count} this rule.")


def _dataset_evaluations(files: Sequence[JudgedFile], contract: Contract) -> Iterator[CheckEvaluation]:
    verdicts: dict[str, tuple[str, DatasetVerdict]] = {}
    for report in [file.checked for file in files if file.checked]:
        for verdict in report.check.dataset_rules:
            # A failed verdict wins over passed ones.
            if verdict.name not in verdicts or verdicts[verdict.name][1].passed:
                verdicts[verdict.name] = report.delivery_id, verdict
    for rule in contract.dataset_rules:
        name = check_name(rule.name)
        if not any(file.checked for file in files):
            yield _without_rows(name, files)
            continue
        if rule.name not in verdicts:
            yield _not_evaluated(name, files, _YOUNGER)
            continue
        delivery_id, verdict = verdicts[rule.name]
        is_error = verdict.severity is Severity.ERROR
        yield CheckEvaluation(
            name,
            verdict.passed,
            dg.AssetCheckSeverity.ERROR if is_error else dg.AssetCheckSeverity.WARN,
            {
                "delivery_id": delivery_id,
                "found": "(nothing)" if verdict.found is None else verdict.found,
                "allowed": verdict.allowed,
            },
            verdict.message,
        )


def _without_rows(name: str, files: Sequence[JudgedFile]) -> CheckEvaluation:
    refused = f"{_names([file.report for file in files])} was refused"
    earlier = "it" if len(files) == 1 else "them"
    text = f"{refused} before this rule was evaluated, and silver holds no earlier version of {earlier}."
    return CheckEvaluation(name, True, dg.AssetCheckSeverity.WARN, _about(files), text)


def _not_evaluated(name: str, files: Sequence[JudgedFile], why: str) -> CheckEvaluation:
    text = f"Not evaluated: {why} Materialize the partition, which checks its files again."
    return CheckEvaluation(name, False, dg.AssetCheckSeverity.WARN, _about(files), text)


def _about(files: Sequence[JudgedFile]) -> Metadata:
    return {"delivery_id": files[-1].report.delivery_id}


def _subject(files: Sequence[JudgedFile]) -> str:
    """The files whose rows were checked, for the start of a sentence."""
    checked = [file for file in files if file.checked]
    if len(checked) > 1:
        return f"{len(checked)} files"
    (file,) = checked
    name = base_name(file.report.source.key)
    if file.checked is file.report:
        return name
    return f"{name} was refused before its rows were checked; in the file that silver still holds"


def _names(reports: Sequence[Report]) -> str:
    return base_name(reports[0].source.key) if len(reports) == 1 else f"Each of {len(reports)} files"
