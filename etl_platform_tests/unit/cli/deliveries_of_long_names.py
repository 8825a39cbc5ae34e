"""A local root with deliveries of every outcome, whose agency, dataset and files have long names. No tests."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from etl_platform.deliveries.delivery import Cause, ObjectVersion
from etl_platform.deliveries.process_delivery import DeliveryResult
from etl_platform.deliveries.report import Trigger
from etl_platform.deliveries.waiting import WaitingDelivery, WaitingRecords
from etl_platform.platform import Platform
from etl_platform.settings import load_settings
from etl_platform_tests.unit.making import contract_data, custom, text, typed, yaml_text

AGENCY = "ca_county_of_los_angeles_sheriffs_department_north_division"
DATASET = "complaints_and_commendations_of_the_internal_affairs_division"
FILE = "Complaints_And_Commendations_Of_The_Internal_Affairs_Division"
COLUMN = "number_of_complaints_that_were_received_by_the_whole_division"
_ROWS = [f"id{number},{number}" for number in range(60)]
_GOOD, _BAD = "\n".join([f"ident,{COLUMN}", *_ROWS, ""]), "id98,many\nid99,few\n"


class LongNames:
    """Settings of the environment, such as LOCAL_S3_ROOT and CONTRACTS_DIR, name the root and the contracts."""

    def __init__(self, contracts: Path) -> None:
        write_contract(contracts)
        self.platform = Platform(load_settings())
        self.now = datetime.now(UTC)
        self.first = self.drop(f"{FILE}_2026-01.csv", _GOOD, timedelta(days=200))
        self.last = self.drop(f"{FILE}_2026-02.csv", _GOOD + _BAD)
        self.rejected = self.drop(f"{FILE}_2026-03.csv", "nothing\nof this\n")
        self.ignored = self.drop("Another_Kind_Of_File_That_Nobody_Has_Ever_Announced_Before_2026.csv", _GOOD)
        self._fail(f"{FILE}_2026-04.csv")
        self._forget_report(self.drop(f"{FILE}_2026-05.csv", _GOOD, timedelta(days=30)))
        self.drop(f"{FILE}_2026-01.csv", _GOOD, timedelta(days=150), agency=f"{AGENCY}_second")

    def drop(self, name: str, content: str, ago: timedelta = timedelta(), agency: str = AGENCY) -> DeliveryResult:
        platform, at = self.platform, (self.now - ago).timestamp()
        assert platform.settings.local_s3_root is not None
        key = f"from_client/{agency}/{name}"
        path = platform.settings.local_s3_root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        os.utime(path, (at, at))
        head = platform.store.head(platform.bucket, key)
        version = ObjectVersion(
            platform.bucket, key, None, None, head.size_bytes, None, last_modified=head.last_modified
        )
        return platform.intake.ingest(platform.intake.route(version), Trigger(Cause.EVENT))

    def _fail(self, name: str) -> None:
        source = ObjectVersion(self.platform.bucket, f"from_client/{AGENCY}/{name}", last_modified=self.now)
        record = WaitingDelivery(
            delivery_id="f" * 20,
            source=source,
            agency=AGENCY,
            dataset=DATASET,
            code="TransientError",
            reason="TransientError: COPY of an object of which the name is long: 503 Slow Down, please try again later",
            receives=4,
            failed_at=self.now,
            comes_again_at=self.now + timedelta(seconds=120),
            run_id="run",
            message_id="message",
        )
        WaitingRecords(self.platform.store, self.platform.bucket).put(record)

    def _forget_report(self, done: DeliveryResult) -> None:
        assert self.platform.settings.local_s3_root is not None
        for path in self.platform.settings.local_s3_root.rglob(f"*{done.report.delivery_id}*"):
            if "reports" in path.parts:
                path.unlink()


def write_contract(folder: Path, properties: Sequence[dict[str, object]] = ()) -> None:
    """One dataset that is expected each month."""
    folder.mkdir(exist_ok=True)
    columns = [text("ident", required=True, primaryKey=True), typed(COLUMN, "integer", required=True), *properties]
    customs = custom(filePatterns=[f"{FILE}*"])
    data = contract_data(columns, dataset=DATASET, customs=customs)
    data["schema"][0]["physicalName"] = f"{FILE}.csv"
    data["slaProperties"] = [
        {"property": "frequency", "value": 1, "unit": "m"},
        {"property": "latency", "value": 5, "unit": "d"},
    ]
    (folder / f"{DATASET}.odcs.yaml").write_text(yaml_text(data))
