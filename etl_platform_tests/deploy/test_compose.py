"""docker-compose.yml without Docker: its schema, its confinement, its settings, and its commands run as processes."""

import json
import os
import re
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from etl_platform.local.emulator import Emulator
from etl_platform.local.postgres import postgres_server
from etl_platform.local.processes import ProcessTree, last_lines
from etl_platform.local.provision import open_clients
from etl_platform.local.samples import build_samples
from etl_platform.local.stack import REPOSITORY, inherited_environment
from etl_platform.object_keys import is_report
from etl_platform.settings import Settings
from etl_platform_tests.deploy.ports import free_port
from etl_platform_tests.deploy.tools import tool

LOCAL = REPOSITORY / "infra" / "local"
COMPOSE = LOCAL / "docker-compose.yml"
VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")
ONE_SHOT = {"provision", "dagster-home"}
HEALTHY_WITHIN_S = 120


def services(text: str) -> dict[str, Any]:
    """The services as Compose sees them where no variable is set."""
    found: dict[str, Any] = yaml.safe_load(VARIABLE.sub(lambda match: match[2], text))["services"]
    return found


SERVICES = services(COMPOSE.read_text())


def test_the_file_follows_the_compose_specification() -> None:
    program = [tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    done = subprocess.run(program, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


def test_every_service_is_defined() -> None:
    assert set(SERVICES) == {"emulator", "postgres", "code-server", "webserver", "daemon", "gateway", *ONE_SHOT}


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_is_confined(name: str) -> None:
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"] in {"1000:1000", "postgres"}
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


@pytest.mark.parametrize("name", SERVICES)
def test_every_dependency_waits_for_a_condition_that_its_service_can_reach(name: str) -> None:
    assert (name in ONE_SHOT) == ("healthcheck" not in SERVICES[name])
    for other, how in SERVICES[name].get("depends_on", {}).items():
        wanted = "service_completed_successfully" if other in ONE_SHOT else "service_healthy"
        assert how == {"condition": wanted}


def test_every_setting_is_known_and_valid() -> None:
    known = {field.name.upper() for field in fields(Settings)} | {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}

    for service in SERVICES.values():
        if service["image"] == "etl-platform:local":
            assert set(service["environment"]) <= known
            Settings.from_environment({name: str(text or "") for name, text in service["environment"].items()})


def test_the_example_lists_every_variable_with_its_default() -> None:
    lines = (LOCAL / ".env.example").read_text().splitlines()
    example = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))

    assert example == dict(VARIABLE.findall(COMPOSE.read_text()))


def test_the_emulator_is_the_one_of_make_dev() -> None:
    settings = Emulator(Path("/nowhere")).settings_for(4566)
    own_place = {"MINISTACK_HOST", "TMPDIR"}
    environment = SERVICES["emulator"]["environment"]

    assert set(environment) == set(settings)
    assert {n: t for n, t in environment.items() if n not in own_place} == {
        n: t for n, t in settings.items() if n not in own_place
    }
    assert "-r /emulator.lock" in SERVICES["emulator"]["build"]["dockerfile_inline"]
    assert (LOCAL / SERVICES["emulator"]["build"]["context"] / "emulator.lock").is_file()


@pytest.mark.parametrize("name", SERVICES)
def test_every_build_and_mount_path_exists(name: str) -> None:
    build = SERVICES[name].get("build", {})
    assert not build.get("dockerfile") or (LOCAL / build["context"] / build["dockerfile"]).is_file()
    for volume in SERVICES[name].get("volumes", []):
        source = volume.split(":")[0]
        assert source in {"dagster-home", "postgres"} or (LOCAL / source).is_file()


class Processes:
    """The services as processes on loopback: the same commands, environment and health checks on other ports."""

    def __init__(self, folder: Path, postgres_url: str, ending: ExitStack) -> None:
        self._folder, self._ending = folder, ending
        self._config, self.home = folder / "config", folder / "dagster_home"
        for made in (self._config, self.home):
            made.mkdir()
        self.ports = {port: free_port() for port in (4566, 4000, 3000, 8080)}
        self._services = {
            name: {
                part: self._here(service.get(part)) for part in ("entrypoint", "command", "environment", "healthcheck")
            }
            for name, service in SERVICES.items()
        }
        for service in self._services.values():
            if "DAGSTER_POSTGRES_URL" in service["environment"]:
                service["environment"]["DAGSTER_POSTGRES_URL"] = postgres_url
        for source, name in (
            (REPOSITORY / "dagster.yaml", "dagster.yaml"),
            (LOCAL / "dagster-storage.yaml", "storage.yaml"),
            (LOCAL / "workspace.yaml", "workspace.yaml"),
        ):
            (self._config / name).write_text(self._here(source.read_text()))

    def _here(self, value: Any) -> Any:
        """The same with this machine's addresses, ports and folders in every text."""
        if isinstance(value, dict):
            return {name: self._here(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self._here(item) for item in value]
        if not isinstance(value, str):
            return value
        value = re.sub(r"\b(emulator|code-server|0\.0\.0\.0)\b", "127.0.0.1", value)
        value = re.sub(r"\b(4566|4000|3000|8080)\b", lambda match: str(self.ports[int(match[0])]), value)
        return value.replace("/opt/dagster/dagster_home", str(self.home)).replace("/config/", f"{self._config}/")

    def environment(self, name: str) -> dict[str, str]:
        given = {variable: str(text or "") for variable, text in self._services[name]["environment"].items()}
        folders = [str(REPOSITORY / ".emulator" / "bin")] if name == "emulator" else []
        path = os.pathsep.join([*folders, inherited_environment()["PATH"]])
        telemetry_off = {"DAGSTER_DISABLE_TELEMETRY": "yes", "AWS_EC2_METADATA_DISABLED": "true"}
        return inherited_environment() | telemetry_off | given | {"PATH": path, "TMPDIR": str(self._folder)}

    def command(self, name: str) -> list[str]:
        entry_point = self._services[name]["entrypoint"] or []
        if name == "gateway":
            found = re.search(r"^ENTRYPOINT (\[.*\])$", (REPOSITORY / "Dockerfile").read_text(), re.MULTILINE)
            assert found is not None
            entry_point = json.loads(found[1])
        program, *arguments = [word.replace("$$", "$") for word in [*entry_point, *self._services[name]["command"]]]
        return [self._program(name, program), *arguments]

    def complete(self, name: str) -> None:
        done = subprocess.run(
            self.command(name),
            env=self.environment(name),
            capture_output=True,
            text=True,
            cwd=self._folder,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def start(self, name: str) -> ProcessTree:
        log = self._folder / f"{name}.log"
        process = ProcessTree(
            name, self.command(name), environment=self.environment(name), working_dir=self._folder, log=log, grace_s=20
        )
        return self._ending.enter_context(process)

    def wait_until_healthy(self, name: str, process: ProcessTree) -> None:
        kind, program, *arguments = self._services[name]["healthcheck"]["test"]
        assert kind == "CMD"
        deadline = time.monotonic() + HEALTHY_WITHIN_S
        probe = [self._program(name, program), *arguments]
        environment = self.environment(name)
        while subprocess.run(probe, env=environment, capture_output=True, cwd=self._folder, check=False).returncode:
            process.check()
            assert time.monotonic() < deadline, f"{name} is not healthy:\n{last_lines(process.log)}"
            time.sleep(0.5)

    def _program(self, name: str, program: str) -> str:
        found = shutil.which(program, path=self.environment(name)["PATH"])
        assert found is not None, f"{name} calls {program}, which is in no environment"
        return found


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with ExitStack() as ending:
        yield Processes(tmp_path, ending.enter_context(postgres_server()).get_uri(), ending)


def test_the_commands_start_become_healthy_and_take_in_a_file(processes: Processes) -> None:
    processes.wait_until_healthy("emulator", processes.start("emulator"))
    processes.complete("provision")
    processes.complete("dagster-home")
    assert "DAGSTER_POSTGRES_URL" in (processes.home / "dagster.yaml").read_text()
    gateway = processes.start("gateway")
    processes.wait_until_healthy("code-server", processes.start("code-server"))
    started = {name: processes.start(name) for name in ("webserver", "daemon")}
    for name, process in [*started.items(), ("gateway", gateway)]:
        processes.wait_until_healthy(name, process)

    sample = next(sample for sample in build_samples() if sample.outcome == "accepted" and sample.event == "put")
    environment = processes.environment("gateway")
    with open_clients(environment["AWS_ENDPOINT_URL"]) as aws:
        aws.s3.put_object(Bucket=environment["DATA_BUCKET_NAME"], Key=sample.key, Body=sample.content)
        deadline = time.monotonic() + HEALTHY_WITHIN_S
        while not (found := _reports(aws, environment["DATA_BUCKET_NAME"])):
            started["daemon"].check()
            assert time.monotonic() < deadline, f"no report:\n{last_lines(started['daemon'].log)}"
            time.sleep(0.5)

    assert [report["outcome"] for report in found] == ["accepted"]
    breaker = f"http://127.0.0.1:{processes.ports[8080]}/breaker"
    with urllib.request.urlopen(breaker, timeout=30) as answer:
        assert json.load(answer)["state"] == "closed"


def _reports(aws: Any, bucket: str) -> list[dict[str, Any]]:
    keys = [item["Key"] for item in aws.s3.list_objects_v2(Bucket=bucket, Prefix="reports/").get("Contents", [])]
    return [json.loads(aws.s3.get_object(Bucket=bucket, Key=key)["Body"].read()) for key in filter(is_report, keys)]
