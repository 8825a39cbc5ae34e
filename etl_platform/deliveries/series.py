"""The index of the recent files of a series: what a new file is compared with. No decision about a file.

A series is what one agency sends again and again under one name, see ``object_keys.series_key``. The index is made from
the checks of accepted files. If it is lost, the next files are compared with fewer previous ones, and nothing else.
"""

import json
import logging
from collections.abc import Sequence
from typing import Any

from etl_platform import object_keys
from etl_platform.deliveries.delivery_task import DeliveryTask
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.drift.comparison import DriftComparison
from etl_platform.engine.drift.summary import FileSummary
from etl_platform.engine.result import CheckResult
from etl_platform.errors import ObjectMissingError, PreconditionFailedError
from etl_platform.storage.object_store import ObjectStore, find_object

KEPT = 12
"""Previous files that a file is compared with: a year of monthly files."""
_MAX_TRIES = 10
log = logging.getLogger(__name__)


class Series:
    """Compares files of one data bucket with the previous ones of their series."""

    def __init__(self, store: ObjectStore, bucket: str) -> None:
        self._store, self._bucket = store, bucket

    def compare(self, task: DeliveryTask, check: CheckResult) -> DriftComparison | None:
        """Compare an accepted file with the previous ones, and add it to them; None if its contract wants neither.

        A file that was added before, by an attempt that crashed or for a replay, replaces itself.

        Raises:
            TransientError: infrastructure.
        """
        limits = task.contract.drift_limits
        if limits.severity is None:
            return None
        summary = FileSummary.of(check, task.source.delivery_id, task.source.order.last_modified, task.contract.keys)
        key = object_keys.series_key(task.contract.dataset, task.agency, task.source.key)
        row_rules, before = _row_rules(task.contract, check), list[FileSummary]()
        for _ in range(_MAX_TRIES):
            etag, files = self._read(key)
            others = [file for file in files if file.delivery_id != summary.delivery_id]
            before = [file for file in others if file.at < summary.at][-KEPT:]
            if task.dry_run or self._added(key, etag, [*others, summary]):
                return DriftComparison.of(summary, before, limits, row_rules)
        # Many files of a series at once, such as years of daily files. None of them must fail for its index.
        log.warning("a file is left out of the index of its series, which others keep changing", extra={"key": key})
        return DriftComparison.of(summary, before, limits, row_rules)

    def _read(self, key: str) -> tuple[str | None, list[FileSummary]]:
        """The eTag of the index, and its files, the oldest first."""
        head = find_object(self._store, self._bucket, key)
        if head is None:
            return None, []
        try:
            document = json.loads(self._store.read(self._bucket, key))
            return head.etag, [FileSummary.from_json(file) for file in document["files"]]
        except ObjectMissingError:
            return None, []
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            log.warning(
                "the index of a series cannot be read and is written again", extra={"key": key, "error": str(error)}
            )
            return head.etag, []

    def _added(self, key: str, etag: str | None, files: Sequence[FileSummary]) -> bool:
        """Write the newest files; returns False if another process has changed the index since it was read."""
        newest = sorted(files, key=lambda file: (file.at, file.delivery_id))[-KEPT - 1 :]
        document: dict[str, Any] = {"files": [file.to_json() for file in newest]}
        body = (json.dumps(document, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")
        try:
            self._store.write(self._bucket, key, body, if_absent=etag is None, if_match=etag)
        except PreconditionFailedError:
            return False
        return True


def _row_rules(contract: Contract, check: CheckResult) -> dict[str, list[str]]:
    """The row rules that use a column which the file does not have, by column."""
    missing = check.columns.missing if check.columns else ()
    if not missing or not contract.row_rules:
        return {}
    from etl_platform.engine.rules.derived_columns import rule_inputs

    inputs = rule_inputs(contract)
    return {name: [rule.name for rule in contract.row_rules if name in inputs[rule.name]] for name in missing}
