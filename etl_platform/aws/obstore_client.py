"""S3 through obstore, for listings and copies: for many small calls it needs far less CPU than boto3.

It cannot address every key that S3 accepts, and its errors carry little detail. Callers use boto3
for such keys, and repeat failed calls with boto3.
"""

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from etl_platform.aws.clients import make_session
from etl_platform.settings import Settings

if TYPE_CHECKING:
    from boto3.session import Session
    from obstore.store import S3Config, S3Store

_CREDENTIALS_TTL = timedelta(minutes=10)
"""boto3 returns credentials that are valid for at least this long."""
_RETRY_WITHIN = timedelta(minutes=3)
_WHOLE_CALL = timedelta(hours=1)
_ADDRESSABLE = re.compile(r"(?:(?!\.{1,2}(?:/|$))[^/\x00-\x1f\x7f]+(?:/|$))+(?<!/)")
_PLAIN_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def can_name(key: str) -> bool:
    """Whether obstore can address this key: it strips outer slashes and refuses ``//``, ``..`` and controls."""
    return _ADDRESSABLE.fullmatch(key) is not None


def open_store(
    settings: Settings,
    endpoint_url: str,
    bucket: str,
    destination: str | None = None,
    *,
    session: "Session | None" = None,
    kms_key_id: str | None = None,
) -> "S3Store | None":
    """A bucket, whose copies are written to ``destination``. None if a bucket is given by its ARN.

    obstore copies within one bucket only: it sends ``x-amz-copy-source: <bucket>/<key>`` to the store's own URL. With
    virtual-hosted addressing, URL and bucket name are separate options. So the URL is set to the destination's, in path
    style, which S3 accepts in every partition and for names with dots.

    Args:
        endpoint_url: the region's endpoint, as boto3 resolved it.
        session: whose credentials are used; by default those of a new session.
        kms_key_id: encrypts what is written; by default the bucket's default does.
    """
    from obstore.auth.boto3 import Boto3CredentialProvider
    from obstore.store import S3Store

    if not all(_PLAIN_BUCKET.fullmatch(name) for name in (bucket, destination or bucket)):
        return None
    url = f"{endpoint_url}/{destination or bucket}"
    encryption: S3Config = {"server_side_encryption": "aws:kms", "sse_kms_key_id": kms_key_id} if kms_key_id else {}
    return S3Store(
        bucket,
        config={
            "region": settings.aws_region,
            "endpoint": url,
            # Otherwise an environment variable of this name would override the endpoint.
            "aws_endpoint_url_s3": url,
            "virtual_hosted_style_request": True,
            **encryption,
        },
        credential_provider=Boto3CredentialProvider(session or make_session(settings), ttl=_CREDENTIALS_TTL),
        client_options={
            "allow_http": endpoint_url.startswith("http://"),
            "connect_timeout": timedelta(seconds=settings.aws_connect_timeout_seconds),
            "read_timeout": timedelta(seconds=settings.aws_read_timeout_seconds),
            # Limits a whole call. During a long copy S3 sends whitespace, so the read timeout does not apply.
            "timeout": _WHOLE_CALL,
        },
        retry_config={"max_retries": settings.aws_max_attempts - 1, "retry_timeout": _RETRY_WITHIN},
    )


def obstore_errors() -> tuple[type[Exception], ...]:
    """Everything that obstore raises."""
    from obstore.exceptions import BaseError

    return BaseError, OSError, ValueError


def list_page(store: "S3Store", folder: str, after: str, limit: int) -> list[dict[str, Any]]:
    """Up to ``limit`` objects of a folder whose keys come after ``after``, in key order."""
    import obstore

    chunk: Any = next(iter(obstore.list(store, prefix=folder, offset=after, chunk_size=limit)), [])
    return list(chunk)
