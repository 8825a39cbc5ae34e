"""How a contract fixes the way its files are written, instead of detection. No files."""

import codecs
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from etl_platform.engine.contract.located_yaml import Located
from etl_platform.engine.errors import UnreadableFileError


@dataclass(frozen=True)
class ReadingOverrides:
    """What a contract sets; None where it is detected.

    Attributes:
        encoding: Python codec name.
        sheet: of a workbook; case, spaces and punctuation are ignored.
        header_line: 1-based line or sheet row where the header begins.
    """

    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    header_line: int | None = None

    def names(self) -> list[str]:
        return [name for name, value in vars(self).items() if value is not None]


def read_overrides(document: Located, server: Mapping[str, Any], custom: Mapping[str, Any]) -> ReadingOverrides:
    """The overrides in ``servers[0]`` and in the schema's custom properties.

    Raises:
        ContractError: a codec that does not exist, or a delimiter that is not one character.
    """
    encoding, delimiter, line = server.get("encoding"), server.get("delimiter"), custom.get("headerLine")
    if encoding is not None and not _is_text_codec(encoding):
        raise document.error(
            f"encoding {encoding!r} is unknown; use a codec of Python, such as utf-8, cp1252 or utf-16",
            "servers",
            0,
            "encoding",
        )
    if delimiter is not None and (len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n\0'):
        raise document.error(
            f'delimiter {delimiter!r} is not one ASCII character; write a tab as "\\t"', "servers", 0, "delimiter"
        )
    if line is not None and line < 1:
        raise document.error("headerLine counts lines from 1", "schema", 0, "customProperties")
    return ReadingOverrides(encoding, delimiter, custom.get("sheet"), line)


def _is_text_codec(name: str) -> bool:
    try:
        # Codecs such as base64 do not encode text.
        "".encode(name)
        codecs.getincrementaldecoder(name)
    except (LookupError, ValueError):
        return False
    return True


def contradicts_override(message: str) -> UnreadableFileError:
    """The rejection of a file that contradicts its contract; ``message`` follows the words "the contract sets"."""
    return UnreadableFileError(
        "not_as_pinned", f"the contract sets {message}; send the file that way, or have the contract changed"
    )
