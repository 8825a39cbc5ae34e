"""Contracts and their reference tables, copied from an object store's prefix into a folder. No rules."""

import re
from pathlib import Path

from etl_platform.storage.object_store import ObjectStore

_WANTED = re.compile(r"[^/]+\.odcs\.ya?ml|references/[^/]+\.csv")


def fetch_contracts(store: ObjectStore, bucket: str, prefix: str, folder: Path) -> list[Path]:
    """The files written, in order of key. Whatever else lies below the prefix stays there.

    Raises:
        TransientError, ObjectMissingError: as the store says.
    """
    written = []
    for head in store.list(bucket, prefix):
        name = head.key.removeprefix(prefix)
        if _WANTED.fullmatch(name):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            store.download(head, path)
            written.append(path)
    return written
