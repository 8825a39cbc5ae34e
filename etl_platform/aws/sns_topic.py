"""One SNS topic: publishes JSON documents with attributes, and asks whether the topic is there.

https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from etl_platform.aws.clients import make_client, transient_error
from etl_platform.settings import Settings

MAX_PER_CALL = 10
"""Entries of a batch call: SNS's limit."""
_READ_S, _ATTEMPTS = 10, 2
"""A round of notifications has some seconds, and comes again."""


@dataclass(frozen=True)
class Publication:
    """A document to publish. ``attributes`` are not empty texts; their names are letters, digits and ``_``."""

    id: str
    document: Mapping[str, Any]
    attributes: Mapping[str, str]


class SnsTopic:
    """Raises TransientError if SNS refuses a call or does not answer."""

    def __init__(self, settings: Settings, arn: str) -> None:
        self._arn = arn
        self._settings = replace(
            settings,
            aws_read_timeout_seconds=min(_READ_S, settings.aws_read_timeout_seconds),
            aws_max_attempts=min(_ATTEMPTS, settings.aws_max_attempts),
            # The topic may be in another region than the bucket.
            aws_region=arn.split(":")[3],
        )

    @cached_property
    def _sns(self) -> Any:
        # Creating a client costs a third of a second of CPU, and most rounds have nothing to send.
        return make_client(self._settings, "sns", connections=1)

    def publish(self, publications: Sequence[Publication]) -> Collection[str]:
        """Publish at most MAX_PER_CALL documents; returns the ids of those that SNS did not take."""
        from botocore.exceptions import BotoCoreError, ClientError

        entries = [_entry(number, one) for number, one in enumerate(publications)]
        try:
            answer = self._sns.publish_batch(TopicArn=self._arn, PublishBatchRequestEntries=entries)
        except (BotoCoreError, ClientError) as error:
            raise transient_error("Publish", error) from error
        return {publications[int(entry["Id"])].id for entry in answer.get("Failed", [])}

    def check(self) -> None:
        """Return if the topic exists."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._sns.get_topic_attributes(TopicArn=self._arn)
        except (BotoCoreError, ClientError) as error:
            raise transient_error("GetTopicAttributes", error) from error


def _entry(number: int, publication: Publication) -> dict[str, Any]:
    return {
        "Id": str(number),
        # ASCII: SNS takes only characters that XML allows, and keys may have others.
        "Message": json.dumps(publication.document),
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": value} for name, value in publication.attributes.items()
        },
    }
