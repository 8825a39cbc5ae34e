"""Why a message is in the dead-letter queue, and whether it may return to its queue. Pure.

A message that the sensor sent there has its reason as an attribute. For a message that SQS moved there after its last
receive, the reason is how the last run ended that worked on it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from etl_platform.deliveries.s3_events import ParsedMessage
from etl_platform.deliveries.waiting import WaitingDelivery

_READABLE_NOW = "an earlier release sent it here as malformed, but this release can read it"


class DeadLetterCause(StrEnum):
    """Why a message is in the dead-letter queue. After a fix, all but ``malformed`` and ``archived`` may succeed.

    Attributes:
        MALFORMED: it is not an S3 event, or not an email.
        READABLE: it was malformed for the release that sent it there, but this release can read it.
        FAILED: the last run reported an error for it.
        KILLED: the last run ended without reporting an error for it.
        UNKNOWN: no failed run of it is known.
        ARCHIVED: an email that was archived, but could not be deleted from its queue.
    """

    MALFORMED = "malformed"
    READABLE = "readable"
    FAILED = "failed"
    KILLED = "killed"
    UNKNOWN = "unknown"
    ARCHIVED = "archived"


@dataclass(frozen=True)
class LastRun:
    """The newest failed run that worked on a message.

    Attributes:
        errors: of the deliveries that failed, each ``<key>: <error>``.
    """

    run_id: str
    errors: tuple[str, ...] = ()


@dataclass(frozen=True)
class DeadLetterReason:
    """The cause, and the reason as a text for people."""

    cause: DeadLetterCause
    text: str

    def matches(self, reason: str) -> bool:
        """Whether ``reason`` is this cause, or a part of the text."""
        if reason in tuple(DeadLetterCause):
            return self.cause == reason
        return reason.casefold() in self.text.casefold()


def explain(
    reason: str | None,
    parsed: ParsedMessage,
    last_run: LastRun | None,
    *,
    runs_known: bool,
    failures: Sequence[WaitingDelivery] = (),
) -> DeadLetterReason:
    """Why a message is in the dead-letter queue of the S3 events.

    Args:
        reason: the message's attribute ``reason``, which the sensor sets on a malformed message.
        last_run: the newest failed run that worked on the message.
        runs_known: whether Dagster's runs were searched.
        failures: the records of its deliveries that failed; they are used if no run is known.
    """
    if parsed.malformed:
        return DeadLetterReason(DeadLetterCause.MALFORMED, reason or "; ".join(parsed.malformed))
    if reason:
        return DeadLetterReason(DeadLetterCause.READABLE, f"{_READABLE_NOW}: {reason}")
    if last_run is None:
        return _explain_without_run(failures, runs_known=runs_known)
    run = f"run {last_run.run_id[:8]}"
    keys = tuple(f"{event.key}: " for event in parsed.created)
    if errors := [error for error in last_run.errors if error.startswith(keys)]:
        return DeadLetterReason(DeadLetterCause.FAILED, f"{run}: {'; '.join(errors)}")
    if last_run.errors:
        return DeadLetterReason(DeadLetterCause.UNKNOWN, f"{run} failed, but with errors of other deliveries")
    return DeadLetterReason(DeadLetterCause.KILLED, f"{run} ended without an error: it was killed or cancelled")


def _explain_without_run(failures: Sequence[WaitingDelivery], *, runs_known: bool) -> DeadLetterReason:
    if failures:
        run = f"run {failures[0].run_id[:8]}: " if failures[0].run_id else ""
        text = run + "; ".join(
            f"{failed.source.key}: {failed.reason} (receive {failed.receives})" for failed in failures
        )
        return DeadLetterReason(DeadLetterCause.FAILED, text)
    why = "no failed run of it is known" if runs_known else "DAGSTER_HOME is not set, so its runs are not known"
    return DeadLetterReason(DeadLetterCause.UNKNOWN, why)


def explain_email(reason: str | None, malformed: str | None, *, archived: bool) -> DeadLetterReason:
    """Why a message is in the dead-letter queue of the emails.

    Args:
        reason: the message's attribute ``reason``, which the archive sets on a poison message.
        malformed: why it is not an email.
        archived: whether the archive contains this message.
    """
    if malformed is not None:
        return DeadLetterReason(DeadLetterCause.MALFORMED, reason or malformed)
    if archived:
        return DeadLetterReason(DeadLetterCause.ARCHIVED, "it is archived; only its deletion from the queue failed")
    if reason:
        return DeadLetterReason(DeadLetterCause.READABLE, f"{_READABLE_NOW}: {reason}")
    return DeadLetterReason(
        DeadLetterCause.UNKNOWN, "it could not be archived; the failed runs of email_archive_job name its id"
    )


def may_be_redriven(message_id: str, found: DeadLetterReason, ids: Collection[str], reason: str | None) -> bool:
    """Whether ``dlq redrive`` with these ids and this reason sends a message back.

    A malformed message would only fail again. It is sent back only by its id, or for the reason ``malformed``.
    """
    if ids and message_id not in ids:
        return False
    if reason is not None and not found.matches(reason):
        return False
    return found.cause is not DeadLetterCause.MALFORMED or message_id in ids or reason == DeadLetterCause.MALFORMED
