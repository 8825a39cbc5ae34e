"""Pages of made files, and their HTML taken apart. No tests."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

from etl_platform.engine.check import check_file
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.pages.html_page import html_page
from etl_platform.engine.pages.page_facts import PageFacts, column_descriptions

AT = datetime(2026, 11, 30, 8, tzinfo=UTC)
ATTACKS = (
    "<script>document.documentElement.dataset.broken=1</script>",
    '"><img src=x onerror="document.documentElement.dataset.broken=1">',
    "' onmouseover='document.documentElement.dataset.broken=1' x='",
    "</style></title></textarea></svg><svg onload=document.documentElement.dataset.broken=1>",
    "{{ 7 * 7 }}{% raw %}",
    "--><b>bold</b><!--",
    "&lt;script&gt;&#60;i&#62;",
    "a\x1b[2Jb\u202ec\u2066d\x00",
    "javascript:document.documentElement.dataset.broken=1",
)


@dataclass
class Parts(HTMLParser):
    """The elements of a page with the names of their attributes, its texts, and the ids that it refers to."""

    page: str
    elements: list[tuple[str, frozenset[str]]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    references: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.feed(self.page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, frozenset(name for name, _ in attrs)))
        for name, value in attrs:
            if name == "id":
                self.ids.append(str(value))
            if name in {"aria-labelledby", "href"}:
                self.references.append(str(value).lstrip("#"))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def csv_bytes(*rows: Sequence[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("utf-8", "replace")


def facts_of(folder: Path, contract: Contract, content: bytes, name: str = "things.csv", **more: object) -> PageFacts:
    """What a page says of a file with this content, checked before it is sent."""
    path = folder / "checked.csv"
    path.write_bytes(content)
    result = check_file(path, contract, folder, as_of=AT.date())
    known = {
        "file": name,
        "result": result,
        "checked_at": AT,
        "outcome": str(result.outcome),
        "dataset": contract.dataset,
        "contract_version": contract.version,
        "descriptions": column_descriptions(contract),
    }
    return PageFacts(**known | more)  # type: ignore[arg-type]


def page_of(folder: Path, contract: Contract, content: bytes, name: str = "things.csv", **more: object) -> str:
    return html_page(facts_of(folder, contract, content, name, **more))
