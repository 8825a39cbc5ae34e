"""Parts of an .xlsx are found as the Open Packaging Conventions say, and what is not there is refused."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl_platform_tests.unit.engine.reading.workbooks.xlsx_writer import (
    OFFICE,
    SHEET,
    STRICT,
    Xlsx,
    number_cell,
    rows_xml,
)
from etl_platform_tests.unit.making import cells_read, contract_of, refusal, text

CONTRACT = contract_of([text("ident"), text("label")])
SHARED = ("ident", "label", "x")
DATA = rows_xml(
    [
        ['t="s"><v>0</v>', 't="s"><v>1</v>'],
        [number_cell(7, style=1), 't="s"><v>2</v>'],
        [number_cell(8), 't="e"><v>#N/A</v>'],
    ]
)
SHOWN = [("007", "x"), ("8", "#N/A")]
PARTS = ("xl/workbook.xml", "xl/styles.xml", "xl/sharedStrings.xml", SHEET)


def book(**changes: object) -> Xlsx:
    return Xlsx(DATA, formats=["000"], shared=SHARED, **changes)  # type: ignore[arg-type]


FOLDERS = st.sampled_from(["", "xl/", "XL/", "data/a b/", "x/y/z/"])
NAMES = st.sampled_from(["workbook.xml", "Book.XML", "café.xml", "sheet 1.xml", "part"])


def _swapped(name: str, flags: list[bool]) -> str:
    return "".join(c.swapcase() if f else c for c, f in zip(name, flags, strict=False)) + name[len(flags) :]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_parts_are_found_wherever_they_are(path: Path, data: st.DataObject) -> None:
    folder = data.draw(FOLDERS)
    workbook = folder + data.draw(st.sampled_from(["workbook.xml", "Book.XML", "my book.xml"]))
    others = {usual: data.draw(FOLDERS) + f"{place}{data.draw(NAMES)}" for place, usual in enumerate(PARTS[1:])}
    names = {"xl/workbook.xml": workbook, **others}
    head, _, tail = workbook.rpartition("/")
    names["xl/_rels/workbook.xml.rels"] = f"{head}/_rels/{tail}.rels".lstrip("/")
    up = "../" * folder.count("/")
    targets = {"xl/workbook.xml": data.draw(st.sampled_from(["", "/", "./"])) + workbook.replace(" ", "%20")}
    for usual, name in others.items():
        quoted = data.draw(st.sampled_from([name, name.replace(" ", "%20")]))
        target = data.draw(st.sampled_from(["/" + quoted, up + quoted, "./" + up + quoted]))
        targets[usual.removeprefix("xl/")] = target
    flags = data.draw(st.lists(st.booleans(), max_size=20))
    swapped = {usual: _swapped(name, flags) for usual, name in names.items()}
    swapped["_rels/.rels"] = _swapped("_rels/.rels", flags)
    assert cells_read(path, CONTRACT, book(names=swapped, targets=targets).content()) == SHOWN


def test_a_strict_workbook_and_every_prefix_of_names_are_read(path: Path) -> None:
    assert cells_read(path, CONTRACT, book(namespace=STRICT).content()) == SHOWN
    sheet = str(book().parts()[SHEET])
    for tag in ("worksheet", "sheetData", "row", "c", "v"):
        sheet = sheet.replace(f"<{tag} ", f"<x:{tag} ").replace(f"<{tag}>", f"<x:{tag}>")
        sheet = sheet.replace(f"</{tag}>", f"</x:{tag}>")
    assert cells_read(path, CONTRACT, book(changed={SHEET: sheet.replace("xmlns=", "xmlns:x=")}).content()) == SHOWN


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_parts_in_other_encodings_are_read(path: Path, encoding: str) -> None:
    changed = {name: str(body).encode(encoding) for name, body in book().parts().items() if name in PARTS}
    assert cells_read(path, CONTRACT, book(changed=changed).content()) == SHOWN


def test_targets_from_the_root_without_a_slash_and_backslashes_are_understood(path: Path) -> None:
    assert cells_read(path, CONTRACT, book(targets={"worksheets/sheet1.xml": SHEET}).content()) == SHOWN
    assert (
        cells_read(path, CONTRACT, book(targets={"worksheets/sheet1.xml": "worksheets\\sheet1.xml"}).content()) == SHOWN
    )
    assert cells_read(path, CONTRACT, book(names={SHEET: SHEET.replace("/", "\\")}).content()) == SHOWN


def test_a_workbook_without_package_relationships_is_found_by_its_usual_name(path: Path) -> None:
    assert cells_read(path, CONTRACT, book(names={"_rels/.rels": "unused.xml"}).content()) == SHOWN


def test_a_missing_or_doubled_part_is_damage(path: Path) -> None:
    missing = refusal(path, CONTRACT, book(names={SHEET: "elsewhere.xml"}).content())
    assert (missing.code, "sheet1.xml is missing" in missing.message) == ("workbook_damaged", True)
    doubled = refusal(path, CONTRACT, book(changed={SHEET.upper(): "<worksheet/>"}).content())
    assert (doubled.code, "two parts" in doubled.message) == ("workbook_damaged", True)
    no_relation = f'<workbook xmlns:r="{OFFICE}"><sheets><sheet name="S" r:id="r9"/></sheets></workbook>'
    assert refusal(path, CONTRACT, book(changed={"xl/workbook.xml": no_relation}).content()).code == "workbook_damaged"
    assert refusal(path, CONTRACT, book(names={"xl/sharedStrings.xml": "gone"}).content()).code == "workbook_damaged"


def test_a_sheet_with_an_empty_relationship_is_a_module_of_old_visual_basic(path: Path) -> None:
    module = '<sheets><sheet name="Module1" state="veryHidden" r:id=""/>'
    listed = str(book().parts()["xl/workbook.xml"]).replace("<sheets>", module)
    assert cells_read(path, CONTRACT, book(changed={"xl/workbook.xml": listed}).content()) == SHOWN


@pytest.mark.parametrize("value", ["1", "true"])
def test_dates_count_from_1904_whatever_the_extensions_of_the_workbook_say(path: Path, value: str) -> None:
    """Excel 2013 and later end the list of sheets so."""
    extension = (
        '<extLst><ext uri="{140A7094-0E35-4892-8432-C4D2E57EDEB5}" xmlns:x15="urn:x">'
        '<x15:workbookPr chartTrackingRefBase="1"/></ext></extLst></workbook>'
    )
    setting = f'<workbookPr date1904="{value}"/>'
    data = rows_xml([["ident", "label"], ["a", number_cell(43_538, style=1)]])
    written = Xlsx(data, formats=["yyyy\\-mm\\-dd"], book=setting)
    listed = str(written.parts()["xl/workbook.xml"]).replace("</workbook>", extension)
    assert cells_read(path, CONTRACT, replace(written, changed={"xl/workbook.xml": listed}).content()) == [
        ("a", "2023-03-15")
    ]


def test_xml_that_is_not_well_formed_names_its_part_and_line(path: Path) -> None:
    for part in PARTS:
        broken = str(book().parts()[part])[:-3]
        error = refusal(path, CONTRACT, book(changed={part: broken}).content())
        assert (error.code, part in error.message) == ("workbook_damaged", True)


def test_a_document_type_is_refused(path: Path) -> None:
    entity = '<!DOCTYPE worksheet [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    for part in PARTS[1:]:
        error = refusal(path, CONTRACT, book(changed={part: entity + str(book().parts()[part])}).content())
        assert (error.code, "document type" in error.message) == ("workbook_damaged", True)


def test_a_word_document_is_not_a_workbook(path: Path) -> None:
    content = book(changed={"xl/workbook.xml": "<document/>", "word/document.xml": "<document/>"}).content()
    assert refusal(path, CONTRACT, content).code == "not_tabular"
