"""What every rule means, row by row in plain Python: slow, and short enough to be checked by reading. No tests."""

import re
from collections import Counter
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from etl_platform.engine.contract.model import Column, ColumnType, Contract

INTEGER = re.compile(r"[+-]?[0-9]+")
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
MONEY = re.compile(r"(-?)\s*\$?\s*((?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]*)?)")
US_DATE = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})")
ISO_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
MOMENT = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})[T ]([0-9]{2}):([0-9]{2}):([0-9]{2})")


def read_date(value: str, formats: tuple[str, ...]) -> date | None:
    for form in formats or ("yyyy-MM-dd",):
        match = (ISO_DATE if form == "yyyy-MM-dd" else US_DATE).fullmatch(value)
        if match:
            first, second, third = map(int, match.groups())
            try:
                return date(first, second, third) if form == "yyyy-MM-dd" else date(third, first, second)
            except ValueError:
                continue
    return None


def unchanged(value: str) -> float | None:
    """The number, unless a float would have other digits."""
    number = float(value)
    return number if abs(number) < 2**53 or Decimal(value) == Decimal(repr(number)) else None


def read_value(column: Column, value: str) -> Any:
    """The typed value, or None where the text is none of its type."""
    match column.type:
        case ColumnType.STRING:
            return value
        case ColumnType.DATE:
            found = read_date(value, column.formats)
            return found if found is not None and found.year >= 1000 else None
        case ColumnType.TIMESTAMP:
            match = MOMENT.fullmatch(value)
            try:
                return datetime(*map(int, match.groups())) if match and int(match[1]) >= 1000 else None  # noqa: DTZ001
            except ValueError:
                return None
        case ColumnType.INTEGER:
            number = int(value) if INTEGER.fullmatch(value) else None
            return number if number is not None and -(2**63) <= number < 2**63 else None
        case ColumnType.NUMBER:
            if NUMBER.fullmatch(value):
                return unchanged(value)
            if column.money:
                stripped = value.strip()
                negative = stripped.startswith("(") and stripped.endswith(")")
                match = MONEY.fullmatch(stripped[1:-1].strip() if negative else stripped)
                if match and not (negative and match[1]):
                    amount = float(match[2].replace(",", ""))
                    signed = -amount if negative or match[1] else amount
                    return signed if amount < 2**53 else None
            return None
        case ColumnType.BOOLEAN:
            folded = value.strip().lower()
            if folded in {"true", *(v.lower() for v in column.true_values)}:
                return True
            return False if folded in {"false", *(v.lower() for v in column.false_values)} else None


def read_text(column: Column, value: str | None) -> str | None:
    if value is None:
        return None
    value = value.strip() if column.trim else value
    if column.trim and not value:
        return None
    return None if value.strip().upper() in {token.strip().upper() for token in column.null_tokens} else value


def reasons_of(contract: Contract, rows: list[tuple[str | None, ...]]) -> list[str]:
    """Per row the reasons in report order, joined by ';'."""
    texts = [{c.name: read_text(c, cell) for c, cell in zip(contract.columns, row, strict=True)} for row in rows]
    keys = {f"{c.name}.unique": (c.name,) for c in contract.columns if c.unique}
    if len(contract.primary_key) > 1:
        keys["+".join(contract.primary_key) + ".unique"] = contract.primary_key
    typed = [{n: None if v is None else read_value(contract.column(n), v) for n, v in t.items()} for t in texts]
    seen = {reason: Counter(tuple(t[n] for n in names) for t in typed) for reason, names in keys.items()}
    answers = []
    for row, values in zip(texts, typed, strict=True):
        found: list[str] = []
        for column in contract.columns:
            value, name = row[column.name], column.name
            typed_value = values[name]
            broken = {
                "required": column.required and value is None,
                "type": value is not None and typed_value is None,
                "pattern": value is not None and column.pattern is not None and not re.search(column.pattern, value),
                "length": value is not None
                and not (column.min_length or 0) <= len(value) <= (column.max_length or 10**9)
                and (column.min_length, column.max_length) != (None, None),
                "range": typed_value is not None and not in_range(column, typed_value),
                "allowed": typed_value is not None
                and column.allowed is not None
                and not is_allowed(column, typed_value),
                "unique": column.unique and typed_value is not None and seen[f"{name}.unique"][(typed_value,)] > 1,
            }
            found += [f"{name}.{kind}" for kind, wrong in broken.items() if wrong]
        if len(contract.primary_key) > 1:
            reason, key = "+".join(contract.primary_key) + ".unique", tuple(values[n] for n in contract.primary_key)
            if None not in key and seen[reason][key] > 1:
                found.append(reason)
        answers.append(";".join(found))
    return answers


def in_range(column: Column, value: Any) -> bool:
    def bound(limit: Any) -> Any:
        return date.fromisoformat(limit) if column.type is ColumnType.DATE else limit

    return (
        (column.minimum is None or value >= bound(column.minimum))
        and (column.maximum is None or value <= bound(column.maximum))
        and (column.exclusive_minimum is None or value > bound(column.exclusive_minimum))
        and (column.exclusive_maximum is None or value < bound(column.exclusive_maximum))
    )


def is_allowed(column: Column, value: Any) -> bool:
    assert column.allowed is not None
    return value in {read_value(column, item) for item in column.allowed}
