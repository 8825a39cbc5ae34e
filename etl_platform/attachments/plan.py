"""Decides which attachments to copy, and builds the metadata row of each. No network, no clock."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from etl_platform.application_db.agencies import Agency
from etl_platform.application_db.attachment_file import AttachmentFile
from etl_platform.object_keys import MAX_KEY_BYTES, attachment_key


class Status(StrEnum):
    """The state of an attachment after a run; an earlier run may have made the copy."""

    COPIED = "copied"
    """The copy exists and has the size of the source and of the database."""
    SIZE_DIFFERS = "size_differs"
    """The copy exists and equals the source; the database records another size."""
    MISSING = "missing"
    """No object has the source key."""
    REFUSED = "refused"
    """S3 refuses and will refuse again: access denied, object archived."""
    FAILED = "failed"
    """Infrastructure failed: another run may succeed."""


COPIED_STATUSES = (Status.COPIED, Status.SIZE_DIFFERS)
"""The copy at the destination equals the source."""


@dataclass(frozen=True)
class ObjectInfo:
    """Size and eTag of an object, as S3 lists them; ``etag`` without quotes."""

    etag: str
    size_bytes: int


@dataclass(frozen=True)
class Problem:
    """Why there is no copy. ``error`` is S3's error code, so it is stable and contains no name and no request id."""

    status: Status
    error: str


@dataclass(frozen=True)
class Copy:
    """One copy to make. ``etag`` is the source's at the time of the lookup."""

    source_key: str
    destination_key: str
    etag: str
    size_bytes: int


@dataclass(frozen=True)
class Row:
    """One row of an agency's metadata table: one per attachment in the database."""

    attachment_id: int
    agency_id: int
    agency: str
    source_bucket: str
    source_key: str
    destination_bucket: str
    destination_key: str
    file_name: str
    content_type: str | None
    recorded_size_bytes: int | None
    size_bytes: int | None
    source_etag: str | None
    destination_etag: str | None
    status: str
    error: str | None


FoundObjects = Mapping[str, ObjectInfo | Problem]
"""By key; objects that do not exist are left out."""
RecordedETags = Mapping[str, tuple[str, str]]
"""By destination key: the eTags of source and copy at the time of copying."""


@dataclass(frozen=True)
class Plan:
    """What a run does. ``already_copied`` and ``problems`` have destination keys; the former need no copy."""

    copies: tuple[Copy, ...]
    already_copied: frozenset[str]
    problems: Mapping[str, Problem]


def destination_keys(files: Sequence[AttachmentFile], agency: str) -> dict[str, AttachmentFile]:
    """Attachments by the key of their copy, in the given order. Ids must be unique, which makes the keys unique."""
    return {attachment_key(agency, file.id, file.file_name): file for file in files}


def is_valid_key(key: str) -> bool:
    """Whether S3 allows an object to have this key."""
    return 0 < len(key.encode("utf-8", "surrogatepass")) <= MAX_KEY_BYTES


def is_current_copy(source: ObjectInfo, copy: ObjectInfo, recorded: tuple[str, str] | None) -> bool:
    """Whether sizes are equal, and eTags are equal or the pair that an earlier run recorded.

    The eTag of a multipart or KMS-encrypted object is not an MD5 and differs from the eTag of its copy. Both stay the
    same until one of the objects is written again.
    """
    if source.size_bytes != copy.size_bytes:
        return False
    return source.etag == copy.etag or recorded == (source.etag, copy.etag)


def needs_recorded_etags(wanted: Mapping[str, AttachmentFile], sources: FoundObjects, targets: FoundObjects) -> bool:
    """Whether some copy has the size of its source and another eTag, so that only recorded eTags can compare them."""
    for key, file in wanted.items():
        source, target = sources.get(file.source_key), targets.get(key)
        if not isinstance(source, ObjectInfo) or not isinstance(target, ObjectInfo):
            continue
        if source.size_bytes == target.size_bytes and source.etag != target.etag:
            return True
    return False


def plan_copies(
    wanted: Mapping[str, AttachmentFile], sources: FoundObjects, targets: FoundObjects, recorded: RecordedETags
) -> Plan:
    """Which attachments to copy, which are already copied, and which cannot be copied."""
    copies: list[Copy] = []
    already_copied: set[str] = set()
    problems: dict[str, Problem] = {}
    for key, file in wanted.items():
        source, target = sources.get(file.source_key), targets.get(key)
        if isinstance(target, Problem):
            problems[key] = target
        elif isinstance(source, Problem):
            problems[key] = source
        elif source is None:
            problems[key] = Problem(Status.MISSING, "NoSuchKey")
        elif target is not None and is_current_copy(source, target, recorded.get(key)):
            already_copied.add(key)
        else:
            copies.append(Copy(file.source_key, key, source.etag, source.size_bytes))
    return Plan(tuple(copies), frozenset(already_copied), problems)


def metadata_rows(
    agency: Agency,
    buckets: tuple[str, str],
    wanted: Mapping[str, AttachmentFile],
    *,
    sources: FoundObjects,
    targets: FoundObjects,
    problems: Mapping[str, Problem],
) -> Iterator[Row]:
    """A row per attachment, in the order of ``wanted``.

    Args:
        buckets: source and destination.
        targets: the objects at the destination after copying.
    """
    for key, file in wanted.items():
        source, target = sources.get(file.source_key), targets.get(key)
        status, error = _status(file, source, target, problems.get(key))
        yield Row(
            attachment_id=file.id,
            agency_id=agency.id,
            agency=agency.partition,
            source_bucket=buckets[0],
            source_key=file.source_key,
            destination_bucket=buckets[1],
            destination_key=key,
            file_name=file.file_name,
            content_type=file.content_type,
            recorded_size_bytes=file.size_bytes,
            size_bytes=target.size_bytes if isinstance(target, ObjectInfo) else None,
            source_etag=source.etag if isinstance(source, ObjectInfo) else None,
            destination_etag=target.etag if isinstance(target, ObjectInfo) else None,
            status=status,
            error=error,
        )


def _status(
    file: AttachmentFile,
    source: ObjectInfo | Problem | None,
    target: ObjectInfo | Problem | None,
    problem: Problem | None,
) -> tuple[Status, str | None]:
    if problem is not None:
        return problem.status, problem.error
    if not isinstance(target, ObjectInfo) or not isinstance(source, ObjectInfo):
        return Status.FAILED, "the copy is not at the destination"
    if target.size_bytes != source.size_bytes:
        return Status.FAILED, "the source changed while it was copied"
    if file.size_bytes is not None and file.size_bytes != target.size_bytes:
        return Status.SIZE_DIFFERS, f"the database records {file.size_bytes} bytes"
    return Status.COPIED, None
