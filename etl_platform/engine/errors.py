"""Errors of the engine, and the base classes of the exception tree in ``etl_platform.errors``."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager


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
        self.message, self.path, self.line = message, path, line
        super().__init__(f"{path}:{line}: {message}" if line else f"{path}: {message}")

    @property
    def errors(self) -> tuple["ContractError", ...]:
        """Each error by itself, in the order of lines."""
        return (self,)


class JoinedContractError(ContractError):
    """Several errors of one contract. The message is that of the first, with the number of the others."""

    def __init__(self, errors: Sequence[ContractError]) -> None:
        first, *others = errors
        self._errors = tuple(errors)
        more = f"{len(others)} more error{'s'[: len(others) - 1]}"
        lines = ", ".join(dict.fromkeys(str(other.line) for other in others if other.line))
        super().__init__(
            f"{first.message}; and {more}" + (f" (line {lines})" if lines else ""), path=first.path, line=first.line
        )

    @property
    def errors(self) -> tuple[ContractError, ...]:
        return self._errors


class ErrorList:
    """Collects the errors of the independent parts of a contract, so that all are reported at once."""

    def __init__(self) -> None:
        self._found: list[ContractError] = []

    def __bool__(self) -> bool:
        return bool(self._found)

    @contextmanager
    def collect(self) -> Iterator[None]:
        """Keeps an error of the block, and goes on behind it."""
        try:
            yield
        except ContractError as error:
            self._found += error.errors

    def raise_any(self) -> None:
        """Raise ContractError if an error was collected, with all of them in the order of lines."""
        distinct = {(error.path, error.line, str(error)): error for error in self._found}
        errors = sorted(distinct.values(), key=lambda error: error.line or 0)
        if errors:
            raise errors[0] if len(errors) == 1 else JoinedContractError(errors)


class NotInForceError(ContractError):
    """A contract is a draft or retired. It is set aside like one in error, but nothing is wrong with it."""


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


class ContradictedOverrideError(UnreadableFileError):
    """The file is not as its contract, or the overlay of its agency, says that files are written.

    Args:
        override: its name in ``ReadingOverrides``.
        found: what is set and what the file has instead.
    """

    def __init__(self, override: str, found: str) -> None:
        self.override, self.found = override, found
        super().__init__("not_as_pinned", self.message_about("contract"))

    def message_about(self, what: str, name: str = "") -> str:
        """The message about the ``contract`` or the ``overlay`` that sets it."""
        named = f"{what} {name}" if name else what
        return f"the {named} sets {self.found}; send the file that way, or have the {what} changed"
