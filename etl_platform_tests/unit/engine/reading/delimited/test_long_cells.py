"""Cells of any length and content end with an outcome at once. A pattern that goes back in a cell would never end."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl_platform.engine.check import check_file
from etl_platform_tests.unit.making import contract_of, text

CONTRACT = contract_of([text("ident"), text("label"), text("remark")])
RUNS = (" ", "m", "xë", "-", "=", "1", "1,", "a@", "a.", "''", "' ", "(", "y m", "\\", "#", "total ", "é", "N/A ")
LENGTH = 60_000


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
@pytest.mark.parametrize("line", [0, 1, 4])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    run=st.sampled_from(RUNS),
    before=st.sampled_from(["", "2026", "total", "$5", "'", "x@y", "--", "yy"]),
    after=st.sampled_from(["", "x", " -05", "!", "'", "%", "é"]),
)
def test_a_long_run_of_characters_in_a_cell_ends_with_an_outcome(
    tmp_path: Path, line: int, encoding: str, run: str, before: str, after: str
) -> None:
    lines = ["ident,label,remark", "1,a,b", "2,a,b", "3,a,b"]
    lines.insert(line, f'7,"{before}{run * (LENGTH // len(run))}{after}",b')
    path = tmp_path / "delivery.csv"
    path.write_text("\n".join(lines) + "\n", encoding)
    result = check_file(path, CONTRACT, tmp_path)
    assert result.errors or result.rows in {3, 4}
