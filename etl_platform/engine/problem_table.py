"""What is wrong with files, one problem per line: errors of the file, and the rules that rows broke."""

from collections.abc import Iterator
from typing import Any

from etl_platform.engine.columns import DAMAGED_ROW
from etl_platform.engine.output.table_formats import Table
from etl_platform.engine.result import CheckResult

_HEADER = (
    "file",
    "dataset",
    "outcome",
    "rows",
    "good rows",
    "problem",
    "broken by rows",
    "what is wrong",
    "first lines",
)


def problem_table(rows: list[tuple[Any, ...]]) -> Table:
    """The table of ``problem_rows``."""
    return Table(_HEADER, rows)


def problem_rows(file: str, dataset: str | None, outcome: str, result: CheckResult) -> Iterator[tuple[Any, ...]]:
    """The lines about one file; one line without a problem for a file that has none."""
    about = (file, dataset, outcome, result.rows, result.accepted_rows)
    for error in result.errors:
        yield *about, error.code, None, error.message, error.line
    for reason, rows in sorted(result.reasons.items(), key=lambda pair: (-pair[1], pair[0])):
        sentence = f"{' '.join(result.sentences.get(reason, '').split())} {column_hint(result, reason)}".strip()
        yield *about, reason, rows, sentence, ", ".join(one.place for one in result.examples.get(reason, ()))
    failed = [one for one in result.dataset_rules if not one.passed and not one.rejects]
    for verdict in failed:
        yield *about, verdict.name, None, verdict.message, None
    if not (result.errors or result.reasons or failed):
        yield *about, None, None, None, None


def column_hint(result: CheckResult, reason: str) -> str:
    """The columns of the file that a rule about a derived or renamed column is about; empty if it is obvious."""
    if result.columns is None or reason.startswith(DAMAGED_ROW):
        return ""
    names = result.columns.sent_as(reason.rpartition(".")[0])
    return f"In the file: {', '.join(names)}." if names else ""
