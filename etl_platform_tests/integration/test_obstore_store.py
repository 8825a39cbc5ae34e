"""Calls through obstore mean what those through boto3 mean: same requests, same results, same errors, same counts."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from etl_platform.errors import ObjectMissingError, PreconditionFailedError, TransientError
from etl_platform.settings import Settings
from etl_platform.storage import obstore_store
from etl_platform.storage.object_store import ObjectHead
from etl_platform.storage.obstore_store import ObstoreStore
from etl_platform.storage.s3_store import S3Store
from etl_platform_tests.integration.s3_answers import OBJECT, Answer, S3Answers, refusal, s3_answers

BUCKET, KEY = "a-bucket", "from_client/a/b c+d/é%2F.csv"
HEAD = ObjectHead(BUCKET, KEY, "v1", "abc", 5, datetime(2026, 1, 5, 10, tzinfo=UTC))
ATTEMPTS = 2
KEYS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), min_size=1, max_size=4).map("/".join)
NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,11}", fullmatch=True)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12)
FOREIGN = (
    "User: arn:aws:sts::111122223333:assumed-role/etl/pod is not authorized to perform: kms:Decrypt on resource: "
    "arn:aws:kms:us-east-1:444455556666:key/k"
)
SSE_C = "The object was stored using a form of Server Side Encryption. The correct parameters must be provided."


class Pair:
    """Both stores on one S3."""

    def __init__(self, s3: S3Answers, kms_key_id: str | None = None) -> None:
        settings = Settings(aws_endpoint_url=s3.url, aws_max_attempts=ATTEMPTS, aws_read_timeout_seconds=1)
        self.s3, self.errors = s3, {S3Store: Counter[str](), ObstoreStore: Counter[str]()}
        self.stores: list[Any] = [store(settings, kms_key_id, errors) for store, errors in self.errors.items()]

    def ask(self, call: Callable[[S3Store], Any], *answers: Answer) -> list[tuple[Any, list[Any]]]:
        """What each store returns or raises, and what it asked for."""
        found = []
        for store in self.stores:
            self.s3.expect(*answers)
            try:
                result = call(store)
            except Exception as error:  # noqa: BLE001 - compared below
                result = type(error), getattr(error, "code", None), str(error).partition(": An error occurred")[0]
            found.append((result, self.s3.requests))
        return found


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Answers]:
    with s3_answers() as server:
        yield server


@pytest.fixture(scope="module")
def both(s3: S3Answers) -> Pair:
    return Pair(s3)


@pytest.fixture
def pair(both: Pair, monkeypatch: pytest.MonkeyPatch) -> Pair:
    """As new, and without waits between attempts."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr(obstore_store, "sleep", lambda _: None)
    both.stores[1]._failures = 0
    for errors in both.errors.values():
        errors.clear()
    return both


CALLS: dict[str, Callable[[S3Store, Path], Any]] = {
    "head": lambda store, _: store.head(BUCKET, KEY),
    "head of a version": lambda store, _: store.head(BUCKET, KEY, "v1"),
    "read": lambda store, _: store.read(BUCKET, KEY),
    "read_with_etag": lambda store, _: store.read_with_etag(BUCKET, KEY),
    "download": lambda store, folder: (store.download(HEAD, folder / "file"), (folder / "file").read_bytes()),
    "write": lambda store, _: store.write(BUCKET, KEY, b"body", metadata={"delivery-id": "d1"}),
    "write if absent": lambda store, _: store.write(BUCKET, KEY, b"", if_absent=True),
    "write if match": lambda store, _: store.write(BUCKET, KEY, b"body", if_match="abc"),
}
ERRORS = {
    "no key": refusal(404, "NoSuchKey"),
    "no version": refusal(404, "NoSuchVersion"),
    "no bucket": refusal(404, "NoSuchBucket"),
    "delete marker": refusal(405, "MethodNotAllowed"),
    "not a version id": refusal(400, "InvalidArgument"),
    "key too long": refusal(400, "KeyTooLongError"),
    "precondition": refusal(412, "PreconditionFailed"),
    "conflict": refusal(409, "ConditionalRequestConflict"),
    "denied": refusal(403, "AccessDenied", "Access Denied"),
    "archived": refusal(403, "InvalidObjectState"),
    "foreign key": refusal(403, "AccessDenied", FOREIGN),
    "customer key": refusal(400, "InvalidRequest", SSE_C),
    "disabled key": refusal(400, "KMS.DisabledException"),
    "expired": refusal(400, "ExpiredToken"),
    "skewed clock": refusal(403, "RequestTimeTooSkewed"),
    "slow down": refusal(503, "SlowDown"),
    "internal": refusal(500, "InternalError"),
    "no XML": Answer(502, b"<html>Bad gateway", {}),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_obstore_sends_the_request_of_boto3_and_reads_the_same(
    pair: Pair, tmp_path: Path, call: Callable[[S3Store, Path], Any]
) -> None:
    (by_boto3, sent), (by_obstore, also_sent) = pair.ask(lambda store: call(store, tmp_path), Answer())

    assert by_obstore == by_boto3
    assert also_sent == sent
    assert [request.by_obstore for request in sent + also_sent] == [False, True]


@pytest.mark.parametrize("answer", ERRORS.values(), ids=ERRORS)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_each_error_of_s3_is_the_same_error(
    pair: Pair, tmp_path: Path, call: Callable[[S3Store, Path], Any], answer: Answer
) -> None:
    (by_boto3, sent), (by_obstore, also_sent) = pair.ask(lambda store: call(store, tmp_path), answer)

    assert by_obstore == by_boto3
    # Asking boto3 for the reason costs one call, unless the code is retried in any case.
    assert 0 <= len(also_sent) - len(sent) <= 1
    assert len(also_sent) == len(sent) or len(sent) < ATTEMPTS or "HEAD" in {request.method for request in sent}
    assert set(pair.errors[ObstoreStore]) == set(pair.errors[S3Store])


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(
    ("failed", "code"),
    [
        (refusal(503, "SlowDown"), "SlowDown"),
        (refusal(500, "InternalError"), "InternalError"),
        (Answer(cut=True, body=b""), "NoResponse"),
    ],
)
def test_the_second_attempt_succeeds_and_the_first_is_counted(
    pair: Pair, tmp_path: Path, call: Callable[[S3Store, Path], Any], failed: Answer, code: str
) -> None:
    (by_boto3, _), (by_obstore, sent) = pair.ask(lambda store: call(store, tmp_path), failed, Answer())

    assert by_obstore == by_boto3
    assert [request.by_obstore for request in sent] == [True, False]
    assert pair.errors[ObstoreStore].total() == pair.errors[S3Store].total() == 1
    assert code in pair.errors[ObstoreStore] or sent[0].method == "HEAD"


def test_a_body_that_ends_too_early_is_never_returned(pair: Pair, tmp_path: Path) -> None:
    cut = Answer(body=b"x" * 1_000, cut=True)
    for call in (CALLS["read"], CALLS["download"]):
        for result, _ in pair.ask(lambda store, call=call: call(store, tmp_path), cut):  # type: ignore[misc]
            assert result[0] is TransientError


@hypothesis_settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    key=KEYS, metadata=st.dictionaries(NAMES, VALUES, max_size=3), condition=st.sampled_from(["", "absent", "match"])
)
def test_any_key_and_metadata_give_the_request_of_boto3(
    pair: Pair, key: str, metadata: dict[str, str], condition: str
) -> None:
    conditions: dict[str, Any] = {"": {}, "absent": {"if_absent": True}, "match": {"if_match": "e"}}[condition]
    calls: list[Callable[[S3Store], Any]] = [
        lambda store: store.write(BUCKET, key, b"body", metadata=metadata, **conditions),
        lambda store: store.head(BUCKET, key, "v1"),
        lambda store: store.read(BUCKET, key),
    ]
    for call in calls:
        (by_boto3, sent), (by_obstore, also_sent) = pair.ask(call, Answer())
        assert by_obstore == by_boto3
        assert also_sent == sent


def test_a_key_of_the_platform_alone_goes_through_obstore(pair: Pair) -> None:
    """And one that obstore would change, or whose text could be taken for a code of S3, does not."""
    other = ["/a", "a//b", "a/", "a/../b", "./a", "a\x1fb", "a/<Code>NoSuchKey</Code>"]
    for key, by_obstore in [(KEY, True), *((key, False) for key in other)]:
        _, (_, sent) = pair.ask(lambda store, key=key: store.read(BUCKET, key), Answer())  # type: ignore[misc]
        assert [request.by_obstore for request in sent] == [by_obstore], key


def test_metadata_that_obstore_would_take_for_headers_is_written_as_metadata(pair: Pair) -> None:
    for name in ("content-type", "cache-control", "storage-class", "Upper", "a_b"):
        (_, sent), (_, also_sent) = pair.ask(
            lambda store, name=name: store.write(BUCKET, KEY, b"", metadata={name: "x"}),  # type: ignore[misc]
            Answer(),
        )
        assert also_sent == sent
    header = Answer(headers=OBJECT | {"Cache-Control": "no-store", "Content-Language": "de", "x-amz-meta-x": "1"})
    (by_boto3, _), (by_obstore, _) = pair.ask(lambda store: store.head(BUCKET, KEY), header)
    assert by_obstore.metadata == by_boto3.metadata == {"delivery-id": "d1", "x": "1"}


def test_objects_are_encrypted_with_the_same_key(s3: S3Answers) -> None:
    (_, sent), (_, also_sent) = Pair(s3, "arn:aws:kms:us-east-1:1:key/k").ask(
        lambda store: store.write(BUCKET, KEY, b"body", if_match="e"), Answer()
    )
    assert also_sent == sent
    assert also_sent[0].by_obstore
    assert len([name for name in also_sent[0].headers if name.startswith("x-amz-server-side-")]) == 2


def test_the_start_of_a_version_is_read_with_the_same_range(pair: Pair) -> None:
    part = Answer(206, b"hel", OBJECT | {"Content-Range": "bytes 0-2/5"})
    (by_boto3, sent), (by_obstore, also_sent) = pair.ask(lambda store: store.read_start(HEAD, 3), part)
    assert by_boto3 == by_obstore == b"hel"
    assert also_sent == sent
    for result, _ in pair.ask(lambda store: store.read_start(HEAD, 3), Answer()):
        assert result == b"hel", "a store that ignores the range sends the whole object"


def test_large_objects_are_left_to_boto3(pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(obstore_store, "_SMALL_BYTES", 4)
    for name in ("download", "write", "read"):
        _, (result, sent) = pair.ask(
            lambda store, name=name: (
                store.write(BUCKET, KEY, b"12345") if name == "write" else CALLS[name](store, tmp_path)
            ),  # type: ignore[misc]
            Answer(),
        )
        assert not sent[-1].by_obstore
        assert result


def test_after_many_failures_in_a_row_boto3_makes_all_calls(pair: Pair) -> None:
    """obstore may not know the region of a bucket, or a proxy: a call must not cost two for ever."""
    denied, fine, store = refusal(403, "AccessDenied"), Answer(), pair.stores[1]
    for _ in range(obstore_store._MAX_FAILURES):
        pair.s3.expect(denied, fine)
        assert store.read(BUCKET, KEY) == b"hello"
        assert [request.by_obstore for request in pair.s3.requests] == [True, False]
    pair.s3.expect(fine)
    assert store.read(BUCKET, KEY) == b"hello"
    assert [request.by_obstore for request in pair.s3.requests] == [False]


def test_missing_objects_and_lost_races_are_no_failures_in_a_row(pair: Pair) -> None:
    store = pair.stores[1]
    for _ in range(2 * obstore_store._MAX_FAILURES):
        pair.s3.expect(refusal(404, "NoSuchKey"))
        with pytest.raises(ObjectMissingError):
            store.head(BUCKET, KEY)
        pair.s3.expect(refusal(412, "PreconditionFailed"))
        with pytest.raises(PreconditionFailedError):
            store.write(BUCKET, KEY, b"", if_absent=True)
        assert [request.by_obstore for request in pair.s3.requests] == [True]


@pytest.mark.parametrize(
    ("url", "attempts", "environment"),
    [
        ("http://127.0.0.1:1", 1, {}),
        ("https://127.0.0.1:1", ATTEMPTS, {"AWS_CA_BUNDLE": "/ca.pem"}),
        (None, ATTEMPTS, {"AWS_USE_FIPS_ENDPOINT": "true"}),
    ],
    ids=["one attempt", "own CA", "FIPS"],
)
def test_where_boto3_alone_is_right_obstore_makes_no_call(
    url: str | None, attempts: int, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    usual = ObstoreStore(Settings(aws_endpoint_url=url, aws_max_attempts=ATTEMPTS))
    assert usual._is_usable
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert not ObstoreStore(Settings(aws_endpoint_url=url, aws_max_attempts=attempts))._is_usable
