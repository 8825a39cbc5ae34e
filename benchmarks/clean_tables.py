"""Generates clean tables of the shipped contracts, for ``benchmarks.pollution``. No engine, no damage."""

import csv
import io
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from etl_platform.local.sample_rows import (
    Row,
    complaint_rows,
    employment_rows,
    officer_rows,
    stop_rows,
    training_rows,
)

Rng = random.Random
_NOTES = ("ran, then hid", "none", "", 'said "no"', "on foot", "refused; left", "6 ft. fence")
_FORCE = ("CANINE", "TAKEDOWN", "IMPACT WEAPON", "CHEMICAL AGENT")


@dataclass(frozen=True)
class CleanTable:
    """A table as its agency would send it without any fault.

    Attributes:
        dataset: the contract that it keeps.
        name: its file name, which the contract knows.
        header: names of the columns.
        rows: cells as text, as many as the header has.
    """

    dataset: str
    name: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def text(
        self, delimiter: str = ",", end: str = "\n", quoting: int = csv.QUOTE_MINIMAL, *, header: bool = True
    ) -> str:
        """The table as delimited text."""
        top = [self.header] if header else []
        return delimited([*top, *self.rows], delimiter, end, quoting)

    def place(self, column: str) -> int | None:
        """Position of a column; None where the table does not have it."""
        return self.header.index(column) if column in self.header else None

    def with_column(self, place: int, cells: Sequence[str]) -> "CleanTable":
        """The table with other cells in one column."""
        rows = ((*row[:place], cell, *row[place + 1 :]) for row, cell in zip(self.rows, cells, strict=True))
        return replace(self, rows=tuple(rows))


def delimited(rows: Sequence[Sequence[str]], delimiter: str, end: str, quoting: int = csv.QUOTE_MINIMAL) -> str:
    sink = io.StringIO(newline="")
    csv.writer(sink, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(rows)
    return sink.getvalue()


def _force_rows(rng: Rng, count: int) -> list[Row]:
    return [
        {
            "incident_id": f"F26-{number:05d}", "officer_id": f"LA{rng.randint(1, 60):05d}", "subject_number": "1",
            "occurred_at": f"2026-01-{rng.randint(1, 28):02d} {rng.randrange(24):02d}:{rng.randrange(60):02d}",
            "force_type": rng.choice(_FORCE), "reason": rng.choice(_NOTES),
            "subject_age": str(rng.randint(16, 80)), "subject_armed": rng.choice(("No", "Knife", "Unknown")),
            "subject_injured": rng.choice(("Yes", "No")), "city": rng.choice(("Ely", "Truckee", "Fallon")),
        }
        for number in range(1, count + 1)
    ]  # fmt: skip


_DATASETS: dict[str, tuple[str, Callable[[Rng, int], list[Row]]]] = {
    "officer_detail": ("Officer_Detail.csv", lambda rng, count: officer_rows(rng, count, "ABQ")),
    "traffic_stops": ("Traffic_Stops.csv", lambda rng, count: stop_rows(rng, count, "NM")),
    "employment_history": ("Employment_History.csv", employment_rows),
    "training": ("Training.csv", training_rows),
    "complaints": ("Complaints.csv", complaint_rows),
    "use_of_force": ("Use_Of_Force.csv", _force_rows),
}
DATASETS = tuple(_DATASETS)


def large_table(seed: int, dataset: str, rows: int) -> CleanTable:
    """A table of so many rows; its key is unique in every row."""
    name, make = _DATASETS[dataset]
    made = make(random.Random(f"large:{seed}:{dataset}"), rows)
    return CleanTable(dataset, name, tuple(made[0]), tuple(tuple(row.values()) for row in made))


def clean_table(seed: int, number: int, dataset: str) -> CleanTable:
    """A table of 4 to 60 rows; the same numbers give the same table. Its key is unique in every row."""
    rng = random.Random(f"clean:{seed}:{number}:{dataset}")
    name, make = _DATASETS[dataset]
    rows = make(rng, rng.choice((4, 8, 12, 25, 60)))
    header = tuple(rows[0])
    return CleanTable(dataset, name, header, tuple(tuple(row[column] for column in header) for row in rows))
