"""How a contract fixes the way its files are written, instead of detection. No files."""

import codecs
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from etl_platform.engine.contract.custom_properties import schema_custom_place
from etl_platform.engine.contract.located_yaml import Located
from etl_platform.engine.errors import ContractError

NONE = "none"
_DELIMITER = re.compile(r"[^a-zA-Z0-9\"'\\\r\n\0\u00c0-\uffff]{1,8}")
FILE_SERVERS = frozenset({"s3", "azure", "sftp", "local", "custom"})
_FORMATS = ("csv", "tsv", "txt", "delimited", "xlsx", "xls", "excel", "zip", "gz", "gzip")
_SERVER_FIELDS = ("format", "encoding", "delimiter")
_QUOTES, _ESCAPES = ('"', "'", NONE), ("\\", NONE)


@dataclass(frozen=True)
class ReadingOverrides:
    """What a contract sets; None where it is detected.

    Attributes:
        encoding: Python codec name.
        sheet: of a workbook; case, spaces and punctuation are ignored.
        header_line: 1-based line or sheet row where the header begins.
        quote: around cells; NONE where quotes are text.
        escape: takes its meaning from the character after it; NONE where quotes are doubled instead.
        header: NONE where a file has no header, and its columns come in the order of the contract.
    """

    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    header_line: int | None = None
    quote: str | None = None
    escape: str | None = None
    header: str | None = None

    @property
    def no_header(self) -> bool:
        return self.header == NONE

    def names(self) -> list[str]:
        return [name for name, value in vars(self).items() if value is not None]


def read_overrides(document: Located, custom: Mapping[str, Any]) -> ReadingOverrides:
    """The overrides in the server of the delivered files and in the schema's custom properties.

    Raises:
        ContractError: a codec that does not exist, or a delimiter, quote, escape or header that cannot be read.
    """
    position, server = _drop_server(document)
    encoding, delimiter, line = server.get("encoding"), server.get("delimiter"), custom.get("headerLine")
    if encoding is not None and (problem := encoding_problem(encoding)):
        raise document.error(problem, "servers", position, "encoding")
    if delimiter is not None and (problem := delimiter_problem(delimiter)):
        raise document.error(problem, "servers", position, "delimiter")
    for name, allowed in (("quote", _QUOTES), ("escape", _ESCAPES), ("header", (NONE,))):
        if custom.get(name, NONE) not in allowed:
            message = f"{name} takes {' or '.join(allowed)}, not {custom[name]!r}"
            raise document.error(message, *schema_custom_place(document, name))
    place = schema_custom_place(document, "headerLine")
    if line is not None and "header" in custom:
        raise document.error("headerLine and header: none contradict each other; remove one", *place)
    if line is not None and line < 1:
        raise document.error("headerLine counts lines from 1", *place)
    marks = (custom.get(name) for name in ("quote", "escape", "header"))
    return ReadingOverrides(encoding, delimiter, custom.get("sheet"), line, *marks)


def encoding_problem(encoding: str) -> str | None:
    if _is_text_codec(encoding):
        return None
    return f"encoding {encoding!r} is unknown; use a codec of Python, such as utf-8, cp1252 or utf-16"


def delimiter_problem(delimiter: str) -> str | None:
    if _DELIMITER.fullmatch(delimiter):
        return None
    wanted = "1 to 8 characters without letters, digits, quotes and line ends"
    return f'delimiter {delimiter!r} is not {wanted}; write a tab as "\\t"'


def _drop_server(document: Located) -> tuple[int, Mapping[str, Any]]:
    """The server of the delivered files, with its position; empty if only databases and the like are listed.

    It is the one that is named ``drop``, or the first of files that can be read. ``silver`` is where they end up.
    """
    listed = enumerate(document.data.get("servers") or [])
    servers = [(i, s) for i, s in listed if s.get("type") in FILE_SERVERS and s.get("server") != "silver"]
    named = [(i, server) for i, server in servers if server.get("server") == "drop"]
    found = named or [(i, server) for i, server in servers if _is_read(server)]
    position, server = (found or servers or [(-1, {})])[0]
    if server and not _is_read(server):
        message = f"format {server.get('format')!r} is not read; files are {', '.join(_FORMATS)}"
        raise document.error(f"{message}; add the server of the delivered files", "servers", position, "format")
    return position, server


def other_servers(document: Located) -> Iterator[tuple[int, str]]:
    """Position and field of what says how files are written, on servers that are not the drop folder."""
    try:
        drop, _ = _drop_server(document)
    except ContractError:
        return
    for position, server in enumerate(document.data.get("servers") or []):
        yield from ((position, field) for field in _SERVER_FIELDS if position != drop and field in server)


def _is_read(server: Mapping[str, Any]) -> bool:
    return str(server.get("format", "csv")).lower() in _FORMATS


def _is_text_codec(name: str) -> bool:
    try:
        # Codecs such as base64 do not encode text.
        "".encode(name)
        codecs.getincrementaldecoder(name)
    except (LookupError, ValueError):
        return False
    return True
