"""Made-up reports and amendments, for tests that read them. No tests."""

from datetime import UTC, datetime
from typing import Any

from etl_platform.deliveries.delivery import Cause, ObjectVersion, Outcome
from etl_platform.deliveries.report import Amendment, AmendmentKind, Attempt, Report, Trigger

MORNING = datetime(2026, 11, 26, 8, tzinfo=UTC)
KEY = "from_client/nm_albuquerque/Officer_Detail.csv"


def attempt_of(cause: Cause = Cause.EVENT, ended_at: datetime = MORNING) -> Attempt:
    return Attempt(Trigger(cause), MORNING, ended_at)


def report_of(
    delivery_id: str,
    *,
    key: str = KEY,
    last_modified: datetime = MORNING,
    sequencer: str | None = None,
    cause: Cause = Cause.EVENT,
    ended_at: datetime = MORNING,
    **fields: Any,
) -> Report:
    """An accepted delivery; ``fields`` replace those of the report."""
    made = {
        "outcome": Outcome.ACCEPTED,
        "agency": "nm_albuquerque",
        "dataset": "officer_detail",
        "source": ObjectVersion("bucket", key, sequencer=sequencer, last_modified=last_modified),
        "attempt": attempt_of(cause, ended_at),
    }
    return Report(delivery_id=delivery_id, **made | fields)


def superseded(delivery_id: str, by: str) -> Amendment:
    return Amendment(
        kind=AmendmentKind.SUPERSEDED,
        delivery_id=delivery_id,
        agency="nm_albuquerque",
        dataset="officer_detail",
        attempt=attempt_of(),
        superseded_by=by,
    )
