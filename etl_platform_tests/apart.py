"""AWS resources that belong to one test or bench, so that none sees another one's messages."""

from etl_platform.local.provision import Provisioned, provision


def provision_apart(endpoint_url: str, name: str) -> Provisioned:
    """Everything that ``provision`` makes, named after ``name``; but the buckets of attachments are shared."""
    return provision(
        endpoint_url,
        bucket=f"b-{name}",
        topic=f"t-{name}",
        queue=f"q-{name}",
        dead_letter_queue=f"d-{name}",
        email_queue=f"eq-{name}",
        email_dead_letter_queue=f"ed-{name}",
        email_bucket=f"e-{name}",
    )
