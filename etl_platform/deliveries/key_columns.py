"""The key columns of silver objects: read by projection, kept within a limit of memory. No contracts of a folder.

Keys that are referred to are kept as sorted hashes of 64 bits: 8 MB for a million, whatever their texts. The
hash of a missing key is that of one of a million others in one of 10^13 cases, and the key is then not reported.
"""

import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from etl_platform.engine.contract.model import Column
from etl_platform.engine.errors import PermanentError
from etl_platform.engine.privacy.masking import shape, shown
from etl_platform.storage.object_store import ObjectHead, ObjectStore

if TYPE_CHECKING:
    import polars as pl

KEPT_BYTES = 96 << 20
"""Of all keys that one process keeps; more are read again when they are needed again."""
_READERS = 8
_HASH, _ROWS = "hash", "rows"
Kept = TypeVar("Kept", "pl.DataFrame", "pl.Series")


class OtherContractError(PermanentError):
    """A silver object was written under a contract in which a key column had another type."""


class KeyColumns:
    """Reads key columns of silver objects of one store. Threads may share it."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._kept: OrderedDict[tuple[object, ...], tuple[int, object]] = OrderedDict()
        self._bytes = 0
        self._lock, self._one_at_a_time = threading.Lock(), threading.Lock()

    def keeps(self, head: ObjectHead, columns: Sequence[Column]) -> bool:
        """Whether ``missing`` needs no request."""
        return _keys_of(head, [column.name for column in columns]) in self._kept

    def hashes(self, heads: Sequence[ObjectHead], names: Sequence[str], columns: Sequence[Column]) -> "pl.Series":
        """The hashes of all keys of these objects, sorted.

        Args:
            names: of the columns there.
            columns: that refer to them; they have the same types.

        Raises:
            OtherContractError: a column has another type.
            ObjectMissingError, PreconditionFailedError: an object is no longer the one that was listed.
        """
        import polars as pl

        def read_all() -> "pl.Series":
            with ThreadPoolExecutor(_READERS) as pool:
                found = list(pool.map(lambda head: self._hashes_of(head, names, columns), heads))
            return pl.concat(found).unique().sort()

        with self._one_at_a_time:
            state = ("all", *names, *((head.key, head.etag) for head in heads))
            return self._keep(state, read_all)

    def _hashes_of(self, head: ObjectHead, names: Sequence[str], columns: Sequence[Column]) -> "pl.Series":
        def read() -> "pl.Series":
            return self._read(head, names, columns)[_HASH]

        return self._keep(("hashes", *_keys_of(head, names)), read)

    def missing(
        self, head: ObjectHead, columns: Sequence[Column], known: "pl.Series", examples: int, is_masked: bool
    ) -> tuple[int, int, list[str]]:
        """The rows of an object with a key, those whose key is not among the known ones, and some of these keys.

        Args:
            known: hashes, sorted.
        """
        import polars as pl

        names = [column.name for column in columns]
        keys = self._keep(_keys_of(head, names), lambda: self._read(head, names, columns))
        hashes = keys[_HASH]
        if len(known):
            at = known.search_sorted(hashes).clip(0, len(known) - 1)
            lacking = keys.filter(known.gather(at) != hashes)
        else:
            lacking = keys
        worst = lacking.sort(pl.col(_ROWS), *_places(names), descending=[True, *[False] * len(names)]).head(examples)
        texts = [", ".join(str(shown(value)) for value in row) for row in worst.select(_places(names)).iter_rows()]
        if is_masked:
            texts = list(dict.fromkeys(map(shape, texts)))
        return int(keys[_ROWS].sum()), int(lacking[_ROWS].sum()), texts

    def _read(self, head: ObjectHead, names: Sequence[str], columns: Sequence[Column]) -> "pl.DataFrame":
        """The distinct keys of an object, with rows and hashes. A key of which a part is empty refers to nothing."""
        import polars as pl

        from etl_platform.engine.values.silver_types import dtype

        with tempfile.TemporaryDirectory(prefix="etl-platform-") as folder:
            path = Path(folder) / "silver.parquet"
            self._store.download(head, path)
            plan = pl.scan_parquet(path, glob=False)
            there, cells = plan.collect_schema(), []
            for place, name, column in zip(_places(names), names, columns, strict=True):
                wanted = dtype(column)
                if name in there and there[name] != wanted:
                    message = f"{head.key} was written under another contract: {name} is {there[name]} there"
                    raise OtherContractError(f"{message} and {wanted} now")
                cells.append((pl.col(name) if name in there else pl.lit(None, wanted)).alias(place))
            keys = plan.select(cells).drop_nulls().group_by(_places(names)).len(_ROWS)
            hashed = pl.struct(_places(names)).hash() if len(names) > 1 else pl.col(_places(names)[0]).hash()
            return keys.with_columns(hashed.alias(_HASH)).collect(engine="streaming")

    def _keep(self, state: tuple[object, ...], read: Callable[[], Kept]) -> Kept:
        with self._lock:
            if state in self._kept:
                self._kept.move_to_end(state)
                # The first part of a state decides the kind of what is kept.
                return self._kept[state][1]  # type: ignore[return-value]
        found = read()
        size = int(found.estimated_size())
        with self._lock:
            if state not in self._kept and size <= KEPT_BYTES:
                self._kept[state] = size, found
                self._bytes += size
            while self._bytes > KEPT_BYTES:
                _, (freed, _) = self._kept.popitem(last=False)
                self._bytes -= freed
        return found


def _keys_of(head: ObjectHead, names: Sequence[str]) -> tuple[object, ...]:
    return head.key, head.etag, *names


def _places(names: Sequence[str]) -> list[str]:
    return [f"key{place}" for place in range(len(names))]
