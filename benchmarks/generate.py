"""Generates the file of ``make bench``: 12 columns, about 140 bytes per row, quoted text, one bad row in a hundred."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

STEP = 500_000
AGENCIES = ["NM01", "NM02", "NM03", "LA01", "LA02", "NC01", "NC02", "TX01", "TX02", "TX03"]
RANKS = ["OFFICER", "CORPORAL", "SERGEANT", "LIEUTENANT", "CAPTAIN", "CHIEF"]
STATUS = ["ACTIVE", "LEFT", "RETIRED"]
FAULTS = {
    "officer_id": [None, "P12", "@previous"],
    "agency": ["ZZ99"],
    "last_name": [None],
    "email": ["nobody at home"],
    "born": ["1980-13-45", "1899-12-30"],
    "hired": [None, "N/A"],
    "left": ["1940-01-01"],
    "rank": ["Sgt."],
    "salary": ["$85,000.00", "-1.00", "9999999.00"],
}


def batches(rows: int, seed: int) -> Iterator[pl.DataFrame]:
    """Frames of text columns; the same rows and seed give the same frames."""
    for start in range(0, rows, STEP):
        yield _batch(start, min(STEP, rows - start), seed)


def _batch(start: int, size: int, seed: int) -> pl.DataFrame:
    random = np.random.default_rng([seed, start])
    number = pl.Series("number", np.arange(start, start + size))
    born = random.integers(-7_300, 11_000, size)
    hired = born + random.integers(7_000, 15_000, size)
    status = random.choice(len(STATUS), size, p=[0.7, 0.15, 0.15])
    cents = random.integers(2_500_000, 19_999_999, size)
    frame = pl.DataFrame(
        {
            "officer_id": "P" + number.cast(pl.String).str.zfill(10),
            "agency": _pick(AGENCIES, random.integers(0, len(AGENCIES), size)),
            "badge": pl.Series(random.integers(0, 99_999, size)).cast(pl.String).str.zfill(6),
            "last_name": "Surname, " + pl.Series(random.integers(0, 3_000, size)).cast(pl.String),
            "first_name": "Given" + pl.Series(random.integers(0, 400, size)).cast(pl.String),
            "email": "u." + number.cast(pl.String) + "@agency.example",
            "born": _days(born),
            "hired": _days(hired),
            "left": pl.select(pl.when(pl.Series(status > 0)).then(_days(hired + 400))).to_series(),
            "rank": _pick(RANKS, random.choice(len(RANKS), size, p=[0.6, 0.15, 0.1, 0.08, 0.05, 0.02])),
            "status": _pick(STATUS, status),
            "salary": pl.Series(cents / 100).round(2).cast(pl.String),
        }
    )
    return _broken(frame, random)


def _pick(values: list[str], indexes: np.ndarray) -> pl.Series:
    return pl.Series(values).gather(indexes)


def _days(values: np.ndarray) -> pl.Series:
    return pl.Series(values.astype("int32")).cast(pl.Date).cast(pl.String)


def _broken(frame: pl.DataFrame, random: np.random.Generator) -> pl.DataFrame:
    faults = [(column, value) for column, values in FAULTS.items() for value in values]
    indexes = random.choice(frame.height - 1, frame.height // 100, replace=False) + 1
    kinds = random.integers(0, len(faults), len(indexes))
    original = frame["officer_id"]
    for kind, (column, value) in enumerate(faults):
        chosen = np.sort(indexes[kinds == kind])
        new = original.gather(chosen - 1) if value == "@previous" else pl.Series([value] * len(chosen), dtype=pl.String)
        frame = frame.with_columns(frame[column].scatter(chosen, new))
    return frame


def write(path: Path, rows: int, seed: int = 7) -> None:
    with path.open("wb") as file:
        for index, frame in enumerate(batches(rows, seed)):
            frame.write_csv(file, include_header=index == 0, quote_style="non_numeric")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int)
    parser.add_argument("path", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    write(arguments.path, arguments.rows, arguments.seed)
