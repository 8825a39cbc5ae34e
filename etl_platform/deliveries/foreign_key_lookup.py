"""Whether silver of an agency holds what the foreign keys of a dataset refer to. No Dagster, no decision about rows.

What a silver object holds is read once in a process, and its result is kept in a cache for the next one. So a delivery
costs two listings and its own object, and the keys of the other dataset once in a run.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from etl_platform import object_keys
from etl_platform.deliveries.key_columns import KeyColumns, OtherContractError
from etl_platform.deliveries.read_cache import ReadCache
from etl_platform.deliveries.silver import Silver
from etl_platform.engine.contract.foreign_keys import ForeignKey
from etl_platform.engine.contract.model import Contract
from etl_platform.errors import ObjectMissingError, PreconditionFailedError, TransientError
from etl_platform.storage.object_store import ObjectHead, ObjectStore

MAX_EXAMPLES = 3
_ATTEMPTS = 5


@dataclass(frozen=True)
class ObjectResult:
    """The rows of one silver object that have a key, and those whose key is missing.

    Attributes:
        examples: missing keys as they may be shown.
    """

    rows: int
    missing: int
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class ForeignKeyResult:
    """One foreign key in one partition.

    Attributes:
        objects: by silver key, the objects of the partition.
        other_files: silver objects of the dataset that is referenced.
        written_at, other_written_at: when the newest file of each dataset was delivered; None if no key is missing.
        problem: why the foreign key was not evaluated.
    """

    key: ForeignKey
    objects: Mapping[str, ObjectResult]
    other_files: int = 0
    written_at: datetime | None = None
    other_written_at: datetime | None = None
    problem: str | None = None

    @property
    def rows(self) -> int:
        return sum(one.rows for one in self.objects.values())

    @property
    def missing(self) -> int:
        return sum(one.missing for one in self.objects.values())

    @property
    def worst(self) -> list[tuple[str, ObjectResult]]:
        """The objects with missing keys, those with most rows first."""
        found = [(key, one) for key, one in self.objects.items() if one.missing]
        return sorted(found, key=lambda pair: (-pair[1].missing, pair[0]))


class ForeignKeyLookup:
    """Evaluates the foreign keys of partitions of one data bucket. What has not changed is kept."""

    def __init__(self, store: ObjectStore, bucket: str) -> None:
        self._store, self._bucket = store, bucket
        self._silver, self._columns = Silver(store, bucket), KeyColumns(store)
        self._objects: dict[tuple[str, str, ForeignKey], dict[tuple[str, str], ObjectResult]] = {}
        self._results: dict[tuple[str, str, ForeignKey], tuple[str, ForeignKeyResult]] = {}

    def evaluate(self, contract: Contract, agency: str) -> list[ForeignKeyResult]:
        """One result for each foreign key of a contract; the same objects if nothing has changed.

        Raises:
            TransientError: infrastructure, or the objects keep changing.
        """
        return [self._evaluate(contract, agency, key) for key in contract.foreign_keys]

    def _evaluate(self, contract: Contract, agency: str, key: ForeignKey) -> ForeignKeyResult:
        if key.waits_for:
            return ForeignKeyResult(key, {}, problem=key.waits_for)
        for _ in range(_ATTEMPTS):
            own = self._silver.objects(contract.dataset, agency)
            others = own if key.dataset == contract.dataset else self._silver.objects(key.dataset, agency)
            state, partition = f"{_version(own)} {_version(others)}", (contract.dataset, agency, key)
            if partition in self._results and self._results[partition][0] == state:
                return self._results[partition][1]
            try:
                result = self._of_objects(contract, agency, key, own, others)
            except (ObjectMissingError, PreconditionFailedError):
                # Replaced or removed since it was listed.
                continue
            self._results[partition] = state, result
            return result
        raise TransientError(
            f"silver of {contract.dataset} or {key.dataset} of {agency} changed {_ATTEMPTS} times while foreign keys "
            "were looked up; it will be retried"
        )

    def _of_objects(
        self,
        contract: Contract,
        agency: str,
        key: ForeignKey,
        own: Sequence[ObjectHead],
        others: Sequence[ObjectHead],
    ) -> ForeignKeyResult:
        if not own or not others:
            problem = f"silver holds no {key.dataset} of this agency" if own else None
            return ForeignKeyResult(key, {}, problem=problem)
        try:
            objects = self._missing(contract, agency, key, own, others)
        except OtherContractError as error:
            return ForeignKeyResult(key, {}, len(others), problem=str(error))
        result = ForeignKeyResult(key, objects, len(others))
        if not result.missing:
            return result
        return replace(result, written_at=self._delivered_at(own), other_written_at=self._delivered_at(others))

    def _missing(
        self,
        contract: Contract,
        agency: str,
        key: ForeignKey,
        own: Sequence[ObjectHead],
        others: Sequence[ObjectHead],
    ) -> dict[str, ObjectResult]:
        """The result of each object: kept here, kept in the cache, or from its rows."""
        columns = [contract.column(name) for name in key.columns]
        is_masked = any(column.masked for column in columns)
        about = f"{key} {[column.type_name for column in columns]} {is_masked}"
        version = _digest(f"{about} {_version(others)}")
        heads = {head.key: head for head in own}

        def result_of(silver_key: str) -> bytes:
            known = self._columns.hashes(others, key.other_columns, columns)
            rows, missing, examples = self._columns.missing(heads[silver_key], columns, known, MAX_EXAMPLES, is_masked)
            return json.dumps([rows, missing, examples]).encode()

        partition, state = (contract.dataset, agency, key), {head.key: f"{head.etag}.{version}" for head in own}
        kept = self._objects.get(partition, {})
        found = {name: kept[name, etag] for name, etag in state.items() if (name, etag) in kept}
        new = [head for head in own if head.key not in found]
        # Requests for the cache would cost more than keys that are in memory.
        in_memory = [head.key for head in new if self._columns.keeps(head, columns)]
        to_read = [replace(head, etag=state[head.key]) for head in new if head.key not in in_memory]
        cache_key = object_keys.foreign_key_cache_key(contract.dataset, agency, _digest(str(key)))
        contents = ReadCache(self._store, self._bucket, cache_key).read_all(to_read, result_of)
        by_name = dict(zip((head.key for head in to_read), contents, strict=True))
        by_name |= {name: result_of(name) for name in in_memory}
        for name, content in by_name.items():
            assert content is not None
            rows, missing, examples = json.loads(content)
            found[name] = ObjectResult(rows, missing, tuple(examples))
        self._objects[partition] = {(name, state[name]): one for name, one in found.items()}
        return found

    def _delivered_at(self, heads: Sequence[ObjectHead]) -> datetime | None:
        """When the file was delivered that silver holds in the object that was written last."""
        newest = max(heads, key=lambda head: head.last_modified)
        current = self._silver.at(newest.key)
        return current.order.last_modified if current else None


def _version(heads: Sequence[ObjectHead]) -> str:
    return _digest("".join(f"{head.key} {head.etag}\n" for head in heads))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:20]
