"""The checks of ``etl-platform status --stuck``: each place where something can wait is asked, all at once."""

import argparse
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from etl_platform.aws.health_checks import Check, CheckResult, Pass, State, run_checks
from etl_platform.deliveries import stuck
from etl_platform.doctor import with_short_timeouts
from etl_platform.engine.exit_codes import BAD, GOOD
from etl_platform.engine.output.table_formats import Table
from etl_platform.engine.output.terminal_table import lines_of
from etl_platform.errors import TransientError
from etl_platform.progress import ProgressLine
from etl_platform.queue_work.queues import QUEUES, WorkQueue
from etl_platform.settings import Settings

if TYPE_CHECKING:
    from etl_platform.platform import Platform

_TIMEOUT_S = 60.0
_SHOWN = {
    State.OK: "ok",
    State.WARNING: "STUCK",
    State.FAILED: "FAILED",
    State.NOT_SET: "not checked",
    State.UNKNOWN: "not checked",
}


def print_stuck(settings: Settings, arguments: argparse.Namespace) -> int:
    """Print what is stuck; BAD if anything is, or if a place did not answer. A place that is not set is named."""
    with ProgressLine("looking at queues, failed, ignored and overdue files"):
        results = check_places(settings)
    code = BAD if any(result.state in {State.WARNING, State.FAILED} for result in results) else GOOD
    if arguments.json:
        checks = list(map(place_document, results))
        is_stuck = any(result.state is State.WARNING for result in results)
        print(json.dumps({"stuck": is_stuck, "checks": checks}, ensure_ascii=False))
        return code
    if arguments.csv:
        rows = [(_SHOWN[r.state].lower(), r.name, _found(r), r.remedy) for r in results]
        Table(("state", "name", "detail", "remedy"), rows).print_csv()
        return code
    print(lines_of([(_SHOWN[result.state], result.name, line(result)) for result in results]))
    return code


def check_places(settings: Settings) -> Sequence[CheckResult]:
    """Each place where something can wait, with what waits there; a WARNING is stuck."""
    return run_checks(stuck_checks(settings), settings.aws_region, _TIMEOUT_S)


def place_document(result: CheckResult) -> dict[str, str]:
    """A place as JSON."""
    state, detail = _SHOWN[result.state].lower(), result.detail or result.where
    return {"name": result.name, "state": state, "detail": detail, "remedy": result.remedy}


def line(result: CheckResult) -> str:
    """What was found at one place, and what to do."""
    return f"{_found(result)}; {result.remedy}" if result.remedy else _found(result)


def _found(result: CheckResult) -> str:
    return f"{result.where} is not set" if result.state is State.NOT_SET and not result.detail else result.detail


def stuck_checks(settings: Settings) -> list[Check]:
    from etl_platform.platform import Platform

    platform, now = Platform(with_short_timeouts(settings)), datetime.now(UTC)
    contracts = partial(_passed, lambda: stuck.contracts_in_error(platform.contract_folder))
    return [
        Check("contracts", "CONTRACTS_DIR", contracts, remedy="`etl-platform contract check` lists every error"),
        *_bucket_checks(platform, now),
        *_queue_checks(platform, now),
        _breaker_check(settings),
    ]


def _bucket_checks(platform: "Platform", now: datetime) -> list[Check]:
    def failed() -> stuck.Answer:
        return stuck.failed_deliveries(platform.intake.waiting.unfinished(), now, platform.count_dead_letters)

    def ignored() -> stuck.Answer:
        return stuck.ignored_files(platform.store, platform.bucket, platform.intake.router().route, now)

    def notifications() -> stuck.Answer:
        from etl_platform.notifications.channel_health import answer

        return answer(platform.outbox.load(), now)

    def overdue() -> stuck.Answer:
        return stuck.overdue_files(platform.store, platform.bucket, platform.contracts, now)

    settings = platform.settings
    calls = [("failed", failed), ("ignored", ignored), ("overdue", overdue)]
    if platform.channels:
        calls.append(("notifications", notifications))
    is_set = settings.local_s3_root is not None or settings.data_bucket_name is not None
    return [
        Check(
            name,
            "DATA_BUCKET_NAME",
            partial(_passed, call) if is_set else None,
            "s3:ListBucket",
            "`etl-platform doctor` checks the bucket and the contracts",
        )
        for name, call in calls
    ]


def _queue_checks(platform: "Platform", now: datetime) -> list[Check]:
    def letters(queue: WorkQueue) -> stuck.Answer:
        return stuck.dead_letters(queue, platform.dead_letters(queue).depth())

    settings, checks = platform.settings, list[Check]()
    for queue in QUEUES:
        permission, remedy = "sqs:GetQueueAttributes", "`etl-platform doctor` checks the queues"
        name, setting = f"{queue.check_prefix}dead_letters", queue.dlq_url_setting.upper()
        call = partial(_passed, partial(letters, queue)) if queue.dlq_url(settings) else None
        checks.append(Check(name, setting, call, permission, remedy))
        name, url = f"{queue.check_prefix}queue", queue.url(settings)
        waits = partial(_waiting, settings, url, now) if url else None
        checks.append(Check(name, queue.url_setting.upper(), waits, permission, remedy))
    return checks


def _waiting(settings: Settings, url: str, now: datetime) -> Pass:
    """Messages of a queue. An empty one has no oldest message, so that CloudWatch is not asked."""
    from etl_platform.aws.queue import Queue
    from etl_platform.aws.queue_age import QueueAges

    depth = Queue(settings, url).depth()
    if not any(depth):
        return Pass("empty")
    try:
        oldest_s = QueueAges(settings).read({"queue": url}, now).get("queue")
    except TransientError:
        oldest_s = None
    answer = stuck.waiting_messages(depth, oldest_s)
    if oldest_s is None:
        return Pass(f"{answer.text}; CloudWatch does not have the age of the oldest", is_checked=False)
    return Pass(answer.text, answer.is_stuck, answer.remedy)


def _breaker_check(settings: Settings) -> Check:
    def status() -> stuck.Answer:
        from etl_platform.defs.intake.breaker_state import breaker_status
        from etl_platform.defs.open_instance import open_instance

        with open_instance(settings) as instance:
            return stuck.breaker(breaker_status(instance, settings))

    call = partial(_passed, status) if settings.dagster_home else None
    return Check("breaker", "DAGSTER_HOME", call, remedy="`etl-platform doctor` checks Dagster's storage")


def _passed(call: Callable[[], stuck.Answer]) -> Pass:
    answer = call()
    return Pass(answer.text, answer.is_stuck, answer.remedy)
