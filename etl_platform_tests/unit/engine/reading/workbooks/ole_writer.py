"""Writes OLE files (compound files, [MS-CFB]) with streams of any size. No tests."""

import struct
from collections.abc import Callable, Mapping, Sequence

MINI_CUTOFF = 4_096
_NO_SECTOR, _END, _TABLE, _LIST = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFC
_LISTED_IN_HEAD = 109


def ole(
    streams: Mapping[str, bytes], *, shift: int = 9, change: Callable[[list[int]], None] = lambda links: None
) -> bytes:
    """An OLE file. A stream of fewer than 4,096 bytes is in the mini stream.

    Args:
        shift: sectors have 2**9 or 2**12 bytes.
        change: alters the links between sectors before they are written.
    """
    sectors = _Sectors(1 << shift)
    mini = _Sectors(64)
    places = {name: (sectors if len(body) >= MINI_CUTOFF else mini).add(body) for name, body in streams.items()}
    mini_stream = b"".join(mini.pieces)
    mini_place, mini_table = sectors.add(mini_stream), sectors.add(_numbers(mini.links))
    directory = sectors.add(_directory(streams, places, mini_place, len(mini_stream)))
    change(sectors.links)
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    head += struct.pack("<HHHHH6x", 0x3E, 3 if shift == 9 else 4, 0xFFFE, shift, 6)
    return sectors.file(head, directory, mini_table)


class _Sectors:
    """Sectors and the link of each to its successor."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.pieces: list[bytes] = []
        self.links: list[int] = []

    def add(self, body: bytes) -> int:
        """Add a chain of sectors. Returns the number of its first one."""
        pieces = [body[place : place + self.size].ljust(self.size, b"\0") for place in range(0, len(body), self.size)]
        if not pieces:
            return _END
        first = len(self.pieces)
        self.pieces += pieces
        self.links += [*range(first + 1, first + len(pieces)), _END]
        return first

    def file(self, head: bytes, directory: int, mini_table: int) -> bytes:
        """The sectors, then the table of links, then the lists of the table's sectors that the head cannot hold."""
        count = self.size // 4
        tables = lists = 0
        while tables * count < len(self.links) + tables + lists:
            tables += 1
            lists = max(0, -(-(tables - _LISTED_IN_HEAD) // (count - 1)))
        first, first_list = len(self.links), len(self.links) + tables
        links = [*self.links, *[_TABLE] * tables, *[_LIST] * lists]
        listed = range(first, first_list)
        head += struct.pack("<IIIIIII", 0, tables, directory, 0, MINI_CUTOFF, mini_table, 1)
        head += struct.pack("<II", first_list if lists else _END, lists)
        head += _numbers(listed[:_LISTED_IN_HEAD], _LISTED_IN_HEAD)
        more = b""
        for number in range(lists):
            start = _LISTED_IN_HEAD + number * (count - 1)
            more += _numbers(listed[start : start + count - 1], count - 1)
            more += _numbers([first_list + number + 1 if number + 1 < lists else _END])
        return head.ljust(self.size, b"\0") + b"".join(self.pieces) + _numbers(links, tables * count) + more


def _directory(streams: Mapping[str, bytes], places: Mapping[str, int], mini_place: int, mini_size: int) -> bytes:
    entries = _entry("Root Entry", 5, 1 if streams else _NO_SECTOR, _NO_SECTOR, (mini_place, mini_size))
    for number, (name, body) in enumerate(streams.items(), start=1):
        right = number + 1 if number < len(streams) else _NO_SECTOR
        entries += _entry(name, 2, _NO_SECTOR, right, (places[name], len(body)))
    return entries


def _entry(name: str, kind: int, child: int, right: int, place_and_size: tuple[int, int]) -> bytes:
    text = name.encode("utf-16-le").ljust(64, b"\0")
    links = struct.pack("<HBBIII36x", 2 * len(name) + 2, kind, 1, _NO_SECTOR, right, child)
    return text + links + struct.pack("<IQ", *place_and_size)


def _numbers(numbers: Sequence[int], size: int = 0) -> bytes:
    """The numbers, and marks of free sectors up to ``size`` numbers."""
    found = [*numbers, *[_NO_SECTOR] * (size - len(numbers))]
    return struct.pack(f"<{len(found)}I", *found)
