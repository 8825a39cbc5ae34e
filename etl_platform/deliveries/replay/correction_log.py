"""The corrections of a delivery: numbered objects in the bucket, never changed, all in effect. No decisions."""

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
        """All corrections of a delivery, the later ones over the earlier."""
        found = Corrections()
        for key in self._keys(dataset, agency, delivery_id):
            entry = json.loads(self._store.read(self._bucket, key))
            found = found.merged(Corrections.from_json(entry["rows"]))
        return found

    def append(
        self, dataset: str, agency: str, delivery_id: str, corrections: Corrections, *, by: str, at: datetime
    ) -> None:
        """Put corrections in effect: every reprocessing from now on applies them.

        Raises:
            TransientError: somebody else appended at the same time, and theirs may bear on ours.
        """
        number = len(self._keys(dataset, agency, delivery_id)) + 1
        key = object_keys.corrections_key(dataset, agency, delivery_id, number)
        attempt = {"by": by, "at": at.isoformat()}
        entry = {"delivery_id": delivery_id, "rows": corrections.to_json(), "attempt": attempt}
        body = (json.dumps(entry, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")
        try:
            self._store.write(self._bucket, key, body, if_absent=True)
        except PreconditionFailedError:
            raise TransientError(f"somebody else corrects delivery {delivery_id} just now; replay once more") from None

    def deliveries(self, dataset: str, agency: str) -> set[str]:
        """Deliveries of a partition that have corrections."""
        listed = self._store.list(self._bucket, object_keys.corrections_prefix(dataset, agency))
        return {found.delivery_id for head in listed if (found := object_keys.parse_delivery_object(head.key))}

    def _keys(self, dataset: str, agency: str, delivery_id: str) -> list[str]:
        prefix = object_keys.corrections_prefix(dataset, agency, delivery_id)
        return [head.key for head in self._store.list(self._bucket, prefix)]
