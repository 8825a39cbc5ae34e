"""The protocol of an object store, and functions that work with any of them."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from etl_platform.errors import ObjectMissingError


@dataclass(frozen=True)
class ObjectHead:
    """One object version. ``etag`` has no quotes; ``last_modified`` is UTC.

    Attributes:
        is_latest: False for a version that a newer one or a delete marker hides; only ``versions`` finds it out.
    """

    bucket: str
    key: str
    version_id: str | None
    etag: str
    size_bytes: int
    last_modified: datetime
    metadata: Mapping[str, str] = field(default_factory=dict)
    is_latest: bool = field(default=True, compare=False)


@dataclass(frozen=True)
class StoredVersion:
    """One stored version of an object, or a delete marker, which hides the versions before it.

    Attributes:
        version_id: as the store names it, to remove exactly this version; ``null`` for unversioned objects of S3.
        is_latest: whether a read without a version finds it.
    """

    head: ObjectHead
    version_id: str
    is_latest: bool
    is_marker: bool = False

    @property
    def key(self) -> str:
        return self.head.key


class ObjectStore(Protocol):
    """Every method raises TransientError if infrastructure fails; methods that read raise ObjectMissingError."""

    def head(self, bucket: str, key: str, version_id: str | None = None, etag: str | None = None) -> ObjectHead:
        """One version; without ``version_id`` the latest, which must have ``etag`` if it is given."""
        ...

    def download(self, head: ObjectHead, path: Path) -> str:
        """Write exactly this version to ``path``; returns its SHA-256 in hex."""
        ...

    def read_start(self, head: ObjectHead, size_bytes: int) -> bytes:
        """The first bytes of exactly this version: all of them, if it is not larger."""
        ...

    def copy(self, head: ObjectHead, bucket: str, key: str) -> None:
        """Copy exactly this version; S3 copies on the server side."""
        ...

    def read(self, bucket: str, key: str) -> bytes: ...

    def read_with_etag(self, bucket: str, key: str) -> tuple[bytes, str]:
        """The latest version, and its eTag: what ``if_match`` takes to replace it."""
        ...

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
        """Write a whole object; returns its eTag. PreconditionFailedError if a condition is not met."""
        ...

    def delete(self, bucket: str, key: str) -> None:
        """Remove an object if it exists; a versioned bucket keeps its versions."""
        ...

    def list(self, bucket: str, prefix: str, after: str = "") -> Iterator[ObjectHead]:
        """Objects whose keys come after ``after``, in key order; ``metadata`` and ``version_id`` are left empty."""
        ...

    def versions(self, bucket: str, prefix: str, after: str = "") -> Iterator[ObjectHead]:
        """Every stored version, in key order, newest first; ``version_id`` is None for unversioned objects."""
        ...

    def stored_versions(self, bucket: str, prefix: str) -> Iterator[StoredVersion]:
        """Everything that is stored, delete markers too, in key order."""
        ...

    def erase(self, bucket: str, versions: Sequence[StoredVersion], *, bypass_lock: bool = False) -> None:
        """Remove versions for good, unless they are gone already. AccessDeniedError if one is refused.

        Args:
            bypass_lock: also those under an Object Lock in governance mode, which needs a permission of its own.
        """
        ...

    def is_versioned(self, bucket: str) -> bool | None:
        """Whether the store keeps overwritten versions; None if this is unknown or may not be read."""
        ...

    def folders(self, bucket: str, prefix: str) -> Iterator[str]:
        """The prefixes one level below a prefix that ends with ``/``, in order."""
        ...


def find_object(store: ObjectStore, bucket: str, key: str) -> ObjectHead | None:
    """The latest version of an object; None if it does not exist.

    Raises:
        TransientError: infrastructure failed.
    """
    try:
        return store.head(bucket, key)
    except ObjectMissingError:
        return None


def list_folders(
    list_keys: Callable[[str, str, str], Iterator[ObjectHead]], bucket: str, prefix: str, first: str, last: str
) -> Iterator[ObjectHead]:
    """The objects of all folders below a prefix from one to another, in key order: a request for 1,000 of them.

    Args:
        list_keys: ``list`` or ``versions`` of a store.
        first, last: keys that end with ``/``, in key order.
    """
    # "." is the character before "/", and "0" the one after it.
    for head in list_keys(bucket, prefix, f"{first[:-1]}."):
        if head.key >= f"{last[:-1]}0":
            return
        if head.key >= first:
            yield head


def file_sha256(path: Path) -> str:
    """The SHA-256 of a local file in hex, as ``download`` returns it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def versioning_warning(store: ObjectStore, bucket: str) -> str | None:
    """A warning for people if the bucket has no versioning.

    Raises:
        TransientError: infrastructure failed.
    """
    return no_versions(bucket) if store.is_versioned(bucket) is False else None


def no_versions(bucket: str) -> str:
    return (
        f"bucket {bucket} has no versioning: a file that is overwritten before it is read is lost, and reconcile "
        f"cannot detect that. Turn versioning on: aws s3api put-bucket-versioning --bucket {bucket} "
        "--versioning-configuration Status=Enabled"
    )
