"""The corrections of deliveries: numbered objects that are never changed, all of them in effect. No decisions."""

import json
from datetime import datetime

from etl_platform import object_keys
from etl_platform.engine.corrections import Corrections
from etl_platform.errors import PreconditionFailedError, TransientError
from etl_platform.storage.object_store import ObjectStore


class CorrectionLog:
    def __init__(self, store: ObjectStore, bucket: str) -> None:
        self._store, self._bucket = store, bucket

    def in_effect(self, dataset: str, agency: str, delivery_id: str) -> Corrections:
        """All corrections of a delivery; later ones replace earlier ones, cell by cell."""
        merged = Corrections()
        for key in self._keys(dataset, agency, delivery_id):
            stored = json.loads(self._store.read(self._bucket, key))
            merged = merged.merged(Corrections.from_json(stored["rows"]))
        return merged

    def append(
        self, dataset: str, agency: str, delivery_id: str, corrections: Corrections, *, by: str, at: datetime
    ) -> None:
        """Put corrections in effect: every reprocessing applies them from now on.

        Raises:
            TransientError: another process appended at the same time, and its corrections may concern the same rows.
        """
        number = len(self._keys(dataset, agency, delivery_id)) + 1
        key = object_keys.corrections_key(dataset, agency, delivery_id, number)
        attempt = {"by": by, "at": at.isoformat()}
        stored = {"delivery_id": delivery_id, "rows": corrections.to_json(), "attempt": attempt}
        body = (json.dumps(stored, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")
        try:
            self._store.write(self._bucket, key, body, if_absent=True)
        except PreconditionFailedError:
            raise TransientError(
                f"delivery {delivery_id} is being corrected by someone else; run replay again"
            ) from None

    def deliveries(self, dataset: str, agency: str) -> set[str]:
        """The deliveries of a partition that have corrections."""
        heads = self._store.list(self._bucket, object_keys.corrections_prefix(dataset, agency))
        return {parsed.delivery_id for head in heads if (parsed := object_keys.parse_delivery_object(head.key))}

    def _keys(self, dataset: str, agency: str, delivery_id: str) -> list[str]:
        prefix = object_keys.corrections_prefix(dataset, agency, delivery_id)
        return [head.key for head in self._store.list(self._bucket, prefix)]
