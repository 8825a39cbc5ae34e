"""The parts of an Office file (a zip): found by their relationships, as the Open Packaging Conventions say.

Names of parts are compared without case (ISO/IEC 29500-2, 6.2.2.3). Targets may be relative, absolute or
percent-encoded.
"""

import posixpath
import zipfile
from collections import Counter
from collections.abc import Mapping
from typing import IO
from urllib.parse import unquote

from etl_platform.engine.reading.workbooks.office_xml import elements
from etl_platform.engine.reading.workbooks.sheets import workbook_damaged

_USUAL_WORKBOOK = "xl/workbook.xml"


class Relationship:
    """What a part points to: the last word of its type, such as ``worksheet``, and the name of the other part."""

    def __init__(self, kind: str, target: str) -> None:
        self.kind, self.target = kind, target


class Package:
    """The parts of an opened zip, by names without case."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        members = [member for member in archive.infolist() if not member.filename.endswith("/")]
        self._members = {_folded(member.filename): member for member in members}
        self._repeated = {name for name, n in Counter(_folded(m.filename) for m in members).items() if n > 1}

    def has(self, name: str) -> bool:
        return _folded(name) in self._members

    def open(self, name: str) -> IO[bytes]:
        """Open a part.

        Raises:
            UnreadableFileError: ``workbook_damaged`` where there is no such part, or more than one.
        """
        folded = _folded(name)
        if folded not in self._members:
            raise workbook_damaged(f"its part {name} is missing")
        if folded in self._repeated:
            raise workbook_damaged(f"it has two parts {name}")
        return self._archive.open(self._members[folded])

    def relationships(self, source: str = "") -> Mapping[str, Relationship]:
        """The relationships of a part, or of the whole package, by id; targets outside of the file are left out."""
        folder, name = posixpath.split(source)
        rels = posixpath.join(folder, "_rels", f"{name}.rels")
        if not self.has(rels):
            return {}
        with self.open(rels) as file:
            return {
                entry.attributes.get("Id", ""): Relationship(
                    entry.attributes.get("Type", "").rpartition("/")[2],
                    self._resolved(folder, entry.attributes.get("Target", "")),
                )
                for entry in elements(file, rels)
                if entry.name == "Relationship" and entry.attributes.get("TargetMode") != "External"
            }

    def _resolved(self, folder: str, target: str) -> str:
        """The part that a target names; some programs write all targets from the root."""
        path = unquote(target.partition("#")[0].replace("\\", "/"))
        resolved = posixpath.normpath(posixpath.join("/", folder, path)).lstrip("/")
        from_root = posixpath.normpath(posixpath.join("/", path)).lstrip("/")
        return from_root if not self.has(resolved) and self.has(from_root) else resolved

    def main_part(self) -> str | None:
        """The part that the package is about, such as the workbook; None for a zip that is no Office file."""
        targets = [entry.target for entry in self.relationships().values() if entry.kind == "officeDocument"]
        return targets[0] if targets else _USUAL_WORKBOOK if self.has(_USUAL_WORKBOOK) else None


def workbook_part(archive: zipfile.ZipFile) -> str | None:
    """The name of the part that lists the sheets of an .xlsx; None for another kind of zip."""
    package = Package(archive)
    name = package.main_part()
    if name is None or not package.has(name):
        return None
    with package.open(name) as file:
        if file.read(4).lstrip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n")[:1] not in {b"<", b""}:
            return None
    with package.open(name) as file:
        first = next(elements(file, name), None)
    return name if first is not None and first.name == "workbook" else None


def _folded(name: str) -> str:
    return unquote(name).replace("\\", "/").lstrip("/").casefold()
