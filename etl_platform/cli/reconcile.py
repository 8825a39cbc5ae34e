"""``etl-platform reconcile``: compare source files, reports and stored objects, and ingest missing files."""

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from etl_platform.cli.arguments import Commands, add_command, age, near_agency
from etl_platform.deliveries.reconcile.discrepancies import Discrepancy, Finding
from etl_platform.engine.exit_codes import BAD, GOOD
from etl_platform.engine.output.table_formats import Table, add_formats
from etl_platform.progress import ProgressLine
from etl_platform.settings import load_settings

if TYPE_CHECKING:
    from etl_platform.deliveries.reconcile.reconciled import Reconciled
    from etl_platform.platform import Platform

_RUN_FILES = 200
_MAX_DELETED = 20

_WHAT_TO_DO = {
    Discrepancy.MISSING: "missing: `etl-platform reconcile --repair` ingests these files",
    Discrepancy.FAILED: "failed: their messages come again by themselves; correct what the error names",
    Discrepancy.STALE: "stale: materialize the agency's partition of silver; that reads the newest file in bronze",
    Discrepancy.ORPHANED: "orphaned: an object without a report, or a report without its object; materializing the "
    "partition restores silver, anything else must be examined",
}


def add(commands: Commands) -> None:
    reconcile = add_command(
        commands,
        "reconcile",
        "Compare source files, reports and stored objects; list what is missing, failed, stale or orphaned",
        "etl-platform reconcile --since 7d\n  etl-platform reconcile --agency nm_albuquerque --repair",
    )
    reconcile.add_argument("--agency", metavar="A", help="one agency only")
    reconcile.add_argument(
        "--since",
        type=age,
        metavar="AGE",
        help="only files that arrived since, such as 24h or 7d; objects without a report are not looked for [all]",
    )
    reconcile.add_argument(
        "--grace",
        type=age,
        metavar="AGE",
        help="ignore younger files, which may still be in the queue [6 × visibility timeout]",
    )
    reconcile.add_argument("--repair", action="store_true", help="ingest missing files, oldest first")
    add_formats(reconcile, "print one JSON document")
    reconcile.set_defaults(command=_reconcile)


def _reconcile(arguments: argparse.Namespace) -> int:
    from etl_platform.defs.operations.reconciliation import make_reconciler
    from etl_platform.platform import Platform

    settings, now = load_settings(), datetime.now(UTC)
    platform = Platform(settings)
    reconciler = make_reconciler(platform, now, arguments.grace, arguments.since)
    with ProgressLine("reconciling") as progress:
        found = reconciler.reconcile(arguments.agency, progress)
    repaired, failed = Counter[str](), 0
    if arguments.repair:
        repaired, failed = _repair(found.missing, platform)
        platform.intake.waiting.clear_finished(now)
    if arguments.json:
        print(json.dumps(_document(found, repaired, failed), indent=1, ensure_ascii=False))
    elif arguments.csv:
        _table(found).print_csv()
    else:
        _print(found, repaired, failed)
        if arguments.agency and not found.agencies and (near := near_agency(arguments.agency, platform)):
            print(f"no agency {arguments.agency} has sent anything{near}")
        if arguments.since:
            print("objects without a report are looked for only without --since")
    return BAD if len(found.findings) > repaired.total() else GOOD


def _repair(missing: Sequence[Finding], platform: "Platform") -> tuple[Counter[str], int]:
    """Ingest missing files; returns their outcomes and the number of failures."""
    from etl_platform.cli.jobs.intake import ingest_in_process
    from etl_platform.deliveries.reconcile.reconcile import version_to_ingest
    from etl_platform.logs import configure_logs

    configure_logs(platform.settings.log_level)
    done: Counter[str] = Counter()
    failed = 0
    versions = [version_to_ingest(finding) for finding in sorted(missing, key=lambda finding: finding.since)]
    for start in range(0, len(versions), _RUN_FILES):
        batch = versions[start : start + _RUN_FILES]
        finished, _ = ingest_in_process(batch, platform.settings, platform.contract_folder)
        done.update(str(item.outcome) for item in finished)
        failed += len(batch) - len(finished)
    return done, failed


def _print(found: "Reconciled", repaired: Counter[str], failed: int) -> None:
    from etl_platform.engine.output.plain_text import counted

    if found.findings:
        print(_table(found))
    compared = f"{counted(found.versions, 'file version')} of {counted(found.agencies, 'agency', 'agencies')}"
    print(f"{compared}: {found.summary}; {found.in_flight:,} in flight, {found.ignored:,} with ignored names")
    if found.deleted:
        print(f"{counted(len(found.deleted), 'file')} deleted from the source after processing; nothing was erased:")
        shown = [(one.agency, one.dataset, one.key, one.delivery_id) for one in found.deleted[:_MAX_DELETED]]
        print(Table(("agency", "dataset", "key", "delivery"), shown))
        if len(found.deleted) > _MAX_DELETED:
            print(f"… and {len(found.deleted) - _MAX_DELETED:,} more; --json lists all")
    if repaired or failed:
        outcomes = ", ".join(f"{times} {outcome}" for outcome, times in sorted(repaired.items()))
        print(f"repaired: {outcomes or 'nothing'}" + (f"; {failed} failed" if failed else ""))
    for kind in Discrepancy:
        if found.counts[kind] and (kind is not Discrepancy.MISSING or not repaired):
            print(_WHAT_TO_DO[kind])


def _table(found: "Reconciled") -> Table:
    rows = [
        (str(f.kind), f.agency, f.dataset, f.key, f"{f.since:%Y-%m-%d %H:%M}", f.why)
        for f in sorted(found.findings, key=lambda f: (f.kind, f.agency, f.key))
    ]
    return Table(("finding", "agency", "dataset", "key", "since (UTC)", "why"), rows)


def _document(found: "Reconciled", repaired: Counter[str], failed: int) -> dict[str, Any]:
    return {
        "findings": [
            {
                "kind": str(f.kind),
                "agency": f.agency,
                "dataset": f.dataset,
                "key": f.key,
                "version_id": f.missing.version_id if f.missing else None,
                "delivery_id": f.delivery_id,
                "since": f.since.isoformat(),
                "why": f.why,
            }
            for f in found.findings
        ],
        "deleted": [
            {"agency": one.agency, "dataset": one.dataset, "key": one.key, "delivery_id": one.delivery_id}
            for one in found.deleted
        ],
        "agencies": found.agencies,
        "versions": found.versions,
        "in_flight": found.in_flight,
        "ignored": found.ignored,
        "repaired": dict(repaired),
        "failed": failed,
    }
