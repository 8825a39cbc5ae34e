"""The proxy itself: transparent when idle, harmful where it is told to be."""

import http.client
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from etl_platform.aws.queue import Queue
from etl_platform.errors import ObjectMissingError, PreconditionFailedError, TransientError
from etl_platform.local.provision import open_clients
from etl_platform.settings import Settings
from etl_platform.storage.s3_store import S3Store
from etl_platform_tests.faults.proxy import TRANSIENT, Call, Fault, FaultProxy, Harm, Moment, at

KEY = "odd key/ñ+%2F ü.csv"


@pytest.fixture
def proxy(endpoint_url: str) -> Iterator[FaultProxy]:
    with FaultProxy(endpoint_url) as proxy:
        yield proxy


@pytest.fixture
def through(settings: Settings, proxy: FaultProxy) -> Settings:
    return replace(settings, aws_endpoint_url=proxy.url)


@pytest.fixture
def store(through: Settings) -> S3Store:
    return S3Store(through)


def test_every_kind_of_call_passes_unchanged_and_is_counted_by_name(
    proxy: FaultProxy, through: Settings, store: S3Store, tmp_path: Path
) -> None:
    bucket = through.data_bucket_name or ""
    big = tmp_path / "big"
    big.write_bytes(b"0123456789" * 500_000)
    with proxy.watch():
        etag = store.write(bucket, KEY, big, if_absent=True, metadata={"a": "b"})
        with pytest.raises(PreconditionFailedError):
            store.write(bucket, KEY, b"x", if_absent=True)
        head = store.head(bucket, KEY)
        store.copy(head, bucket, "bronze/copy")
        store.download(head, tmp_path / "back")
        assert [found.key for found in store.list(bucket, "bronze/")] == ["bronze/copy"]
        store.delete(bucket, "bronze/copy")
        with pytest.raises(ObjectMissingError):
            store.read(bucket, "bronze/copy")

    assert head.etag == etag
    assert head.metadata == {"a": "b"}
    assert (tmp_path / "back").read_bytes() == big.read_bytes()
    assert [(call.operation, call.key) for call in proxy.calls] == [
        ("PutObject", KEY),
        ("PutObject", KEY),
        ("HeadObject", KEY),
        ("CopyObject", "bronze/copy"),
        ("GetObject", KEY),
        ("ListObjects", bucket),
        ("DeleteObject", "bronze/copy"),
        ("GetObject", "bronze/copy"),
    ]
    store.head(bucket, KEY)
    assert len(proxy.calls) == 8, "nobody watches"


def test_queue_calls_are_counted_and_their_receipts_remembered(proxy: FaultProxy, through: Settings) -> None:
    queue = Queue(through, through.file_events_queue_url or "")
    with proxy.watch():
        queue.send("hello", {})
        received = [message for _ in range(2) for message in queue.receive(10, 30)]
        queue.delete([message.receipt_handle for message in received])

    assert [call.operation for call in proxy.calls] == [
        "SendMessage",
        "ReceiveMessage",
        "ReceiveMessage",
        "DeleteMessageBatch",
    ]
    assert proxy.receipt_handles == [message.receipt_handle for message in received]
    assert "hello" in {message.body for message in received}


def test_multipart_uploads_with_streamed_bodies_pass(proxy: FaultProxy, through: Settings) -> None:
    bucket = through.data_bucket_name or ""
    with open_clients(proxy.url) as aws, proxy.watch():
        upload = aws.s3.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
        target = {"Bucket": bucket, "Key": "parts", "UploadId": upload}
        part = aws.s3.upload_part(**target, PartNumber=1, Body=b"part", ChecksumAlgorithm="CRC32")
        aws.s3.complete_multipart_upload(**target, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
        assert aws.s3.get_object(Bucket=bucket, Key="parts")["Body"].read() == b"part"
    assert len(proxy.calls) == 4


def test_a_chunked_body_after_expect_continue_arrives_whole(proxy: FaultProxy, through: Settings) -> None:
    bucket = through.data_bucket_name or ""
    connection = http.client.HTTPConnection(urlsplit(proxy.url).netloc, timeout=10)
    with open_clients(proxy.url) as aws:
        for text in (b"one", b"another"):
            connection.request(
                "PUT",
                f"/{bucket}/chunked",
                body=iter([text, b"-", text]),
                headers={"Expect": "100-continue"},
                encode_chunked=True,
            )
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200
            assert aws.s3.get_object(Bucket=bucket, Key="chunked")["Body"].read() == text + b"-" + text
    connection.close()


@pytest.mark.parametrize("moment", list(Moment))
@pytest.mark.parametrize("harm", TRANSIENT)
def test_a_harmed_write_fails_and_whether_it_happened_depends_on_the_moment(
    proxy: FaultProxy,
    through: Settings,
    store: S3Store,
    harm: Harm,
    moment: Moment,
) -> None:
    bucket = through.data_bucket_name or ""
    hurried = S3Store(replace(through, aws_read_timeout_seconds=1))
    with proxy.watch(at(1, Fault(harm, moment))), pytest.raises(TransientError):
        hurried.write(bucket, "harmed", b"x", if_absent=True)

    if moment is Moment.AFTER:
        assert store.read(bucket, "harmed") == b"x"
    else:
        with pytest.raises(ObjectMissingError):
            store.read(bucket, "harmed")


def test_a_cut_answer_is_seen_as_an_error_and_never_as_a_shorter_file(
    proxy: FaultProxy, through: Settings, store: S3Store, tmp_path: Path
) -> None:
    bucket = through.data_bucket_name or ""
    store.write(bucket, "whole", b"x" * 5_000_000)
    head = store.head(bucket, "whole")

    with proxy.watch(at(1, Fault(Harm.TRUNCATED, Moment.AFTER))), pytest.raises(TransientError):
        store.download(head, tmp_path / "cut")


def test_a_pause_holds_one_call_while_others_pass(
    proxy: FaultProxy, through: Settings, store: S3Store, wait_until: Callable[..., None]
) -> None:
    bucket = through.data_bucket_name or ""
    paused, go = threading.Event(), threading.Event()

    def hold(call: Call) -> None:
        paused.set()
        assert go.wait(10)

    with proxy.watch(at(1, Fault(Harm.PAUSE, Moment.BEFORE, hold))):
        writer = threading.Thread(target=store.write, args=(bucket, "late", b"x"))
        writer.start()
        assert paused.wait(10)
        with open_clients(proxy.url) as aws, pytest.raises(ClientError):
            aws.s3.head_object(Bucket=bucket, Key="late")
        go.set()
        writer.join(10)

    assert store.read(bucket, "late") == b"x"


def test_a_hook_that_fails_is_no_quiet_success(proxy: FaultProxy, through: Settings, store: S3Store) -> None:
    def fail(call: Call) -> None:
        raise LookupError("nobody to kill")

    with (
        pytest.raises(AssertionError, match="nobody to kill"),
        proxy.watch(at(1, Fault(Harm.PAUSE, hook=fail))),
        pytest.raises(TransientError),
    ):
        store.write(through.data_bucket_name or "", "unharmed", b"x")
