"""Terraform's outputs, as JSON on stdin, to values of the Helm chart, as JSON on stdout. Called by manage.sh only."""

import json
import sys
from typing import Any

SETTINGS = {
    "AWS_REGION": "region",
    "SOURCE_PREFIX": "source_prefix",
    "DATA_BUCKET_NAME": "data_bucket_name",
    "FILE_EVENTS_QUEUE_URL": "file_events_queue_url",
    "FILE_EVENTS_DLQ_URL": "file_events_dlq_url",
    "EMAIL_QUEUE_URL": "email_queue_url",
    "EMAIL_DLQ_URL": "email_dlq_url",
    "EMAIL_BUCKET_NAME": "email_bucket_name",
    "EMAIL_KMS_KEY_ID": "email_kms_key_arn",
    "ATTACHMENTS_SOURCE_BUCKET": "attachments_source_bucket",
    "ATTACHMENTS_DESTINATION_BUCKET": "attachments_destination_bucket",
    "GATEWAY_ALLOWED_TOPIC_ARNS": "topic_arn",
}


def chart_values(outputs: dict[str, Any], image: str) -> dict[str, Any]:
    """An output that is null or missing leaves the chart's own value as it is.

    The chart writes images as repository:tag, so a digest is split behind its ``@sha256``.
    """
    repository, _, tag = image.rpartition(":")
    named = {"repository": repository, "tag": tag}
    return {
        "image": named,
        "serviceAccount": {"roleArn": outputs["service_account_role_arn"]},
        "config": {name: outputs[output] for name, output in SETTINGS.items() if outputs.get(output)},
        "global": {"serviceAccountName": outputs["service_account_name"]},
        "dagster": {
            "dagsterWebserver": {"image": named},
            "dagsterDaemon": {"image": named},
            "postgresql": {
                "postgresqlHost": outputs["database_host"],
                "postgresqlUsername": outputs["database_username"],
                "postgresqlDatabase": outputs["database_name"],
            },
        },
    }


if __name__ == "__main__":
    found = {name: output["value"] for name, output in json.load(sys.stdin).items()}
    json.dump(chart_values(found, sys.argv[1]), sys.stdout, indent=2)
