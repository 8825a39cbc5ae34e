"""Finds which of many keys exist in a bucket: by listing up to 1,000 neighbouring keys per call, or by HEAD."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from etl_platform.attachments.plan import ObjectInfo, Problem, Status, is_valid_key
from etl_platform.aws.clients import error_code, error_type
from etl_platform.aws.obstore_client import can_name, list_page, obstore_errors
from etl_platform.engine.errors import PermanentError
from etl_platform.errors import TransientError

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from obstore.store import S3Store

PAGE = 1_000
_MIN_KEYS_PER_PAGE = 20
"""If a page covers fewer wanted keys, concurrent HEADs are faster than further listing."""
_NOT_FOUND = {"NoSuchKey", "NoSuchVersion", "NotFound", "404"}
_RETRYABLE = {
    "SlowDown", "Throttling", "ThrottlingException", "RequestTimeout", "RequestTimeTooSkewed", "ExpiredToken",
    "PreconditionFailed", "412", "ConditionalRequestConflict", "OperationAborted",
}  # fmt: skip


class ObjectLookup:
    """Looks up keys of one bucket; lists through obstore where it can. Only the HEADs run concurrently."""

    def __init__(self, s3: Any, obstore_store: "S3Store | None", bucket: str, threads: int) -> None:
        self._s3, self._obstore, self._bucket, self._threads = s3, obstore_store, bucket, threads

    def find(self, keys: Iterable[str]) -> dict[str, ObjectInfo | Problem]:
        """The objects that exist, and the keys that S3 refuses to look up; missing objects are left out.

        Raises:
            PermanentError: the bucket does not exist.
            TransientError: infrastructure failed.
        """
        wanted = sorted({key for key in keys if is_valid_key(key)})
        found: dict[str, ObjectInfo | Problem] = {}
        folder = _common_folder(wanted[0], wanted[-1]) if wanted else ""
        # Without a common folder a page may contain keys that begin with a slash, which obstore strips.
        use_obstore = can_name(folder) and all(can_name(key) for key in wanted)
        start, last_listed, can_list = 0, "", True
        while start < len(wanted):
            # A listing starts after a key: the next wanted key without its last character is just before it.
            after = max(last_listed, wanted[start][:-1])
            page = self._list_page(folder, after, use_obstore=use_obstore) if can_list else None
            can_list = page is not None
            end = start
            if page is not None:
                is_full = len(page) >= PAGE
                last_listed = page[-1][0] if is_full else ""
                end = bisect_right(wanted, last_listed) if is_full else len(wanted)
                _add_wanted(found, page, set(wanted[start:end]))
            if end - start < _MIN_KEYS_PER_PAGE:
                rest = wanted[end : end + PAGE]
                found |= self._heads(rest)
                end += len(rest)
            start = end
        return found

    def _list_page(self, folder: str, after: str, *, use_obstore: bool) -> list[tuple[str, ObjectInfo]] | None:
        """Up to PAGE objects after a key, in key order; None if this role may not list the bucket."""
        if self._obstore is not None and use_obstore:
            try:
                page = list_page(self._obstore, folder, after, PAGE)
            except obstore_errors():
                # One key that obstore cannot name makes its whole page fail. For other errors boto3 reports S3's code.
                return self._list_page_with_boto3(folder, after)
            return [(item["path"], ObjectInfo(item["e_tag"].strip('"'), item["size"])) for item in page]
        return self._list_page_with_boto3(folder, after)

    def _list_page_with_boto3(self, folder: str, after: str) -> list[tuple[str, ObjectInfo]] | None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            page = self._s3.list_objects_v2(
                Bucket=self._bucket, Prefix=f"{folder}/" if folder else "", StartAfter=after, MaxKeys=PAGE
            )
        except ClientError as error:
            if problem_of(error, self._bucket).status is Status.REFUSED:
                return None
            raise bucket_error(self._bucket, error) from None
        except BotoCoreError as error:
            raise bucket_error(self._bucket, error) from None
        return [(item["Key"], ObjectInfo(item["ETag"].strip('"'), item["Size"])) for item in page.get("Contents", [])]

    def _heads(self, keys: Sequence[str]) -> dict[str, ObjectInfo | Problem]:
        if not keys:
            return {}
        with ThreadPoolExecutor(min(self._threads, len(keys))) as pool:
            found = zip(keys, pool.map(self._head, keys), strict=True)
            return {key: object_ for key, object_ in found if object_ is not None}

    def _head(self, key: str) -> ObjectInfo | Problem | None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            head = self._s3.head_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            problem = problem_of(error, self._bucket)
            if problem.status is Status.FAILED:
                raise bucket_error(self._bucket, error) from None
            return None if problem.status is Status.MISSING else problem
        except BotoCoreError as error:
            raise bucket_error(self._bucket, error) from None
        return ObjectInfo(head["ETag"].strip('"'), head["ContentLength"])


def _add_wanted(
    found: dict[str, ObjectInfo | Problem], page: Iterable[tuple[str, ObjectInfo]], wanted: set[str]
) -> None:
    for key, object_ in page:
        # Keep the first: obstore may list a folder's marker under the same key, after the object itself.
        if key in wanted:
            found.setdefault(key, object_)


def _common_folder(first: str, last: str) -> str:
    """The folder of all keys from the first to the last, without its final slash."""
    folder, last_folders = [], last.split("/")[:-1]
    for one, other in zip(first.split("/")[:-1], last_folders, strict=False):
        if one != other:
            break
        folder.append(one)
    return "/".join(folder)


def problem_of(error: "ClientError", bucket: str) -> Problem:
    """The problem of one object that S3's error describes.

    Raises:
        PermanentError: the bucket does not exist, which affects all objects.
    """
    code = error_code(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code == "NoSuchBucket":
        name = error.response["Error"].get("BucketName") or bucket
        raise PermanentError(f"bucket {name} does not exist; correct the bucket's name or create it")
    if code in _NOT_FOUND:
        return Problem(Status.MISSING, "NoSuchKey")
    if code in _RETRYABLE or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Problem(Status.FAILED, code)
    # The response to a HEAD has no body, so its code is only the HTTP status.
    return Problem(Status.REFUSED, {"403": "AccessDenied"}.get(code, code))


def bucket_error(bucket: str, error: Exception) -> TransientError:
    """An infrastructure error for all objects of a bucket. It names no key, because file names may name people."""
    return TransientError(f"s3://{bucket}: {error_type(error)}")
