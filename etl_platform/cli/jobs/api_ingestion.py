"""api_ingestion_job from the command line, for one or all declared APIs."""

import argparse

from etl_platform.cli.jobs.job import Job, run_job
from etl_platform.engine.errors import UsageError
from etl_platform.engine.exit_codes import BAD, GOOD
from etl_platform.platform import Platform
from etl_platform.settings import Settings

_NAME = "api_ingestion_job"


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source", metavar="NAME", default="", help="one API by its name [all declared APIs]")
    parser.add_argument(
        "--full", action="store_true", help="read all records instead of new ones, which removes deleted records"
    )


def _run(arguments: argparse.Namespace, settings: Settings) -> int:
    platform = Platform(settings)
    sources = [source for source in platform.api_sources if arguments.source in {"", source.name}]
    if arguments.source and not sources:
        names = ", ".join(source.name for source in platform.api_sources) or "none is declared"
        raise UsageError(f"--source {arguments.source}: unknown API; {settings.api_sources_dir} declares {names}")
    if not sources:
        print(f"{_NAME}: no API is declared in {settings.api_sources_dir}: nothing to do")
        return GOOD
    # Check settings first: a missing one is then reported in one line, not as a failed run.
    _ = platform.bucket
    config = {"ops": {"ingest_apis": {"config": {"source": arguments.source, "full": arguments.full}}}}
    ran = run_job(_NAME, platform, config)
    for line in ran.summaries:
        print(f"{_NAME}: {line}")
    results = platform.api_ingestions
    total = sum(len(source.resources) for source in sources)
    landed, rejected = sum(one.landed for one in results), sum(one.is_rejected for one in results)
    parts = [f"{landed} landed", f"{len(results) - landed} unchanged", f"{total - len(results)} failed"]
    parts += [f"{rejected} rejected"] if rejected else []
    print(f"{_NAME}: {total} {'resource' if total == 1 else 'resources'}: {', '.join(parts)}")
    if ran.error:
        print(f"{_NAME}: failed: {ran.error}")
    return BAD if ran.error or rejected else GOOD


API_INGESTION = Job(
    _NAME,
    "Read the declared REST APIs; snapshots that changed are ingested like files.",
    "--source academy",
    _arguments,
    _run,
)
