"""s3_data_quality_job from the command line: ingests given events, or tries them in a dry run."""

import argparse
import json
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from etl_platform.cli.jobs.job import Job, run_job
from etl_platform.deliveries.batch import BatchMessage, process_batch
from etl_platform.deliveries.delivery import Cause, ObjectVersion, Outcome
from etl_platform.deliveries.files_by_hand import require_named_files
from etl_platform.deliveries.ingest_batch import deliveries_text
from etl_platform.deliveries.process_delivery import DeliveryResult
from etl_platform.deliveries.report import Trigger
from etl_platform.deliveries.s3_events import parse_message
from etl_platform.engine.contract_folder import ContractFolder
from etl_platform.engine.errors import UsageError
from etl_platform.engine.exit_codes import BAD, GOOD
from etl_platform.engine.output.plain_text import counted
from etl_platform.platform import Platform, utc_now
from etl_platform.progress import ProgressLine
from etl_platform.queue_work.queues import FILE_EVENTS
from etl_platform.queue_work.workers import Threads
from etl_platform.settings import Settings

DRY_RUN_RESULTS = Path("dry_run_results.jsonl")
_NAME = FILE_EVENTS.job
log = logging.getLogger(__name__)


def _arguments(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--event-json", metavar="JSON", help="one S3 event, in any envelope")
    source.add_argument(
        "--events-file",
        metavar="FILE",
        type=Path,
        help="a file with one event, a JSON list of events, or one event per line",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help=f"write no object; append the results to {DRY_RUN_RESULTS}"
    )


def _run(arguments: argparse.Namespace, settings: Settings) -> int:
    events = _events(arguments)
    if arguments.dry_run:
        finished, error = _dry_run(events, settings)
    else:
        finished, error = ingest_in_process(events, settings)
    failures = len(events) - len(finished)
    done = Counter(str(item.outcome) for item in finished) + Counter({str(Outcome.FAILED): failures})
    for item in finished:
        report = item.report
        log.info(
            "delivery done",
            extra={
                "delivery_id": report.delivery_id,
                "agency": report.agency,
                "dataset": report.dataset,
                "outcome": str(item.outcome),
                "rows": report.check.rows,
                "quarantined_rows": report.check.quarantined_rows,
                "errors": [asdict(error) for error in report.check.errors],
            },
        )
    print(f"{_NAME}: {deliveries_text(len(events), done)}")
    if error:
        print(f"{_NAME}: failed: {error}")
    return BAD if error or failures or done[Outcome.REJECTED] else GOOD


def _events(arguments: argparse.Namespace) -> list[ObjectVersion]:
    """The objects of the given events; raises UsageError for anything that is not an S3 event."""
    if arguments.event_json is not None:
        documents = [arguments.event_json]
    else:
        try:
            documents = _documents(arguments.events_file.read_text("utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"--events-file {arguments.events_file}: {error}") from None
    events: list[ObjectVersion] = []
    for position, document in enumerate(documents, start=1):
        parsed = parse_message(document)
        if parsed.malformed:
            raise UsageError(f"event {position} is not an S3 event: {'; '.join(parsed.malformed)}")
        events += parsed.created
    return events


def _documents(text: str) -> list[str]:
    try:
        found = json.loads(text)
    except ValueError:
        return [line for line in text.splitlines() if line.strip()]
    return [json.dumps(item) for item in found] if isinstance(found, list) else [text]


def _dry_run(events: Sequence[ObjectVersion], settings: Settings) -> tuple[list[DeliveryResult], str | None]:
    """The results, and the error of the first delivery that failed."""
    platform = Platform(settings)
    intake = platform.intake
    require_named_files(platform.store, events)
    router, finished = intake.router(), list[DeliveryResult]()
    failures = process_batch(
        [BatchMessage((router.route(event),)) for event in events],
        lambda _message, file: intake.ingest(file, Trigger(Cause.EVENT), dry_run=True),
        queue=None,
        workers=Threads(settings.sns_worker_max),
        visibility_timeout_s=settings.visibility_timeout_seconds,
        clock=lambda: utc_now().timestamp(),
        on_results=lambda done: finished.extend(result for _, result in done),
    )
    with DRY_RUN_RESULTS.open("a", encoding="utf-8") as file:
        for item in finished:
            file.write(json.dumps({**item.report.to_json(), "outcome": str(item.outcome)}, ensure_ascii=False) + "\n")
        for failed in failures:
            log.error("delivery failed", extra={"key": failed.file.key, "error": repr(failed.error)})
            source = failed.file.version.to_json()
            file.write(json.dumps({"outcome": "failed", "source": source, "error": str(failed.error)}) + "\n")
    return finished, next(map(str, failures), None)


def ingest_in_process(
    events: Sequence[ObjectVersion], settings: Settings, folder: ContractFolder | None = None
) -> tuple[list[DeliveryResult], str | None]:
    """Ingest events with the real job in this process.

    Args:
        folder: the contracts, if they were read before.

    Returns:
        The results, and an error if the run failed.
    """
    if not events:
        return [], None
    from etl_platform.defs.intake.intake_config import config_of_versions
    from etl_platform.defs.intake.intake_runs import IGNORED_JOB_NAME

    platform = Platform(settings, folder)
    # Check settings and files first: what is missing is then reported in one line, not as a failed run.
    router = platform.intake.waiting_router()
    require_named_files(platform.store, events)
    datasets = {dataset for event in events if (dataset := router.route(event).route.dataset)}
    # A run of no dataset only records that the files are ignored.
    name = _NAME if datasets else IGNORED_JOB_NAME
    with ProgressLine(f"ingesting {counted(len(events), 'file')}"):
        ran = run_job(name, platform, config_of_versions(events), datasets=datasets)
    return platform.finished, ran.error


def replay_in_process(
    platform: Platform,
    dataset: str,
    agency: str,
    delivery_ids: Sequence[str],
    by: str,
    *,
    only_outdated: bool = False,
) -> tuple[list[DeliveryResult], bool]:
    """Reprocess a partition with the real job in this process; returns the results, and whether the run succeeded."""
    from etl_platform.defs.intake.intake_config import run_config
    from etl_platform.defs.runs.run_tags import BY_TAG

    config = run_config(replay={"delivery_ids": list(delivery_ids), "only_outdated": only_outdated, "by": by})
    _ = platform.intake
    platform.finished.clear()
    with ProgressLine(f"reading {dataset} of {agency} again"):
        ran = run_job(
            _NAME,
            platform,
            config,
            partition=agency,
            datasets=[dataset],
            selection=[(layer, dataset) for layer in ("bronze", "silver")],
            tags={BY_TAG: by},
        )
    return list(platform.finished), ran.error is None


INTAKE = Job(
    _NAME,
    "Ingest delivered files: copy to bronze, check against the contract, write silver, quarantine and report.",
    "--events-file contracts/event.json --dry-run",
    _arguments,
    _run,
)
