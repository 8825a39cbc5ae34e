"""The grammar of object keys: builds and parses every key. No network, no Dagster.

    from_api/<agency>/<File>
    bronze/<dataset>/agency=<a>/<delivery_id>/<File>
    silver/<dataset>/agency=<a>/<key-slug>.parquet
    quarantine/<dataset>/agency=<a>/<delivery_id>.parquet
    quarantine/_corrections/<dataset>/agency=<a>/<delivery_id>/<number>.json
    reports/<dataset>/agency=<a>/<delivery_id>[.<attempt_id>].json
    reports/_agencies.json
    reports/_ignored/<delivery_id>.json
    reports/_waiting/<delivery_id>.json
    reports/_erased/<hash of the source key>/<delivery_id>[.<sha256>]
    reports/_index/days/YYYY-MM-DD/<dataset>/agency=<a>/<delivery_id>[.<attempt_id>]
    reports/_index/days.json
    reports/_index/last_deliveries.gz
    reports/_index/summaries/YYYY-MM-DD.gz
    reports/_index/overview.html
    reports/_index/inspected_keys.gz
    reports/_index/silver/<dataset>/agency=<a>.gz
    reports/_index/reports/<dataset>/agency=<a>.gz
    reports/_index/successors/<dataset>/agency=<a>.gz
    reports/_index/series/<dataset>/agency=<a>/<series>.jsonl
    reports/_notices/<dataset>/agency=<a>/<event id>.json
    reports/_notices/_ignored/<event id>.json
    reports/_notices/_outbox.json
    reports/_notices/_overdue.json
    reports/_facts/<dataset>/agency=<a>/<delivery_id>.superseded.json
    reports/_facts/<dataset>/agency=<a>/<delivery_id>.replayed.<attempt_id>.json
    emails/YYYY/MM/DD/<user>/<message-id>_<HHMMSS>.json
    exports/<dataset>/agency=<a>/<dataset>.csv and .parquet
    attachments/agency=<a>/<attachment id>/<file name>
    attachments/agency=<a>/attachments.csv and attachments.parquet

Each delivery has a report; ``_facts`` holds the amendments to reports, ``_waiting`` the deliveries that failed and
have no report yet, ``_notices`` who was notified of what, and ``_erased`` an empty object for each erased delivery.
``_index`` is made from the reports, and may be deleted. ``_agencies.json`` is the register of agencies that were
retired or renamed. Corrections are rows that people corrected, numbered from 0001 in order of arrival. Snapshots of
APIs have source keys under ``from_api/``, a prefix that sends no events to the queue.

An agency is a Hive partition value: bytes outside ``[A-Za-z0-9._-]`` are percent-encoded, so two agencies never share
a partition. Users and message ids of emails are encoded in the same way.
"""

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import PurePosixPath
from typing import Literal
from urllib.parse import quote, unquote

from etl_platform.engine.drift.series_names import series_name

MAX_KEY_BYTES = 1024
"""S3's limit: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html"""

FROM_API = "from_api/"
LAYERS = ("bronze", "silver", "quarantine", "reports")
REPORTS = "reports/"
EMAILS = "emails/"
ATTACHMENTS = "attachments/"
WRITTEN_PREFIXES = ("bronze/", "silver/", "quarantine/", REPORTS, "exports/", EMAILS, ATTACHMENTS, FROM_API)
IGNORED_REPORTS = f"{REPORTS}_ignored/"
ERASED = f"{REPORTS}_erased/"
WAITING_REPORTS = f"{REPORTS}_waiting/"
CORRECTIONS = "quarantine/_corrections/"
AGENCY_REGISTER = f"{REPORTS}_agencies.json"
AMENDMENTS = f"{REPORTS}_facts/"
NOTICES = f"{REPORTS}_notices/"
OUTBOX = f"{NOTICES}_outbox.json"
OVERDUE_FILES = f"{NOTICES}_overdue.json"
INDEX = f"{REPORTS}_index/"
REPORT_DAYS = f"{INDEX}days/"
SERIES = f"{INDEX}series/"
REPORT_DAYS_COMPLETE = f"{INDEX}days.json"
INSPECTED_KEYS = f"{INDEX}inspected_keys.gz"
LAST_DELIVERIES = f"{INDEX}last_deliveries.gz"
OVERVIEW_PAGE = f"{INDEX}overview.html"
_NO_REPORTS = (AMENDMENTS, NOTICES, ERASED, INDEX, WAITING_REPORTS, AGENCY_REGISTER)
_MAX_SEGMENT = 100
_SHORTENED = re.compile(r"[A-Za-z0-9._%-]{83}~[0-9a-f]{16}")
"""What ``segment`` makes of a text that is too long."""
_MAX_FILE_NAME_BYTES = 200
_MAX_METADATA = 1_000
_SILVER_DIGITS = 24
"""96 bits: two of a billion source keys of an agency share them with a probability below 1e-11."""


@dataclass(frozen=True)
class SourceKey:
    """The parts of a source key: ``<prefix><agency>/[folders/]<file_name>``."""

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
    """A text as one safe path segment: injective, at most 100 characters, never ``.`` or ``..``."""
    # JSON can contain a lone surrogate, which strict UTF-8 cannot encode.
    encoded = quote(text, safe="-_.", errors="surrogatepass").replace("~", "%7E")
    if not encoded.strip("."):
        encoded = encoded.replace(".", "%2E")
    if len(encoded) > _MAX_SEGMENT:
        encoded = f"{encoded[: _MAX_SEGMENT - 17]}~{_digest(text)}"
    return encoded


def partition_of(agency: str) -> str:
    """The partition of an agency that a person names: by its folder, or by the partition, as all output shows it.

    A folder whose own name looks encoded, such as ``a%20b``, can be named by its partition only: ``a%2520b``.
    """
    is_partition = _SHORTENED.fullmatch(agency) or segment(unquote(agency, errors="surrogatepass")) == agency
    return agency if is_partition else segment(agency)


def api_snapshot_key(agency: str, file_name: str) -> str:
    """The source key of an API's snapshot of a dataset; ``file_name`` is the one in the dataset's contract."""
    return f"{FROM_API}{agency}/{file_name}"


def partition_prefix(layer: str, dataset: str, agency: str | None = None) -> str:
    """The prefix of an agency's partition of a dataset in one of LAYERS; without an agency, of the whole dataset."""
    folder = f"{layer}/{dataset}/"
    return folder if agency is None else f"{folder}agency={agency}/"


def bronze_prefix(dataset: str, agency: str) -> str:
    return partition_prefix("bronze", dataset, agency)


def bronze_key(dataset: str, agency: str, delivery_id: str, file_name: str) -> str:
    """The key of a delivery's original bytes. A name beyond S3's limit is truncated before its extension."""
    folder = f"{bronze_prefix(dataset, agency)}{delivery_id}/"
    name = file_name if file_name.strip(".") else segment(file_name)
    return folder + _truncate(name, MAX_KEY_BYTES - len(folder))


def silver_prefix(dataset: str, agency: str) -> str:
    return partition_prefix("silver", dataset, agency)


def silver_key(dataset: str, agency: str, source_key: str) -> str:
    """One object per source key, so that a newer version of a file replaces the older one."""
    return _silver_key(dataset, agency, f"{_stem(source_key)}-{_digest(source_key, _SILVER_DIGITS)}")


def short_silver_key(dataset: str, agency: str, source_key: str) -> str:
    """The key in releases up to 0.2. It has 32 bits of the digest, so two source keys can share it."""
    stem, digest = _stem(source_key), _digest(source_key)
    return _silver_key(dataset, agency, f"{stem}-{digest[:8]}" if stem else digest)


SILVER_KEYS = (silver_key, short_silver_key)
"""What makes the keys at which silver of a source key can be."""


def _silver_key(dataset: str, agency: str, slug: str) -> str:
    return f"{silver_prefix(dataset, agency)}{slug.removeprefix('-')}.parquet"


def _stem(source_key: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", PurePosixPath(source_key).stem.lower()).strip("-")[:60]


def metadata_text(source_key: str) -> str:
    """A source key as S3 accepts it in the metadata of an object: ASCII, and at most 1,000 of its 2,048 bytes."""
    encoded = quote(source_key, safe="/-_.", errors="surrogatepass")
    if len(encoded) > _MAX_METADATA:
        encoded = f"{encoded[: _MAX_METADATA - 65]}~{_digest(source_key, 64)}"
    return encoded


def quarantine_prefix(dataset: str, agency: str) -> str:
    return partition_prefix("quarantine", dataset, agency)


def quarantine_key(dataset: str, agency: str, delivery_id: str) -> str:
    return f"{quarantine_prefix(dataset, agency)}{delivery_id}.parquet"


def corrections_prefix(dataset: str, agency: str, delivery_id: str | None = None) -> str:
    """The corrections of a partition, or of one of its deliveries."""
    folder = f"{CORRECTIONS}{dataset}/agency={agency}/"
    return folder if delivery_id is None else f"{folder}{delivery_id}/"


def corrections_key(dataset: str, agency: str, delivery_id: str, number: int) -> str:
    return f"{corrections_prefix(dataset, agency, delivery_id)}{number:04d}.json"


def report_prefix(dataset: str, agency: str | None = None, delivery_id: str | None = None) -> str:
    """The prefix of the reports of a dataset, of an agency's partition, or of one delivery and its reprocessings."""
    folder = partition_prefix("reports", dataset, agency)
    return folder if delivery_id is None else f"{folder}{delivery_id}."


def report_key(dataset: str, agency: str, delivery_id: str, attempt_id: str | None = None) -> str:
    """The key of a delivery's report; with ``attempt_id``, of the report of one reprocessing."""
    name = f"{delivery_id}.{attempt_id}" if attempt_id else delivery_id
    return f"{report_prefix(dataset, agency)}{name}.json"


def is_report(key: str) -> bool:
    """Whether a key below REPORTS is that of a report, or a folder contains reports; those of ignored objects too."""
    return key.startswith(REPORTS) and not key.startswith(_NO_REPORTS)


def ignored_key(delivery_id: str) -> str:
    return f"{IGNORED_REPORTS}{delivery_id}.json"


def parse_ignored_key(key: str) -> str:
    """The delivery id in a key below IGNORED_REPORTS."""
    return key.removeprefix(IGNORED_REPORTS).removesuffix(".json")


def erased_prefix(source_key: str) -> str:
    """The prefix of the entries of erased deliveries of a source key."""
    return f"{ERASED}{_digest(source_key, _SILVER_DIGITS)}/"


def erased_key(source_key: str, delivery_id: str, sha256: str | None) -> str:
    """The key of the entry of an erased delivery; ``sha256`` is of its bytes, None if they could not be read."""
    return f"{erased_prefix(source_key)}{delivery_id}" + (f".{sha256}" if sha256 else "")


def parse_erased_key(key: str) -> tuple[str, str | None]:
    """Delivery id and SHA-256 of an entry below ERASED."""
    delivery_id, _, sha256 = base_name(key).partition(".")
    return delivery_id, sha256 or None


def report_day_prefix(day: date, prefix: str = REPORTS) -> str:
    """The prefix of a day's entries for the reports under a prefix."""
    return f"{REPORT_DAYS}{day.isoformat()}/{prefix.removeprefix(REPORTS)}"


def report_day_key(day: date, report_key: str) -> str:
    """The key of a day's entry for a report, also for one of an ignored object."""
    return report_day_prefix(day, report_key).removesuffix(".json")


def parse_report_day(folder: str) -> date | None:
    """The day of a folder below REPORT_DAYS."""
    try:
        return date.fromisoformat(folder.removeprefix(REPORT_DAYS).removesuffix("/"))
    except ValueError:
        return None


def report_of_day_key(key: str) -> str:
    """The key of the report that an entry below REPORT_DAYS is about."""
    return f"{REPORTS}{key.removeprefix(REPORT_DAYS).partition('/')[2]}.json"


def summaries_key(day: date) -> str:
    """The key of the summaries of the reports of a day."""
    return f"{INDEX}summaries/{day.isoformat()}.gz"


def silver_cache_key(dataset: str, agency: str) -> str:
    """The key of the cache of what the silver objects of a partition hold."""
    return f"{INDEX}silver/{dataset}/agency={agency}.gz"


def foreign_key_caches(dataset: str, agency: str) -> str:
    """The prefix of the caches of what the foreign keys of a partition lack."""
    return f"{INDEX}foreign_keys/{dataset}/agency={agency}/"


def foreign_key_cache_key(dataset: str, agency: str, digest: str) -> str:
    """The key of the cache of what a foreign key of a partition lacks; ``digest`` is of its columns."""
    return f"{foreign_key_caches(dataset, agency)}{digest}.gz"


def report_cache_key(dataset: str, agency: str) -> str:
    """The key of the cache of the reports of a partition."""
    return f"{INDEX}reports/{dataset}/agency={agency}.gz"


def successor_cache_key(dataset: str, agency: str) -> str:
    """The key of the cache of the amendments that name successors of a partition's deliveries."""
    return f"{INDEX}successors/{dataset}/agency={agency}.gz"


def series_prefix(dataset: str, agency: str) -> str:
    """The prefix of the indexes of recent files of a partition."""
    return f"{SERIES}{dataset}/agency={agency}/"


def series_key(dataset: str, agency: str, source_key: str) -> str:
    """The key of the index of the recent files of a series.

    The source keys of a series differ in dates, months and numbers only: ``Stops_2026-10.csv``.
    """
    *folders, name = source_key.split("/")
    below = next((place + 1 for place, folder in enumerate(folders) if segment(folder) == agency), len(folders))
    series = series_name("/".join([*folders[below:], name]))
    stem = _stem(series)
    return f"{series_prefix(dataset, agency)}{f'{stem}-' if stem else ''}{_digest(series, _SILVER_DIGITS)}.jsonl"


def waiting_key(delivery_id: str) -> str:
    """The key of the record of a delivery that failed and waits for its next try."""
    return f"{WAITING_REPORTS}{delivery_id}.json"


def parse_waiting_key(key: str) -> str:
    """The delivery id in a key below WAITING_REPORTS."""
    return key.removeprefix(WAITING_REPORTS).removesuffix(".json")


def notices_prefix(dataset: str | None, agency: str | None) -> str:
    """The prefix of the notices of a partition; without a dataset, of those of ignored objects."""
    return f"{NOTICES}_ignored/" if dataset is None else f"{NOTICES}{dataset}/agency={agency}/"


def notice_key(dataset: str | None, agency: str | None, event_id: str) -> str:
    """The key of the notice of an event: what happened, and who was notified."""
    return f"{notices_prefix(dataset, agency)}{event_id}.json"


def ignored_notice_key(delivery_id: str) -> str:
    return notice_key(None, None, f"{delivery_id}.ignored")


def amendments_prefix(dataset: str, agency: str) -> str:
    return f"{AMENDMENTS}{dataset}/agency={agency}/"


def is_successor(key: str) -> bool:
    """Whether an amendment names the delivery that superseded another one."""
    return key.startswith(AMENDMENTS) and key.endswith(".superseded.json")


def amendment_key(dataset: str, agency: str, delivery_id: str, kind: str, attempt_id: str | None = None) -> str:
    """The key of an amendment to a report: ``superseded`` at most once, ``replayed`` once per reprocessing."""
    name = f"{delivery_id}.{kind}.{attempt_id}" if attempt_id else f"{delivery_id}.{kind}"
    return f"{amendments_prefix(dataset, agency)}{name}.json"


def exports_prefix(dataset: str, agency: str) -> str:
    return f"exports/{dataset}/agency={agency}/"


def export_key(dataset: str, agency: str, suffix: str) -> str:
    """The key of a dataset exported from the application database; ``suffix`` is ``csv`` or ``parquet``."""
    return f"{exports_prefix(dataset, agency)}{dataset}.{suffix}"


@dataclass(frozen=True)
class Folder:
    """A layer's folder of a dataset, or of an agency's partition of it."""

    dataset: str
    agency: str | None = None


_FOLDER = re.compile(rf"(?:{'|'.join(LAYERS)})/([^/_][^/]*)/(?:agency=([^/]+)/)?")


def parse_folder(prefix: str) -> Folder | None:
    """Dataset and agency of a folder; None for folders outside the datasets: ignored, amendments, corrections."""
    match = _FOLDER.fullmatch(prefix)
    return Folder(*match.groups()) if match else None


@dataclass(frozen=True)
class DeliveryObject:
    """The parts of a key that contains a delivery id; ``attempt_id`` only for the report of a reprocessing."""

    dataset: str
    agency: str
    delivery_id: str
    attempt_id: str | None = None


_DELIVERY_OBJECTS = (
    re.compile(r"reports/([^/]+)/agency=([^/]+)/([0-9a-f]+)(?:\.([0-9a-f]+))?\.json"),
    re.compile(r"bronze/([^/]+)/agency=([^/]+)/([0-9a-f]+)/[^/]+"),
    re.compile(r"quarantine/([^/]+)/agency=([^/]+)/([0-9a-f]+)\.parquet"),
    re.compile(r"quarantine/_corrections/([^/]+)/agency=([^/]+)/([0-9a-f]+)/[0-9]+\.json"),
)


def parse_delivery_object(key: str) -> DeliveryObject | None:
    """The parts of a key in bronze, quarantine, corrections or reports; None for any other key."""
    for pattern in _DELIVERY_OBJECTS:
        if match := pattern.fullmatch(key):
            return DeliveryObject(*match.groups())
    return None


NO_USER = "_unknown"
_EMAIL = re.compile(r"emails/([0-9]{4}/[0-9]{2}/[0-9]{2})/([\w.%~-]+)/([\w.%~-]+)_([0-9]{6})\.json", re.ASCII)


@dataclass(frozen=True)
class EmailKey:
    """``sent_at`` is UTC, to the second; ``user`` and ``message_id`` are encoded as in the key."""

    user: str
    message_id: str
    sent_at: datetime


def email_day_prefix(day: date) -> str:
    return f"{EMAILS}{day.year:04}/{day.month:02}/{day.day:02}/"


def email_key(user: str, message_id: str, sent_at: datetime) -> str:
    """The key of an email, by the UTC time at which its message was sent. An empty user is ``_unknown``."""
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
    """The key of an attachment's copy: the id makes it unique, the file name makes it readable."""
    return f"{attachments_prefix(agency)}{attachment_id}/{_readable_name(file_name)}"


def attachments_metadata_key(agency: str, kind: Literal["csv", "parquet"]) -> str:
    """The key of the table of an agency's attachments, beside their folders."""
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
    """The last part of a path, in letters, marks and digits of any script and ``-_.()``; at most 200 bytes."""
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rpartition("/")[2]
    readable = "".join(c if c in "-_.()" or unicodedata.category(c)[0] in "LMN" else "_" for c in last)
    return _truncate(readable.lstrip("."), _MAX_FILE_NAME_BYTES) or "file"


def _truncate(name: str, max_bytes: int) -> str:
    """Shorten the stem of a name and keep its extension."""
    if len(name.encode()) <= max_bytes:
        return name
    suffix = "".join(PurePosixPath(name).suffixes[-2:])[-20:]
    return name.encode()[: max_bytes - len(suffix.encode())].decode(errors="ignore") + suffix


def _digest(text: str, digits: int = 16) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:digits]
