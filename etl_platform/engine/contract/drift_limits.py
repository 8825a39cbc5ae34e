"""How far a file may be from the previous ones of its series, as ``likeLastTime`` of a contract sets it. No files."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

from etl_platform.engine.contract.custom_properties import LIKE_LAST_TIME, schema_custom_place
from etl_platform.engine.contract.dataset_rules import Severity
from etl_platform.engine.contract.located_yaml import Located, Where, is_number

PERCENTS = {
    "rowsPercent": ("rows_percent", 10_000),
    "nullsPercent": ("nulls_percent", 100),
    "brokenPercent": ("broken_percent", 100),
    "distributionPercent": ("distribution_percent", 100),
}
_OFF = "off"


@dataclass(frozen=True)
class DriftLimits:
    """How far a file may be outside of what the previous files had. Chance comes on top of each limit.

    Attributes:
        severity: of the check; None if files are not compared.
        rows_percent: more rows, or as many times fewer.
        nulls_percent: more empty cells of a column, in percent of the rows.
        broken_percent: more rows that break a rule, in percent of the rows.
        distribution_percent: rows with other values than before, in percent.
        ignore: columns that are not compared.
    """

    severity: Severity | None = Severity.WARNING
    rows_percent: float = 40.0
    nulls_percent: float = 10.0
    broken_percent: float = 5.0
    distribution_percent: float = 15.0
    ignore: frozenset[str] = frozenset()


def read_drift_limits(document: Located, custom: Mapping[str, Any], columns: Set[str]) -> DriftLimits:
    """The limits of a contract; the defaults where it sets none.

    Raises:
        ContractError: an unknown name, column or severity, or a number that is not a percentage.
    """
    here = schema_custom_place(document, LIKE_LAST_TIME)
    return DriftLimits(**declared_limits(document, custom.get(LIKE_LAST_TIME, {}), columns, here))


def declared_limits(document: Located, declared: Mapping[str, Any], columns: Set[str], here: Where) -> dict[str, Any]:
    """The fields of ``DriftLimits`` that a mapping sets; ContractError as ``read_drift_limits``."""
    if unknown := declared.keys() - PERCENTS.keys() - {"severity", "ignore"}:
        known = ", ".join(("severity", *PERCENTS, "ignore"))
        raise document.error(f"{LIKE_LAST_TIME}: {min(map(str, unknown))!r} is unknown; use {known}", *here)
    found: dict[str, Any] = {}
    if "severity" in declared:
        severity = declared["severity"]
        # YAML 1.1 reads off as false.
        if severity not in {*Severity, _OFF, False}:
            message = f"severity {severity!r} is unknown; use warning, error or off"
            raise document.error(f"{LIKE_LAST_TIME}: {message}", *here)
        found["severity"] = None if severity in {_OFF, False} else Severity(severity)
    for name, (field, most) in PERCENTS.items():
        if (value := declared.get(name)) is None:
            continue
        if not is_number(value) or not 0 <= value <= most:
            raise document.error(f"{LIKE_LAST_TIME}: {name} takes a number of 0 to {most:,}, not {value!r}", *here)
        found[field] = float(value)
    ignored = declared.get("ignore", [])
    if not isinstance(ignored, list) or not all(isinstance(name, str) and name in columns for name in ignored):
        raise document.error(
            f"{LIKE_LAST_TIME}: ignore takes a list of columns of the contract, not {ignored!r}", *here
        )
    return found | ({"ignore": frozenset(ignored)} if "ignore" in declared else {})
