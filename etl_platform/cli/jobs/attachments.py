"""get_s3_files_job from the command line: copies one agency's attachments, or prints the plan."""

import argparse
from collections.abc import Sequence

from etl_platform.application_db.agencies import Agency
from etl_platform.application_db.attachment_file import AttachmentFile
from etl_platform.attachments.plan import Plan, destination_keys
from etl_platform.cli.jobs.agency_argument import agency_id, choose_agency
from etl_platform.cli.jobs.job import Job, run_job
from etl_platform.engine.exit_codes import BAD, GOOD
from etl_platform.engine.output.plain_text import counted
from etl_platform.engine.output.terminal_table import table
from etl_platform.platform import Platform
from etl_platform.settings import Settings, bucket_name

_NAME = "get_s3_files_job"
_MAX_KEY = 120


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--agency-id", required=True, type=agency_id, metavar="ID", help="the agency's id in the application database"
    )
    parser.add_argument(
        "--source-bucket", metavar="S", type=_bucket, help="bucket to copy from [ATTACHMENTS_SOURCE_BUCKET]"
    )
    parser.add_argument(
        "--destination-bucket", metavar="D", type=_bucket, help="bucket to copy to [ATTACHMENTS_DESTINATION_BUCKET]"
    )
    parser.add_argument("--dry-run", action="store_true", help="print the copies that would be made; write nothing")


def _bucket(text: str) -> str:
    try:
        return bucket_name(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} {error}") from None


def _run(arguments: argparse.Namespace, settings: Settings) -> int:
    platform = Platform(settings)
    # Check settings first: a missing one is then reported in one line, not as a failed run.
    copies = platform.attachment_copies(arguments.source_bucket, arguments.destination_bucket)
    agency = choose_agency(platform.database.agencies(), number=arguments.agency_id)
    if arguments.dry_run:
        files = platform.database.attachment_files(agency.id)
        plan = copies.plan(agency, files)
        _print_plan(agency, files, plan)
        return BAD if plan.problems else GOOD
    buckets = {"source_bucket": arguments.source_bucket, "destination_bucket": arguments.destination_bucket}
    config = {"ops": {"attachments": {"config": {name: value for name, value in buckets.items() if value}}}}
    ran = run_job(_NAME, platform, config, partition=agency.partition)
    for line in ran.lines:
        print(f"{_NAME}: {line}")
    return BAD if ran.error or ran.failed_checks else GOOD


def _print_plan(agency: Agency, files: Sequence[AttachmentFile], plan: Plan) -> None:
    if not files:
        print(f"{_NAME}: {agency.partition}: no attachments in the database, nothing to do")
        return
    rows: list[tuple[str, str, int | None, str]] = [
        ("copy", copy.source_key, copy.size_bytes, copy.destination_key) for copy in plan.copies
    ]
    source_keys = {key: file.source_key for key, file in destination_keys(files, agency.partition).items()}
    rows += [
        (problem.status.value, source_keys[key], None, problem.error) for key, problem in sorted(plan.problems.items())
    ]
    if rows:
        print(table(("", "source key", "bytes", "destination key or problem"), rows, last=_MAX_KEY))
    size = sum(copy.size_bytes for copy in plan.copies)
    print(
        f"{_NAME}: {agency.partition}: {counted(len(files), 'attachment')}: "
        f"{len(plan.copies):,} to copy ({counted(size, 'byte')}), "
        f"{len(plan.already_copied):,} already there, {len(plan.problems):,} cannot be copied; nothing was written"
    )


ATTACHMENTS = Job(
    _NAME,
    "Copy an agency's attachment files to the research bucket, with their metadata.",
    "--agency-id 10 --source-bucket documents --destination-bucket research --dry-run",
    _arguments,
    _run,
)
