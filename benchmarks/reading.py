"""``python -m benchmarks.reading``: how the engine and other readers read awkward files with default options.

``right``: exactly the good rows; of the engine, rows without damage. ``refused``: an error. ``silently wrong``: other
rows or values without an error. Typed values are compared as text, so the number 7 is right for 7 and wrong for 007.
The engine has a contract that names the columns, as always; the other readers have only the file.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.awkward import HEADER, Awkward, Row, corpus

RIGHT, REFUSED, WRONG = "right", "refused", "silently wrong"


@dataclass(frozen=True)
class Reading:
    """How one reader read one file; ``why`` is the first difference or the error."""

    reader: str
    file: str
    verdict: str
    why: str


Answer = tuple[Sequence[str], Sequence[Sequence[Any]]]


def engine(path: Path, expected: Row) -> Answer:
    import polars as pl

    from etl_platform.engine.check import check_file
    from etl_platform.engine.contract.contract_reader import parse_contract
    from etl_platform.engine.errors import UnreadableFileError
    from etl_platform.engine.split import SILVER

    names = expected or HEADER
    declared = "".join(f"\n      - {{name: {name}, logicalType: string}}" for name in names)
    contract = parse_contract(
        "apiVersion: v3.2.0\nkind: DataContract\nid: x\nversion: 1.0.0\nstatus: active\n"
        f"schema:\n  - name: x\n    properties:{declared}\n",
        "x.odcs.yaml",
    )
    with tempfile.TemporaryDirectory(prefix="etl-platform-reading-") as folder:
        result = check_file(path, contract, Path(folder))
        if result.errors:
            raise UnreadableFileError(result.errors[0].code, result.errors[0].message)
        silver = pl.read_parquet(Path(folder) / SILVER)
    return [name for name in names if name not in result.columns.missing], silver.rows()


def duckdb(path: Path, _expected: Row) -> Answer:
    import duckdb

    relation = duckdb.read_csv(str(path))
    return relation.columns, relation.fetchall()


def polars(path: Path, _expected: Row) -> Answer:
    import polars as pl

    frame = pl.read_csv(path)
    return frame.columns, frame.rows()


def pandas(path: Path, _expected: Row) -> Answer:
    import pandas as pd

    frame = pd.read_csv(path)
    return [str(name) for name in frame.columns], frame.astype(object).where(frame.notna(), None).to_numpy().tolist()


def pyarrow(path: Path, _expected: Row) -> Answer:
    from pyarrow import csv

    read = csv.read_csv(path)
    return read.column_names, list(zip(*(column.to_pylist() for column in read.columns), strict=True))


READERS: dict[str, Callable[[Path, Row], Answer]] = {
    "etl-platform": engine,
    "duckdb": duckdb,
    "polars": polars,
    "pandas": pandas,
    "pyarrow": pyarrow,
}


def run() -> list[Reading]:
    readings: list[Reading] = []
    with tempfile.TemporaryDirectory(prefix="etl-platform-reading-") as folder:
        for number, case in enumerate(corpus()):
            suffix = case.name[case.name.index(".") :] if "." in case.name else ".csv"
            path = Path(folder) / f"{number}{suffix}"
            path.write_bytes(case.content)
            readings += [Reading(name, case.name, *judge(read, path, case)) for name, read in READERS.items()]
    return readings


def judge(read: Callable[[Path, Row], Answer], path: Path, case: Awkward) -> tuple[str, str]:
    try:
        header, rows = read(path, case.header)
    except Exception as error:
        from etl_platform.engine.errors import UnreadableFileError

        # The engine refuses with UnreadableFileError only; of the other readers any error is a refusal.
        if read is engine and not isinstance(error, UnreadableFileError):
            raise
        return REFUSED, f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:120]}"
    if case.header and tuple(name.strip("\ufeff ") for name in header[: len(case.header)]) != case.header:
        return WRONG, f"header {list(header)[:4]}"
    if len(rows) != len(case.rows):
        return WRONG, f"{len(rows):,} rows of {len(case.rows):,}"
    for number, (row, truth) in enumerate(zip(rows, case.rows, strict=True), start=1):
        if not _same(row, truth):
            return WRONG, f"row {number} is {tuple(row)!r}, not {truth!r}"
    return RIGHT, ""


def _same(row: Sequence[Any], truth: Row) -> bool:
    beyond = row[len(truth) :]
    return not any(beyond) and all(_prints(value, text) for value, text in zip(row, truth, strict=False))


def _prints(value: Any, text: str) -> bool:
    """Whether a value, typed or not, has the same text."""
    if value is None:
        return text == ""
    if isinstance(value, bool):
        return str(value).lower() == text.lower()
    if isinstance(value, float):
        plain = text.removeprefix("-").replace(".", "", 1)
        exact = plain.isdigit() and len(plain) <= 15 and not (plain.startswith("0") and plain[1:2].isdigit())
        return repr(value) == text or (exact and float(text) == value)
    if isinstance(value, datetime):
        return text in {value.isoformat(), value.isoformat(" "), value.date().isoformat()}
    if isinstance(value, date):
        return value.isoformat() == text
    return str(value) == text


def table(readings: Sequence[Reading]) -> str:
    files = len(readings) // len(READERS)
    lines = [f"| {files} files | right | refused | silently wrong |", "|---|---|---|---|"]
    wrong: list[str] = []
    for reader in READERS:
        mine = [reading for reading in readings if reading.reader == reader]
        counts = [sum(reading.verdict == verdict for reading in mine) for verdict in (RIGHT, REFUSED, WRONG)]
        lines.append(f"| {reader} {version(reader)} | " + " | ".join(map(str, counts)) + " |")
        names = [reading.file.partition(".")[0] for reading in mine if reading.verdict == WRONG]
        wrong.append(f"- {reader}: {'; '.join(names) or 'none'}")
    return "\n".join([*lines, "", "Silently wrong on:", "", *wrong]) + "\n"


if __name__ == "__main__":
    found = run()
    print(table(found))
    for reading in found:
        if reading.verdict != RIGHT:
            print(f"{reading.reader}: {reading.file}: {reading.verdict}: {reading.why}")
