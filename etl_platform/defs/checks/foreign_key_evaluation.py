"""The result of FOREIGN_KEYS_CHECK: whether silver of the agency holds what the rows of a partition refer to."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import dagster as dg

from etl_platform.defs.checks.check_evaluation import CheckEvaluation
from etl_platform.defs.table_metadata import table
from etl_platform.deliveries.foreign_key_lookup import ForeignKeyResult, ObjectResult
from etl_platform.deliveries.partition_state import JudgedPartition
from etl_platform.deliveries.report import Report
from etl_platform.engine.contract.dataset_rules import Severity
from etl_platform.engine.contract.foreign_keys import ForeignKey
from etl_platform.engine.output.plain_text import counted
from etl_platform.engine.privacy.masking import shape
from etl_platform.engine.rules.check_names import FOREIGN_KEYS_CHECK
from etl_platform.object_keys import base_name

_MAX_WORST = 5


def foreign_keys_description(keys: Sequence[ForeignKey]) -> str:
    return f"Silver of the agency holds what the rows refer to: {'; '.join(map(str, keys))}."


def foreign_key_evaluation(results: Sequence[ForeignKeyResult], partition: JudgedPartition) -> CheckEvaluation:
    """One result about all foreign keys of a partition.

    A key that is missing fails the check, as a warning unless the relationship has the severity error. So does a
    foreign key that could not be evaluated, always as a warning.
    """
    in_silver = {
        file.in_silver.written.silver_key: file.in_silver
        for file in partition.files
        if file.in_silver and file.in_silver.written.silver_key
    }
    results = [_masked(result, in_silver.values()) for result in results]
    texts = [_text(result, in_silver) for result in results]
    failed = [result for result in results if result.missing or result.problem or _without_column(result, in_silver)]
    is_error = any(result.missing and result.key.severity is Severity.ERROR for result in results)
    metadata: dict[str, Any] = {
        "files": len(partition.files),
        "foreign_keys": table([_row(result) for result in results]),
    }
    if worst := [_worst_row(result, *pair, in_silver) for result in results for pair in result.worst[:_MAX_WORST]]:
        metadata["worst_files"] = table(worst)
    return CheckEvaluation(
        FOREIGN_KEYS_CHECK,
        not failed,
        dg.AssetCheckSeverity.ERROR if is_error else dg.AssetCheckSeverity.WARN,
        metadata,
        " ".join(text for result, text in zip(results, texts, strict=True) if result in failed or not failed),
    )


def _masked(result: ForeignKeyResult, reports: Iterable[Report]) -> ForeignKeyResult:
    """The result without values of columns in which personal data was found that the contract does not announce."""
    found = {one.column for report in reports for one in report.check.personal_data or ()}
    if found.isdisjoint(result.key.columns):
        return result
    objects = {
        name: replace(one, examples=tuple(dict.fromkeys(map(shape, one.examples))))
        for name, one in result.objects.items()
    }
    return replace(result, objects=objects)


def _text(result: ForeignKeyResult, in_silver: Mapping[str, Report]) -> str:
    key, without = result.key, _without_column(result, in_silver)
    notes = [f"{key}: not evaluated for {', '.join(without)}: the file has no column {key.name}."] if without else []
    if result.problem:
        return f"{key}: not evaluated: {result.problem}. {_cure_of_problem(result)}"
    if not result.missing:
        return " ".join(notes) or f"{key}: what {counted(result.rows, 'row')} refer{_s(result.rows)} to is there."
    files = result.worst
    name = _file_name(files[0][0], in_silver)
    where = f"in {name}" if len(files) == 1 else f"in {len(files):,} files, most of them in {name}"
    rows = f"{result.missing:,} of {counted(result.rows, 'row')} refer{_s(result.missing)}"
    examples = ", ".join(files[0][1].examples)
    sentences = [
        f"{key}: {rows} to what {key.dataset} of this agency does not have, such as {examples}.",
        f"{'It is' if result.missing == 1 else 'They are'} {where}.",
        _order(result),
        f"Ask the agency for a complete {key.dataset}, or to correct the values; a new {key.dataset} evaluates this "
        "again.",
    ]
    return " ".join(text for text in (*sentences, *notes) if text)


def _s(number: int) -> str:
    return "s" if number == 1 else ""


def _order(result: ForeignKeyResult) -> str:
    """A sentence if the two datasets were not delivered at the same time."""
    own, other = result.written_at, result.other_written_at
    if own is None or other is None or own.date() == other.date():
        return ""
    when = "older" if other < own else "younger"
    return f"The newest {result.key.dataset} ({other:%Y-%m-%d}) is {when} than the newest file here ({own:%Y-%m-%d})."


def _cure_of_problem(result: ForeignKeyResult) -> str:
    if result.key.waits_for:
        return "Correct that contract or put it in force, then materialize the partition."
    if result.other_files:
        return "Materialize the agency's partition of that dataset."
    return f"Ask the agency for it; its first {result.key.dataset} evaluates this."


def _without_column(result: ForeignKeyResult, in_silver: Mapping[str, Report]) -> list[str]:
    """The files that lack a column of the foreign key, so that silver has no value to look up."""
    return [
        base_name(report.source.key)
        for report in in_silver.values()
        if report.check.columns and set(result.key.columns) & set(report.check.columns.missing)
    ]


def _row(result: ForeignKeyResult) -> dict[str, object]:
    return {
        "foreign_key": str(result.key),
        "rows": result.rows,
        "rows_missing": result.missing,
        "other_files": result.other_files,
        "severity": str(result.key.severity),
        "not_evaluated": result.problem or "",
    }


def _worst_row(
    result: ForeignKeyResult, silver_key: str, found: ObjectResult, in_silver: Mapping[str, Report]
) -> dict[str, object]:
    report = in_silver.get(silver_key)
    return {
        "foreign_key": str(result.key),
        "file": _file_name(silver_key, in_silver),
        "delivery_id": report.delivery_id if report else "",
        "rows_missing": found.missing,
        "rows": found.rows,
        "examples": ", ".join(found.examples),
    }


def _file_name(silver_key: str, in_silver: Mapping[str, Report]) -> str:
    report = in_silver.get(silver_key)
    return base_name(report.source.key if report else silver_key)
