"""Decompression of gzip and zip streams, with limits against bombs. Damage rejects the file and is not an I/O error."""

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
_ALLOWED_AT_ANY_RATIO_BYTES = 256 << 20

ByteStream = IO[bytes] | io.BufferedIOBase


@contextmanager
def unpacking() -> Iterator[None]:
    """Errors of the decompressors become the rejection ``archive_damaged``."""
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
        raise UnreadableFileError("encrypted", "the archive is protected by a password; send it without a password")


def open_gzip(path: Path) -> ByteStream:
    return _BoundedStream(gzip.open(path, "rb"), path.stat().st_size)


def open_zip_member(path: Path, member: zipfile.ZipInfo) -> ByteStream:
    archive = zipfile.ZipFile(path)
    try:
        opened = archive.open(member)
        # With these two methods zipfile expands its whole input buffer at once, without a limit.
        unbounded = member.compress_type in {zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
        step = 4096 if unbounded else _ALLOWED_AT_ANY_RATIO_BYTES
        return _BoundedStream(opened, path.stat().st_size, archive, step)
    except BaseException:
        archive.close()
        raise


def refuse_bomb(unpacked: int, packed: int) -> None:
    """Raise UnreadableFileError ``zip_bomb`` if the unpacked size exceeds the limits for the packed size."""
    if unpacked > MAX_UNPACKED_BYTES or (unpacked > _ALLOWED_AT_ANY_RATIO_BYTES and unpacked > packed * MAX_RATIO):
        raise UnreadableFileError(
            "zip_bomb",
            f"{packed:,} bytes unpack to at least {unpacked:,}, which looks like an attack; send the file unpacked",
        )


class _BoundedStream(io.BufferedIOBase):
    """A decompressing stream that raises ``zip_bomb`` at the limits of size and ratio.

    Args:
        step: bytes that are decompressed between two checks.
    """

    def __init__(
        self,
        inner: io.BufferedIOBase | IO[bytes],
        packed_bytes: int,
        archive: zipfile.ZipFile | None = None,
        step: int = _ALLOWED_AT_ANY_RATIO_BYTES,
    ) -> None:
        self._inner, self._packed_bytes, self._archive, self._step = inner, packed_bytes, archive, step
        self._unpacked_bytes = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = size if size is not None and size >= 0 else MAX_UNPACKED_BYTES
        parts: list[bytes] = []
        while wanted and (data := self._inner.read(min(wanted, self._step))):
            parts.append(data)
            wanted -= len(data)
            self._unpacked_bytes += len(data)
            refuse_bomb(self._unpacked_bytes, self._packed_bytes)
        return b"".join(parts)

    def close(self) -> None:
        self._inner.close()
        if self._archive is not None:
            self._archive.close()
        super().close()
