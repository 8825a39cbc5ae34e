"""Age of a queue's oldest message. SQS reports it only as a CloudWatch metric.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from etl_platform.aws.clients import make_client, transient_error
from etl_platform.settings import Settings

_PERIOD_S = 60
_LOOK_BACK = timedelta(minutes=10)


class QueueAges:
    def __init__(self, settings: Settings) -> None:
        self._cloudwatch = make_client(settings, "cloudwatch")

    def read(self, queues: Mapping[str, str], now: datetime) -> dict[str, float]:
        """Age in seconds by name. A queue without a data point is left out.

        Args:
            queues: the URL of each queue, by name.

        Raises:
            TransientError: CloudWatch denies access or does not answer.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        queries = [_query(f"q{number}", url) for number, url in enumerate(queues.values())]
        try:
            answer = self._cloudwatch.get_metric_data(
                MetricDataQueries=queries, StartTime=now - _LOOK_BACK, EndTime=now, ScanBy="TimestampDescending"
            )
        except (BotoCoreError, ClientError) as error:
            raise transient_error("GetMetricData", error) from error
        latest = {found["Id"]: found["Values"][0] for found in answer["MetricDataResults"] if found["Values"]}
        return {name: latest[f"q{number}"] for number, name in enumerate(queues) if f"q{number}" in latest}


def _query(identity: str, url: str) -> dict[str, Any]:
    metric = {
        "Namespace": "AWS/SQS",
        "MetricName": "ApproximateAgeOfOldestMessage",
        "Dimensions": [{"Name": "QueueName", "Value": url.rpartition("/")[2]}],
    }
    return {"Id": identity, "MetricStat": {"Metric": metric, "Period": _PERIOD_S, "Stat": "Maximum"}}
