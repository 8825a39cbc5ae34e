"""A local folder as an ObjectStore, for development without AWS. Objects are ``<root>/<key>`` in every bucket."""

import errno
import fcntl
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from stat import S_ISREG

from etl_platform.errors import (
    ObjectMissingError,
    PreconditionFailedError,
    TransientError,
    UnsafeKeyError,
)
from etl_platform.storage.object_store import ObjectHead, StoredVersion, file_sha256

_META = ".meta"
_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP}


class LocalStore:
    """Version ids are modification times.

    An object and its metadata are two files. A lock file makes writing both of them, and reading both, atomic between
    local processes.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._lock = self._root / _META / "lock"

    def _path(self, key: str) -> Path:
        # The file system resolves these segments, so one agency's key could lead to another agency's file.
        if "\0" in key or not {"", ".", ".."}.isdisjoint(key.split("/")):
            raise UnsafeKeyError(
                f"the key {key!r} contains an empty, . or .. segment or a null character; use S3 or rename it"
            )
        path = self._root / key
        if not path.resolve().is_relative_to(self._root):
            raise UnsafeKeyError(f"the key {key!r} points outside {self._root}; remove the symbolic link")
        return path

    def head(self, bucket: str, key: str, version_id: str | None = None, etag: str | None = None) -> ObjectHead:
        """The current file; ``version_id`` and ``etag`` are ignored, because a folder keeps one version."""
        found = self._listed(bucket, key)
        if not self._lock.exists():
            # Nothing was ever written, so nothing has metadata. A folder that is only read stays as it is.
            return found
        with _disk(f"read {key}"), self._lock.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            found, meta = self._listed(bucket, key), self._meta(key)
            return replace(found, metadata=json.loads(meta.read_text("utf-8"))) if meta.exists() else found

    def _listed(self, bucket: str, key: str) -> ObjectHead:
        """The current file without its metadata."""
        path = self._path(key)
        with _disk(f"read {path}"):
            try:
                stat = path.stat()
            except OSError as error:
                # Another error of the system does not prove that there is no such file.
                if error.errno not in _ABSENT:
                    raise
                raise ObjectMissingError(f"{path}: {error.strerror}") from None
        if not S_ISREG(stat.st_mode):
            raise ObjectMissingError(f"{path} is not a file")
        return ObjectHead(
            bucket,
            key,
            str(stat.st_mtime_ns),
            f"{stat.st_mtime_ns:x}-{stat.st_size:x}",
            stat.st_size,
            datetime.fromtimestamp(stat.st_mtime, UTC),
        )

    def download(self, head: ObjectHead, path: Path) -> str:
        self._copy(head, path)
        with _disk(f"read {path}"):
            return file_sha256(path)

    def _copy(self, head: ObjectHead, target: Path) -> None:
        """Copy the version that ``head`` describes, or raise and leave ``target`` unchanged."""
        with _disk(f"copy {head.key} to {target}"):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                with self._part(target) as part:
                    shutil.copyfile(self._path(head.key), part)
                    if self._listed(head.bucket, head.key).etag != head.etag:
                        raise PreconditionFailedError(f"{head.key} changed while it was copied")
                    part.replace(target)
            except FileNotFoundError:
                raise ObjectMissingError(f"{head.key} no longer exists") from None

    def read_start(self, head: ObjectHead, size_bytes: int) -> bytes:
        path = self._path(head.key)
        with _disk(f"read {path}"):
            try:
                with path.open("rb") as file:
                    start = file.read(size_bytes)
            except FileNotFoundError:
                raise ObjectMissingError(f"{path} does not exist") from None
        if self._listed(head.bucket, head.key).etag != head.etag:
            raise PreconditionFailedError(f"{head.key} changed while it was read")
        return start

    def copy(self, head: ObjectHead, bucket: str, key: str) -> None:
        self._copy(head, self._path(key))

    def read(self, bucket: str, key: str) -> bytes:
        try:
            return self._path(key).read_bytes()
        except FileNotFoundError:
            raise ObjectMissingError(f"{self._path(key)} does not exist") from None

    def read_with_etag(self, bucket: str, key: str) -> tuple[bytes, str]:
        # The eTag first: if the file is replaced in between, a later ``if_match`` fails.
        etag = self.head(bucket, key).etag
        return self.read(bucket, key), etag

    def write(
        self,
        bucket: str,
        key: str,
        body: bytes | Path,
        *,
        if_absent: bool = False,
        if_match: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        path, meta = self._path(key), self._meta(key)
        with _disk(f"write {path}"), self._part(path) as part:
            # Written before the lock is taken, so that nobody waits for a large file.
            if isinstance(body, Path):
                shutil.copyfile(body, part)
            else:
                part.write_bytes(body)
            with self._locked():
                if if_absent and path.exists():
                    raise PreconditionFailedError(f"{path} exists already")
                if if_match is not None and (not path.exists() or self._listed(bucket, key).etag != if_match):
                    raise PreconditionFailedError(f"{path} was changed or deleted since it was read")
                path.parent.mkdir(parents=True, exist_ok=True)
                part.replace(path)
                meta.unlink(missing_ok=True)
                if metadata:
                    meta.parent.mkdir(parents=True, exist_ok=True)
                    meta.write_text(json.dumps(dict(metadata)), "utf-8")
                return self._listed(bucket, key).etag

    def delete(self, bucket: str, key: str) -> None:
        path = self._path(key)
        with _disk(f"delete {key}"), self._locked():
            path.unlink(missing_ok=True)
            self._meta(key).unlink(missing_ok=True)

    def list(self, bucket: str, prefix: str, after: str = "") -> Iterator[ObjectHead]:
        folder = self._path(prefix.rpartition("/")[0]) if "/" in prefix else self._root
        keys = (path.relative_to(self._root).as_posix() for path in folder.rglob("*") if path.is_file())
        for key in sorted(keys):
            if key.startswith(prefix) and key > after and not key.startswith(f"{_META}/"):
                try:
                    yield self._listed(bucket, key)
                except ObjectMissingError:
                    # Deleted since its folder was read.
                    continue

    def versions(self, bucket: str, prefix: str, after: str = "") -> Iterator[ObjectHead]:
        """The current files: a folder keeps one version of each."""
        return self.list(bucket, prefix, after)

    def stored_versions(self, bucket: str, prefix: str) -> Iterator[StoredVersion]:
        return (StoredVersion(head, str(head.version_id), is_latest=True) for head in self.list(bucket, prefix))

    def erase(self, bucket: str, versions: Sequence[StoredVersion], *, bypass_lock: bool = False) -> None:
        for version in versions:
            path = self._path(version.key)
            with _disk(f"delete {version.key}"), self._locked():
                if path.exists() and self._listed(bucket, version.key).version_id == version.version_id:
                    path.unlink()
                    self._meta(version.key).unlink(missing_ok=True)

    def is_versioned(self, bucket: str) -> None:
        """None: versioning does not apply to a folder."""

    def folders(self, bucket: str, prefix: str) -> Iterator[str]:
        folder = self._path(prefix.rstrip("/")) if prefix else self._root
        names = (path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else ()
        yield from (f"{prefix}{name}/" for name in sorted(names) if prefix or name != _META)

    def _meta(self, key: str) -> Path:
        return self._path(f"{_META}/{key}.json")

    @contextmanager
    def _part(self, target: Path) -> Iterator[Path]:
        """Where a file is written before it is renamed to its target; in the store, no listing shows it."""
        with ExitStack() as contexts:
            if target.is_relative_to(self._root):
                self._lock.parent.mkdir(parents=True, exist_ok=True)
                # Nobody else has this name.
                reserved = contexts.enter_context(tempfile.NamedTemporaryFile(dir=self._lock.parent))
                part = Path(f"{reserved.name}.part")
            else:
                part = target.with_name(f".{target.name[:100]}.part")
            contexts.callback(part.unlink, missing_ok=True)
            yield part

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock alone. ``head`` shares it, so it must not be called meanwhile."""
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        with self._lock.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


@contextmanager
def _disk(what: str) -> Iterator[None]:
    """Translate errors of the file system to TransientError."""
    try:
        yield
    except OSError as error:
        raise TransientError(f"{what}: {error.strerror}") from error
