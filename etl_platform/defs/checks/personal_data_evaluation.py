"""The result of PERSONAL_DATA_CHECK: what looks like personal data where the contract does not announce it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg

from etl_platform.defs.checks.check_evaluation import CheckEvaluation
from etl_platform.defs.checks.worst_files import MAX_WORST
from etl_platform.defs.table_metadata import first_rows, table
from etl_platform.deliveries.report import Report
from etl_platform.engine.rules.check_names import PERSONAL_DATA_CHECK
from etl_platform.object_keys import base_name

if TYPE_CHECKING:
    from etl_platform.defs.datasets.delivery_metadata import Metadata

_CURE = "Their values are masked. Classify these columns in the contract, or ask the agency to leave them out."


def personal_data_evaluation(checked: Sequence[Report]) -> CheckEvaluation:
    """One result about the files whose rows were examined. A finding is a warning.

    Args:
        checked: the reports of these files, the last one first.
    """
    found = [(report, one) for report in checked for one in report.check.personal_data or ()]
    if not found:
        return CheckEvaluation(
            PERSONAL_DATA_CHECK,
            True,
            dg.AssetCheckSeverity.WARN,
            {"delivery_id": checked[0].delivery_id},
            "Nothing looks like personal data in columns that are not classified as such.",
        )
    rows = [
        {
            "file": base_name(report.source.key),
            "column": one.column,
            "in the contract": "yes" if one.in_contract else "no",
            "looks like": one.kind.plural,
            "found": one.found,
            "examined": one.examined,
        }
        for report, one in found
    ]
    metadata: Metadata = {"delivery_id": found[0][0].delivery_id, "personal_data": table(first_rows(rows))}
    texts = [f"{base_name(report.source.key)}: {one}" if len(checked) > 1 else str(one) for report, one in found]
    more = f"; and {len(texts) - MAX_WORST:,} more" if len(texts) > MAX_WORST else ""
    text = f"{'; '.join(texts[:MAX_WORST])}{more}. {_CURE}"
    return CheckEvaluation(PERSONAL_DATA_CHECK, False, dg.AssetCheckSeverity.WARN, metadata, text)
