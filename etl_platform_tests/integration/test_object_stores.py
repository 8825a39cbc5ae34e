"""The contract of object stores, tested on S3 (the emulator), a local folder and the simulation's memory."""

import hashlib
import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from etl_platform.aws.clients import make_client
from etl_platform.errors import BucketMissingError, ObjectMissingError, PreconditionFailedError, TransientError
from etl_platform.local.provision import Provisioned
from etl_platform.settings import Settings
from etl_platform.storage import s3_store
from etl_platform.storage.local_store import LocalStore
from etl_platform.storage.object_store import ObjectHead, ObjectStore, list_folders, versioning_warning
from etl_platform.storage.obstore_store import ObstoreStore
from etl_platform.storage.s3_store import S3Store
from etl_platform_tests.simulation.memory import MemoryStore

BODY = b"officer_id,last_name\r\nA1,Pe\xf1a\r\n"
UNUSUAL_KEYS = {
    "space": "from_client/a b/Officer Detail .csv",
    "plus": "from_client/a+b/Officer+Detail.csv",
    "percent": "from_client/a%2Bb/Officer%2BDetail%20%.csv",
    "unicode": "from_client/ñ/Détails 警察 🚓.csv",
    "combining": "from_client/e\u0301/\u00e9.csv",
    "quotes": 'from_client/a\'b/"x" <y>&z;=#?.csv',
    "backslash": "from_client/a\\b.csv",
    "dots in a name": "from_client/a/..hidden..csv",
    "leading dot": "from_client/a/.Officer_Detail.csv",
    "long name": f"from_client/{'a' * 90}/{'b' * 200}.csv",
}


@pytest.fixture(params=["s3", "obstore", "local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "local":
        return LocalStore(tmp_path / "root")
    if request.param == "memory":
        return MemoryStore(time.time)
    settings: Settings = request.getfixturevalue("settings")
    return ObstoreStore(replace(settings, aws_max_attempts=2)) if request.param == "obstore" else S3Store(settings)


@pytest.fixture
def bucket(request: pytest.FixtureRequest) -> str:
    if isinstance(request.getfixturevalue("store"), S3Store):
        return str(request.getfixturevalue("provisioned").bucket)
    return "local"


def test_a_written_object_can_be_read_described_and_downloaded(store: ObjectStore, bucket: str, tmp_path: Path) -> None:
    etag = store.write(bucket, "silver/a.parquet", BODY)

    head = store.head(bucket, "silver/a.parquet")

    assert (head.bucket, head.key, head.etag) == (bucket, "silver/a.parquet", etag)
    assert head.size_bytes == len(BODY)
    assert head.version_id
    assert head.last_modified.utcoffset() is not None
    assert store.read(bucket, "silver/a.parquet") == BODY
    assert store.download(head, tmp_path / "copy") == hashlib.sha256(BODY).hexdigest()
    assert (tmp_path / "copy").read_bytes() == BODY


def test_the_start_of_an_object_can_be_read(store: ObjectStore, bucket: str) -> None:
    store.write(bucket, "silver/start", BODY)
    store.write(bucket, "silver/nothing", b"")

    head = store.head(bucket, "silver/start")

    assert store.read_start(head, 10) == BODY[:10]
    assert store.read_start(head, 1_000) == BODY
    assert store.read_start(store.head(bucket, "silver/nothing"), 10) == b""
    store.write(bucket, "silver/start", BODY * 2)
    with pytest.raises((ObjectMissingError, PreconditionFailedError)):
        store.read_start(replace(head, version_id=None), 10)
    store.delete(bucket, "silver/nothing")
    with pytest.raises(ObjectMissingError):
        store.read_start(replace(head, key="silver/nothing", version_id=None), 10)


def test_a_file_can_be_written_like_bytes(store: ObjectStore, bucket: str, tmp_path: Path) -> None:
    big = bytes(range(256)) * 12_000
    (tmp_path / "big").write_bytes(big)

    store.write(bucket, "silver/big", tmp_path / "big", metadata={"delivery-id": "d1"})

    assert store.read(bucket, "silver/big") == big
    assert store.head(bucket, "silver/big").metadata == {"delivery-id": "d1"}


def test_an_empty_object_can_be_written_and_read(store: ObjectStore, bucket: str, tmp_path: Path) -> None:
    store.write(bucket, "from_client/a/empty.csv", b"")

    head = store.head(bucket, "from_client/a/empty.csv")

    assert head.size_bytes == 0
    assert store.download(head, tmp_path / "copy") == hashlib.sha256(b"").hexdigest()


def test_metadata_is_stored_and_replaced_with_the_object(store: ObjectStore, bucket: str) -> None:
    first = {"delivery-id": "d1", "sequencer": "0062", "last-modified": "2026-01-02T03:04:05.6+00:00"}
    store.write(bucket, "silver/a", b"1", metadata=first)
    assert store.head(bucket, "silver/a").metadata == first

    store.write(bucket, "silver/a", b"2", metadata={"delivery-id": "d2"})
    assert store.head(bucket, "silver/a").metadata == {"delivery-id": "d2"}

    store.write(bucket, "silver/a", b"3")
    assert store.head(bucket, "silver/a").metadata == {}, "metadata belongs to the bytes it came with"


def test_a_deleted_object_is_missing_and_can_be_put_if_absent(store: ObjectStore, bucket: str) -> None:
    etag = store.write(bucket, "silver/a", b"1")
    store.delete(bucket, "silver/a")
    store.delete(bucket, "silver/a")

    with pytest.raises(ObjectMissingError):
        store.head(bucket, "silver/a")
    with pytest.raises(PreconditionFailedError):
        store.write(bucket, "silver/a", b"2", if_match=etag)
    assert list(store.list(bucket, "silver/")) == []
    store.write(bucket, "silver/a", b"3", if_absent=True)
    assert store.read(bucket, "silver/a") == b"3"


@pytest.mark.parametrize("operation", ["head", "read", "download", "copy"])
def test_a_missing_object_raises_object_missing_error(
    store: ObjectStore, bucket: str, tmp_path: Path, operation: str
) -> None:
    store.write(bucket, "there", b"x")
    gone = replace(store.head(bucket, "there"), key="from_client/a/gone.csv", version_id=None)

    with pytest.raises(ObjectMissingError, match=r"gone\.csv"):
        _read_somehow(store, operation, gone, tmp_path)


def test_an_absent_bucket_or_prefix_lists_nothing(store: ObjectStore, bucket: str) -> None:
    assert list(store.list(bucket, "silver/nobody/")) == []


def test_put_if_absent_fails_if_the_object_exists(store: ObjectStore, bucket: str) -> None:
    store.write(bucket, "reports/r.json", b"1", if_absent=True)

    with pytest.raises(PreconditionFailedError):
        store.write(bucket, "reports/r.json", b"2", if_absent=True)

    assert store.read(bucket, "reports/r.json") == b"1"


def test_if_match_needs_the_current_etag(store: ObjectStore, bucket: str) -> None:
    first = store.write(bucket, "silver/a", b"1")
    second = store.write(bucket, "silver/a", b"22", if_match=first)

    with pytest.raises(PreconditionFailedError):
        store.write(bucket, "silver/a", b"333", if_match=first)

    assert store.head(bucket, "silver/a").etag == second
    assert store.read_with_etag(bucket, "silver/a") == (b"22", store.head(bucket, "silver/a").etag)


def test_if_match_on_a_deleted_object_fails_and_writes_nothing(store: ObjectStore, bucket: str) -> None:
    etag = store.write(bucket, "other", b"1")

    with pytest.raises(PreconditionFailedError):
        store.write(bucket, "silver/a", b"2", if_match=etag)

    with pytest.raises(ObjectMissingError):
        store.head(bucket, "silver/a")


def test_a_copy_has_the_same_bytes_and_keeps_the_source(store: ObjectStore, bucket: str) -> None:
    store.write(bucket, "from_client/a/x.csv", BODY)
    head = store.head(bucket, "from_client/a/x.csv")

    store.copy(head, bucket, "bronze/x/agency=a/d1/x.csv")
    store.copy(head, bucket, "bronze/x/agency=a/d1/x.csv")

    assert store.read(bucket, "bronze/x/agency=a/d1/x.csv") == BODY
    assert store.head(bucket, "from_client/a/x.csv") == head


@pytest.mark.parametrize("operation", ["download", "copy"])
def test_an_object_that_changed_after_head_is_never_read_as_that_version(
    store: ObjectStore, bucket: str, tmp_path: Path, operation: str
) -> None:
    """A read returns the version that head described, or fails."""
    store.write(bucket, "from_client/a/x.csv", BODY)
    head = store.head(bucket, "from_client/a/x.csv")
    store.write(bucket, "from_client/a/x.csv", b"newer and longer than the bytes before\n")

    try:
        got = _read_somehow(store, operation, head, tmp_path)
    except (ObjectMissingError, TransientError):
        return
    assert got == BODY


def test_without_a_version_id_the_current_etag_must_match(store: ObjectStore, bucket: str) -> None:
    _skip_a_folder(store, "has no eTags that an event could name")
    first = store.write(bucket, "from_client/a/x.csv", b"1")
    store.write(bucket, "from_client/a/x.csv", b"2")

    with pytest.raises(ObjectMissingError, match="overwritten"):
        store.head(bucket, "from_client/a/x.csv", None, first)


def test_objects_are_listed_in_key_order_below_their_prefix_only(store: ObjectStore, bucket: str) -> None:
    wanted = [f"silver/d/agency=a/{name}.parquet" for name in ("A", "b", "b-1", "b.1", "b/c", "é")]
    for key in [*reversed(wanted), "silver/d/agency=ab/x.parquet", "silver/d2/agency=a/x.parquet"]:
        store.write(bucket, key, key.encode(), metadata={"delivery-id": "d1"})

    found = list(store.list(bucket, "silver/d/agency=a/"))

    assert [head.key for head in found] == sorted(wanted, key=str.encode)
    assert [head.size_bytes for head in found] == [len(head.key.encode()) for head in found]
    assert [head.etag for head in found] == [store.head(bucket, head.key).etag for head in found]
    assert [h.key for h in store.list(bucket, "silver/d/agency=a/b")] == [
        key for key in sorted(wanted, key=str.encode) if key.startswith("silver/d/agency=a/b")
    ], "a prefix need not end with /"


def test_a_listing_of_several_pages_is_complete(store: ObjectStore, bucket: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: store.write(bucket, f"reports/d/{n:04d}.json", b"{}"), range(1_005)))

    assert len(list(store.list(bucket, "reports/d/"))) == 1_005


@pytest.mark.parametrize("kind", ["list", "versions"])
def test_folders_of_neighbours_are_listed_together(store: ObjectStore, bucket: str, kind: str) -> None:
    names = ["a", "a-b", "a.b", "a0", "aé", "b", "b!", "c"]
    keys = sorted(f"silver/d/agency={name}/{number}.parquet" for name in names for number in (1, 2))
    for key in [*keys, "silver/d/z", "silver/e/agency=a/1.parquet"]:
        store.write(bucket, key, b"1")
    folders = sorted({f"{key.rpartition('/')[0]}/" for key in keys})
    for first, last in [(0, 0), (0, 2), (2, 3), (1, 5), (0, len(folders) - 1)]:
        listed = list_folders(getattr(store, kind), bucket, "silver/d/", folders[first], folders[last])
        wanted = [key for key in keys if f"{key.rpartition('/')[0]}/" in folders[first : last + 1]]
        assert [head.key for head in listed] == wanted


def test_versions_are_listed_with_their_ids_below_their_prefix_only(store: ObjectStore, bucket: str) -> None:
    keys = ["from_client/a/x.csv", "from_client/a/x.csv.gz", "from_client/a/ñ+ %2B.csv"]
    for key in [*keys, "from_client/ab/x.csv"]:
        store.write(bucket, key, key.encode())

    found = list(store.versions(bucket, "from_client/a/"))

    assert [head.key for head in found] == sorted(keys, key=str.encode)
    for head in found:
        # A HEAD tells whole seconds.
        expected = replace(store.head(bucket, head.key), last_modified=head.last_modified)
        assert head == expected


def test_folders_are_the_prefixes_one_level_down(store: ObjectStore, bucket: str) -> None:
    for key in ("silver/b/agency=x/1", "silver/a/agency=ñ/1", "silver/a/2", "silver/1"):
        store.write(bucket, key, b"x", metadata={"delivery-id": "d1"})

    assert list(store.folders(bucket, "silver/")) == ["silver/a/", "silver/b/"]
    assert list(store.folders(bucket, "silver/a/")) == ["silver/a/agency=ñ/"]
    assert list(store.folders(bucket, "bronze/")) == []
    assert list(store.folders(bucket, "")) == ["silver/"]


@pytest.mark.parametrize("key", UNUSUAL_KEYS.values(), ids=UNUSUAL_KEYS.keys())
def test_an_unusual_key_is_stored_unchanged(store: ObjectStore, bucket: str, tmp_path: Path, key: str) -> None:
    store.write(bucket, key, BODY, metadata={"delivery-id": "d1"})
    head = store.head(bucket, key)

    assert head.key == key
    assert head.metadata == {"delivery-id": "d1"}
    assert store.read(bucket, key) == BODY
    assert store.download(head, tmp_path / "copy") == hashlib.sha256(BODY).hexdigest()
    store.copy(head, bucket, f"bronze/{key}")
    assert store.read(bucket, f"bronze/{key}") == BODY
    assert [found.key for found in store.list(bucket, key.rpartition("/")[0] + "/")] == [key]


def test_a_key_of_1024_bytes_can_be_used(store: ObjectStore, bucket: str, tmp_path: Path) -> None:
    """In several folders, because file systems limit a name to 255 bytes."""
    key = f"from_client/{'/'.join(['x' * 200] * 5)}/abc.csv"
    assert len(key.encode()) == 1_024
    store.write(bucket, key, BODY, metadata={"delivery-id": "d1"})

    head = store.head(bucket, key)

    assert store.read(bucket, key) == BODY
    assert head.metadata == {"delivery-id": "d1"}
    store.copy(head, bucket, "bronze/x")
    assert store.read(bucket, "bronze/x") == BODY


def test_an_older_version_is_read_by_its_id(store: ObjectStore, bucket: str, tmp_path: Path) -> None:
    _skip_a_folder(store, "keeps one version")
    store.write(bucket, "from_client/a/x.csv", b"older")
    older = store.head(bucket, "from_client/a/x.csv")
    store.write(bucket, "from_client/a/x.csv", b"newer!")

    found = store.head(bucket, "from_client/a/x.csv", older.version_id)
    store.copy(found, bucket, "bronze/x.csv")

    assert found == older
    assert store.download(found, tmp_path / "copy") == hashlib.sha256(b"older").hexdigest()
    assert store.read(bucket, "bronze/x.csv") == b"older"
    assert store.head(bucket, "from_client/a/x.csv").version_id != older.version_id


def test_every_version_of_a_key_is_listed_newest_first(store: ObjectStore, bucket: str) -> None:
    _skip_a_folder(store, "keeps one version")
    for key in ("from_client/a/y.csv", "from_client/a/x.csv"):
        for body in (b"1", b"22", b"333"):
            store.write(bucket, key, body)
    store.delete(bucket, "from_client/a/y.csv")

    found = list(store.versions(bucket, "from_client/"))

    assert [(head.key[-5], head.size_bytes) for head in found] == [(k, n) for k in "xy" for n in (3, 2, 1)]
    assert len({head.version_id for head in found}) == 6


@pytest.mark.parametrize("version_id", ["00000000-0000-0000-0000-000000000000", "no version id at all"])
def test_an_unknown_version_id_is_missing(store: ObjectStore, bucket: str, version_id: str) -> None:
    _skip_a_folder(store, "answers with the version that it has")
    store.write(bucket, "from_client/a/x.csv", b"x")

    with pytest.raises(ObjectMissingError):
        store.head(bucket, "from_client/a/x.csv", version_id)


def test_a_large_file_is_written_in_parts_under_the_same_conditions(
    settings: Settings, provisioned: Provisioned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts have at least 5 MiB. An upload whose precondition fails leaves no object and no parts."""
    monkeypatch.setattr(s3_store, "_PART_BYTES", 5 << 20)
    store, bucket, key = S3Store(settings), provisioned.bucket, "silver/large.parquet"
    body, other = tmp_path / "body", tmp_path / "other"
    body.write_bytes(b"0123456789abcdef" * (11 << 16))
    other.write_bytes(b"fedcba9876543210" * (11 << 16))

    etag = store.write(bucket, key, body, if_absent=True, metadata={"delivery-id": "d1"})
    for condition in ({"if_absent": True}, {"if_match": "0" * 32}):
        with pytest.raises(PreconditionFailedError):
            store.write(bucket, key, other, **condition)

    head = store.head(bucket, key)
    assert (head.etag, head.metadata, head.size_bytes) == (etag, {"delivery-id": "d1"}, 11 << 20)
    assert etag.endswith("-3")
    assert store.download(head, tmp_path / "copy") == hashlib.sha256(body.read_bytes()).hexdigest()
    assert store.write(bucket, key, other, if_match=etag) == store.head(bucket, key).etag != etag
    client = make_client(settings, "s3")
    assert not client.list_multipart_uploads(Bucket=bucket).get("Uploads")


def test_a_server_that_does_not_answer_is_a_transient_error(settings: Settings) -> None:
    store = S3Store(replace(settings, aws_endpoint_url="http://127.0.0.1:1"))

    with pytest.raises(TransientError, match=r"HEAD s3://b/k"):
        store.head("b", "k")
    with pytest.raises(TransientError):
        list(store.list("b", "k"))


def _skip_a_folder(store: ObjectStore, because: str) -> None:
    if isinstance(store, LocalStore):
        pytest.skip(f"a folder {because}")


def _read_somehow(store: ObjectStore, operation: str, head: ObjectHead, folder: Path) -> bytes:
    if operation == "head":
        return json.dumps(store.head(head.bucket, head.key).size_bytes).encode()
    if operation == "read":
        return store.read(head.bucket, head.key)
    if operation == "download":
        store.download(head, folder / "read")
        return (folder / "read").read_bytes()
    store.copy(head, head.bucket, "bronze/read")
    return store.read(head.bucket, "bronze/read")


def test_a_bucket_is_versioned_only_if_versioning_is_enabled(settings: Settings, provisioned: Provisioned) -> None:
    store = S3Store(settings)
    assert store.is_versioned(provisioned.bucket) is True
    assert versioning_warning(store, provisioned.bucket) is None
    plain = f"plain-{provisioned.bucket}"[:60]
    make_client(settings, "s3").create_bucket(Bucket=plain)
    assert f"--bucket {plain} " in (versioning_warning(store, plain) or "")


def test_a_versioned_bucket_and_a_folder_give_no_warning(store: ObjectStore, bucket: str) -> None:
    assert versioning_warning(store, bucket) is None


def test_a_bucket_that_does_not_exist_is_an_outage_that_names_its_setting(settings: Settings, tmp_path: Path) -> None:
    """It must not look like an object that is missing: a report that is missing is written again."""
    store = S3Store(replace(settings, data_bucket_name="no-such-bucket"))
    calls = [
        lambda: store.read("no-such-bucket", "reports/x.json"),
        lambda: list(store.list("no-such-bucket", "silver/")),
        lambda: list(store.versions("no-such-bucket", "silver/")),
        lambda: store.write("no-such-bucket", "k", b"", if_match="e"),
        lambda: store.is_versioned("no-such-bucket"),
        lambda: store.check_bucket("no-such-bucket", ""),
    ]
    for call in calls:
        with pytest.raises(BucketMissingError, match=r"NoSuchBucket; .* correct DATA_BUCKET_NAME, or create it"):
            call()
    with pytest.raises(BucketMissingError, match="NoSuchBucket; there is no such bucket in AWS_REGION=") as raised:
        store.read("another-bucket", "k")
    assert "DATA_BUCKET_NAME" not in str(raised.value)


@pytest.mark.parametrize(("bucket_name", "key"), [(None, ""), ("s3://a-bucket", "k"), (None, "k" * 1_025)])
def test_a_name_that_s3_cannot_have_is_a_missing_object_and_no_outage(
    settings: Settings, bucket_name: str | None, key: str
) -> None:
    """An ignored object of that name would otherwise hide all others, because they could not be read."""
    store = S3Store(settings)
    for read in (store.head, store.read):
        with pytest.raises(ObjectMissingError):
            read(bucket_name or str(settings.data_bucket_name), key)
