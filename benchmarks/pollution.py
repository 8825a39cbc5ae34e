"""``make bench-pollution``: checks polluted files of the shipped contracts and compares silver with the clean tables.

``wrong``: silver holds a row that the clean table does not have, or a row of it is named nowhere: not in silver, in
quarantine or in the report. Kinds that a person could not tell from the file have a table of their own.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from functools import cache, partial
from pathlib import Path
from typing import Any

from benchmarks.clean_tables import CleanTable
from benchmarks.pollute import KINDS, UNDECIDABLE, make_file

RIGHT, HELD_BACK, REFUSED, WRONG = "right", "rows held back", "refused", "wrong"
_AS_OF = date(2026, 3, 1)
_CONTRACTS = Path(__file__).parents[1] / "contracts"
_EXAMPLES = 20
_STEP = 200


@dataclass(frozen=True)
class Verdict:
    """What became of one file; ``why`` explains a wrong one, ``held_back`` counts good rows that are not in silver."""

    number: int
    kind: str
    verdict: str
    rows: int
    held_back: int
    why: str
    code: str = ""


@dataclass
class Tally:
    """Verdicts of one kind."""

    verdicts: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    held_back: int = 0
    codes: Counter[str] = field(default_factory=Counter)


def judge(seed: int, number: int, only: str | None = None) -> Verdict:
    """Check one polluted file and compare its silver with that of the clean table."""
    case = make_file(seed, number, only)
    with tempfile.TemporaryDirectory(prefix="etl-platform-pollution-") as folder:
        expected = _silver_of_clean(case.table, Path(folder))
        result, silver, elsewhere = _check(case.table, case.content, Path(folder))
    verdict = partial(Verdict, number, case.kind, rows=sum(expected.values()))
    if result.errors:
        return verdict(REFUSED, held_back=0, why=result.errors[0].message, code=result.errors[0].code)
    if absent := {name for name in result.columns.missing if name in case.table.header}:
        # A column whose name is lost is missing from silver, and the report says so.
        expected, silver = _without(case.table.dataset, absent, expected), _without(case.table.dataset, absent, silver)
    foreign = silver - expected
    if foreign:
        return verdict(WRONG, held_back=0, why=f"silver holds {next(iter(foreign))}")
    missing = expected - silver
    if lost := [row for row in missing if not _is_named(row, elsewhere)]:
        return verdict(WRONG, held_back=0, why=f"the row {lost[0]} is nowhere in the results")
    return verdict(HELD_BACK if missing else RIGHT, held_back=sum(missing.values()), why="")


Rows = Counter[tuple[Any, ...]]


def _without(dataset: str, columns: set[str], rows: Rows) -> Rows:
    keep = [place for place, column in enumerate(_contract(dataset).columns) if column.name not in columns]
    return Counter(tuple(row[place] for place in keep) for row in rows.elements())


def _silver_of_clean(table: CleanTable, folder: Path) -> Rows:
    """The rows that the engine makes of the clean table, which must all be good."""
    result, silver, _ = _check(table, table.text().encode(), folder)
    if result.errors or result.quarantined_rows or sum(silver.values()) != len(table.rows):
        raise RuntimeError(f"the clean table of {table.dataset} is not clean: {result.errors}, {result.reasons}")
    return silver


def _check(table: CleanTable, content: bytes, folder: Path) -> tuple[Any, Rows, str]:
    """The result, the rows of silver, and the text of everything that quarantine and the report name."""
    import polars as pl

    from etl_platform.engine.check import check_file
    from etl_platform.engine.split import QUARANTINE, SILVER

    path = folder / table.name
    path.write_bytes(content)
    result = check_file(path, _contract(table.dataset), folder, as_of=_AS_OF)
    silver: Rows = Counter(pl.read_parquet(folder / SILVER).rows()) if not result.errors else Counter()
    held = pl.read_parquet(folder / QUARANTINE).rows() if (folder / QUARANTINE).exists() else []
    named = [line.text for line in result.dialect.dropped] if result.dialect else []
    return result, silver, "\n".join([*named, *(str(cell) for row in held for cell in row)])


def _is_named(row: tuple[Any, ...], elsewhere: str) -> bool:
    """Whether quarantine or the report has text of a row: its longest cell without the damage of one character."""
    texts = sorted((str(value) for value in row if isinstance(value, str)), key=len, reverse=True)
    halves = [half for text in texts for half in (text[: len(text) // 2], text[len(text) // 2 :]) if len(half) > 1]
    return any(half in elsewhere for half in halves) or not halves


@cache
def _contract(dataset: str) -> Any:
    from etl_platform.engine.contract_folder import load_contract

    return load_contract(_CONTRACTS / f"{dataset}.odcs.yaml")


def _judge_range(seed: int, only: str | None, numbers: range) -> list[Verdict]:
    return [judge(seed, number, only) for number in numbers]


def run(seed: int, files: int, workers: int, only: str | None) -> list[Verdict]:
    parts = [range(start, min(files, start + _STEP)) for start in range(0, files, _STEP)]
    verdicts: list[Verdict] = []
    with ProcessPoolExecutor(workers) as pool:
        for part in pool.map(partial(_judge_range, seed, only), parts):
            verdicts += part
            print(
                f"\r{len(verdicts):,} of {files:,} files, {len(wrong(verdicts))} wrong",
                end="",
                file=sys.stderr,
                flush=True,
            )
    print(file=sys.stderr)
    return verdicts


def wrong(verdicts: list[Verdict]) -> list[Verdict]:
    """The verdicts that must not be: wrong although a person could tell."""
    return [item for item in verdicts if item.verdict == WRONG and item.kind not in UNDECIDABLE]


def table(verdicts: list[Verdict], names: list[str]) -> str:
    tallies = {name: Tally() for name in names}
    for item in verdicts:
        if item.kind in tallies:
            tally = tallies[item.kind]
            tally.verdicts[item.verdict] += 1
            tally.rows += item.rows
            tally.held_back += item.held_back
            tally.codes.update([item.code] if item.code else [])
    lines = ["| kind | files | right | rows held back | refused | wrong | good rows held back | refused as |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for name, tally in tallies.items():
        counts = " | ".join(f"{tally.verdicts[verdict]:,}" for verdict in (RIGHT, HELD_BACK, REFUSED, WRONG))
        share = f"{100 * tally.held_back / tally.rows:.1f} %" if tally.rows else ""
        codes = ", ".join(code for code, _ in tally.codes.most_common(3))
        lines.append(f"| {name} | {tally.verdicts.total():,} | {counts} | {share} | {codes} |")
    return "\n".join(lines)


def report(verdicts: list[Verdict], seconds: float) -> str:
    decidable = [item for item in verdicts if item.kind not in UNDECIDABLE]
    counts = Counter(item.verdict for item in decidable)
    return "\n".join([
        f"{len(verdicts):,} files, {seconds:,.0f} s. Of {len(decidable):,} that a person can tell: "
        + ", ".join(f"{name} {counts[name]:,}" for name in (RIGHT, HELD_BACK, REFUSED, WRONG)) + ".",
        "",
        table(verdicts, [name for name in KINDS if name not in UNDECIDABLE]),
        "",
        "What a person could not tell from the file:",
        "",
        table(verdicts, list(UNDECIDABLE)),
        "",
        *(f"- {name}: {why}." for name, why in UNDECIDABLE.items()),
    ])  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="make bench-pollution ARGS=",
        description=__doc__,
        epilog="example: make bench-pollution ARGS='--files 2000'",
    )
    parser.add_argument("--files", type=int, default=20_000, help="number of files [20,000]")
    parser.add_argument("--seed", type=int, default=7, help="of the generated files [7]")
    parser.add_argument("--workers", type=int, default=2, help="processes [2]")
    parser.add_argument("--kind", choices=list(KINDS), help="only this kind")
    arguments = parser.parse_args()
    started = time.monotonic()
    verdicts = run(arguments.seed, arguments.files, arguments.workers, arguments.kind)
    print(report(verdicts, time.monotonic() - started))
    if found := wrong(verdicts):
        folder = Path(tempfile.mkdtemp(prefix="etl-platform-pollution-wrong-"))
        for item in found[:_EXAMPLES]:
            case = make_file(arguments.seed, item.number, arguments.kind)
            path = folder / f"{item.number}-{case.table.name}"
            path.write_bytes(case.content)
            print(f"{path}: {item.kind}: {item.why}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
