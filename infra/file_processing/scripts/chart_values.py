"""Converts Terraform's outputs (JSON on stdin) to the chart's values (JSON on stdout). Called by manage.sh only."""

import json
import sys
from typing import Any

SETTINGS = {
    "AWS_REGION": "region",
    "DELIVERY_EVENTS_TOPIC_ARN": "delivery_events_topic_arn",
    "EMAIL_KMS_KEY_ID": "email_kms_key_arn",
    "GATEWAY_ALLOWED_TOPIC_ARNS": "topic_arn",
}
SAME_NAME = ("_queue_url", "_dlq_url", "_bucket_name", "_bucket", "source_prefix")
"""Outputs with these endings are named like their setting."""


def chart_values(outputs: dict[str, Any], image: str) -> dict[str, Any]:
    """The chart's own value stays where an output is null or missing.

    The chart joins images as repository:tag, so a digest is split after ``@sha256``.
    """
    settings = {name.upper(): value for name, value in outputs.items() if name.endswith(SAME_NAME)}
    settings |= {name: outputs.get(output) for name, output in SETTINGS.items()}
    repository, _, tag = image.rpartition(":")
    named = {"repository": repository, "tag": tag}
    return {
        "image": named,
        "serviceAccounts": {"roleArns": outputs["role_arns"]},
        "databaseLogin": {"ownerName": outputs["database_username"]},
        "config": {name: value for name, value in settings.items() if value},
        "dagster": {
            "dagsterWebserver": {"image": named},
            "runLauncher": {
                "config": {"customRunLauncher": {"config": {"service_account_name": outputs["service_account_name"]}}}
            },
            "postgresql": {
                "postgresqlHost": outputs["database_host"],
                "postgresqlUsername": outputs["database_login"],
                "postgresqlDatabase": outputs["database_name"],
            },
        },
    }


if __name__ == "__main__":
    found = {name: output["value"] for name, output in json.load(sys.stdin).items()}
    json.dump(chart_values(found, sys.argv[1]), sys.stdout, indent=2)
