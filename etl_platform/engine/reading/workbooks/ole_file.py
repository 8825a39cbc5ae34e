"""An OLE file (compound file, [MS-CFB]) → its streams. Every chain of sectors is bounded by the size of the file."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

OLE_SIGNATURE = b"\xd0\xcf\x11\xe0"
_LAST_SECTOR = 0xFFFFFFF9
"""Numbers above it are marks: end of a chain, free, sector of the table itself."""
_MINI_SECTOR = 64
_ENTRY_BYTES = 128
_STREAM, _ROOT = 2, 5


@dataclass(frozen=True)
class _Entry:
    """One entry of the directory: a stream, a storage or the root, with its place in the tree of names."""

    name: str
    kind: int
    left: int
    right: int
    child: int
    first: int
    size: int


class OleFile:
    """The streams of an OLE file.

    Raises:
        ValueError, LookupError, struct.error: the file is cut off or damaged.
    """

    def __init__(self, content: bytes) -> None:
        shift = struct.unpack_from("<H", content, 30)[0]
        if shift not in {9, 12}:
            raise ValueError(f"its sectors have 2**{shift} bytes")
        self._content = content
        self._sector_bytes = 1 << shift
        self._sectors = -(-len(content) // self._sector_bytes) - 1
        self._directory_start, self._cutoff = struct.unpack_from("<I4xI", content, 48)
        self._mini_start = struct.unpack_from("<I", content, 60)[0]
        self._table = self._read_table()
        self._entries = [_entry(raw) for raw in _pieces(self._chain(self._directory_start), _ENTRY_BYTES)]
        if not any(entry.kind == _ROOT for entry in self._entries):
            raise ValueError("its directory is cut off")

    def stream(self, name: str, *, anywhere: bool = False) -> bytes | None:
        """The bytes of a stream below the root, or in any storage; None if it does not exist. Case does not matter."""
        entries = self._entries if anywhere else self._top_entries()
        for entry in entries:
            if entry.kind == _STREAM and entry.name.casefold() == name.casefold():
                return self._stream_bytes(entry)
        return None

    def _stream_bytes(self, entry: _Entry) -> bytes:
        if entry.size > len(self._content):
            raise ValueError(f"its stream {entry.name} claims {entry.size:,} bytes, more than the file has")
        small = entry.size < self._cutoff and self._mini_start <= _LAST_SECTOR
        content = self._mini_chain(entry.first) if small else self._chain(entry.first)
        if len(content) < entry.size:
            raise ValueError(f"{len(content):,} of the {entry.size:,} bytes of its stream {entry.name} are left")
        return content[: entry.size]

    def _top_entries(self) -> list[_Entry]:
        root = next((entry for entry in self._entries if entry.kind == _ROOT), None)
        found: list[_Entry] = []
        waiting, seen = [root.child] if root else [], set[int]()
        while waiting:
            number = waiting.pop()
            if number < len(self._entries) and number not in seen:
                seen.add(number)
                entry = self._entries[number]
                found.append(entry)
                waiting += [entry.left, entry.right]
        return found or self._entries

    def _sector(self, number: int) -> bytes:
        return self._content[(number + 1) * self._sector_bytes : (number + 2) * self._sector_bytes]

    def _read_table(self) -> Sequence[int]:
        """The successor of each sector."""
        listed = list(struct.unpack_from("<109I", self._content, 76))
        more, count = struct.unpack_from("<II", self._content, 68)
        for _ in range(min(count, self._sectors)):
            if more > _LAST_SECTOR:
                break
            *numbers, more = self._numbers(more)
            listed += numbers
        listed = [number for number in listed if number <= _LAST_SECTOR]
        if len(listed) > self._sectors:
            raise ValueError(f"it lists {len(listed):,} sectors of links and has {self._sectors:,} sectors")
        return [link for number in listed for link in self._numbers(number)]

    def _numbers(self, sector: int) -> tuple[int, ...]:
        return struct.unpack(f"<{self._sector_bytes // 4}I", self._sector(sector))

    def _chain(self, first: int) -> bytes:
        return b"".join(map(self._sector, _follow(self._table, first, self._sectors)))

    @cached_property
    def _mini_stream(self) -> bytes:
        root = next(entry for entry in self._entries if entry.kind == _ROOT)
        return self._chain(root.first)

    @cached_property
    def _mini_table(self) -> Sequence[int]:
        """The successor of each mini sector."""
        raw = self._chain(self._mini_start)
        return struct.unpack(f"<{len(raw) // 4}I", raw[: len(raw) // 4 * 4])

    def _mini_chain(self, first: int) -> bytes:
        stream = self._mini_stream
        places = _follow(self._mini_table, first, len(stream) // _MINI_SECTOR + 1)
        return b"".join(stream[place * _MINI_SECTOR : (place + 1) * _MINI_SECTOR] for place in places)


def _follow(table: Sequence[int], number: int, sectors: int) -> Iterator[int]:
    """The numbers of a chain's sectors."""
    for _ in range(sectors + 1):
        if number > _LAST_SECTOR:
            return
        if number >= sectors:
            raise ValueError(f"its chain of sectors leads to sector {number:,} of {sectors:,}")
        yield number
        number = table[number]
    raise ValueError("its chain of sectors is a loop")


def _pieces(content: bytes, size: int) -> Iterator[bytes]:
    return (content[place : place + size] for place in range(0, len(content) - size + 1, size))


def _entry(raw: bytes) -> _Entry:
    name_bytes, kind, _, left, right, child = struct.unpack_from("<HBBIII", raw, 64)
    first, size = struct.unpack_from("<II", raw, 116)
    name = raw[: max(0, min(name_bytes, 64) - 2)].decode("utf-16-le", "replace")
    return _Entry(name, kind, left, right, child, first, size)
