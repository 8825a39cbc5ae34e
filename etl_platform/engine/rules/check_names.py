"""The names of a dataset's asset checks, and refusal of contracts whose names would collide in Dagster.

Imports no Polars, because every load of the code location names asset checks.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from etl_platform.engine.contract.model import Contract
from etl_platform.engine.errors import ContractError
from etl_platform.engine.rules.contract_rules import contract_rules

FILE_CHECK = "file_is_readable_and_complete"
KEYS_CHECK = "keys_are_in_one_file"
ON_TIME_CHECK = "file_is_on_time"
DRIFT_CHECK = "like_last_time"
FOREIGN_KEYS_CHECK = "foreign_keys_are_in_silver"
PERSONAL_DATA_CHECK = "personal_data_is_announced"
RESERVED = frozenset({FILE_CHECK, KEYS_CHECK, ON_TIME_CHECK, DRIFT_CHECK, FOREIGN_KEYS_CHECK, PERSONAL_DATA_CHECK})
"""The platform's own checks of silver. No rule has such a name, even if its dataset lacks the check."""
MAX_CHECKS = 100
"""Limit for rules about columns, for row rules and for dataset rules. Each file logs a result of 2 KB for each check.

If there are more rules, those of one kind share a check. So a rule that is added changes no other name, except where
the number of rules passes this limit.
"""


@dataclass(frozen=True)
class RuleCheck:
    """The check of a rule, or of all rules of a kind.

    Attributes:
        rules: their names, in report order.
        line: of the contract, that declares the first of them.
        is_group: whether its results are about several rules, also if there is only one yet.
    """

    name: str
    rules: tuple[str, ...]
    line: int
    description: str = ""
    is_group: bool = False

    @property
    def label(self) -> str:
        """How messages name it."""
        return self.name if self.is_group else self.rules[0]


def check_name(reason: str) -> str:
    """A reason as the name of an asset check, which may have letters, digits and _ only."""
    return reason.replace(".", "__").replace("+", "_and_")


@lru_cache(4_096)
def rule_checks(contract: Contract) -> tuple[RuleCheck, ...]:
    """The checks of all rules of a contract, in report order, without the platform's own."""
    columns = {column.name: column.line for column in contract.columns}
    rows = {rule.name: rule.line for rule in contract.row_rules}
    by_level: dict[str, list[tuple[str, RuleCheck]]] = {"columns": [], "rows": [], "files": []}
    for rule in contract_rules(contract):
        if rule.kind is None:
            by_level["rows"].append(("row_rules", _single(rule.reason, rows[rule.reason], rule.description)))
        else:
            # A rule of a kind without a column is about the key of several columns.
            line = columns[rule.column or contract.primary_key[0]]
            by_level["columns"].append((f"columns_{rule.kind}", _single(rule.reason, line, rule.description)))
    for one in contract.dataset_rules:
        by_level["files"].append(("dataset_rules", _single(one.name, one.line, one.description or one.text)))
    return tuple(check for checks in by_level.values() for check in _grouped(checks))


def _single(reason: str, line: int, description: str) -> RuleCheck:
    return RuleCheck(check_name(reason), (reason,), line, description)


def _grouped(checks: Sequence[tuple[str, RuleCheck]]) -> list[RuleCheck]:
    """The checks of single rules, or of each kind if there are too many."""
    if len(checks) <= MAX_CHECKS:
        return [check for _, check in checks]
    groups: dict[str, list[RuleCheck]] = defaultdict(list)
    for kind, check in checks:
        groups[kind].append(check)
    return [
        RuleCheck(
            kind,
            tuple(rule for check in group for rule in check.rules),
            group[0].line,
            f"{len(group):,} rules, such as {group[0].rules[0]}. A result names those that are broken.",
            is_group=True,
        )
        for kind, group in groups.items()
    ]


def refuse_colliding_checks(contract: Contract) -> None:
    """Raise ContractError if two rules of a contract would share a check, or one takes a name of the platform."""
    seen: dict[str, RuleCheck] = {}
    for check in sorted(rule_checks(contract), key=lambda check: check.line):
        if check.name in RESERVED:
            message = f"{check.label!r} is the name of a check of the platform; choose another name"
            raise ContractError(message, path=contract.path, line=check.line)
        if (first := seen.setdefault(check.name, check)) is not check:
            both = f"{check.label!r} and {first.label!r} of line {first.line}"
            message = f"{both} would share the check {check.name}; rename one"
            raise ContractError(message, path=contract.path, line=check.line)


def step_outputs(contract: Contract) -> dict[str, RuleCheck | None]:
    """The names under which Dagster knows the dataset and its checks in the step that all datasets share.

    They are dataset and check joined by ``_``, so two datasets can need the same one; None for the dataset itself.
    """
    own = [RuleCheck(name, (name,), 1) for name in sorted(RESERVED)]
    checks = {f"{contract.dataset}_{check.name}": check for check in (*own, *rule_checks(contract))}
    return {contract.dataset: None, **checks}
