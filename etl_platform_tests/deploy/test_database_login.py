"""database_login.py of the chart against a real PostgreSQL, whose owner has what RDS gives to its master user."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg2
import pytest
import yaml
from psycopg2 import errors

from etl_platform.local.postgres import postgres_server
from etl_platform_tests.deploy.helm_chart import CHART

SCRIPT = CHART / "database_login.py"
LOGIN, PASSWORD = "dagster_service", "it's $1 \\ of \" quotes"


@pytest.fixture
def server() -> Iterator[str]:
    """The folder of a server's socket. ``dagster`` belongs to the owner ``master``, who is no superuser."""
    with postgres_server() as running:
        with closing(psycopg2.connect(running.get_uri())) as opened:
            opened.autocommit = True
            with opened.cursor() as at:
                at.execute("CREATE ROLE master LOGIN CREATEROLE CREATEDB PASSWORD 'm'")
                at.execute("CREATE DATABASE dagster OWNER master")
        yield str(running.get_postmaster_info().socket_dir)


def connect(folder: str, user: str, password: str = "") -> Any:
    return closing(psycopg2.connect(host=folder, dbname="dagster", user=user, password=password))


def give_login(folder: str, password: str = PASSWORD) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "PGHOST": folder,
        "PGDATABASE": "dagster",
        "PGUSER": "master",
        "PGPASSWORD": "m",
        "LOGIN_NAME": LOGIN,
        "LOGIN_PASSWORD": password,
    }
    command = [sys.executable, "-c", SCRIPT.read_text("utf-8")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True)


def use_storage(folder: str, tmp_path: Any, user: str) -> int:
    """Open Dagster's storage as ``user``, migrate it, and write a run; the number of runs."""
    home = tmp_path / user
    home.mkdir(exist_ok=True)
    url = f"postgresql+psycopg2://{user}@/dagster?host={folder}"
    (home / "dagster.yaml").write_text(yaml.safe_dump({"storage": {"postgres": {"postgres_url": url}}}))
    with dg.DagsterInstance.from_config(str(home)) as instance:
        instance.upgrade()
        instance.add_run(dg.DagsterRun(job_name="any"))
        return instance.get_runs_count()


def test_dagster_goes_on_with_its_own_login_where_the_owner_left_off(server: str, tmp_path: Any) -> None:
    assert use_storage(server, tmp_path, "master") == 1
    give_login(server)
    assert use_storage(server, tmp_path, LOGIN) == 2
    assert use_storage(server, tmp_path, "master") == 3, "pods that still log in as the owner go on"
    give_login(server)
    assert use_storage(server, tmp_path, LOGIN) == 4


def test_dagster_starts_with_its_own_login_in_an_empty_database(server: str, tmp_path: Any) -> None:
    give_login(server)
    assert use_storage(server, tmp_path, LOGIN) == 1


def test_the_login_may_do_nothing_outside_of_its_database(server: str) -> None:
    give_login(server)
    with connect(server, LOGIN, PASSWORD) as opened, opened.cursor() as at:
        opened.autocommit = True
        at.execute(
            "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication FROM pg_roles WHERE rolname = USER"
        )
        assert at.fetchone() == (False,)
        for forbidden in (
            "CREATE ROLE other",
            "CREATE DATABASE other",
            "SET ROLE master",
            "ALTER ROLE master PASSWORD 'x'",
        ):
            with pytest.raises(errors.InsufficientPrivilege):
                at.execute(forbidden)


def test_a_password_is_not_in_the_servers_log(server: str) -> None:
    with connect(server, "postgres") as opened, opened.cursor() as at:
        opened.autocommit = True
        at.execute("ALTER SYSTEM SET log_statement = 'ddl'")
        at.execute("SELECT pg_reload_conf(), current_setting('data_directory')")
        _, folder = at.fetchone()
    told = give_login(server, "a first secret")
    told = give_login(server, "a second secret")
    logged = (Path(folder) / "log").read_text("utf-8")
    assert f'ALTER ROLE "{LOGIN}" LOGIN PASSWORD \'SCRAM-SHA-256$' in logged
    assert "secret" not in logged + told.stdout + told.stderr
