"""Contacts: who is notified of which events, and when. Values only; contacts_reader.py makes them."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum

from etl_platform.notifications.delivery_event import DeliveryEvent, EventKind
from etl_platform.notifications.message import DEFAULT, Template

FILE = "contacts.yaml"
"""In the folder of contracts."""
DIGEST_AT = time(7)
"""UTC; an hour after expected_files_job."""


class When(StrEnum):
    AT_ONCE = "at_once"
    DAILY = "daily"


@dataclass(frozen=True)
class Contact:
    """One entry of the contacts file.

    Attributes:
        url: for Apprise, with secrets as ``${NAME}``.
        events, agencies, datasets: those of which the contact is notified; an empty set means all.
    """

    name: str
    url: str
    events: frozenset[EventKind] = frozenset()
    agencies: frozenset[str] = frozenset()
    datasets: frozenset[str] = frozenset()
    when: When = When.AT_ONCE
    template: Template = DEFAULT

    def wants(self, event: DeliveryEvent) -> bool:
        return (
            (not self.events or event.kind in self.events)
            and (not self.agencies or event.agency in self.agencies)
            and (not self.datasets or event.dataset in self.datasets)
        )

    def due_before(self, now: datetime) -> datetime:
        """Events that were found before are due: now, or at the time of the last digest (UTC)."""
        if self.when is When.AT_ONCE:
            return now
        today = datetime.combine(now.date(), DIGEST_AT, now.tzinfo)
        return today if now >= today else today - timedelta(days=1)
