"""For tests of code that reads silver: writes silver of a contract into a local folder. Nothing else uses it."""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from etl_platform.deliveries.delivery import Cause, ObjectVersion, Outcome
from etl_platform.deliveries.report import Trigger
from etl_platform.object_keys import segment
from etl_platform.platform import Platform
from etl_platform.settings import Settings


def write_silver(
    root: Path,
    dataset: str,
    agency: str,
    rows: Sequence[Mapping[str, object]],
    *,
    file_name: str | None = None,
    contracts_dir: Path | None = None,
) -> str:
    """Deliver rows as the agency would, so that silver has what the platform makes of them; returns the silver key.

    Args:
        root: the folder that ``LOCAL_S3_ROOT`` names.
        agency: the partition.
        rows: values by column of the contract; None is an empty cell.
        file_name: by default the contract's. A second file of the same name replaces the first one.
        contracts_dir: by default the contracts of the package.

    Raises:
        ValueError: a row breaks the contract; the message has the reasons.
    """
    settings = Settings(local_s3_root=root, contracts_dir=contracts_dir or Settings.contracts_dir)
    platform = Platform(settings)
    key = f"{settings.source_prefix}{agency}/{file_name or platform.contracts[dataset].physical_name}"
    path = root / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_csv(rows), "utf-8")
    intake = platform.intake
    result = intake.ingest(intake.route(ObjectVersion(platform.bucket, key)), Trigger(Cause.EVENT))
    check = result.report.check
    if result.outcome is not Outcome.ACCEPTED or check.quarantined_rows:
        reasons = [*map(str, check.errors), *(f"{reason} in {broken} rows" for reason, broken in check.reasons.items())]
        raise ValueError(f"{dataset} of {segment(agency)} is {result.outcome}: {'; '.join(reasons)}")
    silver = result.report.written.silver_key
    assert silver is not None
    return silver


def _csv(rows: Sequence[Mapping[str, object]]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(names)
    writer.writerows([[_cell(row.get(name)) for name in names] for row in rows])
    return text.getvalue()


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case float():
            return f"{Decimal(repr(value)):f}"
        case datetime():
            return value.isoformat(" ")
        case _:
            return str(value)
