"""AWS clients with explicit timeouts, retries and pool sizes. Nothing else makes a boto3 client."""

from functools import cache
from typing import TYPE_CHECKING, Any

from etl_platform.errors import TransientError
from etl_platform.settings import Settings

if TYPE_CHECKING:
    from boto3.session import Session
    from botocore.exceptions import ClientError
    from botocore.loaders import Loader

CALLS_BESIDE_WORK = 8
"""Connections beyond those of the workers: heartbeats, and what the main thread settles meanwhile."""


def make_session(settings: Settings) -> "Session":
    """A boto3 session in the settings' region; its credentials come from boto3's own chain."""
    # A quarter of a second that `check` and the definitions need not pay.
    import boto3
    from botocore.session import get_session

    session = get_session()
    session.register_component("data_loader", _descriptions(session.get_config_variable("data_path")))
    if settings.aws_endpoint_url and session.get_credentials() is None:
        # An emulator takes any key, boto3 refuses to go without.
        session.set_credentials("emulator", "emulator")
    return boto3.session.Session(region_name=settings.aws_region, botocore_session=session)


@cache
def _descriptions(data_path: str | None) -> "Loader":
    """Of AWS's services, as botocore has them in files. A session that reads its own costs 8 MiB and 40 ms of CPU."""
    from botocore.loaders import create_loader

    return create_loader(data_path)


def make_client(settings: Settings, service: str, connections: int | None = None) -> Any:
    """A boto3 client for a service such as ``s3``.

    A worker holds two connections at most, one that it reads from and one for another call, so none waits for one.
    ``connections`` is for those who work with another number of threads.
    """
    from botocore.config import Config

    return make_session(settings).client(
        service,
        endpoint_url=settings.aws_endpoint_url,
        region_name=settings.aws_region,
        config=Config(
            connect_timeout=settings.aws_connect_timeout_seconds,
            read_timeout=settings.aws_read_timeout_seconds,
            max_pool_connections=(connections or 2 * settings.sns_worker_max) + CALLS_BESIDE_WORK,
            retries={"mode": "standard", "total_max_attempts": settings.aws_max_attempts},
            s3={"addressing_style": "path"} if settings.aws_endpoint_url else {},
        ),
    )


def error_code(error: "ClientError") -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def transient(what: str, error: Exception) -> TransientError:
    """Infrastructure said no, for whatever reason: worth another try, with the reason kept."""
    return TransientError(f"{what}: {type(error).__name__}: {error}")


def nameless(error: Exception) -> str:
    """What went wrong without a message: those of boto3 and ours name the object, and its key may name a person."""
    from botocore.exceptions import ClientError

    chain = [error, error.__cause__] if error.__cause__ else [error]
    codes = [error_code(item) for item in chain if isinstance(item, ClientError)]
    return " ".join([type(item).__name__ for item in chain] + codes)
