"""The rules that were not evaluated for some files of a partition, which must not look as if no row broke them."""

from collections.abc import Mapping, Sequence
from functools import cached_property

from etl_platform.defs.checks.worst_files import some
from etl_platform.deliveries.report import Report
from etl_platform.engine.contract.model import Contract

YOUNGER = "The rule is younger than the report of"
CHECK_AGAIN = "Materialize the partition, which checks its files again."


class UnevaluatedRules:
    """Of rules about rows: why they were not evaluated, and for which files.

    Args:
        checked: the reports that say which rules were broken.
    """

    def __init__(self, checked: Sequence[Report], contract: Contract) -> None:
        self._checked, self._contract = checked, contract

    def find(self, reason: str) -> tuple[str, list[Report]] | None:
        """Why a rule was not evaluated with what to do, and the files; None if it was evaluated for all of them."""
        if without := self._younger_than(reason):
            return f"{YOUNGER} {some(without)}. {CHECK_AGAIN}", without
        if lacking := self._lacking(reason):
            names = sorted({name for columns in lacking.values() for name in columns})
            files = [report for report in self._checked if report.delivery_id in lacking]
            what = f"column{'s'[: len(names) - 1]} {', '.join(names)} {'are' if len(names) > 1 else 'is'} missing"
            return f"{what} in {some(files)}. Ask the agency for it, or add its new header as a synonym.", files
        return None

    def _younger_than(self, reason: str) -> list[Report]:
        """The reports of files that were checked before the rule existed."""
        lacking = {rules for rules, names in self._rule_lists.items() if rules is not True and reason not in names}
        return [report for report in self._checked if self._rules_of(report) in lacking] if lacking else []

    @cached_property
    def _rule_lists(self) -> dict[tuple[str, ...] | bool, frozenset[str]]:
        """The different lists of rules of the reports. Usually all reports have the same one."""
        lists = set(map(self._rules_of, self._checked))
        return {rules: frozenset(rules) if isinstance(rules, tuple) else frozenset() for rules in lists}

    def _rules_of(self, report: Report) -> tuple[str, ...] | bool:
        """The rules that the rows were checked by; if the report does not list them, whether they are today's.

        A report of release 0.2 has no list.
        """
        if report.rules is not None:
            return report.rules
        return report.contract is not None and report.contract.sha256 == self._contract.sha256

    def _lacking(self, reason: str) -> dict[str, set[str]]:
        """By delivery, the columns that a rule over several columns needs and that the file does not have."""
        missing = {
            report.delivery_id: set(report.check.columns.missing)
            for report in self._checked
            if report.check.columns and report.check.columns.missing
        }
        if not missing:
            return {}
        used = self._columns_of_rules.get(reason, frozenset())
        return {delivery_id: lacking & used for delivery_id, lacking in missing.items() if lacking & used}

    @cached_property
    def _columns_of_rules(self) -> Mapping[str, frozenset[str]]:
        """The columns of the file that row rules, and rules of derived columns, are about."""
        from etl_platform.engine.rules.derived_columns import lineage, rule_inputs

        contract = self._contract
        sources = lineage(contract)
        several = {rule.name for rule in contract.row_rules}
        derived = {column.name for column in contract.columns if column.derived}
        return {
            reason: frozenset(source for name in columns for source in sources[name])
            for reason, columns in rule_inputs(contract).items()
            if reason in several or reason.partition(".")[0] in derived
        }
