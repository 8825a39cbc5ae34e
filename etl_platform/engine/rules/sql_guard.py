"""Which SQL a contract may use: expressions whose result depends only on the row and the day of delivery.

Decided on sqlglot's parse tree; Polars evaluates the expression (``row_sql``). sqlglot takes 0.1 CPU s to import, so
this module is imported only where a contract is compiled.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from etl_platform.engine.contract.model import DELIVERY_DAY
from etl_platform.engine.rules.sql_spelling import PolarsSql, RefusedSqlError, has_semicolon, refuse_open_distinct

FUNCTIONS: Mapping[str, str] = {
    "numbers": "ABS ACOS ACOSD ASIN ASIND ATAN ATAN2 ATAN2D ATAND BIT_AND BIT_COUNT BIT_NOT BIT_OR BIT_XOR CBRT CEIL "
    "CEILING COS COSD COT COTD DEGREES DIV ERF ERFC EXP FLOOR LN LOG LOG10 LOG1P LOG2 MOD PI POW POWER RADIANS ROUND "
    "SIGN SIN SIND SQRT TAN TAND TRUNC TRUNCATE",
    "texts": "BIT_LENGTH CHAR_LENGTH CHARACTER_LENGTH CONCAT CONCAT_WS ENDS_WITH INITCAP LEFT LEN LENGTH LOWER LPAD "
    "LTRIM NORMALIZE OCTET_LENGTH POSITION REGEXP_LIKE REGEXP_REPLACE REPLACE REVERSE RIGHT RPAD RTRIM SPLIT_PART "
    "STARTS_WITH STRPOS SUBSTR SUBSTRING TRIM UPPER",
    "dates and times": "DATE DATE_DIFF DATE_PART DATE_TRUNC DAY DAYOFMONTH DAYOFWEEK DAYOFYEAR EXTRACT HOUR MINUTE "
    "MONTH QUARTER SECOND STRFTIME STRPTIME TIME TIMESTAMP TRY_STRPTIME WEEK YEAR",
    "any type": "COALESCE GREATEST IF IFNULL LEAST NULLIF TRY_CAST",
}
"""Polars' functions that use one row and always give the same result for the same values, by what they are for."""

_ALLOWED = frozenset(" ".join(FUNCTIONS.values()).split())
_NODES: frozenset[type[exp.Expr]] = frozenset(
    [
        *[exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Null, exp.Interval, exp.Var, exp.Paren],
        *[exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Between, exp.In, exp.Is],
        *[exp.NullSafeEQ, exp.NullSafeNEQ, exp.Like, exp.ILike, exp.RegexpLike, exp.RegexpILike, exp.StartsWith],
        *[exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.Neg, exp.DPipe, exp.BitwiseAnd, exp.BitwiseOr],
        *[exp.Case, exp.If, exp.TryCast, exp.DataType, exp.DataTypeParam, exp.Extract, exp.Trim, exp.Substring],
        *[exp.StrPosition, exp.Ceil, exp.Floor, exp.Initcap, exp.Normalize],
    ]
)
_INSTEAD: Mapping[type[exp.Expr], str] = {
    exp.Pow: "databases disagree about ^; write POW(a, b), or BIT_XOR(a, b)",
    exp.RawString: "write a text between single quotes, and a quote inside it twice",
    exp.Escape: "LIKE has no ESCAPE here; write STARTS_WITH, STRPOS, or ~ with a regular expression",
}
_BITS = frozenset({exp.BitwiseAnd, exp.BitwiseOr})
_TYPES = frozenset(
    exp.DataType.build(name, dialect="postgres").this
    for name in (
        *("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "REAL", "DOUBLE", "DECIMAL"),
        *("VARCHAR", "TEXT", "BOOLEAN", "DATE", "TIMESTAMP", "TIME"),
    )
)
_TYPE_NAMES = "INTEGER, BIGINT, DOUBLE, DECIMAL(p, s), VARCHAR, BOOLEAN, DATE, TIMESTAMP, TIME"
_CLOCKS = (exp.CurrentDate, exp.CurrentTime, exp.CurrentTimestamp, exp.Localtime, exp.Localtimestamp)
_CLOCK_NAMES = frozenset(
    [
        "NOW",
        "TODAY",
        "CURRENT_DATE",
        "CURRENT_TIME",
        "CURRENT_TIMESTAMP",
        "CLOCK_TIMESTAMP",
        "STATEMENT_TIMESTAMP",
        "TRANSACTION_TIMESTAMP",
        "CURDATE",
        "CURTIME",
        "GETDATE",
        "SYSDATETIME",
        "UTC_TIMESTAMP",
    ]
)

_PADDING = frozenset({"LPAD", "RPAD"})
_LONGEST_PADDING = 1_000
"""A length out of a cell could ask for more memory than there is, which ends the process."""


@dataclass(frozen=True)
class GuardedSql:
    """An expression that passed the guard.

    Attributes:
        columns: the column names that it uses, without ``delivery_day``.
        delivery_day_spans: start and end of each ``delivery_day`` in the text.
    """

    text: str
    columns: frozenset[str]
    delivery_day_spans: tuple[tuple[int, int], ...]

    def with_delivery_day(self, delivery_day: date | None) -> str:
        """The expression with the day of delivery as a literal."""
        text = self.text
        for start, end in reversed(self.delivery_day_spans):
            assert delivery_day is not None
            text = f"{text[:start]}(DATE '{delivery_day.isoformat()}'){text[end:]}"
        return text


@lru_cache(maxsize=1024)
def guard(sql: str) -> GuardedSql:
    """Check one expression.

    Raises:
        RefusedSqlError: it cannot be parsed, or uses what is not allowed.
    """
    tree = _parse(sql)
    refuse_open_distinct(sql)
    for node in tree.walk():
        _check(node)
    names = [column.this for column in tree.find_all(exp.Column)]
    delivery_day_spans = sorted(
        (name.meta["start"], name.meta["end"] + 1) for name in names if name.name == DELIVERY_DAY
    )
    return GuardedSql(sql, frozenset(name.name for name in names) - {DELIVERY_DAY}, tuple(delivery_day_spans))


def _parse(sql: str) -> exp.Expr:
    if has_semicolon(sql):
        raise RefusedSqlError(f"{sql!r} has a semicolon; an expression is one condition or value, without statements")
    try:
        return sqlglot.parse_one(sql, into=exp.Condition, dialect=PolarsSql)
    except RecursionError:
        raise RefusedSqlError(f"{sql[:60]!r}… is nested too deeply; split it into several rules") from None
    except (SqlglotError, ValueError) as error:
        # sqlglot raises a bare ValueError for some texts that are not SQL.
        problem = str(error).partition("\n")[0]
        hint = "Put the name of a column that is an SQL keyword in double quotes."
        raise RefusedSqlError(f"{sql!r} is not an SQL expression: {problem} {hint}") from None


def _check(node: exp.Expr) -> None:
    kind = type(node)
    if kind in _INSTEAD:
        raise RefusedSqlError(f"{node.sql(dialect=PolarsSql)} is not allowed: {_INSTEAD[kind]}")
    if kind is exp.DataType and node.this not in _TYPES:
        raise RefusedSqlError(f"the type {node.sql(dialect=PolarsSql)} is not allowed; use one of {_TYPE_NAMES}")
    if kind in _BITS and any(type(side) in _BITS - {kind} for side in (node.this, node.expression)):
        raise RefusedSqlError("& and | have another order in other databases; put one of them in parentheses")
    if kind is exp.Cast:
        if not isinstance(node.this, exp.Literal):
            raise RefusedSqlError("CAST has no result for an invalid value; write TRY_CAST, which gives NULL")
    elif kind is exp.Anonymous:
        name = node.name.upper()
        if name not in _ALLOWED:
            raise _refusal(name, clock=name in _CLOCK_NAMES)
        if name in _PADDING and not _is_short(node.expressions[1:2]):
            raise RefusedSqlError(f"{name} takes a length of 0 to {_LONGEST_PADDING:,}, written as a number")
    elif kind not in _NODES or (isinstance(node, exp.Column) and len(node.parts) > 1):
        raise _refusal(node.sql(dialect=PolarsSql), clock=isinstance(node, _CLOCKS))


def _is_short(length: list[exp.Expr]) -> bool:
    number = length[0].name if length and isinstance(length[0], exp.Literal) else ""
    return number.isascii() and number.isdigit() and len(number) <= 9 and int(number) <= _LONGEST_PADDING


def _refusal(written: str, *, clock: bool) -> RefusedSqlError:
    if clock:
        return RefusedSqlError(
            f"{written} depends on the day of the run, so the same file would be checked differently tomorrow; "
            f"write {DELIVERY_DAY}, the day of delivery"
        )
    return RefusedSqlError(
        f"{written} is not allowed: an expression uses the values of one row and must always give the same result. "
        f"Allowed functions: {', '.join(sorted(_ALLOWED))}"
    )
