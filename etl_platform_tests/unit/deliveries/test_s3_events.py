"""Queue messages in every envelope: valid ones as S3 writes them, and malformed ones."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_platform.deliveries.delivery import ObjectVersion
from etl_platform.deliveries.s3_events import ParsedMessage, parse_message

KEY = "from_client/nm_albuquerque/Officer_Detail.csv"
CREATED = ObjectVersion("bucket", KEY, "v1", "e1", 10, "00AB", datetime(2026, 1, 5, tzinfo=UTC))


def record(key: str = KEY, **more: Any) -> dict[str, Any]:
    entry = {"key": key, "size": 10, "eTag": "e1", "versionId": "v1", "sequencer": "00AB"}
    return {
        "eventVersion": "2.1",
        "eventTime": "2026-01-05T00:00:00.000Z",
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": "bucket"}, "object": entry},
        **more,
    }


def s3(*records: Any) -> str:
    return json.dumps({"Records": list(records)})


def sns(body: str) -> str:
    return json.dumps({"Type": "Notification", "MessageId": "m", "TopicArn": "arn", "Message": body})


def eventbridge(key: str = KEY, kind: str = "Object Created") -> str:
    entry = {"key": key, "size": 10, "etag": "e1", "version-id": "v1", "sequencer": "00AB"}
    detail = {"version": "0", "bucket": {"name": "bucket"}, "object": entry}
    return json.dumps({"detail-type": kind, "time": "2026-01-05T00:00:00.000Z", "detail": detail})


@pytest.mark.parametrize("body", [s3(record()), sns(s3(record())), eventbridge(), sns(eventbridge())])
def test_each_envelope_gives_the_same_object(body: str) -> None:
    assert parse_message(body) == ParsedMessage(created=(CREATED,))


def test_bucket_and_key_are_enough() -> None:
    bare = {"s3": {"bucket": {"name": "bucket"}, "object": {"key": KEY}}}
    assert parse_message(s3(bare)).created == (ObjectVersion("bucket", KEY),)


@pytest.mark.parametrize("wrap", [str, sns])
def test_a_test_event_needs_no_work(wrap: Any) -> None:
    body = json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "bucket"})
    assert parse_message(wrap(body)) == ParsedMessage(ignored=("s3:TestEvent",))


@pytest.mark.parametrize(
    ("encoded", "key"),
    [
        ("from_client/a/Use+of+Force.csv", "from_client/a/Use of Force.csv"),
        ("from_client/a/a%2Bb.csv", "from_client/a/a+b.csv"),
        ("from_client/a/100%25.csv", "from_client/a/100%.csv"),
        ("from_client/a/Pe%C3%B1a.csv", "from_client/a/Peña.csv"),
        ("from_client/a/%252B.csv", "from_client/a/%2B.csv"),
        ("from_client/a/%F0%9F%9A%93.csv", "from_client/a/🚓.csv"),
        ("from_client/a/..%2F..%2Fx.csv", "from_client/a/../../x.csv"),
    ],
)
def test_keys_are_form_decoded_once(encoded: str, key: str) -> None:
    assert [event.key for event in parse_message(s3(record(encoded))).created] == [key]


@given(key=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60))
def test_any_key_that_s3_encodes_is_decoded_to_the_same_key(key: str) -> None:
    assert [event.key for event in parse_message(s3(record(quote_plus(key, safe="/")))).created] == [key]


@pytest.mark.parametrize("key", ["a+b%20c.csv", "100%25", "a%2Bb"])
def test_eventbridge_keys_are_not_decoded(key: str) -> None:
    assert [event.key for event in parse_message(eventbridge(key)).created] == [key]


def test_one_malformed_record_does_not_affect_the_others() -> None:
    parsed = parse_message(s3(record(), {"s3": None}, record("other.csv")))
    assert [event.key for event in parsed.created] == [KEY, "other.csv"]
    assert len(parsed.malformed) == 1
    assert "record 1" in parsed.malformed[0]


def test_a_deletion_needs_no_work() -> None:
    parsed = parse_message(s3(record(eventName="ObjectRemoved:Delete"), record()))
    assert (parsed.ignored, parsed.created, parsed.malformed) == (("ObjectRemoved:Delete",), (CREATED,), ())
    assert parse_message(eventbridge(kind="Object Deleted")).ignored == ("Object Deleted",)


def test_an_empty_list_of_records_needs_no_work_but_a_missing_one_is_malformed() -> None:
    assert parse_message(s3()).ignored == ("empty Records",)
    assert parse_message("{}").malformed
    assert parse_message('{"Records": null}').malformed


@pytest.mark.parametrize(
    ("version", "fine"),
    [
        ("2.0", True),
        ("2.5", True),
        ("2", True),
        (2.1, True),
        ("3.0", False),
        ("1.0", False),
        ("20.1", False),
        (None, False),
        ("", False),
        ([], False),
    ],
)
def test_only_event_version_2_is_accepted(version: Any, fine: bool) -> None:
    parsed = parse_message(s3(record(eventVersion=version)))
    assert bool(parsed.created) is fine
    assert bool(parsed.malformed) is not fine


@pytest.mark.parametrize(
    ("key", "fine"), [("k" * 1024, True), ("k" * 1025, False), ("é" * 512, True), ("é" * 512 + "k", False)]
)
def test_a_key_has_at_most_1024_bytes(key: str, fine: bool) -> None:
    for body in (s3(record(quote_plus(key))), eventbridge(key)):
        assert bool(parse_message(body).created) is fine


@pytest.mark.parametrize("key", ["a%FFb", "%C3", "%ED%A0%80", "\ud800"])
def test_a_key_that_is_not_utf_8_is_malformed(key: str) -> None:
    parsed = parse_message(s3(record(key)))
    assert not parsed.created
    assert parsed.malformed


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2026-01-05T01:00:00.500+01:00", datetime(2026, 1, 5, 0, 0, 0, 500_000, UTC)),
        ("2026-01-05T00:00:00", datetime(2026, 1, 5, tzinfo=UTC)),
        ("0001-01-01T00:00:00+14:00", None),
        ("yesterday", None),
        ("\ud800", None),
        (1_767_571_200, None),
        (None, None),
    ],
)
def test_the_time_of_an_event_is_utc_or_not_known(time: object, expected: datetime | None) -> None:
    for body in (s3(record(eventTime=time)), eventbridge().replace('"2026-01-05T00:00:00.000Z"', json.dumps(time))):
        (version,) = parse_message(body).created
        assert version.last_modified == expected


@pytest.mark.parametrize(
    "body", ["", "null", "[]", "3", '"text"', "{", "true", "NaN", "\0", "{}{}", sns("not json"), sns("[]"), sns("3")]
)
def test_a_body_that_is_not_a_json_object_is_malformed(body: str) -> None:
    parsed = parse_message(body)
    assert parsed.malformed
    assert not parsed.created


WRONG: list[Any] = [None, 0, 1.5, True, "", "text", [], [1], {}, {"name": 5}, {"key": []}, "\ud800", -1, 10**30]


@pytest.mark.parametrize(
    "place", [["s3"], ["s3", "bucket"], ["s3", "object"], ["s3", "bucket", "name"], ["s3", "object", "key"]]
)
def test_bucket_and_key_of_the_wrong_type_are_malformed(place: list[str]) -> None:
    for wrong in WRONG:
        if isinstance(wrong, str) and wrong == "text" and len(place) == 3:
            continue
        changed = record()
        parent: Any = changed
        for name in place[:-1]:
            parent = parent[name]
        parent[place[-1]] = wrong
        parsed = parse_message(s3(changed))
        assert not parsed.created, wrong
        assert parsed.malformed


@pytest.mark.parametrize("field", ["size", "eTag", "versionId", "sequencer"])
def test_optional_fields_of_the_wrong_type_are_left_out(field: str) -> None:
    for wrong in (None, [], {}, True, 1.5, "", -1 if field == "size" else 7):
        changed = record()
        changed["s3"]["object"][field] = wrong
        (event,) = parse_message(s3(changed)).created
        assert (
            getattr(event, {"size": "size_bytes", "eTag": "etag", "versionId": "version_id"}.get(field, field)) is None
        )


def test_every_text_of_an_event_can_be_stored_as_utf_8() -> None:
    changed = record()
    changed["s3"]["bucket"]["name"] = "b\ud800"
    for field in ("eTag", "versionId", "sequencer"):
        changed["s3"]["object"][field] = "x\udfff"
    for event in parse_message(s3(changed)).created:
        for value in (event.bucket, event.version_id, event.etag, event.sequencer):
            (value or "").encode()


@pytest.mark.parametrize("body", ['{"\\ud800": 1}', '{"a\\u0000b": 1}', '{"detail-type": {"\\ud800": 1}, "x": 1}'])
def test_every_reason_can_be_sent_as_a_queue_attribute(body: str) -> None:
    """SQS takes UTF-8 text of printable characters, tab, LF and CR, and no empty text."""
    parsed = parse_message(body)
    for reason in parsed.malformed:
        reason.encode()
        assert reason
        assert all(c in "\t\n\r" or c >= " " for c in reason)


@pytest.mark.parametrize("depth", [50, 400, 900, 950, 970, 980, 990, 1_000, 5_000, 200_000])
def test_deep_nesting_does_not_crash(depth: int) -> None:
    deep = "[" * depth + "]" * depth
    for body in (
        deep,
        f'{{"Records": {deep}}}',
        f'{{"Records": [{{"eventVersion": {deep}}}]}}',
        f'{{"Records": [{{"eventName": {deep}}}]}}',
        f'{{"detail-type": {deep}}}',
        f'{{"Message": {json.dumps(deep)}}}',
    ):
        parsed = parse_message(body)
        assert not parsed.created


@settings(max_examples=300)
@given(body=st.text(max_size=80))
def test_no_text_raises_or_announces_an_object(body: str) -> None:
    assert not parse_message(body).created


FIELDS = st.sampled_from(
    [
        "Records",
        "Message",
        "Event",
        "detail-type",
        "detail",
        "s3",
        "bucket",
        "object",
        "name",
        "key",
        "size",
        "eTag",
        "eventVersion",
        "eventName",
        "sequencer",
        "versionId",
        "time",
        "eventTime",
    ]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["s3:TestEvent", "Object Created", "2.1", "ObjectCreated:Put", '{"Records": [1]}', KEY])
)
TREES = st.recursive(LEAVES, lambda t: st.lists(t, max_size=3) | st.dictionaries(FIELDS, t, max_size=5), max_leaves=25)


@settings(max_examples=400)
@given(document=TREES)
def test_no_json_raises_and_every_message_has_a_result(document: Any) -> None:
    parsed = parse_message(json.dumps(document))
    assert parsed.created or parsed.ignored or parsed.malformed
    for event in parsed.created:
        assert event.bucket
        assert 0 < len(event.key.encode()) <= 1024
