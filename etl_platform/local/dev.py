"""The stack with Dagster's UI on fixed ports until it is told to stop, and files dropped into it by hand."""

import shutil
import time
from pathlib import Path

from etl_platform.local import provision
from etl_platform.local.application_database import seeded_rows
from etl_platform.local.emulator import is_emulator, listen_on_loopback
from etl_platform.local.processes import LocalStackError
from etl_platform.local.sample_emails import sample_emails
from etl_platform.local.samples import SAMPLES, build_samples, keep_samples
from etl_platform.local.stack import REPOSITORY, Stack, read_coordinates, write_coordinates
from etl_platform.settings import DEV_STACK_ENV, load_settings

UI_PORT = 3000
EMULATOR_PORT = 4566
_SOURCE_PREFIX = "from_client/"


def run_dev(project: Path = REPOSITORY) -> None:
    """Serve until the caller is interrupted.

    Raises:
        LocalStackError: a port is taken, or a part of the stack ended by itself.
    """
    for port, use in ((UI_PORT, "Dagster's UI"), (EMULATOR_PORT, "the AWS emulator")):
        _require_free(port, use)
    coordinates, settings = project / DEV_STACK_ENV, load_settings()
    stack = Stack(
        project / ".local",
        dagster_home=project / ".dagster",
        port=EMULATOR_PORT,
        project=project,
        postgres_url=settings.dagster_postgres_url,
        application=seeded_rows(),
    )
    # The bucket starts empty, so a history of former files would speak of objects that are gone.
    shutil.rmtree(stack.dagster_home, ignore_errors=True)
    keep_samples(build_samples(), project / SAMPLES)
    print("Starting the AWS emulator and Dagster …", flush=True)
    try:
        with stack:
            write_coordinates(coordinates, stack.coordinates)
            url = stack.start_ui(UI_PORT)
            print(_welcome(url, _start_gateway(stack, settings.port), stack), flush=True)
            try:
                while True:
                    stack.check()
                    time.sleep(0.5)
            finally:
                print("Stopping …", flush=True)
    finally:
        coordinates.unlink(missing_ok=True)


def drop(file: Path, agency: str, key: str | None = None, project: Path = REPOSITORY) -> str:
    """Upload one file into the running dev stack; its key.

    Raises:
        LocalStackError: no such file, no agency, a key outside the source prefix, or no running stack.
    """
    if not file.is_file():
        raise LocalStackError(f"FILE: there is no file {str(file)!r}")
    agency = agency.strip().strip("/")
    if not agency and not key:
        raise LocalStackError("AGENCY is empty: make drop FILE=path AGENCY=nm_albuquerque")
    key = key or f"{_SOURCE_PREFIX}{agency}/{file.name}"
    if not key.startswith(_SOURCE_PREFIX):
        raise LocalStackError(f"the key {key!r} is not watched: it must start with {_SOURCE_PREFIX}")
    coordinates = _running(project)
    with provision.open_clients(coordinates["AWS_ENDPOINT_URL"]) as aws, file.open("rb") as body:
        aws.s3.put_object(Bucket=coordinates["DATA_BUCKET_NAME"], Key=key, Body=body)
    return key


def drop_email(count: int, *, poison: bool, project: Path = REPOSITORY) -> int:
    """Send sample emails into the running dev stack's queue; how many messages that is.

    Raises:
        LocalStackError: no running stack.
    """
    coordinates = _running(project)
    bodies = sample_emails(count, poison=poison, seed=time.time_ns())
    with provision.open_clients(coordinates["AWS_ENDPOINT_URL"]) as aws:
        for body in bodies:
            aws.sqs.send_message(QueueUrl=coordinates["EMAIL_QUEUE_URL"], MessageBody=body)
    return len(bodies)


def _running(project: Path) -> dict[str, str]:
    """Coordinates of the running stack."""
    coordinates = read_coordinates(project / DEV_STACK_ENV)
    endpoint = coordinates.get("AWS_ENDPOINT_URL")
    if not endpoint or not is_emulator(endpoint):
        raise LocalStackError("the dev stack is not running: start it with make dev, in another terminal")
    return coordinates


def _require_free(port: int, use: str) -> None:
    try:
        listen_on_loopback(port).close()
    except LocalStackError as error:
        raise LocalStackError(f"{error}: {use} needs it. See what holds it with: ss -ltnp 'sport = :{port}'") from error


def _start_gateway(stack: Stack, port: int) -> str:
    """Its routes, or why there are none: many programs like port 8080, and files arrive without the gateway."""
    try:
        listen_on_loopback(port).close()
        return f"{stack.start_gateway(port)}/metrics, /breaker, /readyz"
    except LocalStackError as error:
        return f"not started: {error}; PORT=8081 make dev takes another"


def _welcome(url: str, gateway: str, stack: Stack) -> str:
    return "\n".join(
        (
            f"Dagster's UI is up:  {url}",
            f"The gateway:         {gateway}",
            f"Drop a file:         make drop FILE={SAMPLES}/la_new_orleans/Officer_Detail.csv AGENCY=la_new_orleans",
            "Send sample emails:  make drop-email",
            "See what arrived:    .venv/bin/etl-platform status",
            f"Logs:                {stack.work_dir}/dagster.log, gateway.log, {stack.emulator.log.name}",
            "The bucket lives in memory; both it and Dagster's history in .dagster/ start empty.",
            "Stop with Ctrl-C.",
        )
    )
