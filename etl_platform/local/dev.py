"""make dev, drop and drop-email: the stack with Dagster's UI on fixed ports, and uploads into it."""

import shutil
import time
from datetime import UTC, date, datetime
from itertools import groupby
from pathlib import Path

from etl_platform.local import provision
from etl_platform.local.application_database import seeded_rows
from etl_platform.local.emulator import is_emulator, listen_on_loopback
from etl_platform.local.processes import LocalStackError
from etl_platform.local.sample_emails import sample_emails
from etl_platform.local.sample_weeks import weekly_files
from etl_platform.local.samples import SAMPLES, build_samples, write_samples
from etl_platform.local.stack import REPOSITORY, Stack, read_env_file, write_env_file
from etl_platform.settings import DEV_STACK_ENV, load_settings

KEPT = Path(".local/kept")
"""Bucket, queues and Dagster's history of ``make dev KEEP=1``."""
UI_PORT = 3000
EMULATOR_PORT = 4566
_SOURCE_PREFIX = "from_client/"
_UI_PORT_NAME = "UI_PORT"


def run_dev(
    project: Path = REPOSITORY, *, keep: bool = False, ui_port: int = UI_PORT, emulator_port: int = EMULATOR_PORT
) -> None:
    """Run until KeyboardInterrupt.

    Args:
        keep: continue with bucket, queues and history of the last run that kept them. Else they start empty.

    Raises:
        LocalStackError: a port is in use, or a process of the stack has ended.
        SettingsError: a setting is wrong.
    """
    env_file, settings = project / DEV_STACK_ENV, load_settings()
    for port, use, option in (
        (ui_port, "Dagster's UI", "UI_PORT"),
        (emulator_port, "the AWS emulator", "EMULATOR_PORT"),
    ):
        _require_free(port, use, option)
    kept = project / KEPT
    is_continued = keep and kept.exists()
    stack = Stack(
        project / ".local",
        dagster_home=kept / "dagster" if keep else project / ".dagster",
        emulator_state=kept / "aws" if keep else None,
        port=emulator_port,
        project=project,
        postgres_url=settings.dagster_postgres_url,
        application=seeded_rows(),
    )
    if not keep:
        # The bucket starts empty, so Dagster's history of earlier files would refer to missing objects.
        shutil.rmtree(stack.dagster_home, ignore_errors=True)
    write_samples(build_samples(), project / SAMPLES)
    print("Starting the AWS emulator and Dagster …", flush=True)
    try:
        with stack:
            write_env_file(env_file, {**stack.connection_settings, _UI_PORT_NAME: str(ui_port)})
            if not is_continued:
                _upload_weekly_files(stack, datetime.now(UTC).date())
            url = stack.start_ui(ui_port)
            print(_welcome(url, _start_gateway(stack, settings.port), stack, kept=keep), flush=True)
            try:
                while True:
                    stack.check()
                    time.sleep(0.5)
            finally:
                print("Stopping …", flush=True)
    finally:
        env_file.unlink(missing_ok=True)


def _upload_weekly_files(stack: Stack, today: date) -> None:
    """Put nine weeks of files of two agencies into the bucket, so that there are trends to look at."""
    with provision.open_clients(stack.emulator.endpoint_url) as aws:
        for _, files in groupby(weekly_files(today), lambda file: file.monday):
            keys: set[str] = set()
            for file in files:
                key = f"{_SOURCE_PREFIX}{file.path}"
                # S3 has the time of an object in whole seconds. A file sent again is newer than the refused one, and a
                # file is compared with those that came before.
                if key in keys:
                    time.sleep(1)
                aws.s3.put_object(Bucket=stack.resources.bucket, Key=key, Body=file.content)
                keys.add(key)
            time.sleep(1)


def drop(file: Path, agency: str, key: str | None = None, project: Path = REPOSITORY) -> str:
    """Upload one file into the running dev stack; returns its key.

    Raises:
        LocalStackError: the file does not exist, there is no agency, the key is outside the source prefix, or no dev
            stack is running.
    """
    if not file.is_file():
        raise LocalStackError(f"FILE: {str(file)!r} does not exist")
    agency = agency.strip().strip("/")
    if not agency and not key:
        raise LocalStackError("AGENCY is empty: make drop FILE=path AGENCY=nm_albuquerque")
    key = key or f"{_SOURCE_PREFIX}{agency}/{file.name}"
    if not key.startswith(_SOURCE_PREFIX):
        raise LocalStackError(f"the key {key!r} would not be ingested; it must start with {_SOURCE_PREFIX}")
    connection = _running(project)
    with provision.open_clients(connection["AWS_ENDPOINT_URL"]) as aws, file.open("rb") as body:
        aws.s3.put_object(Bucket=connection["DATA_BUCKET_NAME"], Key=key, Body=body)
    return key


def drop_email(count: int, *, poison: bool, project: Path = REPOSITORY) -> int:
    """Send sample emails to the running dev stack; returns the number of messages.

    Raises:
        LocalStackError: no dev stack is running.
    """
    connection = _running(project)
    bodies = sample_emails(count, poison=poison, seed=time.time_ns())
    with provision.open_clients(connection["AWS_ENDPOINT_URL"]) as aws:
        for body in bodies:
            aws.sqs.send_message(QueueUrl=connection["EMAIL_QUEUE_URL"], MessageBody=body)
    return len(bodies)


def _running(project: Path) -> dict[str, str]:
    """The connection settings of the running dev stack."""
    connection = read_env_file(project / DEV_STACK_ENV)
    endpoint = connection.get("AWS_ENDPOINT_URL")
    if not endpoint or not is_emulator(endpoint):
        raise LocalStackError("the dev stack is not running; start it with make dev in another terminal")
    return connection


def runs_page(project: Path = REPOSITORY) -> str:
    """The page of the UI that lists the runs of the running dev stack."""
    return f"http://127.0.0.1:{read_env_file(project / DEV_STACK_ENV).get(_UI_PORT_NAME, UI_PORT)}/runs"


def _require_free(port: int, use: str, option: str) -> None:
    try:
        listen_on_loopback(port).close()
    except LocalStackError as error:
        raise LocalStackError(
            f"{error}: {use} needs this port. Choose another with: make dev {option}={port + 1}. "
            f"Find the program that uses it with: ss -ltnp 'sport = :{port}'"
        ) from error


def _start_gateway(stack: Stack, port: int) -> str:
    """The gateway's URLs, or why it did not start. The port is often in use, and files arrive without a gateway."""
    try:
        listen_on_loopback(port).close()
        return f"{stack.start_gateway(port)}/metrics, /breaker, /readyz"
    except LocalStackError as error:
        return f"not started: {error}; choose another port with PORT=8081 make dev"


def _welcome(url: str, gateway: str, stack: Stack, *, kept: bool) -> str:
    state = "are kept in .local/kept" if kept else "are lost when it stops; KEEP=1 make dev keeps them"
    return "\n".join(
        (
            f"Dagster's UI:        {url}",
            f"The gateway:         {gateway}",
            f"Upload a file:       make drop FILE={SAMPLES}/la_new_orleans/Officer_Detail.csv AGENCY=la_new_orleans",
            "Send sample emails:  make drop-email",
            "Show deliveries:     .venv/bin/etl-platform status",
            "Two agencies have sent traffic stops for nine weeks; status and the UI show what became of them.",
            f"Logs:                {stack.work_dir}/dagster.log, gateway.log, {stack.emulator.log.name}",
            f"Bucket, queues and Dagster's history {state}.",
            "Stop with Ctrl-C.",
        )
    )
