"""Seeded generator of the sample files of the demo. No network.

Every file is made of valid rows; faults are put in one by one and counted, so what must become of a sample
is known without asking the platform.
"""

import csv
import io
import random
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from xml.sax.saxutils import escape

from etl_platform.object_keys import base_name

SAMPLES = Path(".local/samples")
"""Where make demo and make dev leave them."""

Row = dict[str, str]


@dataclass(frozen=True)
class Sample:
    """One object of the demo and what the platform must make of it.

    Attributes:
        name: unique, for logs and test ids.
        key: object key in the source bucket, with the prefix.
        content: bytes of the object; empty for ``again``, which puts nothing.
        outcome: accepted, rejected, superseded, duplicate or ignored.
        rows: data rows in the file, without header, preamble and totals; None unless accepted.
        quarantined: rows that break at least one rule; None unless accepted.
        dataset: dataset that the key belongs to, None when no contract knows it.
        agency: sender, the folder below the prefix.
        event: ``put`` (put the object, S3 announces it), ``unannounced`` (put it, but withhold its event
            until a newer version is done) or ``again`` (publish the event of the same key once more).
        note: what the sample shows, for people.
    """

    name: str
    key: str
    content: bytes
    outcome: str
    rows: int | None
    quarantined: int | None
    dataset: str | None
    agency: str | None
    event: str = "put"
    note: str = ""


def build_samples(seed: int = 7, source_prefix: str = "from_client/") -> list[Sample]:
    """Return the samples in the order in which they are to be put; the same seed gives the same bytes."""
    rng = random.Random(seed)  # noqa: S311 - made-up rows; nothing is secured by them
    sample = partial(_sample, prefix=source_prefix)

    clean = _officers(rng, 200, "ABQ")
    faulty = _officers(rng, 150, "NOL")
    broken = _break_officers(rng, faulty)
    undated = _rename(_officers(rng, 40, "DUR"), {"hire_date": None})
    accented = _rename(_stops(rng, 120, "ELP", places=_ACCENTED_PLACES), _STOP_HEADINGS)
    history = _rename(_history(rng, 90), _HISTORY_HEADINGS)
    courses = _training(rng, 75)
    older = _stops(rng, 60, "NOL")
    newer = [*older, *_stops(rng, 20, "NOL", after=60)]
    cases = _rename(_complaints(rng, 64), _COMPLAINT_HEADINGS)

    utf16 = b"\xff\xfe" + _csv(history, delimiter="\t").encode("utf-16-le")
    workbook = _xlsx(courses, dates=("completed_on", "expires_on"), numbers=("hours", "score"))
    preamble = "Complaint register\r\nPeriod: January to March 2026\r\nPrinted on 2026-04-02\r\n"
    register = f"{preamble}{_csv(cases)}Total,{len(cases)}\r\n".encode("utf-8-sig")
    vehicles = b"vehicle_id,plate\r\n1,SAMPLE-1\r\n"

    roster, stops = "nm_albuquerque/Officer_Detail.csv", "la_new_orleans/Traffic_Stops.csv"
    return [
        sample("clean", roster, _csv(clean).encode(), rows=clean),
        sample("bad_rows", "la_new_orleans/Officer_Detail.csv", _csv(faulty).encode(), rows=faulty,
               quarantined=broken, note="ten kinds of fault, and two rows that share an officer_id"),
        sample("missing_column", "nc_durham/Officer_Detail.csv", _csv(undated).encode(), "rejected",
               note="no column for hire_date"),
        sample("cp1252_semicolons", "tx_el_paso/Traffic_Stops.csv",
               _csv(accented, delimiter=";").encode("cp1252"), rows=accented),
        sample("utf16_tabs", "la_new_orleans/Employment_History.csv", utf16, rows=history),
        sample("workbook", "nc_durham/Training.xlsx", workbook, rows=courses, note="dates are date cells"),
        sample("empty_file", "nm_albuquerque/Use_Of_Force.csv", b"", "rejected"),
        sample("folder_marker", "nm_albuquerque/", b"", "ignored", known=False),
        sample("no_contract", "nm_albuquerque/Vehicle_Fleet.csv", vehicles, "ignored", known=False),
        sample("same_delivery_again", roster, b"", "duplicate", event="again"),
        sample("older_version", stops, _csv(older).encode(), "superseded", event="unannounced",
               note="its event arrives after that of newer_version"),
        sample("newer_version", stops, _csv(newer).encode(), rows=newer),
        sample("preamble_and_totals", "nc_durham/Complaints.csv", register, rows=cases,
               note="BOM, three lines above the header, a totals line below the data"),
    ]  # fmt: skip


def keep_samples(samples: Sequence[Sample], folder: Path) -> None:
    """Write the samples' files as ``folder/<agency>/<file name>``, to drop and to check by hand."""
    for sample in samples:
        name = base_name(sample.key)
        if name and sample.event != "again":
            path = folder / str(sample.agency) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(sample.content)


def _sample(
    name: str,
    path: str,
    content: bytes,
    outcome: str = "accepted",
    *,
    prefix: str,
    rows: Sequence[Row] | None = None,
    quarantined: int = 0,
    known: bool = True,
    event: str = "put",
    note: str = "",
) -> Sample:
    agency, _, file = path.partition("/")
    return Sample(
        name=name,
        key=prefix + path,
        content=content,
        outcome=outcome,
        rows=None if rows is None else len(rows),
        quarantined=None if rows is None else quarantined,
        dataset=file.partition(".")[0].lower() if known else None,
        agency=agency,
        event=event,
        note=note,
    )


# Rows, under the column names of the contracts. Every one is valid.

_SYLLABLES = ("bex", "dov", "fim", "gaz", "jup", "mib", "nax", "pod", "quz", "tez", "vul", "wix", "zor")
_RANKS = ("Officer", "Officer", "Officer", "Detective", "Sergeant", "Lieutenant", "Captain")
_PLACES = ("North Precinct", "South Precinct", "Traffic Section", "Records, Property", "K-9")
_ACCENTED_PLACES = ("Calle Cañón", "Peñasco Avenue", "Señora Street", "Río Frío \u2013 east side")
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


def _officers(rng: random.Random, count: int, prefix: str) -> list[Row]:
    rows = []
    for number in range(1, count + 1):
        first, last = _name(rng), f"Sample{_name(rng).lower()}"
        hired = _day(rng, "1998-01-01", "2024-12-31")
        left = rng.random() < 0.15
        rows.append({
            "officer_id": f"{prefix}{number:05d}", "badge_number": f"{rng.randint(1, 9999):04d}",
            "last_name": last, "first_name": first,
            "email": f"{first}.{last}.{number}@police.example".lower(),
            "dob": _day(rng, "1960-01-01", "1976-12-31").isoformat(), "hire_date": hired.isoformat(),
            "termination_date": _later(rng, hired, 30, 365).isoformat() if left else "",
            "rank": rng.choice(_RANKS), "unit": rng.choice(_PLACES),
            "employment_status": rng.choice(("RESIGNED", "RETIRED", "TERMINATED")) if left else "ACTIVE",
            "race_ethnicity": rng.choice(_RACES), "sex": rng.choice("MFX"),
            "salary": f"${rng.randint(42_000, 140_000):,}",
        })  # fmt: skip
    return rows


def _stops(
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


def _history(rng: random.Random, count: int) -> list[Row]:
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


def _training(rng: random.Random, count: int) -> list[Row]:
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


def _complaints(rng: random.Random, count: int) -> list[Row]:
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


def _break_officers(rng: random.Random, rows: list[Row]) -> int:
    """Put each fault into a row of its own and make one pair of duplicates; return how many rows are bad."""
    original, copy, *others = rng.sample(range(len(rows)), 2 + len(_FAULTS))
    rows[copy]["officer_id"] = rows[original]["officer_id"]
    for index, fault in zip(others, _FAULTS, strict=True):
        rows[index].update(fault)
    return 2 + len(others)


# Files: the senders' own headings, CSV and Excel.

_STOP_HEADINGS = {
    "stop_id": "Stop No.",
    "stop_date": "Date of Stop",
    "driver_race": "Race",
    "outcome": "Action",
}
_HISTORY_HEADINGS = {"officer_id": "TaxID", "employer": "Agency", "start_date": "Appt Date"}
_COMPLAINT_HEADINGS = {"complaint_id": "Case No", "received_date": "Date Received", "disposition": "Finding"}


def _rename(rows: Sequence[Row], headings: Mapping[str, str | None]) -> list[Row]:
    """Put columns under other headings; None drops the column."""
    names = {column: headings.get(column, column) for column in rows[0]}
    return [{name: row[column] for column, name in names.items() if name is not None} for row in rows]


def _csv(rows: Sequence[Row], *, delimiter: str = ",") -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), delimiter=delimiter, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml"
# The parts of the smallest workbook that readers accept; cell style 1 is number format 14, a date.
_WORKBOOK = {
    "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPES}.sheet.main+xml"/>'
    f'<Override PartName="/xl/styles.xml" ContentType="{_TYPES}.styles+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_TYPES}.worksheet+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
    f'<Relationship Id="rId2" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{_SHEET}" xmlns:r="{_OFFICE}">'
    '<sheets><sheet name="Export" sheetId="1" r:id="rId1"/></sheets></workbook>',
    "xl/styles.xml": f'<styleSheet xmlns="{_SHEET}">'
    '<fonts count="1"><font/></fonts><fills count="2"><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill></fills><borders count="1"><border/></borders>'
    '<cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="2"><xf numFmtId="0"/>'
    '<xf numFmtId="14" applyNumberFormat="1"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>',
}


def _xlsx(rows: Sequence[Row], *, dates: Sequence[str], numbers: Sequence[str]) -> bytes:
    """One sheet with a header; ISO ``dates`` become date cells, ``numbers`` numeric cells, the rest text."""

    def cell(column: str, value: str) -> str:
        if column in dates and value:
            return f'<c s="1"><v>{(date.fromisoformat(value) - date(1899, 12, 30)).days}</v></c>'
        if column in numbers:
            return f"<c><v>{value}</v></c>"
        return f'<c t="inlineStr"><is><t>{escape(value)}</t></is></c>' if value else "<c/>"

    lines = ["".join(cell("", column) for column in rows[0])]
    lines += ["".join(cell(column, value) for column, value in row.items()) for row in rows]
    body = "".join(f"<row>{line}</row>" for line in lines)
    sheet = f'<worksheet xmlns="{_SHEET}"><sheetData>{body}</sheetData></worksheet>'

    content = io.BytesIO()
    # Stored, with a fixed time and host system: the bytes depend on neither clock, zlib nor platform.
    with zipfile.ZipFile(content, "w") as archive:
        for path, xml in (_WORKBOOK | {"xl/worksheets/sheet1.xml": sheet}).items():
            entry = zipfile.ZipInfo(path, date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3
            archive.writestr(entry, f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>{xml}')
    return content.getvalue()
