"""The index of the recent files of a series: what a new file is compared with. No decision about a file.

A series is what one agency sends again and again under one name, see ``object_keys.series_key``. The index is made
from the checks of accepted files. If it is lost, the next files are compared with fewer previous ones.
"""

import json
import logging
from collections import OrderedDict, defaultdict
from collections.abc import Sequence, Set
from dataclasses import replace
from threading import Lock
from typing import NamedTuple, TypeAlias

from etl_platform import object_keys
from etl_platform.deliveries.delivery_task import DeliveryTask
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.drift.comparison import KEPT, DriftComparison, previous_files
from etl_platform.engine.drift.summary import FileSummary
from etl_platform.engine.result import CheckResult
from etl_platform.errors import ObjectMissingError, PreconditionFailedError, TransientError
from etl_platform.storage.object_store import ObjectStore

_MAX_TRIES = 10
_MOST_KEPT = 32
"""Indexes of up to 40 KB, for the other files of a series in the same run."""
log = logging.getLogger(__name__)


class _Stored(NamedTuple):
    """One file of an index, and the line of JSON that it is stored as."""

    summary: FileSummary
    line: bytes


_Index: TypeAlias = tuple[str | None, list[_Stored]]


class Series:
    """Compares files of one data bucket with the previous ones of their series.

    Indexes that this process has just written are kept. If another one has changed an index since, the next write finds
    that out, and it is read again.
    """

    def __init__(self, store: ObjectStore, bucket: str) -> None:
        self._store, self._bucket = store, bucket
        self._locks: dict[str, Lock] = defaultdict(Lock)
        self._kept: OrderedDict[str, _Index | None] = OrderedDict()

    def compare(self, task: DeliveryTask, check: CheckResult) -> DriftComparison | None:
        """Compare an accepted file with the previous ones, and add it to them; None if its contract wants neither.

        A file that was added before, by an attempt that crashed or for a replay, replaces itself.

        Raises:
            TransientError: infrastructure.
        """
        limits = task.contract.drift_limits
        if limits.severity is None:
            return None
        source = task.source
        name = object_keys.base_name(source.key)
        summary = FileSummary.of(check, source.delivery_id, source.order.last_modified, task.contract.keys, name)
        key = object_keys.series_key(task.contract.dataset, task.agency, source.key)
        row_rules = rules_without_column(task.contract, check)
        # Files of a series that arrive at once are often in one run; there, they need not compete.
        with self._locks[key]:
            for _ in range(_MAX_TRIES):
                etag, files = self._kept.pop(key, None) or self._read(key)
                others = [one for one in files if one.summary.delivery_id != summary.delivery_id]
                previous = previous_files(summary, [one.summary for one in others])
                found = DriftComparison.of(summary, previous, limits, row_rules)
                if task.dry_run or self._is_added(key, etag, others, summary, found):
                    return found
        # Each try was lost to another run that added a file. No file must fail for its index.
        log.warning("a file is left out of the index of its series, which others keep changing", extra={"key": key})
        return found

    def previous(self, task: DeliveryTask) -> list[FileSummary]:
        """The files that came before, the oldest first; none if the contract keeps no series, or S3 does not answer.

        They only say which columns may be renamed, so no check fails for them.
        """
        if task.contract.drift_limits.severity is None:
            return []
        source = task.source
        try:
            _, files = self._read(object_keys.series_key(task.contract.dataset, task.agency, source.key))
        except TransientError as error:
            log.warning("renamed columns are found without the last file", extra={"error": str(error)})
            return []
        before = (one.summary for one in files if one.summary.at < source.order.last_modified)
        return [one for one in before if one.delivery_id != source.delivery_id]

    def _is_added(
        self, key: str, etag: str | None, others: Sequence[_Stored], summary: FileSummary, found: DriftComparison
    ) -> bool:
        """Write an index with one more file; returns whether it was unchanged since it was read."""
        added = _stored_file(replace(summary, unusual=found.unusual))
        newest = sorted([*others, added], key=lambda one: (one.summary.at, one.summary.delivery_id))[-KEPT - 1 :]
        written = self._written(key, etag, b"".join(one.line for one in newest))
        if written is None:
            return False
        self._kept[key] = written, newest
        if len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return True

    def forget(self, dataset: str, agency: str, source_key: str, delivery_ids: Set[str]) -> None:
        """Remove deliveries from the index of a series; older versions of the object stay in the store.

        Raises:
            TransientError: infrastructure, or others keep changing the index.
        """
        key = object_keys.series_key(dataset, agency, source_key)
        for _ in range(_MAX_TRIES):
            etag, files = self._read(key)
            kept = [one.line for one in files if one.summary.delivery_id not in delivery_ids]
            if len(kept) == len(files) or self._written(key, etag, b"".join(kept)):
                return
        raise TransientError(f"{key} changed {_MAX_TRIES} times while it was being written; run it again")

    def _read(self, key: str) -> _Index:
        """The eTag of an index, None before its first file, and its files."""
        etag = None
        try:
            body, etag = self._store.read_with_etag(self._bucket, key)
            return etag, [
                _Stored(FileSummary.from_json(json.loads(line)), line) for line in body.splitlines(keepends=True)
            ]
        except ObjectMissingError:
            return None, []
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            text = "the index of a series cannot be read and is written again"
            log.warning(text, extra={"key": key, "error": str(error)})
            return etag, []

    def _written(self, key: str, etag: str | None, body: bytes) -> str | None:
        """Write an index; returns its new eTag, None if another run has changed it since it was read."""
        try:
            return self._store.write(self._bucket, key, body, if_absent=etag is None, if_match=etag)
        except PreconditionFailedError:
            return None


def _stored_file(summary: FileSummary) -> _Stored:
    line = json.dumps(summary.to_json(), ensure_ascii=False) + "\n"
    return _Stored(summary, line.encode("utf-8", "surrogatepass"))


def rules_without_column(contract: Contract, check: CheckResult) -> dict[str, list[str]]:
    """The row rules that use a column which the file does not have, by column."""
    missing = check.columns.missing if check.columns else ()
    if not missing or not contract.row_rules:
        return {}
    from etl_platform.engine.rules.derived_columns import rule_inputs

    inputs = rule_inputs(contract)
    return {name: [rule.name for rule in contract.row_rules if name in inputs[rule.name]] for name in missing}
