"""Messages that announce files, late, twice and in every form, and noise among them. No tests."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any, TypeAlias
from urllib.parse import quote_plus

from etl_platform_tests.simulation.files import BUCKET, POISON, PREFIX, Put

MALFORMED = ("not JSON", '{"hello": 1}', '{"Records": [{"eventVersion": "3.0"}]}')
MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0


@dataclass(frozen=True)
class Announcement:
    """One message that reaches the queue: the numbers of the puts that it announces, and what else it contains."""

    at: float
    puts: tuple[int, ...] = ()
    form: str = "sqs"
    sequenced: bool = True
    body: str | None = None
    broken_record: bool = False


Add: TypeAlias = Callable[[str, Announcement], None]
"""Takes what a message is an example of, and the message."""


def announce(random: Random, puts: Sequence[Put], add: Add, *, at_once: bool) -> None:
    """Each put at least once: on time, late, twice, or first lost and announced again days later.

    Args:
        at_once: most puts are announced twice at nearly the same time.
    """
    reordered, unsequenced = random.random() < 0.7, random.random() < 0.25
    packed: list[int] = []
    for number, put in enumerate(puts):
        sequenced = not (unsequenced and random.random() < 0.5)
        form = random.choice(("sqs", "sqs", "sns", "eventbridge"))
        at = put.at + random.uniform(0.1, 3)
        fate = random.random() if reordered else 1.0
        if fate < 0.06:
            add(
                "dropped, then announced again",
                Announcement(put.at + random.uniform(1, 14) * DAY, (number,), form, sequenced),
            )
            continue
        if fate < 0.35:
            add("delayed", Announcement(at + random.uniform(5, 40 * MINUTE), (number,), form, sequenced))
        elif fate < 0.5 and put.body != POISON:
            packed.append(number)
        else:
            add("on time", Announcement(at, (number,), form, sequenced))
        if random.random() < (0.8 if at_once else 0.3):
            late = random.choice((0.0, 5.0, 10.0) if at_once else (0.0, 5.0, 10 * MINUTE, HOUR, 14 * DAY))
            add("duplicates", Announcement(at + late, (number,), random.choice(("sqs", "sns")), sequenced))
        if not sequenced:
            add("without sequencer", Announcement(at + 1, (number,), form, sequenced=False))
    if packed:
        broken = random.random() < 0.2
        what = "several records, one malformed" if broken else "several records"
        add(what, Announcement(puts[packed[-1]].at + 5, tuple(packed), broken_record=broken))


def make_flood(random: Random, puts: Sequence[Put], add: Add) -> None:
    """Hundreds of files at once, before and among those of the others."""
    at = puts[0].at
    for number in range(random.randint(300, 600)):
        record = _record(f"{PREFIX}agency_a/photos/{number}.jpg", f"v{number}", 3, "00A", at)
        add("files of a flood", Announcement(at + random.uniform(0, MINUTE), body=_records([record])))


def make_noise(random: Random, puts: Sequence[Put], add: Add) -> None:
    for _ in range(random.choice((0, 0, 1, 2))):
        at = random.choice(puts).at
        what = random.choice(("malformed", "test event", "folder marker", "no contract"))
        body = {
            "malformed": random.choice(MALFORMED),
            "test event": '{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"bucket"}',
            "folder marker": _records([_record(f"{PREFIX}agency_a/new/", "v1", 0, "00A", at)]),
            "no contract": _records([_record(f"{PREFIX}agency_a/unknown.csv", "v1", 3, "00A", at)]),
        }[what]
        add(what, Announcement(at, body=body))


def body_of(announcement: Announcement, puts: Sequence[Put], versions: Mapping[int, tuple[str, str]]) -> str:
    """The message as S3, SNS or EventBridge writes it; ``versions`` has the id and eTag of each put."""
    if announcement.body is not None:
        return announcement.body
    if announcement.form == "eventbridge":
        (number,) = announcement.puts
        put, (version_id, etag) = puts[number], versions[number]
        entry = {"key": put.key, "size": len(put.body), "etag": etag, "version-id": version_id}
        if announcement.sequenced:
            entry["sequencer"] = put.sequencer
        detail = {"bucket": {"name": BUCKET}, "object": entry}
        return json.dumps({"detail-type": "Object Created", "time": _time(put.at), "detail": detail})
    records = []
    for number in announcement.puts:
        put, (version_id, etag) = puts[number], versions[number]
        sequencer = put.sequencer if announcement.sequenced else None
        records.append(_record(put.key, version_id, len(put.body), sequencer, put.at, etag))
    if announcement.broken_record:
        records.append({"s3": {"bucket": {"name": BUCKET}}})
    body = _records(records)
    return json.dumps({"Type": "Notification", "Message": body}) if announcement.form == "sns" else body


def _record(
    key: str, version_id: str, size: int, sequencer: str | None, at: float, etag: str | None = None
) -> dict[str, Any]:
    entry: dict[str, Any] = {"key": quote_plus(key), "size": size, "versionId": version_id}
    entry |= {"eTag": etag} if etag else {}
    entry |= {"sequencer": sequencer} if sequencer else {}
    return {
        "eventVersion": "2.1",
        "eventName": "ObjectCreated:Put",
        "eventTime": _time(at),
        "s3": {"bucket": {"name": BUCKET}, "object": entry},
    }


def _records(records: list[dict[str, Any]]) -> str:
    return json.dumps({"Records": records})


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()
