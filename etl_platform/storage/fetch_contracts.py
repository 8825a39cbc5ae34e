"""Downloads contracts and what belongs to them from a prefix of an object store into a folder. Reads none."""

import re
from pathlib import Path

from etl_platform.storage.object_store import ObjectStore

_CONTRACT_FILE = re.compile(r"[^/]+\.odcs\.ya?ml|references/[^/]+\.csv|agencies/[^/]+/[^/]+\.yaml|contacts\.yaml")


def fetch_contracts(store: ObjectStore, bucket: str, prefix: str, folder: Path) -> list[Path]:
    """Returns the written files, in order of key. Other objects below the prefix are skipped.

    Raises:
        TransientError: infrastructure failed.
        ObjectMissingError: the bucket does not exist, or an object disappeared.
    """
    written = []
    for head in store.list(bucket, prefix):
        name = head.key.removeprefix(prefix)
        if _CONTRACT_FILE.fullmatch(name):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            store.download(head, path)
            written.append(path)
    return written
