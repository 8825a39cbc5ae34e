"""The page as plain text for a terminal: the same facts in the same order. What it says is decided elsewhere."""

from collections.abc import Iterable, Iterator, Sequence

from etl_platform.engine.output.plain_text import escape_control_characters
from etl_platform.engine.output.terminal_table import table, wrapped_line
from etl_platform.engine.pages.page_facts import PageFacts
from etl_platform.engine.pages.page_rows import broken_rules, delivery_rows, empty_shares
from etl_platform.engine.pages.page_sentences import steps, verdict_sentence
from etl_platform.engine.pages.page_understanding import column_notes, reading_facts, remarks

_MAX_CELL = 200
_EMPTY_SHOWN = 10


def text_page(facts: PageFacts) -> str:
    """The page; its parts are separated by empty lines."""
    about = (facts.agency, facts.dataset, facts.delivered_at and f"{facts.delivered_at:%Y-%m-%d %H:%M} UTC")
    head = [f"{facts.outcome.upper()}  {facts.file}", verdict_sentence(facts)]
    head += [", ".join(map(str, filter(None, about)))]
    parts = [
        _printable(line for line in head if line),
        ["What to do:", *_printable(_steps(facts))],
        _rules(facts),
        _understanding(facts),
        _before(facts),
        _empty(facts),
    ]
    return "\n".join(line for part in parts if part for line in (*part, "")).rstrip()


def _steps(facts: PageFacts) -> Iterator[str]:
    for number, step in enumerate(steps(facts), 1):
        yield f"{number:>3}. {step.text}" + (f" ({step.gain or step.code})" if step.gain or step.code else "")


def _rules(facts: PageFacts) -> list[str]:
    rules, more = broken_rules(facts)
    lines = ["Rules that rows break:"] if rules else []
    for rule in rules:
        lines.append(f"{rule.rows:>9,}  {rule.sentence}")
        found = ", ".join(f"{line}: {value}" if value else line for line, value in rule.examples)
        lines.append(f"{'':>9}  {rule.reason}" + (f", line {found}" if found else ""))
    lines = _printable(lines)
    lines += [f"{more:,} more rules are broken, each by fewer rows"] if more else []
    if facts.result.dataset_rules:
        rows = [
            (one.rule, one.found, one.allowed, "passed" if one.passed else str(one.severity))
            for one in facts.result.dataset_rules
        ]
        lines += [*([""] if lines else []), *_table(("rule about the file", "found", "allowed", "verdict"), rows)]
    return lines


def _understanding(facts: PageFacts) -> list[str]:
    reading = [f"  {name}: {value}" for name, value in reading_facts(facts.result)]
    reading += [f"  {remark}" for remark in remarks(facts.result)]
    notes, more = column_notes(facts.result.columns, accepted=not facts.result.errors)
    lines = ["How the file was understood:", *_printable(reading)] if reading else []
    rows = [(note.header or "-", note.column or "-", note.note) for note in notes]
    lines += ["", *_table(("in the file", "in the contract", "what happened"), rows)] if rows else []
    return [*lines, *([f"and {more:,} more columns"] if more else [])]


def _before(facts: PageFacts) -> list[str]:
    findings = [f"  {finding.message}" for finding in facts.drift.findings] if facts.drift else []
    if facts.drift and not findings:
        files = facts.drift.files
        findings = [f"  nothing is unusual, of {files} earlier files" if files else "  the first file under its name"]
    series = [
        (f"{row.day}{' (this file)' if row.is_this else ''}", row.outcome, row.rows, row.refused)
        for row in delivery_rows(facts)
    ]
    lines = ["Compared with the files before:", *_printable(findings)] if findings or series else []
    return [*lines, *(["", *_table(("delivered", "outcome", "rows", "refused"), series)] if series else [])]


def _empty(facts: PageFacts) -> list[str]:
    shares = [one for one in empty_shares(facts)[0] if one.share]
    rows = [(one.column, one.words, one.before_words) for one in shares[:_EMPTY_SHOWN]]
    return _table(("emptiest columns", "empty", "last file"), rows) if rows else []


def _printable(lines: Iterable[str]) -> list[str]:
    """Lines that fit, and whose texts cannot move the cursor; a table sees to that itself, and may have colours."""
    return [wrapped_line(escape_control_characters(line)) for line in lines]


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    return table(header, rows, last=_MAX_CELL).splitlines()
