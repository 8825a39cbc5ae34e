"""How a bucket is set up: TLS only, closed to the public, encrypted, announcing its files. One call for each question.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/security-best-practices.html
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

from etl_platform.aws.clients import error_code, make_client, transient_error
from etl_platform.errors import AccessDeniedError
from etl_platform.settings import Settings

_NOTHING = {
    "NoSuchBucketPolicy",
    "NoSuchPublicAccessBlockConfiguration",
    "ServerSideEncryptionConfigurationNotFoundError",
}
_DENIED = {"AccessDenied", "403"}
_NOT_KNOWN = {"NotImplemented", "MethodNotAllowed", "NotSupported"}
_ALL_CREATED = "s3:ObjectCreated:*"
_TARGETS = {"TopicConfigurations": "TopicArn", "QueueConfigurations": "QueueArn"}


@dataclass(frozen=True)
class Finding:
    """What was found. With a ``remedy`` something is to be done; without ``is_known`` the store did not say."""

    text: str
    remedy: str = ""
    is_known: bool = True


class BucketSetup:
    """Every question raises AccessDeniedError if the role may not ask it, and TransientError if S3 does not answer."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def _s3(self) -> Any:
        return make_client(self._settings, "s3")

    def tls(self, bucket: str) -> Finding:
        answer = self._ask("GetBucketPolicy", self._s3.get_bucket_policy, bucket)
        if isinstance(answer, Finding):
            return answer
        policy = json.loads(answer["Policy"]) if answer else {}
        if requires_tls(policy, bucket):
            return Finding("requests without TLS are denied")
        remedy = (
            f"add the statement OnlyOverTls of infra/file_processing/terraform/buckets.tf to the policy of {bucket}"
        )
        return Finding("requests without TLS are not denied", remedy)

    def public_access(self, bucket: str) -> Finding:
        answer = self._ask("GetPublicAccessBlock", self._s3.get_public_access_block, bucket)
        if isinstance(answer, Finding):
            return answer
        names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
        settings = answer.get("PublicAccessBlockConfiguration", {})
        missing = [name for name in names if settings.get(name) is not True]
        if not missing:
            return Finding("public access is blocked")
        on = ",".join(f"{name}=true" for name in names)
        remedy = f"aws s3api put-public-access-block --bucket {bucket} --public-access-block-configuration {on}"
        return Finding(f"public access is not blocked by the bucket: {', '.join(missing)}", remedy)

    def encryption(self, bucket: str) -> Finding:
        answer = self._ask("GetBucketEncryption", self._s3.get_bucket_encryption, bucket)
        if isinstance(answer, Finding):
            return answer
        rules = answer.get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
        for rule in rules:
            default = rule.get("ApplyServerSideEncryptionByDefault", {})
            if algorithm := default.get("SSEAlgorithm"):
                key = default.get("KMSMasterKeyID")
                return Finding(f"{algorithm} with {key}" if key else str(algorithm))
        remedy = f"aws s3api put-bucket-encryption --bucket {bucket}, with the rule aws:kms and a key"
        return Finding("no default encryption", remedy)

    def notifications(self, bucket: str, prefix: str, targets: Collection[str]) -> Finding:
        """Whether every new object below the prefix is announced to one of the targets: topics and queues by ARN."""
        get = self._s3.get_bucket_notification_configuration
        answer = self._ask("GetBucketNotificationConfiguration", get, bucket)
        return answer if isinstance(answer, Finding) else announcement(answer, prefix, targets)

    def _ask(self, what: str, call: Callable[..., Any], bucket: str) -> Mapping[str, Any] | Finding:
        """The answer, empty if nothing is configured."""
        from botocore.exceptions import BotoCoreError, ClientError

        if bucket.startswith("arn:"):
            return Finding("unknown: the bucket behind an access point is not asked", is_known=False)
        try:
            answer: Mapping[str, Any] = call(Bucket=bucket)
        except ClientError as error:
            code = error_code(error)
            if code in _NOTHING:
                return {}
            if code in _NOT_KNOWN:
                return Finding(f"unknown: this store does not answer {what}", is_known=False)
            if code in _DENIED:
                raise AccessDeniedError(f"{what}: {code}") from error
            raise transient_error(what, error) from error
        except BotoCoreError as error:
            raise transient_error(what, error) from error
        return answer


def requires_tls(policy: Mapping[str, Any], bucket: str) -> bool:
    """Whether the policy denies everybody every request to the bucket and its objects that does not use TLS."""
    covered = set[str]()
    for statement in _many(policy.get("Statement", [])):
        if _denies_without_tls(statement):
            covered |= {_without_partition(str(arn)) for arn in _many(statement.get("Resource", []))}
    parts = (f"s3:::{bucket}", f"s3:::{bucket}/any/key")
    return all(any(fnmatchcase(part, pattern) for pattern in covered) for part in parts)


def _denies_without_tls(statement: Mapping[str, Any]) -> bool:
    principal, condition = statement.get("Principal"), statement.get("Condition")
    everybody = principal == "*" or (isinstance(principal, dict) and "*" in _many(principal.get("AWS", [])))
    if statement.get("Effect") != "Deny" or not everybody or not isinstance(condition, dict):
        return False
    # A second condition would let some requests pass.
    wanted = {"aws:securetransport": ["false"]}
    given = [
        {key.lower(): [str(value).lower() for value in _many(values)] for key, values in keys.items()}
        for keys in condition.values()
    ]
    is_bool = all(operator.removesuffix("IfExists") == "Bool" for operator in condition)
    return is_bool and given == [wanted] and any(action in {"*", "s3:*"} for action in _many(statement.get("Action")))


def announcement(configuration: Mapping[str, Any], prefix: str, targets: Collection[str]) -> Finding:
    """Whether a bucket's notifications announce every new object below the prefix to one of the targets."""
    remedy = (
        "announce s3:ObjectCreated:* below it: infra/file_processing/scripts/s3_configure_notifications.sh, or "
        "create_s3_notifications in Terraform"
    )
    whole, partial, elsewhere = list[str](), list[str](), list[str]()
    expected = {_without_partition(arn) for arn in targets}
    for target, entry in _entries(configuration):
        if gap := _gap(entry, prefix):
            partial.append(f"{target} {gap}")
        else:
            (whole if _without_partition(target) in expected else elsewhere).append(target)
    if whole:
        return Finding(f"new objects below {prefix} are announced to {', '.join(whole)}")
    if elsewhere:
        known = " or ".join(sorted(expected))
        text = f"new objects below {prefix} are announced to {', '.join(elsewhere)}, and not to {known}"
        return Finding(text, "check that the queue of file events is subscribed there, or " + remedy)
    if "EventBridgeConfiguration" in configuration:
        text = f"new objects below {prefix} are announced to EventBridge only; its rules are not seen from here"
        return Finding(text, "check that a rule sends them to the queue of file events", is_known=False)
    text = "; ".join(partial) or "nothing is announced"
    return Finding(f"not every new object below {prefix} is announced: {text}", remedy)


def queue_arn(url: str) -> str:
    """The ARN of a queue, of any partition."""
    host, account, name = url.split("/")[-3:]
    return f"arn:*:sqs:{'.'.join(host.split('.')[1:2])}:{account}:{name}"


def _entries(configuration: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for kind, name in _TARGETS.items():
        for entry in configuration.get(kind, []):
            if any(str(event).startswith("s3:ObjectCreated:") for event in entry.get("Events", [])):
                yield str(entry[name]), entry


def _gap(entry: Mapping[str, Any], prefix: str) -> str:
    """Which new objects an entry leaves out, if any."""
    if _ALL_CREATED not in entry["Events"]:
        return f"hears only of {', '.join(sorted(entry['Events']))}"
    for rule in entry.get("Filter", {}).get("Key", {}).get("FilterRules", []):
        name, value = str(rule["Name"]).lower(), str(rule["Value"])
        if (name == "prefix" and not prefix.startswith(value)) or (name == "suffix" and value):
            return f"hears only of the {name} {value}"
    return ""


def _without_partition(arn: str) -> str:
    return arn.split(":", 2)[-1]


def _many(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
