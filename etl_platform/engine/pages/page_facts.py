"""What a page about a file is made from: the result, the files before it, and words of the contract. No text."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from etl_platform.engine.contract.model import Contract
from etl_platform.engine.drift.comparison import DriftComparison
from etl_platform.engine.result import CheckResult, ColumnProfile


def column_descriptions(contract: Contract | None) -> dict[str, str]:
    """What a contract says about its columns, each on one line."""
    columns = contract.columns if contract else ()
    return {column.name: " ".join(column.description.split()) for column in columns if column.description}


@dataclass(frozen=True)
class EarlierFile:
    """One delivery of the same series; rows are None where the file was refused unread."""

    at: datetime
    outcome: str
    rows: int | None
    quarantined: int | None
    is_this: bool = False


@dataclass(frozen=True)
class LastFile:
    """The values of the last file of a series; it has at least one row."""

    rows: int
    profile: Mapping[str, ColumnProfile]


@dataclass(frozen=True)
class PageLink:
    """A link of a page.

    Attributes:
        href: made by this program; no text of a file or contract, because it is not escaped.
        download: the name of the file that it saves; None where it leads to a page.
    """

    text: str
    href: str
    download: str | None = None


@dataclass(frozen=True)
class PageFacts:
    """One file and what was found.

    Attributes:
        file: its name.
        checked_at: UTC.
        outcome: of the delivery, or of the check; ``not_checked`` if there is no verdict.
        reason: words to add to the verdict, such as the newer delivery.
        our_fault: whether the data team, not the sender, has to act on a refusal.
        delivery_id, delivered_at: None where the file was checked before it was sent.
        descriptions: what the contract says about its columns.
        shows_values: whether the examples may have values of personal columns.
        drift: how the file differs from the previous files of its series.
        series: the last deliveries of the series, the oldest first.
        last: the last file of the series; None where that is not known.
        personal: columns that the contract classifies by now.
        receipt: the code of a check over the web, for questions about it.
        links: what to do with the page, such as a file to save.
        notes: sentences beside them.
    """

    file: str
    result: CheckResult
    checked_at: datetime
    outcome: str
    reason: str = ""
    our_fault: bool = False
    dataset: str | None = None
    agency: str | None = None
    contract_version: str | None = None
    delivery_id: str | None = None
    delivered_at: datetime | None = None
    descriptions: Mapping[str, str] = field(default_factory=dict)
    shows_values: bool = False
    drift: DriftComparison | None = None
    series: tuple[EarlierFile, ...] = ()
    last: LastFile | None = None
    personal: frozenset[str] = frozenset()
    receipt: str | None = None
    links: tuple[PageLink, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def holds_rows(self) -> bool:
        """Whether a link of the page is a file with rows as they were sent."""
        return any(link.download for link in self.links)

    @property
    def is_sent(self) -> bool:
        return self.delivery_id is not None
