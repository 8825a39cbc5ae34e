"""Whether the texts that an overlay puts into cells keep the contract's rules. Reads no file of an agency."""

from dataclasses import replace

import polars as pl

from etl_platform.engine.contract.model import Column, Contract
from etl_platform.engine.errors import ContractError, ErrorList
from etl_platform.engine.rules.compile_contract import compile_contract

_OF_OTHER_ROWS = (".unique",)


def check_overlay(contract: Contract) -> None:
    """Raise ContractError for each text in ``values`` that breaks a rule of its column, with the line of the column.

    Such a value would never reach silver, so it is a mistake in the overlay.
    """
    overlay, errors = contract.overlay, ErrorList()
    if overlay is None:
        return
    for column in contract.columns:
        if column.overlay is None or not column.overlay.values:
            continue
        for text, means in column.overlay.values:
            if broken := _broken_rule(contract, column, means):
                message = f"{column.name}: {text!r} means {means!r}, which breaks the rule {broken}; correct it"
                with errors.collect():
                    raise ContractError(message, path=overlay.path, line=overlay.lines.get(column.name))
    errors.raise_any()


def _broken_rule(contract: Contract, column: Column, text: str) -> str | None:
    # Rules about the day of delivery say nothing about a text.
    alone = replace(column, not_future=False, overlay=None)
    rules = replace(contract, columns=(alone,), primary_key=(), row_rules=(), dataset_rules=(), hook=None)
    compiled = compile_contract(rules, {column.name: 0})
    if not compiled.flags:
        # A frame without columns would have no row.
        return None
    checked = pl.DataFrame({"0": [text]}).select(compiled.texts).with_columns(compiled.typed)
    row = checked.select(compiled.flags).row(0, named=True)
    broken = [name.removeprefix("rule:") for name, is_broken in row.items() if is_broken]
    return next((rule for rule in broken if not rule.endswith(_OF_OTHER_ROWS)), None)
