"""SQL over the columns of one row → a Polars expression. Which SQL is allowed is decided in ``sql_guard``."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

import polars as pl

from etl_platform.engine.contract.model import DELIVERY_DAY
from etl_platform.engine.errors import ContractError
from etl_platform.engine.near_names import did_you_mean_or_all
from etl_platform.engine.rules.sql_meaning import SqlMeaningError, is_own, meaning
from etl_platform.engine.values.exact_integers import exact_integers, from_tree, operand_types, to_tree

_REGEX_REASON = re.compile(r"^error: (.+)$", re.MULTILINE)


def row_expression(
    sql: str, name: str, known: Mapping[str, pl.DataType], *, path: str, line: int, delivery_day: date | None = None
) -> pl.Expr:
    """Compile one expression.

    Args:
        sql: the text as the contract has it.
        name: of the rule or column, for messages.
        known: the columns that it may use, with their types.
        path: of the contract.
        line: of the expression in it.
        delivery_day: replaces ``delivery_day`` in the text.

    Raises:
        ContractError: not an SQL expression, one that ``sql_guard`` refuses, an unknown column, values of
            different kinds in one operation.
    """
    # sqlglot is slow to import, and loading the code location does not need it.
    from etl_platform.engine.rules.sql_spelling import RefusedSqlError

    try:
        return _compiled(sql, known, delivery_day)
    except (RefusedSqlError, SqlMeaningError) as error:
        raise ContractError(f"{name}: {error}", path=path, line=line) from None


def _compiled(sql: str, known: Mapping[str, pl.DataType], delivery_day: date | None) -> pl.Expr:
    from etl_platform.engine.rules.sql_guard import guard

    guarded = guard(sql)
    expression = _parsed(sql, f"{sql!r} is not an SQL expression")
    tree, used = to_tree(expression), _columns(expression)
    # Polars reads a word behind an expression, such as ISNULL, as an alias and leaves it out.
    if set(used) != guarded.columns or "Alias" in tree:
        raise SqlMeaningError(
            f"{sql!r} can be read in two ways; put the names of columns in double quotes, and write IS NULL for ISNULL"
        )
    if unknown := [column for column in used if column not in known]:
        raise SqlMeaningError(f"there is no column {unknown[0]!r}{did_you_mean_or_all(unknown[0], known)}")
    types = {column: known[column] for column in used}
    dated = types | {DELIVERY_DAY: pl.Date()} if guarded.delivery_day_spans else types
    meant = meaning(tree, dated)
    if mixture := _mixture(meant, dated):
        raise SqlMeaningError(f"{sql!r} {mixture}")
    if guarded.delivery_day_spans:
        # After the check: Polars folds literals while it parses, so a date plus a number would no longer be found.
        expression = _parsed(
            guarded.with_delivery_day(delivery_day), f"{sql!r} cannot be calculated for {delivery_day}"
        )
        tree = to_tree(expression)
        meant = meaning(tree, types)
    exact = exact_integers(meant, types)
    return expression if exact == tree else from_tree(exact)


def _parsed(sql: str, problem: str) -> pl.Expr:
    from etl_platform.engine.rules.sql_spelling import for_polars

    try:
        return pl.sql_expr(for_polars(sql))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise SqlMeaningError(f"{problem}: {first_line(error)}") from None


def used_columns(sql: str) -> tuple[str, ...]:
    """The columns of an expression that parses, each once, in order of appearance."""
    from etl_platform.engine.rules.sql_spelling import for_polars

    return tuple(dict.fromkeys(_columns(pl.sql_expr(for_polars(sql)))))


def _columns(expression: pl.Expr) -> list[str]:
    return [name for name in expression.meta.root_names() if name != DELIVERY_DAY and not is_own(name)]


def first_line(error: BaseException) -> str:
    """What is wrong, in one line; of a regular expression the reason, which is below the expression."""
    text = str(error).strip()
    reason = _REGEX_REASON.search(text) if text.startswith("regex") else None
    return f"the regular expression cannot be used: {reason[1]}" if reason else text.partition("\n")[0]


def _mixture(node: Any, known: Mapping[str, pl.DataType]) -> str | None:
    """The error of the first operation on values of different kinds; None without such an operation."""
    if isinstance(node, list):
        return next((found for part in node if (found := _mixture(part, known))), None)
    if not isinstance(node, dict):
        return None
    binary, called = node.get("BinaryExpr"), node.get("Function")
    pair: list[Any] = []
    # Polars names its functions of bytes BinaryExpr, too.
    if isinstance(binary, dict):
        pair = [binary["left"], binary["right"]]
    elif called and isinstance(called["function"], dict) and {"Binary", "IsIn"} & {*called["function"].get("Sql", ())}:
        pair = called["input"]
    types = [type_.inner if isinstance(type_, pl.List) else type_ for type_ in operand_types(pair, known) or []]
    if any(type_.is_temporal() for type_ in types) and any(type_.is_numeric() for type_ in types):
        # Polars would read the number as microseconds or days.
        return "combines a date or an interval with a number; write INTERVAL '3 days' for 3 days"
    others = [type_ for type_ in types if type_ != pl.String and (type_.is_temporal() or type_.is_numeric())]
    if others and pl.String in types:
        if others[0].is_temporal():
            return "compares a text with a date or time; write TRY_CAST(… AS DATE), or DATE '2026-01-31'"
        return "compares a text with a number; write TRY_CAST(… AS INTEGER), or the number without quotes"
    return next((found for part in node.values() if (found := _mixture(part, known))), None)
