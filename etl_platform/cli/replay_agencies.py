"""``etl-platform replay`` without ``--agency``: the outdated files of every agency, one line for each agency."""

import argparse
import json
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import TYPE_CHECKING

from etl_platform.cli.caller import identify_caller
from etl_platform.engine.errors import EtlPlatformError
from etl_platform.engine.exit_codes import BAD, GOOD
from etl_platform.engine.output.table_formats import Table
from etl_platform.progress import ProgressLine

if TYPE_CHECKING:
    from etl_platform.deliveries.process_delivery import DeliveryResult
    from etl_platform.deliveries.replay.agency_changes import AgencyChanges
    from etl_platform.deliveries.replay.outdated import OutdatedFiles
    from etl_platform.platform import Platform

_AT_ONCE = 16


def replay_agencies(arguments: argparse.Namespace, platform: "Platform", dataset: str) -> int:
    """Read the outdated files of every active agency again, or show what that would change."""
    from etl_platform.deliveries.agency_overview import senders_of

    agencies = platform.agency_register.read()
    names = sorted(senders_of(platform.store, platform.bucket, dataset, agencies))
    outdated = _Outdated(platform, dataset, names)
    work = _dry_run(platform, dataset, outdated) if arguments.dry_run else _run(arguments, platform, dataset, outdated)
    found = list(work)
    table = _table(found)
    if arguments.json:
        for one in found:
            print(json.dumps({"dataset": dataset, **asdict(one)}, ensure_ascii=False))
    elif arguments.csv:
        table.print_csv()
    else:
        if found:
            print(table)
        print(_last_line(arguments, dataset, names, outdated, len(found)))
    for agency, error in outdated.failed.items():
        print(f"etl-platform: {agency}: {error}", file=sys.stderr)
    is_good = names and not outdated.failed and not any(one.now_rejected or one.still_rejected for one in found)
    return GOOD if is_good else BAD


class _Outdated:
    """The agencies with outdated files, found when it is made. One that fails does not stop the others.

    Attributes:
        files: by agency.
        failed: by agency, why it was not read, or not wholly.
    """

    def __init__(self, platform: "Platform", dataset: str, names: Sequence[str]) -> None:
        self.failed: dict[str, str] = {}
        intake = platform.intake

        def look(agency: str) -> "OutdatedFiles | EtlPlatformError":
            try:
                return intake.outdated(dataset, agency)
            except EtlPlatformError as error:
                return error

        found: dict[str, OutdatedFiles] = {}
        with ProgressLine("looking for files of another contract") as progress, ThreadPoolExecutor(_AT_ONCE) as pool:
            for done, (agency, one) in enumerate(zip(names, pool.map(look, names), strict=True), start=1):
                progress("compared", done)
                if isinstance(one, EtlPlatformError):
                    self.failed[agency] = str(one)
                elif one.number:
                    found[agency] = one
        self.files: Mapping[str, OutdatedFiles] = found


def _dry_run(platform: "Platform", dataset: str, outdated: _Outdated) -> "Iterator[AgencyChanges]":
    from etl_platform.deliveries.delivery import Cause
    from etl_platform.deliveries.replay.agency_changes import AgencyChanges
    from etl_platform.deliveries.report import Trigger

    trigger, read = Trigger(Cause.REPROCESS), 0
    with ProgressLine(f"reading {dataset} again") as progress:
        for agency, files in outdated.files.items():
            results: list[DeliveryResult] = []
            try:
                for result in platform.intake.reprocess(dataset, agency, trigger, dry_run=True, only_outdated=True):
                    results.append(result)
                    read += 1
                    progress("again", read)
            except EtlPlatformError as error:
                outdated.failed[agency] = str(error)
                continue
            yield AgencyChanges.of(agency, files, results)


def _run(
    arguments: argparse.Namespace, platform: "Platform", dataset: str, outdated: _Outdated
) -> "Iterator[AgencyChanges]":
    from etl_platform.cli.jobs.intake import replay_in_process
    from etl_platform.deliveries.replay.agency_changes import AgencyChanges

    if not outdated.files:
        return
    by = str(identify_caller(platform.settings, arguments.by))
    for agency, files in outdated.files.items():
        done, succeeded = replay_in_process(platform, dataset, agency, (), by, only_outdated=True)
        if not succeeded:
            outdated.failed[agency] = "its run failed; run the same command again"
        yield AgencyChanges.of(agency, files, done)


def _table(found: "Sequence[AgencyChanges]") -> Table:
    header = ("agency", "files", "good now", "bad now", "as before", "rejected now", "rejected again")
    rows = [
        (
            one.agency,
            one.files,
            one.now_good,
            one.now_bad,
            one.same_verdict,
            one.now_rejected,
            one.still_rejected,
        )
        for one in found
    ]
    return Table(header, rows)


def _last_line(
    arguments: argparse.Namespace, dataset: str, names: Sequence[str], outdated: _Outdated, found: int
) -> str:
    from etl_platform.engine.output.plain_text import counted

    if not names:
        return f"no active agency has delivered any {dataset} yet"
    rest = len(names) - len(outdated.files.keys() | outdated.failed.keys())
    up_to_date = counted(rest, "agency", "agencies")
    if not found:
        return f"{up_to_date} up to date"
    if not arguments.dry_run:
        return f"{counted(found, 'agency', 'agencies')} read again, {up_to_date} were up to date"
    command = f"etl-platform replay --dataset {shlex.quote(dataset)} --all-agencies"
    return f"{up_to_date} up to date; dry run: nothing was written. This reads the files above again:\n{command}"
