"""Errors of the engine, and the base classes of the exception tree in ``etl_platform.errors``."""


class EtlPlatformError(Exception):
    """Root of every error that this package raises on purpose."""


class UsageError(EtlPlatformError):
    """Invalid arguments of a command; the message says what is valid."""


class PermanentError(EtlPlatformError):
    """Retrying the same input gives the same error."""


class ContractError(PermanentError):
    """A contract, or the declaration of an API, is broken.

    Args:
        message: what is wrong, and what to do.
        path: the file.
        line: 1-based line in it, if known.
    """

    def __init__(self, message: str, *, path: str, line: int | None = None) -> None:
        self.path, self.line = path, line
        super().__init__(f"{path}:{line}: {message}" if line else f"{path}: {message}")


class TransformError(ContractError):
    """A dataset's transform hook cannot be used; the message names hook and dataset and quotes no value."""


class UnreadableFileError(PermanentError):
    """The file as a whole cannot be read correctly; it is rejected with a code.

    Args:
        code: stable name of the reason, such as ``unclosed_quote``.
        message: what is wrong, and what the sender should do.
        line: 1-based line of the problem, if it is in one line.
    """

    def __init__(self, code: str, message: str, line: int | None = None) -> None:
        self.code, self.message, self.line = code, message, line
        super().__init__(f"{code}: {message}")
