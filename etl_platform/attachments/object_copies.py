"""Server-side copies from one bucket to another, a bounded number at once. plan.py decides which objects to copy.

Most copies go through obstore, as a plain CopyObject: S3 keeps metadata, content type and tags. boto3 makes the others:

- objects above 5 GB, as a multipart copy, which needs metadata, content type and tags passed explicitly
- objects encrypted with KMS, if the destination has no KMS key of its own
- keys that obstore cannot name, and copies that failed in obstore, because boto3 reports S3's error code

https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
"""

import asyncio
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from etl_platform.attachments.object_lookup import ObjectLookup, bucket_error, problem_of
from etl_platform.attachments.plan import Copy, ObjectInfo, Problem, Status
from etl_platform.aws.clients import error_code, make_client
from etl_platform.aws.obstore_client import can_name, obstore_errors, open_store
from etl_platform.settings import Settings

LARGEST_SINGLE_COPY = 5 << 30
_PART_BYTES = 512 << 20
_MAX_PARTS = 10_000
_COPIED_PROPERTIES = (
    "CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType", "Metadata",
    "WebsiteRedirectLocation",
)  # fmt: skip
_UNENCRYPTED = "ServerSideEncryptionConfigurationNotFoundError"


class ObjectCopies:
    """Copies between two buckets.

    Args:
        largest_single_copy: size in bytes above which an object is copied in parts.
        part_bytes: size of a part; larger for objects that would need more than 10,000 parts.
    """

    def __init__(
        self,
        settings: Settings,
        source: str,
        destination: str,
        *,
        largest_single_copy: int = LARGEST_SINGLE_COPY,
        part_bytes: int = _PART_BYTES,
    ) -> None:
        self.source, self.destination = source, destination
        self._settings, self._concurrency = settings, settings.copies_at_once
        self._largest, self._part_bytes = largest_single_copy, part_bytes
        self._s3 = make_client(settings, "s3", connections=settings.copies_at_once)

    def find_sources(self, keys: Iterable[str]) -> dict[str, ObjectInfo | Problem]:
        return self._lookup(self.source).find(keys)

    def find_copies(self, keys: Iterable[str]) -> dict[str, ObjectInfo | Problem]:
        return self._lookup(self.destination).find(keys)

    def copy(self, copies: Sequence[Copy], on_copied: Callable[[], None]) -> dict[str, Problem]:
        """Make all copies; returns the failed ones by destination key. ``on_copied`` is called after each attempt.

        Raises:
            PermanentError: a bucket does not exist.
        """
        if not copies:
            return {}
        with_obstore: list[Copy] = []
        with_boto3: list[Copy] = []
        for copy in copies:
            (with_obstore if self._can_use_obstore(copy) else with_boto3).append(copy)
        with_boto3 += self._copy_with_obstore(with_obstore, on_copied)
        return self._copy_with_boto3(with_boto3, on_copied)

    def _lookup(self, bucket: str) -> ObjectLookup:
        store = open_store(self._settings, self._endpoint_url, bucket)
        return ObjectLookup(self._s3, store, bucket, self._concurrency)

    @property
    def _endpoint_url(self) -> str:
        return str(self._s3.meta.endpoint_url)

    def _can_use_obstore(self, copy: Copy) -> bool:
        return (
            copy.size_bytes <= self._largest
            and can_name(copy.source_key)
            and can_name(copy.destination_key)
            and not self._must_pass_encryption
        )

    def _copy_with_obstore(self, copies: Sequence[Copy], on_copied: Callable[[], None]) -> list[Copy]:
        """Returns the copies that were not made. Gives up after as many consecutive failures as copies at once."""
        store = open_store(self._settings, self._endpoint_url, self.source, self.destination) if copies else None
        if store is None:
            return list(copies)
        not_copied: list[Copy] = []
        remaining, errors, consecutive_failures = iter(copies), obstore_errors(), 0

        async def work() -> None:
            nonlocal consecutive_failures
            for copy in remaining:
                if consecutive_failures >= self._concurrency:
                    not_copied.append(copy)
                    continue
                try:
                    await store.copy_async(copy.source_key, copy.destination_key)
                except errors:
                    consecutive_failures += 1
                    not_copied.append(copy)
                else:
                    consecutive_failures = 0
                    on_copied()

        async def run_workers() -> None:
            await asyncio.gather(*(work() for _ in range(min(self._concurrency, len(copies)))))

        asyncio.run(run_workers())
        return not_copied

    def _copy_with_boto3(self, copies: Sequence[Copy], on_copied: Callable[[], None]) -> dict[str, Problem]:
        """Returns the copies that were not made, by destination key."""
        if not copies:
            return {}
        outage = _OutageDetector(self._concurrency)

        def copy_unless_outage(copy: Copy) -> Problem | None:
            if outage.is_detected:
                return Problem(Status.FAILED, "NotTried")
            problem = self._copy_one(copy)
            outage.record(problem)
            on_copied()
            return problem

        with ThreadPoolExecutor(min(self._concurrency, len(copies))) as pool:
            problems = zip(copies, pool.map(copy_unless_outage, copies), strict=True)
            return {copy.destination_key: problem for copy, problem in problems if problem is not None}

    def _copy_one(self, copy: Copy) -> Problem | None:
        from botocore.exceptions import BotoCoreError, ClientError

        source = {"Bucket": self.source, "Key": copy.source_key}
        copy_source = {"CopySource": source, "CopySourceIfMatch": f'"{copy.etag}"'}
        target = {"Bucket": self.destination, "Key": copy.destination_key}
        try:
            in_parts = copy.size_bytes > self._largest
            head = self._s3.head_object(**source) if in_parts or self._must_pass_encryption else {}
            encryption = _encryption(head) if self._must_pass_encryption else {}
            if in_parts:
                properties = self._properties_to_copy(source, head) | encryption
                self._copy_parts(copy_source, target, copy.size_bytes, properties)
            else:
                self._s3.copy_object(**target, **copy_source, **encryption)
        except ClientError as error:
            return problem_of(error, self.destination)
        except BotoCoreError as error:
            return Problem(Status.FAILED, type(error).__name__)
        return None

    def _properties_to_copy(self, source: Mapping[str, str], head: Mapping[str, Any]) -> dict[str, Any]:
        """Headers, metadata and tags, which S3 does not copy in a multipart copy."""
        tags = self._s3.get_object_tagging(**source)["TagSet"]
        properties = {name: head[name] for name in _COPIED_PROPERTIES if name in head}
        return properties | ({"Tagging": urlencode({tag["Key"]: tag["Value"] for tag in tags})} if tags else {})

    def _copy_parts(
        self,
        copy_source: Mapping[str, Any],
        target: Mapping[str, str],
        size_bytes: int,
        properties: Mapping[str, Any],
    ) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        started = self._s3.create_multipart_upload(**target, **properties)
        upload = {**target, "UploadId": started["UploadId"]}
        part_bytes, parts = max(self._part_bytes, -(-size_bytes // _MAX_PARTS)), []
        try:
            for number, start in enumerate(range(0, size_bytes, part_bytes), start=1):
                range_ = f"bytes={start}-{min(start + part_bytes, size_bytes) - 1}"
                answer = self._s3.upload_part_copy(**upload, **copy_source, PartNumber=number, CopySourceRange=range_)
                parts.append({"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]})
            self._s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        except BaseException:
            # S3 stores and bills the parts of an upload until it is completed or aborted. Raise the first error.
            with suppress(BotoCoreError, ClientError):
                self._s3.abort_multipart_upload(**upload)
            raise

    @cached_property
    def _must_pass_encryption(self) -> bool:
        """Whether a plain copy might lose its source's KMS encryption; makes at most two calls per pair of buckets.

        A destination that encrypts with KMS by default encrypts every copy. If neither bucket does, objects are assumed
        not to be encrypted with KMS. If the bucket's encryption may not be read, KMS is assumed.
        """
        return not self._encrypts_with_kms(self.destination) and self._encrypts_with_kms(self.source) is not False

    def _encrypts_with_kms(self, bucket: str) -> bool | None:
        """Whether the bucket encrypts with KMS by default; None if this role may not read its encryption."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            found = self._s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
        except ClientError as error:
            if error_code(error) == _UNENCRYPTED:
                return False
            if problem_of(error, bucket).status is Status.REFUSED:
                return None
            raise bucket_error(bucket, error) from None
        except BotoCoreError as error:
            raise bucket_error(bucket, error) from None
        rules = (rule.get("ApplyServerSideEncryptionByDefault", {}) for rule in found)
        return any(rule.get("SSEAlgorithm", "").startswith("aws:kms") for rule in rules)


class _OutageDetector:
    """Counts consecutive infrastructure failures, so that a run does not retry for hours during an outage."""

    def __init__(self, limit: int) -> None:
        self._limit, self._consecutive_failures, self._lock = limit, 0, threading.Lock()

    @property
    def is_detected(self) -> bool:
        return self._consecutive_failures >= self._limit

    def record(self, problem: Problem | None) -> None:
        with self._lock:
            failed = problem is not None and problem.status is Status.FAILED
            self._consecutive_failures = self._consecutive_failures + 1 if failed else 0


def _encryption(head: Mapping[str, Any]) -> dict[str, Any]:
    """The source's KMS encryption as arguments of a copy; empty for other encryption."""
    if not str(head.get("ServerSideEncryption", "")).startswith("aws:kms"):
        return {}
    names = ("ServerSideEncryption", "SSEKMSKeyId", "BucketKeyEnabled")
    return {name: head[name] for name in names if name in head}
