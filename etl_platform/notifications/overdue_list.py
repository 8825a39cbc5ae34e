"""The list of overdue files that expected_files_job made last, as one JSON object. No decisions."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime

from etl_platform import object_keys
from etl_platform.engine.json_fields import known_fields
from etl_platform.errors import ObjectMissingError, ReportError
from etl_platform.notifications.find_events import OverdueFile
from etl_platform.storage.object_store import ObjectStore

_TIMES = ("arrived_at", "expected_by")


def write_overdue(store: ObjectStore, bucket: str, files: Iterable[OverdueFile], now: datetime) -> None:
    """Replace the list. A list that is written twice has no effect: an event of an overdue file is found once."""
    rows = [asdict(file) | {name: getattr(file, name).isoformat() for name in _TIMES} for file in files]
    body = json.dumps({"listed_at": now.isoformat(), "files": rows}) + "\n"
    store.write(bucket, object_keys.OVERDUE_FILES, body.encode())


def read_overdue(store: ObjectStore, bucket: str) -> list[OverdueFile]:
    """The list; nothing if there is none yet.

    Raises:
        ReportError: the object is no such list.
    """
    try:
        rows = json.loads(store.read(bucket, object_keys.OVERDUE_FILES))["files"]
        return [_file(row) for row in rows]
    except ObjectMissingError:
        return []
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        problem = f"not a list of overdue files ({error!r}); expected_files_job writes it again"
        raise ReportError(f"s3://{bucket}/{object_keys.OVERDUE_FILES}: {problem}") from None


def _file(row: dict[str, str]) -> OverdueFile:
    return OverdueFile(**known_fields(OverdueFile, row) | {name: datetime.fromisoformat(row[name]) for name in _TIMES})
