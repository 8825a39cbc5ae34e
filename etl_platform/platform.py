"""The composition root: creates the clients of all outside systems, each on first use. No Dagster, no decisions."""

from collections import Counter
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from etl_platform.aws.queue import Queue
from etl_platform.aws.sns_topic import SnsTopic
from etl_platform.deliveries.agency_register import AgencyRegister
from etl_platform.deliveries.intake import Intake
from etl_platform.emails.archive import DrainResult, EmailArchive
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.contract_folder import ContractFolder, read_folder
from etl_platform.engine.errors import ContractError
from etl_platform.errors import SettingsError, TransientError
from etl_platform.notifications.apprise_channel import AppriseChannel
from etl_platform.notifications.channel import Channel, ContactsInError, TopicChannel
from etl_platform.notifications.contacts import FILE as CONTACTS
from etl_platform.notifications.contacts import Contact
from etl_platform.notifications.contacts_reader import read_contacts
from etl_platform.notifications.notifier import Notifier
from etl_platform.notifications.outbox import OutboxObject
from etl_platform.notifications.read_ledger import LedgerReader
from etl_platform.queue_work.memory import budget_of_run
from etl_platform.queue_work.queues import EMAILS, FILE_EVENTS, WorkQueue
from etl_platform.rest_apis.source import ApiSource
from etl_platform.rest_apis.source_folder import read_sources
from etl_platform.settings import Settings, load_settings, read_secret
from etl_platform.storage.object_store import ObjectStore, versioning_warning

if TYPE_CHECKING:
    from etl_platform.application_db.database import ApplicationDatabase
    from etl_platform.attachments.copy_agency import AttachmentCopies
    from etl_platform.deliveries.process_delivery import DeliveryResult
    from etl_platform.rest_apis.ingestion import ApiIngester, ApiIngestionResult


def utc_now() -> datetime:
    return datetime.now(UTC)


class Platform:
    """Settings, contracts, object store, queues and database, each created once per process.

    Attributes:
        finished: the deliveries that this process ingested; the command line prints them after a run in process.
        drained: the result of this process's last drain of the email queue, for the same purpose.
        api_ingestions: the results of this process's API resources, for the same purpose.
        s3_errors: failed S3 requests of this process so far, by error code.

    Args:
        settings: read from the environment by default.
        folder: pass the contracts of the definitions, so that both know the same datasets. By default they are read
            from CONTRACTS_DIR on first use.
    """

    def __init__(self, settings: Settings | None = None, folder: ContractFolder | None = None) -> None:
        self._given, self._given_folder = settings, folder
        self.finished: list[DeliveryResult] = []
        self.drained: DrainResult | None = None
        self.api_ingestions: list[ApiIngestionResult] = []
        self.s3_errors: Counter[str] = Counter()
        self._clients: dict[str, Queue] = {}
        self._warned = False

    @cached_property
    def settings(self) -> Settings:
        return self._given or load_settings()

    @cached_property
    def contract_folder(self) -> ContractFolder:
        return self._given_folder or read_folder(self.settings.contracts_dir)

    @cached_property
    def contracts(self) -> dict[str, Contract]:
        """The contracts without error, by dataset."""
        return self.contract_folder.good

    @cached_property
    def store(self) -> ObjectStore:
        if self.settings.local_s3_root is not None:
            from etl_platform.storage.local_store import LocalStore

            return LocalStore(self.settings.local_s3_root)
        from etl_platform.storage.obstore_store import ObstoreStore

        return ObstoreStore(self.settings, errors=self.s3_errors)

    @property
    def bucket(self) -> str:
        """The data bucket. A local root is one bucket, so its name does not matter there."""
        if self.settings.local_s3_root is None:
            self.settings.require("data_bucket_name")
        return self.settings.data_bucket_name or "local"

    def bucket_warning(self) -> str | None:
        """A warning about the bucket's configuration; None if it is correct, or if this process was warned before."""
        if self._warned:
            return None
        self._warned = True
        try:
            return versioning_warning(self.store, self.bucket)
        except TransientError:
            # The next read of a file reports what is wrong with the store.
            return None

    def queue(self, queue: WorkQueue) -> Queue:
        """Raises SettingsError if a setting that the queue's job needs is missing."""
        self.settings.require(*queue.required_settings)
        return self._client(queue.url(self.settings))

    def dead_letters(self, queue: WorkQueue) -> Queue:
        self.settings.require(queue.dlq_url_setting)
        return self._client(queue.dlq_url(self.settings))

    def count_dead_letters(self) -> int | None:
        """The messages in the dead-letter queue of files; None where the settings name none."""
        return sum(self.dead_letters(FILE_EVENTS).depth()) if self.settings.file_events_dlq_url else None

    def _client(self, url: str | None) -> Queue:
        assert url
        if url not in self._clients:
            self._clients[url] = Queue(self.settings, url)
        return self._clients[url]

    @cached_property
    def email_archive(self) -> EmailArchive:
        settings = self.settings
        queue = self.queue(EMAILS)
        assert settings.email_bucket_name
        store = self.store
        if settings.local_s3_root is None and settings.email_kms_key_id:
            from etl_platform.storage.obstore_store import ObstoreStore

            store = ObstoreStore(settings, settings.email_kms_key_id, self.s3_errors)
        dead_letters = self.dead_letters(EMAILS) if settings.email_dlq_url else None
        return EmailArchive(queue, dead_letters, store, settings.email_bucket_name, settings)

    @cached_property
    def database(self) -> "ApplicationDatabase":
        from etl_platform.application_db.database import ApplicationDatabase

        self.settings.require("database_url")
        assert self.settings.database_url
        return ApplicationDatabase(self.settings.database_url)

    def attachment_copies(self, source_bucket: str | None, destination_bucket: str | None) -> "AttachmentCopies":
        """Copies between these buckets; by default those of the settings.

        Raises:
            SettingsError: a bucket is configured nowhere, or LOCAL_S3_ROOT replaces S3.
        """
        if self.settings.local_s3_root is not None:
            raise SettingsError("attachments are copied by S3 itself, but LOCAL_S3_ROOT is set: unset it to use S3")
        source = source_bucket or self.settings.attachments_source_bucket
        destination = destination_bucket or self.settings.attachments_destination_bucket
        if source is None or destination is None:
            missing = {"attachments_source_bucket": source, "attachments_destination_bucket": destination}
            self.settings.require(*(name for name, bucket in missing.items() if bucket is None))
        assert source
        assert destination
        from etl_platform.attachments.copy_agency import AttachmentCopies
        from etl_platform.attachments.object_copies import ObjectCopies

        return AttachmentCopies(ObjectCopies(self.settings, source, destination), self.store)

    @cached_property
    def intake(self) -> Intake:
        folder, settings = self.contract_folder, self.settings
        memory = budget_of_run(settings.run_memory_mib and settings.run_memory_mib << 20)
        return Intake(
            self.store,
            folder.good,
            self.bucket,
            settings.source_prefix,
            utc_now,
            broken=folder.broken,
            memory=memory,
            source_bucket=None if settings.local_s3_root else self.bucket,
        )

    @cached_property
    def channels(self) -> list[Channel]:
        """Where events of deliveries are sent: the topic, and the contacts of contacts.yaml beside the contracts."""
        arn = self.settings.delivery_events_topic_arn
        topic = [TopicChannel(SnsTopic(self.settings, arn), self.bucket)] if arn else []
        try:
            return [*topic, *(AppriseChannel(contact, read_secret) for contact in self.contacts)]
        except ContractError as error:
            return [*topic, ContactsInError(error)]

    @property
    def outbox(self) -> OutboxObject:
        return OutboxObject(self.store, self.bucket)

    @property
    def contacts(self) -> list[Contact]:
        """Raises ContractError if contacts.yaml is in error."""
        return read_contacts(self.contacts_file, self.contract_folder.datasets)

    @property
    def contacts_file(self) -> Path:
        return self.settings.contracts_dir / CONTACTS

    @property
    def notifier(self) -> Notifier:
        """For one round; it reads its outbox again in each."""
        reader = LedgerReader(self.store, self.bucket, self.contracts)
        return Notifier(self.store, self.bucket, self.channels, reader, utc_now)

    @cached_property
    def agency_register(self) -> AgencyRegister:
        return AgencyRegister(self.store, self.bucket)

    @cached_property
    def api_sources(self) -> list[ApiSource]:
        return read_sources(self.settings.api_sources_dir, self.contract_folder).good

    @cached_property
    def api_ingester(self) -> "ApiIngester":
        from etl_platform.rest_apis.http_api import HttpApi
        from etl_platform.rest_apis.ingestion import ApiIngester

        return ApiIngester(self.store, self.contracts, self.bucket, HttpApi(read_secret), utc_now)
