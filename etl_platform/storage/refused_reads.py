"""Which errors of S3 are about one object alone: archived, encrypted with a foreign key, or not readable. Pure.

https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

import re

from etl_platform.errors import AccessDeniedError, ObjectRefusedError

UNEXPLAINED = frozenset({"400", "403"})
"""The codes of a HEAD, whose response has no body. The same GET has the reason."""
DENIED = frozenset({"403", "AccessDenied"})
_ACCOUNT_OF_CALLER = re.compile(r"arn:aws[a-z-]*:(?:iam|sts)::(\d{12}):")
_ACCOUNT_OF_KEY = re.compile(r"arn:aws[a-z-]*:kms:[a-z0-9-]*:(\d{12}):")


def refusal(what: str, code: str, message: str) -> ObjectRefusedError | AccessDeniedError | None:
    """The error for a read of an object that failed with this code and message; None if it is not about the object.

    Args:
        what: the call, such as ``GET s3://bucket/key``.
    """
    if code == "InvalidObjectState":
        return ObjectRefusedError(
            "archived", f"{what}: the file is in an archive storage class; send it again in the class STANDARD"
        )
    if code == "InvalidRequest" and "Server Side Encryption" in message:
        return ObjectRefusedError(
            "customer_key", f"{what}: the file is encrypted with a key of the sender (SSE-C); send it again without"
        )
    if code not in DENIED:
        return None
    caller, key = _ACCOUNT_OF_CALLER.search(message), _ACCOUNT_OF_KEY.search(message)
    if caller and key and caller[1] != key[1]:
        return ObjectRefusedError(
            "foreign_key",
            f"{what}: the file is encrypted with a KMS key of account {key[1]}, which the platform may not use; send "
            "it again without that key",
        )
    return AccessDeniedError(f"{what}: {code}: {message}")
