"""Which files are overdue, from the last delivery of each agency in the ledger. No Dagster."""

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from operator import itemgetter

from etl_platform import object_keys
from etl_platform.deliveries.agency_register import AgencyRegister
from etl_platform.deliveries.ledger import Ledger
from etl_platform.engine.contract.cadence import Cadence, LastFile, Timeliness, judge_timeliness
from etl_platform.storage.object_store import ObjectStore


def timeliness(
    store: ObjectStore, bucket: str, dataset: str, cadence: Cadence, now: datetime, *, agency: str | None = None
) -> Iterator[tuple[str, Timeliness]]:
    """The timeliness of every active agency that ever delivered the dataset, or of one agency.

    Lists the dataset's reports and usually reads one report per agency.

    Raises:
        TransientError: infrastructure.
    """
    ledger, agencies = Ledger(store, bucket), AgencyRegister(store, bucket).read()
    arrivals = (
        (parsed.agency, head.last_modified, parsed.delivery_id)
        for head in store.list(bucket, object_keys.report_prefix(dataset, agency))
        if (parsed := object_keys.parse_delivery_object(head.key)) and parsed.attempt_id is None
        if agencies.is_active(parsed.agency)
    )
    for sender, reported in groupby(arrivals, key=itemgetter(0)):
        latest: Timeliness | None = None
        for _, reported_at, delivery_id in sorted(reported, reverse=True):
            # A report is younger than its file, so an older report cannot be about a newer file.
            if latest is not None and (not latest.overdue or reported_at <= latest.last.arrived_at):
                break
            report = ledger.find(dataset, sender, delivery_id)
            if report is None:
                continue
            arrived_at = report.source.order.last_modified
            if latest is None or arrived_at > latest.last.arrived_at:
                last = LastFile(object_keys.base_name(report.source.key), str(report.outcome), arrived_at)
                latest = judge_timeliness(cadence, last, now)
        if latest is not None:
            yield sender, latest
