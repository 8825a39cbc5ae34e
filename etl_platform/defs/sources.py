"""The systems that data comes from, as external assets: lineage starts at them. Dagster never materializes them.

None has partitions: a run of the intake has no partition key, and Dagster could not look up the key's data version.
"""

from collections.abc import Sequence
from urllib.parse import urlsplit, urlunsplit

import dagster as dg

from etl_platform.queue_work.queues import EMAILS, FILE_EVENTS
from etl_platform.rest_apis.source import ApiSource
from etl_platform.settings import Settings

_FOLDER = "sources"
DROP_FOLDER = dg.AssetKey([_FOLDER, "drop_folder"])
FILE_EVENTS_QUEUE = dg.AssetKey([_FOLDER, "file_events_queue"])
APPLICATION_DATABASE = dg.AssetKey([_FOLDER, "application_database"])
DOCUMENT_STORE = dg.AssetKey([_FOLDER, "document_store"])
EMAIL_QUEUE = dg.AssetKey([_FOLDER, "email_queue"])


def api_key(source_name: str) -> dg.AssetKey:
    return dg.AssetKey([_FOLDER, f"api_{source_name}"])


def build_sources(settings: Settings, apis: Sequence[ApiSource]) -> dg.Definitions:
    bucket, prefix = data_uri(settings), settings.source_prefix
    documents = settings.attachments_source_bucket
    specs = [
        _source(
            DROP_FOLDER,
            f"The folder into which agencies upload their files, as {prefix}<agency>/<file>.",
            "s3",
            f"{bucket}/{prefix}" if bucket else None,
        ),
        _source(
            FILE_EVENTS_QUEUE,
            f"The SQS queue of {FILE_EVENTS.messages}. {FILE_EVENTS.sensor} receives them; messages wait here while "
            "the circuit breaker is open.",
            "sqs",
            FILE_EVENTS.url(settings),
            [DROP_FOLDER],
        ),
        _source(
            APPLICATION_DATABASE,
            "The application's PostgreSQL database. It is only read.",
            "postgres",
            _without_password(settings.database_url),
        ),
        _source(
            DOCUMENT_STORE,
            "The application's bucket of attachment files.",
            "s3",
            f"s3://{documents}" if documents else None,
        ),
        _source(
            EMAIL_QUEUE,
            f"The SQS queue of {EMAILS.messages}. {EMAILS.sensor} starts a run when messages wait.",
            "sqs",
            EMAILS.url(settings),
        ),
        *(
            # A declaration is refused if its URL has a user or a query, so no secret is shown.
            _source(api_key(api.name), api.description or f"A REST API of {api.agency}.", "api", api.base_url)
            for api in apis
        ),
    ]
    return dg.Definitions(assets=specs)


def data_uri(settings: Settings) -> str | None:
    """The data bucket, or the local folder that replaces it; None if neither is configured."""
    if settings.local_s3_root is not None:
        return settings.local_s3_root.absolute().as_uri()
    return f"s3://{settings.data_bucket_name}" if settings.data_bucket_name else None


def _source(
    key: dg.AssetKey, description: str, kind: str, uri: str | None, deps: Sequence[dg.AssetKey] = ()
) -> dg.AssetSpec:
    return dg.AssetSpec(
        key,
        deps=deps,
        description=description,
        kinds={kind},
        group_name=_FOLDER,
        metadata={"dagster/uri": dg.MetadataValue.text(uri)} if uri else {},
    )


def _without_password(database_url: str | None) -> str | None:
    if database_url is None:
        return None
    parts = urlsplit(database_url)
    return urlunsplit(("postgresql", parts.netloc.rpartition("@")[2], parts.path, "", ""))
