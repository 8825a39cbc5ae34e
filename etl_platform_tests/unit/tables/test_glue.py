"""The tables of AWS Glue: every type of a contract, and the committed Terraform file."""

import json
from pathlib import Path

import pytest

from etl_platform.cli.main import main
from etl_platform.engine.contract.model import ColumnType
from etl_platform.engine.contract_folder import load_contracts
from etl_platform.tables.glue import glue_type, terraform_json
from etl_platform_tests.unit.making import CONTRACTS, PROJECT, contract_of, text, typed

COMMITTED = PROJECT / "infra" / "file_processing" / "terraform" / "glue_tables.tf.json"
SHIPPED = load_contracts(CONTRACTS)


def test_the_committed_file_is_made_from_the_contracts() -> None:
    assert COMMITTED.read_text("utf-8") == terraform_json(SHIPPED.values()), (
        "run: etl-platform contract glue --out infra/file_processing/terraform/glue_tables.tf.json"
    )


def test_every_column_of_every_contract_has_a_type_in_athena() -> None:
    columns = {f"{name}.{c.name}": glue_type(c) for name, contract in SHIPPED.items() for c in contract.columns}

    assert [name for name, kind in columns.items() if kind is None] == []
    assert set(columns.values()) <= {"string", "date", "timestamp", "bigint", "double", "boolean"}


def test_each_type_of_a_contract_is_one_of_athena_or_left_out_by_name() -> None:
    kinds = [typed(f"a_{kind}", str(kind)) for kind in ColumnType]
    contract = contract_of([*kinds, typed("fee", "number", physicalType="decimal(12,3)")])

    table = json.loads(terraform_json([contract]))["locals"]["silver_tables"]["things"]

    assert {column["name"]: column["type"] for column in table["columns"]} == {
        "a_string": "string",
        "a_date": "date",
        "a_timestamp": "timestamp",
        "a_integer": "bigint",
        "a_number": "double",
        "a_boolean": "boolean",
        "fee": "decimal(12,3)",
    }
    assert table["description"].endswith("Not readable in Athena: a_time.")


def test_names_have_no_capitals_and_texts_are_no_templates_of_terraform() -> None:
    contract = contract_of([text("Officer_ID", description="not ${a} %{template}\n" + 300 * "x")])

    (column,) = json.loads(terraform_json([contract]))["locals"]["silver_tables"]["things"]["columns"]

    assert column["name"] == "officer_id"
    assert column["comment"].startswith("not $${a} %%{template} xxx")
    assert len(column["comment"].replace("$$", "$").replace("%%", "%")) == 255


def test_a_contract_with_a_column_agency_has_another_name_for_the_partition() -> None:
    table = json.loads(terraform_json([contract_of([text("Agency")])]))["locals"]["silver_tables"]["things"]

    assert (table["agency"], table["columns"][0]["name"]) == ("_agency", "agency")


def test_the_command_prints_the_tables_or_writes_a_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTRACTS_DIR", str(CONTRACTS))

    assert main(["contract", "glue"]) == 0
    assert capsys.readouterr().out == COMMITTED.read_text("utf-8")
    assert main(["contract", "glue", "--out", str(tmp_path / "x.tf.json")]) == 0
    assert (tmp_path / "x.tf.json").read_bytes() == COMMITTED.read_bytes()
