"""Creates every boto3 client, with explicit timeouts, retries and pool sizes. Also describes the errors of clients."""

import re
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from etl_platform.errors import TransientError
from etl_platform.settings import Settings

if TYPE_CHECKING:
    from boto3.session import Session
    from botocore.exceptions import ClientError
    from botocore.loaders import Loader

SPARE_CONNECTIONS = 8
"""Connections besides those of the workers: for heartbeats and for calls of the main thread."""

_ISO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z", re.ASCII)
"""How S3 writes the times of a listing."""


def make_session(settings: Settings) -> "Session":
    """A boto3 session in the settings' region, with credentials from boto3's default chain."""
    # Importing boto3 takes a quarter of a second, which `check` and the definitions do not need.
    import boto3
    from botocore.session import get_session

    session = get_session()
    session.register_component("data_loader", _service_models(session.get_config_variable("data_path")))
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=parse_aws_time)
    if settings.aws_endpoint_url and session.get_credentials() is None:
        # An emulator accepts any key, but boto3 does not work without one.
        session.set_credentials("emulator", "emulator")
    return boto3.session.Session(region_name=settings.aws_region, botocore_session=session)


def has_own_ca() -> bool:
    """Whether boto3 verifies TLS with the CA bundle of AWS_CA_BUNDLE, or of the profile, instead of the usual ones."""
    from botocore.session import get_session

    return get_session().get_config_variable("ca_bundle") is not None


def parse_aws_time(value: str | float) -> datetime:
    """As botocore's parser, which takes 70 % of the time in which a page of 1,000 listed objects is parsed."""
    from botocore.utils import parse_timestamp

    if isinstance(value, str) and _ISO_TIME.fullmatch(value):
        return datetime.fromisoformat(value)
    return parse_timestamp(str(value))


@cache
def _service_models(data_path: str | None) -> "Loader":
    """botocore's service models, shared: a session that loads its own costs 8 MiB and 40 ms of CPU."""
    from botocore.loaders import create_loader

    return create_loader(data_path)


def make_client(
    settings: Settings, service: str, connections: int | None = None, *, session: "Session | None" = None
) -> Any:
    """A boto3 client for a service such as ``s3``.

    Args:
        connections: number that the caller's threads need at once. By default two per worker: one to read a body,
            and one for another call at the same time.
        session: whose credentials are used; by default those of a new session.
    """
    from botocore.config import Config

    return (session or make_session(settings)).client(
        service,
        endpoint_url=settings.aws_endpoint_url,
        region_name=settings.aws_region,
        config=Config(
            connect_timeout=settings.aws_connect_timeout_seconds,
            read_timeout=settings.aws_read_timeout_seconds,
            max_pool_connections=(connections or 2 * settings.sns_worker_max) + SPARE_CONNECTIONS,
            retries={"mode": "standard", "total_max_attempts": settings.aws_max_attempts},
            # botocore refuses both together. Without the setting, a profile may still ask for it.
            use_fips_endpoint=False if settings.aws_endpoint_url else settings.aws_use_fips_endpoint or None,
            # Otherwise the endpoint that obstore takes from here is the one of all regions, which has no FIPS.
            s3={"addressing_style": "path"}
            if settings.aws_endpoint_url
            else {"us_east_1_regional_endpoint": "regional"},
        ),
    )


def error_code(error: "ClientError") -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def transient_error(what: str, error: Exception) -> TransientError:
    """An AWS call failed and may succeed later; ``what`` is the operation."""
    return TransientError(f"{what}: {type(error).__name__}: {error}")


def error_type(error: Exception) -> str:
    """The types and AWS codes of an error. Its message is left out, because object keys may name people."""
    from botocore.exceptions import ClientError

    chain = [error, error.__cause__] if error.__cause__ else [error]
    codes = [error_code(item) for item in chain if isinstance(item, ClientError)]
    return " ".join([type(item).__name__ for item in chain] + codes)
