"""Is all there that the platform needs? A check per outside system that is set; the gateway's readiness asks some.

Each check is one call that the platform makes anyway, so that a pass says as much about rights as about the network.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property, partial
from queue import Empty, SimpleQueue

from etl_platform.application_db.database import ApplicationDatabase
from etl_platform.aws.clients import error_code, nameless
from etl_platform.aws.queue import Queue
from etl_platform.engine.errors import EtlPlatformError
from etl_platform.object_keys import ATTACHMENTS, EMAILS
from etl_platform.settings import Settings
from etl_platform.storage.object_store import no_versions
from etl_platform.storage.s3_store import S3Store

WITHIN_S = 30.0
"""For all checks together: Dagster's import alone takes 17 s on a fifth of a core."""
_CONNECT_S, _READ_S, _ATTEMPTS = 2, 4, 2
_NO_CREDENTIALS = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "SignatureDoesNotMatch",
}
_REFUSED = {"AccessDenied", "AccessDeniedException", "403"}


class State(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "FAILED"
    NOT_SET = "not set"


@dataclass(frozen=True)
class Said:
    """What a system answered."""

    text: str = ""
    is_warning: bool = False


@dataclass(frozen=True)
class Check:
    """One system.

    Attributes:
        where: the setting that names it, and its value unless that is a secret.
        ask: raises where something is amiss; None where the setting is not set.
        right: the action that IAM must allow.
        remedy: what to look at where the system itself says no.
    """

    name: str
    where: str
    ask: Callable[[], Said] | None
    right: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Finding:
    name: str
    state: State
    where: str
    detail: str = ""
    remedy: str = ""


def with_short_timeouts(settings: Settings) -> Settings:
    """The same with short timeouts: a call to AWS takes 13 seconds at most."""
    return replace(
        settings,
        aws_connect_timeout_seconds=min(_CONNECT_S, settings.aws_connect_timeout_seconds),
        aws_read_timeout_seconds=min(_READ_S, settings.aws_read_timeout_seconds),
        aws_max_attempts=min(_ATTEMPTS, settings.aws_max_attempts),
    )


class OutsideSystems:
    """Clients, each made on first use, and the checks of what they talk to."""

    def __init__(self, settings: Settings) -> None:
        self.settings = with_short_timeouts(settings)
        self._queues: dict[str, Queue] = {}

    def queue(self, url: str) -> Queue:
        # A client costs a third of a second of CPU, which the start of a small pod need not wait for.
        return self._queues.get(url) or self._queues.setdefault(url, Queue(self.settings, url))

    @cached_property
    def _store(self) -> S3Store:
        return S3Store(self.settings)

    def checks(self) -> list[Check]:
        """Every system in the order of the data's way through them; those that are not set have no question."""
        queues = {
            "queue": "file_events_queue_url",
            "dead_letters": "file_events_dlq_url",
            "email_queue": "email_queue_url",
            "email_dead_letters": "email_dlq_url",
        }
        buckets = {
            "bucket": ("data_bucket_name", self.settings.source_prefix),
            "email_bucket": ("email_bucket_name", EMAILS),
            "attachments_source": ("attachments_source_bucket", ""),
            "attachments_destination": ("attachments_destination_bucket", ATTACHMENTS),
        }
        return [
            Check("identity", f"AWS in {self.settings.aws_region}", self._ask_identity),
            *(
                self._check(name, setting, self._ask_queue, "sqs:GetQueueAttributes")
                for name, setting in queues.items()
            ),
            *(
                self._check(name, setting, partial(self._ask_bucket, prefix), "s3:ListBucket")
                for name, (setting, prefix) in buckets.items()
            ),
            self._check("versioning", "data_bucket_name", self._ask_versioning, "s3:GetBucketVersioning"),
            self._check("kms_key", "email_kms_key_id", self._ask_key, "kms:DescribeKey"),
            self._check("database", "database_url", self._ask_database),
            self._check("dagster", "dagster_home", self._ask_dagster),
            self._check("contracts", "contracts_dir", self._ask_contracts),
        ]

    def _check(self, name: str, setting: str, ask: Callable[[str], Said], right: str = "") -> Check:
        value, variable = getattr(self.settings, setting), setting.upper()
        if value is None:
            return Check(name, variable, None)
        remedy = {
            "database": "see that the server runs, that it can be reached from here, and the login in DATABASE_URL",
            "dagster": f"see that {variable} holds the dagster.yaml of the running Dagster, and that its storage runs",
            "contracts": "mend the contract; etl-platform contract check shows all that is wrong",
        }.get(name, f"see that {variable} names one that exists in AWS_REGION={self.settings.aws_region}")
        shown = variable if name == "database" else f"{variable}={value}"
        return Check(name, shown, partial(ask, value), right, remedy)

    def _ask_identity(self) -> Said:
        from etl_platform.aws.account import identity

        return Said(identity(self.settings))

    def _ask_queue(self, url: str) -> Said:
        waiting, held = self.queue(url).depth()
        return Said(f"{waiting} waiting, {held} held")

    def _ask_bucket(self, prefix: str, bucket: str) -> Said:
        self._store.check_bucket(bucket, prefix)
        return Said(f"may be listed under {prefix}" if prefix else "may be listed")

    def _ask_versioning(self, bucket: str) -> Said:
        versioned = self._store.is_versioned(bucket)
        if versioned is None:
            return Said("not known: s3:GetBucketVersioning is refused", is_warning=True)
        return Said("on") if versioned else Said(no_versions(bucket), is_warning=True)

    def _ask_key(self, key_id: str) -> Said:
        from etl_platform.aws.account import check_key

        check_key(self.settings, key_id)
        return Said("enabled")

    def _ask_database(self, url: str) -> Said:
        ApplicationDatabase(url).check()
        return Said("takes the login")

    def _ask_dagster(self, _: object) -> Said:
        # Seconds of CPU and most of the memory, so only where it is asked for.
        from etl_platform.defs.open_instance import check_storage

        return Said(check_storage(self.settings))

    def _ask_contracts(self, _: object) -> Said:
        from etl_platform.engine.contract.contract_folder import load_contracts

        return Said(f"{len(load_contracts(self.settings.contracts_dir))} datasets")


def examine(checks: Sequence[Check], region: str, within_s: float = WITHIN_S) -> list[Finding]:
    """Ask all at once, ``within_s`` for all together; a finding for each, in the order of the checks."""
    answers: SimpleQueue[tuple[str, Said | Exception]] = SimpleQueue()

    def ask(name: str, question: Callable[[], Said]) -> None:
        try:
            answers.put((name, question()))
        except Exception as error:  # noqa: BLE001 - the edge of a probe: whatever is wrong is its answer
            answers.put((name, error))

    asked = [check for check in checks if check.ask]
    for check in asked:
        # A daemon, so that a call that never ends does not keep the process.
        threading.Thread(target=ask, args=(check.name, check.ask), name=check.name, daemon=True).start()
    deadline, found = time.monotonic() + within_s, dict[str, Said | Exception]()
    while len(found) < len(asked):
        try:
            name, answer = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except Empty:
            break
        found[name] = answer
    late = TimeoutError(f"no answer within {within_s:.0f} s")
    return [_finding(check, found.get(check.name, late) if check.ask else None, region) for check in checks]


def _finding(check: Check, answer: Said | Exception | None, region: str) -> Finding:
    if answer is None:
        return Finding(check.name, State.NOT_SET, check.where)
    if isinstance(answer, Said):
        return Finding(check.name, State.WARNING if answer.is_warning else State.OK, check.where, answer.text)
    return Finding(check.name, State.FAILED, check.where, _told(answer), _remedy(check, answer, region))


def _told(error: Exception) -> str:
    """One line. Of an error that is not ours only the type: nobody knows what its message quotes."""
    from botocore.exceptions import BotoCoreError, ClientError

    cause = error.__cause__
    if isinstance(cause, ClientError):
        return f"{error_code(cause)}: {cause.response.get('Error', {}).get('Message', '')}".strip()
    if isinstance(cause, BotoCoreError):
        return " ".join(str(cause).split())
    return " ".join(str(error).split()) if isinstance(error, EtlPlatformError | TimeoutError) else nameless(error)


def _remedy(check: Check, error: Exception, region: str) -> str:
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    cause = error.__cause__
    code = error_code(cause) if isinstance(cause, ClientError) else None
    # A role whose trust policy is wrong is refused inside every call.
    assumes_role = isinstance(cause, ClientError) and cause.operation_name.startswith("AssumeRole")
    if isinstance(cause, NoCredentialsError) or code in _NO_CREDENTIALS or assumes_role:
        return "on EKS see the role in the annotation of the pod's ServiceAccount; elsewhere log in, or set AWS_PROFILE"
    if code in _REFUSED:
        return f"allow the identity above {check.right}" if check.right else check.remedy
    if isinstance(cause, BotoCoreError) or (isinstance(error, TimeoutError) and check.right):
        return f"see AWS_ENDPOINT_URL, AWS_REGION={region} and whether the network lets this process out"
    return check.remedy
