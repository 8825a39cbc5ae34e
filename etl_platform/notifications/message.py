"""Messages for people: a title and a text made of events by a template. No network, no language of its own.

A template has names in braces. A line whose names are all without a value is left out, so one text serves all events.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from etl_platform.engine.output.plain_text import escape_control_characters
from etl_platform.notifications.delivery_event import DeliveryEvent

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
OF_AN_EVENT = frozenset(
    {"id", "outcome", "agency", "dataset", "file", "key", "delivery_id", "time", "errors", "missing_columns", "rows"}
    | {"quarantined_rows", "reasons", "did_you_mean", "receives", "expected_by", "last_file", "after"}
)
OF_A_DIGEST = frozenset({"count", "outcomes"})


@dataclass(frozen=True)
class Template:
    """Texts with names in braces.

    Attributes:
        title: of a message about one event.
        body: about one event.
        digest_title: of a message about several events, whose bodies follow each other.
        outcomes: words for outcomes, such as ``rejected``; an outcome without a word is shown as it is.
    """

    title: str
    body: str
    digest_title: str
    outcomes: Mapping[str, str] = field(default_factory=dict)


DEFAULT = Template(
    title="{outcome}: {file} {dataset} {agency}",
    body="""\
{outcome} {file}
agency: {agency}
dataset: {dataset}
errors: {errors}
missing columns: {missing_columns}
rows: {rows}, refused: {quarantined_rows}
rules: {reasons}
did you mean: {did_you_mean}
failed: {receives} times
expected by: {expected_by} UTC
last file: {last_file}
after: {after}
time: {time} UTC
delivery: {delivery_id}
id: {id}""",
    digest_title="{count} events: {outcomes}",
)


@dataclass(frozen=True)
class Message:
    title: str
    body: str


def unknown_names(text: str, known: frozenset[str]) -> list[str]:
    """The names in braces that a text of a template may not have."""
    return [name for name in _PLACEHOLDER.findall(text) if name not in known]


def message_about(events: Sequence[DeliveryEvent], template: Template) -> Message:
    """One message about these events, of which there is at least one."""
    values = [_values(event, template) for event in events]
    body = "\n\n".join(_lines(template.body, one) for one in values)
    if len(events) == 1:
        return Message(_line(template.title, values[0]), body)
    outcomes = Counter(one["outcome"] for one in values)
    counted = ", ".join(f"{number:,} {outcome}" for outcome, number in sorted(outcomes.items()))
    return Message(_line(template.digest_title, {"count": f"{len(events):,}", "outcomes": counted}), body)


def _lines(text: str, values: Mapping[str, str]) -> str:
    kept = []
    for line in text.splitlines():
        names = _PLACEHOLDER.findall(line)
        if not names or any(values.get(name) for name in names):
            kept.append(_line(line, values))
    return "\n".join(kept)


def _line(text: str, values: Mapping[str, str]) -> str:
    return " ".join(_PLACEHOLDER.sub(lambda match: values.get(match[1], ""), text).split())


def _values(event: DeliveryEvent, template: Template) -> dict[str, str]:
    details = event.details
    found = {
        **{name: _text(value) for name, value in details.items()},
        "id": event.id,
        "outcome": template.outcomes.get(event.kind, str(event.kind)),
        "agency": event.agency,
        "dataset": event.dataset,
        "file": event.file,
        "key": event.key,
        "delivery_id": event.delivery_id,
        "time": f"{event.at:%Y-%m-%d %H:%M}",
        "expected_by": str(details.get("expected_by", ""))[:16].replace("T", " "),
        "reasons": ", ".join(f"{one['rule']} {one['rows']:,}" for one in details.get("reasons", ())),
    }
    # A name of a file must not add lines, nor words of a template.
    return {name: escape_control_characters(value) for name, value in found.items() if value}


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else "" if value is None else str(value)
