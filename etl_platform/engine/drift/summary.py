"""The numbers of one file that later files are compared with, and their JSON form. A profile in, small values out."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from etl_platform.engine.drift.series_names import period
from etl_platform.engine.json_fields import Json, known_fields, without_null
from etl_platform.engine.result import DECILES, CheckResult, ColumnProfile

_DIGITS = 6
_DAY_S, _EPOCH = 86_400, date(1970, 1, 1)


class ColumnSummary(NamedTuple):
    """One column of one file.

    Attributes:
        nulls: share of the rows without a value, 0 to 1.
        distinct: number of different values.
        quantiles: one value for each of DECILES; None for texts and masked columns. Dates are days since 1970.
        are_days: whether the quantiles are days.
        values: share of the rows that have a value, for each value; None if not all values are known.
        forms: share of the values that have a form, for each form, see ``value_forms``; None if ``values`` are known.
        sampled: number of values whose form is known.
    """

    nulls: float
    distinct: int
    quantiles: tuple[float, ...] | None = None
    are_days: bool = False
    values: Mapping[str, float] | None = None
    forms: Mapping[str, float] | None = None
    sampled: int = 0

    @property
    def median(self) -> str | None:
        """As text, a day of a date; None for texts and masked columns."""
        if self.quantiles is None:
            return None
        middle = self.quantiles[len(DECILES) // 2]
        return day_of(middle).isoformat() if self.are_days else f"{middle:,.6g}"

    @classmethod
    def of(cls, profile: ColumnProfile, rows: int, *, is_key: bool = False) -> "ColumnSummary":
        """``rows`` of the file are at least 1. Of a key, no quantiles are kept: other rows have other keys."""
        quantiles, are_days = (None, False) if is_key else _quantiles(profile)
        values, sampled = _values(profile, rows), sum((profile.forms or {}).values())
        forms = {form: _rounded(times / sampled) for form, times in (profile.forms or {}).items()} or None
        return cls(_rounded(profile.nulls / rows), profile.distinct, quantiles, are_days, values, forms, sampled)

    @classmethod
    def from_json(cls, data: Json) -> "ColumnSummary":
        # A year of files of a wide contract has thousands of these, so no field is looked up by reflection.
        quantiles = data.get("quantiles")
        return cls(
            data["nulls"],
            data["distinct"],
            None if quantiles is None else tuple(quantiles),
            data.get("are_days", False),
            data.get("values"),
            data.get("forms"),
            data.get("sampled", 0),
        )

    def to_json(self) -> dict[str, Any]:
        found = {
            "nulls": self.nulls,
            "distinct": self.distinct,
            "quantiles": None if self.quantiles is None else list(self.quantiles),
            "are_days": self.are_days or None,
            "values": None if self.values is None else dict(self.values),
            "forms": None if self.forms is None else dict(self.forms),
            "sampled": self.sampled or None,
        }
        return without_null(found, "quantiles", "are_days", "values", "forms", "sampled")


@dataclass(frozen=True)
class FileSummary:
    """One file whose rows were checked.

    Attributes:
        at: when the delivered object was written, UTC.
        name: of the file, without folders.
        quarantined: share of the rows in quarantine, 0 to 1.
        reasons: share of the rows that broke a rule, for each rule that a row broke.
        columns: of the contract, as far as the file has them or they are derived.
        extra: columns of the file that the contract does not know.
        missing: columns of the contract that the file does not have.
        unusual: what was found about it beside the files before it: change and column.
    """

    delivery_id: str
    at: datetime
    rows: int
    quarantined: float
    reasons: Mapping[str, float] = field(default_factory=dict)
    columns: Mapping[str, ColumnSummary] = field(default_factory=dict)
    extra: tuple[str, ...] = ()
    name: str = ""
    missing: tuple[str, ...] = ()
    unusual: tuple[str, ...] = ()

    @property
    def day(self) -> date:
        return self.at.date()

    @property
    def period(self) -> date | None:
        """The first day of the period that the name states."""
        return period(self.name)

    @classmethod
    def of(
        cls, check: CheckResult, delivery_id: str, at: datetime, keys: Set[str] = frozenset(), name: str = ""
    ) -> "FileSummary":
        """``check`` is of a file with rows that were checked; ``keys`` are columns whose values identify rows."""
        rows = check.rows or 0
        missing = set(check.columns.missing) if check.columns else set()
        return cls(
            delivery_id,
            at,
            rows,
            _rounded((check.quarantined_rows or 0) / rows),
            {reason: _rounded(times / rows) for reason, times in check.reasons.items()},
            {
                name: ColumnSummary.of(one, rows, is_key=name in keys)
                for name, one in check.profile.items()
                if name not in missing
            },
            check.columns.extra if check.columns else (),
            name,
            check.columns.missing if check.columns else (),
        )

    @classmethod
    def from_json(cls, data: Json) -> "FileSummary":
        return cls(
            **known_fields(cls, data)
            | {
                "at": datetime.fromisoformat(data["at"]),
                "columns": {name: ColumnSummary.from_json(one) for name, one in data["columns"].items()},
                "extra": tuple(data["extra"]),
                "missing": tuple(data.get("missing", ())),
                "unusual": tuple(data.get("unusual", ())),
            }
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "delivery_id": self.delivery_id,
            "at": self.at.isoformat(),
            "rows": self.rows,
            "quarantined": self.quarantined,
            "reasons": dict(self.reasons),
            "columns": {name: column.to_json() for name, column in self.columns.items()},
            "extra": list(self.extra),
            "name": self.name,
            "missing": list(self.missing),
            "unusual": list(self.unusual),
        }


def day_of(days: float) -> date:
    """The date so many days after 1970; rounding may lead out of the years 1 to 9999."""
    return date.fromordinal(min(max(1, _EPOCH.toordinal() + round(days)), date.max.toordinal()))


def _values(profile: ColumnProfile, rows: int) -> dict[str, float] | None:
    if profile.top is None or len(profile.top) < profile.distinct:
        return None
    return {item.value: _rounded(item.rows / rows) for item in profile.top}


def _quantiles(profile: ColumnProfile) -> tuple[tuple[float, ...] | None, bool]:
    """The deciles as numbers, and whether they are days."""
    numbers = [number for value in profile.deciles or () if (number := as_number(value)) is not None]
    if len(numbers) < len(DECILES):
        return None, False
    # A sample and the rounding of a decimal may be out of order with the exact ends.
    return tuple(sorted(map(_rounded, numbers))), isinstance(profile.min, str) and "-" in profile.min[1:]


def as_number(value: Any) -> float | None:
    """A value of a profile: numbers as they are or as decimal text, dates and timestamps as days since 1970."""
    if not isinstance(value, str):
        return None if value is None else float(value)
    try:
        return float(value)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() / _DAY_S


def _rounded(number: float) -> float:
    return float(f"{number:.{_DIGITS}g}")
