"""S3 as an ObjectStore.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC
from functools import partial
from pathlib import Path
from typing import Any

from etl_platform.aws.clients import error_code, make_client, make_session
from etl_platform.errors import AccessDeniedError, ObjectMissingError, TransientError
from etl_platform.settings import Settings
from etl_platform.storage.object_store import ObjectHead, StoredVersion
from etl_platform.storage.refused_reads import DENIED, UNEXPLAINED
from etl_platform.storage.s3_errors import (
    MISSING,
    MISSING_VERSION,
    PRECONDITION_FAILED,
    count_response,
    translated_errors,
)

_REFUSED = {"AccessDenied", "403", "NotImplemented"}
_COPY_REFUSED = DENIED | {"InvalidObjectState", "InvalidRequest"}
_BLOCK = 1 << 20
_MAX_ERASED = 1_000
"""Objects of one DeleteObjects: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html"""
_MAX_SINGLE_COPY_BYTES = 5 << 30
_PART_BYTES = 64 << 20
"""S3 allows 10,000 parts, so objects of up to 640 GB."""


class S3Store:
    def __init__(self, settings: Settings, kms_key_id: str | None = None, errors: Counter[str] | None = None) -> None:
        """Objects are encrypted with ``kms_key_id`` if it is given, otherwise by the bucket's default.

        ``errors`` counts failed requests by code, including those that botocore retries with success. Missing objects
        and failed preconditions are not counted.
        """
        self._session = make_session(settings)
        self._s3 = make_client(settings, "s3", session=self._session)
        self._errors = partial(translated_errors, settings)
        if errors is not None:
            self._s3.meta.events.register("response-received.s3", partial(count_response, errors))
        self._encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key_id} if kms_key_id else {}

    def head(self, bucket: str, key: str, version_id: str | None = None, etag: str | None = None) -> ObjectHead:
        missing = MISSING | (MISSING_VERSION if version_id else set())
        with self._errors(f"HEAD s3://{bucket}/{key}", missing, may_be_refused=True):
            answer = self._head(bucket, key, version_id)
        found = ObjectHead(
            bucket,
            key,
            real_version(answer.get("VersionId")),
            answer["ETag"].strip('"'),
            answer["ContentLength"],
            answer["LastModified"].astimezone(UTC),
            answer.get("Metadata", {}),
        )
        return with_etag(found, etag) if version_id is None else found

    def _head(self, bucket: str, key: str, version_id: str | None) -> dict[str, Any]:
        from botocore.exceptions import ClientError

        target = {"Bucket": bucket, "Key": key, **_version(version_id)}
        try:
            answer: dict[str, Any] = self._s3.head_object(**target)
        except ClientError as error:
            if error_code(error) in UNEXPLAINED:
                self._read_first_byte(target)
            raise
        return answer

    def _read_first_byte(self, target: Mapping[str, str]) -> None:
        self._s3.get_object(**target, Range="bytes=0-0")["Body"].close()

    def download(self, head: ObjectHead, path: Path) -> str:
        digest = hashlib.sha256()
        with self._errors(f"GET s3://{head.bucket}/{head.key}", MISSING | PRECONDITION_FAILED), path.open("wb") as file:
            answer = self._s3.get_object(
                Bucket=head.bucket, Key=head.key, IfMatch=f'"{head.etag}"', **_version(head.version_id)
            )
            for block in answer["Body"].iter_chunks(_BLOCK):
                digest.update(block)
                file.write(block)
        return digest.hexdigest()

    def read_start(self, head: ObjectHead, size_bytes: int) -> bytes:
        if not head.size_bytes:
            # No range of an empty object can be read.
            return b""
        missing = MISSING | PRECONDITION_FAILED
        with self._errors(f"GET s3://{head.bucket}/{head.key}", missing, may_be_refused=True):
            answer = self._s3.get_object(
                Bucket=head.bucket,
                Key=head.key,
                IfMatch=f'"{head.etag}"',
                Range=f"bytes=0-{size_bytes - 1}",
                **_version(head.version_id),
            )
            with closing(answer["Body"]) as content:
                # A store that ignores the range sends the whole object.
                body: bytes = content.read(size_bytes)
        return body

    def copy(self, head: ObjectHead, bucket: str, key: str) -> None:
        source = {"Bucket": head.bucket, "Key": head.key, **_version(head.version_id)}
        what = f"COPY s3://{head.bucket}/{head.key} to {key}"
        with self._errors(what, MISSING | PRECONDITION_FAILED), self._blame_source(source, what):
            if head.size_bytes > _MAX_SINGLE_COPY_BYTES:
                self._s3.copy(source, bucket, key)
            else:
                self._s3.copy_object(CopySource=source, CopySourceIfMatch=f'"{head.etag}"', Bucket=bucket, Key=key)

    @contextmanager
    def _blame_source(self, source: Mapping[str, str], what: str) -> Iterator[None]:
        """A copy can be refused because of its source or its destination: read the source, to find out."""
        from botocore.exceptions import ClientError

        try:
            yield
        except ClientError as error:
            if error_code(error) in _COPY_REFUSED:
                with self._errors(what, MISSING, may_be_refused=True):
                    self._read_first_byte(source)
            raise

    def read(self, bucket: str, key: str) -> bytes:
        return self.read_with_etag(bucket, key)[0]

    def read_with_etag(self, bucket: str, key: str) -> tuple[bytes, str]:
        with self._errors(f"GET s3://{bucket}/{key}", MISSING):
            answer = self._s3.get_object(Bucket=bucket, Key=key)
            return answer["Body"].read(), answer["ETag"].strip('"')

    def write(
        self,
        bucket: str,
        key: str,
        body: bytes | Path,
        *,
        if_absent: bool = False,
        if_match: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        condition: dict[str, str] = {"IfNoneMatch": "*"} if if_absent else {}
        if if_match is not None:
            condition["IfMatch"] = f'"{if_match}"'
        # The object that should match may have been deleted.
        deleted = MISSING if if_match is not None else set()
        with self._errors(f"PUT s3://{bucket}/{key}", set(), precondition_failed=PRECONDITION_FAILED | deleted):
            target = {"Bucket": bucket, "Key": key}
            properties = {"Metadata": dict(metadata or {}), **self._encryption}
            if isinstance(body, Path) and body.stat().st_size > _PART_BYTES:
                answer = self._write_parts(target, body, properties, condition)
            else:
                content = body.read_bytes() if isinstance(body, Path) else body
                answer = self._s3.put_object(**target, Body=content, **properties, **condition)
        return str(answer["ETag"].strip('"'))

    def _write_parts(
        self, target: Mapping[str, str], path: Path, properties: Mapping[str, Any], condition: Mapping[str, str]
    ) -> Any:
        """Write in parts: a single request is limited to 5 GB and would start again after a connection error."""
        from botocore.exceptions import BotoCoreError, ClientError

        started = self._s3.create_multipart_upload(**target, **properties)
        upload = {**target, "UploadId": started["UploadId"]}
        parts: list[dict[str, Any]] = []
        try:
            with path.open("rb") as file:
                for number, block in enumerate(iter(partial(file.read, _PART_BYTES), b""), start=1):
                    sent = self._s3.upload_part(**upload, PartNumber=number, Body=block)
                    parts.append({"PartNumber": number, "ETag": sent["ETag"]})
            return self._s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, **condition)
        except BaseException:
            # S3 stores and bills the parts of an upload until it is completed or aborted. Raise the first error.
            with suppress(BotoCoreError, ClientError):
                self._s3.abort_multipart_upload(**upload)
            raise

    def delete(self, bucket: str, key: str) -> None:
        with self._errors(f"DELETE s3://{bucket}/{key}", set()):
            self._s3.delete_object(Bucket=bucket, Key=key)

    def list(self, bucket: str, prefix: str, after: str = "") -> Iterator[ObjectHead]:
        start = {"StartAfter": after} if after else {}
        with self._errors(f"LIST s3://{bucket}/{prefix}", MISSING):
            for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, **start):
                for entry in page.get("Contents", []):
                    yield _head_of(bucket, entry)

    def versions(self, bucket: str, prefix: str, after: str = "") -> Iterator[ObjectHead]:
        start = {"KeyMarker": after} if after else {}
        with self._errors(f"LIST versions of s3://{bucket}/{prefix}", MISSING):
            for page in self._s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix, **start):
                for entry in page.get("Versions", []):
                    yield _head_of(bucket, entry)

    def stored_versions(self, bucket: str, prefix: str) -> Iterator[StoredVersion]:
        with self._errors(f"LIST versions of s3://{bucket}/{prefix}", MISSING):
            for page in self._s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
                listed = [(entry, False) for entry in page.get("Versions", [])]
                # S3 lists markers apart from versions.
                listed += [({"ETag": "", "Size": 0, **entry}, True) for entry in page.get("DeleteMarkers", [])]
                for entry, is_marker in sorted(listed, key=lambda one: one[0]["Key"].encode()):
                    yield StoredVersion(_head_of(bucket, entry), entry["VersionId"], entry["IsLatest"], is_marker)

    def erase(self, bucket: str, versions: Sequence[StoredVersion], *, bypass_lock: bool = False) -> None:
        # Not always: to send the header takes a permission that only people who erase have.
        bypass = {"BypassGovernanceRetention": True} if bypass_lock else {}
        for start in range(0, len(versions), _MAX_ERASED):
            part = versions[start : start + _MAX_ERASED]
            wanted = [{"Key": version.key, "VersionId": version.version_id} for version in part]
            with self._errors(f"DELETE {len(part)} versions in s3://{bucket}/", set()):
                answer = self._s3.delete_objects(Bucket=bucket, Delete={"Objects": wanted, "Quiet": True}, **bypass)
            refused = [entry for entry in answer.get("Errors", []) if entry["Code"] not in MISSING]
            if refused:
                first = refused[0]
                what = f"{len(refused)} of {len(part)} versions were not deleted, such as s3://{bucket}/{first['Key']}"
                kind = AccessDeniedError if first["Code"] in DENIED else TransientError
                raise kind(f"{what}: {first['Code']}: {first.get('Message', '')}")

    def is_versioned(self, bucket: str) -> bool | None:
        from botocore.exceptions import ClientError

        with self._errors(f"GET versioning of s3://{bucket}", MISSING):
            try:
                return bool(self._s3.get_bucket_versioning(Bucket=bucket).get("Status") == "Enabled")
            except ClientError as error:
                # s3:GetBucketVersioning is optional: nothing else needs it.
                if error_code(error) in _REFUSED:
                    return None
                raise

    def check_bucket(self, bucket: str, prefix: str) -> None:
        """Return if the prefix of the bucket can be listed; raise ObjectMissingError or TransientError otherwise.

        HeadBucket has no prefix and is refused to a role that may list only certain prefixes.
        """
        with self._errors(f"LIST s3://{bucket}/{prefix}", MISSING):
            self._s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1)

    def folders(self, bucket: str, prefix: str) -> Iterator[str]:
        with self._errors(f"LIST s3://{bucket}/{prefix}", MISSING):
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
            for page in pages:
                yield from (entry["Prefix"] for entry in page.get("CommonPrefixes", []))


def _head_of(bucket: str, entry: Mapping[str, Any]) -> ObjectHead:
    return ObjectHead(
        bucket,
        entry["Key"],
        real_version(entry.get("VersionId")),
        entry["ETag"].strip('"'),
        entry["Size"],
        entry["LastModified"].astimezone(UTC),
        is_latest=entry.get("IsLatest", True),
    )


def with_etag(head: ObjectHead, etag: str | None) -> ObjectHead:
    """The latest version, which must have the eTag if one is given."""
    if etag not in {None, head.etag}:
        raise ObjectMissingError(f"s3://{head.bucket}/{head.key} was overwritten: its eTag is {head.etag}, not {etag}")
    return head


def _version(version_id: str | None) -> dict[str, str]:
    return {"VersionId": version_id} if version_id else {}


def real_version(version_id: Any) -> str | None:
    """The version id; None for unversioned objects, whose id is ``null`` or absent."""
    return version_id if version_id and version_id != "null" else None
