"""Two buckets and an application database whose attachments are copied from one bucket to the other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from etl_platform.application_db.agencies import Agency
from etl_platform.application_db.attachment_file import AttachmentFile
from etl_platform.attachments.copy_agency import AttachmentCopies, CopyResult
from etl_platform.attachments.object_copies import ObjectCopies
from etl_platform.local.application_database import create_application_database, seeded_rows
from etl_platform.local.provision import Clients, Provisioned
from etl_platform.platform import Platform
from etl_platform.settings import Settings
from etl_platform_tests.faults.proxy import Fault, FaultProxy, Harm

AGENCY = Agency(10, "nm_albuquerque", "Albuquerque Police Department")
JOB = "get_s3_files_job"
PARQUET = "attachments/agency=nm_albuquerque/attachments.parquet"
CSV = "attachments/agency=nm_albuquerque/attachments.csv"


@pytest.fixture(scope="module")
def database_url(new_database: Callable[[], str]) -> str:
    url = new_database()
    create_application_database(url, seeded_rows(officers_per_agency=1))
    return url


@dataclass
class AttachmentBuckets:
    """Two versioned buckets, and settings that name them."""

    aws: Clients
    settings: Settings

    @property
    def source(self) -> str:
        return str(self.settings.attachments_source_bucket)

    @property
    def destination(self) -> str:
        return str(self.settings.attachments_destination_bucket)

    def put(self, key: str, body: bytes = b"12345", **options: Any) -> None:
        self.aws.s3.put_object(Bucket=self.source, Key=key, Body=body, **options)

    def files(self, *keys: str, size: int | None = 5) -> list[AttachmentFile]:
        """An attachment for each key, numbered from 1, all with the same name."""
        return [AttachmentFile(number, key, "a b.pdf", None, size) for number, key in enumerate(keys, start=1)]

    def copies(self, settings: Settings | None = None, **sizes: int) -> AttachmentCopies:
        used = settings or self.settings
        return AttachmentCopies(ObjectCopies(used, self.source, self.destination, **sizes), Platform(used).store)

    def run(self, files: Sequence[AttachmentFile], settings: Settings | None = None, **sizes: int) -> CopyResult:
        return self.copies(settings, **sizes).run(AGENCY, files, lambda _done, _total: None)

    def read(self, key: str) -> bytes:
        return self.aws.s3.get_object(Bucket=self.destination, Key=key)["Body"].read()

    def versions(self) -> list[tuple[str, str, str]]:
        """Every version of every object at the destination; unchanged if nothing was written."""
        pages = self.aws.s3.get_paginator("list_object_versions").paginate(Bucket=self.destination)
        return [(item["Key"], item["VersionId"], item["ETag"]) for page in pages for item in page.get("Versions", [])]

    def objects(self) -> dict[str, bytes]:
        return {key: self.read(key) for key, _, _ in self.versions()}


@pytest.fixture
def buckets(aws: Clients, settings: Settings, provisioned: Provisioned, database_url: str) -> AttachmentBuckets:
    names = f"s{provisioned.bucket[1:]}", f"t{provisioned.bucket[1:]}"
    for name in names:
        aws.s3.create_bucket(Bucket=name)
        aws.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    chosen = replace(
        settings,
        attachments_source_bucket=names[0],
        attachments_destination_bucket=names[1],
        database_url=database_url,
        copies_at_once=8,
    )
    return AttachmentBuckets(aws, chosen)


@pytest.fixture
def seeded(buckets: AttachmentBuckets) -> AttachmentBuckets:
    """With the files of the seeded database."""
    from etl_platform.local.application_database import attachment_content

    for number, _, key, *_ in seeded_rows(officers_per_agency=1).attachments:
        buckets.put(key, attachment_content(number))
    return buckets


def proxied(buckets: AttachmentBuckets, proxy: FaultProxy, attempts: int = 1) -> Settings:
    return replace(buckets.settings, aws_endpoint_url=proxy.url, aws_max_attempts=attempts, aws_read_timeout_seconds=2)


def copies_of(name: str, harm: Harm) -> Callable[[Any], Fault | None]:
    return lambda call: Fault(harm) if call.operation == "CopyObject" and f"/{name}/" in call.key else None
