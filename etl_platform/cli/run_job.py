"""``etl-platform jobs`` and ``etl-platform run``: list the jobs, and run one in this process."""

import argparse

from etl_platform.cli.arguments import Commands, add_command, help_epilog
from etl_platform.engine.argument_parser import ArgumentParser
from etl_platform.engine.errors import UsageError
from etl_platform.engine.exit_codes import GOOD
from etl_platform.engine.near_names import did_you_mean_or_all
from etl_platform.settings import load_settings


def add(commands: Commands) -> None:
    jobs = add_command(commands, "jobs", "List the jobs that `run` can start", "etl-platform jobs")
    jobs.set_defaults(command=_jobs)

    run = add_command(
        commands,
        "run",
        "Run a job in this process; `run JOB -- --help` shows its own arguments",
        "etl-platform run s3_data_quality_job -- --events-file contracts/event.json --dry-run",
    )
    run.add_argument("job", metavar="JOB", help="a name from `etl-platform jobs`")
    run.add_argument("arguments", nargs=argparse.REMAINDER, metavar="-- ARGUMENTS", help="the job's own arguments")
    run.set_defaults(command=_run)


def _jobs(_arguments: argparse.Namespace) -> int:
    from etl_platform.cli.jobs import JOBS

    width = max(map(len, JOBS))
    for job in JOBS.values():
        print(f"{job.name.ljust(width)}  {job.summary}")
    return GOOD


def _run(arguments: argparse.Namespace) -> int:
    from etl_platform.cli.jobs import JOBS
    from etl_platform.logs import configure_logs

    job = JOBS.get(arguments.job)
    if job is None:
        raise UsageError(f"unknown job {arguments.job!r}{did_you_mean_or_all(arguments.job, JOBS)}")
    command = f"etl-platform run {job.name}"
    parser = ArgumentParser(
        prog=f"{command} --",
        description=job.summary,
        epilog=help_epilog(f"{command} -- {job.example}" if job.example else command),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    job.add_arguments(parser)
    # Parse before loading settings, so that --help works without them.
    job_arguments = parser.parse_args(
        arguments.arguments[1:] if arguments.arguments[:1] == ["--"] else arguments.arguments
    )
    settings = load_settings()
    configure_logs(settings.log_level)
    return job.run(job_arguments, settings)
