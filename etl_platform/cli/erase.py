"""``etl-platform erase``: remove deliveries for good, with everything that was made from them."""

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from etl_platform.cli.arguments import Commands, add_command, current_agency, near_agency
from etl_platform.cli.caller import add_note, identify_caller
from etl_platform.engine.errors import UsageError
from etl_platform.engine.exit_codes import GOOD
from etl_platform.engine.output.table_formats import Table, add_formats
from etl_platform.progress import ProgressLine
from etl_platform.settings import load_settings

if TYPE_CHECKING:
    from etl_platform.deliveries.erasure.erase import Eraser, Erasure
    from etl_platform.deliveries.erasure.scope import Scope
    from etl_platform.platform import Platform

_MAX_SHOWN = 200
_OBJECTS = ("kind", "key", "versions", "bytes")
NOT_REACHED = (
    "backups of the bucket and its replicas, backups of the databases",
    "logs of runs in the bucket (90 days) and in the cluster; they name files and hold no values",
    "messages in the dead-letter queues; they name files and hold no values",
    "attachments, emails and the application's own database",
    "quarantine exports, corrections files and query results that people saved elsewhere",
    "reports of other files, which can quote codes and numbers of an erased file as unusual",
)
"""What an erasure does not remove; docs/operate/erase.md says what to do about each."""


_NO_EVENTS = "Dagster's events are not reached, because DAGSTER_HOME is not set; run this where it is, too"


def add(commands: Commands) -> None:
    erase = add_command(
        commands,
        "erase",
        "Remove deliveries for good: source, bronze, silver, quarantine, reports, exports; a tombstone stays",
        "etl-platform erase --agency nm_albuquerque --delivery 0f3a5c7e9b1d2f4a6c8e --by jane\n"
        "  etl-platform erase --agency nm_albuquerque --key from_client/nm_albuquerque/Officer_Detail.csv --by jane "
        '--reason "court order 12" --execute',
    )
    erase.add_argument("--agency", metavar="A", required=True, help="the agency, such as nm_albuquerque")
    erase.add_argument("--dataset", metavar="D", help="one dataset only, such as officer_detail [all]")
    which = erase.add_mutually_exclusive_group()
    which.add_argument("--key", metavar="K", help="one source key only, with all its versions [all]")
    which.add_argument("--delivery", metavar="ID", help="one delivery only [all]")
    erase.add_argument("--reason", metavar="R", default="", help="why, for the tombstone; name no person")
    add_note(erase)
    erase.add_argument("--execute", action="store_true", help="erase; without it, only list what would go")
    erase.add_argument(
        "--bypass-lock",
        action="store_true",
        help="erase also versions that the bucket's Object Lock (governance) keeps",
    )
    add_formats(erase, "print one JSON document")
    erase.set_defaults(command=_erase)


def _erase(arguments: argparse.Namespace) -> int:
    from etl_platform.deliveries.erasure.erase import Eraser
    from etl_platform.logs import configure_logs
    from etl_platform.platform import Platform

    settings = load_settings()
    configure_logs(settings.log_level)
    platform = Platform(settings)
    scope = _scope(arguments, platform)
    eraser = Eraser(platform.store, platform.bucket, platform.intake.router(), bypass_lock=arguments.bypass_lock)
    found = _execute(eraser, scope, arguments, platform) if arguments.execute else _find(eraser, scope)
    with ProgressLine("looking through the events of Dagster"):
        events = _events(found, scope, platform, dry_run=not arguments.execute)
    if arguments.json:
        print(json.dumps(_document(found, events, is_done=arguments.execute), indent=1, ensure_ascii=False))
    elif arguments.csv:
        Table(_OBJECTS, _by_object(found)).print_csv()
    elif not found.stored and not found.deliveries:
        hint = near_agency(scope.agency, platform) or "; `etl-platform agency list` and `history` show names and ids"
        print(f"nothing is stored of this{hint}")
    else:
        _print(found, events, is_done=arguments.execute)
    return GOOD


def _find(eraser: "Eraser", scope: "Scope") -> "Erasure":
    with ProgressLine("looking for what is stored"):
        return eraser.find(scope)


def _events(found: "Erasure", scope: "Scope", platform: "Platform", *, dry_run: bool) -> int | None:
    """How many events of Dagster quote what is erased; None if they cannot be reached."""
    from etl_platform.defs.operations.erase_events import ErasedPartition, erase_events

    if platform.settings.dagster_home is None:
        return None
    ids: dict[tuple[str, str], set[str]] = defaultdict(set)
    for one in found.deliveries:
        if one.dataset is not None:
            ids[one.dataset, one.agency].add(one.delivery_id)
    partitions = [
        ErasedPartition(*partition, None if scope.is_whole else frozenset(each)) for partition, each in ids.items()
    ]
    return erase_events(platform.settings, partitions, dry_run=dry_run)


def _scope(arguments: argparse.Namespace, platform: "Platform") -> "Scope":
    from etl_platform.deliveries.erasure.scope import Scope
    from etl_platform.object_keys import FROM_API, parse_source_key

    agency = current_agency(arguments.agency, platform)
    if arguments.key is not None:
        prefixes = (platform.settings.source_prefix, FROM_API)
        parsed = next((one for prefix in prefixes if (one := parse_source_key(arguments.key, prefix))), None)
        if parsed is None or platform.agency_register.read().current_name(parsed.agency) != agency:
            raise UsageError(f"--key {arguments.key} is not a file of {agency}: write {prefixes[0]}{agency}/FILE")
    ids = None if arguments.delivery is None else frozenset({arguments.delivery})
    return Scope(agency, arguments.dataset, arguments.key, ids)


def _execute(eraser: "Eraser", scope: "Scope", arguments: argparse.Namespace, platform: "Platform") -> "Erasure":
    from etl_platform.deliveries.tombstone import Tombstone

    caller = identify_caller(platform.settings, arguments.by)
    tombstone = Tombstone(str(caller), datetime.now(UTC), arguments.reason, caller.arn)
    with ProgressLine("erasing: looking for what is stored") as progress:
        return eraser.erase(scope, tombstone, progress)


def _by_object(found: "Erasure") -> list[tuple[str, str, int, int]]:
    """Kind, key, versions and bytes of each object."""
    sizes: dict[tuple[str, str], list[int]] = defaultdict(list)
    for one in found.stored:
        sizes[one.kind, one.version.key].append(one.version.head.size_bytes)
    return [(kind, key, len(each), sum(each)) for (kind, key), each in sizes.items()]


def _totals(objects: Sequence[tuple[str, str, int, int]]) -> list[tuple[str, int, int, int]]:
    """By kind: objects, versions and bytes."""
    kinds = dict.fromkeys(kind for kind, *_ in objects)
    of_kind = {kind: [one for one in objects if one[0] == kind] for kind in kinds}
    return [
        (kind, len(each), sum(one[2] for one in each), sum(one[3] for one in each)) for kind, each in of_kind.items()
    ]


def _print(found: "Erasure", events: int | None, *, is_done: bool) -> None:
    from etl_platform.engine.output.plain_text import counted

    objects = _by_object(found)
    if objects:
        print(Table(_OBJECTS, objects[:_MAX_SHOWN]))
        if len(objects) > _MAX_SHOWN:
            print(f"… and {len(objects) - _MAX_SHOWN:,} more; --json lists all")
        print()
        print(Table(("kind", "objects", "versions", "bytes"), _totals(objects)))
    before = [one.report.tombstone for one in found.deliveries if one.is_erased and one.report]
    new = counted(len(found.new), "delivery", "deliveries")
    print(
        f"{'erased' if is_done else 'would erase'} {new}" + (f"; {len(before):,} were erased before" if before else "")
    )
    print(_NO_EVENTS if events is None else f"Dagster's events that quote values of these: {events:,}")
    if is_done:
        print("not reached by this command:\n" + "\n".join(f"- {one}" for one in NOT_REACHED))
    elif objects or found.new:
        print("dry run: nothing was erased; add --execute to erase, which cannot be undone")


def _document(found: "Erasure", events: int | None, *, is_done: bool) -> dict[str, Any]:
    return {
        "erased": is_done,
        "deliveries": [
            {
                "delivery_id": one.delivery_id,
                "agency": one.agency,
                "dataset": one.dataset,
                "key": one.source.key,
                "version_id": one.source.version_id,
                "erased_before": one.is_erased,
            }
            for one in found.deliveries
        ],
        "objects": [
            {"kind": kind, "key": key, "versions": versions, "bytes": size}
            for kind, key, versions, size in _by_object(found)
        ],
        "events": events,
        "not_reached": list(NOT_REACHED),
    }
