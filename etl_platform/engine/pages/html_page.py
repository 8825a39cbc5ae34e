"""The verdict on a file as an HTML document. What it says is decided elsewhere."""

from datetime import datetime

from etl_platform.engine.drift.words import percent
from etl_platform.engine.pages.distributions import FLOOR
from etl_platform.engine.pages.html_document import html_document
from etl_platform.engine.pages.page_facts import PageFacts
from etl_platform.engine.pages.page_rows import broken_rules, delivery_rows, distributions, empty_shares
from etl_platform.engine.pages.page_sentences import steps, verdict_sentence
from etl_platform.engine.pages.page_understanding import column_notes, reading_facts, remarks

_BADGES = {"accepted": "good", "rejected": "bad"}


def html_page(facts: PageFacts) -> str:
    """The document."""
    rules, more_rules = broken_rules(facts)
    empty, more_empty = empty_shares(facts)
    plots, more_plots = distributions(facts)
    columns, more_columns = column_notes(facts.result.columns, accepted=not facts.result.errors)
    return html_document(
        "verdict.html.jinja",
        facts=facts,
        verdict=verdict_sentence(facts),
        badge=_badge(facts),
        outcome=facts.outcome.replace("_", " "),
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
        distributions=plots,
        floor=FLOOR,
        percent=percent,
        more_distributions=more_plots,
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
        ("Receipt", facts.receipt),
    ]
    return [(name, value) for name, value in found if value]


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
