"""A small application database with generated rows, for demo, development and tests.

It has the tables and columns that ``application_db/database.py`` queries; the real schema belongs to another system.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

SCHEMA = """
CREATE TABLE agencies (
    id integer PRIMARY KEY,
    slug text NOT NULL UNIQUE,
    name text NOT NULL
);
CREATE TABLE officers (
    id bigint PRIMARY KEY,
    agency_id integer NOT NULL REFERENCES agencies,
    badge_number text NOT NULL
);
CREATE TABLE employment_history (
    id bigint PRIMARY KEY,
    officer_id bigint NOT NULL REFERENCES officers,
    employer text NOT NULL,
    start_date date NOT NULL,
    end_date date,
    state text,
    agency_code text,
    rank text,
    employment_type text,
    separation_reason text,
    eligible_for_rehire boolean
);
CREATE INDEX ON employment_history (officer_id);
CREATE TABLE attachments (
    id bigint PRIMARY KEY,
    agency_id integer NOT NULL REFERENCES agencies,
    s3_key text NOT NULL,
    file_name text NOT NULL,
    content_type text,
    size_bytes bigint
);
CREATE INDEX ON attachments (agency_id);
"""

Values = tuple[Any, ...]


@dataclass(frozen=True)
class Rows:
    """Rows by table, with columns in the order of SCHEMA."""

    agencies: Sequence[Values]
    officers: Sequence[Values]
    employment_history: Sequence[Values]
    attachments: Sequence[Values]


_AGENCIES = (
    (10, "nm_albuquerque", "Albuquerque Police Department"),
    (11, "la_new_orleans", "New Orleans Police Department"),
    (12, "nc_durham", "Durham Police Department"),
)
_EMPLOYERS = (("Desert Bend PD", "NM", "NM0010001"), ("Gulf Parish SO", "LA", "LA0020002"), ("Cedar Mill PD", "NC", ""))
_RANKS = ("Officer", "Sergeant", "Lieutenant", "Captain")
_FILES = ("Report.pdf", "Photo.jpg", "Statement.txt")


def seeded_rows(officers_per_agency: int = 20, attachments_per_agency: int = 12, seed: int = 7) -> Rows:
    """Rows of three agencies; the same seed gives the same rows. Many attachments have equal names, as in reality."""
    draw = random.Random(seed)  # noqa: S311 - generated rows, no security
    officers = [
        (agency * 10_000 + number, agency, f"{slug[:2].upper()}{number:05d}")
        for agency, slug, _ in _AGENCIES
        for number in range(1, officers_per_agency + 1)
    ]
    history = [period for officer, *_ in officers for period in _periods(draw, officer)]
    attachments = [
        (
            agency * 10_000 + number,
            agency,
            f"documents/{agency}/{1_000 + number}/{_FILES[number % len(_FILES)]}",
            _FILES[number % len(_FILES)],
            ("application/pdf", "image/jpeg", "text/plain")[number % len(_FILES)],
            len(attachment_content(agency * 10_000 + number)),
        )
        for agency, _, _ in _AGENCIES
        for number in range(1, attachments_per_agency + 1)
    ]
    return Rows(_AGENCIES, officers, history, attachments)


def attachment_content(attachment_id: int) -> bytes:
    """The bytes of a seeded attachment."""
    return f"attachment {attachment_id}\n".encode() * (1 + attachment_id % 50)


def create_application_database(url: str, rows: Rows) -> None:
    """Create the tables and insert the rows; ``url`` is a libpq connection URL.

    Raises:
        psycopg2.Error: the server refused, for instance because the tables exist already.
    """
    import psycopg2
    from psycopg2.extras import execute_values

    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(SCHEMA)
            for table in ("agencies", "officers", "employment_history", "attachments"):
                values = getattr(rows, table)
                if values:
                    execute_values(cursor, f"INSERT INTO {table} VALUES %s", values, page_size=1_000)  # noqa: S608
    finally:
        connection.close()


def _periods(draw: random.Random, officer: int) -> list[Values]:
    """One to three consecutive periods of service; the last one has not ended."""
    start = date(1998, 1, 1) + timedelta(days=draw.randrange(7_000))
    count, periods = draw.randint(1, 3), []
    for number in range(count):
        employer, state, code = draw.choice(_EMPLOYERS)
        end = start + timedelta(days=draw.randint(200, 1_500)) if number < count - 1 else None
        periods.append(
            (
                officer * 10 + number,
                officer,
                employer,
                start,
                end,
                state,
                code or None,
                _RANKS[min(number + draw.randint(0, 1), len(_RANKS) - 1)],
                draw.choice(("FULL_TIME", "PART_TIME")),
                draw.choice(("RESIGNED", "TRANSFERRED")) if end else None,
                draw.choice((True, False)) if end else None,
            )
        )
        start = (end or start) + timedelta(days=draw.randint(1, 90))
    return periods
