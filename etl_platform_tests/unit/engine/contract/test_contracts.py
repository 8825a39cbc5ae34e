"""Contract files: what is wrong is named with file and line, and which contract a file name chooses."""

import copy
from datetime import timedelta
from fnmatch import fnmatch
from typing import Any

import pytest
import yaml

from etl_platform import object_keys
from etl_platform.engine.contract.cadence import Cadence
from etl_platform.engine.contract.contract_reader import parse_contract
from etl_platform.engine.contract.located_yaml import load_located
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.errors import ContractError
from etl_platform.engine.rules.compile_contract import compile_contract
from etl_platform.engine.rules.contract_rules import contract_rules
from etl_platform_tests.unit.making import (
    CONTRACTS,
    SHIPPED,
    contract_data,
    contract_of,
    contract_text,
    custom,
    reference,
    row_rule,
    text,
    typed,
    yaml_text,
)

GOOD = contract_text(
    """
    apiVersion: v3.2.0
    kind: DataContract
    id: things
    version: 1.2.3
    status: active
    team: {name: data-engineering}
    schema:
      - name: things
        physicalName: Things.csv
        description: Things by day.
        dataGranularityDescription: One row per thing and day.
        properties:
          - name: ident
            logicalType: string
            primaryKey: true
            primaryKeyPosition: 2
            synonyms: [{synonym: thing_no}]
          - name: day
            logicalType: date
            classification: internal
            primaryKey: true
            primaryKeyPosition: 1
            logicalTypeOptions: {format: yyyy-MM-dd, minimum: 2000-01-01}
          - name: size
            logicalType: integer
            classification: restricted
        quality:
          - name: small_before_2010
            type: custom
            engine: rowRule
            implementation: size < 10 OR day >= DATE '2010-01-01'
    slaProperties:
      - {property: frequency, value: 2, unit: w}
    """
)


COLOURS = reference("colours", "code,name", "R,red", "B,blue")


def parse(source: str) -> Contract:
    return parse_contract(source, "c.odcs.yaml", {"colours": COLOURS})


WHOLE = "implementation: size < 10 OR day >= DATE '2010-01-01'"


def blamed(source: str) -> ContractError:
    """The error that parsing or compiling gives; it must name the file."""
    with pytest.raises(ContractError) as caught:
        compile_contract(parse(source), {})
    assert caught.value.path == "c.odcs.yaml"
    return caught.value


def line_of(source: str, part: str) -> int:
    return source[: source.index(part)].count("\n") + 1


def test_a_good_contract_is_read_with_all_its_fields() -> None:
    contract = parse(GOOD)
    assert (contract.dataset, contract.version, contract.owner) == ("things", "1.2.3", "data-engineering")
    assert contract.grain == "One row per thing and day."
    assert contract.primary_key == ("day", "ident")
    assert contract.cadence == Cadence(timedelta(days=14), timedelta(days=1.4))
    assert [(c.name, c.required, c.unique, c.masked) for c in contract.columns] == [
        ("ident", True, False, True),
        ("day", True, False, False),
        ("size", False, False, True),
    ]
    assert contract.column("day").minimum == "2000-01-01"
    assert [rule.reason for rule in contract_rules(contract)] == [
        "ident.required",
        "day.required",
        "day.type",
        "day.range",
        "size.type",
        "day+ident.unique",
        "small_before_2010",
    ]
    assert contract.row_rules[0].line == line_of(GOOD, "- name: small_before_2010")
    compile_contract(contract, {})


@pytest.mark.parametrize(
    ("old", "new", "at", "says"),
    [
        ("apiVersion: v3.2.0", "apiVersion: v2.9.9", "apiVersion", "v2.9.9"),
        ("apiVersion: v3.2.0", "apiVersion: 3", "apiVersion", "3"),
        ("kind: DataContract", "kind: DataProduct", "kind:", "DataContract"),
        ("status: active", "status: active\nstatus: draft", "status: draft", "repeated"),
        (
            "logicalType: integer",
            "logicalType: integer\n        logicalType: string",
            "logicalType: string\n        class",
            "repeated",
        ),
        ("logicalType: integer", "logicalType: object", "- name: size", "object"),
        ("logicalType: integer", "logicalType: decimal", "logicalType: decimal", "date, timestamp, time"),
        ("format: yyyy-MM-dd", "formt: yyyy-MM-dd", "{formt", "formt"),
        ("format: yyyy-MM-dd", "format: yy-MM-dd", "- name: day", "two-digit"),
        ("format: yyyy-MM-dd", "format: QQ", "- name: day", "QQ"),
        ("minimum: 2000-01-01", "minimum: soon", "- name: day", "soon"),
        (
            "logicalType: integer",
            f"logicalType: number\n        logicalTypeOptions: {{minimum: {400 * '9'}}}",
            "logicalTypeOptions: {minimum: 9",
            "a number or a date",
        ),
        (
            "classification: restricted",
            "quality: [{metric: rowCount, mustBe: 0}]",
            "quality: [{metric",
            "not supported",
        ),
        ("classification: restricted", "synonyms: [{synonym: Thing No}]", "- name: size", "ident"),
        ("- name: size", "- name: day", "- name: day\n        logicalType: integer", "day"),
        ("- name: size", "- name: 'the size'", "- name: 'the size'", "the size"),
        ("engine: rowRule", "engine: soda", "- name: small", "rowRule"),
        ("type: custom", "type: sql\n        query: SELECT 1\n        mustBe: 0", "engine:", "no field 'engine'"),
        ("- name: small_before_2010", "- name: size", "- name: size\n        type", "no column or rule has"),
        ("implementation: size < 10", "implementation: size <", "- name: small", "small_before_2010"),
        ("implementation: size < 10", "implementation: sise < 10", "- name: small", "sise"),
        (WHOLE, "implementation: size + 1", "- name: small", "small_before_2010"),
        (WHOLE, "implementation: ident < size", "- name: small", ""),
        (WHOLE, "implementation: '*'", "- name: small", ""),
        (WHOLE, "implementation: ''", "- name: small", ""),
        (WHOLE, "implementation: size <= MAX(size)", "- name: small", ""),
        (WHOLE, "implementation: COUNT(*) < 5", "- name: small", ""),
        (WHOLE, "implementation: CAST(ident AS INTEGER) < 5", "- name: small", "TRY_CAST"),
        (
            "logicalType: string",
            "logicalType: string\n        logicalTypeOptions: {pattern: '['}",
            "- name: ident",
            "unclosed",
        ),
        (
            "logicalType: string",
            "logicalType: string\n        logicalTypeOptions: {pattern: '(?=x)'}",
            "- name: ident",
            "look-around",
        ),
        (
            "logicalType: string",
            "logicalType: string\n        customProperties:\n        - {property: case, value: upper}\n"
            "        - {property: case, value: lower}",
            "- {property: case, value: lower}",
            "'case' is repeated; keep one",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_line(old: str, new: str, at: str, says: str) -> None:
    indented = new.replace("\n        ", "\n" + " " * 8)
    assert old in GOOD
    source = GOOD.replace(old, indented, 1)
    error = blamed(source)
    assert error.line == line_of(source, at.replace("\n        ", "\n" + " " * 8)), str(error)
    assert says in str(error)


@pytest.mark.parametrize(
    "source",
    [
        "",
        "- a",
        "text",
        "a: [",
        "a: 'b",
        "? [x]\n: 1",
        "a: !!python/object/apply:os.system [ls]",
        "&a [*a]",
        "a: &x [*x]",
        "\0",
        "a: 1\n---\nb: 2",
        "apiVersion: v3.2.0\nkind: DataContract\nid: &x {y: *x}\n",
    ],
)
def test_a_document_that_is_not_a_contract_is_a_contract_error(source: str) -> None:
    with pytest.raises(ContractError, match=r"c\.odcs\.yaml"):
        parse(source)


def test_a_bad_indentation_is_an_error_at_its_line() -> None:
    with pytest.raises(ContractError) as caught:
        parse(GOOD.replace("kind: DataContract", "kind: DataContract\n   x: 1"))
    assert caught.value.line in {2, 3}


WRONG: list[Any] = [None, 0, -1.5, True, "", "x", [], ["x"], {}, {"x": 1}, "é" * 50, [None], [{}], 10**40]


def paths(node: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [here] if here else []
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        found += paths(value, (*here, key))
    return found


LOOKUP = {"table": "colours", "key": "code", "take": "name"}


def rich() -> dict[str, Any]:
    return contract_data(
        [
            text(
                "ident",
                primaryKey=True,
                primaryKeyPosition=1,
                unique=True,
                synonyms=[{"synonym": "no"}],
                enum=[{"value": "a"}],
                description="d",
                classification="restricted",
                logicalTypeOptions={"pattern": "a", "minLength": 1, "maxLength": 3},
                customProperties=custom(trim=True, nullTokens=["-"], knownValues=["a"]),
            ),
            typed(
                "day",
                "date",
                logicalTypeOptions={"format": "yyyy-MM-dd", "minimum": "2000-01-01"},
                customProperties=custom(formats=["M/d/yyyy"]),
                quality=[{"metric": "nullValues", "mustBe": 0}],
            ),
            typed(
                "flag",
                "boolean",
                customProperties=custom(trueValues=["Y"], falseValues=["N"]),
                quality=[{"metric": "missingValues", "unit": "percent", "mustBeLessThan": 5, "severity": "warning"}],
            ),
            text(
                "kind", enum=[{"value": "A", "label": "first"}], customProperties=custom(useLabels=True, case="upper")
            ),
            typed("price", "number", physicalType="decimal(8,2)", logicalTypeOptions={"maximum": 99.5}),
            text("colour", customProperties=custom(lookup=LOOKUP)),
            text("shade", customProperties=custom(lookup=LOOKUP | {"from": "ident"}), classification="public"),
            typed("twice", "number", transformLogic="price * 2", transformSourceObjects=["price"]),
            text("made", customProperties=custom(computed=True), classification="public"),
        ],
        quality=[
            row_rule("rule", "day IS NOT NULL"),
            {"name": "enough", "metric": "rowCount", "mustBeBetween": [1, 5], "description": "d"},
        ],
        customs=custom(
            filePatterns=["x*"], maxRejectedPercent=5, transform="package:function", transformFrame="pandas"
        ),
        team={"name": "t"},
        servers=[
            {"server": "s", "type": "s3", "location": "s3://b", "format": "csv", "delimiter": ";", "encoding": "cp1252"}
        ],
        slaProperties=[
            {"property": "frequency", "value": 2, "unit": "d"},
            {
                "property": "freshness",
                "value": 4,
                "unit": "d",
                "element": "things.day",
                "customProperties": custom(name="recent", severity="warning"),
            },
        ],
        description={"purpose": "p"},
    )


@pytest.mark.parametrize("where", paths(rich()), ids=lambda where: ".".join(map(str, where)))
def test_any_wrong_value_anywhere_is_a_contract_error_or_harmless(where: tuple[Any, ...]) -> None:
    for wrong in (*WRONG, "remove"):
        data = copy.deepcopy(rich())
        parent: Any = data
        for key in where[:-1]:
            parent = parent[key]
        if wrong == "remove":
            del parent[where[-1]]
        else:
            parent[where[-1]] = wrong
        try:
            contract = parse(yaml_text(data))
            compile_contract(contract, {})
        except ContractError as error:
            assert str(error).startswith("c.odcs.yaml")  # noqa: PT017 - any other exception fails the test
        else:
            assert contract.columns


def test_every_path_has_its_line() -> None:
    located = load_located("a:\n  b:\n    - x\n    - y: 1\n", "f")
    assert (located.line("a"), located.line("a", "b", 0), located.line("a", "b", 1, "y")) == (1, 3, 4)
    assert located.line("a", "b", 1, "missing") == located.line("a", "b", 1)


@pytest.mark.parametrize("classification", [None, "restricted", "Restricted", "CONFIDENTIAL", "secret", "pubic", ""])
def test_a_column_whose_values_are_not_known_to_be_open_is_masked(classification: str | None) -> None:
    assert contract_of([text("a", classification=classification), text("b")]).column("a").masked


@pytest.mark.parametrize("classification", ["public", "internal", "Internal", "PUBLIC"])
def test_only_public_and_internal_values_are_shown(classification: str) -> None:
    assert not contract_of([text("a", classification=classification)]).has_masked_columns


@pytest.mark.parametrize(
    ("unit", "days"),
    [
        ("d", 31),
        ("days", 31),
        ("w", 217),
        ("week", 217),
        ("h", 31 / 24),
        ("hour", 31 / 24),
        ("month", 31 * 31),
        ("year", 31 * 366),
    ],
)
def test_a_cadence_is_read_in_every_usual_unit(unit: str, days: float) -> None:
    contract = contract_of([text("a")], slaProperties=[{"property": "frequency", "value": 31, "unit": unit}])
    assert contract.cadence
    assert contract.cadence.every / timedelta(days=1) == pytest.approx(days)


def test_a_latency_is_the_grace_of_a_cadence() -> None:
    sla = [{"property": "latency", "value": 36, "unit": "h"}, {"property": "frequency", "value": 1, "unit": "w"}]
    assert contract_of([text("a")], slaProperties=sla).cadence == Cadence(timedelta(days=7), timedelta(hours=36))
    with pytest.raises(ContractError, match=r"latency .* needs a frequency"):
        contract_of([text("a")], slaProperties=sla[:1])


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ("{property: frequency, value: 2, unit: fortnight}", "'fortnight'"),
        ("{property: frequency, value: 2, unit: s}", "'s'"),
        ("{property: frequency, value: monthly}", "'monthly'"),
        ("{property: frequency, value: 0}", "above 0"),
        ("{property: latency, value: true}", "True"),
        ("{property: frequncy, value: 1}", "did you mean frequency?"),
        ("{property: Frequency, value: 1}", "did you mean frequency?"),
        ("{property: latncy, value: 1}", "did you mean latency?"),
        ("{property: frequency, value: 1}\n  - {property: frequency, value: 2}", "twice"),
    ],
)
def test_an_ambiguous_cadence_is_an_error_at_its_line(entries: str, said: str) -> None:
    source = GOOD.replace("{property: frequency, value: 2, unit: w}", entries)
    error = blamed(source)
    assert error.line == line_of(source, entries.splitlines()[-1].strip())
    assert said in str(error)


def test_a_text_in_a_list_of_objects_is_named_with_the_entry_to_write() -> None:
    for old, new, says in (
        ("synonyms: [{synonym: thing_no}]", "synonyms: [Thing No]", 'synonyms.0: "Thing No" is not of type'),
        ("classification: restricted", "enum: [{value: 1}, AB]", 'enum.1: "AB" is not of type'),
    ):
        source = GOOD.replace(old, new, 1)
        error = blamed(source)
        assert error.line == line_of(source, new)
        assert says in str(error)
    assert str(error).endswith("; write {value: AB}")


@pytest.mark.parametrize("name", ["reports", "Reports", "stops_quarantine"])
def test_a_dataset_is_not_named_like_another_table_of_the_platform(name: str) -> None:
    source = GOOD.replace("- name: things", f"- name: {name}", 1)
    error = blamed(source)
    assert error.line == line_of(source, f"- name: {name}")
    assert f"'{name}' is that of a table of the platform" in str(error)


def test_a_physical_name_without_an_extension_is_that_of_a_csv_file() -> None:
    named = [parse_contract(GOOD.replace("Things.csv", name), "x").physical_name for name in ("Things", "Things.xlsx")]
    assert named == ["Things.csv", "Things.xlsx"]


@pytest.mark.parametrize(
    ("old", "new", "at", "says"),
    [
        ("physicalName:", "physicalNam:", "physicalNam:", "did you mean physicalName?"),
        (
            "description: Things",
            "headerLine: 3\n    description: Things",
            "headerLine",
            "{property: headerLine, value: …}",
        ),
        ("classification:", "nullTokens: ['-']\n        classification:", "nullTokens", "under customProperties"),
        ("status: active", "status: active\nzzz: 1", "zzz", "the standard has no field 'zzz' here"),
        (
            "schema:",
            "servers: [{server: s, type: local, path: x, format: csv, delimiter: ;}]\nschema:",
            "servers",
            "type: s3",
        ),
    ],
)
def test_a_field_that_the_standard_does_not_have_is_an_error_with_what_to_write_instead(
    old: str, new: str, at: str, says: str
) -> None:
    source = GOOD.replace(old, new, 1)
    error = blamed(source)
    assert error.line == line_of(source, at)
    assert says in str(error)


def test_a_contract_without_a_schema_and_one_of_several_tables_are_named_as_such() -> None:
    head = GOOD[: GOOD.index("schema:")]
    assert blamed(head).message == "the contract has no schema; add schema with the table that the file holds"
    source = head + "schema:\n" + "".join(f"  - name: table_{n}\n" for n in range(4))
    error = blamed(source)
    assert error.message.startswith("schema has 4 tables (table_0, table_1, table_2, …)")
    assert error.line == line_of(source, "- name: table_1")


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("type: sql\n        query: SELECT 1\n        mustBe: 0", "a rule in the SQL of a server"),
        ("type: custom\n        engine: soda\n        implementation: x", "engine soda"),
    ],
)
def test_a_rule_of_the_schema_that_another_engine_runs_is_named_with_what_to_write(rule: str, says: str) -> None:
    source = GOOD[: GOOD.index("    quality:")] + f"    quality:\n      - {rule}\n".replace(
        "\n" + 8 * " ", "\n" + 8 * " "
    )
    message = blamed(source).message
    assert message.startswith(f"this quality rule is not supported: {says}; write it as a row rule")


def test_servers_of_v30_that_hold_no_files_may_have_any_fields_and_are_listed() -> None:
    servers = "servers: [{server: feed, type: kafka, host: h, topic: t}]\nschema:"
    source = GOOD.replace("schema:", servers, 1)
    assert "no field 'topic'" in str(blamed(source))
    contract = parse_contract(source.replace("v3.2.0", "v3.0.2", 1), "c.odcs.yaml")
    assert "topic of servers.0" in " ".join(contract.notes)
    of_files = source.replace("v3.2.0", "v3.0.2", 1).replace("type: kafka, host: h", "type: s3, location: 's3://b/a'")
    assert "no field 'topic'" in str(blamed(of_files))


@pytest.mark.parametrize(("name", "value"), [("quote", "`"), ("escape", "^"), ("header", "3"), ("headerLine", 0)])
def test_a_wrong_override_is_named_with_its_own_line(name: str, value: Any) -> None:
    entries = (
        f"customProperties:\n      - {{property: trim, value: true}}\n      - {{property: {name}, value: {value!r}}}"
    )
    source = GOOD.replace("properties:", f"{entries}\n    properties:", 1)
    error = blamed(source)
    assert error.line == line_of(source, f"property: {name}")


@pytest.mark.parametrize("bound", [1e16, 1e-7, 0.5, -3, 10**15])
def test_a_bound_of_a_number_may_have_any_size(bound: float) -> None:
    compile_contract(contract_of([typed("a", "number", logicalTypeOptions={"maximum": bound})]), {})


SERVER = "servers: [{server: drop, type: s3, location: 's3://b/k', %s}]\nschema:"


@pytest.mark.parametrize(
    ("pin", "said"),
    [
        ("encoding: klingon", "klingon"),
        ("encoding: base64", "base64"),
        ("delimiter: tab", "tab"),
        ("delimiter: '\"'", "delimiter"),
        ("delimiter: ''", "delimiter"),
        ("delimiter: é", "delimiter"),
    ],
)
def test_a_reading_override_that_no_file_could_satisfy_is_an_error_at_its_line(pin: str, said: str) -> None:
    source = GOOD.replace("schema:", SERVER % pin)
    error = blamed(source)
    assert error.line == line_of(source, "servers:")
    assert said in str(error)


@pytest.mark.parametrize(
    ("name", "value"),
    [("headerLine", 0), ("headerLine", "3"), ("headerLine", True), ("sheet", 3), ("shortRows", "fill")],
)
def test_a_custom_property_with_a_wrong_value_is_an_error(name: str, value: Any) -> None:
    with pytest.raises(ContractError, match=name):
        contract_of([text("ident")], customs=custom(**{name: value}))


def test_reading_overrides_are_read_from_the_server_and_the_schema() -> None:
    contract = parse(GOOD.replace("schema:", SERVER % 'encoding: cp850, delimiter: "\\t"'))
    assert (contract.reading_overrides.encoding, contract.reading_overrides.delimiter) == ("cp850", "\t")
    placed = contract_of([text("ident")], customs=custom(sheet="Data", headerLine=4))
    assert placed.reading_overrides.names() == ["sheet", "header_line"]


def test_the_server_of_silver_says_nothing_about_how_files_are_written() -> None:
    silver = "servers:\n- {server: silver, type: s3, location: 's3://b/s', format: parquet, encoding: utf-16}\n"
    drop = "- {server: drop, type: s3, location: 's3://b/k', format: csv, delimiter: %s}\nschema:"

    contract = parse(GOOD.replace("schema:", silver + drop % ";"))
    assert contract.reading_overrides.names() == ["delimiter"]
    assert parse(GOOD.replace("schema:", f"{silver}schema:")).reading_overrides.names() == []
    wrong = GOOD.replace("schema:", silver + drop % "tab")
    with pytest.raises(ContractError, match="delimiter 'tab'") as error:
        parse(wrong)
    assert error.value.line == line_of(wrong, "- {server: drop")


@pytest.mark.parametrize("dataset", SHIPPED)
def test_a_shipped_contract_names_the_place_of_its_silver(dataset: str) -> None:
    document = yaml.safe_load((CONTRACTS / f"{dataset}.odcs.yaml").read_text("utf-8"))
    schema = document["schema"][0]

    # datacontract-cli makes a table of one name and queries the other; DuckDB does not distinguish case.
    assert schema["physicalName"].casefold() == schema["name"].casefold()
    (silver,) = (server for server in document["servers"] if server["server"] == "silver")
    assert (silver["type"], silver["format"]) == ("s3", "parquet")
    key = silver["location"].removeprefix("s3://").partition("/")[2]
    assert fnmatch(object_keys.silver_key(schema["name"], "nm_albuquerque", "from_client/a/b.csv"), key)


def test_known_values_are_kept_and_refuse_nothing() -> None:
    contract = contract_of([text("rank", customProperties=custom(knownValues=["Officer", "Chief"]))])
    assert contract.column("rank").known_values == ("Officer", "Chief")
    assert contract_rules(contract) == contract_rules(contract_of([text("rank")]))


def test_merged_mappings_give_way_to_own_keys_and_keep_their_lines_and_unquoted_values() -> None:
    source = "a: &a\n  x: 007\n  y: no\nb: &b {y: 2, z: 3}\nc:\n  <<: [*a, *b]\n  x: '1'\nd: {<<: *a}\n"
    located = load_located(source, "f")
    assert located.data["c"] == {"x": "1", "y": False, "z": 3}
    assert [located.line("c", name) for name in "xyz"] == [7, 3, 4]
    within = {where[1:]: value for where, value in located.unquoted.items() if where[0] == "c"}
    assert within == {("y",): ("no", False), ("z",): ("3", 3)}
    assert located.unquoted["d", "x"] == ("007", 7)


@pytest.mark.parametrize(
    ("source", "at", "says"),
    [
        ("a: 1\nb: *c\n", 2, "no anchor &c"),
        ("a: &x 1\nb: &x 2\n", 2, "defined twice"),
        ("a: 1\n<<: [2]\n", 2, "takes a mapping"),
        ("a: 1\nb: !!set {x}\n", 2, "tag"),
        ("a: 1\nb: !!binary aGk=\n", 2, "not a text"),
        ("a: 1\nb: 2020-13-45\n", 2, "month"),
        ("a: 1\n{x: y}: 2\n", 2, "key"),
        ("a: 1\n'a': 2\n", 2, "repeated"),
    ],
)
def test_unusual_yaml_is_an_error_with_its_line(source: str, at: int, says: str) -> None:
    with pytest.raises(ContractError, match=says) as caught:
        load_located(source, "f")
    assert caught.value.line == at


def test_aliases_that_multiply_are_refused_before_they_take_memory() -> None:
    tenfold = "\n".join(f"k{n + 1}: &k{n + 1} [{', '.join([f'*k{n}'] * 10)}]" for n in range(20))
    with pytest.raises(ContractError, match="100,000 values"):
        load_located(f"k0: &k0 [x]\n{tenfold}\n", "f")


@pytest.mark.parametrize(("metric", "field"), [("invalidValues", "validValues"), ("missingValues", "missingValues")])
def test_the_values_of_a_metric_are_a_list(metric: str, field: str) -> None:
    rule = {"metric": metric, "mustBe": 0, "arguments": {field: 3}}
    with pytest.raises(ContractError, match=f"a: {field} takes a list of texts") as caught:
        contract_of([text("a", quality=[rule])])
    assert caught.value.line
