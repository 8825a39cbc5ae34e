"""Headers of several rows that are read without a contract: which rows are joined, and which are data."""

import csv
from collections.abc import Sequence

import pytest

from etl_platform.engine.contract.reading_overrides import ReadingOverrides
from etl_platform.engine.reading.tables.headers import find_header


def header_of(text: str) -> tuple[int, list[str]]:
    """The rows of the header that is found, and its names."""
    cells = list(csv.reader(text.splitlines()))
    rows = [(line, line + 1, row) for line, row in enumerate(cells, 1)]
    found = find_header(rows, None, len(cells[-1]), ReadingOverrides())
    assert found is not None
    return found.rows, found.cells


@pytest.mark.parametrize(
    ("text", "names"),
    [
        pytest.param(
            "Officer,,Supervisor,\nID,Name,ID,Name\n1,Ann,2,Bob\n3,Cy,4,Di",
            ["Officer ID", "Officer Name", "Supervisor ID", "Supervisor Name"],
            id="groups above repeated names",
        ),
        pytest.param(
            "Stop,Stop,Officer,Officer\nID,Date,ID,Name\nx,y,z,w\nk,l,m,n",
            ["Stop ID", "Stop Date", "Officer ID", "Officer Name"],
            id="groups that are repeated",
        ),
        pytest.param(
            "ID,Name,Stop,,Outcome\n,,Date,Time,\n1,Ann,2020-01-01,10:00,x\n2,Bob,2020-01-02,11:00,y",
            ["ID", "Name", "Stop Date", "Stop Time", "Outcome"],
            id="names beside a group",
        ),
        pytest.param(
            "Name,Arrests,,Citations,\n,Male,Female,Male,Female\nCentral,4,5,6,7\nNorth,5,6,7,8",
            ["Name", "Arrests Male", "Arrests Female", "Citations Male", "Citations Female"],
            id="groups of the same names",
        ),
        pytest.param(
            "Reason,Reason,Reason\nSeat Belt Violation,Speeding,Other\n22-412,21-801,x\n22-413,21-802,y",
            ["Reason Seat Belt Violation", "Reason Speeding", "Reason Other"],
            id="one group over all names",
        ),
    ],
)
def test_rows_that_give_each_column_its_name_are_one_header(text: str, names: Sequence[str]) -> None:
    assert header_of(text) == (2, list(names))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("name,name,city\nSmith,Jones,Reno\nDoe,Roe,Elko", id="a row of texts"),
        pytest.param("name,name,status\nOfficer Smith,Officer Jones,Active\nDoe,Roe,Closed", id="words of headers"),
        pytest.param("id,name,,notes\n,Bob,x,\n2,Al,y,z\n3,Cy,z,k", id="a row that lacks its identifier"),
        pytest.param("x,x,x\na,b,c\nd,e,f", id="names that say nothing"),
        pytest.param("id,name,,\n1,Bob,,\n2,Al,,", id="blank columns on the right"),
        pytest.param("stop,stop,date\nid,date,1/2/2025\nx,y,1/3/2025", id="a value"),
        pytest.param("stop,stop\nid,date\nid,date\nx,y", id="texts that the rows below have, too"),
    ],
)
def test_a_row_that_may_be_data_stays_data(text: str) -> None:
    assert header_of(text)[0] == 1
