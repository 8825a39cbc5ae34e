"""retention_job from the command line: a list of files whose retention has ended, or their erasure."""

import argparse

from etl_platform.cli.jobs.job import Job, run_job
from etl_platform.engine.exit_codes import BAD, GOOD
from etl_platform.platform import Platform
from etl_platform.settings import Settings

_NAME = "retention_job"


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--execute", action="store_true", help="erase; without it, only list what would go")


def _run(arguments: argparse.Namespace, settings: Settings) -> int:
    from etl_platform.defs.operations.retention import OP

    platform = Platform(settings)
    # Check settings first: a missing one is then reported in one line, not as a failed run.
    _ = platform.intake
    ran = run_job(_NAME, platform, {"ops": {OP: {"config": {"dry_run": not arguments.execute}}}})
    for line in ran.lines or ("done",):
        print(f"{_NAME}: {line}")
    return BAD if ran.error else GOOD


RETENTION = Job(
    _NAME,
    "Erase files whose retention has ended, of contracts that say so; without --execute, list them.",
    "--execute",
    _arguments,
    _run,
)
