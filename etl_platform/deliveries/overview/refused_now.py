"""Which files are refused now: one rule for the page, the UI's overview and ``etl-platform today``. Values only."""

from collections.abc import Iterable

from etl_platform.deliveries.overview.summaries import DeliverySummary


def refused_now(deliveries: Iterable[DeliverySummary]) -> list[DeliverySummary]:
    """The files whose last version is refused: not sent again since under the same name, nor read again with success.

    Args:
        deliveries: their last attempts, see ``last_attempts``.
    """
    newest: dict[tuple[str, str, str], DeliverySummary] = {}
    # S3 has whole seconds; versions of the same second are in the order in which they were processed.
    for one in sorted(deliveries, key=lambda it: (it.arrived_at, it.ended_at)):
        if one.outcome != "superseded":
            newest[one.dataset, one.agency, one.file] = one
    return [one for one in newest.values() if one.outcome == "rejected"]
