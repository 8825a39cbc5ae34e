"""The job ``retention_job`` and its daily schedule: files whose retention has ended are erased."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from etl_platform.aws.account import caller_arn
from etl_platform.defs.operations.erase_events import ErasedPartition, erase_events_of
from etl_platform.defs.runs.run_policies import retried_if_transient
from etl_platform.defs.runs.schedules import build_schedule
from etl_platform.defs.table_metadata import table
from etl_platform.deliveries.erasure.retention import EndedRetention, erase_ended
from etl_platform.engine.output.plain_text import counted
from etl_platform.errors import AccessDeniedError
from etl_platform.platform import Platform

JOB_NAME = "retention_job"
OP = "erase_ended"


class RetentionConfig(dg.Config):
    """What ``retention_job`` does with files whose retention has ended."""

    dry_run: bool = True


def build_retention() -> dg.Definitions:
    job = _build_job()
    schedule = build_schedule(
        job,
        "0 3 * * *",
        "Erases files whose retention has ended, every day at 3:00 UTC, if a contract says so.",
        run_config={"ops": {OP: {"config": {"dry_run": False}}}},
    )
    return dg.Definitions(jobs=[job], schedules=[schedule])


def _build_job() -> dg.JobDefinition:
    @dg.op(name=OP, out=dg.Out(dg.Nothing))
    def erase_files(
        context: dg.OpExecutionContext, config: RetentionConfig, platform: dg.ResourceParam[Platform]
    ) -> Iterator[dg.Output[None]]:
        contracts = platform.contracts
        if not any(contract.erase_after for contract in contracts.values()):
            context.log.info("no contract erases files after their retention")
            yield dg.Output(None)
            return
        caller = None if config.dry_run or platform.settings.local_s3_root else caller_arn(platform.settings)
        router = platform.intake.router()
        done: list[EndedRetention] = []
        try:
            with retried_if_transient(context):
                for one in erase_ended(
                    platform.store,
                    platform.bucket,
                    router,
                    contracts,
                    now=datetime.now(UTC),
                    caller=caller,
                    dry_run=config.dry_run,
                ):
                    done.append(one)
                    if not config.dry_run:
                        _empty_events(context, one)
                    context.log.info(f"{one.dataset} of {one.agency}: {_text(one, dry_run=config.dry_run)}")
        except AccessDeniedError as error:
            raise dg.Failure(
                f"this role may not erase: {error}. docs/operate/erase.md says how it may", allow_retries=False
            ) from error
        yield dg.Output(None, metadata=_metadata(done))

    @dg.job(
        name=JOB_NAME,
        description="Erases files whose retention has ended, of contracts that say so. By default it only lists them.",
        executor_def=dg.in_process_executor,
    )
    def retention_job() -> None:
        erase_files()

    return retention_job


def _empty_events(context: dg.OpExecutionContext, one: EndedRetention) -> None:
    by_name: dict[str, set[str]] = defaultdict(set)
    for found in one.erasure.deliveries:
        by_name[found.agency].add(found.delivery_id)
    for name, ids in by_name.items():
        erase_events_of(context.instance, ErasedPartition(one.dataset, name, frozenset(ids)))


def _text(one: EndedRetention, *, dry_run: bool) -> str:
    deliveries = counted(len(one.erasure.deliveries), "delivery", "deliveries")
    versions = counted(len(one.erasure.stored), "version")
    return (
        f"{'would erase' if dry_run else 'erased'} {deliveries} from before {one.delivered_before:%Y-%m-%d}: {versions}"
    )


def _metadata(done: list[EndedRetention]) -> dict[str, Any]:
    rows = [
        {
            "dataset": one.dataset,
            "agency": one.agency,
            "delivered before": f"{one.delivered_before:%Y-%m-%d}",
            "deliveries": len(one.erasure.deliveries),
            "versions": len(one.erasure.stored),
            "bytes": sum(stored.version.head.size_bytes for stored in one.erasure.stored),
        }
        for one in done
    ]
    return {"deliveries": sum(len(one.erasure.deliveries) for one in done)} | ({"erased": table(rows)} if rows else {})
