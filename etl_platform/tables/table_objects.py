"""The objects of a table in the data bucket: listed once, then read exactly as they were listed. No columns."""

from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from etl_platform import object_keys
from etl_platform.deliveries.report_days import list_reports
from etl_platform.engine.contract_folder import ContractFolder
from etl_platform.errors import ObjectMissingError, PreconditionFailedError, TableError, TransientError
from etl_platform.storage.object_store import ObjectHead, ObjectStore

_READERS = 16
_ATTEMPTS = 5
T = TypeVar("T")


class TableSource(Protocol):
    """Where tables are read from: ``Platform`` is one."""

    @property
    def store(self) -> ObjectStore: ...

    @property
    def bucket(self) -> str: ...

    @property
    def contract_folder(self) -> ContractFolder: ...


@dataclass(frozen=True)
class TableObject:
    """One Parquet object of an agency's partition."""

    agency: str
    head: ObjectHead


def list_objects(
    source: TableSource, layer: str, dataset: str, agencies: Collection[str] | None = None
) -> list[TableObject]:
    """The Parquet objects of these partitions in key order; by default of all partitions.

    Raises:
        TableError: there is no such bucket.
        TransientError: infrastructure.
    """
    prefixes = [object_keys.partition_prefix(layer, dataset, agency) for agency in sorted(agencies or ())]
    if agencies is None:
        prefixes = [object_keys.partition_prefix(layer, dataset)]
    return [found for prefix in prefixes for found in _parquet_objects(source, prefix)]


def _parquet_objects(source: TableSource, prefix: str) -> Iterator[TableObject]:
    for head in list_heads(source, prefix):
        folder = object_keys.parse_folder(head.key[: head.key.rfind("/") + 1])
        if folder is not None and folder.agency is not None and head.key.endswith(".parquet"):
            yield TableObject(folder.agency, head)


def list_heads(source: TableSource, prefix: str) -> Iterator[ObjectHead]:
    """All objects under a prefix; the errors of ``list_objects``."""
    return _of_bucket(source.store.list(source.bucket, prefix))


def list_report_heads(source: TableSource) -> Iterator[ObjectHead]:
    """The objects of all reports; the errors of ``list_objects``."""
    return _of_bucket(list_reports(source.store, source.bucket))


def _of_bucket(listed: Iterator[ObjectHead]) -> Iterator[ObjectHead]:
    try:
        yield from listed
    except ObjectMissingError as error:
        # Only the bucket can be missing. The error of an object that was replaced means another attempt.
        raise TableError(str(error)) from None


def read_consistently(
    list_all: Callable[[], Sequence[TableObject]], read: Callable[[Sequence[TableObject]], T], what: str
) -> T:
    """List, and read what was listed; again from the start if an object was replaced in between.

    So the result is what one listing showed, never half of an older state.

    Raises:
        TransientError: infrastructure, or the objects keep changing.
    """
    for _ in range(_ATTEMPTS):
        objects = list_all()
        try:
            return read(objects)
        except (ObjectMissingError, PreconditionFailedError):
            # Replaced or removed since it was listed.
            continue
    raise TransientError(f"{what} changed {_ATTEMPTS} times while it was read; try again")


def download_all(source: TableSource, objects: Sequence[TableObject], folder: Path) -> list[Path]:
    """Download into files ``0.parquet``, ``1.parquet``, … in the order given.

    Raises:
        ObjectMissingError, PreconditionFailedError: an object is no longer the one that was listed.
        TransientError: infrastructure.
    """
    paths = [folder / f"{number}.parquet" for number in range(len(objects))]
    with ThreadPoolExecutor(_READERS) as pool:
        list(pool.map(lambda found, path: source.store.download(found.head, path), objects, paths))
    return paths
