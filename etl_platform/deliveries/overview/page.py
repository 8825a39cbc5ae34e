"""The overview of all agencies as an HTML document. What it shows is read and decided elsewhere."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from etl_platform.deliveries.ignored_files import IgnoredFile
from etl_platform.deliveries.overview.calendar import TROUBLE, AgencyRow, Arrived, Cell, DatasetCalendar
from etl_platform.deliveries.overview.facts import OverviewFacts
from etl_platform.deliveries.overview.summaries import DeliverySummary
from etl_platform.deliveries.overview.trends import trend
from etl_platform.deliveries.routing import NO_CONTRACT
from etl_platform.engine.near_names import nearest
from etl_platform.engine.output.plain_text import counted
from etl_platform.engine.pages.html_document import html_document
from etl_platform.object_keys import base_name

_FILES_SHOWN = 3
"""Files of a cell; a year of an agency that sends every hour must fit into a page."""
_SHOWN = 25
"""Rows of a table, and agencies of a dataset, that are shown before the others are folded."""


@dataclass(frozen=True)
class Section:
    """A table of what is now; ``hidden`` rows are folded.

    Attributes:
        shown, hidden: a value for each name of the header, and perhaps a command that shows more.
        empty: the sentence if there is no row.
    """

    anchor: str
    title: str
    header: Sequence[str]
    shown: Sequence[Sequence[str]]
    hidden: Sequence[Sequence[str]]
    empty: str

    @property
    def number(self) -> int:
        return len(self.shown) + len(self.hidden)


def overview_page(facts: OverviewFacts) -> str:
    """The document."""
    sections = _sections(facts)
    return html_document(
        "overview.html.jinja",
        folder=Path(__file__).parent,
        facts=facts,
        is_bad=any(one.number for one in sections if one.anchor != "retried"),
        about=_about(facts),
        sections=sections,
        calendars=[(one, *_folded(one)) for one in facts.calendars],
        trends=[trend(one) for one in facts.calendars],
        cell_files=_cell_files,
        troubles=frozenset(TROUBLE),
        legend=_legend(),
    )


def _about(facts: OverviewFacts) -> list[tuple[str, str]]:
    arrived = ", ".join(f"{number:,} {outcome}" for outcome, number in sorted(facts.arrived.items()))
    return [
        ("Made", f"{facts.made_at:%Y-%m-%d %H:%M} UTC"),
        ("Agencies", facts.agency or "all that are active"),
        ("Calendar since", f"{facts.since:%Y-%m-%d}"),
        ("Arrived in 24 hours", arrived or "nothing"),
        *([("File queue", facts.state.queue)] if facts.state.queue else []),
    ]


def _sections(facts: OverviewFacts) -> list[Section]:
    stuck = [(one.text, one.remedy) for one in facts.state.obstacles]
    return [
        _section("stuck", "Stuck", ("What", "To do"), stuck, "Nothing is stuck."),
        _refused(facts),
        _overdue(facts),
        _retried(facts),
        _not_recognised(facts),
    ]


def _refused(facts: OverviewFacts) -> Section:
    rows = [
        (
            one.summary.agency,
            one.summary.dataset,
            ", ".join(filter(None, (one.file, f"{one.summary.arrived_at:%Y-%m-%d %H:%M}"))),
            one.why,
            f"etl-platform show {one.summary.delivery_id}",
        )
        for one in facts.refused
    ]
    return _section("refused", "Refused now", ("Agency", "Dataset", "File", "Why"), rows, "No file is refused.")


def _overdue(facts: OverviewFacts) -> Section:
    overdue = facts.state.overdue
    rows = [(one.agency, one.dataset, one.why) for one in (overdue.files if overdue else ())]
    empty = "No file is overdue." if overdue else "Overdue files were not looked for."
    return _section("overdue", "Overdue", ("Agency", "Dataset", "Why"), rows, empty)


def _retried(facts: OverviewFacts) -> Section:
    header = "Agency", "Dataset", "File", "Since", "Next", "Why"
    rows = [
        (
            one.agency,
            one.dataset,
            base_name(one.source.key),
            f"{one.since:%Y-%m-%d %H:%M}",
            one.next_try(facts.made_at),
            one.history,
        )
        for one in facts.state.failed
    ]
    return _section("retried", "Failed, and tried again", header, rows, "No delivery waits for another try.")


def _not_recognised(facts: OverviewFacts) -> Section:
    rows = [
        (
            one.agency or "",
            base_name(one.version.key) or one.version.key,
            f"{one.ignored_at:%Y-%m-%d %H:%M}",
            _why_ignored(one, facts.file_names),
        )
        for one in facts.state.ignored
    ]
    empty = "No file of the last seven days waits for a contract or another name."
    return _section("ignored", "Not recognised", ("Agency", "File", "Ignored", "Why"), rows, empty)


def _why_ignored(file: IgnoredFile, file_names: Sequence[str]) -> str:
    """The reason, and the contract whose files have a similar name."""
    similar = nearest(base_name(file.version.key), file_names) if file.why.startswith(NO_CONTRACT) else None
    return f"{file.why}. Did you mean {similar}?" if similar else file.why


def _section(anchor: str, title: str, header: Sequence[str], rows: Sequence[Sequence[str]], empty: str) -> Section:
    return Section(anchor, title, header, rows[:_SHOWN], rows[_SHOWN:], empty)


def _folded(calendar: DatasetCalendar) -> tuple[Sequence[AgencyRow], Sequence[AgencyRow], str]:
    """The agencies that are shown, those that are folded, and the words for these."""
    troubled = sum(row.troubles > 0 for row in calendar.rows)
    shown = calendar.rows if len(calendar.rows) <= _SHOWN else calendar.rows[: min(max(troubled, 1), _SHOWN)]
    hidden = calendar.rows[len(shown) :]
    with_trouble = sum(row.troubles > 0 for row in hidden)
    words = f"{counted(len(hidden), 'more agency', 'more agencies')}, {with_trouble:,} of them with trouble"
    return shown, hidden, words


def _cell_files(cell: Cell) -> list[tuple[str, str]]:
    """The newest files of a cell, those that are refused first: what became of each, and the command that shows why."""
    ordered = sorted(cell.files, key=lambda one: one.outcome != "rejected")
    found = [(_file_words(one), f"etl-platform show {one.delivery_id}") for one in ordered[:_FILES_SHOWN]]
    more = len(ordered) - _FILES_SHOWN
    return [*found, *([(f"{counted(more, 'more file')}", "")] if more > 0 else [])]


def _file_words(one: DeliverySummary) -> str:
    words = f"{one.arrived_at:%Y-%m-%d} {one.outcome}"
    words += f": {one.code}" if one.code else ""
    words += f", {counted(one.rows, 'row')}" if one.rows else ""
    return words + (f", {one.quarantined:,} in quarantine" if one.quarantined else "")


def _legend() -> Mapping[str, str]:
    words: Iterable[tuple[Arrived, str]] = (
        (Arrived.CAME, "accepted, every row is good"),
        (Arrived.LATE, "accepted, but after the time that its contract allows"),
        (Arrived.PARTLY, "some rows are in quarantine, or one of several files is refused"),
        (Arrived.REFUSED, "no file of the period was accepted"),
        (Arrived.MISSING, "a file was expected and none came"),
        (Arrived.OVERDUE, "it should have come by now"),
        (Arrived.ERASED, "its files were erased"),
    )
    return {str(state): about for state, about in words}
