"""S3 through obstore, where many small calls would cost boto3 more than they are worth: lists and copies.

It cannot name every key that S3 takes, and says little of why a call was refused. Whatever it cannot do or fails at is
done again through boto3, whose answer counts.
"""

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from etl_platform.aws.clients import make_session
from etl_platform.settings import Settings

if TYPE_CHECKING:
    from obstore.store import S3Store

_CREDENTIALS_TTL = timedelta(minutes=10)
"""boto3 gives out credentials that are good for at least so long."""
_RETRY_WITHIN = timedelta(minutes=3)
_WHOLE_CALL = timedelta(hours=1)
_NAMEABLE = re.compile(r"(?:(?!\.{1,2}(?:/|$))[^/\x00-\x1f\x7f]+(?:/|$))+(?<!/)")
_PLAIN_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def can_name(key: str) -> bool:
    """Whether obstore means this key by it: it strips slashes at the ends and refuses ``//``, ``..`` and controls."""
    return _NAMEABLE.fullmatch(key) is not None


def open_store(settings: Settings, endpoint_url: str, bucket: str, destination: str | None = None) -> "S3Store | None":
    """A bucket; copies made in it go to ``destination``. None where the bucket is no plain name, but an ARN.

    object_store copies within one bucket: it puts ``x-amz-copy-source: <bucket>/<key>`` to the store's own URL. That
    URL may be told apart from the bucket, as if the bucket stood in the host name; here it is another bucket's, in path
    style, which S3 takes in every partition and for names with dots.

    Args:
        endpoint_url: the region's endpoint, as boto3 resolved it.
    """
    from obstore.auth.boto3 import Boto3CredentialProvider
    from obstore.store import S3Store

    if not all(_PLAIN_BUCKET.fullmatch(name) for name in (bucket, destination or bucket)):
        return None
    url = f"{endpoint_url}/{destination or bucket}"
    return S3Store(
        bucket,
        config={
            "region": settings.aws_region,
            "endpoint": url,
            # A variable of this name in the environment would win over the endpoint.
            "aws_endpoint_url_s3": url,
            "virtual_hosted_style_request": True,
        },
        credential_provider=Boto3CredentialProvider(make_session(settings), ttl=_CREDENTIALS_TTL),
        client_options={
            "allow_http": endpoint_url.startswith("http://"),
            "connect_timeout": timedelta(seconds=settings.aws_connect_timeout_seconds),
            "read_timeout": timedelta(seconds=settings.aws_read_timeout_seconds),
            # Of a whole call; a large copy may take long, and S3 sends blanks meanwhile.
            "timeout": _WHOLE_CALL,
        },
        retry_config={"max_retries": settings.aws_max_attempts - 1, "retry_timeout": _RETRY_WITHIN},
    )


def translate_errors() -> tuple[type[Exception], ...]:
    """All that obstore raises."""
    from obstore.exceptions import BaseError

    return BaseError, OSError, ValueError


def listed(store: "S3Store", folder: str, after: str, most: int) -> list[dict[str, Any]]:
    """Up to ``most`` objects of a folder behind a key, in key order."""
    import obstore

    chunk: Any = next(iter(obstore.list(store, prefix=folder, offset=after, chunk_size=most)), [])
    return list(chunk)
