"""Settings: every name, default and limit. Only this module reads the environment and ``.env``."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from functools import cache
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from types import MappingProxyType
from typing import Any

from etl_platform.errors import SettingsError
from etl_platform.object_keys import WRITTEN_PREFIXES

_PACKAGE = Path(__file__).parent
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_TOPIC_ARN = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}(\.fifo)?")
_TOKEN_CHARACTERS = 16
ADMIN_ACCESS = "token"
_HEADERS_OF_ANY_PROXY = {f"x-forwarded-{name}" for name in ("for", "host", "port", "proto", "prefix", "server")}
_HEADERS_OF_ANY_PROXY |= {"x-real-ip", "x-request-id", "x-amzn-trace-id", "x-requested-with"}


def _shipped(folder: str) -> Path:
    """A folder in the wheel, or in the checkout."""
    in_wheel = _PACKAGE / "shipped" / folder
    return in_wheel if in_wheel.is_dir() else _PACKAGE.parent / folder


def _text(value: str) -> str:
    return value


def _path(value: str) -> Path:
    return Path(value).expanduser()


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        try:
            number = int(value)
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            raise ValueError(f"takes a whole number from {low:,} to {high:,}")
        return number

    return read


def _url(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ValueError("takes a URL that starts with http:// or https://")
    return value


def bucket_name(value: str) -> str:
    """Return the name of a bucket, or the ARN of an access point. Names by S3's oldest rules are accepted.

    Raises:
        ValueError: it is a URL, or something else that S3 refuses.
    """
    if not re.fullmatch(r"[A-Za-z0-9._-]{3,255}|arn:[^/\s]+/[^/\s]+", value):
        raise ValueError("takes a bucket's name, without s3:// and without a key")
    return value


def _postgres(value: str) -> str:
    if not value.startswith(("postgresql://", "postgresql+psycopg2://")):
        raise ValueError("takes a URL that starts with postgresql://")
    if value.count("@") > 1:
        # Otherwise the end of a password would be read as the host, and messages would show it.
        raise ValueError("takes a URL with one @, in front of the host; in a password write %40")
    return value


def _prefix(value: str) -> str:
    if not value.endswith("/") or value.startswith("/"):
        raise ValueError("takes a key prefix that ends with / and does not start with one")
    if any(value.startswith(written) or written.startswith(value) for written in WRITTEN_PREFIXES):
        raise ValueError(f"must not overlap {', '.join(WRITTEN_PREFIXES)}: the platform would ingest its own output")
    return value


def _level(value: str) -> str:
    if value.upper() not in LOG_LEVELS:
        raise ValueError(f"takes one of {', '.join(LOG_LEVELS)}")
    return value.upper()


def _yes_no(value: str) -> bool:
    if value.lower() not in {"true", "false"}:
        raise ValueError("takes true or false")
    return value.lower() == "true"


def _topic_arns(value: str) -> tuple[str, ...]:
    arns = tuple(arn.strip() for arn in value.split(",") if arn.strip())
    if not arns or not all(_TOPIC_ARN.fullmatch(arn) for arn in arns):
        raise ValueError("takes ARNs of SNS topics, arn:<partition>:sns:<region>:<account>:<name>, separated by commas")
    return arns


def _topic_arn(value: str) -> str:
    if not _TOPIC_ARN.fullmatch(value) or value.endswith(".fifo"):
        raise ValueError("takes the ARN of a standard SNS topic, arn:<partition>:sns:<region>:<account>:<name>")
    return value


def _token(value: str) -> str:
    if len(value) < _TOKEN_CHARACTERS or not value.isascii():
        raise ValueError(f"takes at least {_TOKEN_CHARACTERS} ASCII characters")
    return value


def _overview_access(value: str) -> str:
    if value.lower() == ADMIN_ACCESS:
        return ADMIN_ACCESS
    if not re.fullmatch(r"[Xx]-[A-Za-z0-9-]{1,60}", value) or value.lower() in _HEADERS_OF_ANY_PROXY:
        raise ValueError(
            "takes token, or the header in which a proxy names the user it let in, such as X-Auth-Request-Email"
        )
    return value


def _setting(
    default: Any, read: Callable[[str], Any], about: str, *, also: str | None = None, secret: bool = False
) -> Any:
    """``also`` is an older name, which is read if the field's own name is unset. A secret's value is never shown."""
    return field(default=default, metadata={"read": read, "about": about, "also": also, "secret": secret})


@dataclass(frozen=True)
class Settings:
    """One field per environment variable, which has the same name in capitals. An empty value means unset."""

    aws_endpoint_url: str | None = _setting(None, _url, "Endpoint of an AWS emulator; unset means AWS")
    aws_region: str = _setting("us-east-1", _text, "Region of the buckets, the topic and the queues")
    aws_use_fips_endpoint: bool = _setting(
        False, _yes_no, "Call the endpoints of AWS that use validated cryptography (FIPS 140)"
    )
    aws_max_attempts: int = _setting(5, _whole(1, 20), "Attempts per AWS call, including the first")
    aws_connect_timeout_seconds: int = _setting(5, _whole(1, 300), "Seconds to wait for a connection to AWS")
    aws_read_timeout_seconds: int = _setting(60, _whole(1, 3_600), "Seconds to wait for the next bytes of a response")
    data_bucket_name: str | None = _setting(
        None, bucket_name, "Bucket with the source files, bronze, silver, quarantine and reports"
    )
    source_prefix: str = _setting(
        "from_client/", _prefix, "Key prefix under which agencies deliver: <prefix><agency>/<file>"
    )
    file_events_queue_url: str | None = _setting(None, _url, "URL of the SQS queue of S3 events")
    file_events_dlq_url: str | None = _setting(None, _url, "URL of its dead-letter queue")
    contracts_dir: Path = _setting(
        _shipped("contracts"),
        _path,
        "Folder of the data contracts; unset means those in the package",
    )
    contracts_url: str | None = _setting(
        None, _url, "Page of that folder in the source repository, to which the catalog links each dataset"
    )
    sns_worker_max: int = _setting(10, _whole(1, 256), "Deliveries that a run processes at once")
    run_memory_mib: int | None = _setting(
        None,
        _whole(512, 1 << 20),
        "MiB of memory of a run, which bound what it checks at once; unset means the limit of the container",
    )
    max_runs_in_flight: int = _setting(10, _whole(1, 1_000), "Maximum of queued and started intake runs")
    circuit_breaker_max_failures: int = _setting(
        5, _whole(1, 100), "Consecutive failed intake runs that open the circuit breaker"
    )
    circuit_breaker_cooldown_seconds: int = _setting(
        60, _whole(1, 86_400), "Seconds from opening the breaker until one run may probe"
    )
    poll_interval_seconds: int = _setting(
        30, _whole(1, 3_600), "Seconds that a few files wait for others while an intake run is unfinished"
    )
    max_messages_per_poll: int = _setting(10, _whole(1, 10), "Messages per receive call")
    visibility_timeout_seconds: int = _setting(
        300, _whole(10, 43_200), "Visibility timeout of a received message in seconds; heartbeats extend it"
    )
    shutdown_grace_seconds: int = _setting(
        20,
        _whole(0, 3_600),
        "Seconds that a stopping run has for the work in progress; below terminationGracePeriodSeconds (30)",
    )
    local_s3_root: Path | None = _setting(None, _path, "Folder to read and write as <folder>/<key>, instead of S3")
    database_url: str | None = _setting(
        None, _postgres, "The application's database, postgresql://…; it is only read", secret=True
    )
    attachments_source_bucket: str | None = _setting(None, bucket_name, "Bucket that attachments are copied from")
    attachments_destination_bucket: str | None = _setting(None, bucket_name, "Bucket that attachments are copied to")
    copies_at_once: int = _setting(64, _whole(1, 256), "Attachments copied at once")
    email_queue_url: str | None = _setting(
        None, _url, "URL of the SQS queue of the email validation service", also="SQS_QUEUE_URL"
    )
    email_dlq_url: str | None = _setting(None, _url, "URL of its dead-letter queue")
    email_bucket_name: str | None = _setting(None, bucket_name, "Bucket of the email archive", also="S3_BUCKET_NAME")
    email_kms_key_id: str | None = _setting(
        None, _text, "KMS key that encrypts archived emails; unset means the bucket's default encryption"
    )
    email_poll_interval_seconds: int = _setting(
        30, _whole(1, 3_600), "Seconds between two ticks of the email sensor", also="POLL_INTERVAL_SECONDS"
    )
    email_max_messages_per_poll: int = _setting(
        10, _whole(1, 10), "Messages per receive call on the email queue", also="MAX_MESSAGES_PER_POLL"
    )
    email_visibility_timeout_seconds: int = _setting(
        300,
        _whole(10, 43_200),
        "Visibility timeout of a received email in seconds; heartbeats extend it",
        also="VISIBILITY_TIMEOUT_SECONDS",
    )
    delivery_events_topic_arn: str | None = _setting(
        None, _topic_arn, "ARN of the SNS topic to which events of deliveries are published; unset means none"
    )
    api_sources_dir: Path = _setting(
        _shipped("api_sources"), _path, "Folder of the declared REST APIs; unset means those in the package"
    )
    dagster_home: Path | None = _setting(None, _path, "Dagster's home folder, with its dagster.yaml")
    dagster_postgres_url: str | None = _setting(
        None, _postgres, "Dagster's storage, postgresql://…; unset means SQLite", secret=True
    )
    gateway_allowed_topic_arns: tuple[str, ...] | None = _setting(
        None, _topic_arns, "ARNs of the SNS topics that the gateway accepts, separated by commas"
    )
    gateway_admin_token: str | None = _setting(
        None,
        _token,
        f"Bearer token of POST /breaker/reset, {_TOKEN_CHARACTERS} characters or more; unset turns it off",
        secret=True,
    )
    gateway_overview_access: str | None = _setting(
        None,
        _overview_access,
        "Who may read the gateway's /overview: token, or a header such as X-Auth-Request-Email that a proxy sets for "
        "users it let in; unset turns the page off",
    )
    gateway_dev_mode: bool = _setting(
        False, _yes_no, "Accept the unsigned posts of the emulator at AWS_ENDPOINT_URL; for development only"
    )
    gateway_check_tokens_file: Path | None = _setting(
        None, _path, "File with the hashed tokens of agencies, who may then check files at /check; unset turns it off"
    )
    gateway_check_max_mib: int = _setting(50, _whole(1, 1_024), "MiB that a file may have there")
    gateway_check_memory_mib: int = _setting(
        768, _whole(256, 1 << 16), "MiB of memory that the check of one file may use"
    )
    gateway_checks_at_once: int = _setting(2, _whole(1, 32), "Files that are checked at once")
    gateway_proxies: int = _setting(
        0,
        _whole(0, 5),
        "Proxies in front of the gateway; the address of a client is that many from the right in X-Forwarded-For",
    )
    gateway_host: str = _setting("127.0.0.1", _text, "Address that the gateway listens on; 0.0.0.0 in the image")
    port: int = _setting(8080, _whole(1, 65_535), "Port of the gateway")
    log_level: str = _setting("INFO", _level, f"Log level: {', '.join(LOG_LEVELS)}")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Settings from environment variables.

        Raises:
            SettingsError: names every wrong setting, its value and what it takes.
        """
        values: dict[str, Any] = {}
        wrong: list[str] = []
        for item in fields(cls):
            names = [name for name in (item.name.upper(), item.metadata["also"]) if name]
            found = next(((name, text) for name in names if (text := environment.get(name, "").strip())), None)
            if found is None:
                continue
            name, text = found
            try:
                values[item.name] = item.metadata["read"](text)
            except ValueError as error:
                wrong.append(f"{name}{'' if item.metadata['secret'] else f'={text!r}'}: {error}")
        if wrong:
            raise SettingsError("; ".join(dict.fromkeys(wrong)))
        return cls(**values)

    def require(self, *names: str) -> None:
        """Raise SettingsError that names every one of these fields that is not set."""
        missing = [_names(item) for item in fields(self) if item.name in names and getattr(self, item.name) is None]
        if missing:
            raise SettingsError(
                f"{', '.join(missing)} not set; put it in the environment or in .env (see .env.example)"
            )


def _names(item: "Field[Any]") -> str:
    also = item.metadata["also"]
    return item.name.upper() + (f" (or {also})" if also else "")


DEV_STACK_ENV = Path(".local/stack.env")
"""Written while ``make dev`` runs, so that commands in other terminals use the running stack."""


def load_settings(given: Mapping[str, str] = MappingProxyType({})) -> Settings:
    """Settings of this process. The environment overrides ``.env``, which overrides a running dev stack.

    Args:
        given: values by name in capitals; they override all of these.
    """
    return Settings.from_environment({**_environment(), **given})


def _environment() -> dict[str, str]:
    files = {**_env_file(DEV_STACK_ENV), **_env_file(Path(".env"))}
    return {name: text for name, text in [*files.items(), *os.environ.items()] if text}


def _env_file(path: Path) -> dict[str, str | None]:
    """What the file sets; nothing if there is no such file.

    Raises:
        SettingsError: it cannot be read, or has a line that python-dotenv would leave out with a warning.
    """
    from dotenv import dotenv_values
    from dotenv.parser import parse_stream

    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: byte {error.start + 1:,} is not UTF-8; save it as UTF-8") from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from None
    for binding in parse_stream(StringIO(text)):
        # Its text may be a secret.
        if binding.error or (binding.key is not None and binding.value is None):
            raise SettingsError(f"{path}, line {binding.original.line}: not a setting; write NAME=value")
    return dotenv_values(stream=StringIO(text))


def read_secret(name: str) -> str:
    """The secret of a declared API, read from the same places as the settings. Never put its value in a message.

    Raises:
        SettingsError: it is not set.
    """
    found = _environment().get(name, "").strip()
    if not found:
        raise SettingsError(f"the secret {name} is not set; put it in the environment or in .env")
    return found


def env_example() -> str:
    """The content of ``.env.example``: every setting with its description and default."""
    lines = ["# Every setting with its default. Copy to .env and change what differs. The environment overrides .env."]
    for item in fields(Settings):
        # A default would hide a value under the older name, and a folder of this machine is wrong on others.
        shown = not (item.default is None or isinstance(item.default, Path) or item.metadata["also"])
        about = item.metadata["about"]
        if also := item.metadata["also"]:
            about += f"; unset means {also}" + ("" if item.default is None else f", else {item.default}")
        default = str(item.default).lower() if isinstance(item.default, bool) else item.default
        lines += ["", f"# {about}", f"{item.name.upper()}={default if shown else ''}"]
    return "\n".join(lines) + "\n"


@cache
def code_version() -> str:
    """Version of this package. Cached, because parsing its metadata takes a millisecond."""
    return version("etl-platform")
