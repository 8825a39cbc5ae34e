"""The examples of a result with their cells as the file has them, for the sender's own eyes. Decides about no row."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from etl_platform.engine.columns import DAMAGED_ROW
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.corrections import Cells
from etl_platform.engine.output.quarantine_files import quarantined_rows
from etl_platform.engine.privacy.masking import shown
from etl_platform.engine.result import CheckResult, Example
from etl_platform.engine.rules.derived_columns import rule_inputs


def with_values(result: CheckResult, contract: Contract, quarantine: Path) -> CheckResult:
    """The result with unmasked examples.

    A check itself never shows them: what it masks must not depend on who looks.

    Args:
        quarantine: the file with the refused rows.
    """
    places = {(example.member, example.line) for found in result.examples.values() for example in found}
    rows = quarantined_rows(quarantine, list(places))
    examples, inputs = dict(result.examples), rule_inputs(contract)
    for reason, found in result.examples.items():
        names = header_names(result, inputs, reason)
        if names:
            examples[reason] = tuple(_open(example, names, rows[example.member, example.line][0]) for example in found)
    return replace(result, examples=examples)


def masks_values(result: CheckResult, contract: Contract) -> bool:
    """Whether an example has a masked value that ``with_values`` would show."""
    masked, inputs = {name for name, column in result.profile.items() if column.masked}, rule_inputs(contract)
    return any(
        not masked.isdisjoint(_names(inputs, reason))
        and bool(header_names(result, inputs, reason))
        and any(example.value for example in found)
        for reason, found in result.examples.items()
    )


def _names(inputs: Mapping[str, Sequence[str]], reason: str) -> Sequence[str]:
    """The columns of the contract that a rule is about."""
    return inputs.get(reason) or reason.rpartition(".")[0].split("+")


def header_names(result: CheckResult, inputs: Mapping[str, Sequence[str]], reason: str) -> list[str]:
    """The columns of the file that a rule is about, by their names there; empty for a damaged row.

    Args:
        inputs: see ``rule_inputs``; a key of several columns is not among them.
    """
    if result.columns is None or reason.startswith(DAMAGED_ROW):
        return []
    names = _names(inputs, reason)
    derived = result.columns.derived_from or {}
    sources = dict.fromkeys(source for name in names for source in derived.get(name, (name,)))
    return [result.columns.matched[name] for name in sources if name in result.columns.matched]


def _open(example: Example, names: Sequence[str], cells: Cells) -> Example:
    if len(names) == 1:
        return replace(example, value=shown(cells[names[0]]))
    return replace(example, value=", ".join(f"{name}={shown(cells[name] or '')}" for name in names))
