"""How long to wait before a request is repeated. No network, no clock."""

import re
from email.utils import parsedate_to_datetime

_FIRST_WAIT_S = 1.0


def wait_before_retry(tries: int, retry_after: str | None, *, now: float, max_wait_s: float) -> float:
    """Seconds to wait after so many failed attempts: what Retry-After says, else 1, 2, 4, 8 and so on.

    Args:
        retry_after: the response's header, in seconds or as a date (RFC 9110, 10.2.3).
        now: epoch seconds.
        max_wait_s: the longest wait.
    """
    requested_s = _seconds(retry_after.strip(), now) if retry_after else 0.0
    return min(requested_s if requested_s > 0 else _FIRST_WAIT_S * 2 ** (tries - 1), max_wait_s)


def _seconds(retry_after: str, now: float) -> float:
    """The requested seconds; 0 if the text is neither a number nor a date."""
    if re.fullmatch(r"[0-9]+", retry_after):
        # A longer number is a mistake, and beyond 4,300 digits int() raises ValueError.
        return float(retry_after[:10])
    try:
        return parsedate_to_datetime(retry_after).timestamp() - now
    except (ValueError, OverflowError):
        return 0.0
