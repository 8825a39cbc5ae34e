"""The result of KEYS_CHECK: whether other files of the partition have rows with the same primary keys."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import dagster as dg

from etl_platform.defs.checks.check_evaluation import CheckEvaluation
from etl_platform.defs.checks.worst_files import MAX_WORST
from etl_platform.defs.table_metadata import table
from etl_platform.deliveries.key_comparison import SharedKeys
from etl_platform.deliveries.report import Report
from etl_platform.engine.rules.check_names import KEYS_CHECK
from etl_platform.object_keys import base_name

if TYPE_CHECKING:
    from etl_platform.defs.datasets.delivery_metadata import Metadata


def shared_keys_evaluation(in_silver: Sequence[Report], silver_keys: Collection[str]) -> CheckEvaluation | None:
    """A warning if rows of one file are in silver a second time; None if no file was compared with others.

    Args:
        in_silver: the reports of the files in silver.
        silver_keys: of all objects that silver has of the partition.
    """
    compared = [(report, report.shared_keys) for report in in_silver if report.shared_keys is not None]
    if not compared:
        return None
    found = [
        (report, shared)
        for report, comparison in compared
        for shared in comparison.shared
        # Somebody may have removed the other file from silver since.
        if shared.silver_key in silver_keys
    ]
    found.sort(key=lambda pair: (-pair[1].keys, pair[0].source.key, pair[1].source_key))
    metadata: Metadata = {
        "other_files": max(comparison.files for _, comparison in compared),
        "compared_files": max(comparison.compared for _, comparison in compared),
    }
    if found:
        metadata["delivery_id"] = found[0][0].delivery_id
        metadata["shared_keys"] = table([_row(*pair) for pair in found[:MAX_WORST]])
    sentences = [
        f"{base_name(report.source.key)}: {shared}, so silver holds those rows twice"
        for report, shared in found[:MAX_WORST]
    ]
    if len(found) > MAX_WORST:
        sentences.append(f"and {len(found) - MAX_WORST:,} more pairs of files")
    return CheckEvaluation(KEYS_CHECK, not found, dg.AssetCheckSeverity.WARN, metadata, "; ".join(sentences) or None)


def _row(report: Report, shared: SharedKeys) -> dict[str, object]:
    return {
        "file": report.source.key,
        "delivery_id": report.delivery_id,
        "other_file": shared.source_key,
        "keys": shared.keys,
        "silver": shared.silver_key,
    }
