"""The results of rules as the results of checks: one for one, or of all rules of a kind of a wide contract together."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import dagster as dg

from etl_platform.defs.checks.check_evaluation import CheckEvaluation
from etl_platform.defs.table_metadata import table
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.rules.check_names import RuleCheck, rule_checks
from etl_platform.engine.rules.contract_rules import contract_rules

MAX_RULES_SHOWN = 50
_NAMED = 5


def group_results(results: Iterable[CheckEvaluation], contract: Contract) -> Iterator[CheckEvaluation]:
    """The results of the checks of a contract's rules.

    Args:
        results: one of each rule, in report order.
    """
    reasons = [*(rule.reason for rule in contract_rules(contract)), *(rule.name for rule in contract.dataset_rules)]
    by_rule = dict(zip(reasons, results, strict=True))
    for check in rule_checks(contract):
        of_rules = [(rule, by_rule[rule]) for rule in check.rules]
        yield _of_group(check, of_rules) if check.is_group else of_rules[0][1]


def _of_group(check: RuleCheck, results: Sequence[tuple[str, CheckEvaluation]]) -> CheckEvaluation:
    """A failed rule fails the check, with the severity of the worst."""
    failed = [(rule, result) for rule, result in results if not result.passed]
    failed.sort(key=lambda pair: (pair[1].severity is not dg.AssetCheckSeverity.ERROR, -_rows_broken(pair[1])))
    _, first = (failed or results)[0]
    metadata: dict[str, Any] = {
        "files": first.metadata.get("files"),
        "delivery_id": first.metadata.get("delivery_id"),
        "rules": len(results),
        "rules_failed": len(failed),
    }
    if failed:
        shown = [
            {"rule": rule, "rows_broken": _rows_broken(result), "result": result.description}
            for rule, result in failed[:MAX_RULES_SHOWN]
        ]
        metadata |= {"failed_rules": table(shown), "worst_files": first.metadata.get("worst_files")}
    metadata = {name: value for name, value in metadata.items() if value is not None}
    severity = first.severity if failed else dg.AssetCheckSeverity.WARN
    return CheckEvaluation(check.name, not failed, severity, metadata, _description(results, failed))


def _rows_broken(result: CheckEvaluation) -> int:
    return int(result.metadata.get("rows_broken", 0))


def _description(
    results: Sequence[tuple[str, CheckEvaluation]], failed: Sequence[tuple[str, CheckEvaluation]]
) -> str | None:
    if failed:
        named = ", ".join(rule for rule, _ in failed[:_NAMED])
        more = f" and {len(failed) - _NAMED:,} more" if len(failed) > _NAMED else ""
        return f"{len(failed):,} of {len(results):,} rules failed: {named}{more}. {failed[0][1].description}"
    texts = {result.description for _, result in results}
    if len(texts) == 1:
        return f"The same for each of {len(results):,} rules: {texts.pop()}"
    return f"All of {len(results):,} rules hold."
