"""Unquoted YAML values that are not the texts or numbers that they look like."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_platform.engine.contract.contract_reader import parse_contract
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.errors import ContractError
from etl_platform_tests.unit.making import contract_text

SOURCE = contract_text(
    """
    apiVersion: v3.2.0
    kind: DataContract
    id: things
    version: 1.0.0
    status: active
    schema:
      - name: things
        properties:
          - name: first
            logicalType: string
          - name: n
            logicalType: KIND
    """
)


def parse(kind: str, line: str) -> Contract:
    return parse_contract(SOURCE.replace("KIND", kind) + f"        {line}\n", "c.odcs.yaml")


MISREAD = ["NO", "On", "yes", "true", "007", "0x1F", "1_000", "12:30", "1.00", "1.0e+3", "~", "null"]
MISREAD += ["2020-01-05 10:00:00", "0b11", "+5", "1.", ".5", "off", "2020-1-5 10:00:00", ".inf", ".nan"]
PLACES = ["enum: [{value: other}, {value: %s}]", "enum: [{value: other, label: %s}]", "synonyms: [{synonym: %s}]"]
PLACES += ["customProperties: [{property: nullTokens, value: [%s]}]"]
PLACES += ["customProperties: [{property: knownValues, value: [%s]}]"]
PLACES += ["quality: [{metric: invalidValues, mustBe: 0, arguments: {validValues: [other, %s]}}]"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("written", MISREAD)
def test_an_unquoted_value_that_yaml_reads_as_another_is_refused(place: str, written: str) -> None:
    if "validValues" in place and written in {"~", "null"}:
        pytest.skip("no value is none that could be invalid")
    with pytest.raises(ContractError, match=r"^c\.odcs\.yaml:13: ") as caught:
        parse("string", place % written)
    assert "quotes" in str(caught.value)


def test_no_value_among_valid_values_is_an_empty_cell() -> None:
    rule = "quality: [{metric: invalidValues, mustBe: 0, arguments: {validValues: [one, null, '']}}]"
    assert parse("string", rule).column("n").allowed == ("one", "")


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        ("maximum: 10, exclusiveMaximum: true", "write exclusiveMaximum: 10 and remove maximum"),
        ("exclusiveMinimum: true, minimum: 0.5", "write exclusiveMinimum: 0.5 and remove minimum"),
        ("maximum: 10, exclusiveMaximum: false", "remove it"),
        ("exclusiveMaximum: true", "write a number"),
    ],
)
def test_a_boolean_of_v30_beside_a_bound_is_explained(options: str, advice: str) -> None:
    with pytest.raises(
        ContractError, match=r"^c\.odcs\.yaml:13: exclusive.* is of v3\.0; since v3\.1 it is a bound"
    ) as caught:
        parse("integer", f"logicalTypeOptions: {{{options}}}")
    assert str(caught.value).endswith(advice)


@pytest.mark.parametrize("place", PLACES)
@given(written=st.sampled_from(MISREAD) | st.text(st.characters(codec="ascii", exclude_characters="'"), min_size=1))
def test_a_quoted_text_is_what_is_written(place: str, written: str) -> None:
    quoted = "'" + "".join(letter for letter in written if letter.isprintable()) + "'"
    contract = parse("string", place % quoted)
    column = contract.column("n")
    texts = {*(column.allowed or ()), *column.synonyms, *column.null_tokens, *column.known_values}
    assert quoted[1:-1] in texts or "label" in place


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        ("integer", "7"),
        ("number", "1.50"),
        ("number", "-3"),
        ("boolean", "true"),
        ("string", "12"),
        ("date", "2020-01-05"),
    ],
)
def test_an_unquoted_value_that_shows_itself_is_allowed(kind: str, written: str) -> None:
    allowed = parse(kind, f"enum: [{{value: {written}}}]").column("n").allowed
    assert allowed is not None
    assert float(allowed[0]) == float(written) if kind == "number" else allowed[0].lower() == written


@pytest.mark.parametrize("option", ["minimum", "exclusiveMaximum"])
@pytest.mark.parametrize("written", ["010", "12:30", "0x1F", "0b11"])
def test_a_bound_that_yaml_reads_as_another_number_is_refused(option: str, written: str) -> None:
    with pytest.raises(ContractError, match=r"^c\.odcs\.yaml:13: YAML reads"):
        parse("integer", f"logicalTypeOptions: {{{option}: {written}}}")


@pytest.mark.parametrize("written", ["10", "-0.5", "1.50", "1.0e+3"])
def test_bounds_as_they_are_written_are_allowed(written: str) -> None:
    parse("number", f"logicalTypeOptions: {{minimum: {written}}}")


def test_an_example_may_be_anything() -> None:
    parse("string", "examples: [NO, 007, 12:30, ~]")


def test_a_text_field_of_the_standard_names_what_yaml_read() -> None:
    with pytest.raises(ContractError, match="3: YAML reads no as false; write it in quotes, 'no'"):
        parse_contract(SOURCE.replace("id: things", "id: no"), "c.odcs.yaml")


@pytest.mark.parametrize("written", ["010", "1:30"])
def test_a_service_level_that_yaml_reads_as_another_number_is_refused(written: str) -> None:
    levels = f"slaProperties: [{{property: frequency, value: {written}, unit: d}}]\n"
    with pytest.raises(ContractError, match=rf"13: YAML reads {written} as"):
        parse_contract(SOURCE.replace("KIND", "string") + levels, "c.odcs.yaml")
