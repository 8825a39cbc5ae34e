"""The page of a file: what it says, that texts cannot break out of it, and that it has no personal value."""

import csv
import io
import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_platform.engine.contract_folder import load_contract
from etl_platform.engine.drift.comparison import DriftComparison
from etl_platform.engine.drift.finding import Change, Finding
from etl_platform.engine.example_values import with_values
from etl_platform.engine.file_dialect import DroppedLine
from etl_platform.engine.pages.html_page import html_page
from etl_platform.engine.pages.page_facts import EarlierFile, LastFile, PageFacts
from etl_platform.engine.pages.text_page import text_page
from etl_platform.engine.result import CheckResult, ColumnProfile, FileError
from etl_platform.local.samples import Sample, build_samples
from etl_platform_tests.unit.engine.pages.page_parts import (
    AT,
    ATTACKS,
    Parts,
    csv_bytes,
    facts_of,
    page_of,
)
from etl_platform_tests.unit.making import CONTRACTS, contract_of, row_rule, text, typed

CONTRACT = contract_of(
    [
        text("ident", required=True, description="The number of the thing."),
        text("name", classification="restricted", logicalTypeOptions={"maxLength": 5}),
        typed("size", "integer", logicalTypeOptions={"maximum": 10}),
        text("kind", enum=[{"value": "A"}, {"value": "B"}]),
        typed("double", "integer", transformLogic="size * 2", required=True),
    ],
    quality=[row_rule("small", "size < 9")],
)
HEADER = ("Ident", "name", "size", "kind")
FILE = csv_bytes(HEADER, ("1", "Ann", "1", "A"), ("2", "Roberta", "x", "C"), ("", "Eve", "", "B"), ("4", "", "2", "A"))
CSV_SAMPLES = [
    sample for sample in build_samples() if sample.dataset and sample.content and sample.key.endswith(".csv")
]
FINDING = Finding(Change.ROWS, None, "4 rows", "40 rows", "the file has 4 rows; the last file had 40 rows")


def test_a_page_says_the_verdict_what_to_do_and_why(tmp_path: Path) -> None:
    text_ = Parts(page_of(tmp_path, CONTRACT, FILE)).text
    for wanted in (
        "The file will be accepted, but 2 of its 4 rows will not be taken.",
        "kind must be one of A, B.",
        "About this column: The number of the thing.",
        "double must not be empty; it is calculated from size * 2.",
        "In the file: size.",
        "line 3 Aaaaaaa",
        "Check the file again, then send all of it, under the name things.csv.",
        "Delimiter comma",
    ):
        assert wanted in text_


def test_the_step_that_gains_most_rows_comes_first(tmp_path: Path) -> None:
    rows = [(str(n), "Ann", "1", "Z") for n in range(5)] + [("", "Bo", "1", "A")]
    text_ = Parts(page_of(tmp_path, CONTRACT, csv_bytes(HEADER, *rows, ("9", "Jo", "1", "A")))).text
    first, second = text_.index("5 rows gained"), text_.index("1 row gained")
    assert first < second


def test_a_column_that_is_not_taken_for_its_name_is_to_be_renamed(tmp_path: Path) -> None:
    contract = contract_of([text("ident"), text("rank"), text("unit"), text("termination_date")])
    content = csv_bytes(
        ("ident", "rank", "unit", "terminaton_date"), *[(str(n), "A", "B", "2025-01-05") for n in (1, 2)]
    )
    text_ = Parts(page_of(tmp_path, contract, content)).text
    assert "all 2 rows are good." in text_
    assert "The column terminaton_date is not taken. If it is termination_date, give it that name." in text_
    assert "Nothing. The file can be sent." not in text_


def test_a_line_left_out_of_a_sheet_shows_no_code_between_its_cells(tmp_path: Path) -> None:
    content = csv_bytes(HEADER, ("1", "Ann", "1", "A"))
    facts = facts_of(tmp_path, CONTRACT, content)
    assert facts.result.dialect is not None
    dialect = replace(facts.result.dialect, dropped=(DroppedLine(3, "footer", "Total\t40"),))
    page = html_page(replace(facts, result=replace(facts.result, dialect=dialect)))
    assert "left out line 3: Total 40" in Parts(page).text


def test_a_page_of_a_delivery_has_the_files_before_it(tmp_path: Path) -> None:
    series = (EarlierFile(AT, "rejected", None, None), EarlierFile(AT, "accepted", 4, 2, is_this=True))
    page = page_of(
        tmp_path,
        CONTRACT,
        FILE,
        delivery_id="0123456789abcdef0123",
        delivered_at=AT,
        agency="agency_a",
        drift=DriftComparison(1, "a", (FINDING,)),
        series=series,
        last=LastFile(2, {"size": ColumnProfile(1, 1, 1, 0.0, 1, 1)}),
    )
    text_ = Parts(page).text
    assert "The file is accepted, but 2 of its 4 rows are not taken." in text_
    assert FINDING.message in text_
    assert "2026-11-30 (this file) accepted 4 2" in text_
    assert "2026-11-30 rejected - -" in text_
    assert "size 25 % 50 %" in text_


@pytest.mark.parametrize(
    ("outcome", "more", "sentence"),
    [
        ("rejected", {}, "The file is refused. Nothing of it is used, and the last accepted file stays in use."),
        ("rejected", {"our_fault": True}, "The file was not judged, because of a fault on our side."),
        ("superseded", {"reason": ", delivery abc"}, "a newer file replaced it, delivery abc."),
        ("ignored", {}, "The file is ignored, because it is not recognised as a delivery."),
    ],
)
def test_a_file_without_rows_has_a_page_too(outcome: str, more: dict[str, object], sentence: str) -> None:
    result = CheckResult(errors=(FileError("some_code", "something is wrong"),))
    facts = PageFacts("x.csv", result, AT, outcome, delivery_id="d", **more)  # type: ignore[arg-type]
    assert sentence in Parts(html_page(facts)).text
    assert "Something is wrong. some_code" in Parts(html_page(facts)).text
    assert sentence in text_page(facts)


def hostile(folder: Path, attacks: tuple[str, ...]) -> str:
    """A page in which each text is an attack."""
    contract = contract_of(
        [
            text("ident", description=attacks[0], enum=[{"value": attacks[1]}]),
            text("name", logicalTypeOptions={"pattern": "^" + re.escape(attacks[2].replace("\x00", "")) + "$"}),
        ]
    )
    header = ("ident", "name", *(f"x {attack}" for attack in attacks))
    rows = [(attack, attack, *attacks) for attack in attacks]
    return page_of(
        folder,
        contract,
        csv_bytes(header, *rows, (attacks[1], attacks[2], *attacks)),
        f"{attacks[0]}.csv",
        agency=attacks[1],
        dataset=attacks[2],
        delivery_id=attacks[3],
        drift=DriftComparison(1, "a", (Finding(Change.ROWS, None, *attacks[:3]),)),
        series=(EarlierFile(AT, attacks[4], 1, 0),),
    )


def test_texts_of_a_file_and_its_contract_add_no_element_and_no_attribute(tmp_path: Path) -> None:
    harmless = Parts(hostile(tmp_path, tuple(f"word{number}" for number in range(len(ATTACKS)))))
    page = hostile(tmp_path, ATTACKS)
    attacked = Parts(page)
    ordinary = {*harmless.elements, *Parts(page_of(tmp_path, CONTRACT, FILE)).elements}
    assert set(attacked.elements) <= ordinary
    assert {tag for tag, _ in attacked.elements}.isdisjoint({"script", "img", "b", "i", "iframe", "object", "form"})
    assert "{{ 7 * 7 }}" in attacked.text
    assert not {"\x1b", "\u202e", "\u2066", "\x00"} & set(page)


@given(st.lists(st.text(max_size=30), min_size=len(ATTACKS), max_size=len(ATTACKS)))
def test_no_text_adds_an_element(texts: list[str]) -> None:
    result = CheckResult(rows=1, quarantined_rows=1, reasons={"a.type": 1}, sentences={"a.type": texts[0]})
    facts = PageFacts(texts[1], result, AT, "accepted", texts[2], agency=texts[3], descriptions={"a": texts[4] or "x"})
    known = PageFacts("f", result, AT, "accepted", "r", agency=texts[3] and "a", descriptions={"a": "x"})
    assert Parts(html_page(facts)).elements == Parts(html_page(known)).elements


def test_texts_of_a_file_do_not_move_the_cursor_of_a_terminal() -> None:
    result = CheckResult(rows=2, quarantined_rows=1, reasons={ATTACKS[7]: 1}, errors=(FileError("code", ATTACKS[7]),))
    findings = (Finding(Change.ROWS, None, "", "", ATTACKS[7]),)
    drift, series = DriftComparison(1, "a", findings), (EarlierFile(AT, "accepted", 2, 1, is_this=True),)
    facts = PageFacts(ATTACKS[7], result, AT, "accepted", agency=ATTACKS[7], drift=drift, series=series)
    assert all(line.isprintable() for line in text_page(facts).splitlines())


def test_a_page_loads_nothing_and_its_policy_allows_only_its_style(tmp_path: Path) -> None:
    page = page_of(tmp_path, CONTRACT, FILE)
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    allowed = b64encode(sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{allowed}'" in page
    assert not re.search(r"""(?:src|srcset|action|poster)=|url\(|@import|https?:""", page)
    assert "style=" not in page.replace(style, "")


def test_each_id_is_unique_and_each_reference_has_its_target(tmp_path: Path) -> None:
    parts = Parts(page_of(tmp_path, CONTRACT, FILE))
    assert len(parts.ids) == len(set(parts.ids))
    assert set(parts.references) <= set(parts.ids)


@pytest.mark.parametrize("sample", CSV_SAMPLES, ids=lambda sample: sample.name)
def test_a_page_has_no_value_of_a_personal_column(tmp_path: Path, sample: Sample) -> None:
    contract = load_contract(CONTRACTS / f"{sample.dataset}.odcs.yaml")
    name = sample.key.rpartition("/")[2]
    path = tmp_path / name
    path.write_bytes(sample.content)
    facts = facts_of(tmp_path, contract, sample.content, name)
    values = personal_values(sample, {h for c in contract.columns if c.masked for h in c.header_names})
    in_contract = (CONTRACTS / f"{sample.dataset}.odcs.yaml").read_text("utf-8")
    shown = Parts(html_page(facts)).text + text_page(facts)
    assert values
    assert sorted(value for value in values if value in shown and value not in in_contract) == []


def personal_values(sample: Sample, personal: set[str]) -> set[str]:
    """The cells of personal columns. Too short ones occur in any text, and so do words of the contract."""
    encoding = "utf-16" if sample.content[:2] == b"\xff\xfe" else "cp1252" if b";" in sample.content else "utf-8-sig"
    lines = sample.content.decode(encoding).splitlines()
    start = next(place for place, line in enumerate(lines) if len(re.split("[,;\t]", line)) > 4)
    delimiter = next(sign for sign in "\t;," if sign in lines[start])
    rows = csv.DictReader(io.StringIO("\n".join(lines[start:])), delimiter=delimiter)
    folded = {re.sub(r"\W|_", "", name.lower()) for name in personal}
    return {
        cell
        for row in rows
        for name, cell in row.items()
        if name and cell and re.sub(r"\W|_", "", name.lower()) in folded and len(cell) > 3
    }


def test_a_page_with_values_says_so(tmp_path: Path) -> None:
    facts = facts_of(tmp_path, CONTRACT, FILE)
    opened = with_values(facts.result, CONTRACT, tmp_path / "quarantine.parquet")
    page = html_page(replace(facts, result=opened, shows_values=True))
    assert "Roberta" in page
    assert "This page shows values of personal columns." in page
    assert "Roberta" not in html_page(facts)


def test_a_wide_file_with_many_broken_rules_keeps_its_page_small(tmp_path: Path) -> None:
    columns = [typed(f"c{number}", "integer") for number in range(400)]
    header = [f"c{number}" for number in range(400)]
    page = page_of(tmp_path, contract_of(columns), csv_bytes(header, ["x"] * 400, ["1"] * 400))
    assert len(page) < 200_000
    assert "300 more rules are broken" in page
