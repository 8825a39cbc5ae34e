"""The rules of one contract by name, in report order, with a sentence for people.

Imports no Polars, because every load of the code location declares asset checks from these rules.
"""

from collections.abc import Collection
from dataclasses import dataclass

from etl_platform.engine.columns import (
    BAD_QUOTE,
    BROKEN_CHARACTER,
    CONTROL_CHARACTER,
    CUT,
    DUPLICATES_DIFFER,
    NO_KNOWN_CELL,
    OUTSIDE,
    SPANS_ROWS,
    TOO_FEW,
    TOO_MANY,
)
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.rules.kinds import COLUMN_KINDS

ROW_DAMAGES = {
    TOO_FEW: "The row ends before the last column.",
    TOO_MANY: "The row has more cells than the header.",
    BROKEN_CHARACTER: "A letter is lost: its bytes are cut or of another encoding, or � stands for it.",
    CONTROL_CHARACTER: "A cell has a control character; the letter or sign that it stands for is lost.",
    BAD_QUOTE: "A quote is out of place: it is not doubled, never closes, or the delimiter before it is missing.",
    CUT: "A line with one cell stands directly above or below, which may be a piece of this row.",
    SPANS_ROWS: "A quoted text spans lines that could each be a row.",
    DUPLICATES_DIFFER: "Two columns with the same name have different texts.",
    OUTSIDE: "The row belongs to another table, or is a title, below the rows of the file.",
    NO_KNOWN_CELL: "The row has text only in columns that the contract does not have.",
}
"""Reasons of rows whose cells or letters cannot be read, with their sentences. They apply to every contract."""


@dataclass(frozen=True)
class Rule:
    """``reason`` is what a quarantined row carries; ``column`` is None for a rule about whole rows.

    Attributes:
        kind: the suffix of its ``RuleKind``; None for a row rule.
    """

    reason: str
    column: str | None
    description: str
    kind: str | None = None


def contract_rules(contract: Contract) -> list[Rule]:
    """Every rule of a contract: column by column, then the key of several columns, then row rules."""
    rules = [
        Rule(kind.reason(column), column.name, f"{column.name} {kind.sentence(column)}.", kind.suffix)
        for column in contract.columns
        for kind in COLUMN_KINDS
        if kind.applies(column)
    ]
    for reason, columns in unique_keys(contract).items():
        if len(columns) > 1:
            sentence = f"{' and '.join(columns)} together must not occur twice in a file."
            rules.append(Rule(reason, None, sentence, "unique"))
    rules += [Rule(r.name, None, r.description or f"Must not be false: {r.sql}") for r in contract.row_rules]
    return rules


def sentences_of(contract: Contract, reasons: Collection[str]) -> dict[str, str]:
    """The sentence of each of the given reasons, damaged rows first, then in report order."""
    if not reasons:
        return {}
    sentences = ROW_DAMAGES | {rule.reason: rule.description for rule in contract_rules(contract)}
    return {reason: sentence for reason, sentence in sentences.items() if reason in reasons}


def unique_keys(contract: Contract) -> dict[str, tuple[str, ...]]:
    """The columns of each uniqueness rule, by reason."""
    keys: dict[str, tuple[str, ...]] = {f"{c.name}.unique": (c.name,) for c in contract.columns if c.unique}
    if len(contract.primary_key) > 1:
        keys[f"{'+'.join(contract.primary_key)}.unique"] = contract.primary_key
    return keys
