"""The sensor ``notifications_sensor`` sends the events of deliveries. It starts no run; no delivery waits for it."""

import dagster as dg

from etl_platform.defs.runs.failures import skip_unless_set
from etl_platform.platform import Platform

SENSOR_NAME = "notifications_sensor"
_INTERVAL_S = 30


def build_notifications() -> dg.Definitions:
    @dg.sensor(
        name=SENSOR_NAME,
        minimum_interval_seconds=_INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Sends the events of deliveries: refused, ignored, failed and overdue files, and good ones after "
        "them. It starts no run.",
    )
    def notifications_sensor(platform: dg.ResourceParam[Platform]) -> dg.SkipReason:
        if not platform.channels:
            return dg.SkipReason(
                f"notifications are off: DELIVERY_EVENTS_TOPIC_ARN is not set, and there is no {platform.contacts_file}"
            )
        if skipped := skip_unless_set("notifications", lambda: platform.bucket):
            return skipped
        return dg.SkipReason(platform.notifier.round().summary)

    return dg.Definitions(sensors=[notifications_sensor])
