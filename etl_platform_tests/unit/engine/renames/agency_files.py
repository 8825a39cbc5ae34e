"""Files of the shipped contracts under the headers of other agencies, with columns lost, added and merged. No tests."""

import csv
import io
import random
from collections.abc import Callable
from pathlib import Path

from etl_platform.engine.contract.model import fold
from etl_platform.engine.contract_folder import load_contract
from etl_platform.local import sample_rows
from etl_platform_tests.unit.engine.renames.agency_headers import ADDED, HEADERS, MERGED
from etl_platform_tests.unit.engine.renames.generated_renames import RenamedFile
from etl_platform_tests.unit.making import CONTRACTS

_ROWS = 120
_FORCE = ("TAKEDOWN", "CANINE", "CONDUCTED ENERGY", "OTHER")


def _force_rows(chance: random.Random) -> list[sample_rows.Row]:
    return [
        {
            "incident_id": f"UF-{number:05d}",
            "officer_id": f"N{chance.randint(1, 80):05d}",
            "subject_number": str(chance.randint(1, 3)),
            "occurred_at": f"2026-01-{chance.randint(1, 28):02d} {chance.randrange(24):02d}:{chance.randrange(60):02d}",
            "force_type": chance.choice(_FORCE),
            "reason": chance.choice(("Resisted arrest", "Fled", "Armed person")),
            "subject_race": chance.choice(("White", "Black", "Hispanic")),
            "subject_sex": chance.choice(("Male", "Female")),
            "subject_age": str(chance.randint(15, 70)),
            "subject_injured": chance.choice(("Yes", "No")),
            "officer_injured": chance.choice(("Yes", "No")),
            "city": chance.choice(("Reno", "Elko")),
        }
        for number in range(_ROWS)
    ]


def _officer_rows(chance: random.Random) -> list[sample_rows.Row]:
    rows = sample_rows.officer_rows(chance, _ROWS, "N")
    return [{**row, "middle_initial": chance.choice("ABCDE")} for row in rows]


SAMPLES: dict[str, Callable[[random.Random], list[sample_rows.Row]]] = {
    "officer_detail": _officer_rows,
    "traffic_stops": lambda chance: sample_rows.stop_rows(chance, _ROWS, "N"),
    "complaints": lambda chance: sample_rows.complaint_rows(chance, _ROWS),
    "training": lambda chance: sample_rows.training_rows(chance, _ROWS),
    "employment_history": lambda chance: sample_rows.employment_rows(chance, _ROWS),
    "use_of_force": _force_rows,
}


def agency_file(seed: int) -> RenamedFile:
    """A file with up to four columns renamed, up to three lost, up to four added; in some, columns are merged too."""
    chance = random.Random(seed)
    dataset = chance.choice(sorted(SAMPLES))
    contract = load_contract(Path(CONTRACTS) / f"{dataset}.odcs.yaml")
    rows = SAMPLES[dataset](chance)
    gone, added = set[str](), dict[str, list[str]]()
    if chance.random() < 0.3:
        merged, added = chance.choice(MERGED[dataset])
        gone, added = set(merged), dict(added)
    headers = {}
    left = [name for name in rows[0] if name not in gone]
    for name in chance.sample(left, chance.randint(0 if added else 1, 4)):
        unknown = [h for h in HEADERS[dataset][name] if fold(h) not in contract.known_headers]
        header = chance.choice(unknown)
        if fold(header) not in map(fold, headers.values()):
            headers[name] = header
    lost = [name for name in left if name not in headers]
    gone |= set(chance.sample(lost, min(len(lost), chance.randint(0, 3))))
    taken = {*map(fold, headers.values()), *contract.known_headers}
    for header in chance.sample(sorted(ADDED[dataset]), chance.randint(0, 4)):
        if fold(header) not in taken:
            added[header] = ADDED[dataset][header]
    kept = [name for name in rows[0] if name not in gone]
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow([headers.get(name, name) for name in kept] + list(added))
    for row in rows:
        writer.writerow([row[name] for name in kept] + [chance.choice(values) for values in added.values()])
    return RenamedFile(contract, out.getvalue().encode(), {header: name for name, header in headers.items()})
