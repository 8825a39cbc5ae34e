"""Checks that every external system is reachable and permitted; the gateway's readiness runs some of them.

Each check makes one call that the platform makes anyway, so a pass proves both network and permissions. Only
how buckets are set up is asked for its own sake.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path

from etl_platform.application_db.database import ApplicationDatabase
from etl_platform.aws.bucket_setup import BucketSetup, Finding, queue_arn
from etl_platform.aws.health_checks import Check, Pass
from etl_platform.aws.queue import Queue
from etl_platform.engine.errors import ContractError
from etl_platform.engine.output.plain_text import counted
from etl_platform.errors import AccessDeniedError
from etl_platform.object_keys import ATTACHMENTS
from etl_platform.queue_work.queues import QUEUES
from etl_platform.settings import Settings
from etl_platform.storage.object_store import no_versions
from etl_platform.storage.s3_store import S3Store

_CONNECT_S, _READ_S, _ATTEMPTS = 2, 4, 2


def with_short_timeouts(settings: Settings) -> Settings:
    """The same settings, but a call to AWS takes 13 seconds at most."""
    return replace(
        settings,
        aws_connect_timeout_seconds=min(_CONNECT_S, settings.aws_connect_timeout_seconds),
        aws_read_timeout_seconds=min(_READ_S, settings.aws_read_timeout_seconds),
        aws_max_attempts=min(_ATTEMPTS, settings.aws_max_attempts),
    )


class ExternalSystems:
    """Clients, each created on first use, and the checks of the systems behind them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = with_short_timeouts(settings)
        self._queues: dict[str, Queue] = {}

    def queue(self, url: str) -> Queue:
        # Creating a client costs a third of a second of CPU, so a small pod starts without it.
        return self._queues.get(url) or self._queues.setdefault(url, Queue(self.settings, url))

    @cached_property
    def _store(self) -> S3Store:
        return S3Store(self.settings)

    def checks(self) -> list[Check]:
        """One check per system, in the order in which data passes through them."""
        queues, buckets = dict[str, str](), dict[str, tuple[str, str]]()
        for queue in QUEUES:
            queues[f"{queue.check_prefix}queue"] = queue.url_setting
            queues[f"{queue.check_prefix}dead_letters"] = queue.dlq_url_setting
            buckets[f"{queue.check_prefix}bucket"] = queue.bucket_setting, queue.bucket_prefix(self.settings)
        fips = ", FIPS endpoints" if self.settings.aws_use_fips_endpoint else ""
        buckets["attachments_source"] = "attachments_source_bucket", ""
        buckets["attachments_destination"] = "attachments_destination_bucket", ATTACHMENTS
        return [
            Check("identity", f"AWS in {self.settings.aws_region}{fips}", self._check_identity),
            *(
                self._check(name, setting, self._check_queue, "sqs:GetQueueAttributes")
                for name, setting in queues.items()
            ),
            *(
                self._check(name, setting, partial(self._check_bucket, prefix), "s3:ListBucket")
                for name, (setting, prefix) in buckets.items()
            ),
            self._check("versioning", "data_bucket_name", self._check_versioning, "s3:GetBucketVersioning"),
            *self._setup_checks(),
            self._check("topic", "delivery_events_topic_arn", self._check_topic, "sns:GetTopicAttributes"),
            self._check_contacts(),
            self._check_notifications(),
            self._check("kms_key", "email_kms_key_id", self._check_key, "kms:DescribeKey"),
            self._check("database", "database_url", self._check_database),
            self._check("dagster", "dagster_home", self._check_dagster),
            self._check("contracts", "contracts_dir", self._check_contracts),
        ]

    def _check(self, name: str, setting: str, call: Callable[[str], Pass], permission: str = "") -> Check:
        value, variable = getattr(self.settings, setting), setting.upper()
        if value is None:
            return Check(name, variable, None)
        remedy = {
            "database": "check that the server runs and is reachable from here, and the login in DATABASE_URL",
            "dagster": f"check that {variable} contains the running Dagster's dagster.yaml, and that its storage runs",
            "contracts": "correct the contract; etl-platform contract check lists every error",
        }.get(name, f"check that the value of {variable} exists in AWS_REGION={self.settings.aws_region}")
        shown = variable if name == "database" else f"{variable}={value}"
        return Check(name, shown, partial(call, value), permission, remedy)

    def _check_identity(self) -> Pass:
        from etl_platform.aws.account import caller_arn

        return Pass(caller_arn(self.settings))

    def _check_queue(self, url: str) -> Pass:
        waiting, in_flight = self.queue(url).depth()
        return Pass(f"{waiting} waiting, {in_flight} in flight")

    def _check_bucket(self, prefix: str, bucket: str) -> Pass:
        self._store.check_bucket(bucket, prefix)
        return Pass(f"can be listed under {prefix}" if prefix else "can be listed")

    def _check_versioning(self, bucket: str) -> Pass:
        versioned = self._store.is_versioned(bucket)
        if versioned is None:
            return Pass("unknown: s3:GetBucketVersioning is denied", is_warning=True)
        return Pass("on") if versioned else Pass(no_versions(bucket), is_warning=True)

    def _setup_checks(self) -> list[Check]:
        """What Terraform sets up in a bucket that it creates, and its owner in one that existed."""
        ask, found = self._bucket_setup, list[Check]()
        for queue in QUEUES:
            for question, call, permission in (
                ("tls", self._ask_tls, "s3:GetBucketPolicy"),
                ("public_access", ask.public_access, "s3:GetBucketPublicAccessBlock"),
                ("encryption", ask.encryption, "s3:GetEncryptionConfiguration"),
            ):
                name = f"{queue.check_prefix}bucket_{question}"
                found.append(
                    self._check(name, queue.bucket_setting, partial(self._ask_setup, call, permission), permission)
                )
        call, permission = self._ask_announcement, "s3:GetBucketNotification"
        announced = partial(self._ask_setup, call, permission)
        return [*found, self._check("bucket_notifications", "data_bucket_name", announced, permission)]

    @cached_property
    def _bucket_setup(self) -> BucketSetup:
        return BucketSetup(self.settings)

    def _ask_tls(self, bucket: str) -> Finding:
        if (self.settings.aws_endpoint_url or "").startswith("http://"):
            return Finding("unknown: an emulator without TLS is not asked", is_known=False)
        return self._bucket_setup.tls(bucket)

    def _ask_announcement(self, bucket: str) -> Finding:
        topics, url = self.settings.gateway_allowed_topic_arns or (), self.settings.file_events_queue_url
        queues = [queue_arn(url)] if url else []
        return self._bucket_setup.notifications(bucket, self.settings.source_prefix, [*topics, *queues])

    def _ask_setup(self, call: Callable[[str], Finding], permission: str, bucket: str) -> Pass:
        try:
            found = call(bucket)
        except AccessDeniedError:
            return Pass(f"unknown: {permission} is denied", is_checked=False)
        return Pass(found.text, found.is_known and bool(found.remedy), found.remedy, found.is_known)

    def _check_topic(self, arn: str) -> Pass:
        from etl_platform.aws.sns_topic import SnsTopic

        SnsTopic(self.settings, arn).check()
        return Pass("exists")

    def _check_notifications(self) -> Check:
        """Whether the channels took what was sent last."""
        is_on = self.settings.delivery_events_topic_arn is not None or self._contacts_file.exists()
        bucket = self.settings.data_bucket_name if is_on else None
        call = partial(self._ask_outbox, bucket) if bucket else None
        remedy = "correct what the lines topic, contacts and bucket name"
        return Check(
            "notifications", "DATA_BUCKET_NAME" if is_on else "no topic, no contacts", call, "s3:GetObject", remedy
        )

    @property
    def _contacts_file(self) -> Path:
        from etl_platform.notifications.contacts import FILE

        return self.settings.contracts_dir / FILE

    def _check_contacts(self) -> Check:
        path = self._contacts_file
        remedy = "correct the file; until then events are kept for its contacts"
        return Check("contacts", str(path), self._read_contacts if path.exists() else None, remedy=remedy)

    def _read_contacts(self) -> Pass:
        from etl_platform.engine.contract_folder import read_folder
        from etl_platform.notifications.apprise_channel import AppriseChannel
        from etl_platform.notifications.contacts_reader import read_contacts
        from etl_platform.settings import read_secret

        contacts = read_contacts(self._contacts_file, read_folder(self.settings.contracts_dir).datasets)
        for contact in contacts:
            AppriseChannel(contact, read_secret).check()
        return Pass(counted(len(contacts), "contact"))

    def _ask_outbox(self, bucket: str) -> Pass:
        from etl_platform.notifications.channel_health import answer
        from etl_platform.notifications.outbox import OutboxObject

        try:
            found = answer(OutboxObject(self._store, bucket).load(), datetime.now(UTC))
        except AccessDeniedError:
            return Pass("unknown: s3:GetObject is denied", is_checked=False)
        return Pass(found.text, found.is_stuck, found.remedy)

    def _check_key(self, key_id: str) -> Pass:
        from etl_platform.aws.account import check_key

        check_key(self.settings, key_id)
        return Pass("enabled")

    def _check_database(self, url: str) -> Pass:
        ApplicationDatabase(url).check()
        return Pass("login accepted")

    def _check_dagster(self, _: object) -> Pass:
        # Importing it costs seconds of CPU and most of the memory, so it happens only where this check runs.
        from etl_platform.defs.open_instance import check_storage

        return Pass(check_storage(self.settings))

    def _check_contracts(self, _: object) -> Pass:
        from etl_platform.engine.contract_folder import read_folder

        folder = read_folder(self.settings.contracts_dir)
        for broken in folder.in_error:
            problem = f"{len(folder.in_error)} of {len(folder.all)} contracts are in error and set aside; the first is"
            raise ContractError(f"{problem} {broken.error}", path=str(self.settings.contracts_dir))
        return Pass(counted(len(folder.good), "dataset"))
