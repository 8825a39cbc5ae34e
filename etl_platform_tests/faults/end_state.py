"""All that a scenario leaves behind, as somebody sees it who does not know how it came about."""

import json
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from etl_platform.defs.intake.ignored_files import IGNORED_FILES
from etl_platform.engine.contract_folder import load_contracts
from etl_platform.local.provision import Clients, Provisioned
from etl_platform.object_keys import WAITING_REPORTS, parse_email_key, report_key
from etl_platform.settings import Settings
from etl_platform_tests.differences import differences

Facts = Mapping[Any, Any]
DATASETS = sorted(load_contracts(Settings().contracts_dir))


@dataclass(frozen=True)
class EndState:
    """Two of these are equal when nothing was lost and nothing took effect twice.

    Attributes:
        objects: key → (bytes, metadata) of all that the platform wrote; its JSON without the part ``attempt``.
            An email is known by its user and by the number of its message, whose id and time are new in every play.
        materializations, checks, observations: every different one that was logged → True; repeats fall together.
        latest: the last materialization of each asset and partition, the last result of each check and partition.
        queues: messages that are left, hidden or not, and the bodies in the dead-letter queue.
    """

    objects: Facts
    materializations: Facts
    checks: Facts
    observations: Facts
    latest: Facts
    partitions: Facts
    queues: Facts

    def differences(self, expected: "EndState") -> list[str]:
        """One line for each place that is missing, unexpected or different."""
        return differences(self, expected)


_OF_ITS_RUN = {"email_archive"}
_OF_ITS_WORK = {"summary", "seconds", "repeated"}
"""Assets whose events say what a run did, and not what there is."""
_OF_ITS_TIME = {"dagster/partition_row_count"}
"""The whole partition at the time of the event. If a killed run's event comes late, a newer file may be there."""


def read_end_state(aws: Clients, made: Provisioned, dagster_home: Path, mailed: Sequence[str] = ()) -> EndState:
    """``mailed``: ids of the messages in the email queue, in the order in which they were sent."""
    with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
        events = _asset_events(instance)
        partitions = {
            (dataset, agency): True
            for dataset in DATASETS
            for agency in instance.get_dynamic_partitions(f"{dataset}_agencies")
        }
    return EndState(
        objects={**_objects(aws, made), **_emails(aws, made, mailed)},
        partitions=partitions,
        queues=_queues(aws, made),
        **events,
    )


def written_versions(aws: Clients, bucket: str) -> list[dict[str, str]]:
    """Every version and delete marker of what the platform wrote: all but the sources."""
    return [item for item in stored_versions(aws, bucket, "") if not item["Key"].startswith("from_client/")]


def stored_versions(aws: Clients, bucket: str, prefix: str) -> list[dict[str, str]]:
    """Every version and delete marker below a prefix."""
    return [
        {"Key": item["Key"], "VersionId": item["VersionId"]}
        for page in aws.s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix)
        for kind in ("Versions", "DeleteMarkers")
        for item in page.get(kind, [])
    ]


def without_identity(end: EndState, names: Mapping[str, str], stored: Facts) -> EndState:
    """What an erasure leaves, with names for the ids that are new in every play.

    That is: the keys of all objects, what tombstones say, and how many versions are stored of each key. Events and rows
    are those of the steps before.
    """

    def named(text: str) -> str:
        for known, name in names.items():
            text = text.replace(known, name)
        return _TIME.sub("<time>", text)

    def is_tombstone(value: Any) -> bool:
        return isinstance(value, Mapping) and value.get("tombstone") is not None

    objects = {
        named(key): named(json.dumps(value)) if is_tombstone(value) else "" for key, value in end.objects.items()
    }
    counts = {named(key): number for key, number in stored.items()}
    nothing: Facts = {}
    return EndState({**objects, "stored": counts}, nothing, nothing, nothing, nothing, end.partitions, end.queues)


_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[^ ,\"']*")


def _objects(aws: Clients, made: Provisioned) -> Facts:
    found: dict[str, Any] = {}
    for page in aws.s3.get_paginator("list_objects_v2").paginate(Bucket=made.bucket):
        for key in (item["Key"] for item in page.get("Contents", [])):
            if not key.startswith("from_client/"):
                answer = aws.s3.get_object(Bucket=made.bucket, Key=key)
                body = answer["Body"].read()
                found[key] = _record(body) if key.endswith(".json") else (body, answer["Metadata"])
    return {key: value for key, value in found.items() if not _is_passed_over(key, value, found)}


def _is_passed_over(key: str, value: Any, found: Facts) -> bool:
    """Whether it is the record of a failed delivery that has a report now, which the platform's readers pass over."""
    return key.startswith(WAITING_REPORTS) and (
        report_key(value["dataset"], value["agency"], value["delivery_id"]) in found
    )


def _record(body: bytes) -> dict[str, Any]:
    return {name: value for name, value in json.loads(body).items() if name != "attempt"}


def _emails(aws: Clients, made: Provisioned, mailed: Sequence[str]) -> Facts:
    """What each version of each email holds, and whether its key says of it what it says itself."""
    found: dict[str, list[Any]] = {}
    for page in aws.s3.get_paginator("list_object_versions").paginate(Bucket=made.email_bucket):
        for item in page.get("Versions", []):
            key, version = item["Key"], item["VersionId"]
            body = aws.s3.get_object(Bucket=made.email_bucket, Key=key, VersionId=version)["Body"].read()
            document, said = json.loads(body), parse_email_key(key)
            assert said is not None
            agrees = (document["message_id"], document["processed_at"]) == (
                said.message_id,
                f"{said.sent_at:%Y-%m-%dT%H:%M:%SZ}",
            )
            email = (agrees, document["email_data"], document["metadata"])
            found.setdefault(f"emails/{said.user}/message {mailed.index(said.message_id)}", []).append(email)
    return found


def _queues(aws: Clients, made: Provisioned) -> Facts:
    left = 0
    for url in (made.queue_url, made.email_queue_url):
        found = aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        left += sum(int(value) for name, value in found.items() if name.startswith("ApproximateNumberOf"))
    dead: dict[Any, Any] = {}
    for url in (made.dlq_url, made.email_dlq_url):
        while messages := aws.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages"):
            for message in messages:
                reason = message.get("MessageAttributes", {}).get("reason", {}).get("StringValue")
                dead["dead", message["Body"], reason] = True
                aws.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return {"waiting": left, **dead}


def _asset_events(instance: dg.DagsterInstance) -> dict[str, Facts]:
    materializations: dict[Any, bool] = {}
    checks: dict[Any, bool] = {}
    observations: dict[Any, bool] = {}
    latest: dict[Any, Any] = {}
    records = [record for run in instance.get_run_records() for record in _records(instance, run.dagster_run.run_id)]
    # A tick logs the files that it records without a run.
    records += [one for one in instance.fetch_observations(IGNORED_FILES, limit=1_000).records if not one.run_id]
    for record in sorted(records, key=lambda record: (record.timestamp, record.storage_id)):
        event = record.event_log_entry.dagster_event
        if event is None or (event.asset_key and event.asset_key.path[0] in _OF_ITS_RUN):
            continue
        if event.is_step_materialization:
            made = event.step_materialization_data.materialization
            where = ("asset", str(made.asset_key), made.partition)
            materializations[where, _metadata(made.metadata, _OF_ITS_TIME)] = True
            latest[where] = _metadata(made.metadata)
        elif event.is_asset_observation:
            seen = event.asset_observation_data.asset_observation
            # A duplicate is what a repeat of work leaves; how often there was one is nobody's loss.
            if seen.metadata["outcome"].value != "duplicate":
                observations[str(seen.asset_key), seen.partition, _metadata(seen.metadata)] = True
        elif event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            if check.asset_key.path[0] in _OF_ITS_RUN:
                continue
            where = ("check", str(check.asset_key), check.check_name, check.partition)
            what = (check.passed, check.severity.value, _metadata(check.metadata))
            checks[where, what] = True
            latest[where] = what
    return {
        "materializations": materializations,
        "checks": checks,
        "observations": observations,
        "latest": latest,
    }


def _records(instance: dg.DagsterInstance, run_id: str) -> list[Any]:
    return list(instance.get_records_for_run(run_id, limit=10_000).records)


def _metadata(metadata: Mapping[str, Any], left_out: Set[str] = frozenset()) -> str:
    """Without what tells of the run's own work: another one may have done it before, or told of it."""
    left_out = left_out | _OF_ITS_WORK
    return repr(sorted((name, repr(value.value)) for name, value in metadata.items() if name not in left_out))
