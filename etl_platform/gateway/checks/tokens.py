"""The tokens of agencies. The file has their hashes alone; a token is shown once, when it is made.

A line is an agency and the SHA-256 of a token. An agency may have several lines, so that a new token can be given out
before the old line is removed. Tokens are 256 random bits, so a plain hash cannot be searched.
"""

import hashlib
import hmac
import logging
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from etl_platform.errors import SettingsError

log = logging.getLogger(__name__)

_LINE = re.compile(r"(\S{1,200})\s+([0-9a-f]{64})")
_PREFIX = "etlp_"


@dataclass(frozen=True)
class TokenLine:
    """One line of the file; ``digest`` also names the token where uses are counted."""

    agency: str
    digest: str


def new_token(agency: str) -> tuple[str, str]:
    """A new token, and its line for the file."""
    token = _PREFIX + secrets.token_urlsafe(32)
    return token, f"{agency} {_digest(token)}"


class CheckTokens:
    """The file of tokens, read again when it changes, so that a token is replaced without a restart.

    Raises:
        SettingsError: the file cannot be read, or a line is wrong.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines, self._version = _read(path), self._file_version()

    def find(self, token: str) -> TokenLine | None:
        """The line of a token, if there is one. It takes the same time for any token of the same length."""
        self._read_if_changed()
        digest, found = _digest(token), None
        for line in self._lines:
            if hmac.compare_digest(line.digest, digest):
                found = line
        return found

    def _read_if_changed(self) -> None:
        version = self._file_version()
        if version == self._version:
            return
        self._version = version
        try:
            self._lines = _read(self._path)
        except SettingsError as error:
            # Agencies go on with the tokens that they have.
            log.error("tokens not read again", extra={"detail": str(error)})  # noqa: TRY400

    def _file_version(self) -> tuple[int, ...]:
        try:
            found = self._path.stat()
        except OSError:
            return ()
        return found.st_mtime_ns, found.st_size, found.st_ino


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _read(path: Path) -> tuple[TokenLine, ...]:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(f"GATEWAY_CHECK_TOKENS_FILE={str(path)!r} cannot be read: {reason}") from None
    lines = []
    for number, line in enumerate(text.splitlines(), 1):
        if not (stripped := line.strip()) or stripped.startswith("#"):
            continue
        if (found := _LINE.fullmatch(stripped)) is None:
            # Somebody may have written the token itself there.
            raise SettingsError(
                f"{path}:{number}: not a line of tokens; write <agency> <hash>, as etl-platform token prints it"
            )
        lines.append(TokenLine(*found.groups()))
    return tuple(lines)
