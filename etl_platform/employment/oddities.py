"""What may be odd about periods of service, by name, and how often it was. Names and counts only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Oddity(StrEnum):
    """Each is an asset check; its value says what should hold."""

    OVERLAPPING = "periods_do_not_overlap"
    REVERSED = "end_not_before_start"
    UNKNOWN_RANK = "rank_is_known"
    LOST_DATE = "dates_are_days"


EXPECTED: Mapping[Oddity, str] = {
    Oddity.OVERLAPPING: "No period of an officer begins before an earlier one has ended. The day of a change may be in "
    "both; a reversed period, or one without its days, is left out.",
    Oddity.REVERSED: "A period of service ends on or after the day on which it began.",
    Oddity.UNKNOWN_RANK: "Every rank is one of the contract's knownValues, whatever its case and punctuation.",
    Oddity.LOST_DATE: "Every date is a day of the years 1 to 9999; one that is not, such as infinity, is left empty.",
}


@dataclass(frozen=True)
class Finding:
    """One oddity in one export.

    Attributes:
        rows: how many rows have it.
        first_rows: where the first of them stand, as a spreadsheet numbers rows: the header is 1.
        values: the most frequent values that were not known, with their rows.
    """

    oddity: Oddity
    rows: int
    first_rows: tuple[int, ...] = ()
    values: Mapping[str, int] = field(default_factory=dict)


NOTHING_ODD = tuple(Finding(oddity, 0) for oddity in Oddity)
