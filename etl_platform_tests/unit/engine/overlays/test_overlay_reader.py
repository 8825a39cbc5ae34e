"""An overlay sets how an agency writes its files, and nothing else; each error has file, line and a cure."""

from collections.abc import Sequence
from typing import Any

import pytest

from etl_platform.engine.check import check_contract
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.errors import ContractError
from etl_platform.engine.overlays.check_overlay import check_overlay
from etl_platform.engine.overlays.overlay_reader import apply_overlay
from etl_platform_tests.unit.making import checked, contract_of, contract_text, custom, text, typed

COLUMNS = [
    text("ident", required=True, synonyms=[{"synonym": "Number"}]),
    typed("day", "date", customProperties=custom(formats=["yyyy-MM-dd", "M/d/yyyy"])),
    typed("size", "number", logicalTypeOptions={"minimum": 0}, customProperties=custom(nullTokens=["N/A"])),
    text("kind", enum=[{"value": "OPEN"}, {"value": "CLOSED"}]),
    typed("done", "boolean"),
    text("code", logicalTypeOptions={"pattern": "^[A-Z]{2}$"}),
    text("label", transformLogic="UPPER(kind)"),
]
SLA = [{"property": "frequency", "value": 7, "unit": "d"}]
CONTRACT = contract_of(COLUMNS, slaProperties=SLA)
PATH = "contracts/agencies/aurora/things.yaml"


def read(source: str, contract: Contract = CONTRACT) -> Contract:
    return apply_overlay(contract, contract_text(source), PATH, "agencies/aurora/things.yaml")


def errors_of(source: str, contract: Contract = CONTRACT) -> list[str]:
    with pytest.raises(ContractError) as caught:
        read(source, contract)
    return [str(error).removeprefix(f"{PATH}:") for error in caught.value.errors]


def test_an_overlay_sets_every_habit() -> None:
    contract = read(
        """
        description: Written by an old system.
        contact: records unit
        encoding: cp1252
        delimiter: "\\t"
        sheet: Roster
        headerLine: 3
        nullTokens: [none]
        frequency: {value: 14, unit: d}
        latency: {value: 2, unit: d}
        likeLastTime: {rowsPercent: 80, ignore: [code]}
        columns:
          ident: {synonyms: [Case No]}
          day: {formats: [d/M/yy], twoDigitYearsFrom: 1970}
          size: {decimals: comma, formats: [money]}
          kind: {values: {O: OPEN, C: CLOSED}}
          code: {nullTokens: ['??']}
        """
    )
    overrides = contract.reading_overrides
    assert (overrides.encoding, overrides.delimiter, overrides.sheet, overrides.header_line) == (
        "cp1252",
        "\t",
        "Roster",
        3,
    )
    assert contract.cadence is not None
    assert (contract.cadence.every.days, contract.cadence.grace.days) == (14, 2)
    limits = contract.drift_limits
    assert (limits.rows_percent, limits.nulls_percent, limits.ignore) == (80, 10, {"code"})
    assert contract.column("ident").header_names == ("ident", "Number", "Case No")
    assert contract.column("day").formats == ("d/M/yy",)
    assert contract.column("day").of_contract.formats == CONTRACT.column("day").formats
    assert contract.column("code").null_tokens == ("??", "none")
    overlay = contract.overlay
    assert overlay is not None
    assert overlay.contact == "records unit"
    assert overlay.meanings == {
        "kind": {"O": "OPEN", "C": "CLOSED"},
        "code": {"??": None},
        "every column": {"none": None},
    }
    assert overlay.settings == (
        "encoding 'cp1252'",
        "delimiter '\\t'",
        "sheet 'Roster'",
        "header line 3",
        "frequency 14 days, instead of 7",
        "latency 2 days, instead of 0.7",
        "likeLastTime rowsPercent 80, instead of 40",
        "likeLastTime ignore code, instead of none",
        "ident: also named Case No",
        "day: written as d/M/yy, instead of yyyy-MM-dd or M/d/yyyy",
        "day: years of two digits from 1970",
        "size: amounts such as $1,500.00",
        "size: numbers have a decimal comma",
    )
    check_contract(contract)
    check_overlay(contract)


def test_an_overlay_changes_the_hash_of_the_contract_and_a_comment_counts() -> None:
    one, other = read("encoding: cp1252"), read("encoding: cp1252 # since May")
    assert len({CONTRACT.sha256, one.sha256, other.sha256}) == 3
    assert read("encoding: cp1252").sha256 == one.sha256


@pytest.mark.parametrize(
    "field", ["required", "unique", "enum", "logicalTypeOptions", "pattern", "minimum", "quality", "classification"]
)
def test_a_rule_cannot_be_set_for_a_column(field: str) -> None:
    (error,) = errors_of(f"columns:\n  ident:\n    {field}: false")
    assert error == (
        f"3: an overlay cannot set {field}: what a value must be is the same for every agency; "
        "change the contract made.odcs.yaml, or remove it"
    )


@pytest.mark.parametrize("field", ["maxRejectedPercent", "quality", "filePatterns", "trim", "shortRows", "schema"])
def test_what_the_contract_alone_sets_is_refused(field: str) -> None:
    (error,) = errors_of(f"encoding: utf-8\n{field}: 100")
    assert error.startswith(f"2: an overlay cannot set {field}: ")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("colums: {}", ["1: an overlay has no field 'colums' here; did you mean columns?"]),
        ("synonyms: [a]", ["1: synonyms belongs under a column; move it there"]),
        ("columns: {ident: {encoding: utf-8}}", ["1: encoding belongs at the top of the overlay; move it there"]),
        ("columns: {idnt: {synonyms: [a]}}", ["1: the contract has no column 'idnt'; did you mean ident?"]),
        ("columns: {label: {synonyms: [a]}}", ["1: label is derived, so no file has it; remove it"]),
        (
            "columns: {day: {synonyms: [number]}}",
            ["1: the header 'number' already belongs to ident; remove it from one of them"],
        ),
        (
            "columns: {day: {synonyms: [a]}, code: {synonyms: [A]}}",
            ["1: the header 'A' already belongs to day; remove it from one of them"],
        ),
        ("columns: {day: {synonyms: [-]}}", ["1: the header '-' has no letter or digit"]),
        ("columns: {day: {synonyms: a}}", ["1: synonyms takes a list of texts, such as ['one', 'two']"]),
        ("columns: {day: {synonyms: [NO]}}", ["1: YAML reads NO as false; write it in quotes, 'NO'"]),
        (
            "columns: {day: {formats: [M/d/yyyy, d/M/yyyy]}}",
            [
                "1: day: 'M/d/yyyy' and 'd/M/yyyy' read '1/2/1900' as different values; an agency needs one order",
            ],
        ),
        (
            "columns: {day: {formats: [d.M.yy]}}",
            [
                "1: day: 'd.M.yy': the century of a two-digit year is unknown; use yyyy, or state it "
                "(twoDigitYearsFrom: 1970)"
            ],
        ),
        (
            "columns: {day: {twoDigitYearsFrom: 1970}}",
            ["1: day: twoDigitYearsFrom needs a format with yy; remove it"],
        ),
        ("columns: {code: {formats: [M/d/yyyy]}}", ["1: code is of the type string; it has no formats"]),
        ("columns: {size: {formats: [x]}}", ["1: size is of the type number; formats of a number takes money alone"]),
        ("columns: {code: {decimals: comma}}", ["1: code is of the type string; decimals needs a number"]),
        ("columns: {size: {decimals: ','}}", ["1: decimals takes comma or point, not ','"]),
        (
            "columns: {kind: {values: {O: OPNE}}}",
            ["1: kind: 'OPNE' is not a value of the contract; did you mean OPEN?"],
        ),
        (
            "columns: {done: {values: {Ja: 'ture'}}}",
            ["1: done: 'ture' is not a value of the contract; did you mean true?"],
        ),
        ("columns: {done: {values: {Ja: true}}}", ["1: YAML reads true as true; write it in quotes, 'true'"]),
        ("columns: {kind: {values: {O: }}}", ["1: this value is empty; fill it, or write the text in quotes"]),
        (
            "columns: {size: {values: {none: n/a}}}",
            ["1: size: 'n/a' means empty in the contract; write the text under nullTokens"],
        ),
        (
            "columns: {kind: {nullTokens: [open]}}",
            ["1: 'open' is the value 'OPEN' of kind and cannot mean empty; remove it"],
        ),
        ("nullTokens: [Closed]", ["1: 'Closed' is the value 'CLOSED' of kind and cannot mean empty; remove it"]),
        (
            "columns: {code: {values: {x: AB}, nullTokens: [X]}}",
            ["1: 'X' of code is in values and in nullTokens; keep one of them"],
        ),
        (
            "encoding: cp12525",
            ["1: encoding 'cp12525' is unknown; use a codec of Python, such as utf-8, cp1252 or utf-16"],
        ),
        ("headerLine: 0", ["1: headerLine takes a whole number of 1 to 1,000,000"]),
        ("headerLine: two", ["1: headerLine takes a whole number of 1 to 1,000,000"]),
        ("frequency: 14", ["1: frequency takes a mapping, such as {value: 14, unit: d}"]),
        ("frequency: {value: 14, unit: x}", ["1: frequency: unit 'x' is unknown; use h, d, w, m (months) or y"]),
        ("frequency: {unit: d}", ["1: frequency needs a value, such as {value: 14, unit: d}"]),
        ("frequency: {value: 1, schedule: x}", ["1: frequency has value and unit, and no 'schedule'"]),
        (
            "likeLastTime: {severity: off}",
            ["1: an overlay cannot set the severity of likeLastTime; change the contract made.odcs.yaml"],
        ),
        ("likeLastTime: {rowsPercent: -1}", ["1: likeLastTime: rowsPercent takes a number of 0 to 10,000, not -1"]),
        (
            "# nothing",
            ["1: the document is not a YAML mapping; write what the agency does in its own way, or delete the file"],
        ),
    ],
)
def test_an_error_says_what_is_right(source: str, expected: Sequence[str]) -> None:
    assert errors_of(source) == list(expected)


def test_all_errors_are_reported_at_once_in_the_order_of_lines() -> None:
    found = errors_of(
        """
        encodng: utf-8
        headerLine: 0
        frequency: {value: 0}
        columns:
          ident: {required: false, synonyms: [day]}
          kind: {values: {O: OPNE, C: CLOSE}}
          nope: {}
        """
    )
    assert [error.partition(":")[0] for error in found] == ["1", "2", "3", "5", "5", "6", "6", "7"]


@pytest.mark.parametrize(
    ("more", "source", "expected"),
    [
        ({}, "frequency: {value: 7}", "frequency needs a frequency in slaProperties of the contract"),
        ({"customs": custom(header="none")}, "headerLine: 2", "headerLine contradicts header: none of the contract"),
        (
            {"customs": custom(likeLastTime={"severity": "off"})},
            "likeLastTime: {rowsPercent: 1}",
            "is off in the contract",
        ),
    ],
)
def test_what_the_contract_leaves_out_cannot_be_set(more: dict[str, Any], source: str, expected: str) -> None:
    (error,) = errors_of(source, contract_of(COLUMNS, **more))
    assert expected in error


def test_a_text_that_breaks_a_rule_of_its_column_is_an_error() -> None:
    contract = read(
        "columns:\n  code: {values: {one: AB, two: abc}}\n  size:\n    values: {few: '3', many: '-1', none: x}"
    )
    with pytest.raises(ContractError) as caught:
        check_overlay(contract)
    assert [str(error) for error in caught.value.errors] == [
        f"{PATH}:2: code: 'two' means 'abc', which breaks the rule code.pattern; correct it",
        f"{PATH}:3: size: 'many' means '-1', which breaks the rule size.range; correct it",
        f"{PATH}:3: size: 'none' means 'x', which breaks the rule size.type; correct it",
    ]


def test_bounds_are_read_in_the_formats_of_the_contract() -> None:
    day = typed("day", "date", logicalTypeOptions={"format": "d/M/yyyy", "minimum": "3/2/2026"})
    contract = read("columns: {day: {formats: [M/d/yyyy]}}", contract_of([day, text("note")]))
    frame = checked(contract, [("2/2/2026", None), ("2/3/2026", None), ("3/2/2026", None)])
    assert frame["reasons"].to_list() == ["day.range", "", ""]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("values", "{'-': \"\\u200b\"}"),
        ("values", "{'-': \"\\u00a0\\ufeff\"}"),
        ("nullTokens", '["\\u200b"]'),
        ("values", '{"\\u200b": a}'),
    ],
)
def test_a_text_of_invisible_characters_is_empty_and_fills_no_required_column(field: str, value: str) -> None:
    (error,) = errors_of(f"columns:\n  ident:\n    {field}: {value}\n")
    assert "takes a text" in error or "is empty or repeated" in error


def test_a_control_character_is_in_no_text() -> None:
    (error,) = errors_of('columns:\n  code: {nullTokens: ["a\\e[31m"]}\n')
    assert "nullTokens has a control character, which no cell has; remove it" in error


def test_any_text_may_stand_for_another_one_in_a_column_without_rules() -> None:
    check_overlay(read("columns: {note: {values: {P: Passed}}}", contract_of([text("ident"), text("note")])))
