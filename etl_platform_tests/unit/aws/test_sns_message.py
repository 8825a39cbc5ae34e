"""What SNS posts: the text that is signed, the hosts that are trusted, and what an attacker would send instead."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from etl_platform.aws.sns_message import SnsMessage, check_certificate_url, check_origin, check_subscribe_url, parse_sns
from etl_platform.deliveries.s3_events import parse_message
from etl_platform.errors import NotificationRefusedError
from etl_platform_tests.unit.sns_posts import CERT_URL, EVENT, SUBSCRIBE_URL, TOPIC, confirmation, notification

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SIGNATURE = {"SignatureVersion": "1", "Signature": "RVhBTVBMRQ==", "SigningCertURL": CERT_URL}
EMULATOR = "http://127.0.0.1:4566"


def parsed(fields: dict[str, str], **more: object) -> SnsMessage:
    return parse_sns(json.dumps(fields | SIGNATURE | more).encode())


def test_the_signed_text_of_a_notification_is_its_fields_in_alphabetical_order() -> None:
    fields = {
        "Type": "Notification",
        "MessageId": "22b8",
        "TopicArn": TOPIC,
        "Subject": "My First Message",
        "Message": "Hello\nwörld!",
        "Timestamp": "2026-11-23T12:00:00.656Z",
        "UnsubscribeURL": "https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe",
    }
    head, tail = "Message\nHello\nwörld!\nMessageId\n22b8\n", (
        f"Timestamp\n2026-11-23T12:00:00.656Z\nTopicArn\n{TOPIC}\nType\nNotification\n"
    )  # fmt: skip

    assert parsed(fields).signed_text.decode() == f"{head}Subject\nMy First Message\n{tail}"
    del fields["Subject"]
    assert parsed(fields).signed_text.decode() == head + tail
    assert parsed(fields, Subject=None).signed_text.decode() == head + tail


@pytest.mark.parametrize("kind", ["SubscriptionConfirmation", "UnsubscribeConfirmation"])
def test_the_signed_text_of_a_confirmation_has_url_and_token(kind: str) -> None:
    message = parsed(confirmation(NOW, "1655", Type=kind), Subject="not signed, so not believed")

    assert message.signed_text.decode() == (
        "Message\nYou have chosen to subscribe to the topic.\nMessageId\n1655\n"
        f"SubscribeURL\n{SUBSCRIBE_URL}\nTimestamp\n2026-11-23T12:00:00.000Z\nToken\n2336412f37\n"
        f"TopicArn\n{TOPIC}\nType\n{kind}\n"
    )
    assert "Subject" not in message.fields


def test_the_envelope_is_understood_by_the_intake() -> None:
    (created,) = parse_message(parsed(notification(NOW)).envelope).created

    assert (created.bucket, created.key) == ("b", "from_client/nm_albuquerque/Officer_Detail.csv")


def test_unsigned_records_beside_a_signed_message_do_not_reach_the_intake() -> None:
    """The intake reads Records before Message, and only Message is signed."""
    forged = json.loads(EVENT.replace("nm_albuquerque", "la_new_orleans"))["Records"]
    body = json.dumps(notification(NOW) | SIGNATURE | {"Records": forged})
    assert "la_new_orleans" in parse_message(body).created[0].key

    (created,) = parse_message(parse_sns(body.encode()).envelope).created

    assert created.key == "from_client/nm_albuquerque/Officer_Detail.csv"


def test_the_envelope_has_no_character_that_sqs_refuses_and_is_not_longer_than_the_body() -> None:
    body = json.dumps(notification(NOW, Message="é\ufffe\uffff\u0000\t\U0001f600") | SIGNATURE).encode()
    envelope = parse_sns(body).envelope

    assert json.loads(envelope)["Message"] == "é\ufffe\uffff\u0000\t\U0001f600"
    assert not {"\ufffe", "\uffff", "\u0000"} & set(envelope)
    assert len(envelope.encode()) <= len(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"{}",
        b"[" * 100_000,
        b'{"Type": "Notification"}',
        b'{"Type": ["Notification"]}',
        EVENT.encode(),
        json.dumps(notification(NOW)).encode(),
        *(
            json.dumps(notification(NOW) | SIGNATURE | wrong).encode()
            for wrong in (
                {"Message": None},
                {"Message": {"Records": []}},
                {"Message": "\ud800"},
                {"Subject": 1},
                {"MessageId": "x" * 101},
                {"SignatureVersion": "3"},
                {"SignatureVersion": 1},
                {"Timestamp": "yesterday"},
                {"Timestamp": "2026-11-23T12:00:00"},
                {"Type": "notification"},
                {"Type": "SubscriptionConfirmation"},
            )
        ),
    ],
)
def test_a_body_that_sns_does_not_send_is_malformed(body: bytes) -> None:
    with pytest.raises(NotificationRefusedError) as caught:
        parse_sns(body)
    assert caught.value.code == "malformed"


def test_raw_message_delivery_is_refused_with_a_hint_to_turn_it_off() -> None:
    with pytest.raises(NotificationRefusedError, match="raw message delivery"):
        parse_sns(EVENT.encode())


GOV_TOPIC = "arn:aws-us-gov:sns:us-gov-west-1:123456789012:file-processing-topic"
CHINA_TOPIC = "arn:aws-cn:sns:cn-north-1:123456789012:file-processing-topic"


def with_certificate(url: str, topic: str = TOPIC) -> SnsMessage:
    message = parsed(notification(NOW))
    return replace(message, fields=message.fields | {"SigningCertURL": url, "TopicArn": topic})


@pytest.mark.parametrize(
    ("topic", "url"),
    [
        (TOPIC, CERT_URL),
        (GOV_TOPIC, "https://sns.us-gov-west-1.amazonaws.com/SimpleNotificationService-7ff5318490ec183fbaddaa2a96.pem"),
        (CHINA_TOPIC, "https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-1.pem"),
    ],
)
def test_a_certificate_of_sns_is_trusted_in_every_partition(topic: str, url: str) -> None:
    check_certificate_url(with_certificate(url, topic))


@pytest.mark.parametrize(
    ("topic", "host"),
    [
        (TOPIC, "sns.us-west-2.amazonaws.com"),
        (TOPIC, "sns.us-gov-west-1.amazonaws.com"),
        (TOPIC, "sns.cn-north-1.amazonaws.com.cn"),
        (TOPIC, "sns.us-east-1.amazonaws.com.cn"),
        (GOV_TOPIC, "sns.us-east-1.amazonaws.com"),
        (GOV_TOPIC, "sns.us-gov-east-1.amazonaws.com"),
        (CHINA_TOPIC, "sns.cn-north-1.amazonaws.com"),
        ("arn:aws:sns:.*:123456789012:t", "sns.us-east-1.amazonaws.com"),
        ("arn:aws:sns::123456789012:t", "sns..amazonaws.com"),
    ],
)
def test_sns_of_another_region_or_partition_than_the_topics_is_not_trusted(topic: str, host: str) -> None:
    with pytest.raises(NotificationRefusedError) as certificate:
        check_certificate_url(with_certificate(f"https://{host}/SimpleNotificationService-1.pem", topic))
    assert certificate.value.code == "bad_signature"
    message = parsed(confirmation(NOW))
    url = f"https://{host}/?Action=ConfirmSubscription&TopicArn={topic}&Token=2336412f37"
    with pytest.raises(NotificationRefusedError) as subscribe:
        check_subscribe_url(replace(message, fields=message.fields | {"SubscribeURL": url, "TopicArn": topic}))
    assert subscribe.value.code == "bad_subscribe_url"


HOSTILE = [
    "sns.us-east-1.amazonaws.com.evil.example",
    "sns.us-east-1.amazonaws.com@evil.example",
    "user@sns.us-east-1.amazonaws.com",
    "user:pass@sns.us-east-1.amazonaws.com",
    "evil.example#sns.us-east-1.amazonaws.com",
    "evil.example\\@sns.us-east-1.amazonaws.com",
    "evil.example%2f.sns.us-east-1.amazonaws.com",
    "sns.us-east-1.amazonaws.com:443",
    "sns.us-east-1.amazonaws.com:8443",
    "sns.us-east-1.amazonaws.com.",
    "sns.us-east-1.amazonaws.com.cn.evil.example",
    "sns.us-east-1.amazonaws.com.de",
    "sns.us-east-1.amazonaws.comevil.example",
    "snsxus-east-1.amazonaws.com",
    "sns.us-east-1xamazonaws.com",
    "sns.evil.amazonaws.com",
    "sns.evil.example.us-east-1.amazonaws.com",
    "evil.sns.us-east-1.amazonaws.com",
    "sns.s3.amazonaws.com",
    "sns.us-east-1.s3.amazonaws.com",
    "sns.bucket-1.s3.us-east-1.amazonaws.com",
    "s3.us-east-1.amazonaws.com",
    "sqs.us-east-1.amazonaws.com",
    "sns.amazonaws.com",
    "sns..amazonaws.com",
    "sns.us-east-1.amazonaws.cоm",  # noqa: RUF001 - a Cyrillic o
    "sns.us-east-1。amazonaws.com",
    "ｓns.us-east-1.amazonaws.com",  # noqa: RUF001 - a wide s
    "sns.us-east-١.amazonaws.com",  # noqa: RUF001 - an Arabic one
    "xn--ns-0lc.us-east-1.amazonaws.com",
    "127.0.0.1",
    "169.254.169.254",
    "[::1]",
    "0x7f000001",
    "localhost",
    "sns.us-east-1.amazonaws.com\n.evil.example",
    "sns.us-east-1.amazonaws.com\t",
    "",
]


@pytest.mark.parametrize("host", HOSTILE)
def test_no_other_host_is_trusted(host: str) -> None:
    with pytest.raises(NotificationRefusedError) as certificate:
        check_certificate_url(with_certificate(f"https://{host}/SimpleNotificationService-1.pem"))
    assert certificate.value.code == "bad_signature"
    url = SUBSCRIBE_URL.replace("sns.us-east-1.amazonaws.com", host)
    with pytest.raises(NotificationRefusedError) as subscribe:
        check_subscribe_url(parsed(confirmation(NOW, SubscribeURL=url)))
    assert subscribe.value.code == "bad_subscribe_url"


@pytest.mark.parametrize(
    "url",
    [
        CERT_URL.replace("https", "http"),
        CERT_URL.replace("https", "HTTPS"),
        CERT_URL.replace("https://", "//"),
        CERT_URL.replace("https://", "file://"),
        CERT_URL + "?x=.pem",
        CERT_URL + "#.pem",
        CERT_URL + "\n",
        " " + CERT_URL,
        CERT_URL.removesuffix(".pem"),
        "https://sns.us-east-1.amazonaws.com/?Action=Publish&x=.pem",
        "https://sns.us-east-1.amazonaws.com/../x.pem",
        "https://sns.us-east-1.amazonaws.com/%2e%2e/x.pem",
        "https://sns.us-east-1.amazonaws.com//evil.example/x.pem",
        "https://sns.us-east-1.amazonaws.com/.pem",
        "",
    ],
)
def test_a_certificate_url_in_another_form_is_not_trusted(url: str) -> None:
    with pytest.raises(NotificationRefusedError):
        check_certificate_url(with_certificate(url))


@pytest.mark.parametrize(
    "url",
    [
        SUBSCRIBE_URL.replace("ConfirmSubscription", "Unsubscribe"),
        SUBSCRIBE_URL.replace("file-processing-topic", "other"),
        SUBSCRIBE_URL + "&Action=DeleteTopic",
        SUBSCRIBE_URL.replace("/?", "/x?"),
        SUBSCRIBE_URL.replace("https", "http"),
        SUBSCRIBE_URL + "#x",
        "https://sns.us-east-1.amazonaws.com/",
    ],
)
def test_a_subscribe_url_must_confirm_this_topic_and_nothing_else(url: str) -> None:
    check_subscribe_url(parsed(confirmation(NOW)))
    with pytest.raises(NotificationRefusedError) as caught:
        check_subscribe_url(parsed(confirmation(NOW, SubscribeURL=url)))
    assert caught.value.code == "bad_subscribe_url"


def test_the_emulators_host_is_trusted_only_if_it_is_configured() -> None:
    url = f"{EMULATOR}/SimpleNotificationService-1.pem"
    check_certificate_url(with_certificate(url), EMULATOR)
    check_certificate_url(with_certificate(url), EMULATOR + "/")
    for wrong in (url.replace("4566", "45660"), url.replace("4566", "4566@evil.example"), url + "\n"):
        with pytest.raises(NotificationRefusedError):
            check_certificate_url(with_certificate(wrong), EMULATOR)
    with pytest.raises(NotificationRefusedError):
        check_certificate_url(with_certificate(url))


@pytest.mark.parametrize(
    ("age", "code"),
    [
        (timedelta(0), None),
        (timedelta(hours=1), None),
        (timedelta(hours=1, milliseconds=1), "stale"),
        (timedelta(days=400), "stale"),
        (-timedelta(minutes=15), None),
        (-timedelta(minutes=15, milliseconds=1), "stale"),
    ],
)
def test_a_message_is_accepted_for_an_hour(age: timedelta, code: str | None) -> None:
    message = parsed(notification(NOW - age))
    if code is None:
        check_origin(message, {TOPIC}, NOW)
        return
    with pytest.raises(NotificationRefusedError) as caught:
        check_origin(message, {TOPIC}, NOW)
    assert caught.value.code == code


@pytest.mark.parametrize("topic", [TOPIC + "2", TOPIC.upper(), TOPIC.replace("123456789012", "210987654321"), "", "*"])
def test_only_listed_topics_are_accepted(topic: str) -> None:
    with pytest.raises(NotificationRefusedError) as caught:
        check_origin(parsed(notification(NOW, TopicArn=topic)), {TOPIC}, NOW)
    assert caught.value.code == "foreign_topic"
