"""Which SNS messages a gateway accepts a second time."""

from datetime import timedelta

from etl_platform.gateway.seen_messages import Claim, SeenMessages
from etl_platform_tests.unit.aws.test_sns_message import NOW, parsed
from etl_platform_tests.unit.sns_posts import notification


def test_an_accepted_message_stays_accepted_until_it_is_too_old() -> None:
    seen, message = SeenMessages(), parsed(notification(NOW))
    assert seen.claim(message, NOW) is Claim.GRANTED
    assert seen.claim(message, NOW) is Claim.IN_PROGRESS
    seen.finish(message, accepted=True, now=NOW)

    assert seen.claim(message, NOW + timedelta(hours=1)) is Claim.ALREADY_ACCEPTED
    assert seen.claim(message, NOW + timedelta(hours=1, seconds=1)) is Claim.GRANTED


def test_a_message_that_was_not_accepted_may_be_sent_again() -> None:
    seen, message = SeenMessages(), parsed(notification(NOW))
    seen.claim(message, NOW)
    seen.finish(message, accepted=False, now=NOW)

    assert seen.claim(message, NOW) is Claim.GRANTED


def test_the_number_of_remembered_messages_is_bounded() -> None:
    seen = SeenMessages(capacity=3)
    messages = [parsed(notification(NOW, f"m{number}")) for number in range(5)]
    for message in messages:
        seen.claim(message, NOW)
        seen.finish(message, accepted=True, now=NOW)

    claims = [seen.claim(message, NOW) for message in messages]

    assert claims == [
        Claim.GRANTED,
        Claim.GRANTED,
        Claim.ALREADY_ACCEPTED,
        Claim.ALREADY_ACCEPTED,
        Claim.ALREADY_ACCEPTED,
    ]
