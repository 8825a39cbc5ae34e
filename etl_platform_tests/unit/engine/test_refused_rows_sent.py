"""An export of refused rows that is sent in place of the file is refused, since it would replace all its rows."""

import csv
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl_platform.engine.check import check_file
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.output.quarantine_files import export_csv
from etl_platform.engine.result import CheckResult
from etl_platform.engine.split import QUARANTINE
from etl_platform.engine.spreadsheets.refused_rows import RefusedRows, write_workbook
from etl_platform_tests.unit.engine.test_random_contracts import cells, properties
from etl_platform_tests.unit.making import contract_of, custom, text

CONTRACT = contract_of([text("ident", required=True), text("note", logicalTypeOptions={"maxLength": 3})])
ROWS = b"ident,note\n1,good\n2,x\n3,bad one\n"


def exported(folder: Path, path: Path, contract: Contract, delivery: str, suffix: str) -> Path | None:
    """What a person gets of the refused rows of a file; None if no row is refused."""
    result = check_file(path, contract, folder)
    if not result.quarantined_rows:
        return None
    out, quarantine = folder / f"fix{suffix}", folder / QUARANTINE
    if suffix == ".csv":
        export_csv({delivery: quarantine}, out)
    else:
        write_workbook({delivery: RefusedRows(quarantine, result)}, contract, out)
    return out


def codes(result: CheckResult) -> list[str]:
    return [error.code for error in result.errors]


def file_of(folder: Path, content: bytes) -> Path:
    path = folder / "things.csv"
    path.write_bytes(content)
    return path


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data(), delivery=st.sampled_from(["", "0" * 20]), suffix=st.sampled_from([".csv", ".xlsx"]))
def test_every_export_of_refused_rows_is_refused_as_a_delivery(
    tmp_path: Path, data: st.DataObject, delivery: str, suffix: str
) -> None:
    made = data.draw(properties())
    rows = data.draw(st.lists(cells(made), min_size=1, max_size=12))
    with (tmp_path / "rows.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [entry["name"] for entry in made])
        writer.writeheader()
        writer.writerows(rows)
    contract = contract_of(made)
    out = exported(tmp_path, tmp_path / "rows.csv", contract, delivery, suffix)
    assert out is None or codes(check_file(out, contract, tmp_path)) == ["refused_rows"]


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
@pytest.mark.parametrize(
    "reading", [{"headerLine": 3}, {"header": "none"}, {"delimiter": ";"}, {"encoding": "windows-1252"}]
)
def test_it_is_refused_so_where_the_contract_fixes_how_files_are_written(
    tmp_path: Path, suffix: str, reading: dict[str, object]
) -> None:
    contract = contract_of(
        [text("ident", required=True), text("note", logicalTypeOptions={"maxLength": 3})], customs=custom(**reading)
    )
    content = {"headerLine": b"title\n\n" + ROWS, "header": ROWS.partition(b"\n")[2]}.get(next(iter(reading)), ROWS)
    if "delimiter" in reading:
        content = content.replace(b",", b";")
    out = exported(tmp_path, file_of(tmp_path, content), contract, "", suffix)
    assert out is not None
    assert codes(check_file(out, contract, tmp_path)) == ["refused_rows"]


def test_the_message_says_what_to_send(tmp_path: Path) -> None:
    out = exported(tmp_path, file_of(tmp_path, ROWS), CONTRACT, "", ".csv")
    assert out is not None
    (error,) = check_file(out, CONTRACT, tmp_path).errors
    assert "put the corrected cells into your own file and send that whole" in error.message
    assert "replay --corrections" in error.message
    assert not (tmp_path / "silver.parquet").exists()


def test_it_is_refused_in_an_archive_and_after_a_spreadsheet_saved_it_anew(tmp_path: Path) -> None:
    out = exported(tmp_path, file_of(tmp_path, ROWS), CONTRACT, "", ".csv")
    assert out is not None
    saved = out.read_text("utf-8-sig").replace(",", ";").replace("\n", "\r\n")
    out.write_text(saved, "cp1252", newline="")
    assert codes(check_file(out, CONTRACT, tmp_path)) == ["refused_rows"]
    with zipfile.ZipFile(tmp_path / "things.zip", "w") as archive:
        archive.write(out, "things.csv")
    assert codes(check_file(tmp_path / "things.zip", CONTRACT, tmp_path)) == ["refused_rows"]


@pytest.mark.parametrize("names", ["reasons", "_line", "_line,Reasons", "line,reasons"])
def test_a_file_with_columns_of_its_own_of_such_names_is_not(tmp_path: Path, names: str) -> None:
    more = ",x" * len(names.split(","))
    path = file_of(tmp_path, f"ident,note,{names}\n1,a{more}\n2,b{more}\n".encode())
    assert codes(check_file(path, CONTRACT, tmp_path)) == []
