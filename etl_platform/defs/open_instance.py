"""Dagster's instance, as a command outside Dagster opens it."""

import os

import dagster as dg

from etl_platform.engine.errors import EtlPlatformError
from etl_platform.errors import SettingsError, TransientError
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


def check_storage(settings: Settings) -> str:
    """What kind of storage Dagster keeps its runs in, once it has answered.

    Raises:
        SettingsError: as ``open_instance``.
        TransientError: it does not answer; no message of Dagster's own is quoted, since it may quote a setting.
    """
    from psycopg2 import OperationalError

    try:
        with open_instance(settings) as instance:
            instance.get_runs_count()
            return type(instance.run_storage).__name__
    except EtlPlatformError:
        raise
    except Exception as error:  # noqa: BLE001 - Dagster and SQLAlchemy each raise what they like
        root: BaseException = error
        while (below := root.__cause__ or root.__context__) is not None:
            root = below
        said = str(root).strip().splitlines()[0] if isinstance(root, OperationalError) else type(root).__name__
        raise TransientError(f"Dagster's storage: {said}") from None
