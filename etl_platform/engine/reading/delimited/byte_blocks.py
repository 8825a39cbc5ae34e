"""The bytes of an open file, block by block: as many as wanted, from an offset on, up to a line end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from etl_platform.engine.reading.packed.archives import ByteStream, unpacking

_LOOK_BACK = 1 << 16


@contextmanager
def readable(open_file: Callable[[], ByteStream], packed: str | None) -> Iterator[ByteStream]:
    """An open file; damaged bytes that cannot be unpacked are a rejection."""
    with unpacking() if packed else nullcontext(), open_file() as file:
        yield file


def read_up_to(file: ByteStream, size: int) -> bytes:
    parts: list[bytes] = []
    while size and (part := file.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def skip_bytes(blocks: Iterator[bytes], offset: int) -> Iterator[bytes]:
    """The blocks from this offset on."""
    while offset and (block := next(blocks, b"")):
        yield block[offset:]
        offset = max(0, offset - len(block))
        del block
    yield from blocks


def whole_rows_size(file: ByteStream, line_end: bytes, size: int) -> int:
    """Size of a block that ends at a line end, because joining a partial row to the next block would copy the block."""
    start, look_back = file.tell(), min(_LOOK_BACK, size // 2)
    file.seek(start + size - look_back)
    found = file.read(look_back).rfind(line_end)
    file.seek(start)
    return size - look_back + found + 1 if found >= 0 else size
