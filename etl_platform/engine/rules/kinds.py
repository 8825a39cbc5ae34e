"""The table of rule kinds: where each applies, its reason, its sentence for people, its fields in ODCS and its flag.

The compiled contract, the asset checks, the verdict for senders and the documents are made from it. Every load of the
code location reads it, so Polars is imported only where a flag is compiled. ``contract_rules`` has those of a contract.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Protocol

from etl_platform.engine.contract.model import Column, ColumnType
from etl_platform.engine.contract.named_formats import FLOAT_BOUNDS, FORMAT_WORDS, INTEGER_BOUNDS, TEXT_PATTERNS
from etl_platform.engine.contract.two_digit_years import has_two_digit_year
from etl_platform.engine.values.formats import DEFAULT_DATE, DEFAULT_TIME, DEFAULT_TIMESTAMP

if TYPE_CHECKING:
    import polars as pl

_VALUES_SHOWN = 50
DERIVE = "derive"
"""Suffix of the reason of rows on which the SQL of a derived column fails."""
_FEW_VALUES = 8
"""Up to this many values, comparing with each one costs a third of ``is_in``."""


class ColumnValues(Protocol):
    """The expressions and values of one column that flags use."""

    @property
    def column(self) -> Column: ...

    @property
    def text(self) -> "pl.Expr":
        """The trimmed text; null where it is blank or a null token."""
        ...

    @property
    def value(self) -> "pl.Expr":
        """The typed value; null where the text is not of its type."""
        ...

    @property
    def delivery_day(self) -> date: ...

    def failed_input(self) -> "pl.Expr | None":
        """Where the column is derived from a value that could not be read; None if that cannot happen."""
        ...

    def unknown_key(self) -> "pl.Expr":
        """Where the reference table has no row for the value."""
        ...

    def typed(self, literal: str | float) -> Any:
        """A value of the contract as the column's type; ContractError where it is of another one."""
        ...


Flag = Callable[[ColumnValues], "pl.Expr"]
"""True where a row breaks the rule. Null counts as false, so a rule about a value passes where the value is missing."""


@dataclass(frozen=True)
class RuleKind:
    """One kind of rule about a column.

    Attributes:
        suffix: of the reason, ``<column>.<suffix>``.
        fields: the fields of a contract that declare it; those of ``customProperties`` begin with ``custom``.
        applies: whether a column has such a rule.
        sentence: the requirement, worded to follow the column's name.
        flag: None for ``unique``, which needs the keys of the whole file.
    """

    suffix: str
    fields: tuple[str, ...]
    applies: Callable[[Column], bool]
    sentence: Callable[[Column], str]
    flag: Flag | None

    def reason(self, column: Column) -> str:
        return f"{column.name}.{self.suffix}"


def _lookup_sentence(column: Column) -> str:
    assert column.lookup is not None
    place = f"the column {column.lookup.key} of the reference table {column.lookup.table.name}"
    if column.lookup.source is None:
        return f"must be in {place}"
    return f"is looked up: {column.lookup.source} must be in {place}"


def _required_sentence(column: Column) -> str:
    if column.expression is not None:
        return f"must not be empty; it is calculated from {column.expression}"
    if column.lookup is not None and column.lookup.source is not None:
        return f"must not be empty; it is looked up by {column.lookup.source}"
    if column.computed:
        return "must not be empty; the contract's hook computes it"
    return "must not be empty"


def _type_sentence(column: Column) -> str:
    if column.decimal is not None:
        precision, scale = column.decimal
        digits = f"{precision - scale} digits before the decimal point and {scale} after it"
        return f"must be a number with at most {digits}"
    article = "an" if column.type is ColumnType.INTEGER else "a"
    notations = " or ".join(_notations(column)) if column.in_file else ""
    first = column.two_digit_years_from
    if first is not None and has_two_digit_year(column.formats):
        notations += f"; years of two digits are {first} to {first + 99}"
    return f"must be {article} {column.type}" + (f" ({notations})" if notations else "")


def _notations(column: Column) -> Sequence[str]:
    """How the values of a column may be written, where that is not obvious from its type."""
    match column.type:
        case ColumnType.DATE:
            return column.formats or DEFAULT_DATE
        case ColumnType.TIMESTAMP:
            return column.formats or DEFAULT_TIMESTAMP
        case ColumnType.TIME:
            return column.formats or DEFAULT_TIME
        case ColumnType.BOOLEAN:
            return ("true", *column.true_values, "false", *column.false_values)
        case ColumnType.NUMBER if column.money:
            return ("1500", "$1,500.00")
        case _:
            return ()


def _format_sentence(column: Column) -> str:
    name = str(column.named_format)
    if column.type is ColumnType.STRING:
        return f"must be {FORMAT_WORDS[name]}"
    if column.type is ColumnType.INTEGER:
        lowest, highest = INTEGER_BOUNDS[name]
        return f"must be from {lowest} to {highest} ({name})"
    return f"must be from -{FLOAT_BOUNDS[name]} to {FLOAT_BOUNDS[name]} ({name})"


def _length_sentence(column: Column) -> str:
    limits = [("at least", column.min_length), ("at most", column.max_length)]
    wanted = " and ".join(f"{words} {limit}" for words, limit in limits if limit is not None)
    return f"must have {wanted} characters"


def _bounds(column: Column) -> dict[str, str | float | None]:
    return {
        "at least": column.minimum,
        "more than": column.exclusive_minimum,
        "at most": column.maximum,
        "less than": column.exclusive_maximum,
    }


def _range_sentence(column: Column) -> str:
    bounds = _bounds(column).items()
    return "must be " + " and ".join(f"{words} {bound}" for words, bound in bounds if bound is not None)


def _allowed_sentence(column: Column) -> str:
    assert column.allowed is not None
    more = len(column.allowed) - _VALUES_SHOWN
    shown = ", ".join(column.allowed[:_VALUES_SHOWN])
    return f"must be one of {shown}" + (f" or {more:,} more values of the contract" if more > 0 else "")


def _is_never(_: ColumnValues) -> "pl.Expr":
    import polars as pl

    return pl.lit(value=False)


def _is_empty(values: ColumnValues) -> "pl.Expr":
    failed = values.failed_input()
    return values.text.is_null() if failed is None else values.value.is_null() & ~failed


def _is_of_another_type(values: ColumnValues) -> "pl.Expr":
    return values.text.is_not_null() & values.value.is_null()


def _does_not_match(values: ColumnValues) -> "pl.Expr":
    assert values.column.pattern is not None
    return ~values.text.str.contains(values.column.pattern)


def _is_of_another_format(values: ColumnValues) -> "pl.Expr":
    column = values.column
    name = str(column.named_format)
    if column.type is ColumnType.STRING:
        return ~values.text.str.contains(TEXT_PATTERNS[name])
    bounds = INTEGER_BOUNDS.get(name) or (-FLOAT_BOUNDS[name], FLOAT_BOUNDS[name])
    return ~values.value.is_between(*bounds)


def _has_another_length(values: ColumnValues) -> "pl.Expr":
    import polars as pl

    length, longest = values.text.str.len_chars(), pl.lit(values.column.max_length, pl.UInt32)
    return (length < (values.column.min_length or 0)) | (length > longest).fill_null(value=False)


def _is_out_of_range(values: ColumnValues) -> "pl.Expr":
    import polars as pl

    comparisons = {"at least": pl.Expr.ge, "more than": pl.Expr.gt, "at most": pl.Expr.le, "less than": pl.Expr.lt}
    within = [
        comparisons[words](values.value, pl.lit(values.typed(bound)))
        for words, bound in _bounds(values.column).items()
        if bound is not None
    ]
    return ~pl.all_horizontal(within)


def _is_not_allowed(values: ColumnValues) -> "pl.Expr":
    import polars as pl

    from etl_platform.engine.values.silver_types import dtype

    column = values.column
    assert column.allowed is not None
    if column.type is not ColumnType.STRING and not (column.in_file and column.lookup is not None):
        allowed = [values.typed(item) for item in column.allowed]
        return ~values.value.is_in(pl.Series(allowed, dtype=dtype(column)).implode())
    if 0 < len(column.allowed) <= _FEW_VALUES:
        return ~pl.any_horizontal(values.text == item for item in column.allowed)
    return ~values.text.is_in(column.allowed)


def _is_after_delivery(values: ColumnValues) -> "pl.Expr":
    import polars as pl

    day = values.value.dt.date() if values.column.type is ColumnType.TIMESTAMP else values.value
    return day > pl.lit(values.delivery_day)


COLUMN_KINDS: tuple[RuleKind, ...] = (
    RuleKind(
        suffix="required",
        fields=("required", "primaryKey", "quality: nullValues", "quality: missingValues"),
        applies=lambda column: column.required,
        sentence=_required_sentence,
        flag=_is_empty,
    ),
    RuleKind(
        suffix="lookup",
        fields=("custom lookup",),
        applies=lambda column: column.lookup is not None,
        sentence=_lookup_sentence,
        flag=lambda values: values.unknown_key(),
    ),
    RuleKind(
        suffix=DERIVE,
        fields=("transformLogic",),
        applies=lambda column: column.expression is not None,
        sentence=lambda column: f"must be calculated from {column.expression} without an error",
        # Where Polars fails, ``failing_values`` sets the flag.
        flag=_is_never,
    ),
    RuleKind(
        suffix="type",
        fields=(
            "logicalType",
            "physicalType",
            "logicalTypeOptions.format",
            "custom formats",
            "custom twoDigitYearsFrom",
            "custom trueValues",
            "custom falseValues",
            "transformLogic",
            "custom computed",
        ),
        applies=lambda column: column.lookup is None and column.type is not ColumnType.STRING,
        sentence=_type_sentence,
        flag=_is_of_another_type,
    ),
    RuleKind(
        suffix="pattern",
        fields=("logicalTypeOptions.pattern", "quality: invalidValues"),
        applies=lambda column: column.pattern is not None,
        sentence=lambda column: f"must match the regular expression {column.pattern}",
        flag=_does_not_match,
    ),
    RuleKind(
        suffix="format",
        fields=("logicalTypeOptions.format",),
        applies=lambda column: column.named_format is not None,
        sentence=_format_sentence,
        flag=_is_of_another_format,
    ),
    RuleKind(
        suffix="length",
        fields=("logicalTypeOptions.minLength", "logicalTypeOptions.maxLength"),
        applies=lambda column: column.min_length is not None or column.max_length is not None,
        sentence=_length_sentence,
        flag=_has_another_length,
    ),
    RuleKind(
        suffix="range",
        fields=(
            "logicalTypeOptions.minimum",
            "logicalTypeOptions.maximum",
            "logicalTypeOptions.exclusiveMinimum",
            "logicalTypeOptions.exclusiveMaximum",
        ),
        applies=lambda column: any(bound is not None for bound in _bounds(column).values()),
        sentence=_range_sentence,
        flag=_is_out_of_range,
    ),
    RuleKind(
        suffix="not_future",
        fields=("custom notFuture",),
        applies=lambda column: column.not_future,
        sentence=lambda _: "must not be after the day of delivery",
        flag=_is_after_delivery,
    ),
    RuleKind(
        suffix="allowed",
        fields=("enum", "quality: invalidValues", "custom useLabels"),
        applies=lambda column: column.allowed is not None,
        sentence=_allowed_sentence,
        flag=_is_not_allowed,
    ),
    RuleKind(
        suffix="unique",
        fields=("unique", "primaryKey", "quality: duplicateValues"),
        applies=lambda column: column.unique,
        sentence=lambda _: "must not occur twice in a file",
        flag=None,
    ),
)
"""In report order."""
