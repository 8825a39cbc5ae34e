"""The whole exception tree. Callers decide by the class of an error, never by its message.

Classes marked * are defined in ``engine/errors.py``, because ``engine`` imports nothing else of this package.

EtlPlatformError *
├── UsageError *              invalid arguments of a command; the message lists the valid ones
├── PermanentError *          the same input fails again: record it, do not retry
│   ├── SettingsError         a setting is missing or invalid
│   ├── ContractError *       a contract or a declared API is invalid; has file and line
│   │   └── TransformError *  a contract's transform hook is missing, raises, or returns a wrong result
│   ├── EmailNotArchivedError a message of the email queue that cannot be archived; it stays in the queue
│   ├── MalformedEventError   a queue message that is not an S3 event
│   ├── NotificationRefusedError  an HTTP request to the gateway that is refused; has a code
│   ├── ReportError           an object of the ledger is not a report that this release can read
│   ├── TableError            silver cannot be read as it was asked for
│   ├── ObjectMissingError    the object version does not exist (S3's NoSuchKey)
│   ├── ObjectRefusedError    S3 does not give out this object version, whenever it is asked; has a code
│   ├── UnsafeKeyError        an object key that points outside the local root
│   ├── ApiResponseError        a REST API refuses a request, or its response differs from its declaration
│   └── UnreadableFileError * a file cannot be read reliably; has a code and a line
└── TransientError            infrastructure failed: the same input may succeed later
    ├── BucketMissingError    a bucket does not exist, so that nothing can be read or written
    ├── AccessDeniedError     S3 refuses the platform an object: the object or a permission of the platform is wrong
    ├── EntriesFailedError        a batch call failed for some of its entries; has the messages that others received
    └── PreconditionFailedError   another writer wrote the object first
"""

from collections.abc import Sequence

from etl_platform.engine.errors import EtlPlatformError, PermanentError


class TransientError(EtlPlatformError):
    """Infrastructure failed; a later attempt may succeed."""


class SettingsError(PermanentError):
    """A setting is missing or invalid; the message names it and lists the valid values."""


class EmailNotArchivedError(PermanentError):
    """A message of the email queue that cannot be archived; it stays in the queue. No person or object is named."""


class MalformedEventError(PermanentError):
    """A queue message that is not an S3 event; the message describes what was found instead."""


class NotificationRefusedError(PermanentError):
    """An HTTP request to the gateway that cannot be verified or parsed. The text quotes no value of it.

    Args:
        code: stable name of the reason, such as ``bad_signature``.
        message: what was found.
    """

    def __init__(self, code: str, message: str) -> None:
        self.code, self.message = code, message
        super().__init__(f"{code}: {message}")


class ReportError(PermanentError):
    """An object of the ledger is not a report that this release can read; the message says why and what to do."""


class TableError(PermanentError):
    """Silver cannot be read as it was asked for; the message names what can be, or what to do. It quotes no value."""


class ObjectMissingError(PermanentError):
    """The key, or this version of it, does not exist."""

    code = "NoSuchKey"


class ObjectRefusedError(PermanentError):
    """S3 does not give out this object version, whenever it is asked.

    Args:
        code: stable name of the reason, such as ``archived``.
        message: the call, and what the sender can do.
    """

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        super().__init__(message)


class UnsafeKeyError(PermanentError):
    """An object key that points outside the local root."""

    code = "unsafe_key"


class ApiResponseError(PermanentError):
    """A REST API refuses a request, or its response differs from its declaration. The message quotes no value of it."""


class BucketMissingError(TransientError):
    """A bucket does not exist: a setting is wrong, or the bucket is not created yet.

    Args:
        what: the call; it may name an object, and so a person.
        cure: the setting to correct. It names neither.
    """

    def __init__(self, what: str, cure: str) -> None:
        super().__init__(f"{what}: NoSuchBucket; {cure}")
        self.cure = cure


class AccessDeniedError(TransientError):
    """S3 refuses the platform an object. The cause is the object, or a permission that the platform lacks."""


class PreconditionFailedError(TransientError):
    """A conditional write failed: the object appeared or changed since it was read."""


class EntriesFailedError(TransientError):
    """A batch call failed for some of its entries and succeeded for the others.

    Args:
        lost: the receipt handles of messages that others received since.
    """

    def __init__(self, message: str, lost: Sequence[str]) -> None:
        self.lost = tuple(lost)
        super().__init__(message)
