"""Opens the Dagster instance for commands and services that Dagster does not start itself."""

import os

import dagster as dg

from etl_platform.engine.errors import EtlPlatformError
from etl_platform.errors import SettingsError, TransientError
from etl_platform.settings import Settings


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """The instance of DAGSTER_HOME, as a context manager.

    Raises:
        SettingsError: DAGSTER_HOME is not set, or is not a folder.
    """
    if settings.dagster_home is None:
        raise SettingsError(
            "DAGSTER_HOME is not set. Set it, in the environment or in .env, to the home of the Dagster that runs the "
            "intake. While make dev runs, its home is found without it"
        )
    if not settings.dagster_home.is_dir():
        raise SettingsError(f"DAGSTER_HOME={settings.dagster_home} is not a folder: create it, or correct the setting")
    if settings.dagster_postgres_url:
        # A dagster.yaml for Postgres refers to this variable, and Dagster reads it from the environment only.
        os.environ.setdefault("DAGSTER_POSTGRES_URL", settings.dagster_postgres_url)
    return dg.DagsterInstance.from_config(str(settings.dagster_home))


def check_storage(settings: Settings) -> str:
    """The class name of Dagster's run storage, after a query that it answered.

    Raises:
        SettingsError: as ``open_instance``.
        TransientError: it does not answer. Dagster's own message is left out, because it may quote a setting.
    """
    from psycopg2 import OperationalError

    try:
        with open_instance(settings) as instance:
            instance.get_runs_count()
            return type(instance.run_storage).__name__
    except EtlPlatformError:
        raise
    except Exception as error:  # noqa: BLE001 - Dagster, SQLAlchemy and psycopg2 share no base class
        root: BaseException = error
        while (below := root.__cause__ or root.__context__) is not None:
            root = below
        reason = str(root).strip().splitlines()[0] if isinstance(root, OperationalError) else type(root).__name__
        raise TransientError(f"Dagster's storage does not answer: {reason}") from None
