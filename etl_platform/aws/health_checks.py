"""Checks that are made all at once within one deadline, and what to do after the error of one. No check is here."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from queue import Empty, SimpleQueue

from etl_platform.aws.clients import error_code, error_type
from etl_platform.engine.errors import EtlPlatformError

TIMEOUT_S = 30.0
"""For all checks together: importing Dagster alone takes 17 s on a fifth of a core."""
_BAD_CREDENTIALS = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "SignatureDoesNotMatch",
}
_ACCESS_DENIED = {"AccessDenied", "AccessDeniedException", "403"}


class State(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "FAILED"
    NOT_SET = "not set"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Pass:
    """A check that did not fail; ``detail`` is what the system answered.

    Attributes:
        remedy: of a warning, what to do.
        is_checked: False if the system answered and its answer does not tell.
    """

    detail: str = ""
    is_warning: bool = False
    remedy: str = ""
    is_checked: bool = True


@dataclass(frozen=True)
class Check:
    """The check of one system.

    Attributes:
        where: the setting that names the system, with its value unless that is a secret.
        call: raises if the check fails; None if the setting is not set.
        permission: IAM action that the call needs.
        remedy: what to do if the system itself reports an error.
    """

    name: str
    where: str
    call: Callable[[], Pass] | None
    permission: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class CheckResult:
    name: str
    state: State
    where: str
    detail: str = ""
    remedy: str = ""


def run_checks(checks: Sequence[Check], region: str, timeout_s: float = TIMEOUT_S) -> list[CheckResult]:
    """Run all checks at once, ``timeout_s`` for all of them together; results in the order of the checks."""
    outcomes: SimpleQueue[tuple[str, Pass | Exception]] = SimpleQueue()

    def run(name: str, call: Callable[[], Pass]) -> None:
        try:
            outcomes.put((name, call()))
        except Exception as error:  # noqa: BLE001 - the edge of a probe: any error is a failed check
            outcomes.put((name, error))

    started = [check for check in checks if check.call]
    for check in started:
        # A daemon thread, so that a call that never ends does not keep the process alive.
        threading.Thread(target=run, args=(check.name, check.call), name=check.name, daemon=True).start()
    deadline, found = time.monotonic() + timeout_s, dict[str, Pass | Exception]()
    while len(found) < len(started):
        try:
            name, outcome = outcomes.get(timeout=max(0.0, deadline - time.monotonic()))
        except Empty:
            break
        found[name] = outcome
    late = TimeoutError(f"no answer within {timeout_s:.0f} s")
    return [_result(check, found.get(check.name, late) if check.call else None, region) for check in checks]


def _result(check: Check, outcome: Pass | Exception | None, region: str) -> CheckResult:
    if outcome is None:
        return CheckResult(check.name, State.NOT_SET, check.where)
    if isinstance(outcome, Pass):
        state = State.WARNING if outcome.is_warning else State.OK if outcome.is_checked else State.UNKNOWN
        return CheckResult(check.name, state, check.where, outcome.detail, outcome.remedy)
    return CheckResult(check.name, State.FAILED, check.where, _detail(outcome), _remedy(check, outcome, region))


def _detail(error: Exception) -> str:
    """One line. Of a foreign exception only the type is shown: its message may contain a secret."""
    from botocore.exceptions import BotoCoreError, ClientError

    cause = error.__cause__
    if isinstance(cause, ClientError):
        return f"{error_code(cause)}: {cause.response.get('Error', {}).get('Message', '')}".strip()
    if isinstance(cause, BotoCoreError):
        return " ".join(str(cause).split())
    return " ".join(str(error).split()) if isinstance(error, EtlPlatformError | TimeoutError) else error_type(error)


def _remedy(check: Check, error: Exception, region: str) -> str:
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    cause = error.__cause__
    code = error_code(cause) if isinstance(cause, ClientError) else None
    # With a wrong trust policy, every call fails while it assumes the role.
    assumes_role = isinstance(cause, ClientError) and cause.operation_name.startswith("AssumeRole")
    if isinstance(cause, NoCredentialsError) or code in _BAD_CREDENTIALS or assumes_role:
        return (
            "on EKS check the role in the annotation of the pod's ServiceAccount; elsewhere log in, or set AWS_PROFILE"
        )
    if code in _ACCESS_DENIED:
        return f"allow {check.permission} for the identity above" if check.permission else check.remedy
    if isinstance(cause, BotoCoreError) or (isinstance(error, TimeoutError) and check.permission):
        return f"check AWS_ENDPOINT_URL, AWS_REGION={region} and that the network allows outgoing connections"
    return check.remedy
