"""What SQL means where Polars' functions differ or are missing: dates, places in texts, constants, own functions.

Serialized expressions in and out. ``sql_guard`` decides which SQL is allowed, ``row_sql`` compiles it.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import polars as pl

from etl_platform.engine.rules.sql_dates import DATE_PARTS, DIFF_PARTS, date_diff, date_trunc, format_guard, parsed
from etl_platform.engine.values.exact_integers import from_tree, operand_types, to_tree

_COMPARISONS = frozenset({"Eq", "NotEq", "Lt", "LtEq", "Gt", "GtEq", "EqValidity", "NotEqValidity"})
_CALL = "\0"
"""Starts the separator of a CONCAT_WS that encodes a function of our own."""

_CONSTANTS = {f"{_CALL}TRUE": True, f"{_CALL}FALSE": False}


class SqlMeaningError(ValueError):
    """SQL that has no meaning here; the message says what to write instead."""


def own_call(name: str) -> str:
    """The SQL with which a call of one of our functions begins when Polars parses it: ``name(`` becomes this."""
    return f"CONCAT_WS('{_CALL}{name}', "


def own_constant(name: str) -> str:
    """TRUE or FALSE as Polars parses it. So ``x = TRUE`` differs from ``x IS TRUE``, which is never null."""
    return f'"{_CALL}{name}"'


def is_own(column: str) -> bool:
    """Whether a column's name encodes a constant."""
    return column in _CONSTANTS


def meaning(tree: Any, types: Mapping[str, pl.DataType]) -> Any:
    """A serialized expression that means what SQL means; equal to ``tree`` where Polars agrees.

    Raises:
        SqlMeaningError: a comparison of a date with a text that is not a date, wrong arguments of a function.
    """
    if isinstance(tree, list):
        return [meaning(part, types) for part in tree]
    if not isinstance(tree, dict):
        return tree
    match tree:
        case {"BinaryExpr": {"op": "Eq", "right": {"Literal": {"Scalar": {"Boolean": bool()}}}} as test}:
            # IS TRUE. In = TRUE, there is a constant of ours on the right.
            tree = {"BinaryExpr": test | {"op": "EqValidity"}}
    return _meant({key: meaning(part, types) for key, part in tree.items()}, types)


def _meant(tree: dict[str, Any], types: Mapping[str, pl.DataType]) -> Any:
    """One node, whose parts have their meaning."""
    found: Any = tree
    match tree:
        case {"Function": {"input": [given, *_], "function": {"StringExpr": {"Strptime": [{"Literal": to}, how]}}}}:
            found = _read(given, to, how["format"], types, strict=True)
        case {"Cast": {"expr": given, "dtype": {"Literal": to}, "options": "NonStrict"}}:
            found = _tried(tree, given, to, types)
        case {"Function": {"input": [text, start, length], "function": {"StringExpr": "Slice"}}}:
            found = _slice(text, start, length)
        case {"Function": {"input": [text, old, new], "function": {"StringExpr": {"Replace": _}}}}:
            found = tree if "Literal" in new else _replaced(tree, [text, old], from_tree(new))
        case {"Function": {"function": "FillNull", "input": [{"BinaryExpr": {"left": {"Function": search}}}, _]}}:
            found = _position(*search["input"]) if _is_find(search) else tree
        case {"Column": name} if name in _CONSTANTS:
            found = to_tree(pl.lit(_CONSTANTS[name]))
        case {"Function": {"input": [number], "function": {"Sql": {"Round": {"decimals": decimals}}}}}:
            found = to_tree(from_tree(number).round(decimals, mode="half_away_from_zero"))
        case {"BinaryExpr": {"op": operator, "left": left, "right": right}} if operator in _COMPARISONS:
            left, right = _as_moment(left, right, types), _as_moment(right, left, types)
            found = {"BinaryExpr": {"left": left, "op": operator, "right": right}}
        case {"Function": {"input": inputs, "function": {"StringExpr": {"ConcatHorizontal": {"delimiter": name}}}}}:
            found = _OWN[name.removeprefix(_CALL)](inputs, types) if name.startswith(_CALL) else tree
    return found


def _type(tree: Any, types: Mapping[str, pl.DataType]) -> pl.DataType | None:
    """None where the part is invalid; its evaluation then reports why."""
    found = operand_types([tree], types)
    return found[0] if found else None


def _read(given: Any, to: Any, form: str | None, types: Mapping[str, pl.DataType], *, strict: bool) -> Any:
    """``DATE``, ``TIME``, ``TIMESTAMP`` and ``STRPTIME``."""
    kind = to if isinstance(to, str) else "Datetime"
    found = _type(given, types)
    if found is not None and found.is_temporal():
        return {"Cast": {"expr": given, "dtype": {"Literal": to}, "options": "Strict"}}
    if form is not None:
        _refuse_bad_format(form)
    return to_tree(parsed(from_tree(given), kind, form, strict=strict))


def _refuse_bad_format(form: str) -> None:
    format_guard(form)
    try:
        pl.select(pl.lit(None, pl.String).str.strptime(pl.Datetime("us"), form, strict=False))
        pl.select(pl.lit("").str.strptime(pl.Datetime("us"), form, strict=False))
    except pl.exceptions.PolarsError as error:
        raise SqlMeaningError(f"the format {form!r} is not valid: {str(error).partition(chr(10))[0]}") from None


def _tried(tree: Any, given: Any, to: Any, types: Mapping[str, pl.DataType]) -> Any:
    """``TRY_CAST`` of a text to a date, time, timestamp or boolean, which Polars' cast does not have."""
    kind = next(iter(to)) if isinstance(to, dict) else to
    if kind not in {"Date", "Datetime", "Time", "Boolean"} or _type(given, types) != pl.String:
        return tree
    if kind == "Boolean":
        word = from_tree(given).str.strip_chars().str.to_lowercase()
        yes, no = word.is_in(["true", "t", "yes", "y", "1"]), word.is_in(["false", "f", "no", "n", "0"])
        return to_tree(pl.when(yes).then(pl.lit(value=True)).when(no).then(pl.lit(value=False)))
    return to_tree(parsed(from_tree(given), kind, None, strict=False))


def _slice(text: Any, start: Any, length: Any) -> Any:
    """``SUBSTR``, ``LEFT`` and ``RIGHT`` with a computed place: null where it is null, from the text's start at most.

    A negative length fails in an explicit cast, so that its rows are known without a search.
    """
    known = []
    if "Literal" not in start:
        known.append(from_tree(start).is_not_null())
        start = to_tree(pl.max_horizontal(from_tree(start), 0))
    if "Literal" not in length:
        known.append(from_tree(length).is_not_null())
        length = {"Cast": {"expr": length, "dtype": {"Literal": "UInt64"}, "options": "Strict"}}
    part = {"Function": {"input": [text, start, length], "function": {"StringExpr": "Slice"}}}
    return to_tree(pl.when(*known).then(from_tree(part))) if known else part


def _replaced(tree: Any, inputs: list[Any], new: pl.Expr) -> Any:
    """A replacement that is null gives null; Polars fails."""
    whole = {"Function": tree["Function"] | {"input": [*inputs, to_tree(new.fill_null(""))]}}
    return to_tree(pl.when(new.is_not_null()).then(from_tree(whole)))


def _is_find(function: Mapping[str, Any]) -> bool:
    found = function["function"]
    return isinstance(found, dict) and "Find" in found.get("StringExpr", ())


def _position(text: Any, part: Any) -> Any:
    """``STRPOS`` and ``POSITION`` in characters. Polars searches for a regular expression and counts bytes."""
    whole, wanted = from_tree(text), from_tree(part)
    before = whole.cast(pl.Binary).bin.slice(0, whole.str.find(wanted, literal=True)).cast(pl.String)
    return to_tree(
        pl.when(whole.is_not_null() & wanted.is_not_null())
        .then(pl.when(whole.str.contains(wanted, literal=True)).then(before.str.len_chars() + 1).otherwise(0))
        .cast(pl.Int64)
    )


def _as_moment(side: Any, other: Any, types: Mapping[str, pl.DataType]) -> Any:
    """A text between quotes that is compared with a date or timestamp, as a date or timestamp."""
    match side:
        case {"Literal": {"Scalar": {"String": text}}}:
            found = _type(other, types)
        case _:
            return side
    if found is None or found.base_type() not in {pl.Date, pl.Datetime}:
        return side
    try:
        moment = date.fromisoformat(text) if len(text) == len("yyyy-mm-dd") else datetime.fromisoformat(text)
    except ValueError:
        raise SqlMeaningError(f"{text!r} is compared with a date and is not a date; write DATE '2026-01-31'") from None
    return to_tree(pl.lit(moment))


def _literal(tree: Any, what: str) -> str:
    match tree:
        case {"Literal": {"Scalar": {"String": text}}}:
            return str(text)
    raise SqlMeaningError(f"{what} must be a text between quotes")


def _arguments(name: str, inputs: Sequence[Any], *expected: str) -> Sequence[Any]:
    if len(inputs) != len(expected):
        raise SqlMeaningError(f"{name} takes {len(expected)} arguments: {', '.join(expected)}")
    return inputs


def _try_strptime(inputs: Sequence[Any], types: Mapping[str, pl.DataType]) -> Any:
    text, form = _arguments("TRY_STRPTIME", inputs, "a text", "a format")
    form = _literal(form, "the format of TRY_STRPTIME")
    return _read(text, {"Datetime": ["Microseconds", None]}, form, types, strict=False)


def _part(name: str, tree: Any, parts: Collection[str]) -> str:
    part = _literal(tree, f"the part of {name}").lower()
    if part not in parts:
        raise SqlMeaningError(f"{name} has no part {part!r}; use one of {', '.join(parts)}")
    return part


def _moment(name: str, tree: Any, types: Mapping[str, pl.DataType]) -> pl.Expr:
    found = _type(tree, types)
    if found is not None and found.base_type() not in {pl.Date, pl.Datetime}:
        raise SqlMeaningError(f"{name} takes a date or a timestamp, not {found}; write TRY_CAST(… AS DATE)")
    return from_tree(tree)


def _date_trunc(inputs: Sequence[Any], types: Mapping[str, pl.DataType]) -> Any:
    part, given = _arguments("DATE_TRUNC", inputs, "a part", "a date")
    return to_tree(date_trunc(_part("DATE_TRUNC", part, DATE_PARTS), _moment("DATE_TRUNC", given, types)))


def _date_diff(inputs: Sequence[Any], types: Mapping[str, pl.DataType]) -> Any:
    part, *moments = _arguments("DATE_DIFF", inputs, "a part", "a start", "an end")
    start, end = (_moment("DATE_DIFF", moment, types) for moment in moments)
    return to_tree(date_diff(_part("DATE_DIFF", part, DIFF_PARTS), start, end))


_OWN: Mapping[str, Callable[[Sequence[Any], Mapping[str, pl.DataType]], Any]] = {
    "TRY_STRPTIME": _try_strptime,
    "DATE_TRUNC": _date_trunc,
    "DATE_DIFF": _date_diff,
}
OWN_FUNCTIONS = frozenset(_OWN)
