"""Which of many keys a bucket has, by listing: 1,000 keys a call where they lie together, HEADs where they do not."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from etl_platform.attachments.plan import Listed, Problem, Status, askable
from etl_platform.aws.clients import error_code, error_type
from etl_platform.aws.obstore_client import can_name, list_page, obstore_errors
from etl_platform.engine.errors import PermanentError
from etl_platform.errors import TransientError

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from obstore.store import S3Store

PAGE = 1_000
_WORTH_A_PAGE = 20
"""Keys that a page must tell of; HEADs, many at once, tell of fewer sooner."""
_GONE = {"NoSuchKey", "NoSuchVersion", "NotFound", "404"}
_AGAIN = {
    "SlowDown", "Throttling", "ThrottlingException", "RequestTimeout", "RequestTimeTooSkewed", "ExpiredToken",
    "PreconditionFailed", "412", "ConditionalRequestConflict", "OperationAborted",
}  # fmt: skip


class ObjectLookup:
    """One bucket; ``light`` lists where it can. Calls follow one another, except for HEADs."""

    def __init__(self, s3: Any, light: "S3Store | None", bucket: str, threads: int) -> None:
        self._s3, self._light, self._bucket, self._threads = s3, light, bucket, threads

    def find(self, keys: Iterable[str]) -> dict[str, Listed | Problem]:
        """The objects that are there, and what S3 refuses to tell.

        Raises:
            PermanentError: there is no such bucket.
            TransientError: infrastructure.
        """
        wanted = sorted({key for key in keys if askable(key)})
        found: dict[str, Listed | Problem] = {}
        folder = _common_folder(wanted[0], wanted[-1]) if wanted else ""
        # Without a folder there may be keys that begin with a slash, which obstore would hide.
        light = can_name(folder) and all(can_name(key) for key in wanted)
        start, last, may_list = 0, "", True
        while start < len(wanted):
            page = self._page(folder, max(last, wanted[start][:-1]), light=light) if may_list else None
            may_list = page is not None
            done = start
            if page is not None:
                full = len(page) >= PAGE
                last = page[-1][0] if full else ""
                done = bisect_right(wanted, last) if full else len(wanted)
                asked = set(wanted[start:done])
                for key, object_ in page:
                    # The first of two: behind an object, obstore may show a folder's marker under the same key.
                    if key in asked:
                        found.setdefault(key, object_)
            if done - start < _WORTH_A_PAGE:
                rest = wanted[done : done + PAGE]
                found |= self._heads(rest)
                done += len(rest)
            start = done
        return found

    def _page(self, folder: str, after: str, *, light: bool) -> list[tuple[str, Listed]] | None:
        """Up to PAGE objects behind a key, in key order; None where listing is not allowed."""
        if self._light is not None and light:
            try:
                page = list_page(self._light, folder, after, PAGE)
            except obstore_errors():
                # A key that obstore cannot name spoils its whole page; boto3 has a word for anything else.
                return self._full_page(folder, after)
            return [(item["path"], Listed(item["e_tag"].strip('"'), item["size"])) for item in page]
        return self._full_page(folder, after)

    def _full_page(self, folder: str, after: str) -> list[tuple[str, Listed]] | None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            page = self._s3.list_objects_v2(
                Bucket=self._bucket, Prefix=f"{folder}/" if folder else "", StartAfter=after, MaxKeys=PAGE
            )
        except ClientError as error:
            if problem_of(error, self._bucket).status is Status.REFUSED:
                return None
            raise unreachable(self._bucket, error) from None
        except BotoCoreError as error:
            raise unreachable(self._bucket, error) from None
        return [(item["Key"], Listed(item["ETag"].strip('"'), item["Size"])) for item in page.get("Contents", [])]

    def _heads(self, keys: Sequence[str]) -> dict[str, Listed | Problem]:
        if not keys:
            return {}
        with ThreadPoolExecutor(min(self._threads, len(keys))) as pool:
            found = zip(keys, pool.map(self._head, keys), strict=True)
            return {key: object_ for key, object_ in found if object_ is not None}

    def _head(self, key: str) -> Listed | Problem | None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            head = self._s3.head_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            problem = problem_of(error, self._bucket)
            if problem.status is Status.FAILED:
                raise unreachable(self._bucket, error) from None
            return None if problem.status is Status.MISSING else problem
        except BotoCoreError as error:
            raise unreachable(self._bucket, error) from None
        return Listed(head["ETag"].strip('"'), head["ContentLength"])


def _common_folder(first: str, last: str) -> str:
    """Of all keys from the first to the last, without its slash at the end."""
    folder, last_folders = [], last.split("/")[:-1]
    for one, other in zip(first.split("/")[:-1], last_folders, strict=False):
        if one != other:
            break
        folder.append(one)
    return "/".join(folder)


def problem_of(error: "ClientError", bucket: str) -> Problem:
    """What S3's answer means for one object.

    Raises:
        PermanentError: for all objects: the bucket is not there.
    """
    code = error_code(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code == "NoSuchBucket":
        raise PermanentError(f"there is no bucket {error.response['Error'].get('BucketName') or bucket}")
    if code in _GONE:
        return Problem(Status.MISSING, "NoSuchKey")
    if code in _AGAIN or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Problem(Status.FAILED, code)
    # The answer to a HEAD has no body, so its code is a bare number.
    return Problem(Status.REFUSED, {"403": "AccessDenied"}.get(code, code))


def unreachable(bucket: str, error: Exception) -> TransientError:
    """Infrastructure, for all objects of a bucket. Keys are left out: people name files after people."""
    return TransientError(f"s3://{bucket}: {error_type(error)}")
