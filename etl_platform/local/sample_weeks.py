"""Generates nine weeks of traffic stops of two agencies, with which ``make dev`` starts. No network.

There is something to find in them: a share of bad rows that grows, a refused file that is sent again, two renamed
columns, and half a file.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from etl_platform.local.sample_rows import Row, csv_text, rename_columns, stop_rows

WEEKS = 9
_RENAMED_FROM, _REFUSED_IN, _HALVED_IN = 6, 4, 8
"""Weeks, counted from 0: New Orleans renames two columns, Albuquerque sends a file without dates, and half a file."""
_RENAMED = {"stop_location": "Where", "engage_force": "Force"}
_ROWS = 120
_AGENCIES = (("nm_albuquerque", "ABQ"), ("la_new_orleans", "NOL"))


@dataclass(frozen=True)
class WeeklyFile:
    """A file of the week that begins on ``monday``; one key can have two, in the order of upload."""

    agency: str
    monday: date
    content: bytes

    @property
    def path(self) -> str:
        """The object key below the source prefix."""
        return f"{self.agency}/Traffic_Stops_{self.monday.isoformat()}.csv"


def weekly_files(today: date, seed: int = 11) -> Iterator[WeeklyFile]:
    """The files of the last nine whole weeks, the oldest first; the same day and seed give the same bytes."""
    rng = random.Random(seed)  # noqa: S311 - generated rows, no security
    first = today - timedelta(days=today.weekday(), weeks=WEEKS)
    for week in range(WEEKS):
        monday = first + timedelta(weeks=week)
        for agency, prefix in _AGENCIES:
            rows = _stops(rng, prefix, monday, week)
            if agency == "nm_albuquerque":
                if week == _REFUSED_IN:
                    undated = rename_columns(rows, {"stop_date": None})
                    yield WeeklyFile(agency, monday, csv_text(undated).encode())
                if week == _HALVED_IN:
                    rows = rows[: len(rows) // 2]
            else:
                for row in rng.sample(rows, week):
                    row["driver_age"] = "unknown age"
                if week >= _RENAMED_FROM:
                    rows = rename_columns(rows, _RENAMED)
            yield WeeklyFile(agency, monday, csv_text(rows).encode())


def _stops(rng: random.Random, prefix: str, monday: date, week: int) -> list[Row]:
    rows = stop_rows(rng, _ROWS + rng.randint(-8, 8), prefix, after=1_000 * week)
    for row in rows:
        day = monday + timedelta(days=rng.randrange(7))
        row["stop_date"] = f"{day.month}/{day.day}/{day.year}"
    return rows
