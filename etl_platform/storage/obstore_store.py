"""S3 as an ObjectStore whose HEADs, GETs and PUTs of small objects go through obstore, for a sixth of boto3's CPU.

obstore makes the first attempt. boto3 makes the others, and every call that obstore cannot make: boto3 knows the codes
of S3's errors, follows redirects and corrects clocks.
"""

import hashlib
import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Set
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from random import random
from time import sleep
from typing import TYPE_CHECKING, Any, TypeVar

from etl_platform.aws.clients import has_own_ca
from etl_platform.aws.obstore_client import can_name, obstore_errors, open_store
from etl_platform.errors import ObjectMissingError, PreconditionFailedError
from etl_platform.settings import Settings
from etl_platform.storage.object_store import ObjectHead
from etl_platform.storage.s3_errors import MISSING, MISSING_VERSION, PRECONDITION_FAILED, count_error
from etl_platform.storage.s3_store import S3Store, real_version, with_etag

if TYPE_CHECKING:
    from obstore import GetOptions, PutMode
    from obstore.store import S3Store as Bucket

T = TypeVar("T")

_SMALL_BYTES = 1 << 20
"""Up to here an object is read or written at once, in memory. Beyond, its bytes cost more than the call."""
_MAX_FAILURES = 10
"""Failures in a row, after which boto3 makes all calls: it may know a proxy, or the region of a bucket."""
_CODE = re.compile(r"<Code>([^<]+)</Code>")
_STATUS = re.compile(r"\n +status: (\d{3}),\n")
_SERVER_ERROR, _NO_STATUS = 500, 599
_METADATA_NAME = re.compile(r"(?!cache-|content-|storage-)[a-z0-9-]+")
"""Names of user metadata. obstore takes the others for headers of HTTP."""
_METADATA_VALUE = re.compile(r"[!-~]+(?: [!-~]+)*")


class ObstoreStore(S3Store):
    def __init__(self, settings: Settings, kms_key_id: str | None = None, errors: Counter[str] | None = None) -> None:
        """As S3Store."""
        super().__init__(settings, kms_key_id, errors)
        self._settings, self._kms_key_id, self._counted = settings, kms_key_id, errors
        self._buckets: dict[str, Bucket | None] = {}
        self._lock = threading.Lock()
        self._failures = 0

    def head(self, bucket: str, key: str, version_id: str | None = None, etag: str | None = None) -> ObjectHead:
        options: GetOptions = {"head": True, **_version(version_id)}

        def ask(opened: "Bucket") -> ObjectHead:
            import obstore

            answer = obstore.get(opened, key, options=options)
            found = answer.meta
            metadata = {name: value for name, value in answer.attributes.items() if name == name.lower()}
            version = real_version(found["version"])
            return ObjectHead(bucket, key, version, _etag(found), found["size"], found["last_modified"], metadata)

        missing = MISSING | (MISSING_VERSION if version_id else frozenset())
        found, boto3 = self._attempt("HEAD", bucket, key, ask, missing=missing)
        if found is None:
            return S3Store.head(boto3, bucket, key, version_id, etag)
        return with_etag(found, etag) if version_id is None else found

    def download(self, head: ObjectHead, path: Path) -> str:
        body, boto3 = self._read_version(head, {}) if head.size_bytes <= _SMALL_BYTES else (None, self)
        if body is None:
            return S3Store.download(boto3, head, path)
        path.write_bytes(body)
        return hashlib.sha256(body).hexdigest()

    def read_start(self, head: ObjectHead, size_bytes: int) -> bytes:
        is_small = head.size_bytes and size_bytes <= _SMALL_BYTES
        body, boto3 = self._read_version(head, {"range": (0, size_bytes)}) if is_small else (None, self)
        return S3Store.read_start(boto3, head, size_bytes) if body is None else body

    def _read_version(self, head: ObjectHead, options: "GetOptions") -> tuple[bytes | None, S3Store]:
        """The bytes of exactly this version; as ``_attempt``."""
        exactly: GetOptions = {"if_match": f'"{head.etag}"', **_version(head.version_id), **options}

        def ask(opened: "Bucket") -> bytes:
            import obstore

            return bytes(obstore.get(opened, head.key, options=exactly).bytes())

        return self._attempt("GET", head.bucket, head.key, ask, missing=MISSING | PRECONDITION_FAILED)

    def read_with_etag(self, bucket: str, key: str) -> tuple[bytes, str]:
        def ask(opened: "Bucket") -> tuple[bytes, str] | None:
            import obstore

            answer = obstore.get(opened, key)
            is_small = answer.meta["size"] <= _SMALL_BYTES
            return (bytes(answer.bytes()), _etag(answer.meta)) if is_small else None

        found, boto3 = self._attempt("GET", bucket, key, ask, missing=MISSING)
        return S3Store.read_with_etag(boto3, bucket, key) if found is None else found

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
        mode: PutMode = "create" if if_absent else "overwrite" if if_match is None else {"e_tag": f'"{if_match}"'}

        def ask(opened: "Bucket") -> str | None:
            import obstore

            if not _is_small(body) or not _is_plain(metadata or {}) or (if_absent and if_match is not None):
                return None
            content = body.read_bytes() if isinstance(body, Path) else body
            attributes = dict(metadata or {})
            return _etag(obstore.put(opened, key, content, attributes=attributes, mode=mode, use_multipart=False))

        etag, boto3 = self._attempt("PUT", bucket, key, ask, precondition_failed=PRECONDITION_FAILED)
        if etag is None:
            more: dict[str, Any] = {"if_absent": if_absent, "if_match": if_match, "metadata": metadata}
            return S3Store.write(boto3, bucket, key, body, **more)
        return etag

    def _attempt(
        self,
        method: str,
        bucket: str,
        key: str,
        ask: "Callable[[Bucket], T | None]",
        *,
        missing: Set[str] = frozenset(),
        precondition_failed: Set[str] = frozenset(),
    ) -> tuple[T | None, S3Store]:
        """The answer; or None, and the store whose boto3 makes the call, with the attempts that are left.

        Args:
            missing, precondition_failed: codes that are final, as of ``translated_errors``.
        """
        # S3's code is the first in the text of an error, unless the key in front of it contains one.
        is_plain = can_name(key) and "<" not in key
        opened = self._open(bucket) if is_plain and self._is_usable and self._failures < _MAX_FAILURES else None
        if opened is None:
            return None, self
        try:
            answer = ask(opened)
        except obstore_errors() as error:
            status, code = _reason(error)
        else:
            self._failures = 0
            return answer, self
        if code in missing | precondition_failed:
            self._failures = 0
            kind = ObjectMissingError if code in missing else PreconditionFailedError
            raise kind(f"{method} s3://{bucket}/{key}: {code}")
        self._failures += 1
        if self._counted is not None:
            count_error(self._counted, code)
        if status >= _SERVER_ERROR:
            # As boto3 waits before its first repetition.
            sleep(random())  # noqa: S311 - no secret
        return None, self._further_attempts()

    @cached_property
    def _is_usable(self) -> bool:
        """Not if there may be no second attempt, nor where TLS depends on boto3: FIPS, or a CA of one's own."""
        meta = self._s3.meta
        has_own_tls = meta.endpoint_url.startswith("https:") and (meta.config.use_fips_endpoint or has_own_ca())
        return self._settings.aws_max_attempts > 1 and not has_own_tls

    def _open(self, bucket: str) -> "Bucket | None":
        with self._lock:
            if bucket not in self._buckets:
                self._buckets[bucket] = self._open_once(bucket)
            return self._buckets[bucket]

    def _open_once(self, bucket: str) -> "Bucket | None":
        from botocore.exceptions import BotoCoreError

        errors: tuple[type[Exception], ...] = (BotoCoreError, *obstore_errors())
        once, url = replace(self._settings, aws_max_attempts=1), self._s3.meta.endpoint_url
        try:
            return open_store(once, url, bucket, session=self._session, kms_key_id=self._kms_key_id)
        except errors:
            # Such as no credentials, which boto3 explains.
            return None

    def _further_attempts(self) -> S3Store:
        with self._lock:
            return self._boto3

    @cached_property
    def _boto3(self) -> S3Store:
        left = replace(self._settings, aws_max_attempts=self._settings.aws_max_attempts - 1)
        return S3Store(left, self._kms_key_id, self._counted)


def _reason(error: Exception) -> tuple[int, str]:
    """The status and code with which S3 refused a call; if it did not answer, as a server's error."""
    text = str(error)
    status, code = _STATUS.search(text), _CODE.search(text)
    return (int(status[1]), code[1] if code else status[1]) if status else (_NO_STATUS, "NoResponse")


def _etag(found: Mapping[str, Any]) -> str:
    return str(found["e_tag"]).strip('"')


def _version(version_id: str | None) -> "GetOptions":
    return {"version": version_id} if version_id else {}


def _is_small(body: bytes | Path) -> bool:
    return (body.stat().st_size if isinstance(body, Path) else len(body)) <= _SMALL_BYTES


def _is_plain(metadata: Mapping[str, str]) -> bool:
    """Whether obstore writes the metadata as boto3 does."""
    return all(_METADATA_NAME.fullmatch(name) and _METADATA_VALUE.fullmatch(metadata[name]) for name in metadata)
