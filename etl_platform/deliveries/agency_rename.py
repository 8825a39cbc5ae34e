"""Stores under an agency's new name what it sent under the old one. No Dagster, no register.

First everything is copied, reports last, so that a report always describes objects that are there. Then silver and
quarantine are removed under the old name, or readers of all agencies would have those rows twice. Bronze and reports
stay: the platform never deletes them. All of it can be repeated: nothing that is already under the new name is
replaced, except silver that is older.
"""

import json
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from etl_platform import object_keys
from etl_platform.deliveries.ledger import Ledger
from etl_platform.deliveries.report_days import ReportDays
from etl_platform.deliveries.silver import CurrentObject, Silver
from etl_platform.deliveries.version_order import VersionOrder
from etl_platform.errors import PreconditionFailedError, TransientError
from etl_platform.storage.object_store import ObjectHead, ObjectStore, find_object

_AT_ONCE = 16
_COPIED = (
    "bronze",
    "quarantine/_corrections",
    "silver",
    "quarantine",
    "reports/_index/series",
    "reports/_facts",
    "reports/_notices",
    "reports",
)
_REMOVED = ("silver", "quarantine")
_WITH_KEYS = ("written", "shared_keys")
"""The fields of a report that list objects of its partition."""


class AgencyRename:
    """One renaming in one bucket. Old and new name are names of partitions."""

    def __init__(self, store: ObjectStore, bucket: str, old: str, new: str) -> None:
        self._store, self._bucket, self._old, self._new = store, bucket, old, new
        self._silver, self._ledger, self._days = Silver(store, bucket), Ledger(store, bucket), ReportDays(store, bucket)

    def move(self) -> int:
        """Copy every object, then remove old silver and quarantine; returns how many objects were copied.

        Raises:
            TransientError: infrastructure failed, or others write the same objects; run it again.
        """
        heads = {folder: list(self._heads(folder)) for folder in _COPIED}
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            copied = sum(sum(pool.map(self._copy, heads[folder])) for folder in _COPIED)
            for folder in _REMOVED:
                list(pool.map(self._remove, heads[folder]))
        # The copied reports are under the days on which their attempts ended, where nobody looks for new ones.
        self._store.delete(self._bucket, object_keys.LAST_DELIVERIES)
        return copied

    def datasets(self) -> list[str]:
        """The datasets of which the new name has reports."""
        folders = self._store.folders(self._bucket, object_keys.REPORTS)
        names = [parsed.dataset for folder in folders if (parsed := object_keys.parse_folder(folder))]
        prefixes = {name: object_keys.report_prefix(name, self._new) for name in names}
        return [name for name, prefix in prefixes.items() if any(True for _ in self._store.list(self._bucket, prefix))]

    def _heads(self, folder: str) -> Iterator[ObjectHead]:
        for dataset in self._store.folders(self._bucket, f"{folder}/"):
            if not dataset.removeprefix(f"{folder}/").startswith("_"):
                yield from self._store.list(self._bucket, f"{dataset}agency={self._old}/")

    def _copy(self, head: ObjectHead) -> bool:
        """Returns whether there was anything to copy."""
        key = self._renamed(head.key)
        if head.key.startswith("silver/"):
            return self._copy_silver(head.key)
        if find_object(self._store, self._bucket, key) is not None:
            return False
        # Corrections hold rows of people, an index of a series numbers: no name of an agency, so they are copied as is.
        if head.key.startswith(object_keys.REPORTS) and not head.key.startswith(object_keys.INDEX):
            document = self._renamed_report(json.loads(self._store.read(self._bucket, head.key)))
            if object_keys.is_report(key):
                self._days.add(key, datetime.fromisoformat(document["attempt"]["ended_at"]))
            body = (json.dumps(document, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")
            self._write_if_absent(key, body)
        elif head.key.startswith(object_keys.CORRECTIONS):
            # Nothing may replace a correction, and a copy would.
            self._write_if_absent(key, self._store.read(self._bucket, head.key))
        else:
            self._store.copy(self._store.head(self._bucket, head.key), self._bucket, key)
        return True

    def _copy_silver(self, old_key: str) -> bool:
        """Copy silver with its metadata, unless a newer version of the file was processed under the new name."""
        old = self._silver.at(old_key)
        if old is None:
            return False
        source, new = self._under_new_name(old)
        if new is not None:
            is_newer = old.order.is_newer_than if source is None else partial(source.is_newer, old.order)
            if not is_newer(new.order):
                return False
        key = new.key if new else self._renamed(old_key)
        head = self._store.head(self._bucket, old_key)
        with tempfile.TemporaryDirectory(prefix="etl-platform-") as folder:
            path = Path(folder) / "silver"
            self._store.download(head, path)
            try:
                self._store.write(
                    self._bucket,
                    key,
                    path,
                    if_absent=new is None,
                    if_match=new.etag if new else None,
                    metadata=dict(head.metadata)
                    | ({"source": object_keys.metadata_text(source.key)} if source else {}),
                )
            except PreconditionFailedError:
                raise TransientError(f"{key} was written by a run meanwhile; run the command again") from None
        return True

    def _under_new_name(self, old: CurrentObject) -> tuple[VersionOrder | None, CurrentObject | None]:
        """The order of the versions of the object's source key, if it is reported, and its silver under the new name.

        That can have another key than the old one, if release 0.2 wrote one of them.
        """
        folder = object_keys.parse_folder(old.key.removesuffix(object_keys.base_name(old.key)))
        assert folder is not None
        report = self._ledger.find(folder.dataset, self._old, old.delivery_id)
        if report is None:
            return None, self._silver.at(self._renamed(old.key))
        source = report.source
        new = self._silver.current(folder.dataset, self._new, source.key)
        return VersionOrder(self._store, source.bucket, source.key), new

    def _write_if_absent(self, key: str, body: bytes) -> None:
        try:
            self._store.write(self._bucket, key, body, if_absent=True)
        except PreconditionFailedError:
            # A run processed the same delivery under the new name meanwhile.
            return

    def _remove(self, head: ObjectHead) -> None:
        old = self._silver.at(head.key) if head.key.startswith("silver/") else None
        is_there = (
            find_object(self._store, self._bucket, self._renamed(head.key))
            if old is None
            else self._under_new_name(old)[1]
        )
        if is_there is None:
            raise TransientError(f"{self._renamed(head.key)} is gone, so {head.key} was not removed; run it again")
        self._store.delete(self._bucket, head.key)

    def _renamed(self, key: str) -> str:
        return key.replace(f"/agency={self._old}/", f"/agency={self._new}/", 1)

    def _renamed_report(self, document: dict[str, Any]) -> dict[str, Any]:
        """A report or an amendment with the new name of the agency and of the keys that it lists.

        No other field changes: texts such as those of the preview are of the sender.
        """
        keys = {name: self._renamed_keys(document[name]) for name in _WITH_KEYS if name in document}
        return document | {"agency": self._new} | keys

    def _renamed_keys(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._renamed_keys(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self._renamed_keys(one) for one in value]
        is_key = isinstance(value, str) and value.startswith(object_keys.WRITTEN_PREFIXES)
        return self._renamed(value) if is_key else value
