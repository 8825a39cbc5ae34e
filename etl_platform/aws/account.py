"""Calls to STS and KMS that ``doctor`` makes: who this process is, and whether a key can be used."""

from etl_platform.aws.clients import make_client, transient_error
from etl_platform.engine.errors import PermanentError
from etl_platform.settings import Settings


def caller_arn(settings: Settings) -> str:
    """The ARN of the identity that this process uses.

    Raises:
        TransientError: there are no credentials, or STS refuses them or does not answer.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return str(make_client(settings, "sts").get_caller_identity()["Arn"])
    except (BotoCoreError, ClientError) as error:
        raise transient_error("GetCallerIdentity", error) from error


def check_key(settings: Settings, key_id: str) -> None:
    """Return if the KMS key is enabled.

    Raises:
        PermanentError: it is disabled or scheduled for deletion.
        TransientError: KMS does not know the key, denies access or does not answer.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        found = make_client(settings, "kms").describe_key(KeyId=key_id)["KeyMetadata"]
    except (BotoCoreError, ClientError) as error:
        raise transient_error("DescribeKey", error) from error
    if found["KeyState"] != "Enabled":
        raise PermanentError(f"the key's state is {found['KeyState']}, not Enabled")
