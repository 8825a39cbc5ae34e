"""``make bench-pollock ARGS=FOLDER``: how the engine and other readers read the files of the Pollock benchmark.

Pollock (Vitagliano et al., VLDB 2023, https://github.com/HPI-Information-Systems/Pollock) pollutes one table of nine
columns in 2,290 ways. FOLDER has the files in ``csv/`` and their clean versions under the same names in ``clean/``.

``wrong``: files with a row that the clean file does not have; ``refused``: files that the reader refuses; ``rows held
back``: rows of the clean file that are missing from a file that was read. Other readers read every cell as text.
"""

import argparse
import csv
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

NAMES = ("DATE", "TIME", "Qty", "PRODUCTID", "Price", "ProductType", "ProductDescription", "URL", "Comments")
Rows = Counter[tuple[Any, ...]]
_TYPED = Path(__file__).parent / "sales.odcs.yaml"
_SHOWN_KINDS = 6


class RefusedError(Exception):
    """The reader refuses the file."""


@dataclass
class Tally:
    """What became of the files with one reader."""

    wrong: int = 0
    wrong_rows: int = 0
    refused: int = 0
    held_back: int = 0
    rows: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)

    def add(self, name: str, clean: Rows, read: Callable[[], Rows]) -> None:
        try:
            found = read()
        except RefusedError as error:
            self.refused += 1
            self.codes[str(error)] += 1
            return
        foreign, missing = found - clean, clean - found
        self.rows += clean.total()
        # A wrong row stands for one that is missing.
        self.held_back += max(0, missing.total() - foreign.total())
        self.wrong_rows += foreign.total()
        if foreign:
            self.wrong += 1
            self.kinds[re.sub(r"[0-9]+", "N", name.removesuffix(".csv"))] += 1


def engine(path: Path, *, typed: bool) -> Rows:
    import polars as pl

    from etl_platform.engine.check import check_file
    from etl_platform.engine.split import SILVER

    with tempfile.TemporaryDirectory(prefix="etl-platform-pollock-") as folder:
        result = check_file(path, _contract(typed=typed), Path(folder))
        if result.errors:
            raise RefusedError(result.errors[0].code)
        silver = pl.read_parquet(Path(folder) / SILVER).select(NAMES)
    return Counter(silver.rows() if typed else silver.fill_null("").rows())


@cache
def _contract(*, typed: bool) -> Any:
    from etl_platform.engine.contract.contract_reader import parse_contract
    from etl_platform.engine.contract_folder import load_contract

    if typed:
        return load_contract(_TYPED)
    names = "".join(f"\n      - {{name: {name}, logicalType: string}}" for name in NAMES)
    return parse_contract(
        "apiVersion: v3.2.0\nkind: DataContract\nid: sales\nversion: 1.0.0\nstatus: active\n"
        f"schema:\n  - name: sales\n    properties:{names}\n",
        "sales.odcs.yaml",
    )


def duckdb(path: Path, **dialect: Any) -> Rows:
    import duckdb

    with duckdb.connect() as database:
        return _texts(database.read_csv(str(path), all_varchar=True, **dialect).fetchall())


def polars(path: Path) -> Rows:
    import polars as pl

    return _texts(pl.read_csv(path, infer_schema=False).rows())


def pandas(path: Path) -> Rows:
    import pandas as pd

    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    return _texts(frame.astype(object).where(frame.notna(), None).itertuples(index=False, name=None))


def _texts(rows: Any) -> Rows:
    return Counter(tuple("" if cell is None else cell for cell in row) for row in rows)


READERS: dict[str, Callable[[Path], Rows]] = {
    "etl-platform, names only": partial(engine, typed=False),
    "etl-platform, typed contract": partial(engine, typed=True),
    "duckdb, dialect detected": duckdb,
    "duckdb, dialect given": lambda path: duckdb(path, header=True, sep=",", quotechar='"'),
    "polars": polars,
    "pandas": pandas,
}


def _clean_rows(path: Path) -> list[tuple[str, ...]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [tuple(row) for row in csv.reader(file)][1:]


def _typed_row(row: tuple[str, ...]) -> tuple[Any, ...]:
    """A clean row as the typed contract reads it; as text where a cell keeps its damage."""
    texts = [text or None for text in row]
    try:
        day = datetime.strptime(row[0], "%d/%m/%Y").date()  # noqa: DTZ007 - only the day is used
        return (day, texts[1], int(row[2]), texts[3], float(row[4].removeprefix("$")), *texts[5:])
    except (ValueError, IndexError):
        return row


def run(folder: Path, step: int) -> tuple[int, dict[str, Tally]]:
    """Read every ``step``-th file with every reader; the number of files, and a tally of each reader."""
    paths = sorted((folder / "csv").iterdir())[::step]
    tallies = {name: Tally() for name in READERS}
    for number, path in enumerate(paths, start=1):
        texts = _clean_rows(folder / "clean" / path.name)
        for name, read in READERS.items():
            clean: Rows = Counter(map(_typed_row, texts) if "typed" in name else texts)
            tallies[name].add(path.name, clean, partial(_refusing, read, path))
        print(f"\r{number:,} of {len(paths):,} files", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return len(paths), tallies


def _refusing(read: Callable[[Path], Rows], path: Path) -> Rows:
    """The rows; of the other readers every error is a refusal."""
    try:
        return read(path)
    except RefusedError:
        raise
    except Exception as error:
        if isinstance(read, partial):
            raise
        raise RefusedError(type(error).__name__) from None


def table(files: int, tallies: dict[str, Tally]) -> str:
    lines = [f"| {files:,} files | wrong | rows in them | refused | rows held back |", "|---|---|---|---|---|"]
    notes = []
    for name, tally in tallies.items():
        package, _, how = name.partition(", ")
        label = ", ".join(filter(None, (f"{package} {version(package)}", how)))
        lines.append(
            f"| {label} | {tally.wrong:,} | {tally.wrong_rows:,} | {tally.refused:,} "
            f"| {tally.held_back:,} of {tally.rows:,} |"
        )
        kinds = ", ".join(f"{kind} {times}" for kind, times in tally.kinds.most_common(_SHOWN_KINDS))
        codes = ", ".join(f"{code} {times}" for code, times in tally.codes.most_common(_SHOWN_KINDS))
        notes.append(f"- {label}: wrong in {kinds or 'none'}; refused as {codes or 'none'}.")
    return "\n".join([*lines, "", *notes]) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="make bench-pollock ARGS=", description=__doc__, epilog="example: make bench-pollock ARGS=~/pollock/survey"
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="has the folders csv and clean")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every Nth file [1]")
    arguments = parser.parse_args()
    if not (arguments.folder / "csv").is_dir() or not (arguments.folder / "clean").is_dir():
        parser.error(f"{arguments.folder} does not have the folders csv and clean")
    print(table(*run(arguments.folder, arguments.every)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
