"""The names and results of the asset checks on an export. periods.py computes them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class HistoryCheck(StrEnum):
    """The asset checks. A member's name describes the failure; its value is the check's name in Dagster."""

    OVERLAPPING = "periods_do_not_overlap"
    REVERSED = "end_not_before_start"
    UNKNOWN_RANK = "rank_is_known"
    LOST_DATE = "dates_are_days"


DESCRIPTIONS: Mapping[HistoryCheck, str] = {
    HistoryCheck.OVERLAPPING: "No period of an officer begins before an earlier one has ended. Both may contain the "
    "day of the change. Periods that are reversed or have no valid start are not compared.",
    HistoryCheck.REVERSED: "A period of service ends on or after the day on which it began.",
    HistoryCheck.UNKNOWN_RANK: "Every rank is one of the contract's knownValues; case and punctuation are ignored.",
    HistoryCheck.LOST_DATE: "Every date is in the years 1 to 9999; others, such as infinity, are exported as empty.",
}


@dataclass(frozen=True)
class Finding:
    """The result of one check on one export.

    Attributes:
        rows: number of rows that fail the check.
        first_rows: the first of them, numbered like rows of a spreadsheet: the header is row 1.
        values: the most frequent unknown values, with their number of rows.
    """

    check: HistoryCheck
    rows: int
    first_rows: tuple[int, ...] = ()
    values: Mapping[str, int] = field(default_factory=dict)


NO_FINDINGS = tuple(Finding(check, 0) for check in HistoryCheck)
