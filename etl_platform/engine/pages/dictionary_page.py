"""The data dictionary of contracts as an HTML document for senders. What it says is what the contracts say."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from etl_platform.engine.contract.model import Contract, usual_file_name
from etl_platform.engine.pages.html_document import html_document
from etl_platform.engine.rules.contract_rules import contract_rules


@dataclass(frozen=True)
class ColumnEntry:
    """One column of a file; ``sentences`` are its rules."""

    name: str
    required: bool
    meaning: str
    sentences: Sequence[str]
    other_names: Sequence[str]


@dataclass(frozen=True)
class DatasetEntry:
    """One kind of file."""

    name: str
    anchor: str
    description: str
    facts: Sequence[tuple[str, str]]
    columns: Sequence[ColumnEntry]
    row_rules: Sequence[str]
    file_rules: Sequence[str]


def dictionary_page(contracts: Iterable[Contract]) -> str:
    """The document."""
    return html_document("dictionary.html.jinja", datasets=[_entry(contract) for contract in contracts])


def _entry(contract: Contract) -> DatasetEntry:
    sentences: dict[str | None, list[str]] = defaultdict(list)
    for rule in contract_rules(contract):
        sentences[rule.column].append(rule.description)
    return DatasetEntry(
        contract.dataset,
        f"dataset-{contract.dataset}",
        " ".join(contract.description.split()),
        [(name, value) for name, value in _facts(contract) if value],
        [
            ColumnEntry(
                column.name,
                column.required,
                " ".join(column.description.split()),
                sentences[column.name],
                column.synonyms,
            )
            for column in contract.file_columns
        ],
        # A rule about a derived column is one about the row, for who sends it.
        [
            *(one for column in contract.columns if not column.in_file for one in sentences[column.name]),
            *sentences[None],
        ],
        [rule.description or rule.text for rule in contract.dataset_rules],
    )


def _facts(contract: Contract) -> list[tuple[str, str]]:
    limit, overlay = contract.max_rejected_percent, contract.overlay
    return [
        ("File", usual_file_name(contract.physical_name)),
        ("Also named", ", ".join(contract.file_patterns)),
        ("One row is", contract.grain),
        ("Version", contract.version),
        ("Refused as a whole above", f"{limit:g} % of wrong rows" if limit is not None else ""),
        ("Read as you write it", "; ".join((*overlay.settings, *overlay.meaning_texts)) if overlay else ""),
    ]
