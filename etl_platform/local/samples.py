"""Generates the sample files of the demo with their expected results. No network.

Files consist of valid rows and counted faults, so the expected result of each is known in advance.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from etl_platform.local.sample_rows import (
    ACCENTED_PLACES,
    Row,
    break_officer_rows,
    complaint_rows,
    csv_text,
    employment_rows,
    officer_rows,
    rename_columns,
    stop_rows,
    training_rows,
)
from etl_platform.local.sample_workbook import xlsx_bytes
from etl_platform.object_keys import base_name

SAMPLES = Path(".local/samples")
"""The folder to which make demo and make dev write the sample files."""


@dataclass(frozen=True)
class Sample:
    """One object of the demo and its expected result.

    Attributes:
        name: unique, for logs and test ids.
        key: object key in the source bucket, with the prefix.
        content: bytes of the object; empty for ``again``, which puts no object.
        outcome: accepted, rejected, superseded, duplicate or ignored.
        rows: data rows in the file, without header, preamble and totals; None unless accepted.
        quarantined: rows that break at least one rule; None unless accepted.
        dataset: dataset of the key; None if it has no contract.
        agency: sender, the folder below the prefix.
        event: ``put`` (put the object, S3 sends its event), ``unannounced`` (put it, and withhold its event
            until a newer version is recorded) or ``again`` (publish the event of an earlier sample again).
        note: what the sample demonstrates, for people.
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
    """The samples in the order of upload; the same seed gives the same bytes."""
    rng = random.Random(seed)  # noqa: S311 - generated rows, no security
    sample = partial(_sample, prefix=source_prefix)

    clean = officer_rows(rng, 200, "ABQ")
    faulty = officer_rows(rng, 150, "NOL")
    broken = break_officer_rows(rng, faulty)
    undated = rename_columns(officer_rows(rng, 40, "DUR"), {"hire_date": None})
    accented = rename_columns(stop_rows(rng, 120, "ELP", places=ACCENTED_PLACES), _STOP_HEADINGS)
    history = rename_columns(employment_rows(rng, 90), _HISTORY_HEADINGS)
    courses = training_rows(rng, 75)
    older = stop_rows(rng, 60, "NOL")
    newer = [*older, *stop_rows(rng, 20, "NOL", after=60)]
    cases = rename_columns(complaint_rows(rng, 64), _COMPLAINT_HEADINGS)
    roster, stops = "nm_albuquerque/Officer_Detail.csv", "la_new_orleans/Traffic_Stops.csv"
    return [
        sample("clean", roster, csv_text(clean).encode(), rows=clean),
        sample("bad_rows", "la_new_orleans/Officer_Detail.csv", csv_text(faulty).encode(), rows=faulty,
               quarantined=broken, note="ten kinds of fault, and two rows that share an officer_id"),
        sample("missing_column", "nc_durham/Officer_Detail.csv", csv_text(undated).encode(), "rejected",
               note="no column for hire_date"),
        sample("cp1252_semicolons", "tx_el_paso/Traffic_Stops.csv",
               csv_text(accented, delimiter=";").encode("cp1252"), rows=accented),
        sample("utf16_tabs", "la_new_orleans/Employment_History.csv", _utf16_tabs(history), rows=history),
        sample("workbook", "nc_durham/Training.xlsx",
               xlsx_bytes(courses, dates=("completed_on", "expires_on"), numbers=("hours", "score")),
               rows=courses, note="dates are date cells"),
        sample("empty_file", "nm_albuquerque/Use_Of_Force.csv", b"", "rejected"),
        sample("folder_marker", "nm_albuquerque/", b"", "ignored", known=False),
        sample("no_contract", "nm_albuquerque/Vehicle_Fleet.csv", b"vehicle_id,plate\r\n1,SAMPLE-1\r\n",
               "ignored", known=False),
        sample("same_delivery_again", roster, b"", "duplicate", event="again"),
        sample("older_version", stops, csv_text(older).encode(), "superseded", event="unannounced",
               note="its event arrives after that of newer_version"),
        sample("newer_version", stops, csv_text(newer).encode(), rows=newer),
        sample("preamble_and_totals", "nc_durham/Complaints.csv", _register(cases), rows=cases,
               note="BOM, three lines above the header, a totals line below the data"),
    ]  # fmt: skip


def _utf16_tabs(rows: Sequence[Row]) -> bytes:
    return b"\xff\xfe" + csv_text(rows, delimiter="\t").encode("utf-16-le")


def _register(cases: Sequence[Row]) -> bytes:
    preamble = "Complaint register\r\nPeriod: January to March 2026\r\nPrinted on 2026-04-02\r\n"
    return f"{preamble}{csv_text(cases)}Total,{len(cases)}\r\n".encode("utf-8-sig")


def write_samples(samples: Sequence[Sample], folder: Path) -> None:
    """Write the samples as ``folder/<agency>/<file name>``, to upload or check them by hand."""
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


_STOP_HEADINGS = {
    "stop_id": "Stop No.",
    "stop_date": "Date of Stop",
    "driver_race": "Race",
    "outcome": "Action",
}
_HISTORY_HEADINGS = {"officer_id": "TaxID", "employer": "Agency", "start_date": "Appt Date"}
_COMPLAINT_HEADINGS = {"complaint_id": "Case No", "received_date": "Date Received", "disposition": "Finding"}
