"""Server-side copies from one bucket to another, many at once and bounded. What is copied is the caller's matter.

Two lanes. The light one is a bare CopyObject: S3 itself keeps metadata, content type and tags. The careful one goes
through boto3: above 5 GB in parts, where all of that is carried by hand; with the source's KMS key where the
destination would not encrypt with one of its own; and for whatever the light lane could not do, for S3's word on why.

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

from etl_platform.attachments.object_lookup import ObjectLookup, problem_of, unreachable
from etl_platform.attachments.plan import Copy, Listed, Problem, Status
from etl_platform.aws.clients import error_code, make_client
from etl_platform.aws.obstore_client import can_name, obstore_errors, open_store
from etl_platform.settings import Settings

LARGEST_SINGLE_COPY = 5 << 30
_PART_BYTES = 512 << 20
_MOST_PARTS = 10_000
_KEPT_BY_HAND = (
    "CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType", "Metadata",
    "WebsiteRedirectLocation",
)  # fmt: skip
_UNENCRYPTED = "ServerSideEncryptionConfigurationNotFoundError"


class ObjectCopies:
    """Copies of a pair of buckets.

    Args:
        largest_single_copy: bytes above which an object is copied in parts.
        part_bytes: of a part, unless the object needs larger ones.
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
        self._settings, self._at_once = settings, settings.copies_at_once
        self._largest, self._part_bytes = largest_single_copy, part_bytes
        self._s3 = make_client(settings, "s3", connections=settings.copies_at_once)

    def find_sources(self, keys: Iterable[str]) -> dict[str, Listed | Problem]:
        return self._lookup(self.source).find(keys)

    def find_copies(self, keys: Iterable[str]) -> dict[str, Listed | Problem]:
        return self._lookup(self.destination).find(keys)

    def copy(self, copies: Sequence[Copy], tell: Callable[[], None]) -> dict[str, Problem]:
        """Make all copies; ``tell`` is called for each that is settled. Those that were not made, by destination key.

        Raises:
            PermanentError: a bucket is not there.
        """
        if not copies:
            return {}
        light: list[Copy] = []
        careful: list[Copy] = []
        for copy in copies:
            (light if self._suits_light(copy) else careful).append(copy)
        careful += self._copy_lightly(light, tell)
        return self._copy_carefully(careful, tell)

    def _lookup(self, bucket: str) -> ObjectLookup:
        light = open_store(self._settings, self._endpoint_url, bucket)
        return ObjectLookup(self._s3, light, bucket, self._at_once)

    @property
    def _endpoint_url(self) -> str:
        return str(self._s3.meta.endpoint_url)

    def _suits_light(self, copy: Copy) -> bool:
        return (
            copy.size_bytes <= self._largest
            and can_name(copy.source_key)
            and can_name(copy.destination_key)
            and not self._must_carry_encryption
        )

    def _copy_lightly(self, copies: Sequence[Copy], tell: Callable[[], None]) -> list[Copy]:
        """Those that were not copied. After as many failures in a row as there are copies at once it gives up."""
        light = open_store(self._settings, self._endpoint_url, self.source, self.destination) if copies else None
        if light is None:
            return list(copies)
        left: list[Copy] = []
        waiting, refused, in_a_row = iter(copies), obstore_errors(), 0

        async def work() -> None:
            nonlocal in_a_row
            for copy in waiting:
                if in_a_row >= self._at_once:
                    left.append(copy)
                    continue
                try:
                    await light.copy_async(copy.source_key, copy.destination_key)
                except refused:
                    in_a_row += 1
                    left.append(copy)
                else:
                    in_a_row = 0
                    tell()

        async def work_together() -> None:
            await asyncio.gather(*(work() for _ in range(min(self._at_once, len(copies)))))

        asyncio.run(work_together())
        return left

    def _copy_carefully(self, copies: Sequence[Copy], tell: Callable[[], None]) -> dict[str, Problem]:
        if not copies:
            return {}
        outage = _Outage(self._at_once)

        def one(copy: Copy) -> Problem | None:
            if outage.is_certain:
                return Problem(Status.FAILED, "NotTried")
            problem = self._copy_one(copy)
            outage.note(problem)
            tell()
            return problem

        with ThreadPoolExecutor(min(self._at_once, len(copies))) as pool:
            done = zip(copies, pool.map(one, copies), strict=True)
            return {copy.destination_key: problem for copy, problem in done if problem is not None}

    def _copy_one(self, copy: Copy) -> Problem | None:
        from botocore.exceptions import BotoCoreError, ClientError

        source = {"Bucket": self.source, "Key": copy.source_key}
        pinned = {"CopySource": source, "CopySourceIfMatch": f'"{copy.etag}"'}
        target = {"Bucket": self.destination, "Key": copy.destination_key}
        try:
            in_parts = copy.size_bytes > self._largest
            head = self._s3.head_object(**source) if in_parts or self._must_carry_encryption else {}
            encryption = _encryption(head) if self._must_carry_encryption else {}
            if in_parts:
                self._copy_parts(pinned, target, copy.size_bytes, self._carried(source, head) | encryption)
            else:
                self._s3.copy_object(**target, **pinned, **encryption)
        except ClientError as error:
            return problem_of(error, self.destination)
        except BotoCoreError as error:
            return Problem(Status.FAILED, type(error).__name__)
        return None

    def _carried(self, source: Mapping[str, str], head: Mapping[str, Any]) -> dict[str, Any]:
        """What a copy in parts would lose."""
        tags = self._s3.get_object_tagging(**source)["TagSet"]
        carried = {name: head[name] for name in _KEPT_BY_HAND if name in head}
        return carried | ({"Tagging": urlencode({tag["Key"]: tag["Value"] for tag in tags})} if tags else {})

    def _copy_parts(
        self, pinned: Mapping[str, Any], target: Mapping[str, str], size_bytes: int, carried: Mapping[str, Any]
    ) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        started = self._s3.create_multipart_upload(**target, **carried)
        upload = {**target, "UploadId": started["UploadId"]}
        step, parts = max(self._part_bytes, -(-size_bytes // _MOST_PARTS)), []
        try:
            for number, first in enumerate(range(0, size_bytes, step), start=1):
                extent = f"bytes={first}-{min(first + step, size_bytes) - 1}"
                made = self._s3.upload_part_copy(**upload, **pinned, PartNumber=number, CopySourceRange=extent)
                parts.append({"PartNumber": number, "ETag": made["CopyPartResult"]["ETag"]})
            self._s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        except BaseException:
            # Parts of an upload that is never completed would be kept and paid for; the first error is the one to tell.
            with suppress(BotoCoreError, ClientError):
                self._s3.abort_multipart_upload(**upload)
            raise

    @cached_property
    def _must_carry_encryption(self) -> bool:
        """Whether a bare copy might lose its source's KMS encryption; two calls for a pair of buckets.

        A destination that encrypts with KMS by default does so with every copy. Where neither bucket does, no object is
        taken to. What may not be asked is taken to be so that nothing is lost.
        """
        return not self._encrypts_with_kms(self.destination) and self._encrypts_with_kms(self.source) is not False

    def _encrypts_with_kms(self, bucket: str) -> bool | None:
        """By default; None where the right to ask is missing."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            found = self._s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
        except ClientError as error:
            if error_code(error) == _UNENCRYPTED:
                return False
            if problem_of(error, bucket).status is Status.REFUSED:
                return None
            raise unreachable(bucket, error) from None
        except BotoCoreError as error:
            raise unreachable(bucket, error) from None
        rules = (rule.get("ApplyServerSideEncryptionByDefault", {}) for rule in found)
        return any(rule.get("SSEAlgorithm", "").startswith("aws:kms") for rule in rules)


class _Outage:
    """Certain after so many failures of infrastructure in a row: what is left is not tried for hours."""

    def __init__(self, enough: int) -> None:
        self._enough, self._in_a_row, self._lock = enough, 0, threading.Lock()

    @property
    def is_certain(self) -> bool:
        return self._in_a_row >= self._enough

    def note(self, problem: Problem | None) -> None:
        with self._lock:
            failed = problem is not None and problem.status is Status.FAILED
            self._in_a_row = self._in_a_row + 1 if failed else 0


def _encryption(head: Mapping[str, Any]) -> dict[str, Any]:
    """The source's KMS encryption as arguments of a copy; none for one that S3 encrypts with its own key."""
    if not str(head.get("ServerSideEncryption", "")).startswith("aws:kms"):
        return {}
    names = ("ServerSideEncryption", "SSEKMSKeyId", "BucketKeyEnabled")
    return {name: head[name] for name in names if name in head}
