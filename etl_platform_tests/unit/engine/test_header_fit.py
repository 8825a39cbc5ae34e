"""Files under names that no contract knows: the contract whose columns they have, and none for other files."""

import csv
import io
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from etl_platform.engine.contract_folder import read_folder
from etl_platform.engine.header_fit import HeaderFit, fitting_contract
from etl_platform_tests.unit.engine.renames.agency_files import SAMPLES
from etl_platform_tests.unit.engine.renames.agency_headers import HEADERS
from etl_platform_tests.unit.making import CONTRACTS

SHIPPED = read_folder(Path(CONTRACTS)).good


def fit_of(folder: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> HeaderFit | None:
    out = io.StringIO(newline="")
    csv.writer(out).writerows([header, *rows])
    path = folder / "x17.csv"
    path.write_text(out.getvalue(), "utf-8")
    return fitting_contract(path, SHIPPED.values())


def test_of_60_files_with_lost_added_and_renamed_columns_most_have_the_right_contract_and_none_another(
    tmp_path: Path,
) -> None:
    counts = Counter[str]()
    for seed in range(60):
        chance = random.Random(seed)
        dataset = chance.choice(sorted(SAMPLES))
        rows = SAMPLES[dataset](chance)[:30]
        kept = [name for name in rows[0] if chance.random() < 0.85]
        share = chance.choice([0, 0.3, 1])
        header = [
            chance.choice(HEADERS[dataset].get(name, [name])) if chance.random() < share else name for name in kept
        ]
        added = chance.randrange(3)
        body = [[*(row[name] for name in kept), *map(str, range(added))] for row in rows]
        fit = fit_of(tmp_path, [*header, *(f"Extra{place}" for place in range(added))], body)
        counts["none" if fit is None else "right" if fit.contract.dataset == dataset else "wrong"] += 1
    assert counts["right"] >= 0.8 * 60
    assert counts["wrong"] == 0


@pytest.mark.parametrize(
    "header",
    [
        "fruit,colour,price,weight",
        "Invoice No,Date,Amount,Vendor",
        "officer_id,date,hours,pay_code,rate",
        "case_number,status,type,opened",
        "vehicle,plate,make,model,officer_id",
        "officer_id,stop_id,video_url,seconds",
        "complaint_id,witness_name,statement,taken_on",
        "race,sex,age,count",
        "course_code,course_name,category,hours",
        "first_name,last_name,dob,address,booking_no",
    ],
)
def test_a_file_of_another_kind_that_shares_some_columns_has_no_contract(tmp_path: Path, header: str) -> None:
    assert fit_of(tmp_path, header.split(","), [["a"] * len(header.split(","))] * 3) is None


def test_the_hint_names_the_columns_under_other_names_and_those_that_would_be_missing(tmp_path: Path) -> None:
    header = ["OfcrNbr", "course_name", "category", "CompletionDt", "hours", "score"]
    fit = fit_of(tmp_path, header, [["A1", "First aid", "Medical", "2025-01-05", "8", "90"]] * 3)
    assert fit is not None
    assert fit.hint("x17.csv") == (
        "did you mean training? it has 4 of the columns of training, and CompletionDt may be completed_on, OfcrNbr may "
        "be officer_id; course_code would be missing; if so, rename it, such as to Training.csv, or have its name "
        "added to the contract"
    )


def test_a_workbook_keeps_its_ending_in_the_name_that_the_hint_proposes(tmp_path: Path) -> None:
    fit = fit_of(tmp_path, ["officer_id", "course_code", "completed_on", "hours"], [["A1", "FA", "2025-01-05", "8"]])
    assert fit is not None
    assert "such as to Training.xlsx," in fit.hint("training of May.xlsx")
    assert "such as to Training.csv," in fit.hint("may.csv")


def test_data_without_a_header_has_no_contract(tmp_path: Path) -> None:
    assert fit_of(tmp_path, ["A1", "FA-01", "2025-01-05", "8"], [["A2", "FA-02", "2025-01-06", "8"]] * 3) is None
