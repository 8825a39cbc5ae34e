"""Object-key grammar, both ways. No network, no Dagster.

    from_api/<agency>/<File>
    bronze/<dataset>/agency=<a>/<delivery_id>/<File>
    silver/<dataset>/agency=<a>/<key-slug>.parquet
    quarantine/<dataset>/agency=<a>/<delivery_id>.parquet
    quarantine/_corrections/<dataset>/agency=<a>/<delivery_id>/<number>.json
    reports/<dataset>/agency=<a>/<delivery_id>[.<attempt_id>].json
    reports/_ignored/<delivery_id>.json
    reports/_facts/<dataset>/agency=<a>/<delivery_id>.superseded.json
    reports/_facts/<dataset>/agency=<a>/<delivery_id>.replayed.<attempt_id>.json
    emails/YYYY/MM/DD/<user>/<message-id>_<HHMMSS>.json
    exports/<dataset>/agency=<a>/<dataset>.csv and .parquet
    attachments/agency=<a>/<attachment id>/<file name>
    attachments/agency=<a>/attachments.csv and attachments.parquet

Each delivery has a report; ``_facts`` holds the amendments to reports. Corrections are rows that people
corrected, numbered from 0001 in the order in which they came. What came from an API lies where a delivery of the agency
would lie, below a prefix of its own, which no queue watches.

Agencies are written as Hive partition values: bytes outside ``[A-Za-z0-9._-]`` are percent-encoded, so two
agencies never share a partition. Users and message ids of emails are encoded in the same way.
"""

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import PurePosixPath
from typing import Literal
from urllib.parse import quote

MAX_KEY_BYTES = 1024
"""S3's limit: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html"""

FROM_API = "from_api/"
LAYERS = ("bronze", "silver", "quarantine", "reports")
REPORTS = "reports/"
EMAILS = "emails/"
ATTACHMENTS = "attachments/"
WRITTEN_PREFIXES = ("bronze/", "silver/", "quarantine/", REPORTS, "exports/", EMAILS, ATTACHMENTS, FROM_API)
IGNORED_REPORTS = f"{REPORTS}_ignored/"
AMENDMENTS = f"{REPORTS}_facts/"
_MAX_SEGMENT = 100
_MAX_FILE_NAME_BYTES = 200


@dataclass(frozen=True)
class SourceKey:
    """A source key taken apart: ``<prefix><agency>/[folders/]<file_name>``."""

    agency: str
    file_name: str


def parse_source_key(key: str, source_prefix: str) -> SourceKey | None:
    """Agency and file name of a key, or None when the key has no agency folder or no file name."""
    if not key.startswith(source_prefix):
        return None
    agency, slash, rest = key[len(source_prefix) :].partition("/")
    file_name = rest.rpartition("/")[2]
    if not slash or not agency.strip() or not file_name.strip():
        return None
    return SourceKey(segment(agency), file_name)


def base_name(key: str) -> str:
    return key.rpartition("/")[2]


def segment(text: str) -> str:
    """One safe path segment: injective, at most 100 characters, never ``.`` or ``..``."""
    # JSON can spell half a surrogate pair, which strict UTF-8 cannot.
    encoded = quote(text, safe="-_.", errors="surrogatepass").replace("~", "%7E")
    if not encoded.strip("."):
        encoded = encoded.replace(".", "%2E")
    if len(encoded) > _MAX_SEGMENT:
        encoded = f"{encoded[: _MAX_SEGMENT - 17]}~{_digest(text)}"
    return encoded


def api_snapshot_key(agency: str, file_name: str) -> str:
    """A source key: what an agency's API holds of a dataset, under the file name that the dataset's contract knows."""
    return f"{FROM_API}{agency}/{file_name}"


def partition_prefix(layer: str, dataset: str, agency: str | None = None) -> str:
    """Where one of LAYERS holds an agency's partition of a dataset; all of the dataset without an agency."""
    folder = f"{layer}/{dataset}/"
    return folder if agency is None else f"{folder}agency={agency}/"


def bronze_prefix(dataset: str, agency: str) -> str:
    return partition_prefix("bronze", dataset, agency)


def bronze_key(dataset: str, agency: str, delivery_id: str, file_name: str) -> str:
    """Where the untouched bytes lie. A name that would pass S3's limit is cut in front of its extension."""
    folder = f"{bronze_prefix(dataset, agency)}{delivery_id}/"
    name = file_name if file_name.strip(".") else segment(file_name)
    return folder + _cut(name, MAX_KEY_BYTES - len(folder))


def silver_prefix(dataset: str, agency: str) -> str:
    return partition_prefix("silver", dataset, agency)


def silver_key(dataset: str, agency: str, source_key: str) -> str:
    """One object per source key, so that a newer version of the file replaces its predecessor."""
    stem = re.sub(r"[^a-z0-9]+", "-", PurePosixPath(source_key).stem.lower()).strip("-")[:60]
    slug = f"{stem}-{_digest(source_key)[:8]}" if stem else _digest(source_key)
    return f"{silver_prefix(dataset, agency)}{slug}.parquet"


def quarantine_prefix(dataset: str, agency: str) -> str:
    return partition_prefix("quarantine", dataset, agency)


def quarantine_key(dataset: str, agency: str, delivery_id: str) -> str:
    return f"{quarantine_prefix(dataset, agency)}{delivery_id}.parquet"


def corrections_prefix(dataset: str, agency: str, delivery_id: str | None = None) -> str:
    """The corrections of a partition, or of one of its deliveries."""
    folder = f"quarantine/_corrections/{dataset}/agency={agency}/"
    return folder if delivery_id is None else f"{folder}{delivery_id}/"


def corrections_key(dataset: str, agency: str, delivery_id: str, number: int) -> str:
    return f"{corrections_prefix(dataset, agency, delivery_id)}{number:04d}.json"


def report_prefix(dataset: str, agency: str | None = None, delivery_id: str | None = None) -> str:
    """The reports of a dataset, of an agency's partition of it, or of one of its deliveries and its reprocessings."""
    folder = partition_prefix("reports", dataset, agency)
    return folder if delivery_id is None else f"{folder}{delivery_id}."


def report_key(dataset: str, agency: str, delivery_id: str, attempt_id: str | None = None) -> str:
    """The report of a delivery; with ``attempt_id``, of one reprocessing of it."""
    name = f"{delivery_id}.{attempt_id}" if attempt_id else delivery_id
    return f"{report_prefix(dataset, agency)}{name}.json"


def ignored_key(delivery_id: str) -> str:
    return f"{IGNORED_REPORTS}{delivery_id}.json"


def parse_ignored_key(key: str) -> str:
    """The delivery id in the key of an ignored object's report."""
    return key.removeprefix(IGNORED_REPORTS).removesuffix(".json")


def amendments_prefix(dataset: str, agency: str) -> str:
    return f"{AMENDMENTS}{dataset}/agency={agency}/"


def amendment_key(dataset: str, agency: str, delivery_id: str, kind: str, attempt_id: str | None = None) -> str:
    """The key of an amendment to a report: ``superseded`` at most once, ``replayed`` once per reprocessing."""
    name = f"{delivery_id}.{kind}.{attempt_id}" if attempt_id else f"{delivery_id}.{kind}"
    return f"{amendments_prefix(dataset, agency)}{name}.json"


def export_key(dataset: str, agency: str, suffix: str) -> str:
    """What is made of the application database for others to read; ``suffix`` is ``csv`` or ``parquet``."""
    return f"exports/{dataset}/agency={agency}/{dataset}.{suffix}"


@dataclass(frozen=True)
class Folder:
    """A layer's folder of a dataset, or of an agency's partition of it."""

    dataset: str
    agency: str | None = None


_FOLDER = re.compile(rf"(?:{'|'.join(LAYERS)})/([^/_][^/]*)/(?:agency=([^/]+)/)?")


def parse_folder(prefix: str) -> Folder | None:
    """None for what lies beside the datasets: reports of ignored objects, amendments, corrections."""
    match = _FOLDER.fullmatch(prefix)
    return Folder(*match.groups()) if match else None


@dataclass(frozen=True)
class DeliveryObject:
    """What the key of an object that is named by its delivery says; ``attempt_id`` is of a reprocessing's report."""

    dataset: str
    agency: str
    delivery_id: str
    attempt_id: str | None = None


_NAMED_BY_DELIVERY = (
    re.compile(r"bronze/([^/]+)/agency=([^/]+)/([0-9a-f]+)/[^/]+"),
    re.compile(r"quarantine/([^/]+)/agency=([^/]+)/([0-9a-f]+)\.parquet"),
    re.compile(r"quarantine/_corrections/([^/]+)/agency=([^/]+)/([0-9a-f]+)/[0-9]+\.json"),
    re.compile(r"reports/([^/]+)/agency=([^/]+)/([0-9a-f]+)(?:\.([0-9a-f]+))?\.json"),
)


def parse_delivery_object(key: str) -> DeliveryObject | None:
    """Whose object of bronze, quarantine, corrections or reports this is; None for a key of any other kind."""
    for grammar in _NAMED_BY_DELIVERY:
        if match := grammar.fullmatch(key):
            return DeliveryObject(*match.groups())
    return None


NO_USER = "_unknown"
_EMAIL = re.compile(r"emails/([0-9]{4}/[0-9]{2}/[0-9]{2})/([\w.%~-]+)/([\w.%~-]+)_([0-9]{6})\.json", re.ASCII)


@dataclass(frozen=True)
class EmailKey:
    """``sent_at`` is UTC, to the second; ``user`` and ``message_id`` are as the key spells them."""

    user: str
    message_id: str
    sent_at: datetime


def email_day_prefix(day: date) -> str:
    return f"{EMAILS}{day.year:04}/{day.month:02}/{day.day:02}/"


def email_key(user: str, message_id: str, sent_at: datetime) -> str:
    """Where an email lies, by the UTC time at which its message was sent. An empty user is ``_unknown``."""
    sent_at = sent_at.astimezone(UTC)
    folder = f"{email_day_prefix(sent_at.date())}{segment(user) or NO_USER}/"
    return f"{folder}{segment(message_id) or NO_USER}_{sent_at:%H%M%S}.json"


def parse_email_key(key: str) -> EmailKey | None:
    match = _EMAIL.fullmatch(key)
    if match is None:
        return None
    day, user, message_id, time = match.groups()
    try:
        sent_at = datetime.strptime(f"{day} {time}", "%Y/%m/%d %H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return EmailKey(user, message_id, sent_at) if user.strip(".") else None


def attachments_prefix(agency: str) -> str:
    return f"{ATTACHMENTS}agency={agency}/"


def attachment_key(agency: str, attachment_id: int, file_name: str) -> str:
    """Where an attachment's copy lies: the id tells equal names apart, the name is there to be read."""
    return f"{attachments_prefix(agency)}{attachment_id}/{_readable_name(file_name)}"


def attachments_metadata_key(agency: str, kind: Literal["csv", "parquet"]) -> str:
    """The table of an agency's attachments, beside their folders."""
    return f"{attachments_prefix(agency)}attachments.{kind}"


@dataclass(frozen=True)
class AttachmentKey:
    agency: str
    attachment_id: int
    file_name: str


_ATTACHMENT = re.compile(r"attachments/agency=([^/]+)/(-?[0-9]+)/([^/]+)")


def parse_attachment_key(key: str) -> AttachmentKey | None:
    match = _ATTACHMENT.fullmatch(key)
    return AttachmentKey(match[1], int(match[2]), match[3]) if match else None


def _readable_name(name: str) -> str:
    """The last part of a path, in letters, marks and digits of any script and ``-_.()``; 200 bytes at most."""
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rpartition("/")[2]
    kept = "".join(c if c in "-_.()" or unicodedata.category(c)[0] in "LMN" else "_" for c in last)
    return _cut(kept.lstrip("."), _MAX_FILE_NAME_BYTES) or "file"


def _cut(name: str, most_bytes: int) -> str:
    """A name that is too long loses the end of its stem, not its extension."""
    if len(name.encode()) <= most_bytes:
        return name
    suffix = "".join(PurePosixPath(name).suffixes[-2:])[-20:]
    return name.encode()[: most_bytes - len(suffix.encode())].decode(errors="ignore") + suffix


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
