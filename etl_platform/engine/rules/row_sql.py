"""SQL over the columns of one row → an expression; what looks beyond its row or may fail a whole file is refused."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from etl_platform.engine.errors import ContractError
from etl_platform.engine.values.exact_integers import exact_integers, from_tree, operand_types, to_tree

_BEYOND = {"Agg", "Over", "Len", "Quantile", "Shift", "Explode", "Rank", "SubPlan"}


def row_expression(sql: str, name: str, known: Mapping[str, pl.DataType], *, path: str, line: int) -> pl.Expr:
    """Parse one expression.

    Args:
        sql: the text as the contract has it.
        name: whose it is, for messages.
        known: the columns that it may use, with their types.

    Raises:
        ContractError: no SQL, an unknown column, a strict CAST, an aggregate, a window, a time beside a number.
    """
    try:
        expression = pl.sql_expr(sql)
        used = expression.meta.root_names()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        message = f"{name}: {sql!r} is no SQL expression: {first_line(error)}"
        raise ContractError(message, path=path, line=line) from None
    unknown = [column for column in used if column not in known]
    if unknown:
        message = f"{name} names the unknown column {unknown[0]!r}; there are {', '.join(known)}"
        raise ContractError(message, path=path, line=line)
    tree = to_tree(expression)
    if _casts_strictly(tree):
        message = f"{name}: CAST would fail the whole file at the first odd value; write TRY_CAST"
        raise ContractError(message, path=path, line=line)
    if _looks_beyond_its_row(tree):
        message = f"{name}: {sql!r} looks at more than one row; it is given one at a time"
        raise ContractError(message, path=path, line=line)
    if _sets_time_beside_number(tree, known):
        message = f"{name}: {sql!r} sets a date or a span of time beside a number; write INTERVAL '3 days' for 3 days"
        raise ContractError(message, path=path, line=line)
    exact = exact_integers(tree, known)
    return expression if exact == tree else from_tree(exact)


def used_columns(sql: str) -> tuple[str, ...]:
    """The columns of an expression that parses, each once, in order of appearance."""
    return tuple(dict.fromkeys(pl.sql_expr(sql).meta.root_names()))


def first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]


def _casts_strictly(node: Any) -> bool:
    """Whether a serialized expression holds a CAST; NOT brings one to Boolean of its own."""
    if isinstance(node, dict):
        cast = node.get("Cast")
        strict = isinstance(cast, dict) and cast["options"] == "Strict" and cast["dtype"] != {"Literal": "Boolean"}
        return strict or any(map(_casts_strictly, node.values()))
    return isinstance(node, list) and any(map(_casts_strictly, node))


def _looks_beyond_its_row(node: Any) -> bool:
    """Whether a serialized expression aggregates or looks at other rows: batches would change its answer."""
    if isinstance(node, dict):
        inner = [value for key, value in node.items() if key not in {"Column", "Literal"}]
        return not _BEYOND.isdisjoint(node) or any(map(_looks_beyond_its_row, inner))
    if isinstance(node, list):
        return any(map(_looks_beyond_its_row, node))
    return isinstance(node, str) and node in _BEYOND


def _sets_time_beside_number(node: Any, known: Mapping[str, pl.DataType]) -> bool:
    """Whether a serialized expression calculates or compares so: Polars takes the number for microseconds or days."""
    if isinstance(node, list):
        return any(_sets_time_beside_number(part, known) for part in node)
    if not isinstance(node, dict):
        return False
    binary, called = node.get("BinaryExpr"), node.get("Function")
    pair = [binary["left"], binary["right"]] if binary else []
    if called and isinstance(called["function"], dict) and "Binary" in called["function"].get("Sql", ()):
        pair = called["input"]
    types = operand_types(pair, known) or []
    beside = any(type_.is_temporal() for type_ in types) and any(type_.is_numeric() for type_ in types)
    return beside or any(_sets_time_beside_number(part, known) for part in node.values())
