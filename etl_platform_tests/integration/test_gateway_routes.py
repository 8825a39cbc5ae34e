"""The gateway's other routes: health, readiness, metrics and the breaker; and the command that starts it."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
import requests

from etl_platform.aws.queue import Queue
from etl_platform.cli.main import main
from etl_platform.gateway.checks.tokens import new_token
from etl_platform.gateway.systems import Part
from etl_platform.local.provision import Clients, Provisioned
from etl_platform.settings import Settings
from etl_platform_tests.dagster.run_history import History
from etl_platform_tests.integration.gateways import (
    TOKEN,
    Running,
    gateway,
    now,
    own,
    queue,
    running,
    signer,
    sns,
    start,
)
from etl_platform_tests.unit.engine.web_check.test_posted_file import GOOD, HEADER
from etl_platform_tests.unit.sns_posts import (
    TOPIC,
    Signer,
    notification,
)

__all__ = ["gateway", "own", "queue", "signer", "sns", "start"]


def test_head_and_health_answer_and_unknown_paths_are_404(gateway: Running) -> None:
    assert requests.head(gateway.url + "/", timeout=40).status_code == 200
    assert gateway.get("/healthz") == (200, {"status": "ok"})
    assert [requests.get(gateway.url + path, timeout=40).status_code for path in ("/", "/nothing")] == [405, 404]


def test_readiness_names_the_system_that_is_unreachable(own: Settings, start: Callable[[Settings], Running]) -> None:
    assert start(own).get("/readyz") == (200, {"status": "ready", "checks": {"queue": "ok", "bucket": "ok"}})

    broken = replace(
        own, data_bucket_name="no-such-bucket-here", database_url="postgresql://u:secret-word@127.0.0.1:1/d"
    )
    status, document = start(broken).get("/readyz")
    assert (status, document["status"]) == (503, "not_ready")
    assert document["checks"].pop("queue") == "ok"
    assert document["checks"] == {"bucket": "BucketMissingError", "database": "TransientError"}


def test_posts_are_queued_while_files_are_checked(own: Settings, signer: Signer, tmp_path: Path) -> None:
    made = [new_token(f"agency_{number}") for number in range(4)]
    (tmp_path / "tokens").write_text("\n".join(line for _, line in made), "utf-8")
    file = (HEADER + GOOD * 10_000).encode()
    with running(replace(own, gateway_check_tokens_file=tmp_path / "tokens")) as both, ThreadPoolExecutor(4) as pool:

        def check(token: str) -> int:
            headers = {"Authorization": f"Bearer {token}"}
            return requests.post(
                f"{both.url}/check/officer_detail", data=file, headers=headers, timeout=200
            ).status_code

        checks = [pool.submit(check, token) for token, _ in made]
        queued = 0
        while not all(one.done() for one in checks):
            began = time.monotonic()
            answer = both.post(signer.post(notification(now(), f"beside-{queued}")))
            # The emulator may be too busy to answer; the gateway itself must not be.
            assert answer in [(200, {"status": "queued"}), (503, {"status": "unavailable"})]
            assert time.monotonic() - began < 15, "SNS waits 15 s"
            queued += answer[0] == 200
        assert {one.result() for one in checks} == {200}
        assert queued > 5
        # Its rows are all alike.
        assert both.metrics()['etl_platform_gateway_checks_total{outcome="rejected",reason=""}'] == 4
    with running(own) as without:
        assert requests.get(f"{without.url}/check", timeout=40).status_code == 404
        assert requests.post(f"{without.url}/check/officer_detail", data=file, timeout=40).status_code == 404


def test_a_gateway_of_one_part_serves_that_part_and_asks_for_nothing_else(
    own: Settings, signer: Signer, open_breaker: Path
) -> None:
    # Neither bucket nor contracts exist: no part may need them.
    settings = replace(
        own, data_bucket_name="no-such-bucket-here", dagster_home=open_breaker, contracts_dir=Path("/nowhere")
    )
    ready = (200, {"status": "ready", "checks": {"queue": "ok"}})
    with running(settings, only=Part.WEBHOOK) as webhook:
        assert webhook.get("/readyz") == ready
        assert webhook.post(signer.post(notification(now()))) == (200, {"status": "queued"})
        assert {
            name for name in webhook.metrics() if "gateway_posts" not in name and "post_seconds" not in name
        } == set()
        assert requests.get(f"{webhook.url}/breaker", timeout=40).status_code == 404
    with running(settings, only=Part.METRICS) as metrics:
        assert metrics.get("/readyz") == ready
        assert metrics.get("/breaker")[1]["active"]
        assert metrics.metrics()['etl_platform_queue_messages{pipeline="file_processing",state="waiting"}'] == 1
        assert requests.post(metrics.url, data=b"{}", timeout=40).status_code == 404
        assert metrics.post(b"", "/breaker/reset", Authorization=f"Bearer {TOKEN}")[1]["active"] is False


def test_a_hanging_system_makes_it_unready_in_time_and_does_not_delay_posts(
    own: Settings, signer: Signer, start: Callable[[Settings], Running]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/d"
        hangs = start(replace(own, database_url=url))
        probes = [threading.Thread(target=hangs.get, args=["/readyz"]) for _ in range(4)]
        started = time.monotonic()
        for probe in probes:
            probe.start()
        assert hangs.post(signer.post(notification(now()))) == (200, {"status": "queued"})
        status, document = hangs.get("/readyz")
        assert time.monotonic() - started < 15
        for probe in probes:
            probe.join()
    assert status == 503
    assert document["checks"]["database"] == "no answer within 3 s"
    assert document["checks"]["queue"] == "ok"


def test_metrics_count_posts_and_show_the_queues(
    gateway: Running, queue: Queue, provisioned: Provisioned, aws: Clients, signer: Signer
) -> None:
    before = gateway.metrics()
    assert before['etl_platform_gateway_posts_total{outcome="queued",pipeline="file_processing",reason=""}'] == 0
    gateway.post(signer.post(notification(now(), "m1")))
    gateway.post(signer.post(notification(now(), "m2")))
    gateway.post(b"{}")
    queue.receive(1, 60)
    aws.sqs.send_message(QueueUrl=provisioned.dlq_url, MessageBody="x")

    found = gateway.metrics()

    expected = {
        'etl_platform_gateway_posts_total{outcome="queued",pipeline="file_processing",reason=""}': 2,
        'etl_platform_gateway_posts_total{outcome="refused",pipeline="file_processing",reason="malformed"}': 1,
        'etl_platform_gateway_post_seconds_count{pipeline="file_processing"}': 3,
        'etl_platform_queue_messages{pipeline="file_processing",state="waiting"}': 1,
        'etl_platform_queue_messages{pipeline="file_processing",state="held"}': 1,
        'etl_platform_queue_messages{pipeline="email_archive",state="waiting"}': 0,
        'etl_platform_dead_letters{pipeline="file_processing"}': 1,
        'etl_platform_source_up{pipeline="file_processing",source="queue"}': 1,
    }
    assert {name: found.get(name) for name in expected} == expected
    assert not [name for name in found if "breaker" in name], "no Dagster is known here"


def test_metrics_of_a_source_that_is_down_are_missing_and_source_up_is_0(
    own: Settings, start: Callable[[Settings], Running]
) -> None:
    found = start(replace(own, file_events_queue_url=f"{own.aws_endpoint_url}/000000000000/gone")).metrics()

    assert found['etl_platform_source_up{pipeline="file_processing",source="queue"}'] == 0
    assert found['etl_platform_source_up{pipeline="file_processing",source="dead_letters"}'] == 1
    assert 'etl_platform_queue_messages{pipeline="file_processing",state="waiting"}' not in found


@pytest.fixture
def open_breaker(dagster_home: Path) -> Iterator[Path]:
    """A DAGSTER_HOME in whose records the breaker is open."""
    with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
        for second in range(5):
            History(instance).run(time.time() - 10 + second)
        yield dagster_home


def test_the_breaker_route_equals_the_command_and_a_reset_needs_the_token(
    own: Settings,
    open_breaker: Path,
    start: Callable[[Settings], Running],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    gateway = start(replace(own, dagster_home=open_breaker))
    status, shown = gateway.get("/breaker")
    monkeypatch.setenv("DAGSTER_HOME", str(open_breaker))
    assert main(["breaker", "status", "--json"]) == 0
    command = json.loads(capsys.readouterr().out)
    assert (status, shown["active"], shown["consecutive_failures"]) == (200, True, 5)
    assert shown.keys() == command.keys()
    assert shown["last_failure_time"] == command["last_failure_time"]
    assert 0 < shown["cooldown_remaining"] <= 60
    assert gateway.metrics()['etl_platform_breaker_active{pipeline="file_processing"}'] == 1

    def reset(**headers: str) -> int:
        return gateway.post(b"", "/breaker/reset", **headers)[0]

    assert [reset(), reset(Authorization="Basic x"), reset(Authorization="Bearer ")] == [401] * 3
    assert [reset(Authorization=f"Bearer {wrong}") for wrong in ("x", TOKEN + "x", TOKEN[:-1], "é")] == [403] * 4
    assert requests.get(f"{gateway.url}/breaker/reset", timeout=40).status_code == 405
    assert gateway.get("/breaker")[1]["active"]

    status, after = gateway.post(b"", "/breaker/reset", Authorization=f"Bearer {TOKEN}")
    assert (status, after["active"], after["consecutive_failures"]) == (200, False, 0)
    assert gateway.metrics()['etl_platform_breaker_active{pipeline="file_processing"}'] == 0


def test_without_an_admin_token_every_reset_is_forbidden(
    own: Settings, start: Callable[[Settings], Running], open_breaker: Path
) -> None:
    gateway = start(replace(own, gateway_admin_token=None, dagster_home=open_breaker))
    for headers in ({}, {"Authorization": "Bearer None"}, {"Authorization": "Bearer "}):
        assert gateway.post(b"", "/breaker/reset", **headers)[0] == 403


def test_without_dagster_home_the_breaker_route_names_the_setting(gateway: Running) -> None:
    status, document = gateway.get("/breaker")
    assert status == 503
    assert "DAGSTER_HOME" in document["detail"]


def test_in_development_mode_a_get_resets_the_breaker(
    own: Settings, start: Callable[[Settings], Running], open_breaker: Path
) -> None:
    gateway = start(replace(own, gateway_dev_mode=True, dagster_home=open_breaker))
    assert gateway.get("/breaker/reset")[1]["active"] is False


def test_the_command_reports_a_port_in_use_and_missing_settings(
    own: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("DATA_BUCKET_NAME", "FILE_EVENTS_QUEUE_URL", "GATEWAY_ALLOWED_TOPIC_ARNS"):
        monkeypatch.delenv(name, raising=False)
    assert main(["gateway", "--port", "0"]) == 2
    assert "GATEWAY_ALLOWED_TOPIC_ARNS" in capsys.readouterr().err

    monkeypatch.setenv("DATA_BUCKET_NAME", str(own.data_bucket_name))
    monkeypatch.setenv("FILE_EVENTS_QUEUE_URL", str(own.file_events_queue_url))
    monkeypatch.setenv("GATEWAY_ALLOWED_TOPIC_ARNS", TOPIC)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("PORT", str(port))
        assert main(["gateway"]) == 2
        assert f"port {port} is in use on 127.0.0.1" in capsys.readouterr().err

        monkeypatch.setenv("GATEWAY_HOST", "nowhere.invalid")
        assert main(["gateway"]) == 2
        assert "nowhere.invalid" in capsys.readouterr().err
        assert main(["gateway", "--host", "127.0.0.1"]) == 2
        assert f"port {port} is in use on 127.0.0.1" in capsys.readouterr().err
