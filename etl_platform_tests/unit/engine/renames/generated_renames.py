"""Files of the shipped contracts with renamed, lost and additional columns, in header styles of agencies. No tests."""

import csv
import io
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from etl_platform.engine.contract.model import Contract, fold
from etl_platform.engine.contract_folder import load_contract
from etl_platform.local import sample_rows
from etl_platform_tests.unit.making import CONTRACTS

_OTHER_WORDS = {
    "allegation": ["alleged_misconduct", "complaint_allegation", "alleg"],
    "assignment": ["assgn", "assigned"],
    "badge": ["bdg", "star", "shield"],
    "birth": ["brth"],
    "category": ["type", "categ", "course_category"],
    "closed": ["close", "closing", "clsd"],
    "code": ["cd", "no"],
    "complaint": ["cmplnt", "compl"],
    "completed": ["complete", "finished", "done"],
    "contraband": ["contra", "illegal_items"],
    "course": ["class", "crse", "training_course"],
    "date": ["dt", "day", "date_of"],
    "disposition": ["disp", "outcome", "final_disposition"],
    "driver": ["drv", "drvr", "motorist"],
    "dob": ["birth_dt", "date_of_brth", "BirthDate1"],
    "email": ["e_mail", "mail_address", "email_addr"],
    "employer": ["employing_agency", "employed_by", "emplr"],
    "employment": ["empl", "emp"],
    "end": ["ending", "finish", "until"],
    "engage": ["used", "engaged"],
    "expires": ["expiry", "expiration", "exp"],
    "first": ["frst", "given", "fst"],
    "force": ["frc"],
    "found": ["fnd", "discovered"],
    "hire": ["hired", "appointed", "hr"],
    "hours": ["hrs", "hour_count", "duration_hours"],
    "id": ["ident", "identifier", "no"],
    "last": ["lst", "family", "sur"],
    "location": ["loc", "place", "site"],
    "name": ["nm", "names"],
    "number": ["nbr", "num", "nr"],
    "officer": ["off", "ofc", "ofcr", "emp"],
    "outcome": ["result_of_stop", "stop_outcome", "outcm"],
    "passed": ["pass", "passed_yn", "has_passed"],
    "penalty": ["penalty_imposed", "discipline_penalty", "pnlty"],
    "purpose": ["purp", "reason", "initial_purpose"],
    "race": ["ethnic_group", "racial_group", "race_cd"],
    "rank": ["rnk", "grade", "officer_rank"],
    "received": ["recvd", "rcvd", "receipt"],
    "salary": ["sal", "yearly_salary", "salary_usd"],
    "score": ["test_score", "scr", "exam_score"],
    "search": ["srch", "searching"],
    "separation": ["sep", "leaving"],
    "sex": ["gndr", "sex_cd", "gender_code"],
    "start": ["begin", "started", "from"],
    "state": ["st", "state_abbr", "employer_state"],
    "status": ["stat", "sts"],
    "stop": ["stp", "traffic_stop"],
    "termination": ["term", "separation", "terminated"],
    "time": ["tm", "time_of"],
    "type": ["typ", "kind"],
    "unit": ["assigned_unit", "unit_name", "unit_cd"],
}
_STYLES: list[Callable[[list[str]], str]] = [
    lambda words: "_".join(words).upper(),
    lambda words: "".join(map(str.title, words)),
    lambda words: " ".join(map(str.title, words)),
    "-".join,
    ".".join,
    lambda words: words[0] + "".join(map(str.title, words[1:])),
]
_UNRELATED: dict[str, Callable[[random.Random], str]] = {
    "RECORD_SEQ": lambda chance: str(chance.randrange(10**6)),
    "LastUpdated": lambda chance: f"2026-0{chance.randrange(1, 9)}-1{chance.randrange(9)}",
    "County": lambda chance: chance.choice(["Durham", "Bernalillo", "Tulsa"]),
    "SHIFT": lambda chance: chance.choice("ABC"),
    "Supervisor ID": lambda chance: f"S{chance.randrange(999):03}",
    "zone": lambda chance: str(chance.randrange(40)),
    "Remarks": lambda chance: chance.choice(["", "see file", "pending review"]),
    "batch_no": lambda chance: str(chance.randrange(90)),
    "BodyCam": lambda chance: chance.choice(["Yes", "No"]),
    "Entry Date": lambda chance: f"2026-0{chance.randrange(1, 9)}-1{chance.randrange(9)}",
    "Officer Phone": lambda chance: f"555-{chance.randrange(1000, 9999)}",
    "Termination Reason": lambda chance: chance.choice(["", "Moved", "Health"]),
    "StopDuration": lambda chance: str(chance.randrange(60)),
    "Closed By": lambda chance: chance.choice(["Unit 1", "Unit 2"]),
    "driver_city": lambda chance: chance.choice(["Reno", "Elko"]),
    "Weather": lambda chance: chance.choice(["Clear", "Rain", "Snow"]),
}
_ROWS: dict[str, Callable[[random.Random], list[sample_rows.Row]]] = {
    "officer_detail": lambda chance: sample_rows.officer_rows(chance, 200, "A"),
    "traffic_stops": lambda chance: sample_rows.stop_rows(chance, 200, "A"),
    "employment_history": lambda chance: sample_rows.employment_rows(chance, 200),
    "training": lambda chance: sample_rows.training_rows(chance, 200),
    "complaints": lambda chance: sample_rows.complaint_rows(chance, 200),
}


@dataclass(frozen=True)
class RenamedFile:
    """``renamed``: by new header, the column. The file also lacks some columns and has some that are unrelated."""

    contract: Contract
    content: bytes
    renamed: dict[str, str]


def renamed_file(seed: int) -> RenamedFile:
    chance = random.Random(seed)
    dataset = chance.choice(sorted(_ROWS))
    contract = load_contract(Path(CONTRACTS) / f"{dataset}.odcs.yaml")
    rows = _ROWS[dataset](chance)
    names = list(rows[0])
    renamed = {}
    for column in chance.sample(names, chance.randrange(1, 4)):
        header = _other_name(column, contract, chance)
        if header is not None and fold(header) not in set(map(fold, renamed)):
            renamed[header] = column
    gone = [name for name in names if name not in renamed.values() and not contract.column(name).required]
    lost = set(chance.sample(gone, min(len(gone), chance.randrange(3))))
    headers = {column: header for header, column in renamed.items()}
    added = chance.sample(sorted(_UNRELATED), chance.randrange(4))
    kept = [name for name in names if name not in lost]
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow([headers.get(name, name) for name in kept] + added)
    for row in rows:
        writer.writerow([row[name] for name in kept] + [_UNRELATED[name](chance) for name in added])
    return RenamedFile(contract, out.getvalue().encode(), renamed)


def _other_name(column: str, contract: Contract, chance: random.Random) -> str | None:
    """A name that the contract does not know: other words, another order, or letters left out."""
    for _ in range(20):
        words = []
        for word in column.split("_"):
            others = _OTHER_WORDS.get(word, [])
            words += (chance.choice(others) if others and chance.random() < 0.6 else word).lower().split("_")
        if chance.random() < 0.2:
            words = words[1:] + words[:1]
        if chance.random() < 0.2:
            words[-1] = words[-1][0] + "".join(letter for letter in words[-1][1:] if letter not in "aeiou")
        header = chance.choice(_STYLES)(words)
        if fold(header) not in contract.known_headers:
            return header
    return None
