"""Who may have a file checked now: by token, by rate, and as far as there is room. Counts, and does no I/O of HTTP."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from etl_platform.engine.web_check.file_form import RefusedPostError
from etl_platform.gateway.checks.rate_limits import RateLimit
from etl_platform.gateway.checks.tokens import CheckTokens, TokenLine

UPLOADS_AT_ONCE = 8
"""Files that arrive, wait or are checked; further ones are refused at once."""
CHECKS_PER_TOKEN, CHECKS_WITHIN_S = 30, 600
REQUESTS_PER_ADDRESS, REQUESTS_WITHIN_S = 120, 60
WRONG_TOKENS_PER_ADDRESS, WRONG_TOKENS_WITHIN_S = 10, 300


class BusyPostError(RefusedPostError):
    """Not now: another attempt after ``retry_s`` seconds may pass."""

    def __init__(self, status: int, code: str, message: str, retry_s: float) -> None:
        self.retry_s = max(1, round(retry_s + 0.5))
        super().__init__(status, code, message)


class Admission:
    """The counts of this process."""

    def __init__(self, tokens: CheckTokens) -> None:
        self._tokens = tokens
        self._checks = RateLimit(CHECKS_PER_TOKEN, CHECKS_WITHIN_S)
        self._requests = RateLimit(REQUESTS_PER_ADDRESS, REQUESTS_WITHIN_S)
        self._wrong_tokens = RateLimit(WRONG_TOKENS_PER_ADDRESS, WRONG_TOKENS_WITHIN_S)
        self._in_use: set[str] = set()

    def count_request(self, address: str) -> None:
        """Raise BusyPostError if this address asks too often."""
        if wait_s := self._requests.use(address, time.monotonic()):
            raise BusyPostError(429, "too_many_requests", _wait("Too many requests from this address", wait_s), wait_s)

    def agency(self, token: str, address: str) -> TokenLine:
        """The agency of a token.

        Raises:
            RefusedPostError: the token is wrong.
            BusyPostError: this address sent too many wrong ones. Then the right one is not looked at either.
        """
        now = time.monotonic()
        if wait_s := self._wrong_tokens.wait_s(address, now):
            raise BusyPostError(
                429, "too_many_tokens", _wait("Too many wrong tokens from this address", wait_s), wait_s
            )
        found = self._tokens.find(token)
        if found is None:
            self._wrong_tokens.use(address, now)
            message = "The token is missing or wrong; the data team gives your agency its token."
            raise RefusedPostError(401, "unauthorized", message)
        return found

    @contextmanager
    def place(self, token: TokenLine) -> Iterator[None]:
        """A place for one file of a token.

        Raises:
            BusyPostError: the token is in use, was used too often, or all places are taken.
        """
        if token.digest in self._in_use:
            raise BusyPostError(429, "token_in_use", "Another file is being checked with this token; wait for it.", 5)
        if len(self._in_use) >= UPLOADS_AT_ONCE:
            raise BusyPostError(503, "busy", _wait("Too many files are being checked", 10), 10)
        if wait_s := self._checks.use(token.digest, time.monotonic()):
            message = f"{CHECKS_PER_TOKEN} files were checked with this token in {CHECKS_WITHIN_S // 60} minutes"
            raise BusyPostError(429, "too_many_checks", _wait(message, wait_s), wait_s)
        self._in_use.add(token.digest)
        try:
            yield
        finally:
            self._in_use.discard(token.digest)


def _wait(problem: str, wait_s: float) -> str:
    return f"{problem}; try again in {max(1, round(wait_s + 0.5))} s."
