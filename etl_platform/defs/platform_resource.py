"""The resource ``platform``: a Platform whose settings the UI shows, and which run config can replace."""

from dataclasses import fields, replace
from typing import Any, get_type_hints

import dagster as dg
from pydantic import Field, create_model

from etl_platform.engine.contract_folder import ContractFolder
from etl_platform.platform import Platform
from etl_platform.settings import Settings

# What a run, a sensor or a schedule uses. Never a secret, because Dagster stores the values and shows them. Not the
# folders of contracts and APIs: the definitions were made from them, so a run must not use others.
RUN_SETTINGS = (
    "aws_endpoint_url",
    "aws_region",
    "local_s3_root",
    "data_bucket_name",
    "source_prefix",
    "file_events_queue_url",
    "file_events_dlq_url",
    "sns_worker_max",
    "max_runs_in_flight",
    "max_messages_per_poll",
    "visibility_timeout_seconds",
    "circuit_breaker_max_failures",
    "circuit_breaker_cooldown_seconds",
    "shutdown_grace_seconds",
    "attachments_source_bucket",
    "attachments_destination_bucket",
    "copies_at_once",
    "email_queue_url",
    "email_dlq_url",
    "email_bucket_name",
    "email_kms_key_id",
    "email_max_messages_per_poll",
    "email_visibility_timeout_seconds",
    "delivery_events_topic_arn",
)


def build_platform_resource(settings: Settings, folder: ContractFolder) -> Any:
    """A ConfigurableResource with one optional field per setting.

    The run config of a run can replace settings, for example to read another bucket once. Values are checked like those
    of environment variables. The fields have no defaults: the Launchpad writes defaults into its tabs, and a saved tab
    would keep the settings of its day. Their descriptions have the values instead.
    """

    class Configured(dg.ConfigurableResource[Platform]):
        def create_resource(self, context: dg.InitResourceContext) -> Platform:
            return Platform(_replaced(settings, {name: getattr(self, name) for name in RUN_SETTINGS}), folder)

    types, about = get_type_hints(Settings), {item.name: item.metadata["about"] for item in fields(Settings)}
    config_fields: dict[str, Any] = {
        name: (
            (int if types[name] is int else str) | None,
            Field(None, description=f"{about[name]}. Here: {_shown(settings, name)}."),
        )
        for name in RUN_SETTINGS
    }
    description = "The platform's outside systems and limits, as the settings name them. Secrets are not shown. "
    description += "A value that is null means the setting, which the field's description gives."
    make: Any = create_model
    return make("PlatformResource", __base__=Configured, __module__=__name__, __doc__=description, **config_fields)()


def _shown(settings: Settings, name: str) -> str:
    value = getattr(settings, name)
    return "not set" if value is None else str(value)


def _replaced(settings: Settings, values: dict[str, str | int | None]) -> Settings:
    """The settings with those of ``values`` that are given; an empty text unsets one.

    Raises:
        SettingsError: a value is invalid.
    """
    given = {name: str(value) for name, value in values.items() if value is not None}
    read = Settings.from_environment({name.upper(): text for name, text in given.items()})
    return replace(settings, **{name: getattr(read, name) for name in given})
