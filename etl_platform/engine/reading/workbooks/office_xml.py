"""The XML of an Office file in bounded memory, by expat. Names lose their prefixes; a DTD or an entity is refused."""

from collections.abc import Iterator
from typing import IO, NamedTuple
from xml.parsers import expat

from etl_platform.engine.errors import UnreadableFileError
from etl_platform.engine.reading.workbooks.sheets import workbook_damaged

_BLOCK = 1 << 16
_LONGEST_TOKEN = 4 << 20
"""Bytes of one tag or comment. expat reads an unfinished token again with each block."""
_NO_MEMORY = expat.errors.codes[expat.errors.XML_ERROR_NO_MEMORY]
MAX_DEPTH = 200
"""Elements within each other: expat keeps each open one in memory."""


class Element(NamedTuple):
    """An opening tag: the names of its parent and of itself, and its attributes."""

    parent: str
    name: str
    attributes: dict[str, str]


def xml_parser() -> expat.XMLParserType:
    """A parser that refuses a DTD, with which a few bytes could become gigabytes."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_doctype
    return parser


def _refuse_doctype(*_: object) -> None:
    raise workbook_damaged("its XML has a document type")


def feed(parser: expat.XMLParserType, file: IO[bytes], part: str) -> Iterator[None]:
    """Parse a file block by block; the caller takes what its handlers gathered after each.

    Raises:
        UnreadableFileError: ``workbook_damaged`` where the text is not well-formed.
        MemoryError: the parser gets no memory.
    """
    fed = 0
    try:
        while block := file.read(_BLOCK):
            parser.Parse(block, False)
            fed += len(block)
            if fed - parser.CurrentByteIndex > _LONGEST_TOKEN:
                raise workbook_damaged(f"a tag of {part} has more than {_LONGEST_TOKEN:,} bytes")
            yield
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        if error.code == _NO_MEMORY:
            raise MemoryError from None
        raise _malformed(part, error) from None
    yield


def _malformed(part: str, error: expat.ExpatError) -> UnreadableFileError:
    reason = expat.ErrorString(error.code) or "malformed"
    return workbook_damaged(f"{part}, line {error.lineno:,}, is not well-formed XML ({reason})")


def too_deep(part: str) -> UnreadableFileError:
    return workbook_damaged(f"{part} has more than {MAX_DEPTH} elements within each other")


def elements(file: IO[bytes], part: str) -> Iterator[Element]:
    """All opening tags of a small part."""
    found: list[Element] = []
    parents = [""]
    parser = xml_parser()

    def start(name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition(":")[2]
        found.append(Element(parents[-1], local, attributes))
        parents.append(local)
        if len(parents) > MAX_DEPTH:
            raise too_deep(part)

    def end(_: str) -> None:
        parents.pop()

    parser.StartElementHandler, parser.EndElementHandler = start, end
    for _ in feed(parser, file, part):
        yield from found
        found.clear()
