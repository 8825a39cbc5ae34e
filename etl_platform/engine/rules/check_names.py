"""The names of a dataset's asset checks, and refusal of contracts whose names would collide in Dagster.

Imports no Polars, because every load of the code location names asset checks.
"""

from dataclasses import dataclass

from etl_platform.engine.contract.model import Contract
from etl_platform.engine.errors import ContractError
from etl_platform.engine.rules.contract_rules import contract_rules

FILE_CHECK = "file_is_readable_and_complete"
KEYS_CHECK = "keys_are_in_one_file"
ON_TIME_CHECK = "file_is_on_time"
RESERVED = frozenset({FILE_CHECK, KEYS_CHECK, ON_TIME_CHECK})
"""The platform's own checks of silver. No rule has such a name, even if its dataset lacks the check."""


@dataclass(frozen=True)
class NamedCheck:
    """The check of one rule. ``rule`` is the name of the rule, ``line`` the one of the contract that declares it."""

    name: str
    rule: str
    line: int


def check_name(reason: str) -> str:
    """A reason as the name of an asset check, which may have letters, digits and _ only."""
    return reason.replace(".", "__").replace("+", "_and_")


def rule_checks(contract: Contract) -> list[NamedCheck]:
    """The check of every rule of a contract, without the platform's own."""
    columns = {column.name: column.line for column in contract.columns}
    rows = {rule.name: rule.line for rule in contract.row_rules}
    rules = [
        # A rule without a column is a row rule, or the key of several columns.
        (rule.reason, rows.get(rule.reason) or columns[rule.column or contract.primary_key[0]])
        for rule in contract_rules(contract)
    ]
    rules += [(rule.name, rule.line) for rule in contract.dataset_rules]
    return [NamedCheck(check_name(reason), reason, line) for reason, line in rules]


def refuse_colliding_checks(contract: Contract) -> None:
    """Raise ContractError if two rules of a contract would share a check, or one takes a name of the platform."""
    seen: dict[str, NamedCheck] = {}
    for check in sorted(rule_checks(contract), key=lambda check: check.line):
        if check.name in RESERVED:
            message = f"{check.rule!r} is the name of a check of the platform; choose another name"
            raise ContractError(message, path=contract.path, line=check.line)
        if (first := seen.setdefault(check.name, check)) is not check:
            message = (
                f"{check.rule!r} and {first.rule!r} of line {first.line} would share the check {check.name}; rename one"
            )
            raise ContractError(message, path=contract.path, line=check.line)


def step_outputs(contract: Contract) -> dict[str, NamedCheck | None]:
    """The names under which Dagster knows the dataset and its checks in the step that all datasets share.

    They are dataset and check joined by ``_``, so two datasets can need the same one; None for the dataset itself.
    """
    own = [NamedCheck(name, name, 1) for name in sorted(RESERVED)]
    checks = {f"{contract.dataset}_{check.name}": check for check in (*own, *rule_checks(contract))}
    return {contract.dataset: None, **checks}
