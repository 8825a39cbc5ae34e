"""AWS resources that belong to one test or bench, so that none sees another one's messages."""

from etl_platform.local.provision import Provisioned, provision


def provision_isolated(endpoint_url: str, name: str) -> Provisioned:
    """Everything that ``provision`` makes, named after ``name``; but the buckets of attachments are shared."""
    return provision(endpoint_url, rename=lambda default: f"{_initials(default)}-{name}")


def _initials(name: str) -> str:
    """``file-processing-dlq`` → ``fpd``: a bucket's name has 63 characters at most."""
    return "".join(word[0] for word in name.split("-"))
