"""A made-up ledger of many agencies, and what the overview reads of it. No tests."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from etl_platform import object_keys
from etl_platform.deliveries.delivery import ObjectVersion, Outcome
from etl_platform.deliveries.ignored_files import IgnoredFile
from etl_platform.deliveries.ledger import Ledger
from etl_platform.deliveries.overview.facts import OverviewFacts, read_facts
from etl_platform.deliveries.overview.state import Overdue, OverdueList, Overview
from etl_platform.deliveries.report import Report
from etl_platform.deliveries.stuck import Answer
from etl_platform.deliveries.waiting import WaitingDelivery
from etl_platform.engine.contract.cadence import Cadence
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.result import CheckResult, FileError
from etl_platform_tests.unit.deliveries.counted_store import CountedStore
from etl_platform_tests.unit.intake_place import things
from etl_platform_tests.unit.making_reports import report_of

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
DAY = timedelta(days=1)
MONTHLY, WEEKLY = Cadence(31 * DAY, 3 * DAY), Cadence(7 * DAY, DAY)
BUCKET = "b"


def contracts(cadence: Cadence | None = MONTHLY) -> dict[str, Contract]:
    return {"things": replace(things(), cadence=cadence)}


class OverviewLedger:
    """A bucket with reports that a test writes, as if each was written when its attempt ended."""

    def __init__(self) -> None:
        self.store, self.number = CountedStore(), 0

    def put(
        self,
        agency: str,
        arrived_at: datetime,
        *,
        file: str = "Things.csv",
        code: str = "",
        why: str = "the header lacks the required column ident",
        rows: int = 10,
        quarantined: int = 0,
        again: Report | None = None,
        ended_at: datetime | None = None,
    ) -> Report:
        """A report; with ``code`` the file is rejected. ``again`` is the delivery that was read again."""
        self.number += 1
        ended_at = ended_at or arrived_at
        check = CheckResult(rows, rows - quarantined, quarantined, errors=(FileError(code, why),) if code else ())
        report = report_of(
            again.delivery_id if again else f"{self.number:020x}",
            key=again.source.key if again else f"from_client/{agency}/{file}",
            last_modified=arrived_at,
            ended_at=ended_at,
            agency=object_keys.segment(agency),
            dataset="things",
            outcome=Outcome.REJECTED if code else Outcome.ACCEPTED,
            check=check,
            attempt_id=f"{self.number:08x}" if again else None,
        )
        self.store.now = ended_at.timestamp()
        return Ledger(self.store, BUCKET).put(report)

    def facts(
        self,
        *,
        days: int = 90,
        agency: str | None = None,
        state: Overview | None = None,
        cadence: Cadence | None = MONTHLY,
        now: datetime = NOW,
    ) -> OverviewFacts:
        self.store.now = now.timestamp()
        return read_facts(self.store, BUCKET, contracts(cadence), state or Overview(), now, days=days, agency=agency)


def many_agencies(number: int) -> OverviewLedger:
    """Agencies that send each month; each tenth is late, each eleventh refused, each thirteenth has bad rows."""
    ledger = OverviewLedger()
    for place in range(number):
        for month in (9, 10, 11):
            late = 8 * DAY if month == 11 and place % 10 == 1 else timedelta()
            ledger.put(
                f"agency_{place:03}",
                datetime(2026, month, 5, 8, tzinfo=UTC) + late,
                file=f"Things_2026-{month:02}.csv",
                code="missing_column" if month == 11 and place % 11 == 2 else "",
                quarantined=place % 13 == 3,
            )
    return ledger


def full_state(texts: Sequence[str] = ("a", "b", "c", "d", "e")) -> Overview:
    """Every list has an entry, with these texts of senders."""
    source = ObjectVersion(BUCKET, f"from_client/x/{texts[0]}", last_modified=NOW - DAY)
    waiting = WaitingDelivery(
        delivery_id="f" * 20,
        source=source,
        agency=texts[1],
        dataset="things",
        code="TransientError",
        reason=texts[2],
        receives=2,
        failed_at=NOW - DAY / 24,
        comes_again_at=NOW + DAY / 24,
    )
    return Overview(
        failed=[waiting],
        ignored=[IgnoredFile(source, texts[3], f"no_contract: {texts[2]}", NOW - DAY)],
        overdue=OverdueList(NOW, [Overdue(texts[1], "things", texts[4])]),
        obstacles=[Answer(True, texts[4], texts[3])],
        queue="empty",
    )
