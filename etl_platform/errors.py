"""The exception tree. What a caller may do next is decided by the class, never by the message.

EtlPlatformError
├── UsageError                arguments that make no sense; the message says what would
├── PermanentError            the same input fails again: record it, do not retry
│   ├── SettingsError         a setting is missing or wrong
│   ├── ContractError         a contract or a declared API does not parse; carries file and line
│   │   └── TransformError    a contract's transform hook is not there, raises, or returns something else
│   ├── EmailNotArchivedError a message of the email queue that is left where it is
│   ├── MalformedEventError   a queue message that is no S3 event
│   ├── NotificationRefusedError  a post to the gateway that is not believed; carries a code
│   ├── ReportError           an object of the ledger is not a report that this release can read
│   ├── ObjectMissingError    the object version is not there (S3's NoSuchKey)
│   ├── UnsafeKeyError        a key that would leave the local root
│   ├── ApiAnswerError        a REST API refuses, or answers something other than what was declared
│   └── UnreadableFileError   no right reading of the file exists; carries a code and a line
└── TransientError            infrastructure: the same input may succeed later
    └── PreconditionFailedError   somebody else wrote the object first
"""

from etl_platform.engine.errors import EtlPlatformError, PermanentError


class TransientError(EtlPlatformError):
    """Infrastructure failed; a later attempt may succeed."""


class SettingsError(PermanentError):
    """A setting is missing or wrong; the message names it and says what it takes."""


class EmailNotArchivedError(PermanentError):
    """A message of the email queue that is left where it is; the text names neither person nor object."""


class MalformedEventError(PermanentError):
    """A queue message that is no S3 event; the message says what was found instead."""


class NotificationRefusedError(PermanentError):
    """A post to the gateway that is not believed, or makes no sense; no value of it is quoted.

    Args:
        code: stable name of the reason, such as ``bad_signature``.
        message: what was found.
    """

    def __init__(self, code: str, message: str) -> None:
        self.code, self.message = code, message
        super().__init__(f"{code}: {message}")


class ReportError(PermanentError):
    """An object of the ledger is not a report that this release can read; the message says why and what to do."""


class ObjectMissingError(PermanentError):
    """The bucket, the key or this version of it does not exist."""

    code = "NoSuchKey"


class UnsafeKeyError(PermanentError):
    """An object key that points outside the local root."""

    code = "unsafe_key"


class ApiAnswerError(PermanentError):
    """A REST API refuses, or its answers are not what was declared; no value of an answer is quoted."""


class PreconditionFailedError(TransientError):
    """A conditional write lost: the object appeared or changed in between."""
