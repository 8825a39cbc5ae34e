"""What sends events somewhere: the protocol of channels, and the topic as one of them. No network here."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from etl_platform.aws.sns_topic import MAX_PER_CALL, Publication, SnsTopic
from etl_platform.engine.errors import EtlPlatformError
from etl_platform.notifications.delivery_event import DeliveryEvent

TOPIC, CONTACTS_IN_ERROR = "topic", "contacts"
RESERVED = frozenset({TOPIC, CONTACTS_IN_ERROR})
"""Names that no contact can have."""


class Channel(Protocol):
    """A topic, or a person.

    Attributes:
        name: as notices and the outbox have it.
        batch_size: how many events one call of ``send`` takes.
    """

    @property
    def name(self) -> str: ...

    @property
    def batch_size(self) -> int: ...

    def wants(self, event: DeliveryEvent) -> bool: ...

    def due_before(self, now: datetime) -> datetime:
        """Events that were found before are sent now (UTC); later ones wait for a digest."""
        ...

    def send(self, events: Sequence[DeliveryEvent]) -> Collection[str]:
        """Send events; returns the ids of those that were refused.

        Raises:
            EtlPlatformError: nothing was sent, as far as is known. The text has no secret and no address.
        """
        ...


class TopicChannel:
    """Publishes every event as a CloudEvent; subscribers filter by attributes."""

    name, batch_size = TOPIC, MAX_PER_CALL

    def __init__(self, topic: SnsTopic, bucket: str) -> None:
        self._topic, self._bucket = topic, bucket

    def wants(self, event: DeliveryEvent) -> bool:
        return True

    def due_before(self, now: datetime) -> datetime:
        return now

    def send(self, events: Sequence[DeliveryEvent]) -> Collection[str]:
        return self._topic.publish(
            [Publication(event.id, event.to_json(self._bucket), event.attributes()) for event in events]
        )


class ContactsInError:
    """Keeps what contacts may want while contacts.yaml is in error; a later round gives it to them."""

    name, batch_size = CONTACTS_IN_ERROR, 1

    def __init__(self, error: EtlPlatformError) -> None:
        self._error = error

    def wants(self, event: DeliveryEvent) -> bool:
        return True

    def due_before(self, now: datetime) -> datetime:
        return now

    def send(self, events: Sequence[DeliveryEvent]) -> Collection[str]:
        raise self._error
