"""Decompression of gzip and zip streams, with limits against bombs. Only damaged bytes reject the file."""

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.machine_errors import machine_error
from etl_platform.engine.reading.packed.source_file import SourceFile

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
_DAMAGE = (
    # bz2 raises it for damaged bytes, gzip raises a subclass of it, and a seek to a negative offset raises it, too.
    OSError,
    ValueError,
    LookupError,
    OverflowError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
)


@contextmanager
def unpacking(source: SourceFile | None = None) -> Iterator[None]:
    """Errors that prove damaged bytes become the rejection ``archive_damaged``; errors of the machine stay errors.

    Args:
        source: what zipfile reads within; an error of the machine that zipfile hid is raised again.
    """
    import lzma

    try:
        yield
    except Exception as error:
        if source and source.failed:
            raise source.failed from None
        if machine_error(error):
            raise
        if isinstance(error, EOFError):
            why = "the file cannot be unpacked, because it was cut off before its end; send it again"
        elif isinstance(error, (*_DAMAGE, lzma.LZMAError)):
            why = f"the file cannot be unpacked: {error}; send it again"
        else:
            raise
        raise UnreadableFileError("archive_damaged", why) from None


@contextmanager
def open_archive(file: Path | io.BytesIO) -> Iterator[zipfile.ZipFile]:
    """An open zip; within, damage is a rejection.

    Raises:
        UnreadableFileError: ``archive_damaged`` or ``workbook_damaged`` where the list of its files is missing.
    """
    with SourceFile(file) as source, unpacking(source), _zip(source) as archive:
        yield archive


def _zip(source: SourceFile) -> zipfile.ZipFile:
    _refuse_incomplete_zip(source)
    archive = zipfile.ZipFile(source)
    if source.failed:
        raise source.failed
    return archive


def _refuse_incomplete_zip(file: SourceFile) -> None:
    """Raise UnreadableFileError if a zip lacks the list of its files, which is written last."""
    if zipfile.is_zipfile(file):
        return
    file.seek(0)
    start = file.read(_HEAD_BYTES)
    if start.startswith(_SPLIT_MARK):
        raise UnreadableFileError("archive_damaged", "the file is one part of a split archive; send one whole archive")
    what, code = ("archive", "archive_damaged")
    if any(name in start for name in _OFFICE_NAMES):
        what, code = ("workbook", "workbook_damaged")
    raise UnreadableFileError(
        code, f"the {what} was cut off: its end is missing, as after a transfer that broke off; send it again"
    )


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
    source = SourceFile(path)
    return _BoundedStream(gzip.GzipFile(fileobj=source, mode="rb"), path.stat().st_size, [source])


def open_zip_member(path: Path, member: zipfile.ZipInfo) -> ByteStream:
    # With these two methods zipfile expands its whole input buffer at once, without a limit.
    unbounded = member.compress_type in {zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA}
    step = 4096 if unbounded else _ALLOWED_AT_ANY_RATIO_BYTES
    with ExitStack() as opened:
        source = opened.enter_context(SourceFile(path))
        with unpacking(source):
            archive = opened.enter_context(_zip(source))
            inner = archive.open(member)
        opened.pop_all()
    return _BoundedStream(inner, path.stat().st_size, [archive, source], step)


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
        below: what the stream reads from; closed with it.
        step: bytes that are decompressed between two checks.
    """

    def __init__(
        self,
        inner: io.BufferedIOBase | IO[bytes],
        packed_bytes: int,
        below: Sequence[SourceFile | zipfile.ZipFile],
        step: int = _ALLOWED_AT_ANY_RATIO_BYTES,
    ) -> None:
        self._inner, self._packed_bytes, self._below, self._step = inner, packed_bytes, below, step
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
        for file in self._below:
            file.close()
        super().close()
