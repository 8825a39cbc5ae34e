"""Which file of a dataset each agency delivered last, from the ledger. No Dagster."""

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from operator import itemgetter

from etl_platform import object_keys
from etl_platform.deliveries.ledger import Ledger
from etl_platform.engine.contract.cadence import Cadence, LastFile, Timeliness, judge_timeliness
from etl_platform.storage.object_store import ObjectStore


def timeliness(
    store: ObjectStore, bucket: str, dataset: str, cadence: Cadence, now: datetime, *, agency: str | None = None
) -> Iterator[tuple[str, Timeliness]]:
    """Every agency that ever delivered the dataset, or one, with how it stands.

    Costs a listing of the dataset's reports and, as a rule, one report an agency.

    Raises:
        TransientError: infrastructure.
    """
    ledger = Ledger(store, bucket)
    arrivals = (
        (report.agency, head.last_modified, report.delivery_id)
        for head in store.list(bucket, object_keys.report_prefix(dataset, agency))
        if (report := object_keys.parse_delivery_object(head.key)) and report.attempt_id is None
    )
    for whose, written in groupby(arrivals, key=itemgetter(0)):
        latest: Timeliness | None = None
        for _, at, identity in sorted(written, reverse=True):
            # A report is younger than its file, so older reports cannot tell of a newer one.
            if latest is not None and (not latest.overdue or at <= latest.last.arrived_at):
                break
            record = ledger.find(dataset, whose, identity)
            if record is None:
                continue
            source = record["source"]
            arrived_at = datetime.fromisoformat(source["last_modified"])
            if latest is None or arrived_at > latest.last.arrived_at:
                last = LastFile(object_keys.base_name(source["key"]), record["outcome"], arrived_at)
                latest = judge_timeliness(cadence, last, now)
        if latest is not None:
            yield whose, latest
