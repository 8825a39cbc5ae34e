"""Exact whole numbers in the SQL of a row. In Polars they overflow silently; 8-bit ones, such as months, beyond 127.

Only serialized expressions; ``row_sql`` decides which SQL is allowed.
"""

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

_SUM, _PRODUCT, _POWER = {"Plus", "Minus"}, {"Sql": {"Binary": "Mul"}}, {"Pow": "Generic"}


def exact_integers(tree: Any, schema: Mapping[str, pl.DataType]) -> Any:
    """A serialized expression whose sums, products and powers of whole numbers are exact to 38 digits and fail beyond.

    It is equal to ``tree`` where it has none of them. Divisions are exact already.
    """
    if isinstance(tree, list):
        return [exact_integers(part, schema) for part in tree]
    if not isinstance(tree, dict):
        return tree
    tree = {key: exact_integers(part, schema) for key, part in tree.items()}
    binary, called = tree.get("BinaryExpr"), tree.get("Function")
    if isinstance(binary, dict) and binary["op"] in _SUM and _are_whole([binary["left"], binary["right"]], schema):
        sides = {side: _decimal(binary[side]) for side in ("left", "right")}
        return _wide({"BinaryExpr": binary | sides})
    if called and called["function"] in (_PRODUCT, _POWER, "Abs") and _are_whole(called["input"], schema):
        return _exact_call(called)
    return tree


def from_tree(tree: Any) -> pl.Expr:
    return pl.Expr.deserialize(io.StringIO(json.dumps(tree)), format="json")


def to_tree(expression: pl.Expr) -> Any:
    return json.loads(expression.meta.serialize(format="json"))


def operand_types(operands: Sequence[Any], schema: Mapping[str, pl.DataType]) -> list[pl.DataType] | None:
    """The types of serialized expressions; None where one is invalid. Its evaluation then reports why."""
    frame = pl.LazyFrame(schema=schema)
    try:
        return [frame.select(from_tree(operand).alias("_")).collect_schema()["_"] for operand in operands]
    except pl.exceptions.PolarsError:
        return None


def _are_whole(operands: Sequence[Any], schema: Mapping[str, pl.DataType]) -> bool:
    types = operand_types(operands, schema)
    return types is not None and all(type_.is_integer() or type_ == pl.Boolean for type_ in types)


def _exact_call(called: Any) -> Any:
    if called["function"] == _POWER:
        return _power(*called["input"])
    if called["function"] == _PRODUCT:
        return _wide({"Function": called | {"input": [*map(_decimal, called["input"])]}})
    return {"Function": called | {"input": [*map(_wide, called["input"])]}}


def _power(base: Any, exponent: Any) -> Any:
    """A power of at most 38 digits; a larger one fails in the cast."""
    about = from_tree(base).cast(pl.Float64).pow(from_tree(exponent).cast(pl.Float64))
    exact = from_tree(_wide(base)).pow(from_tree(_cast(exponent, "UInt32")))
    return to_tree(pl.when(about.cast(pl.Decimal(38, 0)).is_not_null()).then(exact))


def _wide(tree: Any) -> Any:
    return _cast(tree, "Int128")


def _decimal(tree: Any) -> Any:
    """Decimals fail instead of wrapping. A Boolean has no cast to Decimal, so it is cast to Int128 first."""
    return _cast(_wide(tree), {"Decimal": [38, 0]})


def _cast(tree: Any, to: Any) -> Any:
    return {"Cast": {"expr": tree, "dtype": {"Literal": to}, "options": "Strict"}}
