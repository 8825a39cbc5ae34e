"""What became of a delivery, in one line, and the next step."""

from dataclasses import replace
from typing import Any

import pytest

from etl_platform.deliveries.delivery import ObjectVersion, Outcome
from etl_platform.deliveries.verdict import verdict, what_to_do
from etl_platform.engine.privacy.personal_data import PersonalData
from etl_platform.engine.privacy.personal_forms import PersonalKind
from etl_platform.engine.result import CheckResult, FileError
from etl_platform_tests.unit.making_reports import report_of

EMPTY = CheckResult(errors=(FileError("empty_file", "the file has zero bytes; export it again"),))
PERSONAL = PersonalData("note", PersonalKind.SSN, 2, 8)
PHONES = [PersonalData(name, PersonalKind.PHONE, 1, 8) for name in ("ring", "fax", "cell")]
CLASSIFY = "Classify the columns with personal data in the contract, or ask the sender to leave them out."
BAD_ROWS = CheckResult(rows=8, accepted_rows=7, quarantined_rows=1, reasons={"email.pattern": 1})


@pytest.mark.parametrize(
    ("fields", "outcome", "text", "next_step"),
    [
        ({}, Outcome.ACCEPTED, "accepted", "Nothing."),
        (
            {"check": BAD_ROWS},
            Outcome.ACCEPTED,
            "accepted, 1 row of 8 in quarantine: email.pattern 1",
            "Send the sender the rows to correct: etl-platform quarantine --agency nm_albuquerque "
            "--dataset officer_detail --out fix.csv",
        ),
        (
            {"check": replace(BAD_ROWS, sentences={"email.pattern": "email must be\nlong."})},
            Outcome.ACCEPTED,
            "accepted, 1 row of 8 in quarantine: 1 row: email must be long",
            "Send the sender the rows to correct: etl-platform quarantine --agency nm_albuquerque "
            "--dataset officer_detail --out fix.csv",
        ),
        (
            {"check": CheckResult(rows=8, personal_data=(PERSONAL,))},
            Outcome.ACCEPTED,
            "accepted: note: what looks like social security numbers is in 2 of 8 examined cells",
            CLASSIFY,
        ),
        (
            {"check": CheckResult(rows=8, personal_data=(PERSONAL, *PHONES))},
            Outcome.ACCEPTED,
            "accepted: note: what looks like social security numbers is in 2 of 8 examined cells; "
            "ring: what looks like phone numbers is in 1 of 8 examined cells; 2 more columns with personal data",
            CLASSIFY,
        ),
        ({"check": CheckResult(rows=8, personal_data=())}, Outcome.ACCEPTED, "accepted", "Nothing."),
        (
            {"check": EMPTY, "outcome": Outcome.REJECTED},
            Outcome.REJECTED,
            "rejected: empty_file: the file has zero bytes; export it again",
            "Send the code and the message to the sender. If the contract is wrong, correct it and materialize the "
            "partition again.",
        ),
        (
            {"superseded_by": "d2", "outcome": Outcome.SUPERSEDED},
            Outcome.SUPERSEDED,
            "superseded, because the newer delivery d2 was processed first",
            "Nothing.",
        ),
        (
            {"check": EMPTY, "outcome": Outcome.REJECTED},
            Outcome.DUPLICATE,
            "duplicate of a delivery that was rejected before",
            "Nothing.",
        ),
    ],
)
def test_each_outcome_has_a_sentence_and_a_next_step(
    fields: dict[str, Any], outcome: Outcome, text: str, next_step: str
) -> None:
    report = report_of("d1", **fields)

    assert verdict(report, outcome) == f"Officer_Detail.csv: {text}"
    assert what_to_do(report, outcome) == next_step


def test_a_file_name_adds_no_line_to_its_verdict() -> None:
    report = report_of("d1")
    report = replace(report, source=ObjectVersion("bucket", "from_client/a/Officer\nrejected.csv"))

    assert verdict(report, Outcome.ACCEPTED) == "Officer\\x0arejected.csv: accepted"
