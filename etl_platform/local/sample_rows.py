"""Generates valid rows of the sample datasets, puts counted faults into some of them, and writes them as CSV."""

import csv
import io
import random
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

Row = dict[str, str]
"""By column name of the contract."""

_SYLLABLES = ("bex", "dov", "fim", "gaz", "jup", "mib", "nax", "pod", "quz", "tez", "vul", "wix", "zor")
_RANKS = ("Officer", "Officer", "Officer", "Detective", "Sergeant", "Lieutenant", "Captain")
_PLACES = ("North Precinct", "South Precinct", "Traffic Section", "Records, Property", "K-9")
ACCENTED_PLACES = ("Calle Cañón", "Peñasco Avenue", "Señora Street", "Río Frío \u2013 east side")
_RACES = ("White", "Black", "Hispanic", "Asian", "Native American", "N/A")
_PURPOSES = ("Speed Limit Violation", "Stop Light/Sign Violation", "Seat Belt Violation", "Checkpoint")
_STOP_OUTCOMES = ("No Action", "Verbal Warning", "Written Warning", "Citation", "Arrest")
_ALLEGATIONS = ("Discourtesy", "Camera not activated", 'Said "move on", gave no name', "Search, no cause")
_FINDINGS = ("SUSTAINED", "NOT SUSTAINED", "UNFOUNDED", "EXONERATED", "PENDING")
_COURSES = (
    ("FA-01", "First aid", "FIRST AID", "8"),
    ("DR-03", "Pursuit driving", "DRIVING", "12.5"),
    ("LW-07", "Search and seizure", "LEGAL", "4"),
)


def _name(rng: random.Random) -> str:
    return "".join(rng.sample(_SYLLABLES, 2)).capitalize()


def _day(rng: random.Random, first: str, last: str) -> date:
    start = date.fromisoformat(first)
    return start + timedelta(days=rng.randint(0, (date.fromisoformat(last) - start).days))


def _later(rng: random.Random, day: date, low: int, high: int) -> date:
    return day + timedelta(days=rng.randint(low, high))


def _us(day: date) -> str:
    return f"{day.month}/{day.day}/{day.year}"


def officer_rows(rng: random.Random, count: int, prefix: str) -> list[Row]:
    rows = []
    for number in range(1, count + 1):
        first, last = _name(rng), f"Sample{_name(rng).lower()}"
        hired = _day(rng, "1998-01-01", "2024-12-31")
        has_left = rng.random() < 0.15
        rows.append({
            "officer_id": f"{prefix}{number:05d}", "badge_number": f"{rng.randint(1, 9999):04d}",
            "last_name": last, "first_name": first,
            "email": f"{first}.{last}.{number}@police.example".lower(),
            "dob": _day(rng, "1960-01-01", "1976-12-31").isoformat(), "hire_date": hired.isoformat(),
            "termination_date": _later(rng, hired, 30, 365).isoformat() if has_left else "",
            "rank": rng.choice(_RANKS), "unit": rng.choice(_PLACES),
            "employment_status": rng.choice(("RESIGNED", "RETIRED", "TERMINATED")) if has_left else "ACTIVE",
            "race_ethnicity": rng.choice(_RACES), "sex": rng.choice("MFX"),
            "salary": f"${rng.randint(42_000, 140_000):,}",
        })  # fmt: skip
    return rows


def stop_rows(
    rng: random.Random, count: int, prefix: str, *, after: int = 0, places: Sequence[str] = _PLACES
) -> list[Row]:
    rows = []
    for number in range(after + 1, after + count + 1):
        searched = rng.random() < 0.2
        rows.append({
            "stop_id": f"{prefix}-2026-{number:06d}",
            "stop_date": _us(_day(rng, "2026-01-01", "2026-01-31")),
            "stop_time": f"{rng.randrange(24):02d}:{rng.randrange(60):02d}",
            "officer_id": f"{prefix}{rng.randint(1, 150):05d}", "stop_location": rng.choice(places),
            "driver_race": rng.choice(_RACES), "driver_sex": rng.choice("MF"),
            "driver_age": str(rng.randint(16, 90)), "stop_purpose": rng.choice(_PURPOSES),
            "search_conducted": "Yes" if searched else "No",
            "search_type": rng.choice(("Consent", "Probable Cause")) if searched else "None",
            "contraband_found": rng.choice(("Yes", "No")) if searched else "No",
            "engage_force": "No", "outcome": rng.choice(_STOP_OUTCOMES),
        })  # fmt: skip
    return rows


def employment_rows(rng: random.Random, count: int) -> list[Row]:
    rows = []
    for number in range(1, count + 1):
        start, ended = _day(rng, "1995-01-01", "2020-12-31"), rng.random() < 0.6
        rows.append({
            "officer_id": f"{number:05d}", "employer": f"Sample{rng.choice(_SYLLABLES)} Police Department",
            "state": rng.choice(("LA", "TX", "NM", "NC")), "start_date": _us(start),
            "end_date": _us(_later(rng, start, 90, 1800)) if ended else "Present",
            "employment_type": rng.choice(("FULL_TIME", "PART_TIME", "RESERVE")),
            "separation_reason": rng.choice(("RESIGNED", "RETIRED", "TRANSFERRED")) if ended else "N/A",
        })  # fmt: skip
    return rows


def training_rows(rng: random.Random, count: int) -> list[Row]:
    rows = []
    for number in range(1, count + 1):
        code, title, category, hours = rng.choice(_COURSES)
        done, passed = _day(rng, "2025-01-01", "2026-01-31"), rng.random() < 0.9
        rows.append({
            "officer_id": f"{number:05d}", "course_code": code, "course_name": title, "category": category,
            "completed_on": done.isoformat(), "hours": hours,
            "score": str(rng.randint(70, 100) if passed else rng.randint(20, 69)),
            "passed": "Yes" if passed else "No",
            "expires_on": _later(rng, done, 365, 730).isoformat() if passed else "",
        })  # fmt: skip
    return rows


def complaint_rows(rng: random.Random, count: int) -> list[Row]:
    rows = []
    for number in range(1, count + 1):
        received, finding = _day(rng, "2026-01-01", "2026-02-15"), rng.choice(_FINDINGS)
        rows.append({
            "complaint_id": f"C26-{number:04d}", "officer_id": f"DUR{rng.randint(1, 40):05d}",
            "allegation": rng.choice(_ALLEGATIONS), "received_date": received.isoformat(),
            "closed_date": "" if finding == "PENDING" else _later(rng, received, 5, 40).isoformat(),
            "disposition": finding, "penalty": "Training" if finding == "SUSTAINED" else "",
        })  # fmt: skip
    return rows


_FAULTS: tuple[Row, ...] = (
    {"officer_id": ""},
    {"officer_id": "#REF!"},
    {"last_name": "   "},
    {"email": "not given"},
    {"dob": "1899-12-30"},
    {"hire_date": "2019-02-30"},
    {"employment_status": "ACTVE"},
    {"salary": "-1"},
    {"hire_date": "2015-06-01", "termination_date": "2014-05-31"},
    {"employment_status": "RETIRED", "termination_date": ""},
)


def break_officer_rows(rng: random.Random, rows: list[Row]) -> int:
    """Put each fault into another row and create one pair of duplicates; returns the number of bad rows."""
    original, copy, *others = rng.sample(range(len(rows)), 2 + len(_FAULTS))
    rows[copy]["officer_id"] = rows[original]["officer_id"]
    for index, fault in zip(others, _FAULTS, strict=True):
        rows[index].update(fault)
    return 2 + len(others)


def rename_columns(rows: Sequence[Row], headings: Mapping[str, str | None]) -> list[Row]:
    """Rows with the sender's headings; None drops a column."""
    names = {column: headings.get(column, column) for column in rows[0]}
    return [{name: row[column] for column, name in names.items() if name is not None} for row in rows]


def csv_text(rows: Sequence[Row], *, delimiter: str = ",") -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), delimiter=delimiter, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
