"""Tells an object that S3 refuses from a platform that has lost its permissions. S3 is a fake."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from etl_platform.deliveries.delivery import Cause, Outcome
from etl_platform.deliveries.report import Trigger
from etl_platform.errors import AccessDeniedError, ObjectRefusedError, TransientError
from etl_platform.settings import Settings
from etl_platform.storage.object_store import ObjectHead
from etl_platform.storage.s3_store import S3Store
from etl_platform_tests.unit.intake_place import GOOD, Place, things

HEAD = ObjectHead("bucket", "from_client/a/f.csv", "v", "etag", 3, datetime(2026, 1, 5, tzinfo=UTC))
SSE_C = "The object was stored using a form of Server Side Encryption. The correct parameters must be provided."
USER = "User: arn:aws:sts::111122223333:assumed-role/etl/pod is not authorized to perform: kms:Decrypt on resource:"
FOREIGN, OWN = (f"{USER} arn:aws:kms:us-east-1:{account}:key/k" for account in ("444455556666", "111122223333"))


def error(code: str, message: str = "") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "Call")


class FakeS3:
    """Raises the given errors; a GET without an error succeeds."""

    def __init__(self, get: ClientError | None, head: ClientError | None = None) -> None:
        self._get, self._head = get, head

    def head_object(self, **_: Any) -> dict[str, Any]:
        assert self._head is not None
        raise self._head

    def copy_object(self, **_: Any) -> None:
        raise error("AccessDenied", "Access Denied") if self._get is None else self._get

    def get_object(self, **_: Any) -> dict[str, Any]:
        if self._get is not None:
            raise self._get

        class Body:
            def close(self) -> None:
                pass

        return {"Body": Body()}


def store_of(s3: FakeS3) -> S3Store:
    store = S3Store(Settings(aws_endpoint_url="http://127.0.0.1:1"))
    store._s3 = s3
    return store


@pytest.mark.parametrize(
    ("head_code", "code", "message", "refused"),
    [
        ("400", "InvalidRequest", SSE_C, "customer_key"),
        ("403", "InvalidObjectState", "The operation is not valid for the object's storage class", "archived"),
        ("403", "AccessDenied", FOREIGN, "foreign_key"),
    ],
)
def test_what_the_object_alone_refuses_is_refused_for_good(
    head_code: str, code: str, message: str, refused: str
) -> None:
    store = store_of(FakeS3(error(code, message), head=error(head_code)))
    for call in (lambda: store.head(HEAD.bucket, HEAD.key, "v"), lambda: store.copy(HEAD, "bucket", "bronze/f")):
        with pytest.raises(ObjectRefusedError) as raised:
            call()
        assert raised.value.code == refused
        assert HEAD.key in str(raised.value)


@pytest.mark.parametrize("message", ["Access Denied", OWN])
def test_what_may_be_a_permission_of_the_platform_is_not(message: str) -> None:
    store = store_of(FakeS3(error("AccessDenied", message), head=error("403")))
    for call in (lambda: store.head(HEAD.bucket, HEAD.key, "v"), lambda: store.copy(HEAD, "bucket", "bronze/f")):
        with pytest.raises(AccessDeniedError):
            call()


def test_a_destination_that_refuses_a_copy_is_no_fault_of_its_source() -> None:
    with pytest.raises(TransientError) as raised:
        store_of(FakeS3(get=None)).copy(HEAD, "bucket", "bronze/f")
    assert not isinstance(raised.value, AccessDeniedError)


@pytest.mark.parametrize("code", ["SlowDown", "ExpiredToken", "InvalidRequest", "KMS.DisabledException"])
def test_other_errors_of_a_read_are_transient(code: str) -> None:
    with pytest.raises(TransientError):
        store_of(FakeS3(error(code), head=error("400"))).head(HEAD.bucket, HEAD.key, "v")


class Denied:
    """A local store in which reads of keys that ``is_denied`` raise an error."""

    def __init__(self, store: Any, is_denied: Callable[[str], bool], raised: Exception) -> None:
        self._store, self._is_denied, self._raised = store, is_denied, raised

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def head(self, bucket: str, key: str, *more: Any) -> ObjectHead:
        if self._is_denied(key):
            raise self._raised
        found: ObjectHead = self._store.head(bucket, key, *more)
        return found

    def read_start(self, head: ObjectHead, size_bytes: int) -> bytes:
        self.head(head.bucket, head.key)
        found: bytes = self._store.read_start(head, size_bytes)
        return found


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path, things())
    place.drop(GOOD, "from_client/agency_b/Things.csv")
    return place


def deny(place: Place, is_denied: Callable[[str], bool], raised: Exception) -> None:
    place.store = Denied(place.store, is_denied, raised)  # type: ignore[assignment]
    place.use(things())


def receive(number: int) -> Trigger:
    return Trigger(Cause.EVENT, receive_count=number)


def test_a_refused_object_is_rejected_at_its_first_receive_with_a_code_for_the_sender(place: Place) -> None:
    version = place.drop(GOOD)
    deny(place, lambda key: "agency_a" in key, ObjectRefusedError("archived", "archived"))
    done = place.ingest(version, receive(1))
    assert done.outcome is Outcome.REJECTED
    assert [found.code for found in done.report.check.errors] == ["archived"]
    assert place.ingest(version, receive(2)).outcome is Outcome.DUPLICATE


def test_an_object_that_is_denied_while_others_are_not_is_rejected_at_the_third_receive(place: Place) -> None:
    version = place.drop(GOOD)
    deny(place, lambda key: "agency_a" in key, AccessDeniedError("403"))
    for early in (1, 2):
        with pytest.raises(AccessDeniedError):
            place.ingest(version, receive(early))
    done = place.ingest(version, receive(3))
    assert done.outcome is Outcome.REJECTED
    assert [found.code for found in done.report.check.errors] == ["access_denied"]


def test_nobody_is_rejected_if_the_platform_may_read_nothing(place: Place) -> None:
    version = place.drop(GOOD)
    deny(place, lambda _key: True, AccessDeniedError("403"))
    with pytest.raises(AccessDeniedError):
        place.ingest(version, receive(19))
