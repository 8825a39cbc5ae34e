"""The record of one failed delivery. No tests."""

from datetime import UTC, datetime, timedelta

from etl_platform.deliveries.delivery import ObjectVersion
from etl_platform.deliveries.waiting import WaitingDelivery
from etl_platform_tests.unit.intake_place import KEY

NOW = 1_767_600_000.0
AT = datetime.fromtimestamp(NOW, UTC)
RECORD = WaitingDelivery(
    delivery_id="0" * 20,
    source=ObjectVersion("bucket", KEY, "v1", last_modified=AT - timedelta(hours=1)),
    agency="agency_a",
    dataset="things",
    code="TransientError",
    reason="TransientError: COPY: 503",
    receives=3,
    failed_at=AT,
    comes_again_at=AT + timedelta(seconds=120),
    run_id="run",
    message_id="m",
)
