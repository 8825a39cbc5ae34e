"""What AWS says of this process and of a key: the two questions that are about neither a queue nor an object."""

from etl_platform.aws.clients import make_client, transient
from etl_platform.engine.errors import PermanentError
from etl_platform.settings import Settings


def identity(settings: Settings) -> str:
    """The ARN that AWS knows this process by.

    Raises:
        TransientError: no credentials, or STS refuses them or does not answer.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return str(make_client(settings, "sts").get_caller_identity()["Arn"])
    except (BotoCoreError, ClientError) as error:
        raise transient("GetCallerIdentity", error) from error


def check_key(settings: Settings, key_id: str) -> None:
    """Return if the KMS key may be used to encrypt.

    Raises:
        PermanentError: it is disabled, or about to be deleted.
        TransientError: KMS knows no such key, refuses the question or does not answer.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        found = make_client(settings, "kms").describe_key(KeyId=key_id)["KeyMetadata"]
    except (BotoCoreError, ClientError) as error:
        raise transient("DescribeKey", error) from error
    if found["KeyState"] != "Enabled":
        raise PermanentError(f"the key's state is {found['KeyState']}")
