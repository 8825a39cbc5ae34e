"""Dagster's instance, as a command outside Dagster opens it."""

import os

import dagster as dg

from etl_platform.core.errors import SettingsError
from etl_platform.settings import Settings


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """The instance of DAGSTER_HOME; a context manager.

    Raises:
        SettingsError: DAGSTER_HOME is not set, or no folder.
    """
    if settings.dagster_home is None:
        raise SettingsError(
            "DAGSTER_HOME not set: it names the Dagster that runs the intake. Put it in the environment or in .env; "
            "while make dev runs, its own is found"
        )
    if not settings.dagster_home.is_dir():
        raise SettingsError(f"DAGSTER_HOME={settings.dagster_home}: there is no such folder")
    if settings.dagster_postgres_url:
        # A dagster.yaml with Postgres names this variable, and Dagster looks for it in the environment alone.
        os.environ.setdefault("DAGSTER_POSTGRES_URL", settings.dagster_postgres_url)
    return dg.DagsterInstance.from_config(str(settings.dagster_home))
