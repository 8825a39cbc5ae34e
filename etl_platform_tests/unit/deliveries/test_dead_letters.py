"""Why a message died, and which messages a redrive takes."""

import json

import pytest

from etl_platform.deliveries.dead_letters.cause_of_death import Cause, Death, LastRun, explain, explain_email, goes_back
from etl_platform.deliveries.s3_events import parse_message

KEY = "from_client/nm_albuquerque/Officer_Detail.csv"
EVENT = parse_message(json.dumps({"Records": [{"s3": {"bucket": {"name": "b"}, "object": {"key": KEY}}}]}))
RUN = "0a1b2c3d-4e5f"


def test_a_message_that_is_no_event_says_what_the_sensor_said() -> None:
    death = explain("the message is not JSON", parse_message("{"), None, history=True)
    assert death == Death(Cause.MALFORMED, "the message is not JSON")
    assert explain(None, parse_message("{"), None, history=True).cause is Cause.MALFORMED


def test_what_an_older_program_could_not_read_may_go_back() -> None:
    death = explain("eventVersion '2.9' is not 2.x", EVENT, None, history=True)
    assert death.cause is Cause.READABLE
    assert "2.9" in death.text


@pytest.mark.parametrize(
    ("run", "cause", "said"),
    [
        (LastRun(RUN, (f"{KEY}: TransientError: HEAD: 503",)), Cause.FAILED, "TransientError: HEAD: 503"),
        (LastRun(RUN, ("from_client/x/y.csv: TransientError: HEAD",)), Cause.UNKNOWN, "other deliveries"),
        (LastRun(RUN), Cause.KILLED, "0a1b2c3d"),
        (None, Cause.UNKNOWN, "no failed run"),
    ],
)
def test_what_sqs_gave_up_is_explained_by_the_last_run_that_held_it(
    run: LastRun | None, cause: Cause, said: str
) -> None:
    death = explain(None, EVENT, run, history=True)
    assert death.cause is cause
    assert said in death.text


def test_without_dagster_the_reason_says_what_to_set() -> None:
    assert "DAGSTER_HOME" in explain(None, EVENT, None, history=False).text


@pytest.mark.parametrize(
    ("ids", "reason", "malformed", "failed"),
    [
        ([], None, False, True),
        ([], "malformed", True, False),
        ([], "failed", False, True),
        ([], "503", False, True),
        ([], "JSON", False, False),
        (["m"], None, True, False),
        (["f"], None, False, True),
        (["m", "f"], "failed", False, True),
    ],
)
def test_a_sweep_leaves_what_is_malformed_and_a_name_takes_it(
    ids: list[str], reason: str | None, malformed: bool, failed: bool
) -> None:
    assert goes_back("m", Death(Cause.MALFORMED, "it is not JSON"), ids, reason) is malformed
    assert goes_back("f", Death(Cause.FAILED, "HEAD: 503"), ids, reason) is failed


@pytest.mark.parametrize(
    ("reason", "poison", "archived", "cause"),
    [
        ("no email_sender", "no email_sender", False, Cause.MALFORMED),
        (None, "no email_sender", False, Cause.MALFORMED),
        ("no email_sender", None, False, Cause.READABLE),
        (None, None, False, Cause.UNKNOWN),
        (None, None, True, Cause.ARCHIVED),
    ],
)
def test_why_a_message_of_the_email_queue_died(
    reason: str | None, poison: str | None, archived: bool, cause: Cause
) -> None:
    assert explain_email(reason, poison, archived=archived).cause is cause
