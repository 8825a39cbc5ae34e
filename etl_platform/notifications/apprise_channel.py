"""Sends events to one contact through Apprise: e-mail, Slack, Teams and 130 more.

https://appriseit.com/
"""

import logging
import re
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from etl_platform.engine.errors import PermanentError
from etl_platform.errors import TransientError
from etl_platform.notifications.contacts import Contact
from etl_platform.notifications.delivery_event import DeliveryEvent
from etl_platform.notifications.message import message_about

_EVENTS_IN_A_MESSAGE = 50
_SECRET = re.compile(r"\$\{(\w+)\}")


class AppriseChannel:
    """A contact. Events that are due at the same time are one message, so a burst is not a flood of messages.

    Args:
        read_secret: returns the value of an environment variable; raises SettingsError.
    """

    batch_size = _EVENTS_IN_A_MESSAGE

    def __init__(self, contact: Contact, read_secret: Callable[[str], str]) -> None:
        self._contact, self._read_secret = contact, read_secret

    @property
    def name(self) -> str:
        return self._contact.name

    def wants(self, event: DeliveryEvent) -> bool:
        return self._contact.wants(event)

    def due_before(self, now: datetime) -> datetime:
        return self._contact.due_before(now)

    def check(self) -> None:
        """Raise PermanentError if Apprise does not know the url, SettingsError if a secret is missing."""
        self._service()

    def send(self, events: Sequence[DeliveryEvent]) -> Collection[str]:
        service, made = self._service(), message_about(events, self._contact.template)
        try:
            is_sent = service.notify(body=made.body, title=made.title, body_format="text")
        except Exception as error:
            # Of a plugin; its text can have an address.
            raise TransientError(f"{self.name}: {type(error).__name__} in Apprise") from error
        if not is_sent:
            raise TransientError(f"{self.name}: the service did not take the message")
        return ()

    def _url(self) -> str:
        """The url with its secrets. One that is a part of it is encoded, so a password can have any character."""
        given = self._contact.url
        if whole := _SECRET.fullmatch(given):
            return self._read_secret(whole[1])
        return _SECRET.sub(lambda match: quote(self._read_secret(match[1]), safe=""), given)

    def _service(self) -> Any:
        url = self._url()
        # It costs 0.9 s of CPU and 23 MiB, and most rounds have nothing to send.
        import apprise

        log = logging.getLogger("apprise")
        if log.level == logging.NOTSET:
            # Its messages name servers and addresses.
            log.setLevel(logging.CRITICAL)
        asset = apprise.AppriseAsset(app_id="etl_platform", app_desc="etl_platform", app_url="", image_url_mask="")
        service = apprise.Apprise.instantiate(url, asset=asset)
        if service is None:
            message = "Apprise does not know this url, or a part is missing; see https://appriseit.com/services/"
            raise PermanentError(f"{self.name}: {message}")
        return service
