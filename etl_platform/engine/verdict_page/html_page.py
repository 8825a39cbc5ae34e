"""The page as one HTML document that loads nothing and runs no script. What it says is decided elsewhere.

Every text is escaped by Jinja, and control characters are made visible first. A content security policy forbids scripts
and all requests, so that even a text that broke out of its place could do nothing.
"""

from base64 import b64encode
from datetime import datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl_platform.engine.output.plain_text import printable
from etl_platform.engine.verdict_page.page_facts import PageFacts
from etl_platform.engine.verdict_page.page_rows import broken_rules, delivery_rows, empty_shares
from etl_platform.engine.verdict_page.page_sentences import steps, verdict_sentence
from etl_platform.engine.verdict_page.page_understanding import column_notes, reading_facts, remarks

if TYPE_CHECKING:
    from jinja2 import Template

_MAX_TEXT = 3_000
_BADGES = {"accepted": "good", "rejected": "bad"}


def html_page(facts: PageFacts) -> str:
    """The document."""
    style = Path(__file__).with_name("page.css").read_text("utf-8")
    rules, more_rules = broken_rules(facts)
    empty, more_empty = empty_shares(facts)
    columns, more_columns = column_notes(facts.result.columns, accepted=not facts.result.errors)
    return _template().render(
        style=style,
        style_hash=b64encode(sha256(style.encode()).digest()).decode(),
        facts=facts,
        verdict=verdict_sentence(facts),
        badge=_badge(facts),
        about=_about(facts),
        steps=steps(facts),
        rules=rules,
        more_rules=more_rules,
        file_rules=facts.result.dataset_rules,
        reading=reading_facts(facts.result),
        remarks=remarks(facts.result),
        columns=columns,
        more_columns=more_columns,
        empty=empty,
        more_empty=more_empty,
        series=delivery_rows(facts),
    )


def _badge(facts: PageFacts) -> str:
    if facts.outcome == "accepted" and (facts.result.quarantined_rows or 0):
        return "mixed"
    return _BADGES.get(facts.outcome, "other")


def _about(facts: PageFacts) -> list[tuple[str, str]]:
    found = [
        ("Agency", facts.agency),
        ("Dataset", facts.dataset),
        ("Contract", f"version {facts.contract_version}" if facts.contract_version else None),
        ("Delivered", _time(facts.delivered_at) if facts.delivered_at else None),
        ("Checked", _time(facts.checked_at)),
        ("Delivery", facts.delivery_id),
    ]
    return [(name, value) for name, value in found if value]


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


@cache
def _template() -> "Template":
    import jinja2

    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )
    return environment.from_string(Path(__file__).with_name("page.html.jinja").read_text("utf-8"))


def _visible(value: Any) -> Any:
    """Text without control characters, such as those that turn the direction of writing; markup as it is."""
    return printable(value, _MAX_TEXT) if type(value) is str else value
