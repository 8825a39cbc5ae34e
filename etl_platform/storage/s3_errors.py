"""What the errors of S3 mean: an object or a bucket is missing, a condition failed, a read is refused, or an outage."""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from typing import Any

from etl_platform.aws.clients import error_code, transient_error
from etl_platform.errors import BucketMissingError, ObjectMissingError, PreconditionFailedError
from etl_platform.settings import Settings
from etl_platform.storage.refused_reads import refusal

_NO_BUCKET = "NoSuchBucket"
MISSING = frozenset({"NoSuchKey", "NoSuchVersion", "404", "NotFound", "KeyTooLongError"})
MISSING_VERSION = frozenset({"405", "MethodNotAllowed", "InvalidArgument"})
"""S3 returns 405 for a delete marker and InvalidArgument for a malformed version id."""
PRECONDITION_FAILED = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict", "409"})
_EXPECTED = MISSING | MISSING_VERSION | PRECONDITION_FAILED
_REDIRECTS = 300
_BUCKETS = ("data_bucket_name", "email_bucket_name", "attachments_source_bucket", "attachments_destination_bucket")


_counting = threading.Lock()


def count_error(errors: Counter[str], code: str) -> None:
    """Count a failed request, unless the code says that an object is missing or a precondition failed."""
    if code not in _EXPECTED:
        with _counting:
            errors[code] += 1


def count_response(
    errors: Counter[str],
    *,
    response_dict: Mapping[str, Any] | None,
    parsed_response: Mapping[str, Any] | None,
    exception: Exception | None,
    event_name: str,
    **_: Any,
) -> None:
    """The callback that botocore calls after each attempt."""
    if event_name.endswith(".GetBucketVersioning"):
        # s3:GetBucketVersioning is optional, so its refusal is not an error.
        return
    if exception is not None:
        code = type(exception).__name__
    elif response_dict and response_dict["status_code"] >= _REDIRECTS:
        code = str((parsed_response or {}).get("Error", {}).get("Code") or response_dict["status_code"])
    else:
        return
    count_error(errors, code)


@contextmanager
def translated_errors(
    settings: Settings,
    what: str,
    missing: Set[str],
    precondition_failed: Set[str] = PRECONDITION_FAILED,
    *,
    may_be_refused: bool = False,
) -> Iterator[None]:
    """Translate botocore's errors to those of the platform.

    Args:
        what: the call, with ``s3://<bucket>/``.
        missing: codes that mean that the object does not exist. A bucket that does not exist is no such object.
        may_be_refused: the call reads one object, so that S3 may refuse it because of that object.
    """
    from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ClientError as error:
        code = error_code(error)
        if code == _NO_BUCKET:
            raise BucketMissingError(what, _which_setting(settings, what)) from None
        if code in missing:
            raise ObjectMissingError(f"{what}: {code}") from None
        if code in precondition_failed:
            raise PreconditionFailedError(f"{what}: {code}") from None
        message = str(error.response.get("Error", {}).get("Message", ""))
        if may_be_refused and (refused := refusal(what, code, message)):
            raise refused from None
        raise transient_error(what, error) from error
    except ParamValidationError as error:
        if not missing:
            raise transient_error(what, error) from error
        # An empty key, or a name that no bucket can have: a record with it must not look like an outage.
        raise ObjectMissingError(f"{what}: S3 has no such name") from None
    except (BotoCoreError, HTTPError) as error:
        raise transient_error(what, error) from error


def _which_setting(settings: Settings, what: str) -> str:
    """What to correct, so that a person need not look for the setting with the name of that bucket."""
    wrong = [name.upper() for name in _BUCKETS if f"s3://{getattr(settings, name)}/" in f"{what}/"]
    place = f"no such bucket in AWS_REGION={settings.aws_region}"
    return f"there is {place}: correct {' and '.join(wrong)}, or create it" if wrong else f"there is {place}"
