"""How long a failed request waits before it is repeated."""

from email.utils import formatdate

import pytest

from etl_platform.rest_apis.retry_waits import wait_before_retry

NOW = 1_800_000_000.0


@pytest.mark.parametrize(("tries", "waited"), [(1, 1), (2, 2), (3, 4), (5, 16)])
def test_without_a_request_of_the_server_each_wait_is_twice_the_last(tries: int, waited: float) -> None:
    assert wait_before_retry(tries, None, now=NOW, max_wait_s=120) == waited


@pytest.mark.parametrize("retry_after", ["30", " 30 ", formatdate(NOW + 30, usegmt=True)])
def test_the_server_decides_the_wait_in_seconds_or_as_a_date(retry_after: str) -> None:
    assert wait_before_retry(3, retry_after, now=NOW, max_wait_s=120) == 30


@pytest.mark.parametrize("retry_after", ["86400", "9" * 5_000, formatdate(NOW + 86_400, usegmt=True)])
def test_no_wait_is_longer_than_the_limit(retry_after: str) -> None:
    assert wait_before_retry(1, retry_after, now=NOW, max_wait_s=120) == 120
    assert wait_before_retry(30, None, now=NOW, max_wait_s=120) == 120


@pytest.mark.parametrize("retry_after", ["", "0", "-5", "soon", "٣", formatdate(NOW - 60, usegmt=True)])
def test_a_wait_that_is_over_or_cannot_be_read_is_not_used(retry_after: str) -> None:
    assert wait_before_retry(2, retry_after, now=NOW, max_wait_s=120) == 2
