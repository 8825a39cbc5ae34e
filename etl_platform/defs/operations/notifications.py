"""The sensor ``notifications_sensor`` sends the events of deliveries. It starts no run; no delivery waits for it."""

import dagster as dg

from etl_platform.defs.runs.failures import skip_unless_set
from etl_platform.platform import Platform
from etl_platform.settings import Settings

SENSOR_NAME = "notifications_sensor"
_INTERVAL_S = 30


def build_notifications(settings: Settings) -> dg.Definitions:
    is_on = settings.delivery_events_topic_arn is not None

    @dg.sensor(
        name=SENSOR_NAME,
        minimum_interval_seconds=_INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING if is_on else dg.DefaultSensorStatus.STOPPED,
        description="Sends the events of deliveries: refused, ignored, failed and overdue files, and good ones after "
        "them. It starts no run.",
    )
    def notifications_sensor(platform: dg.ResourceParam[Platform]) -> dg.SkipReason:
        if not platform.channels:
            return dg.SkipReason("notifications are not configured: DELIVERY_EVENTS_TOPIC_ARN is not set")
        if skipped := skip_unless_set("notifications", lambda: platform.bucket):
            return skipped
        return dg.SkipReason(platform.notifier.round().summary)

    return dg.Definitions(sensors=[notifications_sensor])
