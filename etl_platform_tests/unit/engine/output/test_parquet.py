"""The Parquet writer: the size of its row groups, and a disk that is full."""

from pathlib import Path

import polars as pl
import pytest

from etl_platform.engine.output.parquet import ROW_GROUP_CELLS, ROW_GROUP_ROWS, ParquetSink, row_group_rows

FULL_DISK = Path("/dev/full")


@pytest.mark.skipif(not FULL_DISK.exists(), reason="only Linux has a file that is always full")
def test_a_disk_that_fills_up_at_the_last_bytes_is_an_error_and_leaves_no_file(tmp_path: Path) -> None:
    # So few rows are written when all have been handed over, and not before.
    rows = pl.DataFrame({"number": range(1_000)})
    path = tmp_path / "silver.parquet"
    path.symlink_to(FULL_DISK)
    with (
        pytest.raises(OSError, match=f"No space left on device.*{path.name}"),
        ParquetSink(path, rows.schema) as silver,
    ):
        silver.write(rows)
    assert not path.is_symlink()


def test_a_row_group_of_many_columns_has_fewer_rows_and_at_least_one() -> None:
    assert row_group_rows(12) == ROW_GROUP_ROWS
    assert all(row_group_rows(columns) * columns <= ROW_GROUP_CELLS for columns in (25, 100, 16_384))
    assert row_group_rows(ROW_GROUP_CELLS + 1) == 1
