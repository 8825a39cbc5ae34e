"""The data dictionary: each column with its rules, and texts of contracts that cannot break out of it."""

from etl_platform.engine.contract_folder import load_contracts
from etl_platform.engine.overlays.overlay_reader import apply_overlay
from etl_platform.engine.pages.dictionary_page import dictionary_page
from etl_platform_tests.unit.engine.pages.page_parts import ATTACKS, Parts
from etl_platform_tests.unit.engine.pages.test_html_page import CONTRACT
from etl_platform_tests.unit.making import CONTRACTS, contract_of, row_rule, text


def test_each_column_has_its_meaning_and_its_rules() -> None:
    shown = Parts(dictionary_page([CONTRACT])).text
    for wanted in (
        "ident required The number of the thing. ident must not be empty.",
        "kind must be one of A, B.",
        "double must not be empty; it is calculated from size * 2.",
        "Must not be false: size < 9",
    ):
        assert wanted in shown


def test_the_dictionary_of_an_agency_has_its_own_formats() -> None:
    source = "columns: {size: {decimals: comma}, day: {formats: [d.M.yyyy]}}"
    contract = contract_of([text("ident"), text("size", logicalType="number"), text("day", logicalType="date")])
    shown = Parts(dictionary_page([apply_overlay(contract, source, "o.yaml", "o.yaml")])).text
    assert "day must be a date (d.M.yyyy)." in shown
    assert "Read as you write it size: numbers have a decimal comma" in shown


def test_the_dictionary_of_all_contracts_leads_to_each() -> None:
    contracts = load_contracts(CONTRACTS)
    parts = Parts(dictionary_page(contracts.values()))
    assert set(parts.references) == set(parts.ids)
    assert len(parts.ids) == len(set(parts.ids)) == len(contracts)


def test_texts_of_contracts_add_no_element() -> None:
    def page(texts: tuple[str, ...]) -> Parts:
        column = text("ident", description=texts[0], enum=[{"value": one} for one in texts])
        rules = [{**row_rule("rule", "ident <> 'x'"), "description": texts[1]}]
        contract = contract_of([column], quality=rules, description={"purpose": texts[2]})
        return Parts(dictionary_page([contract]))

    printable = tuple(attack for attack in ATTACKS if attack.isprintable())
    assert page(printable).elements == page(tuple("abcdefgh"[: len(printable)])).elements
