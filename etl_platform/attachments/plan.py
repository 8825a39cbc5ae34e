"""Which attachments are copied, which are there already, and the row that is recorded of each. No network, no clock."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from etl_platform.application_db.agencies import Agency
from etl_platform.application_db.attachment_file import AttachmentFile
from etl_platform.object_keys import MAX_KEY_BYTES, attachment_key


class Status(StrEnum):
    """What is true of an attachment after a run, whichever run made it so."""

    COPIED = "copied"
    """The copy lies at the destination, with the source's size and that of the database."""
    SIZE_DIFFERS = "size_differs"
    """The copy lies at the destination; the database has another size."""
    MISSING = "missing"
    """No object has the source key."""
    REFUSED = "refused"
    """S3 says no, and would say so again: access denied, archived."""
    FAILED = "failed"
    """Infrastructure: another run may succeed."""


MADE = (Status.COPIED, Status.SIZE_DIFFERS)
"""The copy is the source's."""


@dataclass(frozen=True)
class Listed:
    """An object as a listing shows it; ``etag`` without quotes."""

    etag: str
    size_bytes: int


@dataclass(frozen=True)
class Problem:
    """Why there is no copy: S3's error code, the same on every run, and never a name or an id of a request."""

    status: Status
    error: str


@dataclass(frozen=True)
class Copy:
    """One copy to be made of the object that had this eTag."""

    source_key: str
    destination_key: str
    etag: str
    size_bytes: int


@dataclass(frozen=True)
class Row:
    """One line of an agency's metadata: one row per attachment of the database."""

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


Found = Mapping[str, Listed | Problem]
"""By key; a key that is not in it is not there."""
Remembered = Mapping[str, tuple[str, str]]
"""By destination key, the source's eTag when it was copied and the copy's."""


@dataclass(frozen=True)
class Plan:
    """``there``: destination keys that need no copy."""

    copies: tuple[Copy, ...]
    there: frozenset[str]
    problems: Mapping[str, Problem]


def destination_keys(files: Sequence[AttachmentFile], agency: str) -> dict[str, AttachmentFile]:
    """Each attachment under the key of its copy, in the order given. Ids do not repeat, so neither do keys."""
    return {attachment_key(agency, file.id, file.file_name): file for file in files}


def askable(key: str) -> bool:
    """Whether an object can have this key at all."""
    return 0 < len(key.encode("utf-8", "surrogatepass")) <= MAX_KEY_BYTES


def is_same(source: Listed, copy: Listed, remembered: tuple[str, str] | None) -> bool:
    """Same size and checksum: equal eTags, or the pair that an earlier run recorded.

    A multipart or KMS-encrypted object's eTag is no MD5 and differs from its copy's; both stay as they are for as long
    as neither object is written again.
    """
    if source.size_bytes != copy.size_bytes:
        return False
    return source.etag == copy.etag or remembered == (source.etag, copy.etag)


def needs_memory(wanted: Mapping[str, AttachmentFile], sources: Found, targets: Found) -> bool:
    """Whether some copy cannot be told from its source's eTag alone."""
    for key, file in wanted.items():
        source, target = sources.get(file.source_key), targets.get(key)
        if not isinstance(source, Listed) or not isinstance(target, Listed):
            continue
        if source.size_bytes == target.size_bytes and source.etag != target.etag:
            return True
    return False


def plan_copies(wanted: Mapping[str, AttachmentFile], sources: Found, targets: Found, remembered: Remembered) -> Plan:
    """What is to be copied, what is there, and what cannot be copied; by destination key."""
    copies: list[Copy] = []
    there: set[str] = set()
    problems: dict[str, Problem] = {}
    for key, file in wanted.items():
        source, target = sources.get(file.source_key), targets.get(key)
        if isinstance(target, Problem):
            problems[key] = target
        elif isinstance(source, Problem):
            problems[key] = source
        elif source is None:
            problems[key] = Problem(Status.MISSING, "NoSuchKey")
        elif target is not None and is_same(source, target, remembered.get(key)):
            there.add(key)
        else:
            copies.append(Copy(file.source_key, key, source.etag, source.size_bytes))
    return Plan(tuple(copies), frozenset(there), problems)


def metadata_rows(
    agency: Agency,
    buckets: tuple[str, str],
    wanted: Mapping[str, AttachmentFile],
    *,
    sources: Found,
    targets: Found,
    problems: Mapping[str, Problem],
) -> Iterator[Row]:
    """A row per attachment, in the order of ``wanted``.

    Args:
        buckets: source and destination.
        targets: what lies at the destination after copying.
    """
    for key, file in wanted.items():
        source, target = sources.get(file.source_key), targets.get(key)
        status, error = _verdict(file, source, target, problems.get(key))
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
            size_bytes=target.size_bytes if isinstance(target, Listed) else None,
            source_etag=source.etag if isinstance(source, Listed) else None,
            destination_etag=target.etag if isinstance(target, Listed) else None,
            status=status,
            error=error,
        )


def _verdict(
    file: AttachmentFile,
    source: Listed | Problem | None,
    target: Listed | Problem | None,
    problem: Problem | None,
) -> tuple[Status, str | None]:
    if problem is not None:
        return problem.status, problem.error
    if not isinstance(target, Listed) or not isinstance(source, Listed):
        return Status.FAILED, "the copy is not at the destination"
    if target.size_bytes != source.size_bytes:
        return Status.FAILED, "the source changed while it was copied"
    if file.size_bytes is not None and file.size_bytes != target.size_bytes:
        return Status.SIZE_DIFFERS, f"the database has {file.size_bytes} bytes"
    return Status.COPIED, None
