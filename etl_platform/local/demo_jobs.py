"""``python -m etl_platform.local.demo_jobs EVENTS``: runs each job twice; the second run must write nothing.

The demo runs it in the environment of the stack after the daemon's runs have ended. EVENTS is a file with the events of
all uploaded files. Prints a line for each job; exits 1 if a job failed or its second run wrote an object.
"""

import argparse
import io
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path

from etl_platform import object_keys
from etl_platform.cli.jobs import JOBS
from etl_platform.local.application_database import seeded_rows
from etl_platform.local.provision import Clients, open_clients
from etl_platform.settings import Settings, load_settings

Versions = Mapping[tuple[str, str], str]
"""The latest version of each object of all buckets, by bucket and key."""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m etl_platform.local.demo_jobs", description=__doc__)
    parser.add_argument("events", metavar="EVENTS", type=Path)
    arguments = parser.parse_args(argv)
    settings = load_settings()
    assert settings.aws_endpoint_url is not None, "the demo uses an emulator"
    problems: list[str] = []
    with open_clients(settings.aws_endpoint_url) as aws:
        for name, job_arguments in _jobs(arguments.events, settings).items():
            first, first_code = _run(name, job_arguments, settings)
            before = _versions(aws)
            second, second_code = _run(name, job_arguments, settings)
            written = sorted(item for item, version in _versions(aws).items() if before.get(item) != version)
            print(f"{name}: {first}; again: {second}", flush=True)
            problems += [f"{name}: exit code {code}" for code in (first_code, second_code) if code]
            problems += [f"{name}: the second run wrote {bucket}/{key}" for bucket, key in written]
    print("\n".join(problems), file=sys.stderr, end="\n" if problems else "")
    return 1 if problems else 0


def _jobs(events: Path, settings: Settings) -> Mapping[str, Sequence[str]]:
    """The jobs with their arguments, in the order of the output."""
    agency_id = str(seeded_rows().agencies[0][0])
    source, destination = settings.attachments_source_bucket, settings.attachments_destination_bucket
    return {
        "s3_data_quality_job": ["--events-file", str(events)],
        "get_s3_files_job": [
            *("--agency-id", agency_id),
            *("--source-bucket", str(source)),
            *("--destination-bucket", str(destination)),
        ],
        "employment_history_job": ["--agency-id", agency_id],
        "api_ingestion_job": [],
        "email_archive_job": [],
    }


def _run(name: str, arguments: Sequence[str], settings: Settings) -> tuple[str, int]:
    """The last line that a job printed, without its name, and its exit code."""
    job = JOBS[name]
    parser = argparse.ArgumentParser(prog=name)
    job.add_arguments(parser)
    with redirect_stdout(io.StringIO()) as printed:
        code = job.run(parser.parse_args(arguments), settings)
    lines = printed.getvalue().strip().splitlines() or ["no output"]
    return lines[-1].removeprefix(f"{name}: "), code


def _versions(aws: Clients) -> Versions:
    found: dict[tuple[str, str], str] = {}
    for bucket in (str(item.get("Name")) for item in aws.s3.list_buckets()["Buckets"]):
        for page in aws.s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            latest = (item for item in page.get("Versions", []) if item.get("IsLatest"))
            # The entry of an ignored file in the index is written again with each attempt, and stays the same.
            latest = (item for item in latest if not str(item.get("Key")).startswith(object_keys.INDEX))
            found |= {(bucket, str(item.get("Key"))): str(item.get("VersionId")) for item in latest}
    return found


if __name__ == "__main__":
    sys.exit(main())
