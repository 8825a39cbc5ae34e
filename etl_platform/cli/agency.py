"""``etl-platform agency``: list the agencies, and retire, restore or rename one."""

import argparse
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from etl_platform.cli.arguments import Commands, add_command, add_group, near_agency
from etl_platform.cli.caller import add_note, identify_caller
from etl_platform.engine.errors import UsageError
from etl_platform.engine.exit_codes import BAD, GOOD
from etl_platform.engine.output.table_formats import Table, add_formats
from etl_platform.object_keys import partition_of
from etl_platform.progress import ProgressLine
from etl_platform.settings import load_settings

if TYPE_CHECKING:
    from pathlib import Path

    from etl_platform.deliveries.agency_overview import AgencyOverview
    from etl_platform.platform import Platform

_LATER = "DAGSTER_HOME is not set, so the partitions in Dagster follow with the next run of expected_files_job"


def add(commands: Commands) -> None:
    group = add_group(commands, "agency", "List the agencies, and retire, restore or rename one")
    listing = _add(
        group, "list", "Show every agency, what it sent and whether it is active", "etl-platform agency list", _list
    )
    retire = _add(
        group,
        "retire",
        "Stop expecting and ingesting files of an agency; what it sent stays",
        "etl-platform agency retire tx_el_paso",
        _retire,
    )
    restore = _add(
        group,
        "restore",
        "Make a retired agency active again",
        "etl-platform agency restore tx_el_paso",
        _restore,
    )
    rename = _add(
        group,
        "rename",
        "Give an agency another name: files in its old folder and all that it sent before belong to the new name",
        "etl-platform agency rename nm_abq nm_albuquerque",
        _rename,
    )
    _add(
        group,
        "migrate",
        "Add to Dagster's partitions of each dataset the agencies that sent it, after an upgrade",
        "etl-platform agency migrate",
        _migrate,
    )
    for command in (retire, restore):
        command.add_argument("agency", metavar="AGENCY", help="the agency, such as nm_albuquerque")
    rename.add_argument("old", metavar="OLD", help="the name so far, which is the name of the folder")
    rename.add_argument("new", metavar="NEW", help="the new name")
    for command in (retire, rename):
        add_note(command)
    add_formats(listing, "print the agencies as JSON lines")


def _add(
    group: Commands, name: str, about: str, example: str, command: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    parser = add_command(group, name, about, example)
    parser.set_defaults(command=command)
    return parser


def _list(arguments: argparse.Namespace) -> int:
    from etl_platform.deliveries.agency_overview import overview
    from etl_platform.deliveries.last_deliveries import LastDeliveries
    from etl_platform.engine.overlays.overlay_folder import is_overlay, list_overlays

    platform = _platform()
    with ProgressLine("reading the last deliveries"):
        last_deliveries = LastDeliveries(platform.store, platform.bucket, datetime.now(UTC)).read()
        overlays = [path.parent.name for path in list_overlays(platform.settings.contracts_dir) if is_overlay(path)]
        found = overview(last_deliveries.values(), platform.agency_register.read(), overlays)
    if arguments.json:
        for one in found:
            print(json.dumps(_document(one), ensure_ascii=False))
    elif arguments.csv:
        _table(found).print_csv()
    elif found:
        print(_table(found))
    else:
        print("no agency has sent a file yet")
    return GOOD


def _document(one: "AgencyOverview") -> dict[str, object]:
    return {
        "agency": one.agency,
        "datasets": list(one.datasets),
        "last_file": one.last_file,
        "reported_at": one.reported_at.isoformat() if one.reported_at else None,
        "state": one.state,
    }


def _table(found: "Sequence[AgencyOverview]") -> Table:
    rows = [
        (
            one.agency,
            one.state,
            f"{one.reported_at:%Y-%m-%d %H:%M}" if one.reported_at else None,
            one.last_file,
            ", ".join(one.datasets),
        )
        for one in found
    ]
    return Table(("agency", "state", "last report (UTC)", "last file", "datasets"), rows)


def _retire(arguments: argparse.Namespace) -> int:
    from etl_platform.defs.operations import agency_partitions

    platform, agency = _platform(), partition_of(arguments.agency)
    _require_known(platform, agency)
    by = str(identify_caller(platform.settings, arguments.by))
    agencies = platform.agency_register.change(lambda now: now.with_retired(agency, by, datetime.now(UTC)))
    print(f"{agency} is {agencies.changes[agency]}: no file of it is expected, and files that arrive are ignored")
    if platform.settings.dagster_home is None:
        print(_LATER)
    else:
        removed = agency_partitions.remove(platform.settings, platform.contract_folder.datasets, agency)
        print(f"removed from the partitions {', '.join(removed) or '(it was in none)'}")
    print(f"`etl-platform agency restore {agency}` undoes this")
    return GOOD


def _restore(arguments: argparse.Namespace) -> int:
    from etl_platform.deliveries.agency_overview import senders

    platform, agency = _platform(), partition_of(arguments.agency)
    was_retired = platform.agency_register.read().retirement(agency) is not None
    if not was_retired:
        _require_known(platform, agency)
    agencies = platform.agency_register.change(lambda now: now.with_restored(agency))
    print(f"{agency} is active{' again' if was_retired else ' and was not retired'}")
    sent = senders(platform.store, platform.bucket, agencies)
    _add_partitions(platform, {dataset: {agency} for dataset, names in sent.items() if agency in names})
    print(f"files that arrived meanwhile: `etl-platform reconcile --agency {agency} --repair`")
    return GOOD


def _rename(arguments: argparse.Namespace) -> int:
    from etl_platform.deliveries.agency_rename import AgencyRename
    from etl_platform.engine.output.plain_text import counted

    platform, old, new = _platform(), partition_of(arguments.old), partition_of(arguments.new)
    register = platform.agency_register
    if register.read().current_name(old) != new:
        _require_known(platform, old)
    overlays = _require_copied_overlays(platform, old, new)
    by = str(identify_caller(platform.settings, arguments.by))
    register.change(lambda now: now.with_renamed(old, new, by, datetime.now(UTC)))
    print(f"files in the folder {old} belong to {new} from now on")
    rename = AgencyRename(platform.store, platform.bucket, old, new)
    with ProgressLine(f"moving the objects of {old}"):
        moved = counted(rename.move(), "object")
    print(f"moved {moved} of {old} to {new}; bronze and reports stay under {old} too")
    datasets = [dataset for dataset in rename.datasets() if dataset in platform.contracts]
    exit_code = _reprocess(platform, old, new, datasets, by)
    if overlays:
        print(f"no file is read with the overlays of {old} any more; remove {', '.join(map(str, overlays))}")
    return exit_code


def _require_copied_overlays(platform: "Platform", old: str, new: str) -> "Sequence[Path]":
    """The overlays of the old name. Raises UsageError if the new one lacks any, since its files would be misread.

    An image or a prefix of S3 is not written here. Copies are there before the renaming, so no file falls in between.
    """
    from etl_platform.engine.overlays.overlay_folder import is_overlay, list_overlays

    known = {path for path in list_overlays(platform.settings.contracts_dir) if is_overlay(path)}
    found = sorted(path for path in known if path.parent.name == old)
    copies = {path: path.parent.with_name(new) / path.name for path in found}
    if lacking := [f"copy {path} to {copy}" for path, copy in copies.items() if copy not in known]:
        raise UsageError(f"{new} would lack overlays of {old}: {', '.join(lacking)}, deploy, and run this again")
    return found


def _reprocess(platform: "Platform", old: str, new: str, datasets: "Sequence[str]", by: str) -> int:
    """Read the partitions of the new name again, so that Dagster has their events and checks."""
    from etl_platform.cli.jobs.intake import replay_in_process
    from etl_platform.defs.operations import agency_partitions
    from etl_platform.engine.output.plain_text import counted

    if platform.settings.dagster_home is None:
        print(f"{_LATER}; to see what {new} sent, materialize its partitions")
        return GOOD
    agency_partitions.remove(platform.settings, platform.contract_folder.datasets, old)
    failed = False
    for dataset in datasets:
        done, succeeded = replay_in_process(platform, dataset, new, (), by)
        failed |= not succeeded
        print(f"{dataset}: {counted(len(done), 'file')} read again{'' if succeeded else '; the run failed'}")
    return BAD if failed else GOOD


def _migrate(_arguments: argparse.Namespace) -> int:
    from etl_platform.defs.open_instance import open_instance
    from etl_platform.defs.operations import agency_partitions
    from etl_platform.deliveries.agency_overview import senders

    platform = _platform()
    # A missing DAGSTER_HOME is reported before the bucket is read.
    open_instance(platform.settings).dispose()
    sent = senders(platform.store, platform.bucket, platform.agency_register.read())
    _add_partitions(platform, {dataset: names for dataset, names in sent.items() if dataset in platform.contracts})
    known = {agency.partition for agency in platform.database.agencies()} if platform.settings.database_url else set()
    if unused := agency_partitions.remove_senders_of_files(platform.settings, known):
        print(f"agencies: removed {len(unused):,} that only sent files: {', '.join(unused)}")
    return GOOD


def _add_partitions(platform: "Platform", senders: "dict[str, set[str]]") -> None:
    from etl_platform.defs.operations import agency_partitions

    if platform.settings.dagster_home is None:
        print(_LATER)
        return
    added = agency_partitions.add(platform.settings, senders)
    for dataset, names in sorted(added.items()):
        print(f"{dataset}: added {', '.join(names)}")
    if not added:
        print("the partitions of every dataset are complete")


def _require_known(platform: "Platform", agency: str) -> None:
    """Raises UsageError for an agency that never sent anything: it is probably misspelt."""
    from etl_platform.deliveries.agency_overview import is_known

    if not is_known(platform.store, platform.bucket, platform.settings.source_prefix, agency):
        hint = near_agency(agency, platform) or "; `etl-platform agency list` shows those that did"
        raise UsageError(f"{agency} has not sent any file{hint}")


def _platform() -> "Platform":
    from etl_platform.logs import configure_logs
    from etl_platform.platform import Platform

    settings = load_settings()
    configure_logs(settings.log_level)
    return Platform(settings)
