"""Whether anything waits that does not go on by itself: one answer per place, with what to do. No Dagster, no clock."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from etl_platform import object_keys
from etl_platform.deliveries.circuit_breaker import BreakerStatus
from etl_platform.deliveries.delivery import ObjectVersion
from etl_platform.deliveries.ignored_files import IgnoredFile, IgnoredFiles, file_to_look_at
from etl_platform.deliveries.ledger import Ledger
from etl_platform.deliveries.reconcile.expected_files import ExpectedFiles
from etl_platform.deliveries.routing import RoutedObject
from etl_platform.deliveries.waiting import OFTEN, Prospect, WaitingDelivery
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.contract_folder import ContractFolder
from etl_platform.engine.output.plain_text import counted, first_of
from etl_platform.object_keys import base_name
from etl_platform.queue_work.queues import FILE_EVENTS, WorkQueue
from etl_platform.storage.object_store import ObjectStore

IGNORED_WITHIN = timedelta(days=7)
"""Older ignored files are noise to which people are used."""
MAX_AGE_S = 3_600
"""As in the alert EtlOldestMessageTooOld."""
_MOST_NAMED = 3


@dataclass(frozen=True)
class Answer:
    """What was found at one place.

    Attributes:
        text: one line, also if nothing is stuck.
        remedy: what to do; empty if nothing is stuck.
    """

    is_stuck: bool
    text: str
    remedy: str = ""


def failed_deliveries(
    records: Sequence[WaitingDelivery], now: datetime, count_dead_letters: Callable[[], int | None]
) -> Answer:
    """Deliveries that failed and have no report. Those whose messages are dead letters count there.

    Args:
        count_dead_letters: how many messages the dead-letter queue has; None if that is not known. If it has none, the
            message of a delivery was deleted. It is called only if there is such a delivery.
    """
    found = [record for record in records if record.prospect(now) != Prospect.DEAD]
    dead = [record for record in records if record.is_long_dead(now)]
    lost = dead if dead and count_dead_letters() == 0 else []
    often = [record for record in found if record.keeps_failing(now)] + lost
    if often:
        return _keep_failing(often, now, lost)
    if found:
        return Answer(False, f"{counted(len(found), 'delivery', 'deliveries')} failed fewer than {OFTEN} times")
    all_dead = counted(len(records), "delivery failed too often and is", "deliveries failed too often and are")
    return Answer(False, f"{all_dead} among the dead letters" if records else "no delivery waits after a failure")


def _keep_failing(often: Sequence[WaitingDelivery], now: datetime, lost: Sequence[WaitingDelivery]) -> Answer:
    """``lost``: those whose dead letter is gone, although there is no report."""
    first = often[0]
    text = f"{counted(len(often), 'delivery keeps', 'deliveries keep')} failing; the first, "
    text += f"{base_name(first.source.key)} of {first.agency}, arrived at {first.since:%Y-%m-%d %H:%M} UTC, "
    text += f"{first.history}; {'its dead letter is gone' if first in lost else first.next_try(now)}"
    gone = lost or any(record.prospect(now) in {Prospect.GONE, Prospect.LATE} for record in often)
    again = "; `etl-platform reconcile --repair` ingests those whose message did not come" if gone else ""
    return Answer(True, text, f"correct what the error names; `etl-platform status` lists them{again}")


def ignored_files(
    store: ObjectStore, bucket: str, route: Callable[[ObjectVersion], RoutedObject], now: datetime
) -> Answer:
    """Files of the last days that were ignored and may be meant as deliveries, and that still wait."""
    waiting = waiting_ignored_files(store, bucket, route, now)
    within = f"of the last {IGNORED_WITHIN.days} days"
    if not waiting:
        return Answer(False, f"no ignored file {within} waits")
    named = first_of([f"{file.version.key}: {file.why}" for file in waiting], _MOST_NAMED, "; ")
    text = f"{counted(len(waiting), 'ignored file')} {within} still waiting: {named}"
    return Answer(True, text, "do what the reasons say; `etl-platform status --since 7d` lists them")


def waiting_ignored_files(
    store: ObjectStore, bucket: str, route: Callable[[ObjectVersion], RoutedObject], now: datetime
) -> list[IgnoredFile]:
    """The ignored files of the last days that a person must look at."""
    reports = Ledger(store, bucket).reports(object_keys.IGNORED_REPORTS, since=now - IGNORED_WITHIN)
    files = [file for report in reports if (file := file_to_look_at(report)) is not None]
    return IgnoredFiles(store, bucket, route).still_waiting(files)


def contracts_in_error(contracts: ContractFolder) -> Answer:
    """Contracts that are set aside, so that their files wait."""
    if not contracts.in_error:
        return Answer(False, f"no contract is in error; {counted(len(contracts.good), 'contract')} read")
    number = counted(len(contracts.in_error), "contract is", "contracts are")
    text = f"{number} in error and set aside; the first: {contracts.in_error[0].error}"
    return Answer(True, text, "correct it; then `etl-platform reconcile --repair` ingests the files that wait")


def overdue_files(store: ObjectStore, bucket: str, contracts: Mapping[str, Contract], now: datetime) -> Answer:
    """The agencies whose next file is overdue by the frequency of its contract."""
    found = ExpectedFiles(store, bucket, now).timeliness_of_all(contracts)
    overdue = [f"{dataset} of {agency}" for dataset, agency, one in found if one.overdue]
    if not overdue:
        return Answer(False, f"no file is overdue; {counted(len(found), 'partition')} checked")
    text = f"{counted(len(overdue), 'file')} overdue: {first_of(overdue, _MOST_NAMED)}"
    return Answer(True, text, "ask the sender; `etl-platform overdue` has the dates")


def dead_letters(queue: WorkQueue, depth: tuple[int, int]) -> Answer:
    """``depth``: messages of the dead-letter queue that are visible, and in flight."""
    messages = sum(depth)
    if not messages:
        return Answer(False, "no dead letters")
    which = "" if queue is FILE_EVENTS else f" --queue {queue.name}"
    remedy = f"`etl-platform dlq list{which}` has the causes; correct them, then `etl-platform dlq redrive{which}`"
    return Answer(True, counted(messages, "dead letter"), remedy)


def breaker(status: BreakerStatus) -> Answer:
    is_stuck = status.active or bool(status.held_agencies)
    remedy = "fix what the failed runs of s3_data_quality_job show; the next run that works "
    remedy += "closes it" if status.active else "frees its agency"
    return Answer(is_stuck, str(status), remedy if is_stuck else "")


def waiting_messages(depth: tuple[int, int], oldest_s: float | None) -> Answer:
    """``depth`` as for ``dead_letters``; ``oldest_s`` is the age of the oldest message, if it is known."""
    waiting, in_flight = depth
    text = f"{waiting:,} waiting, {in_flight:,} in flight"
    if oldest_s is not None:
        text += f", the oldest for {_duration(oldest_s)}"
    is_stuck = oldest_s is not None and oldest_s > MAX_AGE_S
    remedy = "see whether the daemon and the sensor run; `etl-platform status` shows what fails"
    return Answer(is_stuck, text, remedy if is_stuck else "")


def _duration(seconds: float) -> str:
    minutes = int(seconds // 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60:,} h"
