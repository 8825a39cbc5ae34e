"""The answer of a check as text for people: what became of the file, and which lines to fix. No decisions."""

from collections.abc import Mapping, Sequence
from typing import Any

from etl_platform.engine.output.plain_text import escape_control_characters, printable, table
from etl_platform.engine.result import CheckOutcome


def verdict(file_name: str, dataset: str | None, report: Mapping[str, Any]) -> str:
    """The answer of a check: what became of the file, and per broken rule which lines to fix."""
    what = f"{file_name} as {dataset}" if dataset else file_name
    accepted = report["outcome"] == CheckOutcome.ACCEPTED
    lines = [f"{report['outcome'].upper()}  {what}"]
    if report["rows"]:
        lines.append(
            f"{report['rows']:,} rows: {report['accepted_rows']:,} good, {report['quarantined_rows']:,} quarantined"
        )
    lines += [f"  {error['code']}: {error['message']}" for error in report["errors"]]
    dialect = report["dialect"]
    if dialect:
        delimiter = repr(dialect["delimiter"]) if dialect["delimiter"] else dialect.get("sheet", "")
        lines.append(f"read as {dialect['encoding']}, {delimiter}, header on line {dialect['header_line']}")
        lines += [f"  left out line {_line(item)}: {item['text']}" for item in dialect["dropped"]]
        lines += _parts(dialect)
    columns = report["columns"]
    if columns.get("synonyms"):
        lines.append("renamed: " + ", ".join(f"{old} → {new}" for old, new in columns["synonyms"].items()))
    if accepted and columns.get("missing"):
        lines.append("not in the file: " + ", ".join(columns["missing"]))
    if columns.get("extra"):
        lines.append("not in the contract: " + ", ".join(columns["extra"]))
    lines = [escape_control_characters(line) for line in lines]
    if report["reasons"]:
        rows = [
            (reason, rows, ", ".join(_example(e) for e in report["examples"].get(reason, [])))
            for reason, rows in sorted(report["reasons"].items(), key=lambda pair: -pair[1])
        ]
        lines += ["", _rules_table(rows)]
    if report["dataset_rules"]:
        lines += ["", _dataset_rules_table(report["dataset_rules"])]
    return "\n".join(lines)


def _dataset_rules_table(verdicts: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (
            verdict["name"],
            round(verdict["found"], 2) if isinstance(verdict["found"], float) else verdict["found"],
            verdict["allowed"],
            "passed" if verdict["passed"] else verdict["severity"],
        )
        for verdict in verdicts
    ]
    return table(("dataset rule", "found", "allowed", "verdict"), rows)


def _example(example: Mapping[str, Any]) -> str:
    value = "(empty)" if example["value"] is None else printable(example["value"])
    return f"line {_line(example)}: {value}"


def _line(place: Mapping[str, Any]) -> str:
    return f"{place['line']} of {place['member']}" if "member" in place else str(place["line"])


def _parts(dialect: Mapping[str, Any]) -> list[str]:
    """Which files of an archive and which sheets of a workbook were read, and which were not."""
    said = [
        ("read as one table", [part["name"] for part in dialect.get("members", [])]),
        ("not read", [*dialect.get("ignored_members", []), *dialect.get("ignored_sheets", [])]),
    ]
    return [f"{what}: {', '.join(names)}" for what, names in said if names]


def _rules_table(rows: Sequence[tuple[str, int, str]]) -> str:
    width = max(len("rule"), *(len(rule) for rule, _, _ in rows))
    lines = [f"{'rule'.ljust(width)}  {'rows':>9}  first lines"]
    lines += [f"{rule.ljust(width)}  {count:>9,}  {first}" for rule, count, first in rows]
    return "\n".join(lines)


def profile_table(profile: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        (
            name,
            column["nulls"],
            column["distinct"],
            column.get("min"),
            column.get("max"),
            ", ".join(f"{top['value']} ({top['rows']:,})" for top in column.get("top", [])[:3]),
        )
        for name, column in profile.items()
    ]
    return table(("column", "nulls", "distinct", "min", "max", "most frequent"), rows)
