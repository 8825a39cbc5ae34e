"""Python imports this as it starts the emulator: a standard queue then gives its messages in random order, as SQS does.

The emulator gives them in the order in which they were sent, and a retried one before all later ones.
"""

import random
from typing import Any

from ministack.services import sqs

_collect = sqs._collect_msgs


def _collect_shuffled(queue: dict[str, Any], most: int, timeout_s: int) -> list[Any]:
    random.shuffle(queue["messages"])
    found: list[Any] = _collect(queue, most, timeout_s)
    return found


sqs._collect_msgs = _collect_shuffled
