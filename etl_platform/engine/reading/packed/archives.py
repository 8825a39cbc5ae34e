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


_METHODS = {
    1: "Shrink",
    6: "Implode",
    9: "Deflate64",
    10: "PKWARE Implode",
    93: "Zstandard",
    95: "xz",
    96: "JPEG",
    97: "WavPack",
    98: "PPMd",
}
_READ_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
_AES = 99
_HEAD_BYTES = 1 << 16
_SPLIT_MARK = b"PK\x07\x08"
_OFFICE_NAMES = (b"[Content_Types].xml", b"_rels/.rels", b"xl/")


@contextmanager
def unpacking() -> Iterator[None]:
    """Errors of the decompressors become the rejection ``archive_damaged``."""
    import lzma

    try:
        yield
    except EOFError:
        raise UnreadableFileError(
            "archive_damaged", "the file cannot be unpacked, because it was cut off before its end; send it again"
        ) from None
    except (
        OSError,
        ValueError,
        LookupError,
        RuntimeError,
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        struct.error,
    ) as error:
        raise UnreadableFileError("archive_damaged", f"the file cannot be unpacked: {error}; send it again") from None


def refuse_incomplete_zip(file: Path | io.BytesIO) -> None:
    """Raise UnreadableFileError if a zip lacks the list of its files, which is written last."""
    if zipfile.is_zipfile(file):
        return
    start = file.getbuffer()[:_HEAD_BYTES].tobytes() if isinstance(file, io.BytesIO) else _first_bytes(file)
    if start.startswith(_SPLIT_MARK):
        raise UnreadableFileError("archive_damaged", "the file is one part of a split archive; send one whole archive")
    what, code = ("archive", "archive_damaged")
    if any(name in start for name in _OFFICE_NAMES):
        what, code = ("workbook", "workbook_damaged")
    raise UnreadableFileError(
        code, f"the {what} was cut off: its end is missing, as after a transfer that broke off; send it again"
    )


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD_BYTES)


def refuse_method(member: zipfile.ZipInfo) -> None:
    """Raise UnreadableFileError ``zip_method`` if a file in a zip is packed in a way that cannot be read."""
    method = member.compress_type
    if method not in _READ_METHODS:
        name = _METHODS.get(method, f"the method {method}")
        raise UnreadableFileError(
            "zip_method",
            f"the archive is packed with {name}, which cannot be read; pack it with the method Deflate, "
            "or as .gz, or send the file unpacked",
        )


def refuse_encrypted(members: Sequence[zipfile.ZipInfo]) -> None:
    if any(member.flag_bits & 0x1 or member.compress_type == _AES for member in members):
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
