"""The gateway's ``/overview``: off by default, for who has the token or came through the proxy, over the emulator."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import requests

from etl_platform import object_keys
from etl_platform.gateway.overview_page import StoredPage, _with_age
from etl_platform.gateway.systems import Part
from etl_platform.local.provision import Clients
from etl_platform.settings import Settings
from etl_platform_tests.integration.gateways import TOKEN, Running, own, queue, running, start

__all__ = ["own", "queue", "start"]
PAGE = b"<!DOCTYPE html><html><body><main>all agencies</main></body></html>"


@pytest.fixture
def with_page(own: Settings, aws: Clients) -> Settings:
    aws.s3.put_object(Bucket=str(own.data_bucket_name), Key=object_keys.OVERVIEW_PAGE, Body=PAGE)
    return replace(own, gateway_overview_access="token")


def get(gateway: Running, **headers: str) -> requests.Response:
    return requests.get(f"{gateway.url}/overview", headers=headers, timeout=40)


def test_without_the_setting_there_is_no_such_route(own: Settings, start: Callable[[Settings], Running]) -> None:
    assert get(start(own), Authorization=f"Bearer {TOKEN}").status_code == 404


def test_a_program_and_a_browser_read_the_page_with_the_token(
    with_page: Settings, start: Callable[[Settings], Running]
) -> None:
    gateway = start(with_page)
    by_program = get(gateway, Authorization=f"Bearer {TOKEN}")
    by_browser = requests.get(f"{gateway.url}/overview", auth=("anyone", TOKEN), timeout=40)
    for answer in (by_program, by_browser):
        assert (answer.status_code, answer.content) == (200, PAGE)
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-security-policy"] == "frame-ancestors 'none'"


@pytest.mark.parametrize(
    "given", ["", "Bearer ", "Bearer x", f"Bearer {TOKEN}x", "Basic !!!", "Basic eDp5", f"Digest {TOKEN}", "Bearer é"]
)
def test_without_the_token_the_browser_is_asked_for_it(
    with_page: Settings, start: Callable[[Settings], Running], given: str
) -> None:
    answer = get(start(with_page), Authorization=given)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic ")
    assert b"agencies" not in answer.content


def test_a_gateway_without_an_admin_token_lets_nobody_in(
    with_page: Settings, start: Callable[[Settings], Running]
) -> None:
    gateway = start(replace(with_page, gateway_admin_token=None))
    assert [get(gateway, Authorization=given).status_code for given in ("", "Bearer None", "Bearer ")] == [403] * 3


def test_behind_a_proxy_its_header_is_enough_and_the_token_is_not(
    with_page: Settings, start: Callable[[Settings], Running]
) -> None:
    gateway = start(replace(with_page, gateway_overview_access="X-Auth-Request-Email"))
    named = {"X-Auth-Request-Email": "someone@example.org"}
    assert requests.get(f"{gateway.url}/overview", headers=named, timeout=40).content == PAGE
    assert get(gateway, Authorization=f"Bearer {TOKEN}").status_code == 403
    assert requests.get(f"{gateway.url}/overview", headers={"X-Auth-Request-Email": ""}, timeout=40).status_code == 403


def test_before_the_first_page_the_answer_names_the_job(own: Settings, start: Callable[[Settings], Running]) -> None:
    answer = get(start(replace(own, gateway_overview_access="token")), Authorization=f"Bearer {TOKEN}")
    assert answer.status_code == 404
    assert "overview_page_job" in answer.text


def test_the_part_that_the_internet_reaches_has_no_such_route(with_page: Settings) -> None:
    with running(with_page, only=Part.WEBHOOK) as webhook:
        assert get(webhook, Authorization=f"Bearer {TOKEN}").status_code == 404
    with running(with_page, only=Part.METRICS) as metrics:
        assert get(metrics, Authorization=f"Bearer {TOKEN}").content == PAGE


def test_the_page_cannot_be_changed_over_http(with_page: Settings, start: Callable[[Settings], Running]) -> None:
    gateway = start(with_page)
    answers = [
        requests.request(method, f"{gateway.url}/overview", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=40)
        for method in ("POST", "PUT", "DELETE")
    ]
    assert [answer.status_code for answer in answers] == [405] * 3


def test_an_old_page_says_so_on_top() -> None:
    now = datetime(2026, 11, 30, 12, tzinfo=UTC)
    assert _with_age(StoredPage(PAGE, now - timedelta(hours=2)), now) == PAGE
    old = _with_age(StoredPage(PAGE, now - timedelta(hours=30)), now)
    assert b'<main><p class="warning"><strong>This page is 30 hours old' in old
