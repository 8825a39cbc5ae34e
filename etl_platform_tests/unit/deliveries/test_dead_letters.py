"""Why a message is in the dead-letter queue, and which messages a redrive sends back."""

import json
from dataclasses import replace

import pytest

from etl_platform.deliveries.dead_letters.reasons import (
    DeadLetterCause,
    DeadLetterReason,
    LastRun,
    explain,
    explain_email,
    may_be_redriven,
)
from etl_platform.deliveries.s3_events import parse_message
from etl_platform_tests.unit.deliveries.failed_delivery import RECORD

KEY = "from_client/nm_albuquerque/Officer_Detail.csv"
EVENT = parse_message(json.dumps({"Records": [{"s3": {"bucket": {"name": "b"}, "object": {"key": KEY}}}]}))
RUN = "0a1b2c3d-4e5f"


def test_a_malformed_message_has_the_reason_that_the_sensor_gave_it() -> None:
    found = explain("the message is not JSON", parse_message("{"), None, runs_known=True)
    assert found == DeadLetterReason(DeadLetterCause.MALFORMED, "the message is not JSON")
    assert explain(None, parse_message("{"), None, runs_known=True).cause is DeadLetterCause.MALFORMED


def test_a_message_that_only_an_older_release_could_not_read_is_readable() -> None:
    found = explain("eventVersion '2.9' is not 2.x", EVENT, None, runs_known=True)
    assert found.cause is DeadLetterCause.READABLE
    assert "2.9" in found.text


@pytest.mark.parametrize(
    ("run", "cause", "said"),
    [
        (LastRun(RUN, (f"{KEY}: TransientError: HEAD: 503",)), DeadLetterCause.FAILED, "TransientError: HEAD: 503"),
        (LastRun(RUN, ("from_client/x/y.csv: TransientError: HEAD",)), DeadLetterCause.UNKNOWN, "other deliveries"),
        (LastRun(RUN), DeadLetterCause.KILLED, "0a1b2c3d"),
        (None, DeadLetterCause.UNKNOWN, "no failed run"),
    ],
)
def test_a_message_that_sqs_moved_has_the_error_of_its_last_run(
    run: LastRun | None, cause: DeadLetterCause, said: str
) -> None:
    found = explain(None, EVENT, run, runs_known=True)
    assert found.cause is cause
    assert said in found.text


def test_without_a_dagster_instance_the_reason_names_the_setting() -> None:
    assert "DAGSTER_HOME" in explain(None, EVENT, None, runs_known=False).text


@pytest.mark.parametrize("runs_known", [True, False])
def test_without_a_known_run_the_recorded_failure_is_the_reason(runs_known: bool) -> None:
    found = explain(None, EVENT, None, runs_known=runs_known, failures=[replace(RECORD, run_id=RUN, receives=20)])
    assert found.cause is DeadLetterCause.FAILED
    assert found.text == f"run 0a1b2c3d: {RECORD.source.key}: TransientError: COPY: 503 (receive 20)"
    run = LastRun("of the last receive", (f"{KEY}: TransientError: HEAD",))
    assert "HEAD" in explain(None, EVENT, run, runs_known=True, failures=[RECORD]).text


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
def test_malformed_messages_are_redriven_only_if_they_are_named(
    ids: list[str], reason: str | None, malformed: bool, failed: bool
) -> None:
    assert may_be_redriven("m", DeadLetterReason(DeadLetterCause.MALFORMED, "it is not JSON"), ids, reason) is malformed
    assert may_be_redriven("f", DeadLetterReason(DeadLetterCause.FAILED, "HEAD: 503"), ids, reason) is failed


@pytest.mark.parametrize(
    ("reason", "malformed", "archived", "cause"),
    [
        ("no email_sender", "no email_sender", False, DeadLetterCause.MALFORMED),
        (None, "no email_sender", False, DeadLetterCause.MALFORMED),
        ("no email_sender", None, False, DeadLetterCause.READABLE),
        (None, None, False, DeadLetterCause.UNKNOWN),
        (None, None, True, DeadLetterCause.ARCHIVED),
    ],
)
def test_the_cause_of_a_dead_letter_of_the_email_queue(
    reason: str | None, malformed: str | None, archived: bool, cause: DeadLetterCause
) -> None:
    assert explain_email(reason, malformed, archived=archived).cause is cause
