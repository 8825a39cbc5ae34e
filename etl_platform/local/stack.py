"""Starts and stops the local stack: emulator, resources, application database, Dagster, gateway.

It is the only module of ``local`` that reads os.environ.
"""

import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from etl_platform.local.application_database import (
    Rows,
    attachment_content,
    create_application_database,
)
from etl_platform.local.emulator import LOOPBACK, Emulator, wait_until_ready
from etl_platform.local.postgres import postgres_server
from etl_platform.local.processes import LocalStackError, ProcessTree
from etl_platform.local.provision import KEY_ID, KEY_SECRET, REGION, Provisioned, open_clients, provision
from etl_platform.local.sample_api import SECRET_NAME, TOKEN, sample_api

REPOSITORY = Path(__file__).parents[2]
_BIN = Path(sys.executable).parent
# The stack must not see the AWS_PROFILE, proxy, settings or DAGSTER_HOME of the current user. Some Python builds, such
# as the one in CI, need LD_LIBRARY_PATH to start.
_INHERITED = ("HOME", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "PATH", "TZ", "USER")
_GRACE_S = 20.0
_POSTGRES_STORAGE = """
storage:
  postgres:
    postgres_url:
      env: DAGSTER_POSTGRES_URL
"""
# Hides that `dagster dev` and `dagster job execute` are superseded by dg, which a deployment does not have.
QUIET = "ignore:Function:FutureWarning"
_UI_READY_WITHIN_S = 90.0
_GATEWAY_READY_WITHIN_S = 30.0


def inherited_environment() -> dict[str, str]:
    """The environment variables that child processes inherit; .venv/bin comes first in PATH."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return inherited | {"PATH": os.pathsep.join((str(_BIN), inherited.get("PATH", os.defpath)))}


class Stack:
    """Emulator, resources and DAGSTER_HOME; Dagster and gateway on request. All processes end with the context."""

    def __init__(
        self,
        work_dir: Path,
        *,
        dagster_home: Path | None = None,
        emulator_state: Path | None = None,
        port: int | None = None,
        poll_interval_s: int = 2,
        project: Path = REPOSITORY,
        postgres_url: str | None = None,
        settings: Mapping[str, str] = MappingProxyType({}),
        application: Rows | None = None,
    ) -> None:
        """Configure a stack; entering the context starts it.

        Args:
            work_dir: folder of the logs.
            emulator_state: where the emulator's state is kept; in memory by default.
            project: folder of workspace.yaml and dagster.yaml.
            postgres_url: Dagster's storage; SQLite in DAGSTER_HOME without it.
            settings: further environment variables of the stack's processes.
            application: rows of an application database; with it the stack also has its attachments and a REST API.
        """
        self.work_dir = work_dir
        self.dagster_home = dagster_home or work_dir / "dagster_home"
        environment = inherited_environment()
        self.emulator = Emulator(work_dir, port=port, environment=environment, state_dir=emulator_state)
        self._poll_interval_s = poll_interval_s
        self._project, self._postgres_url, self._settings = project, postgres_url, settings
        self._application = application
        self._application_settings: dict[str, str] = {}
        self._resources: Provisioned | None = None
        self._scratch: Path | None = None
        self._dagster: ProcessTree | None = None
        self._gateway: ProcessTree | None = None
        self._cleanup = ExitStack()

    @property
    def resources(self) -> Provisioned:
        assert self._resources is not None, "the stack has not been started"
        return self._resources

    @property
    def connection_settings(self) -> dict[str, str]:
        """The environment variables with which a program uses this stack."""
        return {
            "AWS_ENDPOINT_URL": self.emulator.endpoint_url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": KEY_SECRET,
            **self.resources.environment,
            "DAGSTER_HOME": str(self.dagster_home),
            "GATEWAY_DEV_MODE": "true",
            "PYTHONWARNINGS": QUIET,
            **self._application_settings,
            **({"DAGSTER_POSTGRES_URL": self._postgres_url} if self._postgres_url else {}),
        }

    @property
    def environment(self) -> dict[str, str]:
        """All environment variables of the stack's processes."""
        assert self._scratch is not None, "the stack has not been started"
        return {
            **inherited_environment(),
            **self.connection_settings,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "POLL_INTERVAL_SECONDS": str(self._poll_interval_s),
            "DAGSTER_DISABLE_TELEMETRY": "yes",
            "TMPDIR": str(self._scratch),
            "PYTHONUNBUFFERED": "1",
            **self._settings,
        }

    def start_daemon(self) -> None:
        """Start dagster-daemon, which runs sensors, schedules and the run queue."""
        program = [str(_BIN / "dagster-daemon"), "run", "-w", str(self._workspace())]
        self._dagster = self._start("dagster-daemon", program, self.work_dir / "dagster.log")

    @property
    def dagster_pid(self) -> int | None:
        """The root process of Dagster; None if it was not started."""
        return None if self._dagster is None else self._dagster.pid

    def start_ui(self, port: int) -> str:
        """Start ``dagster dev`` and wait until its UI responds; returns its URL.

        Raises:
            LocalStackError: it ended, or does not respond in time.
        """
        program = [
            str(_BIN / "dagster"),
            "dev",
            "-w",
            str(self._workspace()),
            "-h",
            LOOPBACK,
            "-p",
            str(port),
        ]
        self._dagster = self._start("dagster dev", program, self.work_dir / "dagster.log")
        url = f"http://{LOOPBACK}:{port}"
        wait_until_ready(self._dagster, url, "/server_info", _UI_READY_WITHIN_S)
        return url

    def start_gateway(self, port: int) -> str:
        """Start ``etl-platform gateway`` in development mode and wait until it responds; returns its URL.

        Raises:
            LocalStackError: it ended, or does not respond in time.
        """
        program = [str(_BIN / "etl-platform"), "gateway", "--host", LOOPBACK, "--port", str(port)]
        self._gateway = self._start("gateway", program, self.work_dir / "gateway.log")
        url = f"http://{LOOPBACK}:{port}"
        wait_until_ready(self._gateway, url, "/healthz", _GATEWAY_READY_WITHIN_S)
        return url

    def check(self) -> None:
        """Raise LocalStackError with the end of the log of a process that has ended."""
        self.emulator.check()
        for part in (self._dagster, self._gateway):
            if part is not None:
                part.check()

    def stop(self) -> None:
        """End gateway and Dagster, then the emulator; safe to call twice."""
        self._cleanup.close()

    def __enter__(self) -> Self:
        try:
            self.work_dir.mkdir(parents=True, exist_ok=True)
            self._copy_dagster_yaml()
            # Not in work_dir: Dagster opens sockets here, and the path of a socket is limited to 107 bytes.
            self._scratch = Path(tempfile.mkdtemp(prefix="etl-platform-"))
            self._cleanup.callback(shutil.rmtree, self._scratch, ignore_errors=True)
            self._cleanup.enter_context(self.emulator)
            self._resources = provision(self.emulator.endpoint_url)
            if self._application is not None:
                self._start_application(self._application)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start_application(self, rows: Rows) -> None:
        database_url = self._cleanup.enter_context(postgres_server()).get_uri()
        create_application_database(database_url, rows)
        api = self._cleanup.enter_context(sample_api())
        api_sources = self.work_dir.resolve() / "api_sources"
        api_sources.mkdir(exist_ok=True)
        (api_sources / "sample_academy.yaml").write_text(api.declaration(), "utf-8")
        self._application_settings = {
            "DATABASE_URL": database_url,
            "API_SOURCES_DIR": str(api_sources),
            SECRET_NAME: TOKEN,
        }
        with open_clients(self.emulator.endpoint_url) as aws:
            for identity, _agency, key, _name, content_type, _size in rows.attachments:
                body = attachment_content(identity)
                bucket = self.resources.attachments_source
                aws.s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType=content_type)

    def _copy_dagster_yaml(self) -> None:
        source = self._project / "dagster.yaml"
        if not source.exists():
            raise LocalStackError(
                f"{source}, Dagster's instance configuration, is missing; restore it with git checkout"
            )
        self.dagster_home.mkdir(parents=True, exist_ok=True)
        storage = _POSTGRES_STORAGE if self._postgres_url else ""
        (self.dagster_home / "dagster.yaml").write_text(source.read_text("utf-8") + storage, "utf-8")

    def _workspace(self) -> Path:
        path = self._project / "workspace.yaml"
        if not path.exists():
            raise LocalStackError(
                f"{path}, which names Dagster's code location, is missing; restore it with git checkout"
            )
        return path

    def _start(self, name: str, program: Sequence[str], log: Path) -> ProcessTree:
        process = ProcessTree(
            name,
            program,
            environment=self.environment,
            # Dagster and settings.py read .env from the working directory; this folder has no .env.
            working_dir=self.work_dir,
            log=log,
            grace_s=_GRACE_S,
        )
        return self._cleanup.enter_context(process)


def write_env_file(path: Path, variables: Mapping[str, str]) -> None:
    """Write one NAME=value line per variable, for shells and readers of .env files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{name}={shlex.quote(value)}\n" for name, value in variables.items()))


def read_env_file(path: Path) -> dict[str, str]:
    """The variables in a file of ``write_env_file``; empty if the file does not exist."""
    if not path.exists():
        return {}
    pairs = (line.partition("=") for line in path.read_text().splitlines() if "=" in line)
    return {name: "".join(shlex.split(value)) for name, _, value in pairs}
