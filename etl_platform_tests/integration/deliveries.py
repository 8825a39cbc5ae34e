"""Made-up deliveries of many agencies, with what must become of each. No network, no platform code."""

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Row = dict[str, str]
AGENCIES = 20
FILES_PER_AGENCY = 10


@dataclass(frozen=True)
class File:
    """One object to drop; ``good`` are the values of ``id_column`` that silver must hold."""

    agency: str
    dataset: str
    name: str
    content: bytes
    id_column: str
    good: frozenset[str]
    rows: int | None
    error: str | None = None

    @property
    def key(self) -> str:
        return f"from_client/{self.agency}/{self.name}"

    @property
    def outcome(self) -> str:
        return "rejected" if self.error else "accepted"

    @property
    def quarantined(self) -> int | None:
        return None if self.rows is None else self.rows - len(self.good)


def two_hundred_files() -> list[File]:
    """20 agencies with 10 files each: 160 accepted, of which most have bad rows, and 40 rejected."""
    return [file for number in range(AGENCIES) for file in _files_of(number)]


def officers(prefix: str, count: int, *, bad: int = 0) -> list[Row]:
    """Valid rows, but for the first ``bad``: their e-mail address is none."""
    return [
        {
            "officer_id": f"{prefix}{number:04d}",
            "last_name": "Sample",
            "first_name": "Zorbex",
            "email": "not given" if number < bad else f"zorbex.{number}@police.example",
            "dob": "1980-02-29",
            "hire_date": "2011-06-01",
            "employment_status": "ACTIVE",
            "salary": "$51,000",
        }
        for number in range(count)
    ]


def as_csv(rows: list[Row], delimiter: str = ",", encoding: str = "utf-8") -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode(encoding)


def _files_of(number: int) -> Iterator[File]:
    agency, tag = f"st_sample_{number:02d}", f"A{number:02d}"
    for position, (name, dataset, id_column, make) in enumerate(_GOOD_FILES):
        count, bad = 12 + number + position, (number + position) % 4
        rows = make(f"{tag}{position}-", count, bad)
        encoding = "cp1252" if position == 4 else "utf-8"
        yield File(
            agency,
            dataset,
            name,
            as_csv(rows, ";" if position == 4 else ",", encoding),
            id_column,
            frozenset(row[id_column] for row in rows[bad:]),
            count,
        )
    undated = [{k: v for k, v in row.items() if k != "completed_on"} for row in _training(tag, 9, 0)]
    yield File(
        agency,
        "training",
        "Training_undated.csv",
        as_csv(undated),
        "officer_id",
        frozenset(),
        None,
        "missing_column",
    )
    yield File(agency, "traffic_stops", "Stops_empty.csv", b"", "stop_id", frozenset(), None, "empty_file")


def _stops(prefix: str, count: int, bad: int) -> list[Row]:
    return [
        {
            "stop_id": f"{prefix}{number:04d}",
            "stop_date": "2026-02-30" if number < bad else "2/3/2026",
            "officer_id": f"P{number:03d}",
            "stop_location": "Calle Cañón",
            "outcome": "Citation",
        }
        for number in range(count)
    ]


def _training(prefix: str, count: int, bad: int) -> list[Row]:
    return [
        {
            "officer_id": f"{prefix}{number:04d}",
            "course_code": "FA-01",
            "completed_on": "2025-05-06",
            "hours": "-1" if number < bad else "7.5",
        }
        for number in range(count)
    ]


def _complaints(prefix: str, count: int, bad: int) -> list[Row]:
    return [
        {
            "complaint_id": f"{prefix}{number:04d}",
            "officer_id": "" if number < bad else "P001",
            "allegation": 'Said "olé", gave no name',
            "received_date": "2026-01-07",
        }
        for number in range(count)
    ]


def _force(prefix: str, count: int, bad: int) -> list[Row]:
    return [
        {
            "incident_id": f"{prefix}{number:04d}",
            "officer_id": "P001",
            "subject_number": "1",
            "occurred_at": "2026-01-07 23:59:00",
            "force_type": "SHOUT" if number < bad else "CANINE",
        }
        for number in range(count)
    ]


def _history(prefix: str, count: int, bad: int) -> list[Row]:
    return [
        {
            "officer_id": f"{prefix}{number:04d}",
            "employer": "Sample Police Department",
            "start_date": "2015-01-31",
            "end_date": "2014-12-31" if number < bad else "2016-02-29",
        }
        for number in range(count)
    ]


def _officers(prefix: str, count: int, bad: int) -> list[Row]:
    return officers(prefix, count, bad=bad)


_GOOD_FILES: tuple[tuple[str, str, str, Callable[[str, int, int], list[Row]]], ...] = (
    ("Officer_Detail.csv", "officer_detail", "officer_id", _officers),
    ("Officers_reserve.csv", "officer_detail", "officer_id", _officers),
    ("Stops_2026-01.csv", "traffic_stops", "stop_id", _stops),
    ("Stops_2026-02.csv", "traffic_stops", "stop_id", _stops),
    ("Complaints.csv", "complaints", "complaint_id", _complaints),
    ("Use_Of_Force.csv", "use_of_force", "incident_id", _force),
    ("Employment_History.csv", "employment_history", "officer_id", _history),
    ("Training.csv", "training", "officer_id", _training),
)
