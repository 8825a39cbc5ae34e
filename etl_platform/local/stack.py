"""Emulator, resources, Dagster's home and Dagster, in order. Alone in local/ to read os.environ."""

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
from etl_platform.local.emulator import LOOPBACK, Emulator, wait_until_it_answers
from etl_platform.local.postgres import postgres_server
from etl_platform.local.processes import LocalStackError, Tethered
from etl_platform.local.provision import KEY_ID, KEY_SECRET, REGION, Provisioned, open_clients, provision
from etl_platform.local.sample_api import SECRET_NAME, TOKEN, sample_api

REPOSITORY = Path(__file__).parents[2]
_BIN = Path(sys.executable).parent
# A person's AWS_PROFILE, proxy, settings or DAGSTER_HOME must not reach the stack. LD_LIBRARY_PATH: some
# Pythons (CI's, for one) do not start without it.
_INHERITED = ("HOME", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "PATH", "TZ", "USER")
_GRACE_S = 20.0
_POSTGRES_STORAGE = """
storage:
  postgres:
    postgres_url:
      env: DAGSTER_POSTGRES_URL
"""
_UI_READY_WITHIN_S = 90.0
_GATEWAY_READY_WITHIN_S = 30.0


def inherited_environment() -> dict[str, str]:
    """The part of this process's environment that children get; .venv/bin comes first in PATH."""
    kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return kept | {"PATH": os.pathsep.join((str(_BIN), kept.get("PATH", os.defpath)))}


class Stack:
    """Emulator, resources and DAGSTER_HOME; Dagster and gateway on request. All of it ends with the context."""

    def __init__(
        self,
        work_dir: Path,
        *,
        dagster_home: Path | None = None,
        port: int | None = None,
        poll_interval_s: int = 2,
        project: Path = REPOSITORY,
        postgres_url: str | None = None,
        settings: Mapping[str, str] = MappingProxyType({}),
        application: Rows | None = None,
    ) -> None:
        """Logs go to ``work_dir``; workspace.yaml and dagster.yaml come from ``project``.

        With ``postgres_url`` Dagster keeps its history there instead of in SQLite. ``settings`` are further
        environment variables of the stack's processes. With ``application`` there is an application database with
        these rows, its attachments lie in their bucket, and a small REST API is declared.
        """
        self.work_dir = work_dir
        self.dagster_home = dagster_home or work_dir / "dagster_home"
        self.emulator = Emulator(work_dir, port=port, environment=inherited_environment())
        self._poll_interval_s = poll_interval_s
        self._project, self._postgres_url, self._settings = project, postgres_url, settings
        self._application = application
        self._application_settings: dict[str, str] = {}
        self._resources: Provisioned | None = None
        self._scratch: Path | None = None
        self._dagster: Tethered | None = None
        self._gateway: Tethered | None = None
        self._ending = ExitStack()

    @property
    def resources(self) -> Provisioned:
        assert self._resources is not None, "the stack has not been started"
        return self._resources

    @property
    def coordinates(self) -> dict[str, str]:
        """What a program needs in its environment to work against this stack."""
        return {
            "AWS_ENDPOINT_URL": self.emulator.endpoint_url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": KEY_SECRET,
            **self.resources.environment,
            "DAGSTER_HOME": str(self.dagster_home),
            "GATEWAY_DEV_MODE": "true",
            **self._application_settings,
            **({"DAGSTER_POSTGRES_URL": self._postgres_url} if self._postgres_url else {}),
        }

    @property
    def environment(self) -> dict[str, str]:
        """All that the stack's processes see."""
        assert self._scratch is not None, "the stack has not been started"
        return {
            **inherited_environment(),
            **self.coordinates,
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
        """Start dagster-daemon: sensors, run queue, runs."""
        program = [str(_BIN / "dagster-daemon"), "run", "-w", str(self._workspace())]
        self._dagster = self._start("dagster-daemon", program, self.work_dir / "dagster.log")

    @property
    def dagster_pid(self) -> int | None:
        """The process below which all of Dagster runs, if it was started."""
        return None if self._dagster is None else self._dagster.pid

    def start_ui(self, port: int) -> str:
        """Start ``dagster dev`` and wait until its page is served; its URL.

        Raises:
            LocalStackError: it ended, or did not come up.
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
        wait_until_it_answers(self._dagster, url, "/server_info", _UI_READY_WITHIN_S)
        return url

    def start_gateway(self, port: int) -> str:
        """Start ``etl-platform gateway`` in development mode and wait until it answers; its URL.

        Raises:
            LocalStackError: it ended, or did not come up.
        """
        program = [str(_BIN / "etl-platform"), "gateway", "--host", LOOPBACK, "--port", str(port)]
        self._gateway = self._start("gateway", program, self.work_dir / "gateway.log")
        url = f"http://{LOOPBACK}:{port}"
        wait_until_it_answers(self._gateway, url, "/healthz", _GATEWAY_READY_WITHIN_S)
        return url

    def check(self) -> None:
        """Raise LocalStackError with the end of its log if a part has ended by itself."""
        self.emulator.check()
        for part in (self._dagster, self._gateway):
            if part is not None:
                part.check()

    def stop(self) -> None:
        """End gateway and Dagster, then the emulator; safe to call twice."""
        self._ending.close()

    def __enter__(self) -> Self:
        try:
            self.work_dir.mkdir(parents=True, exist_ok=True)
            self._copy_dagster_yaml()
            # Not in work_dir: Dagster opens sockets here, and a socket's path has 107 bytes at most.
            self._scratch = Path(tempfile.mkdtemp(prefix="etl-platform-"))
            self._ending.callback(shutil.rmtree, self._scratch, ignore_errors=True)
            self._ending.enter_context(self.emulator)
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
        database_url = self._ending.enter_context(postgres_server()).get_uri()
        create_application_database(database_url, rows)
        api = self._ending.enter_context(sample_api())
        declared = self.work_dir.resolve() / "api_sources"
        declared.mkdir(exist_ok=True)
        (declared / "sample_academy.yaml").write_text(api.declaration(), "utf-8")
        self._application_settings = {
            "DATABASE_URL": database_url,
            "API_SOURCES_DIR": str(declared),
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
            raise LocalStackError(f"{source} is missing: it configures Dagster's run queue")
        self.dagster_home.mkdir(parents=True, exist_ok=True)
        storage = _POSTGRES_STORAGE if self._postgres_url else ""
        (self.dagster_home / "dagster.yaml").write_text(source.read_text("utf-8") + storage, "utf-8")

    def _workspace(self) -> Path:
        path = self._project / "workspace.yaml"
        if not path.exists():
            raise LocalStackError(f"{path} is missing: it names Dagster's code location")
        return path

    def _start(self, name: str, program: Sequence[str], log: Path) -> Tethered:
        process = Tethered(
            name,
            program,
            environment=self.environment,
            # Dagster and settings.py read .env from the working directory: here lies none.
            working_dir=self.work_dir,
            log=log,
            grace_s=_GRACE_S,
        )
        return self._ending.enter_context(process)


def write_coordinates(path: Path, coordinates: Mapping[str, str]) -> None:
    """One NAME=value line each, as a shell and .env readers take it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{name}={shlex.quote(value)}\n" for name, value in coordinates.items()))


def read_coordinates(path: Path) -> dict[str, str]:
    """What write_coordinates wrote; empty if the file does not exist."""
    if not path.exists():
        return {}
    pairs = (line.partition("=") for line in path.read_text().splitlines() if "=" in line)
    return {name: "".join(shlex.split(value)) for name, _, value in pairs}
