"""The results of a dataset's asset checks, from the state of a partition. Nothing is read or logged here.

The checks of rules are about rows: those of the newest file of each source key, or those in silver if that file was
refused before a row of it was checked. Without rows no rule is broken. That a file was refused fails FILE_CHECK only.
Each result counts the files of the partition and names those that are worst.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import dagster as dg

from etl_platform.defs.checks.check_evaluation import CheckEvaluation
from etl_platform.defs.checks.check_groups import group_results
from etl_platform.defs.checks.drift_evaluation import drift_evaluation
from etl_platform.defs.checks.foreign_key_evaluation import foreign_key_evaluation, foreign_keys_description
from etl_platform.defs.checks.personal_data_evaluation import personal_data_evaluation
from etl_platform.defs.checks.shared_keys_evaluation import shared_keys_evaluation
from etl_platform.defs.checks.unevaluated_rules import CHECK_AGAIN, YOUNGER, UnevaluatedRules
from etl_platform.defs.checks.worst_files import MAX_WORST, newest_first, some, where, worst_rows
from etl_platform.defs.datasets.delivery_metadata import Metadata
from etl_platform.defs.table_metadata import table
from etl_platform.deliveries.delivery import Outcome
from etl_platform.deliveries.foreign_key_lookup import ForeignKeyResult
from etl_platform.deliveries.partition_state import JudgedFile, JudgedPartition
from etl_platform.deliveries.report import Report
from etl_platform.engine.contract.dataset_rules import DatasetRule, Severity
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.output.plain_text import counted, printable
from etl_platform.engine.rules.check_names import (
    DRIFT_CHECK,
    FILE_CHECK,
    FOREIGN_KEYS_CHECK,
    KEYS_CHECK,
    PERSONAL_DATA_CHECK,
    check_name,
    rule_checks,
)
from etl_platform.engine.rules.contract_rules import Rule, contract_rules
from etl_platform.object_keys import base_name

if TYPE_CHECKING:
    from etl_platform.engine.result import DatasetVerdict

_MAX_SENTENCE = 500
_ERROR, _WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN


def check_specs(contract: Contract) -> Iterator[tuple[str, str]]:
    """Name and description of every check that ``check_evaluations`` gives a result."""
    yield FILE_CHECK, "The newest version of every file can be read, and its header has every required column."
    if contract.primary_key:
        yield KEYS_CHECK, "No other file of the agency has rows with the same primary keys."
    if contract.drift_limits.severity is not None:
        yield DRIFT_CHECK, "The file is like the previous ones: columns, rows, empty cells, values, distributions."
    yield PERSONAL_DATA_CHECK, "Nothing looks like personal data in a column that is open, unclassified or unknown."
    if contract.foreign_keys:
        yield FOREIGN_KEYS_CHECK, foreign_keys_description(contract.foreign_keys)
    yield from ((check.name, check.description) for check in rule_checks(contract))


def check_evaluations(
    partition: JudgedPartition, contract: Contract, foreign_keys: Sequence[ForeignKeyResult] = ()
) -> list[CheckEvaluation]:
    """One result for every check of the dataset, about all files of the partition together.

    Args:
        foreign_keys: one result for each of the contract.
    """
    if not partition.files and not partition.unreadable:
        text = "The agency has not delivered a file of this dataset."
        return [CheckEvaluation(name, True, _WARN, {"files": 0}, text) for name, _ in check_specs(contract)]
    results = _PartitionResults(partition, contract)
    return [
        results.of_files(),
        *([results.of_keys()] if contract.primary_key else []),
        *([results.of_drift(severity)] if (severity := contract.drift_limits.severity) else []),
        results.of_personal_data(),
        *([results.of_foreign_keys(foreign_keys)] if contract.foreign_keys else []),
        *group_results(
            (
                *(results.of_rule(rule) for rule in contract_rules(contract)),
                *(results.of_dataset_rule(rule) for rule in contract.dataset_rules),
            ),
            contract,
        ),
    ]


class _PartitionResults:
    """The results of one partition. What several checks need is found once."""

    def __init__(self, partition: JudgedPartition, contract: Contract) -> None:
        self._partition, self._contract, self._files = partition, contract, partition.files
        self._checked = [file.checked for file in partition.files if file.checked]
        self._unevaluated = UnevaluatedRules(self._checked, contract)
        self._rows = sum(report.check.rows or 0 for report in self._checked)

    def of_files(self) -> CheckEvaluation:
        """The result of FILE_CHECK. A report that cannot be read fails it, since its file may have been refused."""
        refused = newest_first([file.report for file in self._files if file.report.outcome is Outcome.REJECTED])
        rows = [
            {
                "file": base_name(report.source.key),
                "delivery_id": report.delivery_id,
                "code": error.code,
                "message": error.message,
                "line": error.line,
            }
            for report in refused[:MAX_WORST]
            for error in report.check.errors
        ]
        metadata = self._about(refused) | ({"files_refused": len(refused)} if refused else {})
        metadata |= {"errors": table(rows)} if rows else {}
        texts = [self._error_text(report) for report in refused[:MAX_WORST]]
        if len(refused) > MAX_WORST:
            texts.append(f"and {len(refused) - MAX_WORST:,} more files were refused")
        texts += [f"A report cannot be read, so its file is not judged: {one}" for one in self._partition.unreadable]
        return CheckEvaluation(
            FILE_CHECK,
            not texts,
            _ERROR,
            metadata,
            "; ".join(texts) or f"{self._name_all('Each of')} was accepted.",
        )

    def _error_text(self, report: Report) -> str:
        errors = "; ".join(map(str, report.check.errors))
        return errors if len(self._files) == 1 else f"{base_name(report.source.key)}: {errors}"

    def of_keys(self) -> CheckEvaluation:
        """A warning if rows of one file are in silver a second time, from another file of the partition."""
        in_silver = [file.in_silver for file in self._files if file.in_silver]
        if not in_silver:
            return self._without_rows(KEYS_CHECK)
        found = shared_keys_evaluation(in_silver, self._partition.silver_keys)
        if found is None:
            return self._not_evaluated(
                KEYS_CHECK, f"The keys were not compared with those of other files. {CHECK_AGAIN}", in_silver
            )
        return replace(found, metadata=self._about([]) | found.metadata)

    def of_drift(self, severity: Severity) -> CheckEvaluation:
        """The result of DRIFT_CHECK. The last file of each series counts; those before it were unlike older ones."""
        in_silver = [file.in_silver for file in self._files if file.in_silver]
        if not in_silver:
            return self._without_rows(DRIFT_CHECK)
        found = drift_evaluation(in_silver, severity)
        if found is None:
            return self._not_evaluated(
                DRIFT_CHECK, f"The file was not compared with the previous ones. {CHECK_AGAIN}", in_silver
            )
        return replace(found, metadata={"files": len(self._files)} | found.metadata)

    def of_personal_data(self) -> CheckEvaluation:
        """The result of PERSONAL_DATA_CHECK, about all rows that were checked."""
        if not self._checked:
            return self._without_rows(PERSONAL_DATA_CHECK)
        result = personal_data_evaluation(newest_first(self._checked))
        without = [report for report in self._checked if report.check.personal_data is None]
        if result.passed and without:
            return self._not_evaluated(PERSONAL_DATA_CHECK, f"{YOUNGER} {some(without)}. {CHECK_AGAIN}", without)
        return replace(result, metadata={"files": len(self._files)} | result.metadata)

    def of_foreign_keys(self, found: Sequence[ForeignKeyResult]) -> CheckEvaluation:
        """The result of FOREIGN_KEYS_CHECK, about the rows in silver."""
        if not any(file.in_silver for file in self._files):
            return self._without_rows(FOREIGN_KEYS_CHECK)
        result = foreign_key_evaluation(found, self._partition)
        return replace(result, metadata=self._about([]) | result.metadata)

    def of_rule(self, rule: Rule) -> CheckEvaluation:
        """The result of a rule about rows."""
        reason, name = rule.reason, check_name(rule.reason)
        if not self._checked:
            return self._without_rows(name)
        broken = sorted(self._broken.get(reason, ()), key=lambda one: (-one.check.reasons[reason], one.source.key))
        if not broken and (found := self._unevaluated.find(reason)):
            return self._not_evaluated(name, *found)
        rows = sum(report.check.reasons[reason] for report in broken)
        metadata = self._about(broken) | {"rows_broken": rows, "rows": self._rows}
        if unevaluated := sum(report.check.unevaluated.get(reason, 0) for report in broken):
            metadata["rows_not_evaluated"] = unevaluated
        count = f"{rows:,} of {self._rows:,} rows break" if broken else "no row breaks"
        text = f"{self._subject}: {count} this rule."
        if broken:
            text = f"{text[:-1]}: {printable(rule.description, _MAX_SENTENCE)}"
            metadata |= worst_rows(broken, reason)
        if broken and len(self._files) > 1:
            text += f" {where(broken, reason)}"
        # Rows that broke a rule are in quarantine, which is a warning. Of a refused file, no row is anywhere but in
        # bronze.
        is_refused = any(report.outcome is Outcome.REJECTED for report in broken)
        return CheckEvaluation(name, not broken, _ERROR if is_refused else _WARN, metadata, text)

    def of_dataset_rule(self, rule: DatasetRule) -> CheckEvaluation:
        """The result of a rule about whole files. A failed verdict wins over passed ones."""
        name = check_name(rule.name)
        if not self._checked:
            return self._without_rows(name)
        verdicts = self._verdicts.get(rule.name, [])
        failed = sorted((pair for pair in verdicts if not pair[1].passed), key=lambda pair: not pair[1].rejects)
        if not failed and len(verdicts) < len(self._checked):
            names = ((report, {one.name for one in report.check.dataset_rules}) for report in self._checked)
            without = [report for report, known in names if rule.name not in known]
            return self._not_evaluated(name, f"{YOUNGER} {some(without)}. {CHECK_AGAIN}", without)
        report, verdict = (failed or verdicts)[0]
        metadata = self._about([report for report, _ in failed]) | {
            "delivery_id": report.delivery_id,
            "found": "(nothing)" if verdict.found is None else verdict.found,
            "allowed": verdict.allowed,
        }
        text = verdict.message
        if failed:
            rows = [
                {"file": base_name(one.source.key), "delivery_id": one.delivery_id, "found": verdict.found}
                for one, verdict in failed[:MAX_WORST]
            ]
            metadata |= {"files_failed": len(failed), "worst_files": table(rows)}
            if len(self._files) > 1:
                text = f"{base_name(report.source.key)}: {text} {self._share(len(failed))} this rule."
        is_error = verdict.severity is Severity.ERROR
        return CheckEvaluation(name, not failed, _ERROR if is_error else _WARN, metadata, text)

    @cached_property
    def _broken(self) -> dict[str, list[Report]]:
        """By rule, the reports that have rows that broke it."""
        found: dict[str, list[Report]] = defaultdict(list)
        for report in self._checked:
            for reason, rows in report.check.reasons.items():
                if rows:
                    found[reason].append(report)
        return found

    @cached_property
    def _verdicts(self) -> "dict[str, list[tuple[Report, DatasetVerdict]]]":
        """By dataset rule, the verdicts on the files, the last one processed first."""
        found: dict[str, list[tuple[Report, DatasetVerdict]]] = defaultdict(list)
        for report in newest_first(self._checked):
            for verdict in report.check.dataset_rules:
                found[verdict.name].append((report, verdict))
        return found

    @cached_property
    def _last(self) -> list[Report]:
        """The report that was processed last, if there is a report."""
        return newest_first([file.report for file in self._files])[:1]

    def _without_rows(self, name: str) -> CheckEvaluation:
        earlier = "it" if len(self._files) == 1 else "them"
        text = (
            f"{self._name_all('Each of')} was refused before this rule was evaluated, and silver holds no earlier "
            f"version of {earlier}."
        )
        return CheckEvaluation(name, True, _WARN, self._about([]), text)

    def _not_evaluated(self, name: str, why: str, reports: Sequence[Report]) -> CheckEvaluation:
        return CheckEvaluation(name, False, _WARN, self._about(newest_first(reports)), f"Not evaluated: {why}")

    def _about(self, worst: Sequence[Report]) -> Metadata:
        """How many files were judged, and the delivery to look at first: the worst one, else the last one processed."""
        found = worst or self._last
        return {"files": len(self._files)} | ({"delivery_id": found[0].delivery_id} if found else {})

    @cached_property
    def _subject(self) -> str:
        """The files whose rows were checked, for the start of a sentence."""
        if len(self._files) == 1:
            (file,) = self._files
            name = base_name(file.report.source.key)
            if file.checked is file.report:
                return name
            return f"{name} was refused before its rows were checked; in the file that silver still holds"
        from_silver = sum(file.checked is not None and file.checked is not file.report for file in self._files)
        without = len(self._files) - len(self._checked)
        notes = [f"{from_silver:,} refused, but still in silver"] if from_silver else []
        notes += [f"{without:,} refused without rows"] if without else []
        return counted(len(self._files), "file") + (f" ({', '.join(notes)})" if notes else "")

    def _share(self, failed: int) -> str:
        return f"{failed:,} of {len(self._files):,} files break"

    def _name_all(self, each_of: str) -> str:
        files: Sequence[JudgedFile] = self._files
        return base_name(files[0].report.source.key) if len(files) == 1 else f"{each_of} {len(files):,} files"
