"""Whether anything waits that does not go on by itself: one answer per place, with what to do. No Dagster, no clock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from etl_platform import object_keys
from etl_platform.deliveries.circuit_breaker import BreakerStatus
from etl_platform.deliveries.ledger import Ledger
from etl_platform.deliveries.reconcile.expected_files import timeliness
from etl_platform.deliveries.report import Report
from etl_platform.deliveries.routing import CONTRACT_ERROR, NO_CONTRACT, route
from etl_platform.deliveries.waiting import Prospect, WaitingRecords
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.contract_folder import ContractFolder
from etl_platform.object_keys import base_name
from etl_platform.queue_work.queues import FILE_EVENTS, WorkQueue
from etl_platform.storage.object_store import ObjectStore, find_object

IGNORED_WITHIN = timedelta(days=7)
"""Older files without a contract are noise to which somebody has got used; they are counted, but not stuck."""
MAX_AGE_S = 3_600
"""As in the alert EtlOldestMessageTooOld."""
_NAMED = 3
_IGNORED = (
    (
        NO_CONTRACT,
        "without a contract",
        "add a contract, or have the file renamed; `etl-platform status` has the reasons",
    ),
    (CONTRACT_ERROR, "whose contract is in error", "correct it: `etl-platform contract check` names the lines"),
    ("", "that a contract matches by now", "`etl-platform reconcile --repair` ingests them"),
)
"""By the code that ignores a file today, or none: the files in words, and what to do."""


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


def failed_deliveries(store: ObjectStore, bucket: str, now: datetime) -> Answer:
    """Deliveries that failed and have no report. Those whose messages are dead letters count there."""
    found = [record for record in WaitingRecords(store, bucket).unfinished() if record.prospect(now) != Prospect.DEAD]
    if not found:
        return Answer(False, "no delivery failed and waits")
    first = found[0]
    text = f"{_count(len(found), 'delivery', 'deliveries')} failed; the first, {base_name(first.source.key)} of "
    text += f"{first.agency}, arrived at {first.since:%Y-%m-%d %H:%M} UTC, {first.history}; {first.next_try(now)}"
    gone = any(record.prospect(now) is Prospect.GONE for record in found)
    again = "; `etl-platform reconcile --repair` ingests those whose message has expired" if gone else ""
    return Answer(True, text, f"correct what the error names; `etl-platform status` lists them{again}")


def ignored_files(
    store: ObjectStore, bucket: str, contracts: ContractFolder, source_prefix: str, now: datetime
) -> Answer:
    """Files of the last days that had no contract, or one in error, when they arrived, and are not ingested since."""
    by_state: dict[str, list[Report]] = {NO_CONTRACT: [], CONTRACT_ERROR: [], "": []}
    for report in Ledger(store, bucket).reports(object_keys.IGNORED_REPORTS, since=now - IGNORED_WITHIN):
        if not any(error.code in by_state for error in report.check.errors):
            continue
        # What the file would be today.
        found = route(report.source, contracts.good, source_prefix, contracts.broken)
        if found.ignored is not None and found.ignored.code in by_state:
            by_state[found.ignored.code].append(report)
        elif _is_unreported(store, bucket, report, found.dataset):
            by_state[""].append(report)
    parts, remedies = [], []
    for state, what, remedy in _IGNORED:
        if reports := by_state[state]:
            number = _count(len(reports), "file", "files")
            parts.append(f"{number} of the last {IGNORED_WITHIN.days} days {what}: {_names(reports)}")
            remedies.append(remedy)
    if not parts:
        return Answer(False, f"no file of the last {IGNORED_WITHIN.days} days waits for a contract")
    return Answer(True, "; ".join(parts), "; ".join(remedies))


def _is_unreported(store: ObjectStore, bucket: str, report: Report, dataset: str | None) -> bool:
    """Whether a contract matches the file now, and it has not been ingested yet."""
    if dataset is None or report.agency is None:
        return False
    if report.source.version_id is not None:
        key = object_keys.report_key(dataset, report.agency, report.delivery_id)
        return find_object(store, bucket, key) is None
    # Without versioning, the delivery id may differ from that of the event.
    later = Ledger(store, bucket).reports(object_keys.report_prefix(dataset, report.agency), report.attempt.began_at)
    return not any(one.source.key == report.source.key for one in later)


def overdue_files(store: ObjectStore, bucket: str, contracts: Mapping[str, Contract], now: datetime) -> Answer:
    """The agencies whose next file is overdue by the frequency of its contract."""
    overdue: list[str] = []
    checked = 0
    for dataset, contract in sorted(contracts.items()):
        if contract.cadence is not None:
            found = list(timeliness(store, bucket, dataset, contract.cadence, now))
            checked += len(found)
            overdue += [f"{dataset} of {agency}" for agency, one in found if one.overdue]
    if not overdue:
        return Answer(False, f"no file is overdue; {_count(checked, 'partition', 'partitions')} checked")
    named = ", ".join(overdue[:_NAMED]) + (" …" if len(overdue) > _NAMED else "")
    text = f"{_count(len(overdue), 'file', 'files')} overdue: {named}"
    return Answer(True, text, "ask the sender; the check file_is_on_time has the dates")


def dead_letters(queue: WorkQueue, depth: tuple[int, int]) -> Answer:
    """``depth``: messages of the dead-letter queue that are visible, and in flight."""
    messages = sum(depth)
    if not messages:
        return Answer(False, "no dead letters")
    which = "" if queue is FILE_EVENTS else f" --queue {queue.name}"
    remedy = f"`etl-platform dlq list{which}` has the causes; correct them, then `etl-platform dlq redrive{which}`"
    return Answer(True, _count(messages, "dead letter", "dead letters"), remedy)


def breaker(status: BreakerStatus) -> Answer:
    remedy = "fix what the failed runs of s3_data_quality_job show; the next run that works closes it"
    return Answer(status.active, str(status), remedy if status.active else "")


def waiting_messages(depth: tuple[int, int], oldest_s: float | None) -> Answer:
    """``depth`` as for ``dead_letters``; ``oldest_s`` is the age of the oldest message, if it is known."""
    waiting, in_flight = depth
    text = f"{waiting:,} waiting, {in_flight:,} in flight"
    if oldest_s is not None:
        text += f", the oldest for {_duration(oldest_s)}"
    is_stuck = oldest_s is not None and oldest_s > MAX_AGE_S
    remedy = "see whether the daemon and the sensor run; `etl-platform status` shows what fails"
    return Answer(is_stuck, text, remedy if is_stuck else "")


def _names(reports: Sequence[Report]) -> str:
    names = [report.source.key for report in reports[:_NAMED]]
    return ", ".join(names) + (" …" if len(reports) > _NAMED else "")


def _count(number: int, one: str, several: str) -> str:
    return f"{number:,} {one if number == 1 else several}"


def _duration(seconds: float) -> str:
    minutes = int(seconds // 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60:,} h"
