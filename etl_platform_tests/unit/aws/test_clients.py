"""Every client is told how long to wait, how often to try and how many connections to keep."""

import tracemalloc
from typing import Any

import pytest
from botocore.utils import parse_timestamp

from etl_platform.aws.clients import make_client, parse_aws_time
from etl_platform.aws.obstore_client import open_store
from etl_platform.settings import Settings


@pytest.mark.parametrize("service", ["s3", "sqs"])
@pytest.mark.parametrize("workers", [1, 64])
def test_timeouts_retries_and_pool_come_from_the_settings(service: str, workers: int) -> None:
    settings = Settings(
        aws_endpoint_url="http://127.0.0.1:1",
        aws_connect_timeout_seconds=3,
        aws_read_timeout_seconds=17,
        aws_max_attempts=2,
        sns_worker_max=workers,
    )

    config = make_client(settings, service).meta.config

    assert (config.connect_timeout, config.read_timeout) == (3, 17)
    assert config.retries == {"mode": "standard", "total_max_attempts": 2}
    assert config.max_pool_connections >= 2 * workers, "no worker waits for a connection"


@pytest.mark.parametrize(
    ("region", "s3", "sns"),
    [
        ("us-gov-west-1", "https://s3-fips.us-gov-west-1.amazonaws.com", "https://sns.us-gov-west-1.amazonaws.com"),
        ("us-gov-east-1", "https://s3-fips.us-gov-east-1.amazonaws.com", "https://sns.us-gov-east-1.amazonaws.com"),
        ("us-east-1", "https://s3-fips.us-east-1.amazonaws.com", "https://sns-fips.us-east-1.amazonaws.com"),
    ],
)
def test_boto3_and_obstore_call_the_endpoints_of_fips(
    region: str, s3: str, sns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    settings = Settings(aws_region=region, aws_use_fips_endpoint=True)

    client = make_client(settings, "s3")

    # obstore has no setting of its own: it takes the endpoint that boto3 resolved.
    assert client.meta.endpoint_url == s3
    signed = client.generate_presigned_url("get_object", {"Bucket": "a-bucket", "Key": "k"})
    assert signed.startswith(f"https://a-bucket.{s3.removeprefix('https://')}/k")
    assert make_client(settings, "sns").meta.endpoint_url == sns
    store = open_store(settings, client.meta.endpoint_url, "a-bucket")
    assert store is not None
    assert store.config["endpoint"] == f"{s3}/a-bucket"


def test_an_emulator_has_no_endpoints_of_fips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "true")
    client = make_client(Settings(aws_endpoint_url="http://127.0.0.1:1", aws_use_fips_endpoint=True), "s3")
    assert client.generate_presigned_url("get_object", {"Bucket": "b", "Key": "k"}).startswith("http://127.0.0.1:1/b/k")


def test_a_second_client_does_not_load_the_service_model_again() -> None:
    settings = Settings(aws_endpoint_url="http://127.0.0.1:1")
    clients = [make_client(settings, "sqs")]
    tracemalloc.start()
    try:
        clients += [make_client(settings, "sqs") for _ in range(3)]
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # One description of SQS and of AWS's endpoints is 8 MiB.
    assert held < 4 * 2**20


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-01T23:59:59.000Z",
        "2026-11-01T23:59:59Z",
        "2026-11-01T23:59:59.123456Z",
        "2026-11-01T23:59:59+02:00",
        "20261101T101112Z",
        "Sun, 01 Nov 2026 10:00:00 GMT",
        "1777777777",
        1_777_777_777,
        1_777_777_777.5,
    ],
)
def test_times_are_parsed_as_by_botocore(value: Any) -> None:
    parsed = parse_aws_time(value)
    assert parsed == parse_timestamp(value)
    assert parsed.utcoffset() is not None


def test_clients_parse_the_times_of_a_listing_in_the_fast_way() -> None:
    client = make_client(Settings.from_environment({}), "s3")
    parser = client._endpoint._response_parser_factory.create_parser("rest-xml")
    assert parser._timestamp_parser is parse_aws_time
