"""What the platform asks of an object store, whichever it is: S3 or a local folder."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from etl_platform.errors import ObjectMissingError


@dataclass(frozen=True)
class ObjectHead:
    """One object version. ``etag`` comes without quotes; ``last_modified`` is UTC."""

    bucket: str
    key: str
    version_id: str | None
    etag: str
    size_bytes: int
    last_modified: datetime
    metadata: Mapping[str, str] = field(default_factory=dict)


class ObjectStore(Protocol):
    """Every method raises TransientError for infrastructure; those that read raise ObjectMissingError."""

    def head(self, bucket: str, key: str, version_id: str | None = None, etag: str | None = None) -> ObjectHead:
        """One version; without ``version_id`` the latest, which must then have ``etag`` if that is given."""
        ...

    def download(self, head: ObjectHead, path: Path) -> str:
        """Write exactly this version to ``path``; its SHA-256 in hex."""
        ...

    def copy(self, head: ObjectHead, bucket: str, key: str) -> None:
        """Copy exactly this version without its bytes coming here."""
        ...

    def read(self, bucket: str, key: str) -> bytes: ...

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
        """Write a whole object; its eTag. PreconditionFailedError if the condition does not hold."""
        ...

    def delete(self, bucket: str, key: str) -> None:
        """Remove an object if it is there; on a versioned bucket its versions stay."""
        ...

    def list(self, bucket: str, prefix: str) -> Iterator[ObjectHead]:
        """Objects in key order, without metadata and version."""
        ...

    def versions(self, bucket: str, prefix: str) -> Iterator[ObjectHead]:
        """Every version that is kept, in key order and the newest first; ``version_id`` None where none was given."""
        ...

    def is_versioned(self, bucket: str) -> bool | None:
        """Whether an overwritten version is kept; None where the store cannot or may not say."""
        ...

    def folders(self, bucket: str, prefix: str) -> Iterator[str]:
        """The prefixes one ``/`` below a prefix that ends with ``/``, in order."""
        ...


def find_object(store: ObjectStore, bucket: str, key: str) -> ObjectHead | None:
    """The latest version of an object, if it is there.

    Raises:
        TransientError: infrastructure.
    """
    try:
        return store.head(bucket, key)
    except ObjectMissingError:
        return None


def file_sha256(path: Path) -> str:
    """Of a file on local disk, in hex, as ``download`` tells it of what it wrote."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def versioning_warning(store: ObjectStore, bucket: str) -> str | None:
    """What a person must know of a bucket that keeps no versions.

    Raises:
        TransientError: infrastructure.
    """
    return no_versions(bucket) if store.is_versioned(bucket) is False else None


def no_versions(bucket: str) -> str:
    return (
        f"bucket {bucket} keeps no versions: a file that is overwritten before it is read is lost, and reconcile "
        f"cannot see that it was there. Turn versioning on: aws s3api put-bucket-versioning --bucket {bucket} "
        "--versioning-configuration Status=Enabled"
    )
