"""A drafted contract and its text: YAML for people to edit, with the evidence as comments. No files."""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from etl_platform.engine.contract.model import Column, ColumnType
from etl_platform.engine.contract.two_digit_years import PIVOT
from etl_platform.engine.output.plain_text import counted

_WIDTH = 110


@dataclass(frozen=True)
class DraftColumn:
    """A column with its rules, sentences with their evidence, and the rows of each allowed value."""

    column: Column
    evidence: tuple[str, ...] = ()
    rows: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class DraftContract:
    """A contract in the making. ``remarks`` are about the files as a whole."""

    dataset: str
    physical_name: str
    file_patterns: tuple[str, ...]
    columns: tuple[DraftColumn, ...]
    primary_key: tuple[str, ...] = ()
    pads_short_rows: bool = False
    remarks: tuple[str, ...] = ()


def contract_yaml(draft: DraftContract) -> str:
    """The text of a contract; the columns keep their order."""
    title = draft.dataset.replace("_", " ").capitalize()
    lines = [line for remark in draft.remarks for line in _comment(remark, "")]
    lines += [
        "apiVersion: v3.2.0",
        "kind: DataContract",
        f"id: {quoted(draft.dataset.replace('_', '-'))}",
        f"name: {quoted(title)}",
        "version: 0.1.0",
        "status: draft",
        "schema:",
        f"  - name: {_name(draft.dataset)}",
        f"    physicalName: {quoted(draft.physical_name)}",
    ]
    if draft.primary_key:
        lines.append(f"    dataGranularityDescription: One row per {' and '.join(draft.primary_key)}.")
    lines += ["    customProperties:", f"      - {{property: filePatterns, value: {_list(draft.file_patterns)}}}"]
    lines.append("      - {property: trim, value: true}")
    if draft.pads_short_rows:
        lines.append("      - {property: shortRows, value: pad}")
    lines.append("    properties:")
    for column in draft.columns:
        lines += _column(column, draft.primary_key)
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """A text as YAML in single quotes, which no reader takes for another value."""
    return "'" + text.replace("'", "''") + "'"


def _name(name: str) -> str:
    """A name as YAML, in quotes only if YAML would read it as another value."""
    return quoted(name) if name.lower() in _YAML_WORDS else name


def _column(draft: DraftColumn, primary_key: Sequence[str]) -> Iterator[str]:
    column = draft.column
    yield from _comment("; ".join(draft.evidence), "      ")
    yield f"      - name: {_name(column.name)}"
    yield f"        logicalType: {column.type}"
    if column.required and column.name not in primary_key:
        yield "        required: true"
    if column.name in primary_key:
        yield "        primaryKey: true"
        yield f"        primaryKeyPosition: {primary_key.index(column.name) + 1}"
    elif column.unique:
        yield "        unique: true"
    if column.classification:
        yield f"        classification: {column.classification}"
    if column.synonyms:
        entries = ", ".join(f"{{synonym: {quoted(synonym)}}}" for synonym in column.synonyms)
        yield f"        synonyms: [{entries}]"
    if options := list(_options(column)):
        yield f"        logicalTypeOptions: {{{', '.join(options)}}}"
    if column.allowed:
        yield "        enum:"
        for value in column.allowed:
            rows = draft.rows.get(value, 0)
            yield f"          - {{value: {quoted(value)}}} # {counted(rows, 'row') if rows else 'not seen'}"
    if customs := list(_customs(column)):
        yield "        customProperties:"
        yield from (f"          - {{property: {name}, value: {value}}}" for name, value in customs)


_YAML_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
"""Names that YAML reads as other values."""


def _options(column: Column) -> Iterator[str]:
    if column.pattern is not None:
        yield f"pattern: {quoted(column.pattern)}"
    if written := column.named_format or next(iter(column.formats), None):
        yield f"format: {quoted(written)}"
    for name, bound in (("minimum", column.minimum), ("maximum", column.maximum)):
        if bound is not None:
            yield f"{name}: {quoted(bound) if isinstance(bound, str) else bound}"


def _customs(column: Column) -> Iterator[tuple[str, str]]:
    formats = [*column.formats[1:], *(["money"] if column.money else [])]
    lists = {
        "formats": formats,
        "nullTokens": column.null_tokens,
        "trueValues": column.true_values,
        "falseValues": column.false_values,
    }
    yield from ((name, _list(values)) for name, values in lists.items() if values)
    if column.two_digit_years_from is not None:
        yield PIVOT, str(column.two_digit_years_from)
    if column.not_future and column.type in {ColumnType.DATE, ColumnType.TIMESTAMP}:
        yield "notFuture", "true"


def _list(values: Sequence[str]) -> str:
    return f"[{', '.join(map(quoted, values))}]"


def _comment(text: str, indent: str) -> Iterator[str]:
    if text:
        sentence = text[0].upper() + text[1:] + "."
        width = _WIDTH - len(indent)
        for line in textwrap.wrap(sentence, width, break_long_words=False, break_on_hyphens=False):
            yield f"{indent}# {line}"
