"""The sensor against a real queue: what becomes of each kind of message before any run starts."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import dagster as dg
import pytest

from etl_platform.definitions import build_defs
from etl_platform.defs.intake.file_arrivals_sensor import run_requests
from etl_platform.local.provision import Clients, Provisioned
from etl_platform.object_keys import is_report
from etl_platform.platform import Platform
from etl_platform.queue_work.queues import FILE_EVENTS
from etl_platform.settings import Settings
from etl_platform_tests.integration.file_events import ROSTER, deliveries_of, tick

WaitUntil = Callable[..., None]
OWN_BUCKET = "own-bucket"


@pytest.fixture
def send(aws: Clients, provisioned: Provisioned, platform: Platform, wait_until: WaitUntil) -> Callable[[str], None]:
    """Put a body into the queue, after the test event of the notification is out of the way.

    OWN_BUCKET in a body stands for the name of the data bucket.
    """
    wait_until(lambda: platform.queue(FILE_EVENTS).depth() == (1, 0), what="S3's test event in the queue")
    aws.sqs.purge_queue(QueueUrl=provisioned.queue_url)
    wait_until(lambda: platform.queue(FILE_EVENTS).depth() == (0, 0), what="an empty queue")

    def send(body: str) -> None:
        aws.sqs.send_message(QueueUrl=provisioned.queue_url, MessageBody=body.replace(OWN_BUCKET, provisioned.bucket))

    return send


def test_the_test_event_of_a_new_notification_is_deleted_without_a_run(
    platform: Platform, wait_until: WaitUntil
) -> None:
    wait_until(lambda: platform.queue(FILE_EVENTS).depth() == (1, 0), what="S3's test event in the queue")

    assert tick(platform) == []

    assert platform.queue(FILE_EVENTS).depth() == (0, 0)
    assert platform.dead_letters(FILE_EVENTS).depth() == (0, 0)
    assert objects(platform) == []


def test_a_dropped_file_becomes_one_request_and_its_message_stays_hidden(
    aws: Clients, platform: Platform, send: Callable[[str], None], wait_until: WaitUntil
) -> None:
    put = aws.s3.put_object(Bucket=platform.bucket, Key=ROSTER, Body=b"x")
    wait_until(lambda: platform.queue(FILE_EVENTS).depth() == (1, 0), what="the event in the queue")

    (request,) = tick(platform)

    (delivery,) = deliveries_of(request)
    assert delivery["key"] == ROSTER
    assert delivery["version_id"] == put["VersionId"]
    assert delivery["size_bytes"] == 1
    assert delivery["receipt_handle"]
    assert delivery["receive_count"] == 1
    assert request.asset_selection == [
        dg.AssetKey(["bronze", "officer_detail"]),
        dg.AssetKey(["silver", "officer_detail"]),
    ]
    assert request.asset_check_keys == []
    assert request.run_key
    assert platform.queue(FILE_EVENTS).depth() == (0, 1), "the run deletes it, not the sensor"


@pytest.mark.parametrize(
    "body",
    ["not JSON", "[]", '{"Message": "{"}', '{"hello": 1}', '{"Records": [{"eventVersion": "3.0"}]}', " "],
    ids=["text", "list", "inner", "unknown", "version 3", "blank"],
)
def test_a_malformed_message_goes_to_the_dead_letters_with_its_reason(
    aws: Clients, provisioned: Provisioned, platform: Platform, send: Callable[[str], None], body: str
) -> None:
    send(body)

    assert tick(platform) == []

    assert platform.queue(FILE_EVENTS).depth() == (0, 0)
    (dead,) = aws.sqs.receive_message(QueueUrl=provisioned.dlq_url, MessageAttributeNames=["All"])["Messages"]
    assert dead["Body"] == body
    assert dead["MessageAttributes"]["reason"]["StringValue"]


def test_a_key_that_no_contract_knows_is_reported_as_ignored(platform: Platform, send: Callable[[str], None]) -> None:
    send(event("from_client/nm_albuquerque/Vehicle_Fleet.csv"))

    (request,) = tick(platform)
    assert platform.queue(FILE_EVENTS).depth() == (0, 1), "the run deletes it, not the sensor"
    run(platform, request)

    assert platform.queue(FILE_EVENTS).depth() == (0, 0)
    assert platform.dead_letters(FILE_EVENTS).depth() == (0, 0)
    (report,) = reports(platform)
    assert report["outcome"] == "ignored"
    assert report["agency"] == "nm_albuquerque"
    assert [error["code"] for error in report["errors"]] == ["no_contract"]


def test_a_folder_marker_is_ignored(platform: Platform, send: Callable[[str], None]) -> None:
    send(event("from_client/nm_albuquerque/", size=0))

    (request,) = tick(platform)
    run(platform, request)

    assert platform.queue(FILE_EVENTS).depth() == (0, 0)
    assert [error["code"] for error in reports(platform)[0]["errors"]] == ["folder_marker"]


def test_a_deletion_needs_no_run(platform: Platform, send: Callable[[str], None]) -> None:
    send(event(ROSTER, name="ObjectRemoved:Delete"))

    assert tick(platform) == []

    assert platform.queue(FILE_EVENTS).depth() == (0, 0)
    assert platform.dead_letters(FILE_EVENTS).depth() == (0, 0)
    assert objects(platform) == []


def test_two_records_of_one_message_travel_together(platform: Platform, send: Callable[[str], None]) -> None:
    send(event(ROSTER, "from_client/nm_albuquerque/Training.csv"))

    (request,) = tick(platform)

    deliveries = deliveries_of(request)
    assert [item["key"].rpartition("/")[2] for item in deliveries] == ["Officer_Detail.csv", "Training.csv"]
    assert len({item["receipt_handle"] for item in deliveries}) == 1
    assert len(request.asset_selection or []) == 4
    assert platform.queue(FILE_EVENTS).depth() == (0, 1)


def test_the_good_record_of_a_message_is_worked_on_and_the_malformed_one_is_a_dead_letter(
    aws: Clients, provisioned: Provisioned, platform: Platform, send: Callable[[str], None]
) -> None:
    good = json.loads(event(ROSTER))["Records"]
    send(json.dumps({"Records": [*good, {"s3": {"bucket": {"name": "b"}}}]}))

    (request,) = tick(platform)

    assert [item["key"] for item in deliveries_of(request)] == [ROSTER]
    (dead,) = aws.sqs.receive_message(QueueUrl=provisioned.dlq_url, MessageAttributeNames=["All"])["Messages"]
    assert "record 1" in dead["MessageAttributes"]["reason"]["StringValue"]


def test_a_message_received_again_gets_another_run_key(platform: Platform, send: Callable[[str], None]) -> None:
    """A run key that exists suppresses a request for ever, even where its run failed."""
    send(event(ROSTER))
    (first,) = tick(platform)
    platform.queue(FILE_EVENTS).change_visibility([deliveries_of(first)[0]["receipt_handle"]], 0)

    (second,) = tick(platform)

    assert deliveries_of(second)[0]["receive_count"] == 2
    assert first.run_key != second.run_key


def test_messages_of_a_tick_share_one_run(platform: Platform, send: Callable[[str], None]) -> None:
    for number in range(25):
        send(event(f"from_client/agency_{number}/Officer_Detail.csv"))

    (request,) = tick(platform)

    assert len(deliveries_of(request)) == 25


def test_a_big_file_travels_alone(platform: Platform, send: Callable[[str], None]) -> None:
    for number, size in enumerate((10, 1 << 30, 10)):
        send(event(f"from_client/agency_{number}/Officer_Detail.csv", size=size))

    sizes = [[item["size_bytes"] for item in deliveries_of(request)] for request in tick(platform)]

    assert [1 << 30] in sizes


def test_a_deadline_in_the_past_receives_nothing(platform: Platform, send: Callable[[str], None]) -> None:
    send(event(ROSTER))

    assert list(run_requests(platform, deadline=time.monotonic() - 1)) == []

    assert platform.queue(FILE_EVENTS).depth() == (1, 0)


def test_at_the_cap_of_runs_nothing_is_received(settings: Settings, send: Callable[[str], None]) -> None:
    send(event(ROSTER))
    platform = Platform(replace(settings, max_runs_in_flight=2))

    with dg.DagsterInstance.ephemeral() as instance:
        for number in range(2):
            in_flight(instance, f"{number}")
        found = evaluate(platform, instance)

    assert isinstance(found.skip_message, str)
    assert "MAX_RUNS_IN_FLIGHT is 2" in found.skip_message
    assert platform.queue(FILE_EVENTS).depth() == (1, 0)


def test_a_tick_never_asks_for_more_runs_than_the_cap_leaves(settings: Settings, send: Callable[[str], None]) -> None:
    """Messages that come back travel in ever smaller batches: without a limit, a tick could ask for a thousand runs."""
    platform = Platform(replace(settings, max_runs_in_flight=3))
    for number in range(10):
        send(event(f"from_client/agency_{number}/Officer_Detail.csv", size=1 << 29))

    with dg.DagsterInstance.ephemeral() as instance:
        in_flight(instance, "1")
        found = evaluate(platform, instance)

    assert 1 <= len(found.run_requests or []) <= 2
    held = {item["message_id"] for request in found.run_requests or [] for item in deliveries_of(request)}
    assert platform.queue(FILE_EVENTS).depth() == (10 - len(held), len(held)), "what no run takes must not stay hidden"


def test_below_the_cap_the_sensor_asks_for_its_runs(settings: Settings, send: Callable[[str], None]) -> None:
    send(event(ROSTER))
    platform = Platform(settings)

    with dg.DagsterInstance.ephemeral() as instance:
        found = evaluate(platform, instance)
        nothing = evaluate(platform, instance)

    assert len(found.run_requests or []) == 1
    assert nothing.run_requests == []
    assert nothing.skip_message


def test_a_file_that_arrives_during_a_tick_starts_its_run_in_this_tick(
    platform: Platform, send: Callable[[str], None]
) -> None:
    arrival = threading.Timer(1, send, [event(ROSTER)])
    arrival.start()

    requests = list(run_requests(platform, deadline=time.monotonic() + 30, wait_s=20))

    arrival.join()
    assert len(requests) == 1


def test_while_a_run_is_unfinished_few_files_wait_for_others(settings: Settings, send: Callable[[str], None]) -> None:
    send(event(ROSTER))
    platform = Platform(replace(settings, poll_interval_seconds=600))

    with dg.DagsterInstance.ephemeral() as instance:
        in_flight(instance, "1")
        few = evaluate(platform, instance)
        for number in range(9):
            send(event(f"from_client/agency_{number}/Officer_Detail.csv"))
        worth_a_run = evaluate(platform, instance)

    assert (few.skip_message or "").startswith("waiting for others: 1 message, at most")
    assert [len(deliveries_of(request)) for request in worth_a_run.run_requests or []] == [10]


def test_a_message_stays_hidden_while_its_run_is_queued(settings: Settings, send: Callable[[str], None]) -> None:
    send(event(ROSTER))
    platform = Platform(replace(settings, visibility_timeout_seconds=10, max_runs_in_flight=1))

    with dg.DagsterInstance.ephemeral() as instance:
        (request,) = evaluate(platform, instance).run_requests or []
        in_flight(instance, "1", dg.DagsterRunStatus.NOT_STARTED, request.run_config)
        until = time.monotonic() + 25
        while time.monotonic() < until:
            assert platform.queue(FILE_EVENTS).depth() == (0, 1)
            assert evaluate(platform, instance).run_requests == []

    (message,) = deliveries_of(request)
    assert platform.queue(FILE_EVENTS).delete([message["receipt_handle"]]) == [], "no other receive has replaced it"


def run(platform: Platform, request: dg.RunRequest) -> None:
    """Run the job that records ignored files."""
    job = build_defs(platform.settings, platform=platform).resolve_job_def("ignored_files_job")
    assert request.job_name == job.name
    with dg.DagsterInstance.ephemeral() as instance:
        assert job.execute_in_process(request.run_config, instance=instance).success


def evaluate(platform: Platform, instance: dg.DagsterInstance) -> Any:
    """The sensor itself, as the daemon calls it."""
    definitions = build_defs(platform.settings, platform=platform)
    sensor = definitions.resolve_sensor_def("file_arrivals_sensor")
    with dg.build_sensor_context(
        instance=instance, repository_def=definitions.get_repository_def(), resources={"platform": platform}
    ) as context:
        return sensor.evaluate_tick(context)


def in_flight(
    instance: dg.DagsterInstance,
    run_id: str,
    status: dg.DagsterRunStatus = dg.DagsterRunStatus.STARTED,
    config: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """A run of the sensor's job that has not ended."""
    instance.add_run(
        dg.DagsterRun(
            job_name="s3_data_quality_job",
            run_id=f"00000000-0000-0000-0000-{run_id:>012}",
            status=status,
            run_config=config,
            tags={"dagster/sensor_name": "file_arrivals_sensor"},
        )
    )


def event(*keys: str, size: int = 10, name: str = "ObjectCreated:Put") -> str:
    records = [
        {
            "eventVersion": "2.1",
            "eventName": name,
            "s3": {"bucket": {"name": OWN_BUCKET}, "object": {"key": key, "size": size, "versionId": f"v{position}"}},
        }
        for position, key in enumerate(keys)
    ]
    return json.dumps({"Records": records})


def objects(platform: Platform) -> list[str]:
    return [head.key for head in platform.store.list(platform.bucket, "")]


def reports(platform: Platform) -> list[dict[str, Any]]:
    return [json.loads(platform.store.read(platform.bucket, key)) for key in objects(platform) if is_report(key)]
