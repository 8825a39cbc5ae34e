"""The index of the recent files of a series: what a new file is compared with. No decision about a file.

A series is what one agency sends again and again under one name, see ``object_keys.series_folder``. The index is made
from the checks of accepted files. If it is lost, the next files are compared with fewer previous ones.
"""

import json
import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from threading import Lock

from etl_platform import object_keys
from etl_platform.deliveries.delivery_task import DeliveryTask
from etl_platform.engine.contract.model import Contract
from etl_platform.engine.drift.comparison import KEPT, DriftComparison, previous_files
from etl_platform.engine.drift.summary import FileSummary
from etl_platform.engine.result import CheckResult
from etl_platform.errors import ObjectMissingError, PreconditionFailedError, TransientError
from etl_platform.storage.object_store import ObjectStore

_MAX_TRIES = 3
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Stored:
    """One file of an index, and the line of JSON that it is stored as."""

    summary: FileSummary
    line: bytes


@dataclass
class _Index:
    """The files of a series.

    Attributes:
        etag: of the object with most of them; None if there is none.
        beside: keys of objects with one file each, which are not in that object yet.
        files: by delivery id.
    """

    etag: str | None = None
    beside: list[str] = field(default_factory=list)
    files: dict[str, _Stored] = field(default_factory=dict)

    def newest(self, number: int | None = None) -> list[_Stored]:
        """The newest files, the oldest of them first."""
        ordered = sorted(self.files.values(), key=lambda one: (one.summary.at, one.summary.delivery_id))
        return ordered[-number:] if number else ordered


class Series:
    """Compares files of one data bucket with the previous ones of their series."""

    def __init__(self, store: ObjectStore, bucket: str) -> None:
        self._store, self._bucket = store, bucket
        self._locks: dict[str, Lock] = defaultdict(Lock)

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
        folder = object_keys.series_folder(task.contract.dataset, task.agency, source.key)
        # Files of a series that arrive at once are often in one run; there, they need not compete.
        with self._locks[folder]:
            index = self._read(folder) if task.dry_run else self._add(folder, summary)
        previous = previous_files(summary, [one.summary for one in index.newest()])
        return DriftComparison.of(summary, previous, limits, _row_rules(task.contract, check))

    def _add(self, folder: str, summary: FileSummary) -> _Index:
        """Add a file to the index; returns the index with it.

        Other runs may add files at the same time, such as years of daily files. A file that loses several times gets
        an object of its own. The next file of the series moves it to the others.
        """
        line = _line(summary)
        for _ in range(_MAX_TRIES):
            index = self._read(folder)
            index.files[summary.delivery_id] = _Stored(summary, line)
            body = b"".join(one.line for one in index.newest(KEPT + 1))
            if self._is_written(folder, index.etag, body):
                self._clear(index.beside)
                return index
        self._store.write(self._bucket, f"{folder}/{summary.delivery_id}.json", line)
        return index

    def _read(self, folder: str) -> _Index:
        index = _Index()
        for head in self._store.list(self._bucket, folder):
            if head.key == f"{folder}.jsonl":
                index.etag = head.etag
            else:
                index.beside.append(head.key)
            try:
                for one in _stored(self._store.read(self._bucket, head.key)):
                    index.files[one.summary.delivery_id] = one
            except ObjectMissingError:
                continue
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                text = "the index of a series cannot be read and is written again"
                log.warning(text, extra={"key": head.key, "error": str(error)})
        return index

    def _clear(self, keys: Sequence[str]) -> None:
        try:
            for key in keys:
                self._store.delete(self._bucket, key)
        except TransientError as error:
            # The next file of the series reads them once more.
            log.warning("files beside the index of a series are not deleted", extra={"error": str(error)})

    def _is_written(self, folder: str, etag: str | None, body: bytes) -> bool:
        """Write the index; returns False if another process has changed it since it was read."""
        try:
            self._store.write(self._bucket, f"{folder}.jsonl", body, if_absent=etag is None, if_match=etag)
        except PreconditionFailedError:
            return False
        return True


def _stored(body: bytes) -> Iterator[_Stored]:
    for line in body.splitlines(keepends=True):
        document = json.loads(line)
        if "files" not in document:
            yield _Stored(FileSummary.from_json(document), line)
            continue
        # Until the index had a line for each file, it was one document, ``<series>.json``.
        for one in document["files"]:
            summary = FileSummary.from_json(one)
            yield _Stored(summary, _line(summary))


def _line(summary: FileSummary) -> bytes:
    return (json.dumps(summary.to_json(), ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")


def _row_rules(contract: Contract, check: CheckResult) -> dict[str, list[str]]:
    """The row rules that use a column which the file does not have, by column."""
    missing = check.columns.missing if check.columns else ()
    if not missing or not contract.row_rules:
        return {}
    from etl_platform.engine.rules.derived_columns import rule_inputs

    inputs = rule_inputs(contract)
    return {name: [rule.name for rule in contract.row_rules if name in inputs[rule.name]] for name in missing}
