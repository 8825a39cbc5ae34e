"""A posted form with text fields and one file, which is written as it arrives. No network."""

import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from multipart import PushMultipartParser

FIELDS = ("token", "agency", "dataset", "values")
FILE = "file"
_MAX_FIELD_BYTES = 1_000
_MAX_NAME_CHARACTERS = 200
_MAX_PARTS = 8
_BOUNDARY = re.compile(r"""multipart/form-data\s*;\s*boundary=("?)([0-9A-Za-z'()+_,./:=?-]{1,70})\1""", re.IGNORECASE)


class RefusedPostError(Exception):
    """A post that is not checked.

    Args:
        status: of HTTP.
        code: a stable name of the reason.
        message: what is wrong, and what to do.
        dataset: the dataset that was probably meant.
    """

    def __init__(self, status: int, code: str, message: str, dataset: str = "") -> None:
        self.status, self.code, self.message, self.dataset = status, code, message, dataset
        super().__init__(f"{code}: {message}")

    def __reduce__(self) -> tuple[Any, ...]:
        """It passes from the process that checks."""
        return type(self), (self.status, self.code, self.message, self.dataset)


def plain_name(name: str) -> str:
    """A file's name without folders and control characters. It is shown and matched, and never a path."""
    last = PurePosixPath(name.replace("\\", "/")).name
    return "".join(character for character in last if character.isprintable())[-_MAX_NAME_CHARACTERS:]


class FileSink(Protocol):
    """Where a file is written as it arrives."""

    def write(self, block: bytes | bytearray, /) -> object: ...


class FileForm:
    """Reads the form block by block.

    Attributes:
        fields: the text fields so far.
        file_name: once the file has begun; it is not empty.

    Args:
        content_type: the header of the request.
        open_file: called where the file begins, with the fields before it; gives where to write it. What it raises
            ends the form.
        most_bytes: of the file.
        most: the same in words.
    """

    def __init__(
        self, content_type: str, open_file: Callable[[Mapping[str, str]], FileSink], most_bytes: int, most: str
    ) -> None:
        self._parser = _parser(content_type)
        self._open_file, self._most_bytes, self._most = open_file, most_bytes, most
        self.fields: dict[str, str] = {}
        self.file_name: str | None = None
        self._part: str | None = None
        self._text = bytearray()
        self._file: FileSink | None = None
        self._written = 0

    def feed(self, block: bytes) -> None:
        """Read the next bytes.

        Raises:
            RefusedPostError: this is no such form, or the file is too large.
            OSError: the file cannot be written.
        """
        from multipart import MultipartError

        try:
            for event in self._parser.parse(block) if block else ():
                if event is None:
                    self._end_part()
                elif isinstance(event, (bytes, bytearray)):
                    self._add(event)
                else:
                    self._begin_part(event.name, event.filename)
        except MultipartError:
            raise _malformed() from None

    def finish(self) -> None:
        """Raise RefusedPostError unless the whole form was read, with a file."""
        from multipart import MultipartError

        try:
            self._parser.close()
        except MultipartError:
            raise RefusedPostError(400, "cut_off", "The file did not arrive whole; send it again.") from None
        if self.file_name is None:
            raise RefusedPostError(400, "no_file", "No file came with the form; choose one.")

    def _begin_part(self, name: str, file_name: str | None) -> None:
        self._part, self._text = name, bytearray()
        if name != FILE:
            return
        if self.file_name is not None:
            raise RefusedPostError(400, "several_files", "Several files came; send one at a time.")
        if found := plain_name(file_name or ""):
            self.file_name = found
            self._file = self._open_file(self.fields)

    def _add(self, block: bytes | bytearray) -> None:
        if self._part == FILE:
            self._written += len(block)
            if self._written > self._most_bytes:
                raise too_large(self._most)
            if self._file is not None:
                self._file.write(block)
        elif len(self._text) + len(block) > _MAX_FIELD_BYTES:
            raise _malformed()
        else:
            self._text += block

    def _end_part(self) -> None:
        if self._part in FIELDS and self._part not in self.fields:
            self.fields[self._part] = self._text.decode("utf-8", "replace").strip()
        self._part = None


def too_large(most: str) -> RefusedPostError:
    message = f"The file has more than {most}, the limit of this page; check it with the program on your own computer."
    return RefusedPostError(413, "too_large", message)


def _malformed() -> RefusedPostError:
    return RefusedPostError(400, "malformed", "The form is damaged; open the page again and send the file with it.")


def _parser(content_type: str) -> "PushMultipartParser":
    from multipart import PushMultipartParser

    found = _BOUNDARY.fullmatch(content_type.strip())
    if found is None:
        message = (
            "This address takes the form of its page (multipart/form-data); open the page and send the file with it."
        )
        raise RefusedPostError(415, "wrong_type", message)
    return PushMultipartParser(
        found[2], max_segment_count=_MAX_PARTS, max_header_size=2_000, max_header_count=5, strict=True
    )
