"""Why a message died and whether it may go back. Pure: what is known is an argument.

A message that the sensor sent away says why itself. One that SQS moved after its last receive does not: its reason is
what became of the run that held it last.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from etl_platform.deliveries.s3_events import ParsedMessage


class Cause(StrEnum):
    """``malformed`` is no event, or no email, and will never be; most others may succeed once their cause is mended.

    ``readable``: it was sent away as malformed, today's program can read it. ``failed``: the last run said what was
    wrong. ``killed``: the last run ended without saying anything. ``unknown``: no failed run of it is known.
    ``archived``: an email that is done, and only could not be deleted.
    """

    MALFORMED = "malformed"
    READABLE = "readable"
    FAILED = "failed"
    KILLED = "killed"
    UNKNOWN = "unknown"
    ARCHIVED = "archived"


@dataclass(frozen=True)
class LastRun:
    """The newest failed run that held a message.

    Attributes:
        errors: what it said of the deliveries that failed, ``<key>: <error>`` each.
    """

    run_id: str
    errors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Death:
    cause: Cause
    text: str

    def is_meant_by(self, reason: str) -> bool:
        """Whether a person who asks for ``reason``, a cause or a part of the text, means this."""
        if reason in tuple(Cause):
            return self.cause == reason
        return reason.casefold() in self.text.casefold()


def explain(reason: str | None, parsed: ParsedMessage, last_run: LastRun | None, *, history: bool) -> Death:
    """Why a message lies among the dead letters.

    Args:
        reason: its attribute of that name.
        history: whether Dagster's runs could be asked at all.
    """
    if parsed.malformed:
        return Death(Cause.MALFORMED, reason or "; ".join(parsed.malformed))
    if reason:
        return Death(Cause.READABLE, f"it was sent away as unreadable, but reads well today: {reason}")
    if last_run is None:
        why = "no failed run that held it is known" if history else "DAGSTER_HOME is not set, so no run can be asked"
        return Death(Cause.UNKNOWN, why)
    run = f"run {last_run.run_id[:8]}"
    keys = tuple(f"{event.key}: " for event in parsed.created)
    if errors := [error for error in last_run.errors if error.startswith(keys)]:
        return Death(Cause.FAILED, f"{run}: {'; '.join(errors)}")
    if last_run.errors:
        return Death(Cause.UNKNOWN, f"{run} failed with other deliveries")
    return Death(Cause.KILLED, f"{run} ended without saying what failed: killed, or cancelled")


def explain_email(reason: str | None, poison: str | None, *, archived: bool) -> Death:
    """Why a message lies among the dead letters of the email queue.

    Args:
        reason: its attribute of that name.
        poison: why it is no email.
        archived: whether the archive has this very message.
    """
    if poison is not None:
        return Death(Cause.MALFORMED, reason or poison)
    if archived:
        return Death(Cause.ARCHIVED, "it is in the archive; only its deletion from the queue failed")
    if reason:
        return Death(Cause.READABLE, f"it was sent away as poison, but reads well today: {reason}")
    return Death(Cause.UNKNOWN, "it could not be archived; the failed runs of email_archive_job name its id")


def goes_back(message_id: str, death: Death, ids: Collection[str], reason: str | None) -> bool:
    """Whether a redrive sends a message back.

    What is malformed would only come again, so it goes when it is asked for by id or as ``malformed``, not in a sweep.
    """
    if ids and message_id not in ids:
        return False
    if reason is not None and not death.is_meant_by(reason):
        return False
    return death.cause is not Cause.MALFORMED or message_id in ids or reason == Cause.MALFORMED
