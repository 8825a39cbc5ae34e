"""Reference tables on disk: read when they are named, blamed by file and line, part of what the contract is."""

from pathlib import Path

import pytest
import yaml

from etl_platform.engine.contract.reference_tables import MAX_BYTES, ReferenceFolder, read_table
from etl_platform.engine.contract_folder import contract_paths, load_contract, load_contracts
from etl_platform.engine.errors import ContractError
from etl_platform_tests.unit.making import contract_data, custom, text

TABLE = 'code,name\nA,Ay\nB,"Bee, the ""second"""\n\nC, Cee \n'


@pytest.fixture
def contract(tmp_path: Path) -> Path:
    """A contract that looks into ``references/agencies.csv``, which holds ``TABLE``."""
    lookup = {"table": "agencies", "key": "code", "take": "name"}
    path = tmp_path / "things.odcs.yaml"
    path.write_text(yaml.safe_dump(contract_data([text("a", customProperties=custom(lookup=lookup))])), "utf-8")
    (tmp_path / "references").mkdir()
    (tmp_path / "references" / "agencies.csv").write_text(TABLE, "utf-8")
    return path


def test_a_contract_comes_with_the_table_that_it_names(contract: Path) -> None:
    lookup = load_contract(contract).column("a").lookup
    assert lookup is not None
    assert lookup.table.cells("name") == ("Ay", 'Bee, the "second"', "Cee")
    assert lookup.table.lines == (2, 3, 5)
    assert load_contracts(contract.parent).keys() == {"things"}
    assert contract_paths(contract.parent) == [contract]


def test_the_table_s_bytes_are_part_of_what_identifies_the_contract(contract: Path) -> None:
    table = contract.parent / "references" / "agencies.csv"
    first = load_contract(contract)
    assert load_contract(contract) == first
    table.write_text(TABLE.replace("Ay", "Aye"), "utf-8")
    assert load_contract(contract).sha256 != first.sha256


def test_a_broken_table_that_no_contract_names_is_not_an_error(contract: Path) -> None:
    (contract.parent / "references" / "broken.csv").write_bytes(b"\xff")
    load_contract(contract)


def test_a_missing_table_is_an_error_that_lists_those_that_exist(contract: Path) -> None:
    table = contract.parent / "references" / "agencies.csv"
    table.rename(table.with_name("agency.csv"))
    with pytest.raises(ContractError, match=r"things\.odcs\.yaml:.*no table 'agencies'; it has agency"):
        load_contract(contract)
    table.with_name("agency.csv").unlink()
    table.parent.rmdir()
    with pytest.raises(ContractError, match="it has none"):
        load_contract(contract)


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        (b"code,name\nA,x\nB\n", 3, "the row has 1 cells and the header 2"),
        (b'code,name\nA,"x\ny"\nB,y,z\n', 4, "3 cells"),
        (b"code,name\nA,x\nB,\xff\n", 3, "UTF-8"),
        (b'code,name\nA,x\nB,"y\n', 3, "invalid CSV"),
        (b"code,code\nA,x\n", 1, "a different name"),
        (b"code,\nA,x\n", 1, "a different name for every column"),
        (b"", 1, "no rows"),
        (b"code,name\n", 1, "no rows"),
        (b"code,name\nA,x\nA,y\n", 3, "repeats that of line 2"),
        (b"code,name\n ,x\n", 2, "empty"),
        (b"code,name\n" + b"A,x\n" * (MAX_BYTES // 4), None, "too many"),
    ],
)
def test_a_broken_table_is_named_with_its_line(contract: Path, content: bytes, line: int | None, says: str) -> None:
    table = contract.parent / "references" / "agencies.csv"
    table.write_bytes(content)
    with pytest.raises(ContractError, match=says) as caught:
        load_contract(contract)
    assert (caught.value.path, caught.value.line) == (str(table), line)


def test_a_byte_order_mark_and_line_ends_of_spreadsheets_are_not_part_of_a_table(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("﻿code,name\r\nÄ,é\r\n".encode())
    table = read_table("t", path)
    assert (table.header, table.rows) == (("code", "name"), (("Ä", "é"),))


def test_a_folder_of_tables_is_a_mapping(contract: Path) -> None:
    folder = ReferenceFolder(contract.parent / "references")
    assert list(folder) == ["agencies"]
    assert len(folder) == 1
    assert "other" not in folder
    assert folder["agencies"] is folder["agencies"]
    with pytest.raises(KeyError):
        folder["other"]
