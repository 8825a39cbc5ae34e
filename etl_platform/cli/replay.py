"""``etl-platform replay``: reprocess deliveries with the current contract, and with corrected rows if given."""

import argparse
import json
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl_platform.cli.arguments import Commands, add_command, near_agency, usable_dataset
from etl_platform.cli.caller import add_note, identify_caller, short_name
from etl_platform.cli.replay_agencies import replay_agencies
from etl_platform.engine.errors import UsageError
from etl_platform.engine.exit_codes import BAD, GOOD
from etl_platform.engine.output.table_formats import Table, add_formats
from etl_platform.object_keys import base_name, partition_of
from etl_platform.progress import ProgressLine
from etl_platform.settings import load_settings

if TYPE_CHECKING:
    from etl_platform.deliveries.process_delivery import DeliveryResult
    from etl_platform.deliveries.replay.quarantine import Corrected
    from etl_platform.engine.corrections import GivenRow
    from etl_platform.platform import Platform


def add(commands: Commands) -> None:
    replay = add_command(
        commands,
        "replay",
        "Reprocess deliveries with the current contract and, optionally, corrected rows of the quarantine",
        "etl-platform replay --agency la_new_orleans --dataset officer_detail\n"
        "  etl-platform replay --agency la_new_orleans --dataset officer_detail --corrections fix.csv --dry-run\n"
        "  etl-platform replay --dataset officer_detail --dry-run",
    )
    whose = replay.add_mutually_exclusive_group()
    whose.add_argument(
        "--agency",
        metavar="A",
        help="the agency, such as nm_albuquerque [with --dry-run: all, their files of another contract]",
    )
    whose.add_argument(
        "--all-agencies", action="store_true", help="read again what another contract or overlay has read, of all"
    )
    replay.add_argument("--dataset", metavar="D", required=True, help="the dataset, such as officer_detail")
    replay.add_argument(
        "--delivery", metavar="ID", help="one delivery only [the newest of each file, or those with corrections]"
    )
    replay.add_argument(
        "--corrections", metavar="FILE", help="an exported quarantine with corrected rows: a path or s3://bucket/key"
    )
    add_note(replay)
    replay.add_argument("--dry-run", action="store_true", help="show what would change; write nothing")
    add_formats(replay, "print the reports, or a line for each agency, as JSON lines")
    replay.set_defaults(command=_replay)


def _replay(arguments: argparse.Namespace) -> int:
    from etl_platform.cli.jobs.intake import replay_in_process
    from etl_platform.deliveries.delivery import Outcome
    from etl_platform.deliveries.replay.quarantine import Quarantine
    from etl_platform.logs import configure_logs
    from etl_platform.platform import Platform

    _require_agency(arguments)
    settings = load_settings()
    configure_logs(settings.log_level)
    platform = Platform(settings)
    dataset = usable_dataset(arguments.dataset, platform.contract_folder)
    if arguments.agency is None:
        return replay_agencies(arguments, platform, dataset)
    agency = _active(platform, arguments.agency)
    chosen = [arguments.delivery] if arguments.delivery else []
    for delivery_id in chosen:
        platform.intake.arrival(dataset, agency, delivery_id)
    corrected = None
    if arguments.corrections:
        quarantine = Quarantine(platform.store, platform.bucket, dataset, agency)
        corrected = quarantine.compare(_given(platform, arguments.corrections), arguments.delivery)
        chosen = list(corrected.deliveries)
    succeeded = True
    if arguments.dry_run:
        with ProgressLine(f"reading {dataset} of {agency} again"):
            done = _dry_run(platform, dataset, agency, chosen, corrected)
    elif not platform.intake.has_sent(dataset, agency):
        # A run would make the agency a partition of a dataset that it never sent.
        done = []
    else:
        by = str(identify_caller(settings, arguments.by))
        if corrected:
            quarantine.put_in_effect(corrected, by=by, at=datetime.now(UTC))
        done, succeeded = replay_in_process(platform, dataset, agency, chosen, by)
    _print(arguments, done, corrected)
    if succeeded and not done and not (arguments.json or arguments.csv):
        print(f"{arguments.agency} has not delivered any {dataset} yet{near_agency(agency, platform)}")
    return GOOD if succeeded and done and all(item.outcome is Outcome.ACCEPTED for item in done) else BAD


def _require_agency(arguments: argparse.Namespace) -> None:
    """Raises UsageError if the agency is left out where all agencies cannot be meant."""
    if arguments.agency is not None:
        return
    if arguments.delivery or arguments.corrections:
        option = "--delivery" if arguments.delivery else "--corrections"
        raise UsageError(f"{option} is about one agency; add --agency A")
    if not (arguments.dry_run or arguments.all_agencies):
        raise UsageError("whose files? --agency A, or --all-agencies; --dry-run alone shows what would change for all")


def _active(platform: "Platform", name: str) -> str:
    """The agency under its current name; raises UsageError if it is retired."""
    agencies = platform.agency_register.read()
    agency = agencies.current_name(partition_of(name))
    if retirement := agencies.retirement(agency):
        raise UsageError(f"--agency {name}: it was {retirement}; run `etl-platform agency restore {agency}` first")
    return agency


def _given(platform: "Platform", source: str) -> "list[GivenRow]":
    """The corrections, from a path or from ``s3://bucket/key``."""
    from etl_platform.engine.output.quarantine_files import read_corrections
    from etl_platform.errors import ObjectMissingError

    with tempfile.TemporaryDirectory(prefix="etl-platform-") as folder:
        path = Path(source)
        if source.startswith("s3://"):
            bucket, _, key = source.removeprefix("s3://").partition("/")
            path = Path(folder) / "corrections"
            try:
                platform.store.download(platform.store.head(bucket, key), path)
            except ObjectMissingError as error:
                raise UsageError(f"--corrections {source}: {error}") from None
        if not path.is_file():
            raise UsageError(f"--corrections {source}: no such file")
        return read_corrections(path)


def _dry_run(
    platform: "Platform", dataset: str, agency: str, chosen: Sequence[str], corrected: "Corrected | None"
) -> "list[DeliveryResult]":
    from etl_platform.deliveries.delivery import Cause
    from etl_platform.deliveries.report import Trigger

    trial = {name: found.corrections for name, found in corrected.deliveries.items()} if corrected else {}
    trigger = Trigger(Cause.REPROCESS)
    return list(platform.intake.reprocess(dataset, agency, trigger, chosen, trial, dry_run=True))


def _print(arguments: argparse.Namespace, done: "Sequence[DeliveryResult]", corrected: "Corrected | None") -> None:
    from etl_platform.engine.output.plain_text import counted

    if arguments.json:
        for item in done:
            print(json.dumps({**item.report.to_json(), "repeated": item.repeated}, ensure_ascii=False))
        return
    table = Table(("delivery", "file", "outcome", "rows", "quarantined", "changed"), [_line(item) for item in done])
    if arguments.csv:
        table.print_csv()
        return
    if corrected:
        changed = ", ".join(f"{name} {rows:,}" for name, rows in sorted(corrected.changed.items()))
        untouched = sum(found.untouched for found in corrected.deliveries.values())
        print(f"changed values by column: {changed or 'none'}; {counted(untouched, 'row')} unchanged")
    if done:
        print(table)
    if arguments.dry_run:
        print("dry run: nothing was written")


def _line(item: "DeliveryResult") -> tuple[Any, ...]:
    from etl_platform.cli.text_tables import changes_text

    report, check = item.report, item.report.check
    changed = changes_text(report)
    if item.repeated:
        trigger = report.attempt.trigger
        who = short_name(trigger.by) if trigger.by else trigger.run_id or "a run"
        changed = f"nothing: done before, {report.attempt.ended_at:%Y-%m-%d %H:%M} by {who}"
    elif check.errors:
        changed = "nothing: " + "; ".join(error.code for error in check.errors)
    elif report.superseded_by:
        changed = f"nothing: superseded by {report.superseded_by}"
    file = base_name(report.source.key)
    return report.delivery_id, file, str(item.outcome), check.rows, check.quarantined_rows, changed
