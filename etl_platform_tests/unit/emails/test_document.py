"""Emails as they come, as they are archived, and what is poison: by examples and by whatever Hypothesis thinks of."""

import json
import string
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_platform.emails.document import FIELDS, ArchivedEmail, UnreadableEmail, is_same_email, read_email, user_of
from etl_platform.object_keys import MAX_KEY_BYTES, email_day_prefix, email_key, parse_email_key, segment

EMAIL = {
    "email_subject": "Subject",
    "email_sender": "John.Doe@example.com",
    "email_timestream": "1693561101",
    "email_content": "Email content",
}
SENT_AT = datetime(2024, 12, 10, 14, 30, 22, 999_000, UTC)
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=400)
"""Half surrogate pairs, which JSON can spell, and control characters included."""
ADDRESS_PARTS = st.sampled_from(
    [*'<>@"+./\\ %~_-=?\0\n', "..", "../", "john", "É", "ß", "I\u0307", "\ud83d", "\uff0e\uff0e\uff0f"]
)
SENDERS = ANY_TEXT | st.lists(ADDRESS_PARTS, max_size=60).map("".join)
TIMES = st.datetimes(
    datetime.fromisoformat("1970-01-01"), datetime.fromisoformat("9999-12-30"), timezones=st.timezones()
)
EMAILS = st.fixed_dictionaries({name: SENDERS if name == "email_sender" else ANY_TEXT for name in FIELDS})
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*FIELDS, "Message", "x"]), inner),
    max_leaves=12,
)


def read(body: Any, message_id: str = "msg-123", sent_at: datetime = SENT_AT) -> ArchivedEmail | UnreadableEmail:
    return read_email(body if isinstance(body, str) else json.dumps(body), message_id, sent_at, "1.0.0")


def archived(body: Any, **how: Any) -> ArchivedEmail:
    found = read(body, **how)
    assert isinstance(found, ArchivedEmail), found
    return found


def test_the_documented_email_gives_the_documented_key_and_document() -> None:
    email = archived(EMAIL)
    assert email.key == "emails/2024/12/10/john.doe/msg-123_143022.json"
    expected = {
        "message_id": "msg-123",
        "processed_at": "2024-12-10T14:30:22Z",
        "email_data": EMAIL,
        "metadata": {"processor_version": "1.0.0", "source": "email-validation-service"},
    }
    assert json.loads(email.document) == expected
    assert email.document == json.dumps(expected).encode()


def test_the_time_is_the_messages_sent_timestamp_in_utc() -> None:
    there = SENT_AT.astimezone(timezone(timedelta(hours=-7)))
    assert archived(EMAIL, sent_at=there) == archived(EMAIL)
    late = archived(EMAIL, sent_at=datetime(2024, 12, 31, 20, 0, tzinfo=timezone(timedelta(hours=-7))))
    assert late.key.startswith("emails/2025/01/01/")
    assert b'"processed_at": "2025-01-01T03:00:00Z"' in late.document


def test_other_fields_and_the_order_of_fields_change_nothing() -> None:
    shuffled = {"extra": [1], **dict(reversed(EMAIL.items()))}
    assert archived(shuffled) == archived(EMAIL)


def test_an_email_in_an_sns_envelope_is_read() -> None:
    envelope = {"Type": "Notification", "MessageId": "sns-1", "Message": json.dumps(EMAIL)}
    assert archived(envelope) == archived(EMAIL)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "the message is not JSON: line 1, column 1"),
        ("{", "the message is not JSON: line 1, column 2"),
        ("[]", "the message is list, not a JSON object"),
        ("null", "the message is null, not a JSON object"),
        ("{}", "missing: email_subject, email_sender, email_timestream, email_content"),
        ({**EMAIL, "email_timestream": 1693561101}, "email_timestream is int, not a string"),
        (
            {**EMAIL, "email_subject": None, "email_content": {}},
            "email_subject is null, email_content is dict, not a string",
        ),
        ({name: EMAIL[name] for name in FIELDS[:3]}, "missing: email_content"),
        ({"Message": "hello"}, "the SNS Message is not JSON: line 1, column 1"),
        ({"Message": "{}"}, "missing: email_subject, email_sender, email_timestream, email_content"),
        ("[" * 100_000, "the message cannot be read as JSON: RecursionError"),
        ('{"email_subject": ' + "9" * 5_000 + "}", "the message cannot be read as JSON: ValueError"),
    ],
)  # fmt: skip
def test_a_body_without_the_four_strings_is_poison_and_the_reason_quotes_no_value(body: Any, reason: str) -> None:
    assert read(body) == UnreadableEmail(reason)


def test_empty_strings_are_accepted() -> None:
    email = archived(dict.fromkeys(FIELDS, ""))
    assert email.key == "emails/2024/12/10/_unknown/msg-123_143022.json"


@pytest.mark.parametrize(
    ("sender", "user"),
    [
        ("john.doe@example.com", "john.doe"),
        ("JOHN.Doe@EXAMPLE.com", "john.doe"),
        ("Doe, John <john.doe@example.com>", "john.doe"),
        ('"Doe <the elder>, John" <john.doe@example.com> ', "john.doe"),
        ("john+news@example.com", "john"),
        ("+news@example.com", "%2Bnews"),
        ('"john doe"@example.com', "john%20doe"),
        ('"a@b"@example.com', "a%40b"),
        ("../../etc/passwd@example.com", "..%2F..%2Fetc%2Fpasswd"),
        ("..@example.com", "%2E%2E"),
        (".@example.com", "%2E"),
        ("josé@example.com", "jos%C3%A9"),
        ("jose\u0301@example.com", "jos%C3%A9"),
        ("half \ud83d@example.com", "half%20%ED%A0%BD"),
        ("nobody", "nobody"),
        ("@example.com", "_unknown"),
        ("<>", "_unknown"),
        ("Mail Delivery <>", "_unknown"),
        ("   ", "_unknown"),
        ("", "_unknown"),
        ("a\0b\n@example.com", "a%00b"),
    ],
)
def test_the_user_folder_of_a_sender(sender: str, user: str) -> None:
    key = email_key(user_of(sender), "m", SENT_AT)
    assert key == f"emails/2024/12/10/{user}/m_143022.json"


def test_long_senders_and_ids_are_cut_and_stay_distinct() -> None:
    one, other = (email_key("é" * 300 + tail, "i" * 900 + tail, SENT_AT) for tail in "ab")
    assert one != other
    assert max(len(one), len(other)) < 300


@given(EMAILS, ANY_TEXT, TIMES)
def test_every_key_stays_under_its_prefix_and_is_parsed_back(
    fields: dict[str, str], message_id: str, at: datetime
) -> None:
    email = archived(fields, message_id=message_id, sent_at=at)
    day, rest = email_day_prefix(at.astimezone(UTC).date()), email.key.split("/")[4:]
    assert email.key.startswith(day)
    assert len(rest) == 2
    assert set("".join(rest)) <= set(string.ascii_letters + string.digits + "-_.%~")
    assert not {"", ".", ".."} & set(email.key.split("/"))
    assert len(email.key.encode()) <= MAX_KEY_BYTES
    found = parse_email_key(email.key)
    assert found is not None
    assert found.sent_at == at.astimezone(UTC).replace(microsecond=0)
    assert found.message_id == (segment(message_id) or "_unknown")
    assert found.user == (segment(user_of(fields["email_sender"])) or "_unknown")


@given(EMAILS, ANY_TEXT, TIMES)
def test_the_same_message_gives_the_same_bytes_and_keeps_every_string(
    fields: dict[str, str], message_id: str, at: datetime
) -> None:
    email = archived(fields, message_id=message_id, sent_at=at)
    assert archived(json.dumps(fields, ensure_ascii=True), message_id=message_id, sent_at=at) == email
    document = json.loads(email.document)
    assert document["email_data"] == fields
    assert document["message_id"] == message_id


@given(st.text() | JSON.map(json.dumps) | JSON.map(lambda value: json.dumps({"Message": json.dumps(value)})))
def test_any_body_is_an_email_or_poison_with_a_plain_reason(body: str) -> None:
    found = read(body)
    assert isinstance(found, ArchivedEmail) or (found.reason.isascii() and found.reason.isprintable())


@pytest.mark.parametrize(
    "key",
    [
        "emails/2024/12/10/../m_143022.json",
        "emails/2024/13/10/a/m_143022.json",
        "emails/2024/12/10/a/m_256022.json",
        "emails/2024/12/10/a/m.json",
        "emails/2024/12/10/a/b/m_143022.json",
        "emails/2024/12/10/a/m_143022.json\n",
        "reports/2024/12/10/a/m_143022.json",
        "emails/٢٠٢٤/12/10/a/m_143022.json",
    ],
)
def test_other_keys_are_not_email_keys(key: str) -> None:
    assert parse_email_key(key) is None


def test_two_documents_of_an_email_may_differ_in_the_package_version_only() -> None:
    document = archived(EMAIL).document
    assert is_same_email(document, document)
    assert is_same_email(document.replace(b"1.0.0", b"0.9.0"), document)
    assert not is_same_email(document.replace(b"Email content", b"Other content"), document)
    assert not is_same_email(document.replace(b"msg-123", b"msg-124"), document)
    for other in (b"", b"[]", b"{}", b"null", b"\xff", b'{"metadata": 1}', b"[" * 100_000):
        assert not is_same_email(other, document)
