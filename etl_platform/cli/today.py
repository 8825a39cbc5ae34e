"""``etl-platform today``: what arrived today and from whom, what was refused, fails, is stuck or overdue."""

import argparse
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from etl_platform.aws.health_checks import State
from etl_platform.cli.arguments import Commands, add_command
from etl_platform.engine.exit_codes import BAD, GOOD
from etl_platform.engine.output.table_formats import Table, add_formats
from etl_platform.object_keys import base_name
from etl_platform.progress import ProgressLine
from etl_platform.settings import load_settings

if TYPE_CHECKING:
    from etl_platform.aws.health_checks import CheckResult
    from etl_platform.cli.overdue import ExpectedFile
    from etl_platform.deliveries.arrival_counts import ArrivalCounts
    from etl_platform.deliveries.report import Report
    from etl_platform.deliveries.waiting import WaitingDelivery
    from etl_platform.platform import Platform

T = TypeVar("T")
_SHOWN, _ARRIVALS_SHOWN, _WHY_SHOWN = 5, 12, 600
"""So many lines of each part, so that all parts are on one screen."""
_ONE_TYPO = 0.88
"""The similarity of two names of usual length that are a letter or two apart."""


def add(commands: Commands) -> None:
    today = add_command(
        commands,
        "today",
        "Show what arrived today (UTC) and from whom, what was refused, fails, is stuck or overdue; exit code 1 if "
        "there is something to do",
        "etl-platform today",
    )
    add_formats(today, "print one JSON document")
    today.set_defaults(command=_today)


@dataclass(frozen=True)
class _Today:
    """The state at ``now``; the lists are empty where all is well. ``places`` are those where something can wait."""

    now: datetime
    arrivals: "Sequence[ArrivalCounts]"
    refused: "Sequence[Report]"
    failed: "Sequence[WaitingDelivery]"
    overdue: "Sequence[ExpectedFile]"
    places: "Sequence[CheckResult]"
    unreadable: Sequence[Exception]
    misspelt: Mapping[str, str] = field(default_factory=dict)
    """Agencies whose first file came today, with the agency that is probably meant."""

    @property
    def stuck(self) -> "list[CheckResult]":
        # Overdue files are a part of their own, with their dates.
        return [one for one in self.places if one.state in {State.WARNING, State.FAILED} and one.name != "overdue"]

    @property
    def is_well(self) -> bool:
        return not (self.refused or self.failed or self.stuck or self.overdue or self.unreadable or self.misspelt)


def _today(arguments: argparse.Namespace) -> int:
    from etl_platform.cli.text_tables import print_unreadable
    from etl_platform.platform import Platform

    with ProgressLine("looking at deliveries, queues and expected files"):
        found = _look(Platform(load_settings()), datetime.now(UTC))
    if arguments.json:
        print(json.dumps(_document(found), ensure_ascii=False))
    elif arguments.csv:
        _arrivals_table(found.arrivals).print_csv()
    else:
        print("\n\n".join(_parts(found)))
    print_unreadable(found.unreadable)
    return GOOD if found.is_well else BAD


def _look(platform: "Platform", now: datetime) -> _Today:
    from etl_platform.cli.overdue import expected_files
    from etl_platform.cli.stuck import check_places
    from etl_platform.deliveries.arrival_counts import arrived_at, count_arrivals
    from etl_platform.deliveries.ignored_files import without_ingested
    from etl_platform.deliveries.ledger import Ledger
    from etl_platform.deliveries.waiting import WaitingRecords

    began = now.replace(hour=0, minute=0, second=0, microsecond=0)
    unreadable: list[Exception] = []
    failed = WaitingRecords(platform.store, platform.bucket).unfinished(unreadable.append)
    reports = Ledger(platform.store, platform.bucket, on_unreadable=unreadable.append).reports(since=began)
    reports = without_ingested([one for one in reports if arrived_at(one) >= began])
    return _Today(
        now,
        count_arrivals(reports),
        sorted(_refused(reports), key=arrived_at, reverse=True),
        failed,
        [one for one in expected_files(platform, now) if one.timeliness.overdue],
        check_places(platform.settings),
        unreadable,
        _misspelt(platform, {one.partition for one in reports if one.dataset is not None}, now, began),
    )


def _misspelt(
    platform: "Platform", today: "Iterable[tuple[str, str]]", now: datetime, began: datetime
) -> dict[str, str]:
    """The agencies whose first report is of today, and that are named almost like one which sent files before them."""
    from etl_platform import object_keys
    from etl_platform.deliveries.last_deliveries import LastDeliveries
    from etl_platform.engine.near_names import nearest

    sent, register = LastDeliveries(platform.store, platform.bucket, now).partitions(), platform.agency_register.read()
    agencies = {agency for _, agency in sent if register.is_active(agency)}

    def written(agency: str) -> Iterator[datetime]:
        for prefix in (object_keys.report_prefix(dataset, name) for dataset, name in sent if name == agency):
            yield from (head.last_modified for head in platform.store.list(platform.bucket, prefix))

    def is_new_beside(agency: str, meant: str) -> bool:
        # An agency with years of reports has one on the first page of its listing that is old enough.
        if any(at < began for at in written(agency)):
            return False
        first = min(written(agency), default=now)
        return any(at < first for at in written(meant))

    near = {agency: nearest(agency, agencies - {agency}, _ONE_TYPO) for _, agency in today if agency in agencies}
    return {agency: meant for agency, meant in sorted(near.items()) if meant and is_new_beside(agency, meant)}


def _refused(reports: "Sequence[Report]") -> "list[Report]":
    """The files that are refused now, and the ignored ones that a person should look at."""
    from etl_platform.deliveries.delivery import Outcome
    from etl_platform.deliveries.ignored_files import file_to_look_at
    from etl_platform.deliveries.overview.calendar import last_attempts
    from etl_platform.deliveries.overview.refused_now import refused_now
    from etl_platform.deliveries.overview.summaries import DeliverySummary

    ignored = [one for one in reports if one.outcome is Outcome.IGNORED]
    read = {(one.delivery_id, one.attempt_id): one for one in reports if one.outcome is not Outcome.IGNORED}
    refused = refused_now(last_attempts(map(DeliverySummary.of, read.values())))
    return [
        *(read[one.delivery_id, one.attempt_id] for one in refused),
        *(one for one in ignored if not one.is_replay and file_to_look_at(one) is not None),
    ]


def _parts(found: _Today) -> Iterator[str]:
    from etl_platform.cli.overdue import overdue_table
    from etl_platform.cli.stuck import line
    from etl_platform.cli.text_tables import waiting_table
    from etl_platform.deliveries.arrival_counts import summary
    from etl_platform.engine.output.terminal_table import lines_of

    queue = [f"; in the queue: {one.detail}" for one in found.places if one.name == "queue" and one.state is State.OK]
    title = f"{found.now:%A %Y-%m-%d}, {found.now:%H:%M} UTC: {summary(found.arrivals)}{''.join(queue)}"
    yield lines_of([(title,)])
    yield from _part("", found.arrivals, _ARRIVALS_SHOWN, _arrivals_table, "etl-platform today --csv")
    yield from _part("refused:", found.refused, _SHOWN, _refused_table, "etl-platform status")
    if found.misspelt:
        yield "new agencies, perhaps misspelt:\n" + lines_of(
            [
                (name, f"its first file came today; if it is {meant}: `etl-platform agency rename {name} {meant}`")
                for name, meant in found.misspelt.items()
            ]
        )
    failed = partial(waiting_table, now=found.now)
    yield from _part("failed, and not done yet:", found.failed, _SHOWN, failed, "etl-platform status")
    if found.stuck:
        yield "stuck:\n" + lines_of([(one.name, line(one)) for one in found.stuck])
    overdue = partial(overdue_table, now=found.now)
    yield from _part("overdue:", found.overdue, _SHOWN, overdue, "etl-platform overdue")
    if found.is_well:
        yield "nothing is refused, stuck or overdue"
    if unset := [one.name for one in found.places if one.state in {State.NOT_SET, State.UNKNOWN}]:
        yield lines_of([(f"not checked: {', '.join(unset)}; `etl-platform status --stuck` says why",)])


def _part(
    title: str, items: Sequence[T], most: int, make: Callable[[Sequence[T]], Table], command: str
) -> Iterator[str]:
    """A table of the first items, and how to see the others; nothing without items."""
    if items:
        more = [f"… and {len(items) - most:,} more: `{command}`"] if len(items) > most else []
        yield "\n".join([*filter(None, [title]), str(make(items[:most])), *more])


def _refused_table(refused: "Sequence[Report]") -> Table:
    from etl_platform.deliveries.arrival_counts import arrived_at
    from etl_platform.deliveries.verdict import why

    rows = [
        (f"{arrived_at(one):%H:%M}", one.agency, base_name(one.source.key), str(one.outcome), one.delivery_id, why(one))
        for one in refused
    ]
    return Table(("at (UTC)", "agency", "file", "outcome", "delivery", "why"), rows, last=_WHY_SHOWN)


def _arrivals_table(arrivals: "Sequence[ArrivalCounts]") -> Table:
    rows = [
        (
            one.agency or "",
            one.dataset or "",
            one.files,
            ", ".join(f"{number:,} {outcome}" for outcome, number in sorted(one.outcomes.items())),
            one.rows,
            one.quarantined,
            f"{one.last_at:%H:%M}",
        )
        for one in arrivals
    ]
    return Table(("agency", "dataset", "files", "outcomes", "rows", "quarantined", "last (UTC)"), rows)


def _document(found: _Today) -> dict[str, Any]:
    from etl_platform.cli.overdue import overdue_document
    from etl_platform.cli.stuck import place_document

    return {
        "at": found.now.isoformat(),
        "arrivals": [
            {
                "agency": one.agency,
                "dataset": one.dataset,
                "outcomes": dict(one.outcomes),
                "rows": one.rows,
                "quarantined_rows": one.quarantined,
                "last_at": one.last_at.isoformat(),
            }
            for one in found.arrivals
        ],
        "refused": [report.to_json() for report in found.refused],
        "failed": [record.to_json() for record in found.failed],
        "stuck": [place_document(one) for one in found.stuck],
        "overdue": list(map(overdue_document, found.overdue)),
        "misspelt_agencies": dict(found.misspelt),
    }
