"""Every field of ODCS 3.0 to 3.2 has its effect, is refused with its line, or is listed as for people only."""

import copy
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from etl_platform.engine.columns import REASONS
from etl_platform.engine.contract.contract_reader import parse_contract
from etl_platform.engine.contract.dataset_rules import OPERATORS, DatasetRule
from etl_platform.engine.contract.located_yaml import load_located
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.contract.odcs_fields import FIELDS, Treatment
from etl_platform.engine.errors import ContractError
from etl_platform_tests.unit.engine.contract.odcs_schema import fields, sample, schema
from etl_platform_tests.unit.making import PROJECT, checked, contract_data, row_rule, text, typed, yaml_text

SCHEMA = schema()
NODES = fields()
VALID = jsonschema_rs.validator_for(SCHEMA)
NAMES = Path(__file__).with_name("odcs_fields.txt")
"""Each field's path, behind the first version of the standard that has it."""


def treatment_of(path: str) -> Treatment | None:
    """How a field is treated, or the nearest one around it that is listed."""
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        around = ".".join(parts[:length])
        for name in (around, around.removesuffix("[]")):
            if name in FIELDS:
                return FIELDS[name]
    return FIELDS.get(f"{path}[]")


def containers() -> set[str]:
    """The paths around those that have a treatment of their own."""
    around = {".".join(path.split(".")[:length]) for path in FIELDS for length in range(1, path.count(".") + 1)}
    return around | {path.removesuffix("[]") for path in around}


def test_the_list_of_names_is_that_of_the_schema() -> None:
    listed = dict(reversed(line.split()) for line in NAMES.read_text("utf-8").splitlines())
    assert listed.keys() == NODES.keys()
    assert set(listed.values()) == {"v3.0.0", "v3.0.1", "v3.0.2", "v3.1.0", "v3.2.0"}


def test_every_field_of_the_standard_has_a_treatment() -> None:
    assert [path for path in NODES if treatment_of(path) is None and path not in containers()] == []


def test_every_treatment_is_that_of_a_field() -> None:
    known = {*NODES, *(f"{path}[]" for path in NODES)}
    assert [path for path in FIELDS if path not in known] == []


ITEMS: dict[str, dict[str, Any]] = {
    "servers[]": {"server": "drop", "type": "s3", "location": "s3://b/k", "format": "csv"},
    "enum[]": {"value": "A"},
    "synonyms[]": {"synonym": "the a"},
    "customProperties[]": {"property": "probe", "value": "x"},
    "slaProperties[]": {"property": "frequency", "value": 1},
    "properties[].relationships[]": {"to": "things.a"},
    "schema[].relationships[]": {"from": "things.a", "to": "things.a"},
    "properties[].quality[]": {"metric": "duplicateValues", "mustBe": 0},
    "schema[].quality[]": row_rule("filled", "a IS NOT NULL"),
}
"""What an item needs beside the field that is probed."""
DATA = contract_data([text("a")])


def with_field(path: str, value: Any, /, **beside: Any) -> dict[str, Any]:
    """A contract with one more field."""
    data: dict[str, Any] = copy.deepcopy(DATA)
    at: Any = data
    here = ""
    *parents, last = path.split(".")
    for part in parents:
        here = f"{here}.{part}".strip(".")
        if part.endswith("[]"):
            items = at.setdefault(part.removesuffix("[]"), [])
            if not items:
                items.append(copy.deepcopy(next((v for k, v in ITEMS.items() if here.endswith(k)), {})))
            at = items[0]
        else:
            at = at.setdefault(part, {})
    if last in ("timezone", "defaultTimezone"):
        data["schema"][0]["properties"][0]["logicalType"] = "timestamp"
    at.update(beside)
    at[last.removesuffix("[]")] = [value] if last.endswith("[]") else value
    return data


def parsed(data: dict[str, Any]) -> Contract:
    return parse_contract(yaml_text(data), "c.odcs.yaml")


def variants(path: str, value: Any) -> Iterator[dict[str, Any]]:
    """Contracts with a field; most fields of a server belong to servers of one kind, with others that these need."""
    yield with_field(path, value)
    kinds = {name.lower(): node for name, node in SCHEMA["$defs"]["ServerSource"].items()}
    for kind in SCHEMA["$defs"]["Server"]["properties"]["type"]["enum"] if path.startswith("servers[]") else ():
        node = kinds.get(f"{kind}server", {})
        needs = {name: sample(node["properties"][name], SCHEMA) for name in node.get("required", ())}
        needs |= {"format": "csv"} if "format" in needs else {}
        data = with_field(path, value)
        data["servers"] = [{"server": "s", "type": kind, **needs, path.rpartition(".")[2]: value}]
        yield data


def valid(path: str, value: Any) -> dict[str, Any]:
    return next(data for data in variants(path, value) if VALID.is_valid(data))


OPTIONS = "schema[].properties[].logicalTypeOptions."
COLUMN = "schema[].properties[]."


def people() -> list[str]:
    return [path for path, treatment in FIELDS.items() if treatment is Treatment.PEOPLE]


SAMPLES: dict[str, Any] = {
    "team[]": {"username": "u"},
    "servers[].path": "x.csv",
    f"{COLUMN}relationships[].from": "things.a",
    f"{COLUMN}map": {"key": {"logicalType": "string"}, "value": {"logicalType": "string"}},
    f"{COLUMN}items": {"logicalType": "string"},
    f"{COLUMN}properties": [{"name": "x", "logicalType": "string"}],
}


def value_of(path: str) -> Any:
    return SAMPLES[path] if path in SAMPLES else sample(NODES[path], SCHEMA)


@pytest.mark.parametrize("path", people())
def test_a_field_for_people_is_listed_once_with_its_line(path: str) -> None:
    data = valid(path, value_of(path))
    where = path.replace("[]", ".0").split(".")
    label = path.removesuffix("[]").rpartition(".")[2]
    line = load_located(yaml_text(data), "c").line(*(int(part) if part == "0" else part for part in where))

    notes = [note for note in parsed(data).notes if ": for people only: " in note]

    assert len(notes) == 1
    told = re.findall(r"([\w. ]+) \(lines? ([\d, ]+)", notes[0])
    assert [lines for name, lines in told if name.strip().split(".")[-1] == label and str(line) in lines.split(", ")]


@pytest.mark.parametrize("path", [path for path, treatment in FIELDS.items() if treatment is Treatment.REFUSED])
def test_a_field_that_is_refused_is_an_error_at_its_line(path: str) -> None:
    options = ".logicalTypeOptions." in path
    data = with_field(path, value_of(path))
    if path.endswith(".query"):
        data = with_field(path, "SELECT 1", type="sql", mustBe=0)
    with pytest.raises(ContractError) as caught:
        parsed(data)
    label = path.rpartition(".")[2]
    assert caught.value.line
    near = yaml_text(data).splitlines()[caught.value.line - 1 :]
    assert any(label in line for line in near[: 2 if options else 9]), str(caught.value)


def holds(entry: dict[str, Any], good: str, bad: str, reason: str, **more: Any) -> Callable[[], None]:
    """A row whose column breaks the rule is held back for it, and one that keeps it is not."""

    def probe() -> None:
        contract = parsed(contract_data([{**entry, "name": "a"}], **more))
        found = [row[REASONS] for row in checked(contract, [(good,), (bad,)]).iter_rows(named=True)]
        assert [reason in (reasons or "") for reasons in found] == [False, True], found

    return probe


def twice(entry: dict[str, Any], reason: str) -> Callable[[], None]:
    def probe() -> None:
        contract = parsed(contract_data([{**entry, "name": "a"}]))
        found = [row[REASONS] for row in checked(contract, [("x",), ("x",), ("y",)]).iter_rows(named=True)]
        assert [reason in (reasons or "") for reasons in found] == [True, True, False]

    return probe


def shows(
    path: str, value: Any, read: Callable[[Contract], Any], expected: Any = None, **beside: Any
) -> Callable[[], None]:
    """The contract has the value where it is shown, named or used."""

    def probe() -> None:
        contract = parsed(with_field(path, value, **beside))
        assert read(contract) == (value if expected is None else expected)

    return probe


def refuses(path: str, value: Any, says: str, **beside: Any) -> Callable[[], None]:
    def probe() -> None:
        with pytest.raises(ContractError, match=says) as caught:
            parsed(with_field(path, value, **beside))
        assert caught.value.line

    return probe


def refusal(rule: dict[str, Any], says: str) -> Callable[[], None]:
    def probe() -> None:
        column = {} if rule.get("metric") == "rowCount" else {"quality": [rule]}
        with pytest.raises(ContractError, match=says):
            parsed(contract_data([text("a", **column)], quality=[] if column else [rule]))

    return probe


def of_file(rule: dict[str, Any], read: Callable[[DatasetRule], Any], expected: Any) -> Callable[[], None]:
    """The dataset rule of a contract, in the quality of its schema or of its column, has this value."""

    def probe() -> None:
        column = {"quality": [rule]} if rule["metric"] != "rowCount" else {}
        contract = parsed(contract_data([text("a", **column)], quality=[] if column else [rule]))
        assert [read(found) for found in contract.dataset_rules] == [expected]

    return probe


def whole(name: str, value: Any, **rule: Any) -> Callable[[], None]:
    """A comparison of a dataset rule is the one that the contract has."""
    expected = name, tuple(value) if isinstance(value, list) else (value,)
    return of_file({**rule, name: value}, lambda found: (found.operator, found.bounds), expected)


def fresh(read: Callable[[DatasetRule], Any], expected: Any, **more: Any) -> Callable[[], None]:
    def probe() -> None:
        contract = parsed(contract_data([DATE], slaProperties=[{**FRESH, **more}]))
        assert [read(found) for found in contract.dataset_rules] == [expected]

    return probe


def columns(read: Callable[[Contract], Any], expected: Any, *entries: dict[str, Any]) -> Callable[[], None]:
    def probe() -> None:
        assert read(parsed(contract_data(entries))) == expected

    return probe


LABELS = [{"property": "useLabels", "value": True}]
NULLS: dict[str, Any] = {"metric": "nullValues", "unit": "percent"}
COUNT: dict[str, Any] = {"metric": "rowCount"}
FRESH: dict[str, Any] = {"property": "freshness", "value": 3, "element": "things.a"}
INTEGER, DATE = typed("a", "integer"), typed("a", "date")
RULE = "schema[].quality[]."
PROBES: dict[str, Callable[[], None]] = {
    "apiVersion": refuses("apiVersion", "v2.2.2", "another structure"),
    "kind": refuses("kind", "DataProduct", "DataContract"),
    "id": shows("id", "probe", lambda c: c.id),
    "version": shows("version", "3.4.5", lambda c: c.version),
    "status": shows("status", "draft", lambda c: c.in_force, False),
    "domain": shows("domain", "probe", lambda c: c.domain),
    "description.purpose": shows("description.purpose", "probe", lambda c: c.description),
    "team.name": shows("team.name", "probe", lambda c: c.owner),
    "servers[].format": refuses("servers[].format", "json", "'json' is not read"),
    "servers[].type": refuses("servers[].type", "custom", "'parquet' is not read", format="parquet"),
    "servers[].encoding": shows("servers[].encoding", "cp1252", lambda c: c.reading_overrides.encoding),
    "servers[].delimiter": shows("servers[].delimiter", ";", lambda c: c.reading_overrides.delimiter),
    "servers[].server": shows("servers[].server", "silver", lambda c: c.reading_overrides.names(), [], delimiter=";"),
    "schema[].name": shows("schema[].name", "probe", lambda c: c.dataset),
    "schema[].physicalName": shows("schema[].physicalName", "p.csv", lambda c: c.physical_name),
    "schema[].description": shows("schema[].description", "probe", lambda c: c.description),
    "schema[].dataGranularityDescription": shows("schema[].dataGranularityDescription", "One row", lambda c: c.grain),
    "schema[].logicalType": refuses("schema[].logicalType", "array", "not one of object"),
    "schema[].customProperties[].property": refuses(
        "schema[].customProperties[].property", "trims", "did you mean trim?"
    ),
    "schema[].customProperties[].value": refuses(
        "schema[].customProperties[].value", "yes", "true or false", property="trim"
    ),
    f"{RULE}type": refuses(f"{RULE}type", "sql", "engine", query="SELECT 1", mustBe=0),
    f"{RULE}engine": refuses(f"{RULE}engine", "soda", "rowRule"),
    f"{RULE}implementation": holds({}, "x", "y", "small", quality=[row_rule("small", "a = 'x'")]),
    f"{RULE}name": shows(f"{RULE}name", "probe", lambda c: c.row_rules[0].name),
    f"{RULE}description": shows(f"{RULE}description", "probe", lambda c: c.row_rules[0].description),
    f"{RULE}severity": refuses(f"{RULE}severity", "warning", "severity"),
    f"{RULE}metric": of_file({**COUNT, "mustBe": 1}, lambda r: str(r.measure), "row_count"),
    f"{RULE}unit": refusal({**COUNT, "mustBe": 1, "unit": "percent"}, "use rows"),
    f"{RULE}arguments": refusal({**COUNT, "mustBe": 1, "arguments": {"x": 1}}, "takes no arguments"),
    **{f"{RULE}{name}": whole(name, [1, 2] if "Between" in name else 3, metric="rowCount") for name in OPERATORS},
    f"{COLUMN}name": shows(f"{COLUMN}name", "_probe", lambda c: c.columns[0].name),
    f"{COLUMN}physicalName": shows(f"{COLUMN}physicalName", "Prüf Nr", lambda c: "prüfnr" in c.known_headers, True),
    f"{COLUMN}description": shows(f"{COLUMN}description", "probe", lambda c: c.columns[0].description),
    f"{COLUMN}logicalType": holds(INTEGER, "1", "x", "a.type"),
    f"{COLUMN}required": holds(text("a", required=True), "x", "", "a.required"),
    f"{COLUMN}unique": twice(text("a", unique=True), "a.unique"),
    f"{COLUMN}primaryKey": twice(text("a", primaryKey=True), "a.unique"),
    f"{COLUMN}classification": shows(f"{COLUMN}classification", "secret", lambda c: c.columns[0].masked, True),
    f"{COLUMN}physicalType": holds(typed("a", "number", physicalType="decimal(4,1)"), "1.5", "1.55", "a.type"),
    f"{OPTIONS}pattern": holds(text("a", logicalTypeOptions={"pattern": "^x"}), "x", "y", "a.pattern"),
    f"{OPTIONS}minLength": holds(text("a", logicalTypeOptions={"minLength": 2.0}), "xx", "x", "a.length"),
    f"{OPTIONS}maxLength": holds(text("a", logicalTypeOptions={"maxLength": 2}), "xx", "xxx", "a.length"),
    f"{OPTIONS}minimum": holds({**INTEGER, "logicalTypeOptions": {"minimum": 16.0}}, "16", "15", "a.range"),
    f"{OPTIONS}maximum": holds({**INTEGER, "logicalTypeOptions": {"maximum": 3}}, "3", "4", "a.range"),
    f"{OPTIONS}exclusiveMinimum": holds(
        {**INTEGER, "logicalTypeOptions": {"exclusiveMinimum": 3}}, "4", "3", "a.range"
    ),
    f"{OPTIONS}exclusiveMaximum": holds(
        {**INTEGER, "logicalTypeOptions": {"exclusiveMaximum": 3}}, "2", "3", "a.range"
    ),
    f"{OPTIONS}format": holds(
        {**DATE, "logicalTypeOptions": {"format": "M/d/yyyy"}}, "1/2/2026", "2026-01-02", "a.type"
    ),
    f"{OPTIONS}timezone": refuses(f"{OPTIONS}timezone", True, "have none in silver"),
    f"{COLUMN}enum[].value": holds(text("a", enum=[{"value": "x"}]), "x", "y", "a.allowed"),
    f"{COLUMN}enum[].label": columns(
        lambda c: c.columns[0].labels, ("L",), text("a", enum=[{"value": "A", "label": "L"}], customProperties=LABELS)
    ),
    f"{COLUMN}primaryKeyPosition": columns(
        lambda c: c.primary_key,
        ("b", "a"),
        text("a", primaryKey=True, primaryKeyPosition=2),
        text("b", primaryKey=True, primaryKeyPosition=1),
    ),
    f"{COLUMN}transformLogic": columns(
        lambda c: [x.name for x in c.columns if x.derived], ["b"], text("a"), text("b", transformLogic="LOWER(a)")
    ),
    f"{COLUMN}transformSourceObjects": columns(
        lambda c: c.columns[1].declared_sources,
        ("a",),
        text("a"),
        text("b", transformLogic="LOWER(a)", transformSourceObjects=["a"]),
    ),
    f"{COLUMN}synonyms[].synonym": shows(
        f"{COLUMN}synonyms[].synonym", "The A", lambda c: "thea" in c.known_headers, True
    ),
    f"{COLUMN}customProperties[].property": refuses(
        f"{COLUMN}customProperties[].property", "filePatterns", "belongs to a schema"
    ),
    f"{COLUMN}customProperties[].value": refuses(
        f"{COLUMN}customProperties[].value", 3, "a list", property="nullTokens"
    ),
    f"{COLUMN}quality[].type": refuses(f"{COLUMN}quality[].type", "sql", "SQL of a server", query="SELECT 1"),
    **{
        f"{COLUMN}quality[].{name}": refusal({"type": "custom", "engine": "soda", "implementation": "x"}, "engine soda")
        for name in ("engine", "implementation")
    },
    f"{COLUMN}quality[].name": of_file({**NULLS, "mustBe": 1, "name": "few"}, lambda r: r.name, "few"),
    f"{COLUMN}quality[].description": of_file({**NULLS, "mustBe": 1, "description": "d"}, lambda r: r.description, "d"),
    f"{COLUMN}quality[].unit": of_file({**NULLS, "mustBe": 1}, lambda r: str(r.measure), "null_share"),
    **{f"{COLUMN}quality[].{name}": whole(name, [1, 2] if "Between" in name else 3, **NULLS) for name in OPERATORS},
    f"{COLUMN}quality[].metric": twice(text("a", quality=[{"metric": "duplicateValues", "mustBe": 0}]), "a.unique"),
    f"{COLUMN}quality[].arguments": holds(
        text("a", quality=[{"metric": "invalidValues", "mustBe": 0, "arguments": {"pattern": "^x"}}]),
        "x",
        "y",
        "a.pattern",
    ),
    f"{COLUMN}quality[].severity": refuses(f"{COLUMN}quality[].severity", "warning", "not supported.*severity"),
    **{
        f"{place}relationships[].{field}": probe
        for place in ("schema[].", COLUMN)
        for field, probe in {
            "type": refuses(f"{place}relationships[].type", "lookup", "foreignKey"),
            "to": shows(f"{place}relationships[].to", "parts.p", lambda c: str(c.foreign_keys[0]), "a → parts.p"),
            "customProperties[].property": refuses(
                f"{place}relationships[].customProperties[].property", "severty", "did you mean severity?"
            ),
            "customProperties[].value": refuses(
                f"{place}relationships[].customProperties[].value", "red", "warning or error", property="severity"
            ),
        }.items()
    },
    "schema[].relationships[].from": refuses("schema[].relationships[].from", "things.b", "no column 'b'"),
    "slaProperties[].property": refuses("slaProperties[].property", "frequncy", "did you mean frequency?"),
    "slaProperties[].value": refuses("slaProperties[].value", "often", "a number above 0"),
    "slaProperties[].unit": refuses("slaProperties[].unit", "fortnight", "unknown"),
    "slaProperties[].element": refuses("slaProperties[].element", "x", "freshness needs", property="freshness"),
    "slaProperties[].description": fresh(lambda r: r.description, "d", description="d"),
    **{
        f"slaProperties[].customProperties[].{name}": fresh(
            lambda r: str(r.severity), "warning", customProperties=[{"property": "severity", "value": "warning"}]
        )
        for name in ("property", "value")
    },
    "slaProperties[].schedule": refuses("slaProperties[].schedule", "0 8 * * 1", "no schedule"),
    "slaProperties[].scheduler": refuses("slaProperties[].scheduler", "cron", "no scheduler"),
    "slaProperties[].valueExt": refuses("slaProperties[].valueExt", 2, "no valueExt"),
}


@pytest.mark.parametrize("path", [path for path, treatment in FIELDS.items() if treatment is Treatment.READ])
def test_a_field_that_is_read_has_its_effect(path: str) -> None:
    PROBES[path]()


def test_the_page_of_the_fields_has_each_of_them() -> None:
    page = (PROJECT / "docs" / "reference" / "odcs-fields.md").read_text("utf-8")
    told: dict[str, Treatment] = {}
    for line in page.splitlines():
        if line.startswith("| ") and line.count("|") == 5:
            place, *cells = (cell.strip() for cell in line.strip("|").split("|"))
            for treatment, cell in zip((Treatment.READ, Treatment.REFUSED, Treatment.PEOPLE), cells, strict=True):
                told |= {f"{place.strip('`')}{name}": treatment for name in re.findall("`([^`]+)`", cell)}
    assert told == FIELDS


@pytest.mark.parametrize(
    ("step", "instead"), [(5, "a row rule of the schema: a % 5 = 0"), (2.0, "a % 2 = 0"), (0.01, "decimal\\(18,2\\)")]
)
def test_the_error_about_multiples_says_what_to_write_instead(step: float, instead: str) -> None:
    with pytest.raises(ContractError, match=instead):
        parsed(contract_data([{**INTEGER, "logicalTypeOptions": {"multipleOf": step}}]))
