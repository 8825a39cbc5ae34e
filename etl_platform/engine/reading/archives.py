"""Packed files: gzip and zip streams that end at a bomb's ratio or size, and whose damage has a name."""

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from etl_platform.engine.errors import UnreadableFileError

MAX_UNPACKED_BYTES = 64 << 30
MAX_RATIO = 200
_ALWAYS_FINE_BYTES = 256 << 20

ByteStream = IO[bytes] | io.BufferedIOBase


@contextmanager
def unpacking() -> Iterator[None]:
    import lzma

    try:
        yield
    except (
        OSError,
        EOFError,
        ValueError,
        LookupError,
        RuntimeError,
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        struct.error,
    ) as error:
        raise UnreadableFileError("archive_damaged", f"the file cannot be unpacked: {error}; send it again") from None


def refuse_encrypted(members: Sequence[zipfile.ZipInfo]) -> None:
    if any(member.flag_bits & 0x1 for member in members):
        raise UnreadableFileError("encrypted", "the archive is protected by a password; send it without")


def open_gzip(path: Path) -> ByteStream:
    return _Bounded(gzip.open(path, "rb"), path.stat().st_size)


def open_zip_member(path: Path, member: zipfile.ZipInfo) -> ByteStream:
    archive = zipfile.ZipFile(path)
    try:
        opened = archive.open(member)
        # zipfile unpacks what it reads of these two at once, however much that gives.
        greedy = member.compress_type in {zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
        return _Bounded(opened, path.stat().st_size, archive, 4096 if greedy else _ALWAYS_FINE_BYTES)
    except BaseException:
        archive.close()
        raise


def refuse_bomb(unpacked: int, packed: int) -> None:
    if unpacked > MAX_UNPACKED_BYTES or (unpacked > _ALWAYS_FINE_BYTES and unpacked > packed * MAX_RATIO):
        raise UnreadableFileError(
            "zip_bomb", f"{packed:,} bytes unpack to more than {unpacked:,}; send the file less compressed"
        )


class _Bounded(io.BufferedIOBase):
    """A decompressing stream that stops at a bomb's ratio or size."""

    def __init__(
        self,
        inner: io.BufferedIOBase | IO[bytes],
        packed_bytes: int,
        archive: zipfile.ZipFile | None = None,
        step: int = _ALWAYS_FINE_BYTES,
    ) -> None:
        self._inner, self._packed, self._archive, self._step, self._seen = inner, packed_bytes, archive, step, 0

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = size if size is not None and size >= 0 else MAX_UNPACKED_BYTES
        parts: list[bytes] = []
        while wanted and (data := self._inner.read(min(wanted, self._step))):
            parts.append(data)
            wanted -= len(data)
            self._seen += len(data)
            refuse_bomb(self._seen, self._packed)
        return b"".join(parts)

    def close(self) -> None:
        self._inner.close()
        if self._archive is not None:
            self._archive.close()
        super().close()
