"""Repeated keys are found however the file is damaged: the cheap scan of the key columns against a full reading."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl_platform.engine.check import check_file
from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.reading.delimited import text_table
from etl_platform_tests.unit.making import cells_of, contract_of, listing, read_back, text

ALONE = contract_of([text("ident", unique=True), text("label"), text("remark")])
TOGETHER = contract_of(
    [
        text("ident", primaryKey=True, primaryKeyPosition=1),
        text("label", primaryKey=True, primaryKeyPosition=2),
        text("x"),
    ]
)
PARTS = st.sampled_from(
    [
        "1,a,b\n",
        "1,b,c\n",
        "2,a,b\n",
        '"1",a,b\n',
        '"1","x,y",z\n',
        '3,"two\nlines",b\n',
        "1,a\n",
        "1,a,b,c\n",
        ",a,b\n",
        '"",a,b\n',
        "\n",
        ",,\n",
        " ,a,b\n",
        '1,5" pipe,b\n',
        '1,"ab"c"d",e\n',
        "1,a,b\r\n",
        '4,"a ""1"" b",c\n',
        "1,é,b\n",
        '"a',
        ",",
        "Total,,\n",
    ]
)


@pytest.mark.parametrize("chunk_bytes", [40, 1 << 24])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(PARTS, min_size=1, max_size=12))
def test_repeated_keys_are_those_of_a_full_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk_bytes: int, parts: list[str]
) -> None:
    monkeypatch.setattr(text_table, "CHUNK_BYTES", chunk_bytes)
    path, out = tmp_path / "delivery", tmp_path / "out"
    out.mkdir(exist_ok=True)
    path.write_text("ident,label,remark\n" + "".join(parts), "utf-8", newline="")
    for contract, width, reason in ((ALONE, 1, "ident.unique"), (TOGETHER, 2, "ident+label.unique")):
        result = check_file(path, contract, out)
        try:
            rows = cells_of(read_back(path, contract)[1])
        except UnreadableFileError as error:
            assert [found.code for found in result.errors] == [error.code]  # noqa: PT017 - both refuse alike
            continue
        keys = Counter(row[:width] for row in rows if all(row[:width]))
        assert result.reasons.get(reason, 0) == sum(times for times in keys.values() if times > 1)
        assert result.rows == len(rows)
        assert set(listing(out)) <= {"silver.parquet", "quarantine.parquet"}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(PARTS, min_size=1, max_size=12))
def test_a_table_that_is_held_gives_the_result_of_one_that_is_streamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: list[str]
) -> None:
    path, out = tmp_path / "delivery", tmp_path / "out"
    out.mkdir(exist_ok=True)
    path.write_text("ident,label,remark\n" + "".join(parts), "utf-8", newline="")
    results = []
    for chunk_bytes in (40, 1 << 24):
        monkeypatch.setattr(text_table, "CHUNK_BYTES", chunk_bytes)
        results.append(check_file(path, ALONE, out))
    assert results[0] == results[1]
