"""api_ingestion_job from the command line: every declared API, or one."""

import argparse

from etl_platform.cli.jobs.job import Job, run_job
from etl_platform.engine.errors import UsageError
from etl_platform.platform import Platform
from etl_platform.settings import Settings

_NAME = "api_ingestion_job"


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source", metavar="NAME", default="", help="one API by its name [all that are declared]")
    parser.add_argument(
        "--full", action="store_true", help="read everything, not only what is new: so deleted records go"
    )


def _run(arguments: argparse.Namespace, settings: Settings) -> int:
    platform = Platform(settings)
    sources = [source for source in platform.api_sources if arguments.source in {"", source.name}]
    if arguments.source and not sources:
        names = ", ".join(source.name for source in platform.api_sources) or "none"
        raise UsageError(
            f"--source {arguments.source}: there is no such API in {settings.api_sources_dir}; there is {names}"
        )
    if not sources:
        print(f"{_NAME}: no API is declared in {settings.api_sources_dir}: nothing to do")
        return 0
    # Asked for before the run starts, so that a missing setting is one line and not a failed run.
    _ = platform.bucket
    config = {"ops": {"ingest_apis": {"config": {"source": arguments.source, "full": arguments.full}}}}
    ran = run_job(_NAME, platform, config)
    for line in ran.summaries:
        print(f"{_NAME}: {line}")
    done = platform.api_ingestions
    asked = sum(len(source.resources) for source in sources)
    landed, red = sum(one.landed for one in done), sum(one.is_rejected for one in done)
    parts = [f"{landed} landed", f"{len(done) - landed} without news", f"{asked - len(done)} failed"]
    parts += [f"{red} rejected"] if red else []
    print(f"{_NAME}: {asked} {'resource' if asked == 1 else 'resources'}: {', '.join(parts)}")
    if ran.error:
        print(f"{_NAME}: failed: {ran.error}")
    return 1 if ran.error or red else 0


API_INGESTION = Job(
    _NAME,
    "Read the declared REST APIs; what is new goes through contract and silver like any file.",
    "--source academy",
    _arguments,
    _run,
)
